"""VyOS routers, pools and quotas as the API takes and shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from netmon.common.serializers import ValidatedModelSerializer
from provisioning import fill
from provisioning.models import DhcpPool, PortPool, Quota, VyosRouter
from provisioning.models.pools import MAX_NAME_SERVERS


class PoolFillSerializer(serializers.Serializer[Any]):
    """How much of a pool is given away."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    is_enabled = serializers.BooleanField()
    size = serializers.SerializerMethodField()
    given = serializers.SerializerMethodField()

    def get_size(self, pool: Any) -> int:
        return fill.size_of(pool)

    def get_given(self, pool: Any) -> int:
        return fill.given_of(pool)


class VyosRouterSerializer(ValidatedModelSerializer):
    name = serializers.CharField(source="device.name", read_only=True)
    device = serializers.IntegerField(source="endpoint.device_id", read_only=True)
    tenant = serializers.IntegerField(source="device.tenant_id", read_only=True, allow_null=True)
    capabilities = serializers.DictField(read_only=True)
    dhcp_pools = serializers.SerializerMethodField()
    port_pools = serializers.SerializerMethodField()

    class Meta:
        model = VyosRouter
        fields = [
            "id", "name", "device", "tenant", "endpoint", "version_text", "version_family", "capabilities",
            "inbound_interface", "lan_interface", "external_address", "rule_start", "rule_end", "allow_firewall_rule",
            "firewall_rule_number", "firewall_ruleset", "confirm_minutes", "is_saved", "last_error_code",
            "last_error_detail", "compared_at", "last_read_at", "dhcp_pools", "port_pools", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = [
            "version_text", "version_family", "is_saved", "last_error_code", "last_error_detail", "compared_at",
            "last_read_at",
        ]  # fmt: skip

    @extend_schema_field(PoolFillSerializer(many=True))
    def get_dhcp_pools(self, router: VyosRouter) -> list[Any]:
        return list(PoolFillSerializer(router.dhcp_pools.all(), many=True).data)

    @extend_schema_field(PoolFillSerializer(many=True))
    def get_port_pools(self, router: VyosRouter) -> list[Any]:
        return list(PoolFillSerializer(router.port_pools.all(), many=True).data)


class RouterStatusSerializer(serializers.Serializer[Any]):
    """How a router stands."""

    id = serializers.IntegerField()
    name = serializers.CharField(source="device.name")
    version_text = serializers.CharField(allow_blank=True, help_text="As it says it; empty before it was asked.")
    version_family = serializers.CharField(allow_blank=True)
    is_saved = serializers.BooleanField(allow_null=True, help_text="Null: not known.")
    last_read_at = serializers.DateTimeField(allow_null=True)
    compared_at = serializers.DateTimeField(allow_null=True)
    last_error_code = serializers.CharField(allow_blank=True)
    last_error_detail = serializers.CharField(allow_blank=True)
    waiting_changes = serializers.IntegerField(help_text="Queued, or being applied.")
    unknown_changes = serializers.IntegerField(help_text="Of these it is not known whether the router has them.")
    drift_count = serializers.IntegerField(help_text="What differed when it was last compared: `drift/?router=`.")
    dhcp_pools = PoolFillSerializer(many=True, source="dhcp_pools.all")
    port_pools = PoolFillSerializer(many=True, source="port_pools.all")


class DhcpPoolSerializer(ValidatedModelSerializer):
    router_name = serializers.CharField(source="router.device.name", read_only=True)
    cidr = serializers.CharField(source="prefix.cidr", read_only=True)
    name_servers = serializers.ListField(
        child=serializers.CharField(max_length=15), required=False, max_length=MAX_NAME_SERVERS
    )
    size = serializers.SerializerMethodField()
    given = serializers.SerializerMethodField()

    class Meta:
        model = DhcpPool
        fields = [
            "id", "router", "router_name", "name", "shared_network", "prefix", "cidr", "subnet_id", "range_start",
            "range_end", "gateway", "name_servers", "is_enabled", "made_subnet", "size", "given", "created_at",
            "updated_at",
        ]  # fmt: skip
        read_only_fields = ["made_subnet"]

    def get_size(self, pool: DhcpPool) -> int:
        return fill.size_of(pool)

    def get_given(self, pool: DhcpPool) -> int:
        return fill.given_of(pool)


class PortPoolSerializer(ValidatedModelSerializer):
    router_name = serializers.CharField(source="router.device.name", read_only=True)
    size = serializers.SerializerMethodField()
    given = serializers.SerializerMethodField()

    class Meta:
        model = PortPool
        fields = [
            "id", "router", "router_name", "name", "external_address", "port_start", "port_end", "is_enabled", "size",
            "given", "created_at", "updated_at",
        ]  # fmt: skip

    def get_size(self, pool: PortPool) -> int:
        return fill.size_of(pool)

    def get_given(self, pool: PortPool) -> int:
        return fill.given_of(pool)


class QuotaSerializer(ValidatedModelSerializer):
    """A person's or a tenant's limit, and what is used of it."""

    owner_name = serializers.CharField(source="owner.username", read_only=True, default=None, allow_null=True)
    tenant_name = serializers.CharField(source="tenant.name", read_only=True, default=None, allow_null=True)
    used_vms = serializers.SerializerMethodField()
    used_forwards = serializers.SerializerMethodField()

    class Meta:
        model = Quota
        fields = [
            "id", "owner", "owner_name", "tenant", "tenant_name", "max_vms", "max_forwards", "used_vms",
            "used_forwards", "created_at", "updated_at",
        ]  # fmt: skip

    def get_used_vms(self, quota: Quota) -> int:
        """What is being removed counts until it is gone."""
        return fill.use_of(quota, "used_vms")

    def get_used_forwards(self, quota: Quota) -> int:
        return fill.use_of(quota, "used_forwards")

    def _default_tenant(self, attrs: dict[str, Any]) -> None:
        """A person's quota is no tenant's."""
