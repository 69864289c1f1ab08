"""From rows to what should stand on their router. Nothing here asks anybody: rows come with what they point to."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from netmon.drivers.vyos import (
    Forward,
    Item,
    Masquerade,
    Opening,
    SeenRule,
    StaticMapping,
    Subnet,
    hairpin,
)
from provisioning.models import DhcpPool, DhcpReservation, PortForward, RuleClaim, Vm, VyosRouter

ON_ROUTER = ("applied", "drifted")
Row = DhcpReservation | PortForward | RuleClaim
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - of a rule that is known by its number alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An item as it should be: there, or with `is_absent` not there. `row` is whose it is, None where it is forgotten.

    `was_applied`: netmon has seen it on the router before, so what stands at its place is its own, though its mark be
    gone; a mapping has no mark at all, for before 1.5 it has no description.
    """

    item: Item
    row: Row | None
    is_absent: bool = False
    was_applied: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether it is the router's as a whole, so that no single machine has to wait for it."""
        return self.row is None or isinstance(self.row, RuleClaim)


def mark(forward: PortForward) -> str:
    """The description by which a rule is known as ours: by names, so that a plan says what will be sent, and so that
    rows that come back from a backup find what is theirs."""
    return forward.description or f"netmon:{forward.vm.hostname} {forward.name}"


def claim_mark(claim: RuleClaim) -> str:
    """The same for a rule that no forward owns."""
    return f"netmon: {claim.purpose}"


def is_marked(description: str) -> bool:
    """Whether a rule says that netmon made it."""
    return description.startswith("netmon:")


def mapping(reservation: DhcpReservation) -> StaticMapping:
    return StaticMapping(
        network=reservation.pool.shared_network,
        prefix=reservation.pool.prefix.cidr,
        name=reservation.vm.hostname,
        mac_address=reservation.mac_address,
        address=reservation.address,
        disabled=reservation.desired == "disabled",
    )


def subnet(pool: DhcpPool) -> Subnet:
    """The subnet of a pool, for a router that has none there. Its dynamic range is never netmon's to make."""
    return Subnet(
        network=pool.shared_network,
        prefix=pool.prefix.cidr,
        subnet_id=pool.subnet_id,
        default_router=pool.gateway,
        name_servers=tuple(pool.name_servers),
    )


def forward_rule(forward: PortForward) -> Forward:
    router = forward.vm.router
    return Forward(
        rule=forward.rule_number,
        interface=router.inbound_interface,
        address=forward.vm.reservation.address,
        protocol=forward.protocol,
        ports=span(forward.external_port, forward.external_port_end),
        to_ports=span(forward.internal_port, forward.internal_port_end),
        description=mark(forward),
        disabled=forward.desired == "disabled",
        source=forward.source,
        outside=forward.pool.external_address,
    )


def span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def of_forward(forward: PortForward) -> list[Wanted]:
    """Its rule, and the one for those inside."""
    rule = forward_rule(forward)
    items = [rule]
    for claim in forward.rule_claims.all():
        if claim.purpose == RuleClaim.Purpose.HAIRPIN:
            items.append(_hairpin(forward, rule, claim.number))
    return [_wanted(item, forward) for item in items]


def _wanted(item: Item, row: DhcpReservation | PortForward) -> Wanted:
    return Wanted(item=item, row=row, is_absent=row.desired == "absent", was_applied=row.applied in ON_ROUTER)


def _hairpin(forward: PortForward, rule: Forward, number: int) -> Forward:
    router = forward.vm.router
    outside = forward.pool.external_address or router.external_address
    if forward.desired == "absent":  # what is to go is known by its number, whatever the router lacks by now
        return hairpin(rule, rule=number, interface=rule.interface, outside=outside)
    if not outside or not router.lan_interface:
        raise ValueError(
            "lan_interface: the router has no LAN interface or external address, which a forward for those inside "
            "needs; set both"
        )
    return hairpin(rule, rule=number, interface=router.lan_interface, outside=outside)


def of_vm(vm: Vm) -> list[Wanted]:
    """All that a machine has on its router: what is to be there, and what is to go."""
    found = [_wanted(mapping(vm.reservation), vm.reservation)]
    for forward in vm.forwards.all():
        found += of_forward(forward)
    return found


def of_router(claims: Iterable[RuleClaim], router: VyosRouter, *, idle: Collection[int] = ()) -> list[Wanted]:
    """What a router has beside its machines: masquerading for those inside, the opening of the firewall.

    `idle` are the numbers of the claims that nobody needs any more.
    """
    found = []
    for claim in claims:
        if claim.purpose == RuleClaim.Purpose.MASQUERADE and claim.dhcp_pool is not None:
            item: Item = Masquerade(
                rule=claim.number,
                interface=router.lan_interface or router.inbound_interface,
                prefix=claim.dhcp_pool.prefix.cidr,
                description=claim_mark(claim),
            )
        elif claim.purpose == RuleClaim.Purpose.OPENING:
            item = opening(claim, router)
        else:
            continue
        found.append(Wanted(item=item, row=claim, is_absent=claim.pk in idle))
    return found


def opening(claim: RuleClaim, router: VyosRouter) -> Opening:
    prefixes = sorted({pool.prefix.cidr for pool in router.dhcp_pools.all()})
    return Opening(
        rule=claim.number,
        description=claim_mark(claim),
        ruleset=router.firewall_ruleset,
        prefix=prefixes[0] if len(prefixes) == 1 else "",
    )


def strays(rules: Iterable[SeenRule], claimed: Collection[int]) -> list[Wanted]:
    """Rules that bear netmon's mark and that no row knows any more: they are to go."""
    found = []
    for rule in rules:
        if is_marked(rule.description) and rule.rule not in claimed:
            item = Forward(
                rule=rule.rule, interface="any", address=NO_ADDRESS, protocol="all", description=rule.description
            )
            found.append(Wanted(item=item, row=None, is_absent=True))
    return found
