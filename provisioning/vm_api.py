"""Machines over HTTP: shown to whoever may see them, changed by operators and by their owners."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from netmon.common.errors import Conflict
from netmon.common.fields import fold
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.rest.viewsets import VisibleReadViewSet
from provisioning import timeline, vm_filters
from provisioning import vm_serializers as shapes
from provisioning.models import PortForward, Vm

NAME = "[A-Za-z0-9][A-Za-z0-9-]{0,62}"
MOST_NAMED = 10
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": 500}, description="At most so many entries (100)."
)


class AmbiguousName(Conflict):
    """Several machines answer to this: `data["numbers"]` are theirs."""

    code = "ambiguous_name"


def find_vm(rows: Any, text: str) -> Vm | None:
    """Of the machines that somebody sees the one of this name, or of this number. Raises AmbiguousName."""
    found = list(rows.filter(device__name_key=fold(text)).order_by("pk")[: MOST_NAMED + 1])
    if text.isdigit() and int(text) < 2**63:
        # By its own number a machine is found whatever others are called; by a name only where there is one of it.
        numbered = rows.filter(pk=int(text)).first()
        if numbered is not None and numbered not in found:
            found.append(numbered)
    if len(found) > 1:
        known = ", ".join(f"{vm.pk} at the router {vm.router}" for vm in found[:MOST_NAMED])
        raise AmbiguousName(
            f"{text} stands for several machines: give a number, or another's name. They are {known}.",
            numbers=[vm.pk for vm in found[:MOST_NAMED]],
        )
    return found[0] if found else None


class VmsMixin(VisibleReadViewSet):
    """Machines by name or number."""

    model, queryset = Vm, Vm.objects.none()
    lookup_url_kwarg = "name"
    lookup_value_regex = NAME
    tells_conflicts = True  # two machines of one name
    narrow_area = "vms"
    related = ("device", "router__endpoint__device", "reservation__pool", "owner")

    def get_queryset(self) -> Any:
        rows = Vm.objects.visible_to(self.request.user).select_related(*self.related)
        return rows.prefetch_related("forwards")

    def get_object(self) -> Any:
        vm = find_vm(self.get_queryset(), self.kwargs["name"])
        if vm is None:
            raise Http404
        self.check_object_permissions(self.request, vm)
        return vm


class VmViewSet(VmsMixin):
    """Machines that netmon gave an address and forwards."""

    serializer_class = shapes.VmSerializer
    filterset_class = vm_filters.VmFilter
    ordering_fields = ["id", "hostname", "state", "expires_at", "created_at"]
    brief = {"id": "pk", "name": "device__name", "internal_ip": "reservation__address", "state": "state"}

    @extend_schema(responses=shapes.PortsStatusSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="ports/status", pagination_class=None)
    def ports_status(self, request: Request, name: str) -> Response:
        """Each port: as it is wished, and whether the router has it so."""
        refuse_unknown(request, {"format"})
        return Response(shapes.PortsStatusSerializer(self.get_object()).data)

    @extend_schema(parameters=[LIMIT], responses=shapes.TimelineEntrySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def timeline(self, request: Request, name: str) -> Response:
        """What was done to it and by whom, and what was told to its router; newest first."""
        refuse_unknown(request, {"limit", "format"})
        limit = bounded_int(request, "limit", minimum=1, maximum=500, default=100) or 100
        vm = self.get_object()
        found = timeline.of_vm(vm, request.user, limit=limit)
        return Response(shapes.TimelineEntrySerializer(found, many=True).data)


class PortsStatusView(ListAPIView[Any]):
    """The ports of every machine that you see."""

    serializer_class = shapes.PortsStatusSerializer
    filterset_class = vm_filters.VmFilter
    ordering_fields = ["id", "hostname", "created_at"]
    narrow_area = "vms"

    def get_queryset(self) -> Any:
        rows = Vm.objects.visible_to(self.request.user).select_related("device", "reservation", "router")
        return rows.prefetch_related("forwards")


class PortForwardViewSet(VisibleReadViewSet):
    """Ports of the outside that lead to machines."""

    model, queryset = PortForward, PortForward.objects.none()
    serializer_class = shapes.PortForwardSerializer
    filterset_class = vm_filters.PortForwardFilter
    ordering_fields = ["id", "name", "external_port", "internal_port", "rule_number", "expires_at", "created_at"]
    related = ("vm__device", "vm__reservation", "pool")
    brief = {"id": "pk", "vm": "vm_id", "name": "name", "external_port": "external_port", "applied": "applied"}
    narrow_area = "vms"
