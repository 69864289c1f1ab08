"""Whether a configuration path is valid in a version of VyOS, by the trees in tests/captures/vyos."""

from __future__ import annotations

import functools
import ipaddress
import json
import re
import shlex
from pathlib import Path
from typing import Any

CAPTURES = Path(__file__).parent / "captures" / "vyos"
VERSIONS = ("1.3", "1.4", "1.5-2024-10", "1.5-2026-02")


def family(version: str) -> str:
    return version[:3]


@functools.cache
def tree(version: str) -> dict[str, Any]:
    return json.loads((CAPTURES / f"{version}.json").read_text())


def fault(version: str, op: str, path: tuple[str, ...] | list[str]) -> str:
    """Why the version refuses it, "" where it does not. What the tree does not know is refused, too."""
    data = tree(version)
    children, position, words = data["t"], 0, list(path)
    while position < len(words):
        node = children.get(words[position])
        if node is None:
            return f"{version}: {words[position]!r} is unknown in {' '.join(words)}"
        position += 1
        rest = words[position:]
        if node["k"] == "n":
            children = node.get("ch", {})
            continue
        if node.get("v"):
            return f"{version}: a value after {' '.join(words[:position])}" if rest else ""
        if not rest:
            return f"{version}: no value after {' '.join(words)}" if op == "set" else ""
        if op == "set" and "c" in node and not allowed(data["c"][node["c"]], rest[0]):
            return f"{version}: {rest[0]!r} is no value in {' '.join(words)}"
        if node["k"] == "l":
            return f"{version}: too many values in {' '.join(words)}" if len(rest) > 1 else ""
        children, position = node.get("ch", {}), position + 1
    return ""


def allowed(constraint: list[Any], value: str) -> bool:
    return any(all(_holds(test, value) for test in tests) for tests in constraint)


def _holds(test: list[str], value: str) -> bool:
    kind, name, *arguments = test
    if kind == "re":
        return re.fullmatch(name.replace("[[:ascii:]]", "[\\x00-\\x7f]"), value) is not None
    if name.endswith("-exclude"):
        bare = value.removeprefix("!")
        return (name.startswith("numeric") or bare != value) and _validates(
            name.removesuffix("-exclude"), arguments, bare
        )
    return _validates(name, arguments, value)


def _validates(name: str, arguments: list[str], value: str) -> bool:
    match name:
        case "ipv4-address":
            return _parses(ipaddress.IPv4Address, value)
        case "ip-address":
            return _parses(ipaddress.ip_address, value)
        case "ipv4-prefix":
            return "/" in value and _parses(ipaddress.IPv4Network, value)
        case "ip-cidr":
            return "/" in value and _parses(ipaddress.ip_interface, value)
        case "ipv4-range":
            first, dash, last = value.partition("-")
            return bool(dash) and _parses(ipaddress.IPv4Address, first) and _parses(ipaddress.IPv4Address, last)
        case "mac-address":
            return re.fullmatch("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", value) is not None
        case "fqdn":
            return re.fullmatch("[A-Za-z0-9][-.A-Za-z0-9]*", value) is not None
        case "port-range":
            return _is_span(value)
        case "port-multi":
            return all(_is_span(part.removeprefix("!")) for part in value.split(","))
        case "ip-protocol":
            bare = value.removeprefix("!")
            return bare in ("all", "tcp", "udp", "tcp_udp", "icmp", "gre", "esp") or (
                bare.isdigit() and int(bare) < 256
            )
        case "numeric":
            return _is_number(" ".join(arguments), value)
        case "vrf-name" | "file-path --lookup-path /sys/class/net --directory":
            return False  # what a router has of its own; in these trees beside a pattern for interfaces
    raise AssertionError(f"the validator {name} is not known here")


def _is_number(arguments: str, value: str) -> bool:
    if "--allow-range" in arguments and "-" in value:
        return all(_is_number(arguments, part) for part in value.split("-", 1))
    if not re.fullmatch("[0-9]+", value):
        return False
    ranges = re.findall(r"--range (\d+)-(\d+)", arguments)
    return not ranges or any(int(low) <= int(value) <= int(high) for low, high in ranges)


def _is_span(value: str) -> bool:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", value)
    return match is not None and 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535


def _parses(parse: Any, value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def line_fault(version: str, line: str) -> str:
    """The same of a line as people type it."""
    op, *words = shlex.split(line)
    return fault(version, op, words)
