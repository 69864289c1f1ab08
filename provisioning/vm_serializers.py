"""Machines, their addresses and forwards, and changes of configurations as the API shows them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from netmon.common.serializers import ValidatedModelSerializer
from provisioning.models import ChangeItem, ConfigChange, DhcpReservation, DriftItem, PortForward, Vm
from provisioning.models.vms import Applied, PortState
from provisioning.services import ports, wishes


def texts(help_text: str) -> serializers.ListField:
    """A list of texts, in answers only."""
    return serializers.ListField(child=serializers.CharField(), read_only=True, help_text=help_text)


class PortStatusSerializer(serializers.Serializer[Any]):
    """A port of a machine: as it is wished, and whether the router has it so."""

    status = serializers.ChoiceField(choices=PortState.choices)
    external_port = serializers.IntegerField(allow_null=True)
    external_port_end = serializers.IntegerField(allow_null=True)
    internal_port = serializers.IntegerField(allow_null=True)
    protocol = serializers.CharField(allow_null=True)
    source = serializers.CharField(allow_blank=True)  # type: ignore[assignment]
    nat_rule_number = serializers.IntegerField(allow_null=True)
    why_disabled = serializers.CharField(allow_blank=True, help_text="paused or expired, where it is one of these.")
    applied = serializers.ChoiceField(
        choices=Applied.choices, allow_null=True, help_text="Null: there is no such port."
    )
    expires_at = serializers.DateTimeField(allow_null=True)
    hit_packets = serializers.IntegerField(allow_null=True, help_text="New connections; null: not read.")
    last_hit_at = serializers.DateTimeField(allow_null=True)


NO_PORT = {
    "status": "not_active", "external_port": None, "external_port_end": None, "internal_port": None, "protocol": None,
    "source": "", "nat_rule_number": None, "why_disabled": "", "applied": None, "expires_at": None,
    "hit_packets": None, "last_hit_at": None,
}  # fmt: skip


def port_status(forward: PortForward) -> dict[str, Any]:
    return {
        "status": ports.status_of(forward),
        "external_port": forward.external_port,
        "external_port_end": forward.external_port_end,
        "internal_port": forward.internal_port,
        "protocol": forward.protocol,
        "source": forward.source,
        "nat_rule_number": forward.rule_number,
        "why_disabled": forward.why_disabled,
        "applied": forward.applied,
        "expires_at": forward.expires_at,
        "hit_packets": forward.hit_packets,
        "last_hit_at": forward.last_hit_at,
    }


def ports_of(vm: Vm) -> dict[str, dict[str, Any]]:
    """By name: the template's, whether they are there or not, and all others."""
    found = {forward.name: port_status(forward) for forward in vm.forwards.all()}
    return {**{name: dict(NO_PORT) for name in wishes.TEMPLATE if name not in found}, **found}


class PortsStatusSerializer(serializers.Serializer[Any]):
    """The ports of one machine, by name; `not_active` are those of the template that it has not."""

    machine_id = serializers.CharField(source="name")
    internal_ip = serializers.CharField(source="reservation.address")
    ports = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=PortStatusSerializer()))
    def get_ports(self, vm: Vm) -> dict[str, Any]:
        return {name: PortStatusSerializer(row).data for name, row in ports_of(vm).items()}


class VmSerializer(serializers.ModelSerializer[Vm]):
    name = serializers.CharField(read_only=True)
    router_name = serializers.CharField(source="router.device.name", read_only=True)
    tenant = serializers.IntegerField(source="device.tenant_id", read_only=True, allow_null=True)
    owner_name = serializers.CharField(source="owner.username", read_only=True, default=None, allow_null=True)
    internal_ip = serializers.CharField(source="reservation.address", read_only=True)
    mac_address = serializers.CharField(source="reservation.mac_address", read_only=True)
    dhcp_pool = serializers.IntegerField(source="reservation.pool_id", read_only=True)
    applied = serializers.ChoiceField(
        source="reservation.applied", choices=Applied.choices, read_only=True, help_text="Of its address."
    )
    lease_state = serializers.CharField(source="reservation.lease_state", read_only=True)
    metadata = serializers.DictField(read_only=True)
    external_ports = serializers.SerializerMethodField()
    nat_rule_base = serializers.SerializerMethodField()
    ports = serializers.SerializerMethodField()

    class Meta:
        model = Vm
        fields = [
            "id", "name", "device", "hostname", "router", "router_name", "tenant", "owner", "owner_name", "state",
            "internal_ip", "mac_address", "dhcp_pool", "applied", "lease_state", "external_ports", "nat_rule_base",
            "ports", "metadata", "expires_at", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_external_ports(self, vm: Vm) -> dict[str, int]:
        return {forward.name: forward.external_port for forward in vm.forwards.all() if forward.desired != "absent"}

    def get_nat_rule_base(self, vm: Vm) -> int | None:
        return min((row.rule_number for row in vm.forwards.all() if row.desired != "absent"), default=None)

    @extend_schema_field(serializers.DictField(child=PortStatusSerializer()))
    def get_ports(self, vm: Vm) -> dict[str, Any]:
        return {row.name: PortStatusSerializer(port_status(row)).data for row in vm.forwards.all()}


class DhcpReservationSerializer(serializers.ModelSerializer[DhcpReservation]):
    vm_name = serializers.CharField(source="vm.name", read_only=True)
    hostname = serializers.CharField(source="vm.hostname", read_only=True, help_text="The router's name of it.")
    pool_name = serializers.CharField(source="pool.name", read_only=True)

    class Meta:
        model = DhcpReservation
        fields = [
            "id", "router", "pool", "pool_name", "vm", "vm_name", "hostname", "mac_address", "address", "desired",
            "applied", "lease_state", "lease_ends", "lease_read_at", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields


class PortForwardSerializer(ValidatedModelSerializer):
    vm_name = serializers.CharField(source="vm.name", read_only=True)
    router = serializers.IntegerField(source="vm.router_id", read_only=True)
    pool_name = serializers.CharField(source="pool.name", read_only=True)
    internal_ip = serializers.CharField(source="vm.reservation.address", read_only=True)
    status = serializers.SerializerMethodField()
    why_disabled = serializers.CharField(read_only=True, help_text="paused or expired, where it is one of these.")

    class Meta:
        model = PortForward
        fields = [
            "id", "vm", "vm_name", "router", "pool", "pool_name", "name", "protocol", "external_port",
            "external_port_end", "internal_ip", "internal_port", "internal_port_end", "source", "rule_number",
            "wants_hairpin", "status", "desired", "why_disabled", "applied", "expires_at", "hit_packets", "hit_bytes",
            "hits_read_at", "last_hit_at", "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=PortState.choices))
    def get_status(self, forward: PortForward) -> str:
        return ports.status_of(forward)


class ChangeItemSerializer(serializers.ModelSerializer[ChangeItem]):
    class Meta:
        model = ChangeItem
        fields = ["id", "vm", "vm_name", "status", "error_code", "error_detail"]
        read_only_fields = fields


class ConfigChangeSerializer(serializers.ModelSerializer[ConfigChange]):
    lines = texts("What is sent: set and delete lines.")
    undo = texts("What would take it back.")
    diff = texts("What changes, as a person reads it.")
    requested_by = serializers.CharField(source="requested_by.username", read_only=True, default=None, allow_null=True)
    items = ChangeItemSerializer(many=True, read_only=True)

    class Meta:
        model = ConfigChange
        fields = [
            "id", "kind", "status", "is_saved", "router", "router_name", "vm", "vm_name", "tenant", "items", "lines",
            "undo", "diff", "digest", "is_approved", "confirm_minutes", "remark", "requested_by", "via", "error_code",
            "error_detail", "sent_requests", "tries", "created_at", "due_at", "started_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class DriftItemSerializer(serializers.ModelSerializer[DriftItem]):
    router_name = serializers.CharField(source="router.device.name", read_only=True)
    vm_name = serializers.CharField(source="vm.name", read_only=True, default=None, allow_null=True)
    words = texts("What differs, a sentence each.")
    lines = texts("What would heal it.")

    class Meta:
        model = DriftItem
        fields = [
            "id", "router", "router_name", "kind", "vm", "vm_name", "label", "words", "lines", "can_adopt", "found_at",
        ]  # fmt: skip
        read_only_fields = fields


class TimelineEntrySerializer(serializers.Serializer[Any]):
    """Something that was done to a machine in netmon (record), or told to its router (change)."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=["record", "change"])
    action = serializers.CharField(help_text="What was done, or the kind of the change.")
    user = serializers.CharField(allow_blank=True)
    via = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)
    change = serializers.IntegerField(allow_null=True, help_text="Number of the change.")
    status = serializers.CharField(allow_blank=True, help_text="What became of the change; of a record empty.")


class PointedChangeSerializer(serializers.Serializer[Any]):
    """The change that tells the router; follow it at `url`."""

    id = serializers.IntegerField()
    status = serializers.ChoiceField(choices=ConfigChange.Status.choices)
    url = serializers.CharField()


class AskedSerializer(serializers.Serializer[Any]):
    """What became of a request.

    `status` is queued (202), unchanged (nothing is to be sent), planned (a dry run), or what became of the change
    within `wait`. `lines` and what follows from them are null where the router was not read yet.
    """

    status = serializers.CharField(
        help_text="queued, unchanged, planned; after `wait` applying, applied, failed, unknown, reverted."
    )
    machine_id = serializers.CharField()
    message = serializers.CharField()
    change = PointedChangeSerializer(allow_null=True)
    lines = serializers.ListField(child=serializers.CharField(), allow_null=True)
    undo = serializers.ListField(child=serializers.CharField(), allow_null=True)
    diff = serializers.ListField(child=serializers.CharField(), allow_null=True)
    remarks = serializers.ListField(child=serializers.CharField(), allow_null=True)
    digest = serializers.CharField(allow_blank=True, help_text="Send it to approve of exactly this plan.")


class ProvisionedSerializer(AskedSerializer):
    """A machine with what it got, or of a dry run would get."""

    id = serializers.IntegerField(allow_null=True, help_text="Null of a dry run.")
    hostname = serializers.CharField()
    internal_ip = serializers.CharField()
    mac_address = serializers.CharField()
    external_ports = serializers.DictField(child=serializers.IntegerField())
    nat_rule_base = serializers.IntegerField(allow_null=True)
    router = serializers.IntegerField()
    router_name = serializers.CharField()
    dhcp_pool = serializers.IntegerField()
    dhcp_pool_name = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)


class ActionResultSerializer(serializers.Serializer[Any]):
    port = serializers.CharField()
    status = serializers.ChoiceField(choices=PortState.choices)
    external_port = serializers.IntegerField(allow_null=True)
    nat_rule_number = serializers.IntegerField(allow_null=True)
    is_changed = serializers.BooleanField(help_text="Whether this request changed it.")


class PortsAskedSerializer(AskedSerializer):
    action = serializers.CharField()
    action_results = ActionResultSerializer(many=True)


class PortAskedSerializer(AskedSerializer):
    action = serializers.CharField()
    port = serializers.CharField()
    port_status = serializers.ChoiceField(choices=PortState.choices)


class ExpiryAskedSerializer(AskedSerializer):
    expires_at = serializers.DateTimeField(allow_null=True)


class ForwardAskedSerializer(AskedSerializer):
    port_forward = PortForwardSerializer(allow_null=True, help_text="Null of a dry run that would make one.")


class ProvisionResultSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Position in the request, from 0.")
    status = serializers.IntegerField(help_text="202, 200 of one that was there, or that of its refusal.")
    vm = ProvisionedSerializer(allow_null=True)
    code = serializers.CharField(allow_blank=True)
    errors = serializers.ListField(child=serializers.DictField(), help_text="As in a problem.")  # type: ignore[assignment]


class ProvisionedManySerializer(serializers.Serializer[Any]):
    results = ProvisionResultSerializer(many=True)


class DiagnosisStepSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    status = serializers.CharField(help_text="ok, failed, unknown, or skipped where it does not apply.")
    words = serializers.CharField()
    remedy = serializers.CharField(allow_blank=True)
    port = serializers.CharField(allow_blank=True, help_text="The port that the step is about.")


class DiagnosisSerializer(serializers.Serializer[Any]):
    """The way to a machine, step by step; the first that failed is what to look at."""

    at = serializers.DateTimeField()
    first_failed = DiagnosisStepSerializer(allow_null=True)
    steps = DiagnosisStepSerializer(many=True)
