"""VyOS routers, what they may give away, and to whom how much: an admin's to set up."""

from typing import Any

from django.db.models import Prefetch
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from netmon.audit import context
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.rest.viewsets import VisibleViewSet
from provisioning import fill, vm_filters
from provisioning import router_serializers as shapes
from provisioning.models import ConfigChange, DhcpPool, PortPool, Quota, RunningConfig, Vm, VyosRouter
from provisioning.services import allocation, capacity, drift, importing
from provisioning.vm_answers import pointed, waited
from provisioning.vm_api import WAIT

MOST_SHOWN = 500


class SetUpViewSet(VisibleViewSet):
    """What machines are made from: operators read it, admins write it."""

    required_roles = {"read": "operator", "write": "admin"}


class VyosRouterViewSet(SetUpViewSet):
    """Routers that netmon configures: where, with which rule numbers, and what was last heard from them."""

    model, queryset = VyosRouter, VyosRouter.objects.none()
    serializer_class = shapes.VyosRouterSerializer
    filterset_class = vm_filters.VyosRouterFilter
    ordering_fields = ["id", "version_family", "last_read_at", "created_at"]
    related = ("endpoint__device__tenant", "endpoint__credential")
    # Who makes machines there may also put right what was done by hand beside netmon.
    required_roles = {
        **SetUpViewSet.required_roles,
        "compare": "operator",
        "reconcile": "operator",
        "take_over": "operator",
    }
    brief = {"id": "pk", "name": "endpoint__device__name", "version_family": "version_family", "is_saved": "is_saved"}

    def get_queryset(self) -> Any:
        rows = VyosRouter.objects.visible_to(self.request.user).select_related(*self.related)
        return rows.prefetch_related(
            Prefetch("dhcp_pools", fill.with_addresses(DhcpPool.objects.all())),
            Prefetch("port_pools", fill.with_ports(PortPool.objects.all())),
        )

    @extend_schema(responses=shapes.RouterStatusSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def status(self, request: Request, pk: str) -> Response:
        """How it stands: its version, when its pools will be full, what waits to be sent, what differs."""
        refuse_unknown(request, {"format"})
        router = self.get_object()
        waiting = ConfigChange.objects.filter(router=router, status__in=ConfigChange.ACTIVE)
        router.waiting_changes = waiting.count()
        router.unknown_changes = ConfigChange.objects.filter(router=router, status="unknown").count()
        router.drift_count = router.drift_items.count()
        router.outlooks = capacity.outlooks([router])
        return Response(shapes.RouterStatusSerializer(router).data)

    @extend_schema(responses=shapes.RouterDriftSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def drift(self, request: Request, pk: str) -> Response:
        """Where it differed from what it is meant to have when it was last compared."""
        refuse_unknown(request, {"format"})
        return Response(self._drift(self.get_object()))

    @extend_schema(request=None, responses=shapes.RouterDriftSerializer, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def compare(self, request: Request, pk: str) -> Response:
        """Read it now, and say where it differs from what it is meant to have."""
        refuse_unknown(request, {"format"})
        router = self.get_object()
        drift.compare(router)
        return Response(self._drift(router))

    @staticmethod
    def _drift(router: VyosRouter) -> dict[str, Any]:
        router.refresh_from_db(fields=["compared_at"])
        rows = router.drift_items.select_related("router__endpoint__device", "vm__device")
        found = {"compared_at": router.compared_at, "count": rows.count(), "items": rows[:MOST_SHOWN]}
        return dict(shapes.RouterDriftSerializer(found).data)

    @extend_schema(
        request=shapes.ReconcileSerializer,
        parameters=[WAIT],
        responses={200: shapes.ReconciledSerializer, 202: shapes.ReconciledSerializer},
        filters=False,
    )
    @action(detail=True, methods=["post"], pagination_class=None, filter_backends=[])
    def reconcile(self, request: Request, pk: str) -> Response:
        """Heal what differs (202 with the change), or let netmon wish what the router has (200, nothing is sent)."""
        refuse_unknown(request, {"wait", "format"})
        wait = bounded_int(request, "wait", minimum=0, maximum=30, default=0)
        router, asked = self.get_object(), self._body(shapes.ReconcileSerializer)
        self._must_see(router, asked["items"])
        done = drift.reconcile(router, asked["items"], asked["direction"], user=request.user)
        if done.change is None:
            return Response({"status": "adopted", "change": None, "adopted": list(done.adopted)})
        change = waited(done.change, wait or 0)
        body: dict[str, Any] = {"status": change.status, "change": pointed(change), "adopted": []}
        is_over = change.status not in ConfigChange.ACTIVE
        location = reverse("config-change-detail", args=[change.pk])
        return Response(body, status=200 if is_over else 202, headers={"Location": location})

    @extend_schema(request=shapes.TakeOverSerializer, responses=shapes.TakenOverSerializer, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None, url_path="import")
    def take_over(self, request: Request, pk: str) -> Response:
        """Read it now, and make machines of mappings that netmon does not know. Nothing is sent to it."""
        refuse_unknown(request, {"format"})
        router, asked = self.get_object(), self._body(shapes.TakeOverSerializer)
        dry_run = asked["dry_run"]
        try:
            taken = importing.adopt(
                router, asked.get("names"), user=request.user, via=context.current().via, dry_run=dry_run
            )
        except importing.NotImportable as refusal:
            raise importing.NotImportable(refusal.detail, field="names") from None
        left = importing.found_in(router, RunningConfig.objects.get(router=router))
        if dry_run:
            names = {(one.name, one.address) for one in taken}
            left = [one for one in left if (one.name, one.address) not in names]
        return Response(shapes.TakenOverSerializer({"dry_run": dry_run, "taken": taken, "left": left}).data)

    def _body(self, shape: Any) -> dict[str, Any]:
        asked = shape(data=self.request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    def _must_see(self, router: VyosRouter, items: list[int]) -> None:
        """Raises PermissionDenied where a machine of another tenant is concerned."""
        seen = Vm.objects.visible_to(self.request.user)
        if router.drift_items.filter(pk__in=items, vm__isnull=False).exclude(vm__in=seen).exists():
            raise PermissionDenied("One of these concerns a machine that you may not see.")


class PoolViewSet(SetUpViewSet):
    """Rules between the pools of a router are looked at once more while the router is held: two may be made at once."""

    def perform_create(self, serializer: Any) -> None:
        self._hold(serializer, serializer.validated_data["router"])
        serializer.save()

    def perform_update(self, serializer: Any) -> None:
        self._hold(serializer, serializer.validated_data.get("router", serializer.instance.router))
        serializer.save()

    @staticmethod
    def _hold(serializer: Any, router: VyosRouter) -> None:
        allocation.hold(router)
        serializer.validate(dict(serializer.validated_data))


class DhcpPoolViewSet(PoolViewSet):
    """Addresses of a subnet that netmon may give to machines."""

    model, queryset = DhcpPool, DhcpPool.objects.none()
    serializer_class = shapes.DhcpPoolSerializer
    filterset_class = vm_filters.DhcpPoolFilter
    ordering_fields = ["id", "name", "created_at"]
    related = ("router__endpoint__device", "prefix")
    brief = {"id": "pk", "name": "name", "router": "router_id", "is_enabled": "is_enabled"}

    def get_queryset(self) -> Any:
        rows = DhcpPool.objects.visible_to(self.request.user).select_related(*self.related)
        return fill.with_addresses(rows)


class PortPoolViewSet(PoolViewSet):
    """Ports of the outside that may lead to machines."""

    model, queryset = PortPool, PortPool.objects.none()
    serializer_class = shapes.PortPoolSerializer
    filterset_class = vm_filters.PortPoolFilter
    ordering_fields = ["id", "name", "port_start", "created_at"]
    related = ("router__endpoint__device",)
    brief = {"id": "pk", "name": "name", "router": "router_id", "is_enabled": "is_enabled"}

    def get_queryset(self) -> Any:
        rows = PortPool.objects.visible_to(self.request.user).select_related(*self.related)
        return fill.with_ports(rows)


class QuotaViewSet(VisibleViewSet):
    """How many machines and forwards a person or a tenant may have. Everybody reads their own."""

    model, queryset = Quota, Quota.objects.none()
    serializer_class = shapes.QuotaSerializer
    filterset_class = vm_filters.QuotaFilter
    ordering_fields = ["id", "created_at"]
    related = ("owner", "tenant")
    brief = {"id": "pk", "owner": "owner_id", "tenant": "tenant_id", "max_vms": "max_vms"}
    required_roles = {"write": "admin"}
    narrow_area = "vms"

    def get_queryset(self) -> Any:
        rows = Quota.objects.visible_to(self.request.user).select_related(*self.related)
        return fill.with_use(rows)
