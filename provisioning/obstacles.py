"""What stands in the way of an item on its router: rules and mappings that are not netmon's, and the router's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, ip_interface, ip_network
from typing import Any

from netmon.drivers.vyos import (
    Forward,
    Masquerade,
    Opening,
    SeenRule,
    SeenSubnet,
    StaticMapping,
    Subnet,
    read_rules,
    read_subnets,
    standing,
)
from netmon.drivers.vyos.reading import port_spans
from netmon.drivers.vyos.shapes import child
from provisioning.vyos_items import Row, Wanted, is_marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an item must not be put on the router. `row` is whose it is, None of a whole pool or router."""

    words: str
    code: str = "in_the_way"
    row: Row | None = None
    rule: int | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a running configuration holds, by whomever."""

    running: dict[str, Any]
    subnets: list[SeenSubnet]
    rules: list[SeenRule]
    sources: list[SeenRule]
    own_addresses: frozenset[IPv4Address] = field(default_factory=frozenset)
    own_networks: tuple[str, ...] = ()
    outside: str = ""
    claimed: Collection[int] = ()

    @classmethod
    def of(
        cls, running: dict[str, Any], serves: Sequence[str] = (), outside: str = "", claimed: Collection[int] = ()
    ) -> Surroundings:
        """`serves` are the router's own addresses with prefix length, `outside` the one that the outside knows,
        `claimed` the destination rules that netmon has given away. Raises OddConfiguration."""
        nat = running.get("nat", {})
        own = [ip_interface(text) for text in serves]
        return cls(
            running,
            read_subnets(child(running, "service", "dhcp-server")),
            read_rules(nat),
            read_rules(nat, "source"),
            frozenset(one.ip for one in own if isinstance(one.ip, IPv4Address)),
            tuple(serves),
            outside,
            claimed,
        )

    def obstacles(self, one: Wanted, *, is_equal: bool, family: str) -> list[Obstacle]:
        """What forbids to state an item, or to remove it: nothing foreign is ever touched."""
        match one.item:
            case StaticMapping() as item:
                words = self._foreign_mapping(item, one)
                if not words and not one.is_absent and not is_equal:
                    words = list(self._beside_mapping(item))
            case Forward() as item:
                words = self._foreign_rule(item, one, self.rules)
                if not words and not one.is_absent and not item.disabled:
                    words = list(self._shadows(item))
            case Masquerade() as item:
                words = self._foreign_rule(item, one, self.sources)
            case Opening() as item:
                words = self._foreign_opening(item, family) if not is_equal else []
            case _:
                words = []
        rule = getattr(one.item, "rule", None)
        return [Obstacle(row=one.row, words=text, rule=rule) for text in words]

    def _foreign_mapping(self, item: StaticMapping, one: Wanted) -> list[str]:
        for there in self._mappings(item.network, item.prefix):
            if there.name != item.name:
                continue
            is_like = there.mac_address == item.mac_address or there.address == item.address
            is_same = there.mac_address == item.mac_address and there.address == item.address
            if is_same or (is_like and one.is_absent) or one.was_applied:
                return []
            return [
                f"The router has a mapping {item.name} that is not netmon's ({there.mac_address or there.duid}, "
                f"{there.address}): choose another host name, or take that one over by an import."
            ]
        return []

    def _mappings(self, network: str, prefix: str) -> Iterator[Any]:
        for subnet in self.subnets:
            if (subnet.network, subnet.prefix) == (network, prefix):
                yield from subnet.mappings

    def _beside_mapping(self, item: StaticMapping) -> Iterator[str]:
        address = IPv4Address(item.address)
        for subnet in self.subnets:
            for there in subnet.mappings:
                if there.name == item.name and (subnet.network, subnet.prefix) == (item.network, item.prefix):
                    continue
                if there.address == item.address:
                    yield f"The router maps {item.address} to {there.name} already: choose another address."
                if there.mac_address == item.mac_address:
                    yield f"The router maps {item.mac_address} to {there.address} ({there.name}) already."
            for one in subnet.ranges:
                if _in_range(address, one.start, one.stop) and item.address not in subnet.excluded:
                    yield (
                        f"{item.address} lies in the router's dynamic range {one.start} to {one.stop}, which may give "
                        "it to anybody: choose another address, or keep pool and range apart."
                    )
        if address in self.own_addresses:
            yield f"{item.address} is the router's own address: choose another."

    def _foreign_rule(self, item: Forward | Masquerade, one: Wanted, rules: Iterable[SeenRule]) -> list[str]:
        for rule in rules:
            if rule.rule != item.rule:
                continue
            if rule.description == item.description:
                return []
            # The mark was taken off by hand, but it is what netmon had put there.
            leads_there = isinstance(item, Forward) and rule.translation_address == item.address
            if (one.was_applied or one.is_absent) and leads_there:
                return []
            whose = "is netmon's, but of something else" if is_marked(rule.description) else "is not netmon's"
            return [
                f"The rule {item.rule} on the router {whose} ({shown(rule)}): it is not touched. "
                "Another number is given when this is tried again."
            ]
        return []

    def _shadows(self, item: Forward) -> Iterator[str]:
        for rule in self.rules:
            is_own = rule.rule in self.claimed and is_marked(rule.description)
            if rule.rule == item.rule or rule.is_disabled or is_own or not meets(rule, item, self.outside):
                continue
            if rule.rule < item.rule:
                yield (
                    f"The rule {rule.rule} on the router takes the port {item.ports} before netmon's "
                    f"rule {item.rule} ({shown(rule)}): choose another external port."
                )
            else:
                yield (
                    f"The rule {rule.rule} on the router has the port {item.ports} ({shown(rule)}), and would lose it "
                    f"to rule {item.rule}: choose another external port."
                )

    def _foreign_opening(self, item: Opening, family: str) -> list[str]:
        there = standing(item, self.running, family)
        if not there:
            return []
        description = next((path[-1] for path in there if path[-2:-1] == ("description",)), "")
        if is_marked(description):
            return []
        return [f"The firewall rule {item.rule} on the router is not netmon's: give another number in its settings."]

    def in_the_way_of(self, subnet: Subnet, family: str) -> Iterator[Obstacle]:
        """Why a subnet cannot be made on the router."""
        mine = IPv4Network(subnet.prefix)
        for there in self.subnets:
            try:
                other = ip_network(there.prefix)
            except ValueError:
                continue
            if mine.overlaps(other) if isinstance(other, IPv4Network) else False:
                yield Obstacle(
                    code="subnet",
                    words=f"The router serves {there.prefix} in the shared network {there.network}: "
                    f"name that one in the pool instead of {subnet.network} {subnet.prefix}.",
                )
            elif family == "1.5" and there.subnet_id == subnet.subnet_id:
                yield Obstacle(
                    code="subnet",
                    words=f"The subnet {there.prefix} on the router has the subnet id {there.subnet_id}: "
                    "give the pool another.",
                )
        if self.own_networks and not any(ip_interface(text).ip in mine for text in self.own_networks):
            yield Obstacle(
                code="subnet",
                words=f"The router has no address in {subnet.prefix}, so it serves nobody there: "
                "give an interface one first.",
            )


def meets(rule: SeenRule, item: Forward, outside: str = "") -> bool:
    """Whether a packet could fit both rules. `outside` is the address that is meant where the item names none."""
    if rule.interface and not rule.interface_group and rule.interface not in (item.interface, "any"):
        return False
    if "all" not in (rule.protocol, item.protocol) and not _protocols(rule.protocol) & _protocols(item.protocol):
        return False
    asked = item.outside or outside
    if asked and _is_address(rule.destination_address) and rule.destination_address != asked:
        return False
    spans = rule.ports or ((1, 65535),)  # what is not understood may be any port
    return any(low <= last and first <= high for low, high in spans for first, last in port_spans(item.ports))


def _is_address(address: str) -> bool:
    try:
        IPv4Address(address)
    except ValueError:
        return False
    return True


def _protocols(text: str) -> set[str]:
    return set(text.split("_")) if text in ("tcp", "udp", "tcp_udp") else {text}


def _in_range(address: IPv4Address, start: str, stop: str) -> bool:
    try:
        return IPv4Address(start) <= address <= IPv4Address(stop)
    except ValueError:
        return False


def shown(rule: SeenRule) -> str:
    """A rule in a few words, for people."""
    said = f"“{rule.description[:60]}”, " if rule.description else ""
    port = f" port {rule.destination_port}" if rule.destination_port else ""
    target = rule.translation_address or "nowhere"
    return f"{said}{rule.protocol}{port} to {target}"
