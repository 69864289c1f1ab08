"""What was sent to routers, and what of it machines have: read here, changed by machines."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from netmon.common.filters import refuse_unknown
from netmon.common.pagination import NewestFirst
from netmon.rest.viewsets import VisibleReadViewSet
from provisioning import vm_filters
from provisioning import vm_serializers as shapes
from provisioning.models import ConfigChange, DhcpReservation, DriftItem
from provisioning.services import changes
from provisioning.vm_answers import must_change


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
    related = ("requested_by", "vm")
    brief = {"id": "pk", "kind": "kind", "status": "status", "router_name": "router_name", "vm_name": "vm_name"}
    narrow_area = "vms"
    required_roles = {"write": "viewer"}  # of their own machines: `must_change`

    def get_queryset(self) -> Any:
        rows = ConfigChange.objects.visible_to(self.request.user).select_related(*self.related)
        return rows.prefetch_related("items")

    @extend_schema(request=None, responses={202: shapes.ConfigChangeSerializer}, filters=False)
    @action(detail=True, methods=["post"], pagination_class=None)
    def retry(self, request: Request, pk: str) -> Response:
        """Queue one again that failed, or whose end is not known. What is sent is planned anew."""
        refuse_unknown(request, {"format"})
        change = self.get_object()
        must_change(request.user, change.vm)
        changes.retry(change, user=request.user)
        shown = self.get_serializer(self.get_queryset().get(pk=change.pk)).data
        return Response(shown, status=202, headers={"Location": reverse("config-change-detail", args=[change.pk])})


class DriftView(ListAPIView[Any]):
    """Where routers differ from what they are meant to have, as it was last found, in words."""

    queryset = DriftItem.objects.none()
    serializer_class = shapes.DriftItemSerializer
    filterset_class = vm_filters.DriftItemFilter
    ordering_fields = ["id", "label", "found_at"]
    required_roles = {"read": "operator"}

    def get_queryset(self) -> Any:
        rows = DriftItem.objects.visible_to(self.request.user)
        return rows.select_related("router__endpoint__device", "vm__device")
