"""JSON of Juniper Junos in our shapes, after its documentation, not tried on a device.

Each value is a list of {"data": ...}; times carry their seconds as an attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.frr_routing import ospf_totals
from netmon.drivers.platforms.links import interface, mac
from netmon.drivers.platforms.shapes import BgpSummary, Facts, Interface, OspfNeighbors, RouteTable
from netmon.drivers.platforms.text import address, count, duration, mapping, rows, words
from netmon.drivers.platforms.vendor_common import MAX_ROWS, Document, bgp_of, facts_of, named, prefix_of, table_of
from netmon.drivers.platforms.vendor_rows import as_number, next_hop, ospf_neighbor, peer, route


def _data(row: object, name: str) -> str:
    """row[name][0]["data"]."""
    inner = mapping(row).get(name)
    first = inner[0] if isinstance(inner, list) and inner else None
    return words(mapping(first).get("data"))


def _seconds(row: object, name: str) -> float | None:
    inner = mapping(row).get(name)
    first = mapping(inner[0]) if isinstance(inner, list) and inner else {}
    exact = count(mapping(first.get("attributes")).get("junos:seconds"))
    return float(exact) if exact is not None else duration(first.get("data"))


def _below(top: object, *path: str) -> Iterator[Document]:
    """All objects at a path, each step being a list."""
    if not path:
        yield mapping(top)
        return
    for inner in rows(mapping(top).get(path[0])):
        yield from _below(inner, *path[1:])


def facts(top: Document) -> Facts:
    """`show version | display json`. Raises ProtocolError."""
    for row in _below(top, "software-information"):
        version = _data(row, "junos-version")
        return facts_of(_data(row, "host-name"), "Juniper", _data(row, "product-model"), version, "", None)
    raise ProtocolError("The answer holds no version.")


def interfaces(top: Document) -> list[Interface]:
    """`show interfaces extensive | display json`. Raises ProtocolError."""
    found = []
    for row in _below(top, "interface-information", "physical-interface"):
        one = interface(_data(row, "name")[:64])
        traffic = next(_below(row, "traffic-statistics"), {})
        wrong_in, wrong_out = (next(_below(row, f"{way}-error-list"), {}) for way in ("input", "output"))
        speed = re.fullmatch(r"(\d{1,6})([mg])bps", _data(row, "speed").lower())
        one.update(
            {
                "description": _data(row, "description"),
                "type": _data(row, "if-type")[:64],
                "mac_address": mac(_data(row, "current-physical-address")),
                "mtu": count(_data(row, "mtu"), most=1 << 31),
                "speed_bps": int(speed[1]) * (10**6 if speed[2] == "m" else 10**9) if speed else None,
                "admin_status": "up" if _data(row, "admin-status") == "up" else "down",
                "oper_status": "up" if _data(row, "oper-status") == "up" else "down",
                "in_octets": count(_data(traffic, "input-bytes")),
                "out_octets": count(_data(traffic, "output-bytes")),
                "in_packets": count(_data(traffic, "input-packets")),
                "out_packets": count(_data(traffic, "output-packets")),
                "in_errors": count(_data(wrong_in, "input-errors")),
                "out_errors": count(_data(wrong_out, "output-errors")),
                "in_discards": count(_data(wrong_in, "input-discards")),
                "out_discards": count(_data(wrong_out, "output-drops")),
            }
        )
        found.append(one)
    return named([one for one in found if one["name"]], "interfaces")


def bgp(top: Document) -> BgpSummary:
    """`show bgp summary | display json`. Raises ProtocolError."""
    found = []
    for row in _below(top, "bgp-information", "bgp-peer"):
        ribs = list(_below(row, "bgp-rib"))
        name = _data(row, "peer-address").partition("+")[0]  # address+port
        one = peer(
            name,
            "ipv6_unicast" if ":" in name else "ipv4_unicast",
            _data(row, "peer-fwd-rti") or "default",
            _data(row, "peer-state"),
            description=_data(row, "description"),
            remote_as=as_number(_data(row, "peer-as")),
            prefixes_received=count(_data(ribs[0], "received-prefix-count")) if ribs else None,
            messages_received=count(_data(row, "input-messages")),
            messages_sent=count(_data(row, "output-messages")),
            connections_dropped=count(_data(row, "flap-count")),
        )
        one["uptime_seconds" if one["is_established"] else "down_seconds"] = _seconds(row, "elapsed-time")
        found.append(one)
    return bgp_of(found, None, None, "bgp-information" in top)


def ospf(top: Document) -> OspfNeighbors:
    """`show ospf neighbor | display json`. Raises ProtocolError."""
    if "ospf-neighbor-information" not in top:
        raise ProtocolError("The answer holds no OSPF neighbours.")
    found = []
    for row in _below(top, "ospf-neighbor-information", "ospf-neighbor"):
        dead = count(_data(row, "activity-timer"))
        found.append(
            ospf_neighbor(
                _data(row, "neighbor-id")[:64],
                _data(row, "ospf-neighbor-state"),
                address=address(_data(row, "neighbor-address")),
                interface=_data(row, "interface-name")[:64],
                priority=count(_data(row, "neighbor-priority"), most=255),
                dead_seconds=float(dead) if dead is not None else None,
            )
        )
    return ospf_totals(2, found[:MAX_ROWS])


def routes(top: Document) -> RouteTable:
    """`show route | display json`. Raises ProtocolError."""
    found = []
    for table in _below(top, "route-information", "route-table"):
        name = _data(table, "table-name")
        if not name.endswith(("inet.0", "inet6.0")):
            continue
        vrf = name.rpartition(".inet")[0] or "default"
        for row in _below(table, "rt"):
            for entry in _below(row, "rt-entry"):
                hops = [next_hop(_data(hop, "to"), _data(hop, "via")) for hop in _below(entry, "nh")]
                active = _data(entry, "active-tag") == "*"
                found.append(
                    route(
                        prefix_of(_data(row, "rt-destination")),
                        vrf,
                        _data(entry, "protocol-name").lower(),
                        hops,
                        is_selected=active,
                        is_in_fib=active,
                        distance=count(_data(entry, "preference"), most=255),
                        metric=count(_data(entry, "metric"), most=(1 << 32) - 1),
                        uptime_seconds=_seconds(entry, "age"),
                    )
                )
    return table_of(found, "route-information" in top)
