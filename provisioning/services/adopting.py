"""Taking over what a router has: the wish follows the router, and nothing is sent."""

from ipaddress import IPv4Address
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from inventory.models import IPAddress
from netmon.audit import services as audit
from netmon.drivers.vyos import Forward, SeenMapping, SeenRule, StaticMapping, read_mappings, read_rules
from netmon.drivers.vyos.shapes import child
from provisioning.models import DhcpReservation, DriftItem, PortClaim, PortForward, PortPool
from provisioning.models.texts import MAX_FORWARDED_PORTS, parse_source
from provisioning.services import allocation, monitored, ports
from provisioning.services.refusals import Refusal
from provisioning.vyos_items import Wanted, mapping, mark


def can_adopt(one: Wanted, kind: str, whole: dict[str, Any]) -> bool:
    """Whether the wish can follow what the router has instead."""
    if isinstance(one.row, PortForward):
        if kind == "missing":
            return True  # it is wished away
        if not isinstance(one.item, Forward) or one.item.rule != one.row.rule_number:
            return False  # the one for those inside follows the other
        rule = rule_at(whole, one.row.rule_number)
        return rule is not None and why_not_forward(rule, one.row.vm.reservation.address) == ""
    if isinstance(one.row, DhcpReservation) and kind == "differs" and isinstance(one.item, StaticMapping):
        there = mapping_at(whole, one.item)
        return there is not None and bool(there.mac_address) and bool(there.address)
    return False


def rule_at(whole: dict[str, Any], number: int) -> SeenRule | None:
    return next((rule for rule in read_rules(whole.get("nat", {})) if rule.rule == number), None)


def mapping_at(whole: dict[str, Any], item: StaticMapping) -> SeenMapping | None:
    for there in read_mappings(child(whole, "service", "dhcp-server")):
        if (there.network, there.prefix, there.name) == (item.network, item.prefix, item.name):
            return there
    return None


def why_not_forward(rule: SeenRule, address: str) -> str:
    """Why a rule cannot be a forward to this address; "" where it can."""
    if rule.translation_address != address:
        return f"it leads to {rule.translation_address or 'nowhere'}"
    if rule.other or rule.logs or rule.source_group or rule.source_port or rule.interface_group:
        return "it says more than a forward can: logging, groups or further conditions"
    if rule.protocol not in PortForward.Protocol.values:
        return f"its protocol is {rule.protocol}"
    if "," in rule.destination_port or len(rule.ports) != 1 or not rule.destination_port:
        return "it has not one port or one range of ports"
    try:
        if rule.source_address:
            parse_source(rule.source_address)
    except ValidationError:
        return "its source is no address, prefix or range"
    outer, inner = span_of(rule.destination_port), span_of(rule.translation_port or rule.destination_port)
    if outer is None or inner is None or outer[1] - outer[0] != inner[1] - inner[0]:
        return "inside it has not as many ports as outside"
    if outer[1] - outer[0] >= MAX_FORWARDED_PORTS:
        return "it has more ports than one forward may have"
    return ""


def span_of(text: str) -> tuple[int, int] | None:
    first, dash, last = text.partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or len(first) > 5 or len(last) > 5:
        return None
    low, high = int(first), int(last if dash else first)
    return (low, high) if 0 < low <= high <= 65535 else None


@transaction.atomic
def adopt(item: DriftItem, whole: dict[str, Any], refusal: type[Refusal]) -> None:
    """Let the wish of one row follow the router. Raises `refusal`."""
    if item.forward is not None:
        _adopt_forward(item.forward, whole, refusal)
    elif item.reservation is not None:
        _adopt_mapping(item.reservation, whole, refusal)


def _adopt_forward(forward: PortForward, whole: dict[str, Any], refusal: type[Refusal]) -> None:
    allocation.hold(forward.vm.router)
    forward = PortForward.objects.select_related("vm__router", "vm__reservation", "pool").get(pk=forward.pk)
    rule = rule_at(whole, forward.rule_number)
    before = audit.snapshot(forward)
    if rule is None:
        forward.desired, forward.why_disabled, forward.applied = "absent", "", "applied"
        forward.save()
        audit.record("adopt", forward, before=before, after=audit.snapshot(forward))
        ports.release(forward.vm)
        monitored.follow(forward.vm)
        return
    if reason := why_not_forward(rule, forward.vm.reservation.address):
        raise refusal(f"The rule {rule.rule} cannot be taken over: {reason}.", field="items")
    take(forward, rule, refusal)
    forward.save()
    audit.record("adopt", forward, before=before, after=audit.snapshot(forward))
    claim_ports(forward)
    monitored.follow(forward.vm)


def take(forward: PortForward, rule: SeenRule, refusal: type[Refusal]) -> None:
    """Give a forward what a rule has, in the pool that its ports lie in. Raises `refusal`. Nothing is saved."""
    outer, inner = span_of(rule.destination_port), span_of(rule.translation_port or rule.destination_port)
    assert outer is not None and inner is not None
    pool = pool_of(forward.vm.router_id, rule, outer)
    if pool is None:
        raise refusal(
            f"The rule {rule.rule} has the external port {rule.destination_port}, which lies in no port pool of the "
            "router: make one, or widen one.",
            field="items",
        )
    taken = PortClaim.objects.filter(
        pool=pool, protocol__in=allocation.protocols_of(rule.protocol), port__range=outer
    ).exclude(forward=forward.pk)
    if taken.exists():
        raise refusal(f"The external port {rule.destination_port} of rule {rule.rule} is another's.", field="items")
    forward.pool, forward.protocol, forward.source = pool, rule.protocol, rule.source_address
    forward.external_port, forward.external_port_end = outer
    forward.internal_port, forward.internal_port_end = inner
    # As it stands: with another description it would differ from what netmon wishes.
    forward.description = ""
    if rule.description != mark(forward):
        forward.description = rule.description
    if rule.is_disabled:
        forward.desired = "disabled"
    else:
        forward.desired, forward.why_disabled = "enabled", ""
    forward.applied = "applied"


def pool_of(router_id: int, rule: SeenRule, outer: tuple[int, int]) -> PortPool | None:
    pools = PortPool.objects.filter(router=router_id, port_start__lte=outer[0], port_end__gte=outer[1])
    return pools.filter(external_address=rule.destination_address).first()


def claim_ports(forward: PortForward) -> None:
    """Claim exactly the ports that a forward has."""
    PortClaim.objects.filter(forward=forward).delete()
    PortClaim.objects.bulk_create(
        PortClaim(pool=forward.pool, forward=forward, protocol=protocol, port=port)
        for protocol in forward.protocols
        for port in range(forward.external_port, forward.external_port_end + 1)
    )


def _adopt_mapping(reservation: DhcpReservation, whole: dict[str, Any], refusal: type[Refusal]) -> None:
    allocation.hold(reservation.router)
    reservation = DhcpReservation.objects.select_related("pool__prefix", "vm__device__primary_ip").get(
        pk=reservation.pk
    )
    there = mapping_at(whole, mapping(reservation))
    if there is None:
        raise refusal("The mapping is gone by now: heal it, or decommission the machine.", field="items")
    if IPv4Address(there.address) not in reservation.pool.network:
        raise refusal(f"{there.address} lies outside of the subnet of the pool: heal it.", field="items")
    before = audit.snapshot(reservation)
    has_moved = reservation.address != there.address
    reservation.mac_address, reservation.address = there.mac_address, there.address
    reservation.desired = "disabled" if there.is_disabled else "enabled"
    reservation.applied = "applied"
    try:
        reservation.full_clean()
    except ValidationError as error:
        raise refusal(f"The mapping cannot be taken over: {' '.join(error.messages)}", field="items") from None
    reservation.save()
    audit.record("adopt", reservation, before=before, after=audit.snapshot(reservation))
    if has_moved and (own := reservation.vm.device.primary_ip) is not None:
        taken = IPAddress.objects.filter(address=there.address).exclude(pk=own.pk)
        if taken.filter(interface__device__tenant=reservation.vm.device.tenant_id).exists():
            raise refusal(f"{there.address} is another device's in the inventory.", field="items")
        own.address = there.address
        own.full_clean()
        own.save()
