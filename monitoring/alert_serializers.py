"""Alerts, their history and their messages, as the API shows them, and what people say when they act on one."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from inventory.models import Device, Site, Tenant
from monitoring.alert_silences import Quiet
from monitoring.alerting.actions import LONGEST_SILENCE_MINUTES
from monitoring.models import Alert, AlertEvent, Notification
from monitoring.models.rules import Severity
from monitoring.models.scopes import NO_NUL
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField


class AlertSerializer(ValidatedModelSerializer):
    rule_name = serializers.CharField(source="rule.name", default=None, read_only=True, allow_null=True)
    device_name = serializers.CharField(source="device.name", default=None, read_only=True, allow_null=True)
    site = serializers.IntegerField(source="device.site_id", default=None, read_only=True, allow_null=True)
    tenant = serializers.SerializerMethodField(help_text="Of its device, or of an alert without one.")
    interface_name = serializers.CharField(source="interface.name", default=None, read_only=True, allow_null=True)
    acknowledged_by = serializers.CharField(
        source="acknowledged_by.username", default=None, read_only=True, allow_null=True
    )
    cause = serializers.IntegerField(
        source="shown_cause", default=None, read_only=True, allow_null=True, help_text="The alert that explains it."
    )
    is_open = serializers.BooleanField(read_only=True)
    silenced_until = serializers.SerializerMethodField(
        help_text="Until when nobody is told of it, by a silence of its own or one whose scope it is in."
    )
    is_silenced = serializers.SerializerMethodField(help_text="Silent now.")

    class Meta:
        model = Alert
        fields = [
            "id", "state", "severity", "summary", "detail", "rule", "rule_name", "source", "device", "device_name",
            "site", "tenant", "interface", "interface_name", "subject", "value", "data", "is_open", "started_at",
            "fired_at", "state_since", "resolved_at", "cleared_at", "last_seen_at", "acknowledged_at",
            "acknowledged_by", "comment", "silenced_until", "is_silenced", "is_told", "was_in_maintenance", "cause",
            "escalation_step", "version",
        ]  # fmt: skip
        read_only_fields = fields

    def get_tenant(self, alert: Alert) -> int | None:
        return alert.device.tenant_id if alert.device else alert.tenant_id

    def get_silenced_until(self, alert: Alert) -> datetime | None:
        context: Any = self.context
        if "quiet" not in context:  # once for all rows of an answer
            context["quiet"] = Quiet.load(timezone.now())
        until: datetime | None = context["quiet"].until(alert)
        return until

    def get_is_silenced(self, alert: Alert) -> bool:
        return self.get_silenced_until(alert) is not None


class RaisedAlertSerializer(StrictSerializer):
    """An alert raised by hand."""

    summary = serializers.CharField(max_length=300, validators=NO_NUL)
    severity = serializers.ChoiceField(choices=Severity.choices, default=Severity.MEDIUM)
    device = VisibleRelatedField(queryset=Device.objects.all(), required=False, allow_null=True)
    tenant = VisibleRelatedField(
        queryset=Tenant.objects.all(),
        required=False,
        allow_null=True,
        help_text="Of an alert without a device; one with a device belongs to the device's.",
    )
    subject = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
    detail = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        user = self.context["request"].user
        if attrs.get("device") is not None:
            if attrs.get("tenant") is not None:
                raise serializers.ValidationError(
                    {"tenant": "An alert of a device belongs to the device's tenant: leave this out."}
                )
        elif attrs.get("tenant") is None and user.tenant_ids:
            if len(user.tenant_ids) > 1:
                raise serializers.ValidationError({"tenant": "Name a device or one of your tenants."}, code="required")
            attrs["tenant"] = Tenant.objects.get(pk__in=user.tenant_ids)
        return attrs


class AlertEventSerializer(serializers.ModelSerializer[AlertEvent]):
    user = serializers.CharField(source="user.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = AlertEvent
        fields = ["seq", "at", "kind", "severity", "text", "user"]
        read_only_fields = fields


class DeliveryTrySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    code = serializers.CharField(allow_blank=True)
    error = serializers.CharField(allow_blank=True)
    seconds = serializers.FloatField()


class NotificationSerializer(serializers.ModelSerializer[Notification]):
    log = DeliveryTrySerializer(many=True, read_only=True, help_text="Each try.")
    again_of = serializers.IntegerField(
        source="data.again_of", default=None, read_only=True, allow_null=True, help_text="The message sent again."
    )
    held = serializers.CharField(
        source="data.held", default="", read_only=True, help_text="quiet or digest: why it waited."
    )

    class Meta:
        model = Notification
        fields = [
            "id", "alert", "seq", "kind", "contact", "channel", "to", "repeat_no", "severity", "status", "attempt",
            "created_at", "next_at", "sent_at", "last_code", "last_error", "is_repeat", "held", "again_of", "log",
        ]  # fmt: skip
        read_only_fields = fields


# --- what people say ----------------------------------------------------------------------------------------------


class AlertCommentSerializer(StrictSerializer):
    comment = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="", validators=NO_NUL)


class RemarkSerializer(StrictSerializer):
    text = serializers.CharField(max_length=1000, validators=NO_NUL)


class SilenceAlertSerializer(StrictSerializer):
    minutes = serializers.IntegerField(
        min_value=0, max_value=LONGEST_SILENCE_MINUTES, help_text="From now; 0 ends a silence."
    )
    reason = serializers.CharField(max_length=400, required=False, allow_blank=True, default="", validators=NO_NUL)


class AlertChoiceSerializer(StrictSerializer):
    """Some of the filters of the list: what is left out does not narrow."""

    state = serializers.ListField(
        child=serializers.ChoiceField(choices=Alert.State.choices), required=False, allow_empty=False
    )
    severity = serializers.ListField(
        child=serializers.ChoiceField(choices=Severity.choices), required=False, allow_empty=False
    )
    device = VisibleRelatedField(queryset=Device.objects.all(), required=False)
    site = VisibleRelatedField(queryset=Site.objects.all(), required=False)
    tenant = VisibleRelatedField(queryset=Tenant.objects.all(), required=False)
    source = serializers.CharField(max_length=48, required=False)  # type: ignore[assignment]
    q = serializers.CharField(max_length=100, required=False)


class AcknowledgeAllSerializer(StrictSerializer):
    filters = AlertChoiceSerializer(required=False)
    comment = serializers.CharField(max_length=1000, required=False, allow_blank=True, default="", validators=NO_NUL)


class AcknowledgedSerializer(serializers.Serializer[Any]):
    acknowledged = serializers.IntegerField(help_text="How many alerts.")


class OldestSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    summary = serializers.CharField()
    started_at = serializers.DateTimeField()


class AlertSummarySerializer(serializers.Serializer[Any]):
    """Of the alerts that are open; pending ones and those held back are counted by state only."""

    open = serializers.IntegerField()
    by_state = serializers.DictField(child=serializers.IntegerField())
    by_severity = serializers.DictField(child=serializers.IntegerField(), help_text="Of those that fire or flap.")
    unacknowledged = serializers.IntegerField(help_text="That fire or flap, and nobody looks after.")
    silenced = serializers.IntegerField()
    oldest = OldestSerializer(allow_null=True, help_text="Of those nobody looks after.")
