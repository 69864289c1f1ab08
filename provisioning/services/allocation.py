"""Giving away addresses, ports and rule numbers, each once.

Whoever gives something holds the router first (`hold`), inside the transaction that writes it: so two do not find the
same thing free. That no two rows share one is the database's own rule, whatever walks past here.
"""

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from django.db.models import Q

from inventory.models import Interface, IPAddress, Tenant
from netmon.common import locks
from provisioning.models import (
    DhcpPool,
    DhcpReservation,
    PortClaim,
    PortForward,
    PortPool,
    Quota,
    RuleClaim,
    Vm,
    VyosRouter,
)
from provisioning.services.refusals import (
    AddressTaken,
    MacTaken,
    OutOfPool,
    PoolExhausted,
    PortsExhausted,
    PortTaken,
    QuotaExceeded,
    RulesExhausted,
)
from provisioning.services.wishes import PortWish


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What others use, as far as the caller knows: seen on the network, or set on the router by hand."""

    addresses: frozenset[str] = frozenset()
    macs: frozenset[str] = frozenset()
    ports: frozenset[tuple[str, int]] = frozenset()
    rules: frozenset[tuple[str, int]] = frozenset()


NOTHING = Taken()


def hold(router: VyosRouter) -> None:
    """Hold off whoever else gives away what this router has, until this transaction ends."""
    locks.hold(VyosRouter, router.pk)


def give_address(
    pool: DhcpPool,
    *,
    tenant: Tenant | None,
    wanted: str | None = None,
    span: tuple[str, str] | None = None,
    taken: Taken = NOTHING,
) -> str:
    """The lowest free address of a pool, of a span in it, or exactly the wanted one.

    Raises OutOfPool, AddressTaken or PoolExhausted.
    """
    first, last = IPv4Address(pool.range_start), IPv4Address(pool.range_end)
    never = {pool.network.network_address, pool.network.broadcast_address} if pool.network.prefixlen < 31 else set()
    if pool.gateway:
        never.add(IPv4Address(pool.gateway))
    used = _used_addresses(pool, tenant) | {IPv4Address(text) for text in taken.addresses}
    if wanted is not None:
        address = IPv4Address(wanted)
        if not first <= address <= last or address in never:
            raise OutOfPool(
                f"{wanted} is none that the pool {pool} gives: choose one of {first} to {last}, not the gateway.",
                field="ip_address",
            )
        if address in used:
            raise AddressTaken(f"{wanted} is taken: choose another, or leave it out.", field="ip_address")
        return wanted
    field = "dhcp_pool"
    if span is not None:
        field, start, end = "ip_range", IPv4Address(span[0]), IPv4Address(span[1])
        if start < first or end > last:
            raise OutOfPool(f"The pool {pool} gives {first} to {last}: choose a range inside.", field=field)
        first, last = start, end
    for number in range(int(first), int(last) + 1):
        if (address := IPv4Address(number)) not in used and address not in never:
            return str(address)
    raise PoolExhausted(
        f"No address of {first} to {last} in the pool {pool} is free: release machines, or choose another pool.",
        field=field,
    )


def _used_addresses(pool: DhcpPool, tenant: Tenant | None) -> set[IPv4Address]:
    """Given to others of the router, or in the inventory: of the tenant, of the router's tenant, or of nobody."""
    # Another tenant's network may have the same private addresses.
    owners = Q(tenant=None) | Q(tenant=tenant) | Q(tenant=pool.router.device.tenant_id)
    known = IPAddress.objects.filter(
        owners, address_key__gte=pool.range_start_key, address_key__lte=pool.range_end_key
    ).values_list("address", flat=True)
    given = DhcpReservation.objects.filter(router=pool.router_id).values_list("address", flat=True)
    return {IPv4Address(text) for text in (*known, *given)}


def give_mac(router: VyosRouter, name: str, *, wanted: str | None = None, taken: Taken = NOTHING) -> str:
    """The wanted MAC address, or a locally administered one made of the machine's name, so that a plan and what is
    done by it have the same. Raises MacTaken."""
    if wanted is not None:
        if wanted in taken.macs or DhcpReservation.objects.filter(router=router, mac_address=wanted).exists():
            raise MacTaken(
                f"{wanted} has a fixed address at this router already: correct it, or decommission that machine.",
                field="mac_address",
            )
        return wanted
    for attempt in itertools.count():
        digest = hashlib.sha256(f"{router.pk} {name} {attempt}".encode()).digest()
        made = ":".join(f"{octet:02x}" for octet in b"\x02" + digest[:5])
        is_known = (
            made in taken.macs
            or DhcpReservation.objects.filter(mac_address=made).exists()
            or Interface.objects.filter(mac_address=made).exists()
        )
        if not is_known:
            return made
    raise AssertionError("a count does not end")


def give_ports(
    pool: PortPool, wishes: Sequence[PortWish], *, span: tuple[int, int] | None = None, taken: Taken = NOTHING
) -> list[int]:
    """The first external port of each wish: the asked one, else the lowest with enough free ports in a row.

    Raises OutOfPool, PortTaken or PortsExhausted.
    """
    first, last = span or (pool.port_start, pool.port_end)
    if first < pool.port_start or last > pool.port_end:
        raise OutOfPool(
            f"The pool {pool} has the ports {pool.port_start} to {pool.port_end}: choose a range inside.",
            field="port_range",
        )
    used = _used_ports(pool) | taken.ports
    given: dict[str, int] = {}
    # What is asked for by number goes first: nobody else of this request may get it.
    for wish in sorted(wishes, key=lambda one: one.external_port is None):
        port = _lowest(wish, used, first, last, pool) if wish.external_port is None else _asked(wish, used, pool)
        used |= _claims(wish, port)
        given[wish.name] = port
    return [given[wish.name] for wish in wishes]


def _asked(wish: PortWish, used: set[tuple[str, int]], pool: PortPool) -> int:
    port = wish.external_port or 0
    if port < pool.port_start or port + wish.count - 1 > pool.port_end:
        raise OutOfPool(
            f"{wish.name}: the pool {pool} has the ports {pool.port_start} to {pool.port_end}; choose among these.",
            field="ports",
        )
    if common := sorted(_claims(wish, port) & used):
        raise PortTaken(
            f"{wish.name}: the external port {common[0][1]} ({common[0][0]}) is taken; choose another or none.",
            field="ports",
        )
    return port


def _lowest(wish: PortWish, used: set[tuple[str, int]], first: int, last: int, pool: PortPool) -> int:
    for port in range(first, last - wish.count + 2):
        if not _claims(wish, port) & used:
            return port
    what = "free port" if wish.count == 1 else f"{wish.count} free ports in a row"
    raise PortsExhausted(
        f"{wish.name}: no {what} among {first} to {last} of the pool {pool}; delete forwards, or choose another pool.",
        field="port_pool",
    )


def protocols_of(protocol: str) -> tuple[str, ...]:
    return ("tcp", "udp") if protocol == PortForward.Protocol.TCP_UDP else (protocol,)


def _claims(wish: PortWish, port: int) -> set[tuple[str, int]]:
    return {(protocol, port + step) for protocol in protocols_of(wish.protocol) for step in range(wish.count)}


def _used_ports(pool: PortPool) -> set[tuple[str, int]]:
    """Also those of the router's other pools where a port of both would be the same at the router."""
    met = [other.pk for other in PortPool.objects.filter(router=pool.router_id) if pool.meets(other)]
    return set(PortClaim.objects.filter(pool__in=met).values_list("protocol", "port"))


def give_rules(router: VyosRouter, chain: str, count: int, *, taken: Taken = NOTHING) -> list[int]:
    """The lowest free rule numbers of a chain. Raises RulesExhausted."""
    used = set(RuleClaim.objects.filter(router=router, chain=chain).values_list("number", flat=True))
    used |= {number for where, number in taken.rules if where == chain}
    found: list[int] = []
    for number in range(router.rule_start, router.rule_end + 1):
        if len(found) == count:
            break
        if number not in used:
            found.append(number)
    if len(found) < count:
        raise RulesExhausted(
            f"The router {router} has not {count} free rule numbers among {router.rule_start} to {router.rule_end} "
            f"({chain}): delete forwards, or an admin widens the range.",
            field="router",
        )
    return found


def make_forwards(
    vm: Vm,
    pool: PortPool,
    wishes: Sequence[PortWish],
    *,
    span: tuple[int, int] | None = None,
    taken: Taken = NOTHING,
) -> list[PortForward]:
    """Forwards of a machine with their ports and rules, claimed. The caller holds the router.

    Raises what `give_ports` and `give_rules` raise; nothing is written then.
    """
    ports = give_ports(pool, wishes, span=span, taken=taken)
    hairpins = [wish for wish in wishes if wish.hairpin]
    numbers = give_rules(vm.router, RuleClaim.Chain.DESTINATION, len(wishes) + len(hairpins), taken=taken)
    inner = iter(numbers[len(wishes) :])
    made: list[PortForward] = []
    ports_claimed: list[PortClaim] = []
    rules: list[RuleClaim] = []
    for wish, port, number in zip(wishes, ports, numbers, strict=False):
        forward = PortForward(
            vm=vm,
            pool=pool,
            name=wish.name,
            protocol=wish.protocol,
            external_port=port,
            external_port_end=port + wish.count - 1,
            internal_port=wish.internal_port,
            internal_port_end=wish.internal_port_end,
            source=wish.source,
            rule_number=number,
            wants_hairpin=wish.hairpin,
            expires_at=wish.expires_at,
        )
        forward.full_clean()
        forward.save()
        made.append(forward)
        ports_claimed += [PortClaim(pool=pool, forward=forward, protocol=p, port=n) for p, n in _claims(wish, port)]
        rules.append(_rule(forward, number, RuleClaim.Purpose.FORWARD))
        if wish.hairpin:
            rules.append(_rule(forward, next(inner), RuleClaim.Purpose.HAIRPIN))
    PortClaim.objects.bulk_create(ports_claimed)
    RuleClaim.objects.bulk_create(rules)
    if hairpins:
        claim_masquerade(vm.reservation.pool, taken=taken)
    return made


def _rule(forward: PortForward, number: int, purpose: str) -> RuleClaim:
    return RuleClaim(
        router=forward.vm.router, chain=RuleClaim.Chain.DESTINATION, number=number, purpose=purpose, forward=forward
    )


def renumber(forward: PortForward, taken: Taken) -> None:
    """Give a forward that is not on the router yet another rule number. The caller holds the router."""
    (number,) = give_rules(forward.vm.router, RuleClaim.Chain.DESTINATION, 1, taken=taken)
    claims = RuleClaim.objects.filter(forward=forward, purpose=RuleClaim.Purpose.FORWARD)
    claims.update(number=number)
    forward.rule_number = number
    forward.save(update_fields=["rule_number", "updated_at"])


def claim_masquerade(pool: DhcpPool, *, taken: Taken = NOTHING) -> RuleClaim:
    """The source rule that sends answers to those inside back through the router: one for a subnet."""
    held = RuleClaim.objects.filter(dhcp_pool__prefix=pool.prefix_id, router=pool.router_id).first()
    if held is not None:
        return held
    (number,) = give_rules(pool.router, RuleClaim.Chain.SOURCE, 1, taken=taken)
    return RuleClaim.objects.create(
        router=pool.router, chain="source", number=number, purpose=RuleClaim.Purpose.MASQUERADE, dhcp_pool=pool
    )


def claim_opening(router: VyosRouter) -> RuleClaim | None:
    """The firewall rule that lets forwards through, where an admin allows it. The caller holds the router."""
    held = RuleClaim.objects.filter(router=router, purpose=RuleClaim.Purpose.OPENING).first()
    if held is not None or not router.allow_firewall_rule or router.firewall_rule_number is None:
        return held
    return RuleClaim.objects.create(
        router=router, chain="firewall", number=router.firewall_rule_number, purpose=RuleClaim.Purpose.OPENING
    )


def check_quotas(*, owner: Any, tenant: Tenant | None, vms: int, forwards: int) -> None:
    """Raises QuotaExceeded when so many more are too many. What is being removed counts until the router is clean.

    The caller holds the router: then the quotas, in the order of their numbers, so that no two wait for each other.
    """
    mine = Q(owner=owner) if owner is not None else Q(pk__in=[])
    theirs = Q(tenant=tenant) if tenant is not None else Q(pk__in=[])
    for quota in Quota.objects.filter(mine | theirs).order_by("pk").select_related("owner", "tenant"):
        locks.hold(Quota, quota.pk)
        rows = Vm.objects.filter(owner=owner) if quota.owner_id else Vm.objects.filter(device__tenant=tenant)
        _check_quota(quota, "machines", "vm_name", quota.max_vms, rows.count, vms)
        held = PortForward.objects.filter(vm__in=rows)
        _check_quota(quota, "forwards", "ports", quota.max_forwards, held.count, forwards)


def _check_quota(quota: Quota, what: str, field: str, most: int | None, count: Any, more: int) -> None:
    if most is None or not more or (held := count()) + more <= most:
        return
    raise QuotaExceeded(
        f"{quota}: {held} of {most} {what} are used, {more} more do not fit; delete some, or an admin raises it.",
        field=field,
        used=held,
        limit=most,
    )


def free_addresses(pool: DhcpPool, *, taken: Iterable[str] = ()) -> int:
    """How many addresses of a pool are left."""
    used = _used_addresses(pool, pool.router.device.tenant) | {IPv4Address(text) for text in taken}
    used |= {pool.network.network_address, pool.network.broadcast_address}
    used |= {IPv4Address(pool.gateway)} if pool.gateway else set()
    first, last = IPv4Address(pool.range_start), IPv4Address(pool.range_end)
    return int(last) - int(first) + 1 - sum(first <= address <= last for address in used)
