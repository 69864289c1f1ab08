"""VyOS routers, what they may give away, and to whom how much: an admin's to set up."""

from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from netmon.common.filters import refuse_unknown
from netmon.rest.viewsets import VisibleViewSet
from provisioning import fill, vm_filters
from provisioning import router_serializers as shapes
from provisioning.models import ConfigChange, DhcpPool, PortPool, Quota, VyosRouter
from provisioning.services import allocation


class SetUpViewSet(VisibleViewSet):
    """What machines are made from: operators read it, admins write it."""

    required_roles = {"read": "operator", "write": "admin"}


class VyosRouterViewSet(SetUpViewSet):
    """Routers that netmon configures: where, with which rule numbers, and what was last heard from them."""

    model, queryset = VyosRouter, VyosRouter.objects.none()
    serializer_class = shapes.VyosRouterSerializer
    filterset_class = vm_filters.VyosRouterFilter
    ordering_fields = ["id", "version_family", "last_read_at", "created_at"]
    related = ("endpoint__device",)
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
        """How it stands: its version, what is left of its pools, what waits to be sent, what differs."""
        refuse_unknown(request, {"format"})
        router = self.get_object()
        waiting = ConfigChange.objects.filter(router=router, status__in=ConfigChange.ACTIVE)
        router.waiting_changes = waiting.count()
        router.unknown_changes = ConfigChange.objects.filter(router=router, status="unknown").count()
        router.drift_count = router.drift_items.count()
        return Response(shapes.RouterStatusSerializer(router).data)


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
