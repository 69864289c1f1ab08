"""Rules and what shifts or hushes them, as the API takes and shows them."""

import math
import uuid
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inventory.models import Device
from monitoring.alerting import rehearsal, windows
from monitoring.models import Alert, AlertRule, MaintenanceWindow, SeverityModifier, Silence
from monitoring.models.rules import MOST_LISTED
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField, asker

SCOPE = ["tenant", "site", "kind", "tag", "device"]


class FiniteField(serializers.FloatField):
    """JSON cannot write infinity, but 1e999 reads as such."""

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class AlertRuleSerializer(ValidatedModelSerializer):
    raise_value = FiniteField(required=False, allow_null=True, help_text="Bad when beyond this.")
    clear_value = FiniteField(
        required=False, allow_null=True, help_text="Good again only beyond this. Left out: raise_value."
    )

    class Meta:
        model = AlertRule
        fields = [
            "id", "name", "source", "metric", "match", "interface_pattern", "comparator", "raise_value", "clear_value",
            "for_seconds", "for_checks", "clear_checks", "clear_seconds", "severity", "policy", *SCOPE, "template",
            "is_enabled", "note", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["template"]


class RehearseSerializer(StrictSerializer):
    days = serializers.FloatField(
        min_value=1 / 24, max_value=rehearsal.MAX_DAYS, default=30, help_text="So many days back from now."
    )


class UnsavedRuleSerializer(AlertRuleSerializer):
    """A rule that is only tried: it needs no name, and takes none away."""

    days = serializers.FloatField(
        min_value=1 / 24, max_value=rehearsal.MAX_DAYS, default=30, write_only=True, help_text="So many days back."
    )

    class Meta(AlertRuleSerializer.Meta):
        fields = [
            name
            for name in AlertRuleSerializer.Meta.fields
            if name not in ("id", "name", "template", "created_at", "updated_at")
        ] + ["days"]
        read_only_fields: list[str] = []

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return super().validate({**attrs, "name": f"rehearsal {uuid.uuid4().hex}"})

    def unsaved(self) -> tuple[AlertRule, float]:
        """The rule, and how many days back."""
        values = dict(self.validated_data)
        days: float = values.pop("days")
        return AlertRule(**values), days


class RaisedSerializer(serializers.Serializer[Any]):
    device = serializers.IntegerField()
    device_name = serializers.CharField()
    subject = serializers.CharField(allow_blank=True)
    started_at = serializers.DateTimeField(help_text="First sign.")
    raised_at = serializers.DateTimeField()
    resolved_at = serializers.DateTimeField(allow_null=True)


class ToldCountSerializer(serializers.Serializer[Any]):
    to = serializers.CharField()
    messages = serializers.IntegerField()


class RehearsalSerializer(serializers.Serializer[Any]):
    """What the rule would have raised on stored history."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    is_supported = serializers.BooleanField(help_text="False: of this source no history is kept.")
    is_exact = serializers.BooleanField(help_text="False: only averages of some values are still kept.")
    looked_at = serializers.IntegerField(help_text="Series, or devices.")
    count = serializers.IntegerField()
    at_night = serializers.IntegerField(help_text="Between 22 and 6 o'clock UTC.")
    told = ToldCountSerializer(many=True, help_text="Who would have been told at once, and how often.")
    raised = RaisedSerializer(many=True, help_text=f"The first {rehearsal.SHOWN}.")


class SourceSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    shape = serializers.ChoiceField(choices=["metric", "state", "event"])
    help = serializers.CharField(allow_blank=True)
    matches = serializers.CharField(allow_blank=True, help_text="What `match` is held against; empty: it has none.")
    fields = serializers.ListField(child=serializers.CharField(), help_text="What a rule of it may say.")  # type: ignore[assignment]
    is_path = serializers.BooleanField(help_text="That a device is cut off explains it.")


class MetricSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="As a rule names it.")
    label = serializers.CharField()  # type: ignore[assignment]
    unit = serializers.CharField(allow_blank=True)


class SourcesSerializer(serializers.Serializer[Any]):
    sources = SourceSerializer(many=True)
    metrics = MetricSerializer(many=True)


class SeverityModifierSerializer(ValidatedModelSerializer):
    class Meta:
        model = SeverityModifier
        fields = ["id", "name", "delta", *SCOPE, "created_at", "updated_at"]


class SilenceSerializer(ValidatedModelSerializer):
    """It names a rule, a scope, or one alert: one that named nothing would silence everything."""

    alert = VisibleRelatedField(
        queryset=Alert.objects.all(),
        write_only=True,
        required=False,
        help_text="Of this alert, and of it when it comes back. Cannot be changed later.",
    )
    is_active = serializers.SerializerMethodField(help_text="Silent now.")
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Silence
        fields = [
            "id", "alert", "fingerprint", "rule", *SCOPE, "starts_at", "ends_at", "reason", "is_active", "created_by",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["fingerprint"]

    def get_is_active(self, silence: Silence) -> bool:
        return silence.starts_at <= timezone.now() < silence.ends_at

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        alert: Alert | None = attrs.pop("alert", None)
        if alert is not None and self.instance is not None:
            raise serializers.ValidationError({"alert": "It cannot be changed: make another silence."})
        if alert is not None:
            attrs["fingerprint"] = alert.fingerprint
            attrs["device"], attrs["rule"] = alert.device, alert.rule
            attrs["tenant"] = alert.device.tenant if alert.device else alert.tenant
        attrs = super().validate(attrs)
        said = {name: attrs.get(name, getattr(self.instance, name, None)) for name in ("fingerprint", "rule", *SCOPE)}
        if not any(said.values()):
            raise serializers.ValidationError(
                "Name a rule, an alert or a scope (tenant, site, kind, tag, device): this would silence everything.",
                code="required",
            )
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Silence:
        row: Silence = super().create({**validated_data, "created_by": asker(self)})
        return row


class OccurrenceSerializer(serializers.Serializer[Any]):
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()


class MaintenanceWindowSerializer(ValidatedModelSerializer):
    devices = VisibleRelatedField(
        many=True,
        required=False,
        queryset=Device.objects.all(),
        help_text=f"Only these, one by one, at most {MOST_LISTED}; none: all that the scope holds.",
    )
    present = serializers.SerializerMethodField(help_text="The occurrence under way; null when there is none.")
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = MaintenanceWindow
        fields = [
            "id", "name", *SCOPE, "devices", "is_listed", "starts_at", "ends_at", "time_zone", "recurrence", "weekdays",
            "until", "include_children", "ends_when_back", "reason", "present", "ended_at", "created_by", "created_at",
            "updated_at",
        ]  # fmt: skip
        read_only_fields = ["ended_at", "is_listed"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "devices" in attrs:
            if len(attrs["devices"]) > MOST_LISTED:
                raise serializers.ValidationError(
                    {"devices": f"At most {MOST_LISTED} devices: take a site, a kind or a tag."}
                )
            attrs["is_listed"] = bool(attrs["devices"])
        return super().validate(attrs)

    def to_representation(self, instance: MaintenanceWindow) -> dict[str, Any]:
        answer = super().to_representation(instance)
        tenants = getattr(asker(self), "tenant_ids", None)
        devices = instance.devices.all() if instance.is_listed else []
        answer["devices"] = sorted(one.pk for one in devices if not tenants or one.tenant_id in tenants)
        return answer

    @extend_schema_field(OccurrenceSerializer(allow_null=True))
    def get_present(self, window: MaintenanceWindow) -> Any:
        found = windows.present(window, timezone.now())
        return OccurrenceSerializer(found).data if found else None

    def create(self, validated_data: dict[str, Any]) -> MaintenanceWindow:
        row: MaintenanceWindow = super().create({**validated_data, "created_by": asker(self)})
        return row


class UpcomingSerializer(OccurrenceSerializer):
    window = serializers.IntegerField()
    name = serializers.CharField()
    is_open = serializers.BooleanField(help_text="Under way now.")


class AffectedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Device.Kind.choices)
    state = serializers.CharField()
    is_child = serializers.BooleanField(help_text="Covered only for what it is reached through.")


class AffectsSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    devices = AffectedSerializer(many=True, help_text="The first 500.")
    not_up = AffectedSerializer(many=True, help_text="Of all, those that are not up already: not for this work.")
