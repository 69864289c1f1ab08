"""The inventory over HTTP."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory import filters, representation, search, serializers, serializers_answers, services
from inventory.host_keys_api import HostKeysMixin
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Prefix, Site, Tag, Tenant
from inventory.ssh_setup_api import SetupMixin
from inventory.transfer import exporting, importing, writing
from inventory.transfer.uploads import FILE_PARSERS, UploadedText, uploaded_text
from netmon.audit import services as audit
from netmon.common import locks
from netmon.common.fields import fold
from netmon.common.filters import refuse_unknown
from netmon.common.permissions import has_role
from netmon.common.renderers import FastJSONRenderer
from netmon.common.schema import NOT_BLANK
from netmon.jobs.serializers import JobStartedSerializer
from netmon.rest import shapes
from netmon.rest.viewsets import VisibleViewSet


class TenantViewSet(VisibleViewSet):
    """Whose equipment it is. People bound to tenants see only theirs and change none."""

    model, queryset = Tenant, Tenant.objects.none()
    serializer_class = serializers.TenantSerializer
    filterset_class = filters.TenantFilter
    ordering_fields = ["id", "name", "created_at"]
    brief = {"id": "pk", "name": "name", "slug": "slug"}

    def create_one(self, data: Any) -> dict[str, Any]:
        self._refuse_bound()
        return super().create_one(data)

    def check_may_write(self, row: Tenant) -> None:
        self._refuse_bound()

    def _refuse_bound(self) -> None:
        # Before anything is checked: whether a name is taken would tell of other tenants.
        user: Any = self.request.user
        if user.tenant_ids:
            raise PermissionDenied("Only people bound to no tenant make, change and delete tenants.")


class TagViewSet(VisibleViewSet):
    """Words for devices, sites and prefixes."""

    model, queryset = Tag, Tag.objects.none()
    serializer_class = serializers.TagSerializer
    filterset_class = filters.TagFilter
    ordering_fields = ["id", "name", "created_at"]
    brief = {"id": "pk", "name": "name", "slug": "slug"}

    def check_may_write(self, row: Tag) -> None:
        user: Any = self.request.user
        if row.tenant_id is None and user.tenant_ids:
            raise PermissionDenied("This tag is everybody's: only people bound to no tenant change it.")


class SiteViewSet(VisibleViewSet):
    model, queryset = Site, Site.objects.none()
    serializer_class = serializers.SiteSerializer
    filterset_class = filters.SiteFilter
    ordering_fields = ["id", "name", "created_at"]
    brief = {"id": "pk", "name": "name"}

    def get_queryset(self) -> Any:
        return Site.objects.visible_to(self.request.user).prefetch_related("tags")


class PrefixViewSet(VisibleViewSet):
    model, queryset = Prefix, Prefix.objects.none()
    serializer_class = serializers.PrefixSerializer
    filterset_class = filters.PrefixFilter
    ordering_fields = ["id", "cidr", "first_key", "created_at"]
    brief = {"id": "pk", "cidr": "cidr"}

    def get_queryset(self) -> Any:
        return Prefix.objects.visible_to(self.request.user).prefetch_related("tags")


class InterfaceViewSet(VisibleViewSet):
    model, queryset = Interface, Interface.objects.none()
    serializer_class = serializers.InterfaceSerializer
    filterset_class = filters.InterfaceFilter
    ordering_fields = ["id", "name", "if_index", "created_at"]
    brief = {"id": "pk", "name": "name", "device": "device_id"}

    def perform_destroy(self, instance: Interface) -> None:
        services.delete_interfaces([instance.pk])


class IPAddressViewSet(VisibleViewSet):
    model, queryset = IPAddress, IPAddress.objects.none()
    serializer_class = serializers.IPAddressSerializer
    filterset_class = filters.IPAddressFilter
    ordering_fields = ["id", "address_key", "created_at"]
    brief = {"id": "pk", "address": "address"}


class CredentialViewSet(VisibleViewSet):
    """Secrets are an admin's business; viewers do not even see the list."""

    model, queryset = Credential, Credential.objects.none()
    serializer_class = serializers.CredentialSerializer
    filterset_class = filters.CredentialFilter
    ordering_fields = ["id", "name", "created_at"]
    required_roles = {"read": "operator", "write": "admin", "test": "operator"}
    brief = {"id": "pk", "name": "name", "kind": "kind"}

    def get_queryset(self) -> Any:
        return Credential.objects.visible_to(self.request.user).with_usage()

    def perform_create(self, serializer: Any) -> None:
        serializer.save(secret_changed_at=timezone.now())

    def perform_update(self, serializer: Any) -> None:
        given = {"secret", "priv_secret"} & set(serializer.validated_data)
        row = serializer.save(**({"secret_changed_at": timezone.now()} if given else {}))
        serializer.instance = self.get_queryset().get(pk=row.pk)


class EndpointViewSet(HostKeysMixin, SetupMixin, VisibleViewSet):
    model, queryset = ManagementEndpoint, ManagementEndpoint.objects.none()
    serializer_class = serializers.EndpointSerializer
    related = ("device", "credential")
    filterset_class = filters.EndpointFilter
    ordering_fields = ["id", "protocol", "created_at"]
    brief = {"id": "pk", "device": "device_id", "protocol": "protocol", "port": "port"}
    required_roles = HostKeysMixin.required_roles | SetupMixin.required_roles

    def perform_destroy(self, instance: ManagementEndpoint) -> None:
        services.delete_endpoints([instance.pk])


EXPORTED = {"type": "array", "items": {"type": "object", "description": "A device, with names for numbers."}}
QUESTION = {"type": "string", "minLength": 1, "maxLength": 100, "pattern": NOT_BLANK}
IMPORT_PARAMETERS = [
    OpenApiParameter("existing", OpenApiTypes.STR, enum=writing.EXISTING, description="Devices that are there."),
    OpenApiParameter("atomic", OpenApiTypes.BOOL, description="All or nothing (true)."),
    OpenApiParameter("dry_run", OpenApiTypes.BOOL, description="Check everything, write nothing."),
    OpenApiParameter("background", OpenApiTypes.BOOL, description="Answer 202 with a job at once."),
    OpenApiParameter(
        "format", OpenApiTypes.STR, enum=["csv", "json"], description="As Content-Type says when left out."
    ),
]

_flat = extend_schema(request=serializers.DeviceSerializer, responses=serializers.DeviceReadSerializer)


@extend_schema_view(
    list=extend_schema(responses=serializers.DeviceReadSerializer(many=True)),
    retrieve=extend_schema(responses=serializers.DeviceReadSerializer),
    create=extend_schema(responses={201: serializers.DeviceReadSerializer}),
    update=_flat,
    partial_update=_flat,
)
class DeviceViewSet(VisibleViewSet):
    """Every piece of equipment, in the flat form."""

    model, queryset = Device, Device.objects.none()
    serializer_class = serializers.DeviceSerializer
    filterset_class = filters.DeviceFilter
    ordering_fields = ["id", "name", "kind", "status", "created_at", "updated_at"]
    brief = {"id": "pk", "name": "name", "kind": "kind", "status": "status", "ip": "primary_ip__address"}
    kind: ClassVar[str | None] = None

    def get_queryset(self) -> Any:
        rows = Device.objects.visible_to(self.request.user)
        return rows.filter(kind=self.kind) if self.kind else rows

    def list_rows(self, rows: Any) -> Any:
        return rows.values_list("pk", flat=True)

    def represent(self, rows: Any) -> Any:
        return representation.device_rows(list(rows), names_logins=has_role(self.request.user, "operator"))

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer = super().get_serializer(*args, **kwargs)
        setattr(getattr(serializer, "child", serializer), "fixed_kind", self.kind)  # noqa: B010
        return serializer

    def perform_destroy(self, instance: Device) -> None:
        services.delete_devices([instance.pk])

    @extend_schema(
        request=serializers.DeviceSerializer,
        parameters=[OpenApiParameter("tenant", OpenApiTypes.STR, description="Slug of the tenant.")],
        responses={200: serializers.DeviceReadSerializer, 201: serializers.DeviceReadSerializer},
        filters=False,
    )
    @action(detail=False, methods=["put"], url_path=r"by-key/(?P<key>[^/]{1,100})")
    def by_key(self, request: Request, key: str) -> Response:
        """The device of this name, made (201) or changed (200) to what the body says: sent twice it does no harm."""
        refuse_unknown(request, {"tenant", "format"})
        body = {"name": key, **request.data} if isinstance(request.data, Mapping) else request.data
        slug = request.query_params.get("tenant", "")
        tenant = get_object_or_404(Tenant.objects.visible_to(request.user), slug=slug) if slug else None
        with transaction.atomic():
            row = self.get_queryset().filter(name_key=fold(key), tenant=tenant).first()
            if row is not None:
                locks.hold(Device, row.pk)
                return Response(self.update_one(row, body, partial=True))
            if tenant is not None and isinstance(body, Mapping):
                body = {"tenant": tenant.pk, **body}
            return Response(self.create_one(body), status=201)

    @extend_schema(
        parameters=[OpenApiParameter("format", OpenApiTypes.STR, enum=["csv", "json"], description="csv or json.")],
        responses={(200, "application/json"): EXPORTED, (200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=False, methods=["get"], pagination_class=None, renderer_classes=[FastJSONRenderer])
    def export(self, request: Request) -> StreamingHttpResponse:
        """All devices that the filters leave, as a file without secrets; an import takes it again."""
        file_format = request.query_params.get("format", "json")
        if file_format not in exporting.FORMATS:
            raise ValidationError({"format": "Write csv or json."}, code="invalid_parameter")
        ids = list(self.filter_queryset(self.get_queryset()).values_list("pk", flat=True))
        content, mime = exporting.FORMATS[file_format]
        audit.record("export", object_type="inventory.device", detail=f"{len(ids)} devices as {file_format}")
        name = f"{self.kind or 'device'}s.{file_format}"
        return StreamingHttpResponse(
            content(ids, user=request.user, names_logins=has_role(request.user, "operator")),
            content_type=mime,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @extend_schema(
        request={"text/csv": OpenApiTypes.STR, "application/json": OpenApiTypes.OBJECT},
        parameters=IMPORT_PARAMETERS,
        responses={200: serializers_answers.ImportSerializer, 202: JobStartedSerializer},
        filters=False,
    )
    @action(detail=False, methods=["post"], url_path="import", pagination_class=None, parser_classes=FILE_PARSERS)
    def import_(self, request: Request) -> Response:
        """Devices from a CSV or JSON file, as the body or as the part `file` of a form.

        All or nothing, unless `atomic=false`; each error names its line. More than 1000 lines, or `background=true`,
        become a job.
        """
        refuse_unknown(request, {"existing", "atomic", "dry_run", "background", "format"})
        existing = request.query_params.get("existing", "refuse")
        if existing not in writing.EXISTING:
            raise ValidationError({"existing": "Write refuse, skip or update."}, code="invalid_parameter")
        given: UploadedText = uploaded_text(request)
        options: dict[str, Any] = {
            "user": request.user,
            "file_format": given.file_format,
            "existing": existing,
            "atomic": shapes.flag(request, "atomic", default=True),
            "dry_run": shapes.flag(request, "dry_run"),
            "kind": self.kind,
        }
        if shapes.flag(request, "background") or importing.is_long(given.text):
            job = importing.start(given.text, name=given.name, **options)
            return Response({"job": job.as_dict()}, status=202, headers={"Location": job.as_dict()["url"]})
        outcome = importing.run(given.text, **options)
        if outcome.is_unreadable or (outcome.fault_count and options["atomic"]):
            raise importing.ImportRefused(outcome)
        return Response({"dry_run": options["dry_run"], **outcome.as_dict()})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # `format=csv` is ours: DRF would look for a renderer of that name and answer 404.
        if self.action in ("export", "import_", None):  # None: 405 goes before the format
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)


class RouterViewSet(DeviceViewSet):
    kind: ClassVar[str | None] = Device.Kind.ROUTER


class SwitchViewSet(DeviceViewSet):
    kind: ClassVar[str | None] = Device.Kind.SWITCH


class ComputerViewSet(DeviceViewSet):
    kind: ClassVar[str | None] = Device.Kind.COMPUTER


class CameraViewSet(DeviceViewSet):
    kind: ClassVar[str | None] = Device.Kind.CAMERA


class SearchView(APIView):
    """One text, looked for in names, addresses, MACs, serial numbers, places: at most 8 of each kind."""

    @extend_schema(
        operation_id="search",
        parameters=[OpenApiParameter("q", QUESTION, OpenApiParameter.QUERY, required=True)],
        responses=serializers_answers.SearchSerializer,
    )
    def get(self, request: Request) -> Response:
        refuse_unknown(request, {"q", "format"})
        text = request.query_params.get("q", "")
        if not text.strip() or len(text) > 100:
            raise ValidationError({"q": "Write what to look for, at most 100 characters."}, code="invalid_parameter")
        return Response({"query": text, "groups": search.search(request.user, text)})
