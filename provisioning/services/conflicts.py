"""What the router, and the network behind it, use already: found before anything is given away."""

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any

from netmon.drivers.errors import ProtocolError
from netmon.drivers.vyos import SeenRule, SeenSubnet, read_rules, read_subnets
from netmon.drivers.vyos.shapes import child, tags
from provisioning.models import DhcpPool, PortPool, RunningConfig, VyosRouter
from provisioning.services import routers
from provisioning.services.allocation import NOTHING, Taken


def taken_at(router: VyosRouter, running: RunningConfig | None) -> Taken:
    """What stands on a router, whoever put it there; nothing where it was never read.

    netmon's own is in it too: it is claimed by rows as well.
    """
    if running is None:
        return NOTHING
    whole = routers.whole(running)
    try:
        subnets, rules = read_subnets(child(whole, "service", "dhcp-server")), read_rules(whole.get("nat", {}))
        sources = read_rules(whole.get("nat", {}), "source")
        firewall = _firewall_rules(router, whole)
    except ProtocolError:
        return NOTHING  # the worker says what is odd
    mappings = [mapping for subnet in subnets for mapping in subnet.mappings]
    pools = list(DhcpPool.objects.filter(router=router))
    own = {address.partition("/")[0] for entry in running.interfaces for address in entry["addresses"]}
    return Taken(
        addresses=frozenset({mapping.address for mapping in mappings if is_ipv4(mapping.address)})
        | frozenset(address for address in own if is_ipv4(address))
        | _dynamic(subnets, pools),
        macs=frozenset(mapping.mac_address for mapping in mappings if mapping.mac_address),
        ports=_ports(rules, list(PortPool.objects.filter(router=router)), router),
        rules=frozenset(
            {("destination", rule.rule) for rule in rules}
            | {("source", rule.rule) for rule in sources}
            | {("firewall", number) for number in firewall}
        ),
    )


def is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


def _dynamic(subnets: Iterable[SeenSubnet], pools: list[DhcpPool]) -> frozenset[str]:
    """The addresses of the pools that the router may give to anybody."""
    found: set[str] = set()
    for subnet in subnets:
        for one in subnet.ranges:
            if not is_ipv4(one.start) or not is_ipv4(one.stop):
                continue
            for pool in pools:
                low = max(int(IPv4Address(one.start)), int(IPv4Address(pool.range_start)))
                high = min(int(IPv4Address(one.stop)), int(IPv4Address(pool.range_end)))
                found.update(str(IPv4Address(number)) for number in range(low, high + 1))
        found.difference_update(subnet.excluded)
    return frozenset(found)


def _ports(rules: Iterable[SeenRule], pools: list[PortPool], router: VyosRouter) -> frozenset[tuple[str, int]]:
    """The ports of the pools that a rule takes, before or behind ours."""
    found: set[tuple[str, int]] = set()
    for rule in rules:
        if rule.is_disabled or (
            rule.interface and not rule.interface_group and rule.interface not in (router.inbound_interface, "any")
        ):
            continue
        protocols = [name for name in ("tcp", "udp") if rule.protocol == "all" or name in rule.protocol.split("_")]
        for pool in pools:
            asked = pool.external_address or router.external_address
            if asked and is_ipv4(rule.destination_address) and rule.destination_address != asked:
                continue
            for low, high in rule.ports or ((1, 65535),):
                span = range(max(low, pool.port_start), min(high, pool.port_end) + 1)
                found.update((protocol, port) for protocol in protocols for port in span)
    return frozenset(found)


def _firewall_rules(router: VyosRouter, whole: dict[str, Any]) -> set[int]:
    named = child(whole, "firewall", "name", router.firewall_ruleset) if router.firewall_ruleset else {}
    forward = child(whole, "firewall", "ipv4", "forward", "filter")
    return {int(number) for place in (named, forward) for number in tags(place, "rule") if number.isdecimal()}
