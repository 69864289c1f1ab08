"""What devices are reached through, over HTTP."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from inventory import topology
from inventory.models import Dependency, Device
from netmon.audit import services as audit
from netmon.common.filters import FieldFilterSet, NumberFilter, refuse_unknown
from netmon.common.serializers import ValidatedModelSerializer, asker
from netmon.rest.viewsets import VisibleViewSet


class DependencySerializer(ValidatedModelSerializer):
    """`device` is reached through `parent`. A parent that you may not see is null."""

    device_name = serializers.CharField(source="device.name", read_only=True)
    parent_name = serializers.CharField(source="parent.name", read_only=True, allow_null=True)

    class Meta:
        model = Dependency
        fields = [
            "id", "device", "device_name", "parent", "parent_name", "source", "is_confirmed", "note", "created_at",
            "updated_at",
        ]  # fmt: skip

    def to_representation(self, instance: Dependency) -> dict[str, Any]:
        answer = super().to_representation(instance)
        tenant_ids = getattr(asker(self), "tenant_ids", None)
        if tenant_ids and instance.parent.tenant_id not in tenant_ids:
            answer["parent"] = answer["parent_name"] = None
        return answer


class DependencyFilter(FieldFilterSet):
    parent = NumberFilter(method="by_parent")

    class Meta(FieldFilterSet.Meta):
        model = Dependency
        hidden = ("parent",)

    def by_parent(self, queryset: Any, name: str, value: Any) -> Any:
        return queryset.filter(parent__in=Device.objects.visible_to(self.request.user).filter(pk=value))


class ProposedSerializer(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    proposals = DependencySerializer(many=True, help_text="The first 500.")


class DependencyViewSet(VisibleViewSet):
    """What devices are reached through. Proposals, `is_confirmed=false`, count only when somebody confirmed them."""

    model, queryset = Dependency, Dependency.objects.none()
    serializer_class = DependencySerializer
    filterset_class = DependencyFilter
    ordering_fields = ["id", "device", "created_at"]
    related = ("device", "parent")
    brief = {"id": "pk", "device": "device_id", "is_confirmed": "is_confirmed"}

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        """From now on the proposal counts."""
        row = self.get_object()
        with transaction.atomic():
            topology.confirm(row)
            audit.record("confirm", row, detail=str(row))
        return Response(self.get_serializer(row).data)

    @extend_schema(request=None, responses={200: ProposedSerializer}, filters=False)
    @action(detail=False, methods=["post"], pagination_class=None)
    def propose(self, request: Request) -> Response:
        """Propose, for each device that nothing is known to be above of, the gateways of its subnet."""
        refuse_unknown(request, {"format"})
        with transaction.atomic():
            rows = topology.propose_gateways(request.user)
            audit.record("propose", object_type="inventory.dependency", detail=f"{len(rows)} dependencies")
        return Response({"added": len(rows), "proposals": self.get_serializer(rows[:500], many=True).data})
