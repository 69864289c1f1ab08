"""The kinds of values that the grammar names, each as a question about a text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_INTERFACES = "bond|br|dum|en|eth|ifb|lan|peth|ppp|pppoe|tun|veth|vti|vtun|vxlan|wg|wlan"
_PATTERNS = {
    "text": ".+",
    "note": ".{0,255}",
    "any-ports": ".+",
    "any-address": ".+",
    "name": r"[A-Za-z0-9_-][A-Za-z0-9_.+-]*",
    "group": r"[A-Za-z0-9_-][A-Za-z0-9_.+-]*",
    "label": r"[A-Za-z0-9_.-]+",
    "fqdn": r"[A-Za-z0-9][A-Za-z0-9.-]*",
    "host": r"[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]",
    "mac": r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}",
    "duid": r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){0,127}",
    "interface": rf"!?(({_INTERFACES})[0-9*].*|lo)",
    "ethernet": r"(eth|lan)[0-9]+|(eno|ens|enp|enx).+",
}
_PROTOCOLS = ("all", "tcp", "udp", "tcp_udp", "icmp", "igmp", "esp", "ah", "gre", "ospf", "pim", "sctp", "vrrp")


def fits(kind: str, text: str) -> bool:
    """Whether `text` is of the kind, which may carry arguments: "number 1-10", "one-of accept drop"."""
    name, _, arguments = kind.partition(" ")
    if name in _PATTERNS:
        return re.fullmatch(_PATTERNS[name], text) is not None
    if name == "number":
        low, _, high = arguments.partition("-")
        return re.fullmatch("[0-9]{1,10}", text) is not None and int(low) <= int(text) <= int(high)
    if name == "one-of":
        return text in arguments.split()
    return _QUESTIONS[name](text)


def is_ipv4(text: str) -> bool:
    return _parses(ipaddress.IPv4Address, text)


def is_prefix(text: str) -> bool:
    """A network with its mask; bits of a host are refused."""
    return "/" in text and text.partition("/")[2].isdigit() and _parses(ipaddress.IPv4Network, text)


def is_range(text: str) -> bool:
    first, dash, last = text.partition("-")
    return bool(dash) and is_ipv4(first) and is_ipv4(last) and _number(first) < _number(last)


def is_span(text: str) -> bool:
    """One port, or a range of them."""
    first, dash, last = text.partition("-")
    low, high = _port(first), _port(last if dash else first)
    return low is not None and high is not None and low <= high


def _is_target(text: str) -> bool:
    return is_ipv4(text) or is_prefix(text) or is_range(text)


def _is_network(text: str) -> bool:
    return _parses(ipaddress.ip_interface, text)


def _is_protocol(text: str) -> bool:
    bare = text.removeprefix("!")
    return bare in _PROTOCOLS or (bare.isdigit() and len(bare) <= 3 and int(bare) < 256)


_QUESTIONS: dict[str, Callable[[str], bool]] = {
    "ipv4": is_ipv4,
    "prefix": is_prefix,
    "network": _is_network,
    "match": lambda text: _is_target(text.removeprefix("!")),
    "target": _is_target,
    "target-or-masquerade": lambda text: text == "masquerade" or _is_target(text),
    "ports": lambda text: all(is_span(part.removeprefix("!")) for part in text.split(",")),
    "span": is_span,
    "protocol": _is_protocol,
}


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> int:
    return int(ipaddress.IPv4Address(text))


def _port(text: str) -> int | None:
    return int(text) if re.fullmatch("[1-9][0-9]{0,4}", text) and int(text) <= 65535 else None
