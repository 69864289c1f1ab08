"""Rows of ntc-templates in our shapes. Templates name one thing differently for each system, so names are tried in
turn; a value may be a list (several lines of a device) or a text."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.frr_routing import MAX_AS, ospf_totals, with_totals
from netmon.drivers.platforms.links import interface, mac
from netmon.drivers.platforms.shapes import (
    BgpPeer,
    BgpSummary,
    Facts,
    Interface,
    NextHop,
    OspfNeighbor,
    OspfNeighbors,
    Route,
    RouteTable,
)
from netmon.drivers.platforms.text import address, count, duration, words

MAX_ROWS: Final = 50_000
Rows = list[dict[str, Any]]


def _pick(row: dict[str, Any], *names: str) -> str:
    """The first of the named values that is not empty; lists give their first one."""
    for name in names:
        value = row.get(name)
        if isinstance(value, list):
            value = next((one for one in value if isinstance(one, str) and one), "")
        if isinstance(value, str) and value.strip():
            return words(value)
    return ""


def as_number(value: object) -> int | None:
    """An AS number, also as "65000.1" (RFC 5396)."""
    high, dot, low = (value if isinstance(value, str) else str(value)).strip().partition(".")
    if not dot:
        return count(high, most=MAX_AS)
    parts = count(high, most=65535), count(low, most=65535)
    return (parts[0] << 16) + parts[1] if parts[0] is not None and parts[1] is not None else None


def peer(address_: str, family: str, vrf: str, state: str, **over: Any) -> BgpPeer:
    """A peer of which only the state is known; `over` sets the rest. The state gets its name of RFC 4271."""
    word = state.strip()
    established = word.lower() in ("established", "establ")
    filled: dict[str, Any] = {
        "address": address(address_) or words(address_, 64),
        "family": family,
        "vrf": vrf or "default",
        "description": "",
        "hostname": "",
        "remote_as": None,
        "local_as": None,
        "state": "Established" if established else words(word[:1].upper() + word[1:], 40),
        "is_established": established,
        "is_admin_down": "admin" in word.lower() or "shut" in word.lower(),
        "is_prefix_limited": "pfxct" in word.lower(),
        "was_ever_up": True if established else None,
        "uptime_seconds": None,
        "down_seconds": None,
        "changed_epoch": None,
        "prefixes_received": None,
        "prefixes_sent": None,
        "messages_received": None,
        "messages_sent": None,
        "connections_established": None,
        "connections_dropped": None,
        "last_reset_reason": "",
        "last_notification": "",
        "prefix_limit": None,
        "local_address": None,
    }
    filled.update(over)
    return filled  # type: ignore[return-value]


def bgp(rows: Rows) -> BgpSummary:
    """Peers; a number in the state's column means established, with so many prefixes. Raises ProtocolError."""
    peers: list[BgpPeer] = []
    router_id, local_as = None, None
    for row in rows[:MAX_ROWS]:
        name = _pick(row, "bgp_neighbor", "bgp_neigh", "neighbor", "neighbour", "peer_ip", "peer", "remote_address")
        state = _pick(row, "state_or_prefixes_received", "state_pfxrcd", "state")
        if not name or not state:
            continue
        router_id = router_id or address(_pick(row, "router_id"))
        local_as = local_as or as_number(_pick(row, "local_as"))
        prefixes = count(_pick(row, "pref_rcvd", "prefix_count", "received"))
        if re.fullmatch(r"\d{1,12}|(?:\d{1,12}/){2,3}\d{1,12}", state):
            # Junos writes active/received/accepted/damped
            prefixes = count(state.split("/")[1] if "/" in state else state)
            state = "Established"
        if _pick(row, "flag") == "X" or _pick(row, "admin_status").lower() == "down":
            state = f"{state} (Admin)"
        since = duration(_pick(row, "up_down", "uptime"))
        family = _pick(row, "address_family", "af").lower().replace(" ", "_").replace("-", "_") or "ipv4_unicast"
        one = peer(
            name,
            family,
            _pick(row, "vrf"),
            state,
            remote_as=as_number(_pick(row, "neighbor_as", "neigh_as", "asn", "peer_as", "remote_as")),
            local_as=local_as,
            description=_pick(row, "name") if "remote_address" in row else "",
            prefixes_received=prefixes,
            messages_received=count(_pick(row, "messages_received", "msg_rcvd", "in_pkt")),
            messages_sent=count(_pick(row, "messages_sent", "msg_sent", "out_pkt")),
            connections_dropped=count(_pick(row, "flaps")),
            local_address=address(_pick(row, "local_address")),
        )
        one["uptime_seconds" if one["is_established"] else "down_seconds"] = since
        peers.append(one)
    if not peers:
        raise ProtocolError("No row of the answer is a BGP peer.")
    return with_totals(router_id, local_as, {}, peers)


_OSPF_STATES: Final = {
    "full": "Full",
    "2way": "2-Way",
    "2-way": "2-Way",
    "twoway": "2-Way",
    "init": "Init",
    "down": "Down",
    "attempt": "Attempt",
    "exstart": "ExStart",
    "exchange": "Exchange",
    "loading": "Loading",
}
_OSPF_ROLES: Final = {"DR": "DR", "BDR": "Backup", "BACKUP": "Backup", "DROTHER": "DROther"}


def ospf_neighbor(router_id: str, state: str, role: str = "", **over: Any) -> OspfNeighbor:
    """A neighbour with its state and role in FRR's words (RFC 2328's states)."""
    word = _OSPF_STATES.get(state.strip().lower(), words(state, 40))
    part = _OSPF_ROLES.get(role.strip().upper(), "")
    filled: dict[str, Any] = {
        "router_id": router_id,
        "address": None,
        "interface": "",
        "vrf": "default",
        "state": word,
        "role": part,
        "is_full": word == "Full",
        "is_normal": word == "Full" or (word == "2-Way" and part == "DROther"),
        "priority": None,
        "uptime_seconds": None,
        "dead_seconds": None,
    }
    filled.update(over)
    return filled  # type: ignore[return-value]


def ospf(rows: Rows) -> OspfNeighbors:
    """Neighbours; "FULL/BDR" is split. Raises ProtocolError when no row is one."""
    found = []
    for row in rows[:MAX_ROWS]:
        name, state = _pick(row, "neighbor_id", "router_id"), _pick(row, "state")
        if not name or not state:
            continue
        word, _, role = state.partition("/")
        dead = _pick(row, "dead_time")
        found.append(
            ospf_neighbor(
                name,
                word,
                role,
                address=address(_pick(row, "ip_address", "address")),
                interface=_pick(row, "interface"),
                vrf=_pick(row, "vrf") or "default",
                priority=count(_pick(row, "priority"), most=255),
                uptime_seconds=duration(_pick(row, "neighbor_uptime", "adjacency")),
                dead_seconds=float(dead) if dead.isascii() and dead.isdigit() and len(dead) < 9 else duration(dead),
            )
        )
    if not found:
        raise ProtocolError("No row of the answer is an OSPF neighbour.")
    return ospf_totals(2, found)


def _status(row: dict[str, Any]) -> tuple[str, str]:
    """(administrative, operational) of an interface."""
    link, line = _pick(row, "link_status", "status").lower(), _pick(row, "protocol_status").lower()
    said = _pick(row, "admin_state", "link_admin", "enabled").lower()
    flags = _pick(row, "dynamic", "status", "slave")
    if (
        "administratively" in link
        or "admin" in link
        or said in ("down", "no", "disabled", "admin-down")
        or "X" in flags
    ):
        return "down", "down"
    if "default_name" in row:  # RouterOS: R running
        return "up", "up" if "R" in flags else "down"
    up = link in ("up", "connected", "enabled") and (not line or line.startswith(("up", "connected")))
    return "up", "up" if up else "down"


def interfaces(rows: Rows) -> list[Interface]:
    """Interfaces with what the template knows. Raises ProtocolError when no row has a name."""
    found = []
    for row in rows[:MAX_ROWS]:
        name = _pick(row, "interface", "port") or (_pick(row, "name") if "default_name" in row else "")
        if not name:
            continue
        admin, oper = _status(row)
        one = interface(name[:64])
        bandwidth = count(re.sub(r"\s*[Kk]bit.*", "", _pick(row, "bandwidth")), most=10**10)
        one.update(
            {
                "description": _pick(row, "description", "interface_desc", "interface_description"),
                "type": _pick(row, "hardware_type", "hw_type", "type")[:64],
                "mac_address": mac(_pick(row, "mac_address")),
                "mtu": count(_pick(row, "mtu", "actual_mtu"), most=1 << 31),
                "speed_bps": bandwidth * 1000 if bandwidth else None,
                "vrf": _pick(row, "vrf")[:64],
                "admin_status": admin,
                "oper_status": oper,
                "addresses": _addresses(row),
                "in_octets": count(_pick(row, "rx_total_bytes")),
                "out_octets": count(_pick(row, "tx_total_bytes")),
                "in_packets": count(_pick(row, "input_packets", "rx_total_packets")),
                "out_packets": count(_pick(row, "output_packets", "tx_total_packets")),
                "in_errors": count(_pick(row, "input_errors", "rx_errors")),
                "out_errors": count(_pick(row, "output_errors", "tx_errors")),
                "in_discards": count(_pick(row, "rx_dropped")),
                "out_discards": count(_pick(row, "tx_dropped", "queue_output_drops")),
                "link_downs": count(_pick(row, "link_downs")),
            }
        )
        found.append(one)
    if not found:
        raise ProtocolError("No row of the answer is an interface.")
    return found


def _addresses(row: dict[str, Any]) -> list[str]:
    values = row.get("ip_address")
    lengths = row.get("prefix_length") or row.get("netmask")
    listed = values if isinstance(values, list) else [values]
    masks = lengths if isinstance(lengths, list) else [lengths]
    found = []
    for n, value in enumerate(listed[:256]):
        text = words(value, 64)
        length = words(masks[n], 64) if n < len(masks) else ""
        try:
            found.append(str(ipaddress.ip_interface(f"{text}/{length}" if length and "/" not in text else text)))
        except ValueError:
            continue
    return found


_PROTOCOLS: Final = {
    "C": "connected",
    "L": "local",
    "S": "static",
    "R": "rip",
    "B": "bgp",
    "D": "eigrp",
    "O": "ospf",
    "I": "isis",
    "DIRECT": "connected",
    "O_INTRA": "ospf",
    "O_ASE": "ospf",
}


def route(prefix: str, vrf: str, protocol: str, hops: list[NextHop], **over: Any) -> Route:
    """A route of a table that shows what is used."""
    filled: dict[str, Any] = {
        "prefix": prefix,
        "vrf": vrf or "default",
        "protocol": protocol,
        "is_selected": True,
        "is_in_fib": True,
        "distance": None,
        "metric": None,
        "uptime_seconds": None,
        "next_hops": hops,
    }
    filled.update(over)
    return filled  # type: ignore[return-value]


def next_hop(to: str, via: str) -> NextHop:
    """A next hop in use."""
    black = via.lower() in ("null0", "discard", "reject") or to.lower() in ("reject", "blackhole")
    return {
        "address": address(to),
        "interface": words(via, 64) or None,
        "is_active": True,
        "is_in_fib": True,
        "is_blackhole": black,
    }


def routes(rows: Rows) -> RouteTable:
    """Routes, rows of one prefix joined as next hops. Raises ProtocolError when no row is one."""
    found: dict[tuple[str, str, str], Route] = {}
    family = "ipv4"
    for row in rows[:MAX_ROWS]:
        network = _pick(row, "network", "destination_address", "destination", "ip_address")
        length = _pick(row, "prefix_length", "netmask", "destination_address_subnet")
        try:
            prefix = str(
                ipaddress.ip_network(f"{network}/{length}" if length and "/" not in network else network, False)
            )
        except ValueError:
            continue  # ASA may print a name for an address
        family = "ipv6" if ":" in prefix else "ipv4"
        code = _pick(row, "protocol", "type", "flags")
        protocol = _PROTOCOLS.get(code.upper(), _PROTOCOLS.get(code[:1].upper(), "")) if len(code) < 3 else ""
        protocol = protocol or _PROTOCOLS.get(code.upper(), words(code.lower(), 32))
        vrf = _pick(row, "vrf", "routing_table")
        via = _pick(row, "nexthop_if", "nexthopif", "interface", "vlan_name")
        hop = next_hop(_pick(row, "nexthop_ip", "nexthopip", "next_hop", "gateway"), via)
        key = (vrf, prefix, protocol)
        if key in found:
            found[key]["next_hops"].append(hop)
            continue
        found[key] = route(
            prefix,
            vrf,
            protocol,
            [hop],
            distance=count(_pick(row, "distance", "preference"), most=255),
            metric=count(_pick(row, "metric", "cost"), most=(1 << 32) - 1),
            uptime_seconds=duration(_pick(row, "uptime", "age")),
        )
    if not found:
        raise ProtocolError("No row of the answer is a route.")
    return {"family": family, "is_truncated": len(rows) > MAX_ROWS, "routes": list(found.values())}  # type: ignore[typeddict-item]


def facts(rows: Rows) -> Facts:
    """Version, model and serial number from the first row. Raises ProtocolError when there is no version."""
    row = rows[0] if rows else {}
    version = _pick(row, "version", "junos_version", "software_version", "vrp_version", "image", "os")
    if not version:
        raise ProtocolError("The answer holds no version.")
    return {
        "hostname": _pick(row, "hostname", "name"),
        "vendor": _pick(row, "vendor"),
        "model": _pick(row, "hardware", "model", "product", "board_name", "platform"),
        "os_version": version,
        "serial_number": _pick(row, "serial", "serial_number"),
        "uptime_seconds": duration(_pick(row, "uptime").replace(" and ", ", ")),
    }
