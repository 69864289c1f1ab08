"""What all views of one device share: which device, and how query parameters are described."""

from typing import Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from inventory.models import Device
from netmon.common.filters import refuse_unknown

WORD = {"type": "string", "minLength": 1}


def query(name: str, kind: Any, text: str) -> OpenApiParameter:
    """A query parameter for the OpenAPI file."""
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=text)


def bounds(minimum: float, maximum: float, kind: str = "integer") -> dict[str, Any]:
    """The schema of a number from `minimum` to `maximum`."""
    return {"type": kind, "minimum": minimum, "maximum": maximum}


def brief(device: Device) -> dict[str, Any]:
    """A device as reports name it."""
    address = device.primary_ip.address if device.primary_ip else None
    return {"id": device.pk, "name": device.name, "kind": device.kind, "ip": address}


class OfDeviceMixin(GenericViewSet[Any]):
    """`devices/{id}/...` and the same under each kind."""

    kind: ClassVar[str | None] = None

    def device_of(self, request: Request, known: set[str]) -> Device:
        """The device that is asked for; raises ValidationError for parameters that are not `known`, and Http404."""
        refuse_unknown(request, known | {"format"})
        rows = Device.objects.visible_to(request.user).select_related("primary_ip")
        if self.kind:
            rows = rows.filter(kind=self.kind)
        device: Device = get_object_or_404(rows, pk=self.kwargs["pk"])
        return device
