from typing import Any

import django_filters
from django.db.models import Q

from netmon.common.filters import FieldFilterSet, MomentFilter, NumberFilter, TextFilter
from scanning.models import ExpectedPort, Scan, ScanExclusion, ScanHost, ScanSchedule, SeenHost

STATUSES = [(name, name) for name in ("queued", "running", *(outcome for outcome, _ in Scan.Outcome.choices))]


class ScanFilter(FieldFilterSet):
    status = django_filters.ChoiceFilter(choices=STATUSES, method="by_status")
    active = django_filters.BooleanFilter(method="by_active", help_text="Queued or running.")
    since = MomentFilter(field_name="created_at", lookup_expr="gte", help_text="Asked for at this moment or later.")
    q = TextFilter(method="by_text", max_length=100, help_text="Target, reason.")

    class Meta(FieldFilterSet.Meta):
        model = Scan
        shown = ("id", "kind", "profile", "source", "tenant", "device", "schedule", "created_at", "finished_at")

    def by_status(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.of_status(value)

    def by_active(self, queryset: Any, name: str, value: bool) -> Any:
        return queryset.filter(outcome="") if value else queryset.exclude(outcome="")

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(Q(target__icontains=value) | Q(reason__icontains=value))


class ScanHostFilter(FieldFilterSet):
    port = NumberFilter(field_name="ports__port", distinct=True, help_text="Hosts with this port open.")
    q = TextFilter(method="by_text", max_length=100, help_text="Address, name, MAC address, vendor.")

    class Meta(FieldFilterSet.Meta):
        model = ScanHost
        shown = ("id", "address", "is_up", "mac_address", "device")

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(host_text(value))


def host_text(value: str) -> Q:
    """Hosts with this text in what people know them by."""
    return (
        Q(address__startswith=value.lower())
        | Q(hostname__icontains=value)
        | Q(mac_address__startswith=value.lower())
        | Q(vendor__icontains=value)
    )


class DiscoveryFilter(FieldFilterSet):
    known = django_filters.BooleanFilter(
        field_name="device", lookup_expr="isnull", exclude=True, help_text="Whether it is in the inventory."
    )
    port = NumberFilter(method="by_port", help_text="Hosts with this port open.")
    q = TextFilter(method="by_text", max_length=100, help_text="Address, name, MAC address, vendor.")

    class Meta(FieldFilterSet.Meta):
        model = SeenHost
        shown = (
            "id", "address", "mac_address", "is_random_mac", "tenant", "device", "review", "kind_guess", "is_present",
            "first_seen_at", "last_seen_at",
        )  # fmt: skip

    def by_port(self, queryset: Any, name: str, value: Any) -> Any:
        return queryset.filter(ports__port=value, ports__is_open=True).distinct()

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(host_text(value))


class ScanScheduleFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = ScanSchedule
        hidden = ("window_start", "window_end", "target", "ports", "last_error")


class ScanExclusionFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = ScanExclusion


class ExpectedPortFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = ExpectedPort
