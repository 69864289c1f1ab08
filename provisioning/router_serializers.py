"""VyOS routers, pools and quotas as the API takes and shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer
from provisioning import fill
from provisioning.models import DhcpPool, PortPool, Quota, VyosRouter
from provisioning.models.pools import MAX_NAME_SERVERS
from provisioning.services import drift, importing
from provisioning.vm_serializers import DriftItemSerializer, PointedChangeSerializer

MOST_ITEMS = 500


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


class OutlookSerializer(serializers.Serializer[Any]):
    """How full a pool is, or the rule numbers of the router are, and when there will be nothing left."""

    kind = serializers.ChoiceField(choices=["dhcp", "ports", "rules"], source="fill.kind")
    id = serializers.IntegerField(source="fill.pk", help_text="Of the pool; of rules the router.")
    name = serializers.CharField(source="fill.name")
    used = serializers.IntegerField(source="fill.used", help_text="What others hold counts as well.")
    size = serializers.IntegerField(source="fill.size")
    free = serializers.IntegerField(source="fill.free")
    full_at = serializers.DateTimeField(
        allow_null=True,
        help_text="If things go on as in the last fortnight; null: not foreseen, or not measured for long enough.",
    )


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
    forecast = OutlookSerializer(many=True, source="outlooks")


class RouterDriftSerializer(serializers.Serializer[Any]):
    """Where a router differs from what it is meant to have."""

    compared_at = serializers.DateTimeField(allow_null=True, help_text="Null: it was never compared.")
    count = serializers.IntegerField()
    items = DriftItemSerializer(many=True, help_text=f"At most {MOST_ITEMS}; all of them: `drift/?router=`.")


class ReconcileSerializer(StrictSerializer):
    items = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        min_length=1,
        max_length=MOST_ITEMS,
        help_text="Numbers of what differs.",
    )
    direction = serializers.ChoiceField(
        choices=list(drift.DIRECTIONS),
        help_text="heal: the router gets what netmon wishes; adopt: netmon wishes what the router has.",
    )


class ReconciledSerializer(serializers.Serializer[Any]):
    """`status` is adopted, or that of the change."""

    status = serializers.CharField(help_text="adopted, queued; after `wait` what became of the change.")
    change = PointedChangeSerializer(allow_null=True)
    adopted = serializers.ListField(child=serializers.CharField(), help_text="What netmon wishes as the router has it.")


class TakeOverSerializer(StrictSerializer):
    names = serializers.ListField(
        child=serializers.CharField(max_length=63),
        required=False,
        min_length=1,
        max_length=importing.MOST_AT_ONCE,
        help_text="Of mappings; without it all that can be taken over.",
    )
    dry_run = serializers.BooleanField(default=False, help_text="Say what would be taken over; write nothing.")


class FoundForwardSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    rule = serializers.IntegerField(source="rule.rule")
    protocol = serializers.CharField(source="rule.protocol")
    external_port = serializers.CharField(source="rule.destination_port", help_text="A port or a range.")
    internal_port = serializers.CharField(source="rule.translation_port", help_text="Empty: as outside.")
    source_address = serializers.CharField(source="rule.source_address", help_text="Who may come in; empty: all.")
    problem = serializers.CharField(help_text="Why this rule stays as it is, unknown to netmon; empty: it is taken.")


class FoundMachineSerializer(serializers.Serializer[Any]):
    """A mapping of the router, with the rules that lead to it."""

    name = serializers.CharField()
    mac_address = serializers.CharField()
    address = serializers.CharField()
    pool = serializers.IntegerField(source="pool.pk", default=None, allow_null=True)
    pool_name = serializers.CharField(source="pool.name", default=None, allow_null=True)
    is_disabled = serializers.BooleanField()
    forwards = FoundForwardSerializer(many=True)
    problem = serializers.CharField(help_text="Why it cannot be a machine of netmon's; empty: it can.")


class TakenOverSerializer(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField()
    taken = FoundMachineSerializer(many=True, help_text="Machines of netmon's now; of a dry run those that would be.")
    left = FoundMachineSerializer(many=True, help_text="What else is there, each with its problem if it has one.")


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
