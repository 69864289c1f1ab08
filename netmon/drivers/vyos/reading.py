"""What a running configuration says, whoever wrote it: mappings, subnets, NAT rules, addresses of interfaces.

The functions take what `show_config` gave for ("service", "dhcp-server"), ("nat",) and ("interfaces",). They tolerate
every known version's shapes, whatever version is asked, and raise OddConfiguration for others. What is read is not
checked further: it may be a rule that no item of ours could be.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from netmon.drivers.vyos.shapes import child, lines, tags, value, values

MOST_TEXT = 255


@dataclass(frozen=True, slots=True)
class SeenRange:
    """A dynamic range; `start` and `stop` as written."""

    name: str
    start: str
    stop: str


@dataclass(frozen=True, slots=True)
class SeenMapping:
    """A static mapping. `mac_address` in lower case; "" where it goes by `duid` (1.5)."""

    network: str
    prefix: str
    name: str
    mac_address: str
    address: str
    duid: str = ""
    description: str = ""
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class SeenSubnet:
    """A subnet with its mappings. `subnet_id` and `lease_seconds` None where not set or not a number."""

    network: str
    prefix: str
    subnet_id: int | None
    default_router: str
    name_servers: tuple[str, ...]
    lease_seconds: int | None
    ranges: tuple[SeenRange, ...]
    excluded: tuple[str, ...]
    mappings: tuple[SeenMapping, ...]
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class SeenRule:
    """A NAT rule, of `direction` "destination" or "source"; texts as written, "" where not set.

    `interface` is the inbound or outbound one, or "" where there is none or a group: then see `interface_group`.
    `other` are the lines of the rule that are in none of these fields, such as ("exclude",).
    """

    direction: str
    rule: int
    interface: str
    interface_group: str
    protocol: str
    description: str
    is_disabled: bool
    logs: bool
    source_address: str
    source_group: str
    source_port: str
    destination_address: str
    destination_port: str
    translation_address: str
    translation_port: str
    other: tuple[tuple[str, ...], ...] = ()

    @property
    def ports(self) -> tuple[tuple[int, int], ...]:
        """The spans of external ports, every port where the rule names none, () for what is not understood."""
        return port_spans(self.destination_port)


@dataclass(frozen=True, slots=True)
class SeenInterface:
    """An interface, "eth0" or "eth0.10", and its literal addresses with prefix length; "dhcp" is none of them."""

    name: str
    kind: str
    addresses: tuple[str, ...]
    description: str = ""

    def serves(self, prefix: str) -> bool:
        """Whether one of its addresses lies in `prefix`: only such a subnet can be served."""
        wanted = ipaddress.ip_network(prefix)
        return any(ipaddress.ip_interface(address).ip in wanted for address in self.addresses)


def read_subnets(dhcp_server: object) -> list[SeenSubnet]:
    """All subnets of all shared networks, with their mappings."""
    return [
        _subnet(network, prefix, below, is_disabled="disable" in settings or "disable" in below)
        for network, settings in tags(dhcp_server, "shared-network-name").items()
        for prefix, below in tags(settings, "subnet").items()
    ]


def read_mappings(dhcp_server: object) -> list[SeenMapping]:
    """All static mappings."""
    return [mapping for subnet in read_subnets(dhcp_server) for mapping in subnet.mappings]


def read_rules(nat: object, direction: str = "destination") -> list[SeenRule]:
    """The rules of a direction in the order in which they are tried. Rules without a number are left out."""
    rules = tags(child(nat, direction), "rule")
    found = [_rule(direction, int(number), below) for number, below in rules.items() if _number(number) is not None]
    return sorted(found, key=lambda rule: rule.rule)


def read_interfaces(interfaces: object) -> list[SeenInterface]:
    """All interfaces with their VLANs."""
    found = []
    for kind in child(interfaces):
        for name, below in tags(interfaces, kind).items():
            found.append(_interface(name, kind, below))
            for vlan, settings in tags(below, "vif").items():
                found.append(_interface(f"{name}.{vlan}", kind, settings))
    return found


def port_spans(text: str) -> tuple[tuple[int, int], ...]:
    """ "80,8000-8010" as ((80, 80), (8000, 8010)); "" is every port; () for names, negations and nonsense."""
    if not text:
        return ((1, 65535),)
    spans = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        low, high = _number(first), _number(last if dash else first)
        if low is None or high is None or not 0 < low <= high <= 65535:
            return ()
        spans.append((low, high))
    return tuple(spans)


def _subnet(network: str, prefix: str, below: dict[str, Any], *, is_disabled: bool) -> SeenSubnet:
    options = child(below, "option") or below
    return SeenSubnet(
        network=_short(network),
        prefix=_short(prefix),
        subnet_id=_number(value(below, "subnet-id")),
        default_router=_short(value(options, "default-router")),
        name_servers=tuple(_short(server) for server in values(options, "name-server")),
        lease_seconds=_number(value(below, "lease")),
        ranges=tuple(
            SeenRange(_short(name), _short(value(one, "start")), _short(value(one, "stop")))
            for name, one in tags(below, "range").items()
        ),
        excluded=tuple(_short(address) for address in values(below, "exclude")),
        mappings=tuple(
            SeenMapping(
                network=_short(network),
                prefix=_short(prefix),
                name=_short(name),
                mac_address=_short(value(one, "mac") or value(one, "mac-address")).lower(),
                address=_short(value(one, "ip-address")),
                duid=_short(value(one, "duid")),
                description=_short(value(one, "description")),
                is_disabled="disable" in one,
            )
            for name, one in tags(below, "static-mapping").items()
        ),
        is_disabled=is_disabled,
    )


def _rule(direction: str, number: int, below: dict[str, Any]) -> SeenRule:
    side = "inbound-interface" if direction == "destination" else "outbound-interface"
    interface, group = "", ""
    if isinstance(below.get(side), dict):
        interface, group = value(below[side], "name"), value(below[side], "group")
    else:
        interface = value(below, side)
    source, destination, translation = child(below, "source"), child(below, "destination"), child(below, "translation")
    known = {
        (side,), (side, "name"), (side, "group"), ("protocol",), ("description",),
        ("source", "address"), ("source", "port"), ("source", "group", "address-group"),
        ("destination", "address"), ("destination", "port"), ("translation", "address"), ("translation", "port"),
    }  # fmt: skip
    other = [line for line in lines(below) if line[:-1] not in known and line not in (("disable",), ("log",))]
    return SeenRule(
        direction=direction,
        rule=number,
        interface=_short(interface),
        interface_group=_short(group),
        protocol=_short(value(below, "protocol")) or "all",
        description=_short(value(below, "description")),
        is_disabled="disable" in below,
        logs="log" in below,
        source_address=_short(value(source, "address")),
        source_group=_short(value(child(source, "group"), "address-group")),
        source_port=_short(value(source, "port")),
        destination_address=_short(value(destination, "address")),
        destination_port=_short(value(destination, "port")),
        translation_address=_short(value(translation, "address")),
        translation_port=_short(value(translation, "port")),
        other=tuple(tuple(_short(word) for word in line) for line in other),
    )


def _interface(name: str, kind: str, below: dict[str, Any]) -> SeenInterface:
    addresses = []
    for text in values(below, "address"):
        try:
            addresses.append(str(ipaddress.ip_interface(text)))
        except ValueError:  # "dhcp" and the like
            continue
    return SeenInterface(_short(name), _short(kind), tuple(addresses), _short(value(below, "description")))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _short(text: str) -> str:
    """Bounded and printable: it ends up on pages."""
    return "".join(letter for letter in text[:MOST_TEXT] if letter.isprintable())
