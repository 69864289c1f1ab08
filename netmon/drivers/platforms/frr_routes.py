"""FRR's routing table: the summary first, the table only where it is small enough.

`show ip route json` of 100 000 routes is 74 MB, takes the router 8 s and some 700 MB it does not give back (measured,
FRR 8.4); the summary is 0.7 KB.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any, Final, Literal

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.frr import document, fault, without_value
from netmon.drivers.platforms.shapes import NextHop, Presence, Reading, Route, RouteSummary, RouteTable
from netmon.drivers.platforms.text import (
    MAX_CHARS,
    address,
    clean,
    count,
    duration,
    json_start,
    mapping,
    rows,
    words,
)
from netmon.drivers.ssh.answers import Answer

ROUTE_LIMIT: Final = 20_000
_SPACE = " \t\n\r"
# Words of the summary to words of the command, which are literals: a device's text never becomes a command.
_BY_PROTOCOL: Final = {
    "connected": "connected",
    "static": "static",
    "kernel": "kernel",
    "ospf": "ospf",
    "ospf6": "ospf6",
    "ebgp": "bgp",
    "ibgp": "bgp",
    "bgp": "bgp",
    "rip": "rip",
    "ripng": "ripng",
    "isis": "isis",
    "eigrp": "eigrp",
}


def route_summary(answer: Answer, family: Literal["ipv4", "ipv6"] = "ipv4") -> Reading[RouteSummary]:
    """`show ip route summary json` or `show ipv6 route summary json`."""
    asked = document(answer, "zebra")
    if asked.presence is Presence.NOT_CONFIGURED:
        # a table without a route: FRR has printed {} for it
        value: RouteSummary = {"family": family, "total": 0, "total_fib": 0, "by_protocol": {}}
        return Reading(Presence.RUNNING, value=value)
    if asked.value is None:
        return without_value(asked)
    top = mapping(asked.value)
    by_protocol = {}
    for row in rows(top.get("routes"))[:64]:
        rib, fib = count(row.get("rib")), count(row.get("fib"))
        if rib is None or fib is None:
            raise ProtocolError("show route summary: a count is missing.")
        by_protocol[words(row.get("type"), 32)] = {"rib": rib, "fib": fib}
    total, in_fib = count(top.get("routesTotal")), count(top.get("routesTotalFib"))
    if total is None:
        raise ProtocolError("show route summary: the total is missing.")
    value = {"family": family, "total": total, "total_fib": in_fib or 0, "by_protocol": by_protocol}
    return Reading(Presence.RUNNING, value=value)


def wants_table(summary: RouteSummary, limit: int = ROUTE_LIMIT) -> bool:
    """Whether the whole table may be asked for: at most `limit` routes in the RIB."""
    return summary["total"] <= limit


def table_commands(summary: RouteSummary, limit: int = ROUTE_LIMIT) -> list[str]:
    """vtysh lines that together give what may be asked: the table, or of a big one its small protocols.

    Protocols that would go over `limit` are left out, the smallest are taken first; a prefix can still be asked for
    with `prefix_command`.
    """
    show = "show ip route" if summary["family"] == "ipv4" else "show ipv6 route"
    if wants_table(summary, limit):
        return [f"{show} json"]
    sizes: dict[str, int] = {}
    for name, counts in summary["by_protocol"].items():
        if word := _BY_PROTOCOL.get(name):
            sizes[word] = sizes.get(word, 0) + counts["rib"]
    chosen, left = [], limit
    for word, size in sorted(sizes.items(), key=lambda item: item[1]):
        if size > left:
            break
        left -= size
        chosen.append(f"{show} {word} json")
    return chosen


def protocol_commands() -> list[str]:
    """Every line that `table_commands` may give for a big table."""
    words_of = sorted(set(_BY_PROTOCOL.values()))
    return [f"show {family} route {word} json" for family in ("ip", "ipv6") for word in words_of]


Asked = ipaddress.IPv4Address | ipaddress.IPv6Address | ipaddress.IPv4Network | ipaddress.IPv6Network


def prefix_of(text: str) -> Asked:
    """The address or prefix that a person wrote. Raises ValueError for anything that is neither."""
    text = text.strip()
    if "%" in text:  # Python takes any text behind it for the name of a zone
        raise ValueError(f"{text!r} names a zone: routes are asked for without")
    return ipaddress.ip_network(text, strict=False) if "/" in text else ipaddress.ip_address(text)


def prefix_command(prefix: str) -> tuple[str, Literal["ipv4", "ipv6"]]:
    """The vtysh line for exactly this prefix, or for the longest match of an address, and its family.

    Raises ValueError for anything that is neither; nothing of the text itself goes into the line.
    """
    asked = prefix_of(prefix)
    if asked.version == 4:
        return f"show ip route {asked} json", "ipv4"
    return f"show ipv6 route {asked} json", "ipv6"


def routes(answer: Answer, family: Literal["ipv4", "ipv6"] = "ipv4", limit: int = ROUTE_LIMIT) -> Reading[RouteTable]:
    """`show ip route json` (or of a protocol, a prefix), at most `limit` candidates. Raises ProtocolError."""
    if found := fault(answer):
        return found
    if not answer.stdout.strip() or answer.stdout.strip() in ("{}", "[]"):
        return Reading(Presence.RUNNING, value={"family": family, "is_truncated": False, "routes": []})
    listed, is_truncated = routes_from_json(answer.stdout, limit)
    return Reading(Presence.RUNNING, value={"family": family, "is_truncated": is_truncated, "routes": listed})


def routes_from_json(text: str, limit: int = ROUTE_LIMIT) -> tuple[list[Route], bool]:
    """At most `limit` candidates of a table, and whether it had more.

    Decoded prefix by prefix, so that memory beside the text grows with `limit` and not with the table. Raises
    ProtocolError.
    """
    found: list[Route] = []
    for prefix, candidates in _members(text):
        # `vrf all` wraps the tables once more
        tables = candidates.items() if isinstance(candidates, dict) else [(prefix, candidates)]
        for inner_prefix, inner in tables:
            for row in rows(inner):
                if len(found) >= limit:
                    return found, True
                found.append(_route(inner_prefix, row))
    return found, False


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """The members of the JSON object a text holds, one at a time."""
    if len(text) > MAX_CHARS:
        raise ProtocolError("show route: the answer is longer than any real one.")
    if "\x1b" in text:
        text = clean(text)
    at = json_start(text)
    if at is None or text[at] != "{":
        raise ProtocolError("show route: the answer is no JSON object.")
    decoder = json.JSONDecoder()

    def skip(at: int) -> int:
        while text[at] in _SPACE:
            at += 1
        return at

    try:
        at = skip(at + 1)
        while text[at] != "}":
            key, at = decoder.raw_decode(text, at)
            at = skip(at)
            if not isinstance(key, str) or text[at] != ":":
                raise ProtocolError("show route: the answer is not whole JSON.")
            value, at = decoder.raw_decode(text, skip(at + 1))
            yield key, value
            at = skip(at)
            if text[at] == ",":
                at = skip(at + 1)
            elif text[at] != "}":
                raise ProtocolError("show route: the answer is not whole JSON.")
    except (ValueError, RecursionError, IndexError) as error:
        raise ProtocolError("show route: the answer is not whole JSON.") from error


def _route(prefix: str, row: dict[str, Any]) -> Route:
    hops: list[NextHop] = []
    for hop in rows(row.get("nexthops"))[:256]:
        blackhole = bool(hop.get("blackhole") or hop.get("reject"))
        hops.append(
            {
                "address": address(hop.get("ip")),
                "interface": words(hop.get("interfaceName"), 64) or None,
                "is_active": hop.get("active") is True,
                "is_in_fib": hop.get("fib") is True,
                "is_blackhole": blackhole,
            }
        )
    selected = row.get("selected") is True
    return {
        "prefix": words(row.get("prefix") or prefix, 64),
        "vrf": words(row.get("vrfName"), 64) or "default",
        "protocol": words(row.get("protocol"), 32),
        "is_selected": selected,
        # `installed` alone is no proof: every candidate of fe80::/64 has it
        "is_in_fib": selected and any(hop["is_in_fib"] for hop in hops),
        "distance": count(row.get("distance"), most=255),
        "metric": count(row.get("metric"), most=(1 << 32) - 1),
        "uptime_seconds": duration(row.get("uptime")),
        "next_hops": hops,
    }
