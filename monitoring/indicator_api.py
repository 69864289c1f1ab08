"""What people and other systems observed at devices, over HTTP."""

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.models import Indicator
from monitoring.services import indicators
from netmon.common import locks
from netmon.common.filters import FieldFilterSet
from netmon.common.serializers import ValidatedModelSerializer, asker
from netmon.rest import etags
from netmon.rest.viewsets import VisibleViewSet

IDENTITY = ("device", "source", "external_id")


class IndicatorSerializer(ValidatedModelSerializer):
    """Without a `source` it is you, or your API key, who says so."""

    device_name = serializers.CharField(source="device.name", read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta:
        model = Indicator
        fields = [
            "id", "device", "device_name", "kind", "value", "severity", "source", "note", "observed_at", "expires_at",
            "external_id", "cleared_at", "created_by", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["cleared_at"]
        extra_kwargs = {"source": {"required": False}}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None:
            attrs.setdefault("source", indicators.who_says(asker(self)))
        elif "device" in attrs and attrs["device"].pk != self.instance.device_id:
            raise serializers.ValidationError({"device": "It stays at its device: delete it and make another."})
        return super().validate(attrs)

    def create(self, validated_data: dict[str, Any]) -> Indicator:
        return indicators.keep(Indicator(**validated_data, created_by=asker(self)))

    def update(self, instance: Indicator, validated_data: dict[str, Any]) -> Indicator:
        for name, value in validated_data.items():
            setattr(instance, name, value)
        return indicators.keep(instance)


class IndicatorFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Indicator
        hidden = ("created_by",)


class IndicatorViewSet(VisibleViewSet):
    """What people and other systems observed at devices, newest first."""

    model, queryset = Indicator, Indicator.objects.none()
    serializer_class = IndicatorSerializer
    filterset_class = IndicatorFilter
    ordering_fields = ["id", "device", "kind", "severity", "observed_at", "created_at"]
    related = ("device", "created_by")
    brief = {"id": "pk", "device": "device_id", "kind": "kind", "severity": "severity", "value": "value"}

    @extend_schema(responses={201: IndicatorSerializer, 200: IndicatorSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Attach an observation. With an `external_id` that its source has used at this device, 200: it is changed."""
        with transaction.atomic():
            known = self._known(request.data)
            answer = super().create_one(request.data) if known is None else self._keep_again(known, request.data)
        headers = {"ETag": etags.of(answer), "Location": f"{request.path}{answer.get('id', '')}/"}
        made = status.HTTP_201_CREATED if known is None else status.HTTP_200_OK
        return Response(answer, status=made, headers=headers)

    def create_one(self, data: Any) -> dict[str, Any]:
        known = self._known(data)
        return super().create_one(data) if known is None else self._keep_again(known, data)

    def perform_destroy(self, instance: Indicator) -> None:
        indicators.delete(instance)

    def _known(self, data: Any) -> Indicator | None:
        """The indicator that this body speaks of again. Holds off whoever sends the same at this moment."""
        if not isinstance(data, Mapping) or not data.get("external_id"):
            return None
        serializer: Any = self.get_serializer()
        try:
            found = {name: serializer.fields[name].run_validation(data[name]) for name in IDENTITY if name in data}
        except ValidationError:
            return None  # which the serializer says better
        if "device" not in found or not found["external_id"]:
            return None
        found.setdefault("source", indicators.who_says(self.request.user))
        text = f"{found['device'].pk}\x1f{found['source']}\x1f{found['external_id']}"
        locks.hold(Indicator, crc32(text.encode("utf-8", "replace")))
        return self.get_queryset().filter(**found).first()

    def _keep_again(self, row: Indicator, data: Any) -> dict[str, Any]:
        """Said again, all of it is said anew: what the body leaves out is as in a new one."""
        anew = {"severity": "info", "note": "", "expires_at": None, "observed_at": timezone.now().isoformat()}
        return self.update_one(row, {**anew, **{name: data[name] for name in data}}, partial=False)
