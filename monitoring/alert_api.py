"""Alerts and their messages over HTTP."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, Q, Subquery
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import alert_serializers as shapes
from monitoring.alert_filters import AlertFilter, NotificationFilter
from monitoring.alert_silences import COLUMNS, Quiet
from monitoring.alerting import actions
from monitoring.alerting.searching import matching
from monitoring.models import Alert, AlertEvent, Notification
from monitoring.models.rules import SEVERITIES
from monitoring.notifying import outbox
from netmon.audit import services as audit
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import NewestFirst
from netmon.rest import etags
from netmon.rest.viewsets import VisibleReadViewSet

PAGED = {"limit", "offset", "format"}
AT_ONCE = 500


class AlertViewSet(VisibleReadViewSet):
    """What is wrong, and what became of it. People act on alerts; only the engine writes them."""

    model, queryset = Alert, Alert.objects.none()
    serializer_class = shapes.AlertSerializer
    filterset_class = AlertFilter
    ordering_fields = ["id", "started_at", "state_since", "resolved_at", "last_seen_at"]
    related = ("rule", "device", "interface", "acknowledged_by")
    brief = {"id": "pk", "state": "state", "severity": "severity", "summary": "summary", "device": "device_id"}

    def get_queryset(self) -> Any:
        rows = Alert.objects.visible_to(self.request.user)
        # What cuts a device off may be somebody else's.
        causes = Alert.objects.visible_to(self.request.user).filter(pk=OuterRef("cause_id"))
        return rows.select_related(*self.related).annotate(shown_cause=Subquery(causes.values("pk")[:1]))

    @extend_schema(request=shapes.RaisedAlertSerializer, responses={201: shapes.AlertSerializer}, filters=False)
    def create(self, request: Request) -> Response:
        """Raise an alert by hand: it lasts until somebody resolves it."""
        said = self._said(shapes.RaisedAlertSerializer)
        with transaction.atomic():
            alert = actions.raise_by_hand(user=request.user, **said)
            audit.record("create", alert, after={**audit.snapshot(alert)})
        answer = self._shown(alert)
        headers = {"ETag": etags.of(answer), "Location": f"{request.path}{alert.pk}/"}
        return Response(answer, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(request=shapes.AlertCommentSerializer)
    @action(detail=True, methods=["post"])
    def acknowledge(self, request: Request, pk: str) -> Response:
        """Say that somebody looks after it: no reminder and no further step. Again: the comment changes."""
        alert, said = self.get_object(), self._said(shapes.AlertCommentSerializer)
        with transaction.atomic():
            actions.refuse_ended(alert)
            actions.acknowledge([alert], user=request.user, comment=said["comment"])
            audit.record("acknowledge", alert, detail=said["comment"])
        return Response(self._shown(alert))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def unacknowledge(self, request: Request, pk: str) -> Response:
        """Take an acknowledgement back: steps and reminders begin anew."""
        alert = self.get_object()
        with transaction.atomic():
            actions.unacknowledge(alert, user=request.user)
            audit.record("unacknowledge", alert)
        return Response(self._shown(alert))

    @extend_schema(request=shapes.SilenceAlertSerializer)
    @action(detail=True, methods=["post"])
    def silence(self, request: Request, pk: str) -> Response:
        """Tell nobody of it for so many minutes, nor when it is over and comes back meanwhile; 0 ends a silence."""
        alert, said = self.get_object(), self._said(shapes.SilenceAlertSerializer)
        with transaction.atomic():
            actions.silence(alert, user=request.user, **said)
            audit.record("silence", alert, detail=f"{said['minutes']} minutes. {said['reason']}".strip())
        return Response(self._shown(alert))

    @extend_schema(request=shapes.AlertCommentSerializer)
    @action(detail=True, methods=["post"])
    def resolve(self, request: Request, pk: str) -> Response:
        """End it by hand. When its fault is still seen at the next look, it opens anew."""
        alert, said = self.get_object(), self._said(shapes.AlertCommentSerializer)
        with transaction.atomic():
            actions.resolve(alert, user=request.user, comment=said["comment"])
            audit.record("resolve", alert, detail=said["comment"])
        return Response(self._shown(alert))

    @extend_schema(request=shapes.RemarkSerializer, responses={201: shapes.AlertEventSerializer})
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: str) -> Response:
        """Add a remark to its history."""
        alert, said = self.get_object(), self._said(shapes.RemarkSerializer)
        with transaction.atomic():
            event = actions.comment(alert, text=said["text"], user=request.user)
            audit.record("comment", alert, detail=said["text"])
        return Response(shapes.AlertEventSerializer(event).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=shapes.AlertEventSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def events(self, request: Request, pk: str) -> Response:
        """What happened to it, oldest first."""
        refuse_unknown(request, PAGED)
        rows = AlertEvent.objects.filter(alert=self.get_object()).select_related("user")
        page = self.paginate_queryset(rows.order_by("seq"))
        return self.get_paginated_response(shapes.AlertEventSerializer(page, many=True).data)

    @extend_schema(responses=shapes.NotificationSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=NewestFirst)
    def notifications(self, request: Request, pk: str) -> Response:
        """Who was told of it, by what, and what became of each message, newest first."""
        refuse_unknown(request, {"limit", "cursor", "format"})
        page = self.paginate_queryset(Notification.objects.filter(alert=self.get_object()))
        return self.get_paginated_response(shapes.NotificationSerializer(page, many=True).data)

    @extend_schema(
        request=shapes.AcknowledgeAllSerializer, responses={200: shapes.AcknowledgedSerializer}, filters=False
    )
    @action(detail=False, methods=["post"], url_path="acknowledge-all", pagination_class=None)
    def acknowledge_all(self, request: Request) -> Response:
        """Acknowledge every open alert that the filters leave and nobody looks after yet."""
        refuse_unknown(request, {"format"})
        said = self._said(shapes.AcknowledgeAllSerializer)
        rows = Alert.objects.visible_to(request.user).open().filter(acknowledged_at__isnull=True)
        ids = list(rows.filter(_chosen(said.get("filters", {}))).order_by("pk").values_list("pk", flat=True))
        count = 0
        with transaction.atomic():
            for first in range(0, len(ids), AT_ONCE):
                part = Alert.objects.filter(pk__in=ids[first : first + AT_ONCE])
                count += len(actions.acknowledge(part, user=request.user, comment=said["comment"]))
            detail = f"{count} alerts. {said['comment']}".strip()
            audit.record("acknowledge", object_type="monitoring.alert", detail=detail)
        return Response({"acknowledged": count})

    @extend_schema(responses=shapes.AlertSummarySerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def summary(self, request: Request) -> Response:
        """How many alerts are open, by state and severity, and what waits longest for somebody."""
        refuse_unknown(request, {"format"})
        rows = Alert.objects.visible_to(request.user)
        by_state = dict.fromkeys((state for state in Alert.State.values if state != Alert.State.RESOLVED), 0)
        by_severity = dict.fromkeys(SEVERITIES, 0)
        told = (Alert.State.FIRING, Alert.State.FLAPPING)
        for state, severity, count in rows.open().order_by().values_list("state", "severity").annotate(n=Count("pk")):
            by_state[state] += count
            by_severity[severity] += count if state in told else 0
        waiting = rows.told().filter(acknowledged_at__isnull=True)
        oldest = waiting.order_by("started_at", "pk").values("id", "summary", "started_at").first()
        return Response(
            {
                "open": sum(by_state.values()),
                "by_state": by_state,
                "by_severity": by_severity,
                "unacknowledged": waiting.count(),
                "silenced": _silent(rows.told()),
                "oldest": oldest,
            }
        )

    def _said(self, serializer_class: Any) -> dict[str, Any]:
        asked = serializer_class(data=self.request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        said: dict[str, Any] = asked.validated_data
        return said

    def _shown(self, alert: Alert) -> Any:
        return self.get_serializer(self.get_queryset().get(pk=alert.pk)).data


def _silent(rows: Any) -> int:
    """How many of these alerts nobody is told of; each is looked at only while some silence is in force."""
    quiet = Quiet.load(timezone.now())
    if not quiet.shut.by_scope and not quiet.shut.by_fingerprint:
        return int(rows.filter(silenced_until__gt=quiet.at).count())
    columns = (*COLUMNS, "resolved_at")
    return sum(quiet.until(alert) is not None for alert in rows.select_related("device").only(*columns).order_by())


def _chosen(filters: dict[str, Any]) -> Q:
    wanted = Q()
    for name, value in filters.items():
        if name == "q":
            wanted &= matching(value)
        elif name == "tenant":
            wanted &= Q(device__tenant=value) | Q(device__isnull=True, tenant=value)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            wanted &= Q(**{f"{name}__in": value})
        else:
            wanted &= Q(**{"device__site" if name == "site" else name: value})
    return wanted


class NotificationViewSet(VisibleReadViewSet):
    """The delivery log: every message, to whom, by what, and what became of it. Newest first."""

    model, queryset = Notification, Notification.objects.none()
    serializer_class = shapes.NotificationSerializer
    filterset_class = NotificationFilter
    pagination_class = NewestFirst
    ordering_fields: list[str] = []
    brief = {"id": "pk", "kind": "kind", "to": "to", "status": "status"}

    def get_queryset(self) -> Any:
        return Notification.objects.visible_to(self.request.user)

    @extend_schema(request=None, responses={201: shapes.NotificationSerializer})
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Send it again, as a message of its own: the log keeps both."""
        row = self.get_object()
        with transaction.atomic():
            again = outbox.resend(row)
            audit.record("resend", row, detail=row.to)
        return Response(self.get_serializer(again).data, status=status.HTTP_201_CREATED)
