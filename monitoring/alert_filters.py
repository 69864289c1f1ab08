from typing import Any

import django_filters
from django.db.models import Q

from monitoring.alerting.searching import matching
from monitoring.models import (
    Alert,
    AlertRule,
    Channel,
    Contact,
    EscalationPolicy,
    MaintenanceWindow,
    Notification,
    SeverityModifier,
    Silence,
)
from monitoring.models.rules import Severity
from netmon.common.filters import FieldFilterSet, MomentFilter, NumberFilter, TextFilter


class AlertFilter(FieldFilterSet):
    state = django_filters.MultipleChoiceFilter(choices=Alert.State.choices)
    severity = django_filters.MultipleChoiceFilter(choices=Severity.choices)
    site = NumberFilter(field_name="device__site_id")
    tenant = NumberFilter(method="by_tenant", help_text="Of its device, or of an alert without one.")
    acknowledged = django_filters.BooleanFilter(field_name="acknowledged_at", lookup_expr="isnull", exclude=True)
    open = django_filters.BooleanFilter(field_name="resolved_at", lookup_expr="isnull")
    since = MomentFilter(field_name="started_at", lookup_expr="gte", help_text="Begun at this moment or later.")
    q = TextFilter(method="by_text", max_length=100, help_text="Summary, detail, object, name of the device.")

    class Meta(FieldFilterSet.Meta):
        model = Alert
        # What cut an alert off may be another tenant's; the rest is the engine's own book-keeping.
        hidden = ("tenant", "cause", "fingerprint", "due_at", "hold_until", "escalate_at", "remind_at", "seq")

    def by_tenant(self, queryset: Any, name: str, value: Any) -> Any:
        return queryset.filter(Q(device__tenant=value) | Q(device__isnull=True, tenant=value))

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(matching(value))


class AlertRuleFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = AlertRule
        hidden = ("revision",)


class SeverityModifierFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = SeverityModifier
        hidden = ("revision",)


class SilenceFilter(FieldFilterSet):
    active = django_filters.BooleanFilter(method="by_active", help_text="Silent now.")

    class Meta(FieldFilterSet.Meta):
        model = Silence
        hidden = ("fingerprint",)

    def by_active(self, queryset: Any, name: str, value: bool) -> Any:
        return queryset.now() if value else queryset.exclude(pk__in=queryset.now().values("pk"))


class MaintenanceWindowFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = MaintenanceWindow


class ChannelFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Channel
        hidden = ("shown", "last_error")


class ContactFilter(FieldFilterSet):
    channel = NumberFilter(field_name="channels", help_text="Contacts that use this channel.")

    class Meta(FieldFilterSet.Meta):
        model = Contact
        hidden = ("quiet_from", "quiet_to")


class EscalationPolicyFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = EscalationPolicy


class NotificationFilter(FieldFilterSet):
    since = MomentFilter(field_name="created_at", lookup_expr="gte", help_text="Planned at this moment or later.")

    class Meta(FieldFilterSet.Meta):
        model = Notification
        shown = (
            "id", "alert", "channel", "contact", "status", "kind", "severity", "created_at", "sent_at", "last_code",
        )  # fmt: skip
