"""What hangs on a device, and what would happen if it failed, over HTTP."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.models import Device
from monitoring.alerting import failures
from monitoring.device_views import OfDeviceMixin, brief
from monitoring.serializers import DeviceBriefSerializer
from netmon.common.filters import refuse_unknown
from netmon.common.serializers import StrictSerializer, VisibleRelatedField

MOST_DEVICES = 100


class NodeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Device.Kind.choices)
    state = serializers.CharField()


class DependenciesSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    path = serializers.ListField(
        child=NodeSerializer(many=True),
        help_text="What it is reached through, layer by layer, the nearest first; of that what you may see.",
    )
    behind_count = serializers.IntegerField(help_text="Devices that would be cut off with it.")
    behind = NodeSerializer(many=True, help_text=f"The first {failures.SHOWN} of them.")


class ToldSerializer(serializers.Serializer[Any]):
    step = serializers.IntegerField(help_text="From 1.")
    after_seconds = serializers.IntegerField()
    contact = serializers.CharField()
    channel = serializers.CharField()
    held = serializers.CharField(allow_blank=True, help_text="quiet or digest: why it would wait.")
    at = serializers.DateTimeField()


class FaultSerializer(serializers.Serializer[Any]):
    device = serializers.IntegerField()
    device_name = serializers.CharField()
    state = serializers.CharField(help_text="firing, unreachable or maintenance.")
    severity = serializers.CharField(allow_blank=True)
    rule = serializers.CharField(allow_blank=True)
    told = ToldSerializer(many=True)
    why_silent = serializers.CharField(allow_blank=True)


class CutSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Device.Kind.choices)


class DrillSerializer(serializers.Serializer[Any]):
    """What would happen if these devices failed now. Nothing is touched or sent."""

    faults = FaultSerializer(many=True)
    behind_count = serializers.IntegerField()
    behind = CutSerializer(many=True, help_text=f"What would be cut off: the first {failures.SHOWN}.")
    tenants = serializers.ListField(child=serializers.CharField(), help_text="Whose devices these are.")


class AlertDrillSerializer(StrictSerializer):
    devices = serializers.ListField(
        child=VisibleRelatedField(queryset=Device.objects.all()), allow_empty=False, max_length=MOST_DEVICES
    )


class DeviceFailureMixin(OfDeviceMixin):
    """`devices/{id}/dependencies/` and `drill/`, and the same under each kind."""

    @extend_schema(responses=DependenciesSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def dependencies(self, request: Request, pk: str) -> Response:
        """What it is reached through, and what is reached only through it."""
        device = self.device_of(request, set())
        return Response({"device": brief(device), **failures.around(device, request.user)})

    @extend_schema(request=None, responses={200: DrillSerializer})
    @action(detail=True, methods=["post"], filter_backends=[], pagination_class=None)
    def drill(self, request: Request, pk: str) -> Response:
        """What would happen if it failed now, and who would hear of it. Nothing is touched or sent."""
        device = self.device_of(request, set())
        return Response(failures.rehearsed([device.pk], request.user, timezone.now()))


class AlertDrillView(APIView):
    """What would happen if these devices failed together."""

    @extend_schema(request=AlertDrillSerializer, responses={200: DrillSerializer}, operation_id="alert_drill")
    def post(self, request: Request) -> Response:
        refuse_unknown(request, {"format"})
        asked = AlertDrillSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        ids = [device.pk for device in asked.validated_data["devices"]]
        return Response(failures.rehearsed(ids, request.user, timezone.now()))
