"""What lists of provisioning can be narrowed by."""

from typing import Any

import django_filters
from django.db.models import Q

from netmon.common.filters import FieldFilterSet, MomentFilter, TextFilter
from provisioning.models import Action, ActionRun


class ActionFilter(FieldFilterSet):
    q = TextFilter(method="by_text", max_length=100, help_text="Name, executable, description.")

    class Meta(FieldFilterSet.Meta):
        model = Action
        shown = ("id", "name", "executable", "run_on", "is_risky", "is_enabled", "tenant", "site", "kind", "tag")

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(
            Q(name__icontains=value) | Q(executable__icontains=value) | Q(description__icontains=value)
        )


class ActionRunFilter(FieldFilterSet):
    active = django_filters.BooleanFilter(method="by_active", help_text="Waiting, queued or running.")
    since = MomentFilter(field_name="created_at", lookup_expr="gte", help_text="Asked for at this moment or later.")
    q = TextFilter(method="by_text", max_length=100, help_text="Device, executable.")

    class Meta(FieldFilterSet.Meta):
        model = ActionRun
        shown = (
            "id", "action", "device", "tenant", "alert", "status", "run_on", "is_truncated", "created_at",
            "finished_at",
        )  # fmt: skip

    def by_active(self, queryset: Any, name: str, value: bool) -> Any:
        active = Q(status__in=ActionRun.ACTIVE)
        return queryset.filter(active if value else ~active)

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(Q(device_name__icontains=value) | Q(executable__icontains=value))
