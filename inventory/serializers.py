from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db.models import F, Q
from django.utils.text import slugify
from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.serializers import as_serializer_error

from inventory import flat, representation, services, ssh_keys
from inventory import policy as policies
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Prefix, Site, Tag, Tenant
from netmon.common.addresses import MAX_PREFIXES, canonical_prefixes
from netmon.common.permissions import has_role
from netmon.common.serializers import ValidatedModelSerializer, VisibleRelatedField, asker
from netmon.drivers.targets import SSH_PLATFORMS


def asker_has_role(serializer: serializers.BaseSerializer[Any], role: str) -> bool:
    """Whether the person who asks has this role; nobody does where there is no request."""
    return has_role(getattr(serializer.context.get("request"), "user", None), role)


def check_host(host: Any, *, tenant_id: int | None, port: int | None, field: str) -> None:
    """Raises ValidationError under `field` when a host has an address that must not be contacted.

    A name that does not resolve yet is left to the moment of use. Called before any transaction: a resolver is slow.
    """
    if not isinstance(host, str) or not host.strip():
        return
    try:
        policies.resolve_once(host.strip(), policy=policies.Policy.load(), tenant_id=tenant_id, port=port)
    except ModelValidationError as error:
        raise serializers.ValidationError({field: error.messages}) from None
    except policies.TargetRefused as error:
        raise serializers.ValidationError({field: serializers.ErrorDetail(error.detail, "address_refused")}) from None
    except (policies.NameUnknown, policies.NameUnanswered):
        return


class TenantSerializer(ValidatedModelSerializer):
    class Meta:
        model = Tenant
        fields = ["id", "name", "slug", "host_key_policy", "created_at", "updated_at"]

    def validate_host_key_policy(self, value: str) -> str:
        stored = self.instance.host_key_policy if self.instance else Tenant.HostKeyPolicy.APPROVE
        if value != stored and not asker_has_role(self, "admin"):
            raise serializers.ValidationError("Only an admin changes whose first key is trusted.", code="admins_only")
        return value


class TagSerializer(ValidatedModelSerializer):
    slug = serializers.SlugField(max_length=50, required=False, help_text="Made from the name when left out.")

    class Meta:
        model = Tag
        fields = ["id", "name", "slug", "description", "tenant", "created_at", "updated_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None and not attrs.get("slug") and attrs.get("name"):
            attrs["slug"] = slugify(attrs["name"])[:50]
            if not attrs["slug"]:
                raise serializers.ValidationError({"slug": "The name gives no slug: write one, such as core-network."})
        return super().validate(attrs)


class TagsField(serializers.SlugRelatedField):
    """Tags by slug."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="slug", **kwargs)

    def get_queryset(self) -> Any:
        user = asker(self)  # type: ignore[arg-type]
        return Tag.objects.visible_to(user) if user is not None else Tag.objects.all()

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or "\x00" in data:
            self.fail("invalid")
        tag = self.get_queryset().filter(slug=data).order_by(F("tenant_id").asc(nulls_last=True)).first()
        if tag is None:
            raise serializers.ValidationError(
                f"There is no tag {data[:50]!r}: make it first at tags/.", "does_not_exist"
            )
        return tag


def tags_field() -> Any:
    return TagsField(many=True, required=False, queryset=Tag.objects.all(), help_text="Slugs of tags.")


class SiteSerializer(ValidatedModelSerializer):
    tags = tags_field()

    class Meta:
        model = Site
        fields = ["id", "name", "tenant", "tags", "created_at", "updated_at"]


class PrefixSerializer(ValidatedModelSerializer):
    tags = tags_field()

    class Meta:
        model = Prefix
        fields = ["id", "cidr", "site", "description", "tags", "created_at", "updated_at"]


class InterfaceSerializer(ValidatedModelSerializer):
    class Meta:
        model = Interface
        fields = [
            "id", "device", "name", "if_index", "if_alias", "if_descr", "if_type", "mac_address", "mtu",
            "if_speed_bps", "if_admin_status", "if_oper_status", "gone_since", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["if_admin_status", "if_oper_status", "gone_since"]


class IPAddressSerializer(ValidatedModelSerializer):
    class Meta:
        model = IPAddress
        fields = ["id", "address", "prefix_length", "dns_name", "interface", "tenant", "created_at", "updated_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        row: IPAddress | None = self.instance
        if row is not None and (device := Device.objects.filter(primary_ip=row).first()):
            self._check_primary(row, device, attrs)
        return attrs

    def _check_primary(self, row: IPAddress, device: Device, attrs: dict[str, Any]) -> None:
        if attrs.get("interface", row.interface) != row.interface:
            raise serializers.ValidationError(
                {"interface": f"{device} is reached by this address: give that device another address first."}
            )
        may_redirect = asker_has_role(self, "admin")
        try:
            services.check_primary_address(row, device, attrs.get("address", row.address), may_redirect=may_redirect)
        except ModelValidationError as error:
            raise serializers.ValidationError(as_serializer_error(error)) from None


class CredentialSerializer(ValidatedModelSerializer):
    """Secrets go in and never come out: `secret_set` says whether one is there."""

    secret = serializers.CharField(write_only=True, required=False, max_length=16384, trim_whitespace=False)
    priv_secret = serializers.CharField(write_only=True, required=False, max_length=1024, trim_whitespace=False)
    secret_set = serializers.SerializerMethodField()
    priv_secret_set = serializers.SerializerMethodField()
    allowed_prefixes = serializers.ListField(
        child=serializers.CharField(max_length=43),
        required=False,
        max_length=MAX_PREFIXES,
        help_text="The secret is sent to addresses within these only; empty: wherever its device and tenant allow.",
    )
    used_by = serializers.IntegerField(read_only=True, default=0, help_text="Endpoints that refer to it.")
    last_used_at = serializers.DateTimeField(read_only=True, default=None, allow_null=True)
    last_ok_at = serializers.DateTimeField(read_only=True, default=None, allow_null=True)

    class Meta:
        model = Credential
        fields = [
            "id", "name", "kind", "username", "secret", "secret_set", "auth_protocol", "priv_protocol", "priv_secret",
            "priv_secret_set", "public_key", "fingerprint", "comment", "device", "tenant", "allowed_prefixes",
            "used_by", "last_used_at", "last_ok_at", "secret_changed_at", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["fingerprint", "secret_changed_at", "device"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            attrs = ssh_keys.completed(attrs, self.instance)
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from None
        return super().validate(attrs)

    def validate_allowed_prefixes(self, value: list[str]) -> list[str]:
        try:
            return canonical_prefixes(value)
        except ModelValidationError as error:
            raise serializers.ValidationError(error.messages, code="invalid_prefix") from None

    def get_secret_set(self, credential: Credential) -> bool:
        return bool(credential.secret)

    def get_priv_secret_set(self, credential: Credential) -> bool:
        return bool(credential.priv_secret)


class EndpointSerializer(ValidatedModelSerializer):
    options = serializers.DictField(required=False, help_text="Protocol options, such as version or timeout_seconds.")

    class Meta:
        model = ManagementEndpoint
        fields = [
            "id", "device", "protocol", "port", "credential", "options", "is_enabled", "created_at", "updated_at",
        ]  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if self.instance is None:
            # A form without a box means "off" for DRF; a new endpoint is on unless somebody says otherwise.
            fields["is_enabled"].default_empty_html = empty
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        row: ManagementEndpoint | None = self.instance
        for name in ("device", "protocol"):
            if row and attrs.get(name, getattr(row, name)) != getattr(row, name):
                raise serializers.ValidationError(
                    {name: "It cannot be changed: delete this endpoint and make another one."}
                )
        options = attrs.get("options")
        if isinstance(options, dict) and options.get("host") != (row.options.get("host") if row else None):
            device: Device = row.device if row else attrs["device"]
            port = attrs.get("port") or (row.port if row else None) or ManagementEndpoint.DEFAULT_PORTS["ssh"]
            check_host(options.get("host"), tenant_id=device.tenant_id, port=port, field="options")
        return super().validate(attrs)

    def to_representation(self, instance: ManagementEndpoint) -> dict[str, Any]:
        answer = super().to_representation(instance)
        if not asker_has_role(self, "operator"):
            answer["credential"] = None
        return answer

    def create(self, validated_data: dict[str, Any]) -> ManagementEndpoint:
        may_redirect = asker_has_role(self, "admin")
        return services.save_endpoint(ManagementEndpoint(**validated_data), may_redirect=may_redirect)

    def update(self, instance: ManagementEndpoint, validated_data: dict[str, Any]) -> ManagementEndpoint:
        for name, value in validated_data.items():
            setattr(instance, name, value)
        return services.save_endpoint(instance, may_redirect=asker_has_role(self, "admin"))


class AccessSerializer(serializers.Serializer[Any]):
    """How a device is reached, as the flat form shows it."""

    snmp_version = serializers.CharField(allow_null=True)
    snmp_port = serializers.IntegerField(allow_null=True)
    snmp_community_set = serializers.BooleanField()
    snmp_username = serializers.CharField(allow_null=True)
    snmp_auth_protocol = serializers.CharField(allow_null=True)
    snmp_auth_password_set = serializers.BooleanField()
    snmp_priv_protocol = serializers.CharField(allow_null=True)
    snmp_priv_password_set = serializers.BooleanField()
    ssh_username = serializers.CharField(allow_null=True)
    ssh_password_set = serializers.BooleanField()
    ssh_key = serializers.IntegerField(allow_null=True)
    ssh_port = serializers.IntegerField(allow_null=True)
    ssh_host = serializers.CharField(allow_null=True)
    ssh_platform = serializers.CharField(allow_null=True, help_text="Null: netmon finds it out.")
    ssh_jump = serializers.IntegerField(allow_null=True, help_text="The SSH endpoint that it is reached through.")
    rtsp_url = serializers.CharField(allow_null=True)
    rtsp_username = serializers.CharField(allow_null=True)
    rtsp_password_set = serializers.BooleanField()


def _secret(**kwargs: Any) -> serializers.CharField:
    kwargs.setdefault("max_length", 255)
    return serializers.CharField(write_only=True, required=False, allow_null=True, trim_whitespace=False, **kwargs)


class KeyField(VisibleRelatedField):
    """An SSH key; the one that is attached may be sent back by whoever may not see it."""

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        device = getattr(self.parent, "instance", None)
        if not isinstance(device, Device) or not isinstance(self.context.get("request"), Request):
            return rows
        attached = device.endpoints.filter(protocol="ssh").values("credential")
        kind = Credential.Kind.SSH_KEY
        return Credential.objects.filter(Q(pk__in=rows.values("pk")) | Q(pk__in=attached), kind=kind)


class DeviceSerializer(ValidatedModelSerializer):
    """A device in the flat form: one POST makes device, interface, address, credentials, endpoints and checks."""

    name = serializers.CharField(max_length=100, required=False)
    ip = serializers.CharField(
        max_length=45, required=False, allow_null=True, help_text="The address it is reached by."
    )
    hostname = serializers.CharField(
        max_length=253,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="DNS name; the device's name when that is not given.",
    )
    mac = serializers.CharField(max_length=32, required=False, allow_null=True, allow_blank=True)
    snmp_version = serializers.ChoiceField(choices=["1", "2c", "3"], required=False, allow_null=True)
    snmp_port = serializers.IntegerField(min_value=1, max_value=65535, required=False, allow_null=True)
    snmp_community = _secret(help_text="Versions 1 and 2c.")
    snmp_username = serializers.CharField(max_length=32, required=False, allow_null=True, help_text="Version 3.")
    snmp_auth_protocol = serializers.ChoiceField(
        choices=Credential.AuthProtocol.choices, required=False, allow_null=True
    )
    snmp_auth_password = _secret(min_length=8)
    snmp_priv_protocol = serializers.ChoiceField(
        choices=Credential.PrivProtocol.choices, required=False, allow_null=True
    )
    snmp_priv_password = _secret(min_length=8)
    ssh_username = serializers.CharField(max_length=100, required=False, allow_null=True)
    ssh_password = _secret()
    ssh_key = KeyField(
        queryset=Credential.objects.filter(kind=Credential.Kind.SSH_KEY),
        required=False,
        allow_null=True,
        help_text="A credential.",
    )
    ssh_port = serializers.IntegerField(min_value=1, max_value=65535, required=False, allow_null=True)
    ssh_host = serializers.CharField(max_length=255, required=False, allow_null=True, allow_blank=True)
    ssh_platform = serializers.ChoiceField(
        choices=SSH_PLATFORMS, required=False, allow_null=True, help_text="auto: netmon finds it out."
    )
    ssh_jump = serializers.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        required=False,
        allow_null=True,
        help_text="An SSH endpoint of the same tenant to go through; null: there is none.",
    )
    rtsp_url = serializers.CharField(
        max_length=300,
        required=False,
        allow_null=True,
        help_text="Of a camera, such as rtsp://192.0.2.1/stream1; a user and password in it are taken out of it.",
    )
    rtsp_username = serializers.CharField(max_length=100, required=False, allow_null=True)
    rtsp_password = _secret()
    tags = tags_field()

    fixed_kind: str | None = None
    shown_only = frozenset(
        {
            "site_name", "snmp_community_set", "snmp_auth_password_set", "snmp_priv_password_set", "ssh_password_set",
            "rtsp_password_set",
        }
    )  # fmt: skip

    class Meta:
        model = Device
        fields = [
            "id", "name", "kind", "status", "hostname", "ip", "mac", "tenant", "site", "location", "vendor", "model",
            "platform", "serial", "hypervisor", "tags", *flat.SNMP_FIELDS, *flat.SSH_FIELDS, *flat.RTSP_FIELDS,
            "created_at", "updated_at",
        ]  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None and not attrs.get("name"):
            attrs["name"] = attrs.get("hostname") or attrs.get("ip")
            if not attrs["name"]:
                raise serializers.ValidationError({"name": "This field is required."}, code="required")
        if kind := self.fixed_kind:
            if attrs.get("kind", kind) != kind:
                raise serializers.ValidationError(
                    {"kind": f"Here every device is a {kind}: leave it out or use devices/."}
                )
            attrs["kind"] = kind
        for name, value in attrs.items():
            if isinstance(value, str) and "\x00" in value:
                raise serializers.ValidationError({name: "Null characters are not allowed."})
        self._keep_in_tenant(attrs)
        if (host := attrs.get("ssh_host")) and host != self._stored_host():
            tenant = attrs.get("tenant", self.instance.tenant if self.instance else None)
            port = attrs.get("ssh_port") or ManagementEndpoint.DEFAULT_PORTS["ssh"]
            check_host(host, tenant_id=tenant.pk if tenant else None, port=port, field="ssh_host")
        return super().validate(attrs)

    def _keep_in_tenant(self, attrs: dict[str, Any]) -> None:
        """Whoever is bound to tenants makes no device outside them: other target rules hold there."""
        mine: frozenset[int] = getattr(getattr(self.context.get("request"), "user", None), "tenant_ids", frozenset())
        if not mine or attrs.get("tenant", self.instance.tenant if self.instance else None) is not None:
            return
        if self.instance is not None or "tenant" in attrs or len(mine) > 1:
            raise serializers.ValidationError({"tenant": "Name one of your tenants."}, code="required")
        attrs["tenant"] = Tenant.objects.get(pk__in=mine)

    def _stored_host(self) -> Any:
        ssh = flat.endpoint_of(self.instance.endpoints.all(), "ssh") if self.instance else None
        return ssh.options.get("host") if ssh else None

    def create(self, validated_data: dict[str, Any]) -> Device:
        return services.create_device(fields=validated_data, may_redirect=asker_has_role(self, "admin"))

    def update(self, instance: Device, validated_data: dict[str, Any]) -> Device:
        may_redirect = asker_has_role(self, "admin")
        return services.update_device(instance, fields=validated_data, may_redirect=may_redirect)

    def to_representation(self, instance: Device) -> dict[str, Any]:
        (row,) = representation.device_rows([instance.pk], names_logins=asker_has_role(self, "operator"))
        return row


class DeviceReadSerializer(AccessSerializer):
    """What comes back for a device."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Device.Kind.choices)
    status = serializers.ChoiceField(choices=Device.Status.choices)
    hostname = serializers.CharField(allow_blank=True)
    ip = serializers.CharField(allow_null=True)
    mac = serializers.CharField(allow_null=True)
    tenant = serializers.IntegerField(allow_null=True)
    site = serializers.IntegerField(allow_null=True)
    site_name = serializers.CharField(allow_null=True)
    location = serializers.CharField(allow_blank=True)
    vendor = serializers.CharField(allow_blank=True)
    model = serializers.CharField(allow_blank=True)
    platform = serializers.CharField(allow_blank=True)
    serial = serializers.CharField(allow_blank=True)
    hypervisor = serializers.IntegerField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
