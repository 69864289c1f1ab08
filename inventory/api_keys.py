"""SSH keys over HTTP."""

import re
from typing import Any

import orjson
from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from inventory import serializers_keys as serializers
from inventory import ssh_keys
from inventory.filters import SSHKeyFilter
from inventory.models import Credential, Device
from netmon.rest import etags
from netmon.rest.bulk import BulkMixin
from netmon.rest.viewsets import VisibleReadViewSet


class PlainTextRenderer(BaseRenderer):
    """Lets a client ask for text/plain; the view answers with a finished response. What is left is problems: JSON."""

    media_type = "text/plain"
    format = "txt"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return orjson.dumps(data, default=str)


class SSHKeyViewSet(BulkMixin, mixins.UpdateModelMixin, mixins.DestroyModelMixin, VisibleReadViewSet):
    """SSH keys: operators see them and their public parts, admins make, import, rename and delete them."""

    model, queryset = Credential, Credential.objects.none()
    serializer_class = serializers.SSHKeySerializer
    filterset_class = SSHKeyFilter
    ordering_fields = ["id", "name", "key_type", "key_bits", "secret_changed_at"]
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    brief = {"id": "pk", "name": "name", "fingerprint": "fingerprint"}
    required_roles = {"read": "operator", "write": "admin"}

    def get_queryset(self) -> Any:
        users = Device.objects.visible_to(self.request.user).filter(endpoints__credential=OuterRef("pk"))
        counted = users.order_by().values("endpoints__credential").annotate(n=Count("pk", distinct=True)).values("n")
        rows = Credential.objects.visible_to(self.request.user).filter(kind=Credential.Kind.SSH_KEY)
        return rows.annotate(devices_count=Coalesce(Subquery(counted, output_field=IntegerField()), 0))

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._check_version(request)
        return super().update(request, *args, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self._check_version(request)
        return super().destroy(request, *args, **kwargs)

    def _check_version(self, request: Request) -> None:
        if "If-Match" in request.headers:
            etags.check(request, etags.of(self.get_serializer(self.get_object()).data))

    def get_serializer_class(self) -> Any:
        return serializers.NewSSHKeySerializer if self.action == "bulk" else super().get_serializer_class()

    # --- one of many, for bulk/ ---

    def create_one(self, data: Any) -> dict[str, Any]:
        serializer = serializers.NewSSHKeySerializer(data=data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return self._shown(serializer.save())

    def update_one(self, row: Credential, data: Any, *, partial: bool) -> dict[str, Any]:
        serializer = serializers.SSHKeySerializer(
            row, data=data, partial=partial, context=self.get_serializer_context()
        )
        serializer.is_valid(raise_exception=True)
        return self._shown(serializer.save())

    def delete_one(self, row: Credential) -> None:
        ssh_keys.delete_key(row)

    def _shown(self, key: Credential) -> dict[str, Any]:
        made = self.get_queryset().get(pk=key.pk)
        shown: dict[str, Any] = serializers.SSHKeySerializer(made, context=self.get_serializer_context()).data
        return shown

    def perform_update(self, serializer: Any) -> None:
        serializer.instance = self.get_queryset().get(pk=serializer.save().pk)

    def perform_destroy(self, instance: Credential) -> None:
        ssh_keys.delete_key(instance)

    def _create(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(self._shown(serializer.save()), status=status.HTTP_201_CREATED)

    @extend_schema(responses={201: serializers.SSHKeySerializer})
    @action(detail=False, methods=["post"], serializer_class=serializers.GenerateKeySerializer)
    def generate(self, request: Request) -> Response:
        """Make a key pair. The private key stays here; RSA with 8192 bits takes some seconds."""
        return self._create(request)

    @extend_schema(responses={201: serializers.SSHKeySerializer})
    @action(detail=False, methods=["post"], url_path="import", serializer_class=serializers.ImportKeySerializer)
    def import_text(self, request: Request) -> Response:
        """Take a private key as text. 409 when this key is here already."""
        return self._create(request)

    @extend_schema(responses={201: serializers.SSHKeySerializer})
    @action(
        detail=False,
        methods=["post"],
        url_path="import-file",
        serializer_class=serializers.ImportKeyFileSerializer,
        parser_classes=[MultiPartParser],
    )
    def import_file(self, request: Request) -> Response:
        """Take a private key as a file. 409 when this key is here already."""
        return self._create(request)

    @extend_schema(responses={(200, "text/plain"): OpenApiTypes.STR}, filters=False)
    @action(detail=True, methods=["get"], renderer_classes=[PlainTextRenderer, *VisibleReadViewSet.renderer_classes])
    def public(self, request: Request, pk: str) -> HttpResponse:
        """The public part as a file, for authorized_keys. The download is put on record."""
        key: Credential = self.get_object()
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", key.name).strip("._") or f"key-{key.pk}"
        headers = {"Content-Disposition": f'attachment; filename="{name}.pub"'}
        text = ssh_keys.public_file(key)
        return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)

    @extend_schema(responses=serializers.KeyDeviceSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], serializer_class=serializers.KeyDeviceSerializer, filterset_class=None)
    def devices(self, request: Request, pk: str) -> Response:
        """The devices that log in with this key, among those you may see."""
        rows = Device.objects.visible_to(request.user).filter(endpoints__credential=self.get_object()).distinct()
        page = self.paginate_queryset(rows.select_related("primary_ip").order_by("name_key", "pk"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
