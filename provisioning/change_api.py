"""What was sent to routers, and what of it machines have: read here, changed by machines."""

from typing import Any

from netmon.common.pagination import NewestFirst
from netmon.rest.viewsets import VisibleReadViewSet
from provisioning import vm_filters
from provisioning import vm_serializers as shapes
from provisioning.models import ConfigChange, DhcpReservation


class DhcpReservationViewSet(VisibleReadViewSet):
    """Fixed addresses of machines. One is given with its machine and goes with it."""

    model, queryset = DhcpReservation, DhcpReservation.objects.none()
    serializer_class = shapes.DhcpReservationSerializer
    filterset_class = vm_filters.DhcpReservationFilter
    ordering_fields = ["id", "address_key", "applied", "created_at"]
    related = ("vm__device", "pool")
    brief = {"id": "pk", "vm": "vm_id", "address": "address", "mac_address": "mac_address", "applied": "applied"}
    narrow_area = "vms"


class ConfigChangeViewSet(VisibleReadViewSet):
    """Changes of routers' configurations, newest first: who, which lines, and what became of them."""

    model, queryset = ConfigChange, ConfigChange.objects.none()
    serializer_class = shapes.ConfigChangeSerializer
    filterset_class = vm_filters.ConfigChangeFilter
    pagination_class = NewestFirst
    ordering_fields: list[str] = []
    related = ("requested_by",)
    brief = {"id": "pk", "kind": "kind", "status": "status", "router_name": "router_name", "vm_name": "vm_name"}
    narrow_area = "vms"

    def get_queryset(self) -> Any:
        rows = ConfigChange.objects.visible_to(self.request.user).select_related(*self.related)
        return rows.prefetch_related("items")
