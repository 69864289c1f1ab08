"""How to make a device ready for SSH, over HTTP."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from inventory import ssh_setup
from netmon.common.filters import refuse_unknown


class SetupSerializer(serializers.Serializer[Any]):
    """What to type on a device so that netmon may read it, and nothing more."""

    platform = serializers.CharField()
    username = serializers.CharField()
    script = serializers.CharField(help_text="For a root shell, or for the command line of a vendor's device.")
    notes = serializers.ListField(child=serializers.CharField(), help_text="Which rights it gives, and why.")
    is_tried = serializers.BooleanField(help_text="False: written from the vendor's documentation only.")


class SetupMixin(GenericViewSet[Any]):
    """`endpoints/{id}/setup/`."""

    required_roles = {"setup_text": "operator"}

    @extend_schema(
        responses=SetupSerializer,
        parameters=[
            OpenApiParameter("platform", str, enum=ssh_setup.PLATFORMS, description="Instead of what is known of it.")
        ],
        filters=False,
    )
    @action(detail=True, methods=["get"], url_path="setup", pagination_class=None, filter_backends=[])
    def setup_text(self, request: Request, pk: str) -> Response:
        """How to make the device ready: a read-only account and, on hosts, the allowlist of what is asked."""
        refuse_unknown(request, {"platform", "format"})
        platform = request.query_params.get("platform", "")
        if "platform" in request.query_params and platform not in ssh_setup.PLATFORMS:
            choices = ", ".join(ssh_setup.PLATFORMS)
            raise serializers.ValidationError({"platform": f"No set-up text for this one: choose one of {choices}."})
        return Response(SetupSerializer(ssh_setup.setup_for(self.get_object(), platform)).data)
