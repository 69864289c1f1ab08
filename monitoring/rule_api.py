"""Rules, and what shifts or hushes alerts, over HTTP."""

import copy
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Device
from monitoring import alert_filters as filters
from monitoring import alert_silences
from monitoring import rule_serializers as shapes
from monitoring.alerting import catalogue, rehearsal, situation, windows
from monitoring.device_views import bounds, query
from monitoring.models import AlertRule, DeviceState, MaintenanceWindow, SeverityModifier, Silence
from monitoring.shared_api import SharedViewSet
from netmon.audit import services as audit
from netmon.common.errors import Conflict
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.common.throttling import MinuteThrottle, ScopedThrottle

SHOWN = 500


class AlertRuleViewSet(SharedViewSet):
    """When an alert is raised. Rules that netmon ships say so in `template`: they are changed or switched off."""

    model, queryset = AlertRule, AlertRule.objects.none()
    serializer_class = shapes.AlertRuleSerializer
    filterset_class = filters.AlertRuleFilter
    ordering_fields = ["id", "name", "source", "severity", "created_at"]
    brief = {"id": "pk", "name": "name", "source": "source", "severity": "severity", "is_enabled": "is_enabled"}
    throttle_scope = "rehearse"  # read by the throttle of rehearsals only, which read months of samples

    def delete_one(self, row: AlertRule) -> None:
        self.check_may_write(row)
        if row.template:
            raise Conflict("This rule is shipped with netmon: switch it off instead, with is_enabled false.")
        super().delete_one(row)

    @extend_schema(request=shapes.RehearseSerializer, responses={200: shapes.RehearsalSerializer})
    @action(detail=True, methods=["post"], throttle_classes=[MinuteThrottle, ScopedThrottle])
    def rehearse(self, request: Request, pk: str) -> Response:
        """What it would have raised in the last days, at the devices that you see. Nothing is changed or sent."""
        rule = self.get_object()
        asked = shapes.RehearseSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        return Response(self._rehearsed(rule, asked.validated_data["days"]))

    @extend_schema(
        operation_id="alert_rules_rehearse_unsaved",
        request=shapes.UnsavedRuleSerializer,
        responses={200: shapes.RehearsalSerializer},
        filters=False,
    )
    @action(
        detail=False,
        methods=["post"],
        url_path="rehearse",
        url_name="rehearse-unsaved",
        pagination_class=None,
        throttle_classes=[MinuteThrottle, ScopedThrottle],
    )
    def rehearse_unsaved(self, request: Request) -> Response:
        """The same for a rule that is not saved."""
        refuse_unknown(request, {"format"})
        asked = shapes.UnsavedRuleSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        return Response(self._rehearsed(*asked.unsaved()))

    @extend_schema(responses=shapes.SourcesSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def sources(self, request: Request) -> Response:
        """What rules can look at, and the metrics that they can compare."""
        refuse_unknown(request, {"format"})
        return Response({"sources": catalogue.sources(), "metrics": catalogue.metrics()})

    def _rehearsed(self, rule: AlertRule, days: float) -> dict[str, Any]:
        mine = Device.objects.visible_to(self.request.user)
        try:
            found = rehearsal.rehearse(
                rule, days=days, now=timezone.now(), device_ids=mine.values_list("pk", flat=True)
            )
        except rehearsal.TooMuch as error:
            raise ValidationError({"days": str(error)}) from None
        raised = found.raised[: rehearsal.SHOWN]
        names = dict(mine.filter(pk__in={one.device_id for one in raised}).values_list("pk", "name"))
        return {
            "since": found.since,
            "until": found.until,
            "is_supported": found.is_supported,
            "is_exact": found.is_exact,
            "looked_at": found.looked_at,
            "count": len(found.raised),
            "at_night": found.at_night,
            "told": [{"to": name, "messages": found.told[name]} for name in sorted(found.told)],
            "raised": [
                {
                    "device": one.device_id,
                    "device_name": names[one.device_id],
                    "subject": one.subject,
                    "started_at": one.episode.started_at,
                    "raised_at": one.episode.raised_at,
                    "resolved_at": one.episode.resolved_at,
                }
                for one in raised
            ],
        }


class SeverityModifierViewSet(SharedViewSet):
    """What makes alerts of some devices graver or milder."""

    model, queryset = SeverityModifier, SeverityModifier.objects.none()
    serializer_class = shapes.SeverityModifierSerializer
    filterset_class = filters.SeverityModifierFilter
    ordering_fields = ["id", "name", "delta", "created_at"]
    brief = {"id": "pk", "name": "name", "delta": "delta"}


class SilenceViewSet(SharedViewSet):
    """Alerts that are raised but told to nobody."""

    model, queryset = Silence, Silence.objects.none()
    serializer_class = shapes.SilenceSerializer
    filterset_class = filters.SilenceFilter
    ordering_fields = ["id", "starts_at", "ends_at", "created_at"]
    related = ("created_by",)
    brief = {"id": "pk", "reason": "reason", "starts_at": "starts_at", "ends_at": "ends_at"}

    def update_one(self, row: Silence, data: Any, *, partial: bool) -> dict[str, Any]:
        before = copy.copy(row)
        answer: dict[str, Any] = super().update_one(row, data, partial=partial)
        if row.ends_at < before.ends_at:
            alert_silences.release(before, max(row.ends_at, timezone.now()))
        return answer

    def delete_one(self, row: Silence) -> None:
        super().delete_one(row)
        alert_silences.release(row, timezone.now())


class MaintenanceWindowViewSet(SharedViewSet):
    """Planned work: alerts of what it covers are held back, and its downtime is counted apart."""

    model, queryset = MaintenanceWindow, MaintenanceWindow.objects.none()
    serializer_class = shapes.MaintenanceWindowSerializer
    filterset_class = filters.MaintenanceWindowFilter
    ordering_fields = ["id", "name", "starts_at", "ends_at", "created_at"]
    related = ("created_by",)
    brief = {"id": "pk", "name": "name", "starts_at": "starts_at", "ends_at": "ends_at"}

    def get_queryset(self) -> Any:
        rows = MaintenanceWindow.objects.visible_to(self.request.user)
        return rows.select_related(*self.related).prefetch_related("devices")

    def perform_update(self, serializer: Any) -> None:
        super().perform_update(serializer)
        windows.look_again(timezone.now())  # it may cover less than before

    def perform_destroy(self, instance: MaintenanceWindow) -> None:
        super().perform_destroy(instance)
        windows.look_again(timezone.now())

    @extend_schema(
        parameters=[query("days", bounds(1, 366), "So many days from now (7).")],
        responses=shapes.UpcomingSerializer(many=True),
        filters=False,
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def upcoming(self, request: Request) -> Response:
        """The occurrences of the next days in order, those under way included; at most 500."""
        refuse_unknown(request, {"days", "format"})
        days = bounded_int(request, "days", minimum=1, maximum=366, default=7) or 7
        now = timezone.now()
        found = windows.upcoming(self.get_queryset(), now, now + timedelta(days=days))
        return Response(
            [
                {
                    "window": window.pk,
                    "name": window.name,
                    "starts_at": one.starts_at,
                    "ends_at": one.ends_at,
                    "is_open": one.starts_at <= now,
                }
                for one, window in found
                if not windows.was_ended(one, window, now)
            ][:SHOWN]
        )

    @extend_schema(responses=shapes.AffectsSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def affects(self, request: Request, pk: str) -> Response:
        """The devices that it covers while it is open, of those that you see, and which of them are not up already."""
        refuse_unknown(request, {"format"})
        covered = situation.covered_by(self.get_object(), situation.load_graph())
        devices = Device.objects.visible_to(request.user).filter(pk__in=covered, status=Device.Status.ACTIVE)
        rows = devices.order_by("name_key", "pk").values_list("pk", "name", "kind", "state__state")
        found = [
            {"id": pk, "name": name, "kind": kind, "state": state or "unknown", "is_child": covered[pk]}
            for pk, name, kind, state in rows
        ]
        not_up = [row for row in found if row["state"] != DeviceState.State.UP]
        return Response({"count": len(found), "devices": found[:SHOWN], "not_up": not_up[:SHOWN]})

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: str) -> Response:
        """End the present occurrence now; later ones stay."""
        row = self.get_object()
        self.check_may_write(row)
        with transaction.atomic():
            before = audit.snapshot(row)
            windows.end(row, timezone.now())
            audit.record("end", row, before=before, after=audit.snapshot(row))
        return Response(self.get_serializer(row).data)
