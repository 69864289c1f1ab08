"""What may be put on a router: frozen values, checked when they are made, the same for every version.

Each raises ValueError ("<field>: reason; remedy"). What only some versions refuse is checked in `paths`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

PORT_PROTOCOLS = ("tcp", "udp", "tcp_udp")
MOST_RULE = 999_999
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,14}")
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A dynamic range of a subnet: addresses `start` to `stop`, both included."""

    name: str = "0"
    start: str
    stop: str

    def __post_init__(self) -> None:
        _check_name("name", self.name)
        if _address("start", self.start) > _address("stop", self.stop):
            raise ValueError("stop: lies before start; exchange them")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A subnet of a DHCP shared network, without its mappings.

    `subnet_id` is needed by 1.5 and unknown before. What is empty or None is not spoken about: the router's own stays.
    """

    network: str
    prefix: str
    subnet_id: int | None = None
    default_router: str = ""
    name_servers: tuple[str, ...] = ()
    lease_seconds: int | None = None
    ranges: tuple[Range, ...] = ()
    excluded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_name("network", self.network)
        prefix = _prefix("prefix", self.prefix)
        if self.subnet_id is not None and not 1 <= self.subnet_id <= 4_294_967_294:
            raise ValueError("subnet_id: out of range; give 1 to 4294967294")
        if self.default_router:
            _inside("default_router", self.default_router, prefix)
        for server in self.name_servers:
            _address("name_servers", server)
        if self.lease_seconds is not None and not 60 <= self.lease_seconds <= 4_294_967_295:
            raise ValueError("lease_seconds: out of range; give 60 to 4294967295")
        last = None
        for entry in sorted(self.ranges, key=lambda one: int(ipaddress.IPv4Address(one.start))):
            first = _inside("ranges", entry.start, prefix)
            if last is not None and first <= last:
                raise ValueError("ranges: two of them overlap; separate them")
            last = _inside("ranges", entry.stop, prefix)
        if len({entry.name for entry in self.ranges}) < len(self.ranges):
            raise ValueError("ranges: a name comes twice; give each its own")
        for address in self.excluded:
            _inside("excluded", address, prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticMapping:
    """A fixed address for a MAC address. `name` says whose it is: before 1.5 a mapping has no description."""

    network: str
    prefix: str
    name: str
    mac_address: str
    address: str
    disabled: bool = False

    def __post_init__(self) -> None:
        _check_name("network", self.network)
        _check_name("name", self.name)
        _inside("address", self.address, _prefix("prefix", self.prefix))
        digits = re.sub("[:.-]", "", self.mac_address).lower()
        if not re.fullmatch("[0-9a-f]{12}", digits):
            raise ValueError("mac_address: is none; give six pairs of hex digits")
        # one spelling: the router compares as text, so AA and aa are two to it
        spelled = ":".join(digits[i : i + 2] for i in range(0, 12, 2))
        object.__setattr__(self, "mac_address", spelled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A destination NAT rule: what comes in by `interface` to `ports` goes to `address`.

    `ports` and `to_ports` are "443", a range "8000-8010" or, in `ports` only, a list "80,443"; `to_ports` "" keeps the
    port. With protocol "all" there are no ports. `source` admits an address, a prefix or a range, with a leading "!"
    all others; `source_group` the addresses of a group (not on 1.3). `outside` is the address that was asked for.
    """

    rule: int
    interface: str
    address: str
    protocol: str = "tcp"
    ports: str = ""
    to_ports: str = ""
    description: str = ""
    disabled: bool = False
    log: bool = False
    source: str = ""
    source_group: str = ""
    outside: str = ""

    def __post_init__(self) -> None:
        _check_rule(self.rule)
        _check_interface("interface", self.interface)
        _address("address", self.address)
        _check_description(self.description)
        if self.protocol not in (*PORT_PROTOCOLS, "all"):
            raise ValueError(f"protocol: unknown; give one of {', '.join((*PORT_PROTOCOLS, 'all'))}")
        if self.protocol == "all" and (self.ports or self.to_ports):
            raise ValueError("ports: need a protocol; give tcp, udp or tcp_udp")
        if self.protocol != "all" and not self.ports:
            raise ValueError("ports: missing; give a port, a range or a list")
        _check_ports(self.ports, self.to_ports)
        if self.source and self.source_group:
            raise ValueError("source: given beside source_group; give one of them")
        if self.source:
            _check_match("source", self.source)
        if self.source_group and not _GROUP.fullmatch(self.source_group):
            raise ValueError("source_group: is no name of a group; correct it")
        if self.outside:
            _address("outside", self.outside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Masquerade:
    """The second half of hairpin NAT: what goes from `prefix` back into it by `interface` leaves with the router's own
    address, so that answers come back through the router. One for each LAN; the first half is `hairpin`."""

    rule: int
    interface: str
    prefix: str
    description: str = ""

    def __post_init__(self) -> None:
        _check_rule(self.rule)
        _check_interface("interface", self.interface)
        _prefix("prefix", self.prefix)
        _check_description(self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The one firewall rule that lets forwards through.

    From 1.4 on it admits what a destination rule has rewritten. 1.3 cannot tell that, so there the rule stands in
    `ruleset` (which somebody has bound to an interface) and admits new connections to `prefix`: both are needed.
    """

    rule: int
    description: str = ""
    ruleset: str = ""
    prefix: str = ""

    def __post_init__(self) -> None:
        _check_rule(self.rule)
        _check_description(self.description)
        if self.ruleset:
            _check_name("ruleset", self.ruleset)
        if self.prefix:
            _prefix("prefix", self.prefix)


Item = Subnet | StaticMapping | Forward | Masquerade | Opening


def hairpin(forward: Forward, *, rule: int, interface: str, outside: str) -> Forward:
    """The forward once more for those inside: they come in by `interface` and ask for the address `outside`."""
    return Forward(
        rule=rule, interface=interface, outside=outside, address=forward.address, protocol=forward.protocol,
        ports=forward.ports, to_ports=forward.to_ports, description=forward.description, disabled=forward.disabled,
        log=forward.log, source=forward.source, source_group=forward.source_group,
    )  # fmt: skip


def _check_name(field: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{field}: starts with a letter or digit, goes on with these and . _ -, up to 63; rename it")


def _check_interface(field: str, name: str) -> None:
    if not _INTERFACE.fullmatch(name):
        raise ValueError(f"{field}: is no name of an interface; give one like eth0 or eth1.20")


def _check_rule(rule: int) -> None:
    if type(rule) is not int or not 1 <= rule <= MOST_RULE:
        raise ValueError(f"rule: out of range; give 1 to {MOST_RULE}")


def _check_description(text: str) -> None:
    # Quotes end up in scripts of older versions.
    if len(text) > 255 or not text.isprintable() or "'" in text or '"' in text:
        raise ValueError("description: longer than 255 characters or with quotes or control characters; shorten it")


def _address(field: str, text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError(f"{field}: {text[:50]!r} is no IPv4 address; correct it") from None


def _prefix(field: str, text: str) -> ipaddress.IPv4Network:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise ValueError(f"{field}: {text[:50]!r} is no IPv4 network; give one like 192.0.2.0/24") from None
    if str(network) != text:
        raise ValueError(f"{field}: written unusually; write {network}")
    return network


def _inside(field: str, text: str, prefix: ipaddress.IPv4Network) -> ipaddress.IPv4Address:
    address = _address(field, text)
    if address not in prefix:
        raise ValueError(f"{field}: {address} lies outside {prefix}; choose one inside")
    return address


def _check_match(field: str, text: str) -> None:
    bare = text.removeprefix("!")
    if "-" in bare:
        first, _, last = bare.partition("-")
        if _address(field, first) >= _address(field, last):
            raise ValueError(f"{field}: the range does not rise; exchange its ends")
    elif "/" in bare:
        _prefix(field, bare)
    else:
        _address(field, bare)


def _check_ports(ports: str, to_ports: str) -> None:
    spans = [_span("ports", part) for part in ports.split(",")] if ports else []
    if not to_ports:
        return
    first, last = _span("to_ports", to_ports)
    if first != last and (len(spans) != 1 or spans[0][1] - spans[0][0] != last - first):
        raise ValueError("to_ports: another number of ports than ports; give one port, or as many")


def _span(field: str, text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?", text)
    if not match:
        raise ValueError(f"{field}: {text[:50]!r} is no port; give 443, 8000-8010 or 80,443")
    first, last = int(match[1]), int(match[2] or match[1])
    if last > 65535 or (match[2] and first >= last):
        raise ValueError(f"{field}: {text!r} is out of range; ports are 1 to 65535, and ranges rise")
    return first, last
