"""What is known of hosts, what is expected of devices, and what is scanned again and again, over HTTP."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from inventory.models import Device
from netmon.audit import services as audit
from netmon.common.filters import refuse_unknown
from netmon.common.schema import ProblemSerializer
from netmon.common.throttling import MinuteThrottle, ScopedThrottle
from netmon.rest.viewsets import VisibleReadViewSet, VisibleViewSet
from scanning import filters
from scanning import host_serializers as shapes
from scanning.models import ExpectedPort, ScanSchedule, SeenHost
from scanning.serializers import ScanStartedSerializer
from scanning.services import expecting, identifying, mapping, repeating, reviewing

PERIODS = 200
# What a device on the network did not answer, or not rightly.
UNANSWERED = ((502, "application/problem+json"), (504, "application/problem+json"))


class DiscoveryViewSet(VisibleReadViewSet):
    """Hosts that scans met. Those that are not in the inventory wait for review (`known=false`, `review=new`)."""

    model, queryset = SeenHost, SeenHost.objects.none()
    serializer_class = shapes.DiscoverySerializer
    filterset_class = filters.DiscoveryFilter
    ordering_fields = ["id", "address_key", "first_seen_at", "last_seen_at"]
    related = ("device", "reviewed_by")
    brief = {"id": "pk", "address": "address", "hostname": "hostname", "review": "review", "is_present": "is_present"}
    throttle_scope = "test"

    def get_queryset(self) -> Any:
        rows = SeenHost.objects.visible_to(self.request.user).select_related(*self.related)
        return rows.prefetch_related("ports")

    @extend_schema(
        request=shapes.AdoptDiscoverySerializer,
        responses={201: shapes.AdoptedDiscoverySerializer, 200: shapes.AdoptedDiscoverySerializer},
    )
    @action(detail=True, methods=["post"])
    def adopt(self, request: Request, pk: str) -> Response:
        """Make a device of it (201), or say which device of the inventory it is (200)."""
        host = self.get_object()
        asked = shapes.AdoptDiscoverySerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        fields = dict(asked.validated_data)
        device = fields.pop("device", None)
        if device is not None:
            reviewing.attach(host, device, user=request.user)
            return Response({"device": device.pk, "url": f"/api/v1/devices/{device.pk}/"})
        ports = fields.pop("tcp_ports", None)
        made = reviewing.adopt(host, user=request.user, fields=fields, tcp_ports=ports)
        return Response({"device": made.pk, "url": f"/api/v1/devices/{made.pk}/"}, status=201)

    def get_throttles(self) -> list[Any]:
        return [MinuteThrottle(), ScopedThrottle()] if self.action == "identify" else super().get_throttles()

    @extend_schema(
        request=shapes.IdentifySerializer,
        responses={200: shapes.DiscoverySerializer, **dict.fromkeys(UNANSWERED, ProblemSerializer)},
    )
    @action(detail=True, methods=["post"])
    def identify(self, request: Request, pk: str) -> Response:
        """Ask its SNMP agent what it is, with the credentials whose scope names its address, and guess anew."""
        host = self.get_object()
        asked = shapes.IdentifySerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        identifying.identify(host, user=request.user, port=asked.validated_data["port"])
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=shapes.IgnoreSerializer, responses=shapes.DiscoverySerializer)
    @action(detail=True, methods=["post"])
    def ignore(self, request: Request, pk: str) -> Response:
        """Take it from what waits for review, with the reason."""
        host = self.get_object()
        asked = shapes.IgnoreSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        reviewing.ignore(host, user=request.user, reason=asked.validated_data["reason"])
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=shapes.DiscoverySerializer)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: str) -> Response:
        """Let an ignored one wait for review again."""
        reviewing.reopen(self.get_object(), user=request.user)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses=shapes.PeriodSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def presence(self, request: Request, pk: str) -> Response:
        """From when to when it answered, newest first; the last 200 periods."""
        refuse_unknown(request, {"format"})
        return Response(shapes.PeriodSerializer(self.get_object().periods.all()[:PERIODS], many=True).data)


class ScanScheduleViewSet(VisibleViewSet):
    """Scans that are repeated."""

    model, queryset = ScanSchedule, ScanSchedule.objects.none()
    serializer_class = shapes.ScanScheduleSerializer
    filterset_class = filters.ScanScheduleFilter
    ordering_fields = ["id", "name", "next_run_at", "created_at"]
    brief = {"id": "pk", "name": "name", "is_enabled": "is_enabled", "next_run_at": "next_run_at"}

    def perform_create(self, serializer: Any) -> None:
        serializer.save(created_by=self.request.user)

    def check_may_write(self, row: ScanSchedule) -> None:
        user: Any = self.request.user
        if user.tenant_ids and row.tenant_id not in user.tenant_ids:
            raise PermissionDenied("This schedule is not your tenant's.")

    @extend_schema(request=None, responses={202: ScanStartedSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Start its scan now, whatever the time."""
        schedule = self.get_object()
        with transaction.atomic():
            scan = repeating.run(schedule)
            audit.record("run", schedule, detail=f"scan {scan.pk}")
        assert scan.job is not None
        pointer = {"scan": scan.as_dict(), "job": scan.job.as_dict()}
        return Response(pointer, status=202, headers={"Location": scan.as_dict()["url"]})


class ExpectedPortViewSet(VisibleViewSet):
    """The ports that devices are expected to have open, or closed: what scans find otherwise becomes an alert."""

    model, queryset = ExpectedPort, ExpectedPort.objects.none()
    serializer_class = shapes.ExpectedPortSerializer
    filterset_class = filters.ExpectedPortFilter
    ordering_fields = ["id", "device", "port", "created_at"]
    related = ("device",)
    brief = {"id": "pk", "device": "device_id", "port": "port", "state": "state"}

    @extend_schema(request=shapes.BaselineSerializer, responses=shapes.ExpectedPortSerializer(many=True), filters=False)
    @action(detail=False, methods=["post"], pagination_class=None)
    def baseline(self, request: Request) -> Response:
        """Take the open ports of a device's last scan for what is expected of it, in place of its present baseline."""
        refuse_unknown(request, {"format"})
        asked = shapes.BaselineSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        rows = expecting.take_as_baseline(asked.validated_data["device"])
        return Response(self.get_serializer(rows, many=True).data)


class PrefixMapMixin(GenericViewSet[Any]):
    """What is known of each address of a prefix."""

    @extend_schema(responses=shapes.PrefixMapSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def map(self, request: Request, pk: str) -> Response:
        """Which addresses are used, free, silent or unknown."""
        refuse_unknown(request, {"format"})
        found = mapping.prefix_map(self.get_object(), request.user)
        return Response(shapes.PrefixMapSerializer(found).data)


class DevicePortsMixin(GenericViewSet[Any]):
    """What scans found of a device."""

    @extend_schema(responses=shapes.DiscoverySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, url_path="seen-hosts", url_name="seen-hosts")
    def seen_hosts(self, request: Request, pk: str) -> Response:
        """The device as scans met it: its addresses, open ports, certificates, presence."""
        refuse_unknown(request, {"format"})
        device: Device = self.get_object()
        rows = SeenHost.objects.visible_to(request.user).filter(device=device)
        rows = rows.select_related("device", "reviewed_by").prefetch_related("ports")
        return Response(shapes.DiscoverySerializer(rows, many=True, context=self.get_serializer_context()).data)
