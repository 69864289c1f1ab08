"""The inventory over HTTP."""

from typing import Any, ClassVar

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.viewsets import ModelViewSet

from inventory import filters, serializers, services
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Prefix, Site, Tenant

NUMBER = r"\d{1,18}"


class VisibleViewSet(ModelViewSet[Any]):
    """CRUD over what the person may see."""

    lookup_value_regex = NUMBER
    model: Any = None
    related: tuple[str, ...] = ()

    def get_queryset(self) -> Any:
        return self.model.objects.visible_to(self.request.user).select_related(*self.related)


class TenantViewSet(VisibleViewSet):
    model, queryset = Tenant, Tenant.objects.none()
    serializer_class = serializers.TenantSerializer
    filterset_fields = ["name", "slug"]
    ordering_fields = ["id", "name"]


class SiteViewSet(VisibleViewSet):
    model, queryset = Site, Site.objects.none()
    serializer_class = serializers.SiteSerializer
    filterset_class = filters.SiteFilter
    ordering_fields = ["id", "name"]


class PrefixViewSet(VisibleViewSet):
    model, queryset = Prefix, Prefix.objects.none()
    serializer_class = serializers.PrefixSerializer
    filterset_class = filters.PrefixFilter
    ordering_fields = ["id", "cidr"]


class InterfaceViewSet(VisibleViewSet):
    model, queryset = Interface, Interface.objects.none()
    serializer_class = serializers.InterfaceSerializer
    filterset_class = filters.InterfaceFilter
    ordering_fields = ["id", "name", "if_index"]

    def perform_destroy(self, instance: Interface) -> None:
        services.delete_interfaces([instance.pk])


class IPAddressViewSet(VisibleViewSet):
    model, queryset = IPAddress, IPAddress.objects.none()
    serializer_class = serializers.IPAddressSerializer
    filterset_class = filters.IPAddressFilter
    ordering_fields = ["id", "address_key"]


class CredentialViewSet(VisibleViewSet):
    """Secrets are an admin's business; viewers do not even see the list."""

    model, queryset = Credential, Credential.objects.none()
    serializer_class = serializers.CredentialSerializer
    filterset_class = filters.CredentialFilter
    ordering_fields = ["id", "name"]
    required_roles = {"read": "operator", "write": "admin", "test": "operator"}

    def get_queryset(self) -> Any:
        return Credential.objects.visible_to(self.request.user).with_usage()

    def perform_create(self, serializer: Any) -> None:
        serializer.save(secret_changed_at=timezone.now())

    def perform_update(self, serializer: Any) -> None:
        given = {"secret", "priv_secret"} & set(serializer.validated_data)
        row = serializer.save(**({"secret_changed_at": timezone.now()} if given else {}))
        serializer.instance = self.get_queryset().get(pk=row.pk)


class EndpointViewSet(VisibleViewSet):
    model, queryset = ManagementEndpoint, ManagementEndpoint.objects.none()
    serializer_class = serializers.EndpointSerializer
    related = ("device", "credential")
    filterset_class = filters.EndpointFilter
    ordering_fields = ["id", "protocol"]

    def perform_destroy(self, instance: ManagementEndpoint) -> None:
        services.delete_endpoints([instance.pk])


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
    kind: ClassVar[str | None] = None

    def get_queryset(self) -> Any:
        endpoints = ManagementEndpoint.objects.select_related("credential")
        rows = Device.objects.visible_to(self.request.user).with_place()
        rows = rows.select_related("primary_ip__interface").prefetch_related(Prefetch("endpoints", endpoints))
        return rows.filter(kind=self.kind) if self.kind else rows

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer = super().get_serializer(*args, **kwargs)
        setattr(getattr(serializer, "child", serializer), "fixed_kind", self.kind)  # noqa: B010
        return serializer

    def perform_create(self, serializer: Any) -> None:
        self._reload(serializer, serializer.save())

    def perform_update(self, serializer: Any) -> None:
        self._reload(serializer, serializer.save())

    def _reload(self, serializer: Any, device: Device) -> None:
        serializer.instance = self.get_queryset().get(pk=device.pk)

    def perform_destroy(self, instance: Device) -> None:
        services.delete_devices([instance.pk])


class RouterViewSet(DeviceViewSet):
    kind: ClassVar[str | None] = Device.Kind.ROUTER


class SwitchViewSet(DeviceViewSet):
    kind: ClassVar[str | None] = Device.Kind.SWITCH


class ComputerViewSet(DeviceViewSet):
    kind: ClassVar[str | None] = Device.Kind.COMPUTER
