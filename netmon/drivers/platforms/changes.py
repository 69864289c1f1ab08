"""Two readings compared: who is missing, what fell, what flapped between two looks, and the silent cut.

A poll sees states; a fault shorter than the interval shows only in what the router remembers (connection counters, the
moment of the last change, OSPF's uptime, link-down counters). Each of them alone misses some faults, so all are used.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, cast

from netmon.drivers.platforms.shapes import BgpPeer, BgpSummary, Interface, OspfNeighbor, OspfNeighbors

# FRR reckons the moment of the last change anew at each question, and it wobbles by a second (measured).
EPOCH_TOLERANCE_SECONDS = 2.0
# A route leak or a lost upstream, not the day's ups and downs.
PREFIX_DROP_SHARE = 0.5
PREFIX_DROP_LEAST = 10

EventKind = Literal[
    "bgp_down",
    "bgp_up",
    "bgp_flapped",
    "bgp_prefixes_dropped",
    "bgp_peer_removed",
    "ospf_gone",
    "ospf_new",
    "ospf_restarted",
    "ospf_state",
    "link_down",
    "link_up",
    "link_flapped",
]


class Event(TypedDict):
    """One change. `key` is stable for one session, adjacency or interface; `detail` is a sentence for people."""

    kind: EventKind
    key: str
    detail: str
    before: Any
    after: Any


class Neighbourhood(TypedDict):
    missing: list[str]
    down: list[str]
    unexpected: list[str]


class SilentCut(TypedDict):
    """BGP to `peer` still says Established over `interface`, but OSPF lost everybody there, or nothing comes in."""

    peer: str
    interface: str
    reasons: list[str]


class Routing(TypedDict, total=False):
    """What one reading of a router holds; leave out what was not read. `seconds` is a monotonic time of the reading."""

    seconds: float
    bgp: BgpSummary
    ospf: OspfNeighbors
    ospf6: OspfNeighbors
    interfaces: list[Interface]


def expected_neighbours(expected: Iterable[str], shape: BgpSummary | OspfNeighbors) -> Neighbourhood:
    """Expected addresses or router IDs against a reading: missing altogether, there but down, and not expected.

    The only way to find a neighbour that is gone without a trace: OSPF forgets it, and so does a removed BGP peer.
    A peer shut on purpose is "down" as well.
    """
    up: dict[str, bool] = {}
    names: dict[str, set[str]] = {}
    if "peers" in shape:
        summary = cast(BgpSummary, shape)
        for peer in summary["peers"]:
            key = _canonical(peer["address"])
            up[key] = up.get(key, True) and peer["is_established"]
            names.setdefault(key, {key})
    else:
        for neighbor in shape["neighbors"]:
            key = _canonical(neighbor["router_id"])
            up[key] = up.get(key, False) or neighbor["is_normal"]
            # people may list an interface's address instead of the router ID
            names.setdefault(key, {key}).update({neighbor["address"]} if neighbor["address"] else ())
    wanted = {_canonical(one) for one in expected}
    known = {name for aliases in names.values() for name in aliases}
    return {
        "missing": sorted(wanted - known),
        "down": sorted(key for key, aliases in names.items() if aliases & wanted and not up[key]),
        "unexpected": sorted(key for key, aliases in names.items() if not aliases & wanted),
    }


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name.strip()


def session_events(before: Routing, after: Routing) -> list[Event]:
    """What happened between two readings of one router, in a stable order.

    A part that either reading lacks gives no events: not asked is not gone. A reading without `seconds` gives no
    `ospf_restarted`.
    """
    events: list[Event] = []
    if "bgp" in before and "bgp" in after:
        events += _bgp_events(before["bgp"], after["bgp"])
    passed = after["seconds"] - before["seconds"] if "seconds" in before and "seconds" in after else None
    for part in ("ospf", "ospf6"):
        if part in before and part in after:
            events += _ospf_events(part, before[part], after[part], passed)
    if "interfaces" in before and "interfaces" in after:
        events += _link_events(before["interfaces"], after["interfaces"])
    return events


def _event(kind: EventKind, key: str, detail: str, before: Any = None, after: Any = None) -> Event:
    return {"kind": kind, "key": key, "detail": detail, "before": before, "after": after}


def bgp_key(peer: BgpPeer) -> str:
    """What names one session of one family for good."""
    return f"bgp {peer['vrf']} {peer['family']} {peer['address']}"


def _called(peer: BgpPeer) -> str:
    return f"{peer['address']} ({peer['description']})" if peer["description"] else peer["address"]


def _bgp_events(before: BgpSummary, after: BgpSummary) -> list[Event]:
    old = {bgp_key(peer): peer for peer in before["peers"]}
    new = {bgp_key(peer): peer for peer in after["peers"]}
    events = [
        _event("bgp_peer_removed", key, f"BGP peer {_called(peer)} is no longer configured.", peer["state"])
        for key, peer in old.items()
        if key not in new
    ]
    for key, peer in new.items():
        was = old.get(key)
        if was is None:
            continue
        name, states = _called(peer), (was["state"], peer["state"])
        if was["is_established"] and not peer["is_established"]:
            why = " It is shut down by configuration." if peer["is_admin_down"] else ""
            events.append(_event("bgp_down", key, f"BGP to {name} went down: {peer['state']}.{why}", *states))
        elif peer["is_established"] and not was["is_established"]:
            events.append(_event("bgp_up", key, f"BGP to {name} is up.", *states))
        elif peer["is_established"]:
            if _flapped(was, peer):
                detail = f"BGP to {name} went down and came back between two readings."
                events.append(
                    _event("bgp_flapped", key, detail, was["connections_dropped"], peer["connections_dropped"])
                )
            had, has = was["prefixes_received"], peer["prefixes_received"]
            if had is not None and has is not None and had >= PREFIX_DROP_LEAST and has < had * PREFIX_DROP_SHARE:
                detail = f"BGP peer {name} announces {has} prefixes, before {had}."
                events.append(_event("bgp_prefixes_dropped", key, detail, had, has))
    return events


def _flapped(was: BgpPeer, peer: BgpPeer) -> bool:
    """Whether an established session is another one than before.

    Counters fall to 0 when the daemon restarts, so any difference of `connections_established` counts; more drops alone
    may be collisions of a start, but then the moment of the last change moves too.
    """
    for counter in ("connections_established", "connections_dropped"):
        had, has = was[counter], peer[counter]
        if had is not None and has is not None and had != has:
            return True
    moved = None
    if was["changed_epoch"] is not None and peer["changed_epoch"] is not None:
        moved = abs(peer["changed_epoch"] - was["changed_epoch"])
    return moved is not None and moved > EPOCH_TOLERANCE_SECONDS


def ospf_key(part: str, neighbor: OspfNeighbor) -> str:
    """What names one adjacency for good: router and interface, since two routers may share several links."""
    return f"{part} {neighbor['vrf']} {neighbor['router_id']} {neighbor['interface']}"


def _ospf_events(part: str, before: OspfNeighbors, after: OspfNeighbors, passed: float | None) -> list[Event]:
    old = {ospf_key(part, one): one for one in before["neighbors"]}
    new = {ospf_key(part, one): one for one in after["neighbors"]}
    events = []
    for key, one in old.items():
        if key not in new:
            detail = f"OSPF neighbour {one['router_id']} on {one['interface']} is gone."
            events.append(_event("ospf_gone", key, detail, one["state"]))
    for key, one in new.items():
        where = f"OSPF neighbour {one['router_id']} on {one['interface']}"
        was = old.get(key)
        if was is None:
            events.append(_event("ospf_new", key, f"{where} is new: {one['state']}.", None, one["state"]))
        elif was["is_normal"] != one["is_normal"]:
            detail = f"{where} went from {was['state']} to {one['state']}."
            events.append(_event("ospf_state", key, detail, was["state"], one["state"]))
        elif _restarted(was["uptime_seconds"], one["uptime_seconds"], passed):
            detail = f"{where} restarted {one['uptime_seconds']:.0f} s ago."
            events.append(_event("ospf_restarted", key, detail, was["uptime_seconds"], one["uptime_seconds"]))
    return events


def _restarted(had: float | None, has: float | None, passed: float | None) -> bool:
    """Whether an adjacency was made anew: its uptime did not grow as the clock did (2 % for two clocks)."""
    if had is None or has is None or passed is None:
        return False
    return has < had + passed * 0.98 - EPOCH_TOLERANCE_SECONDS


def _link_events(before: Sequence[Interface], after: Sequence[Interface]) -> list[Event]:
    old = {one["name"]: one for one in before}
    events = []
    for one in after:
        was = old.get(one["name"])
        if was is None:
            continue
        key, states = f"interface {one['name']}", (was["oper_status"], one["oper_status"])
        downs, had = one["link_downs"], was["link_downs"]
        if states == ("up", "down"):
            why = " by configuration" if one["admin_status"] == "down" else ""
            events.append(_event("link_down", key, f"{one['name']} went down{why}.", *states))
        elif states == ("down", "up"):
            events.append(_event("link_up", key, f"{one['name']} is up.", *states))
        elif states == ("up", "up") and downs is not None and had is not None and downs > had:
            detail = f"{one['name']} lost its link and came back between two readings."
            events.append(_event("link_flapped", key, detail, had, downs))
    return events


def silent_cut(
    bgp: BgpSummary,
    ospf_before: OspfNeighbors,
    ospf: OspfNeighbors,
    interfaces: Sequence[Interface],
    interfaces_before: Sequence[Interface] = (),
) -> list[SilentCut]:
    """Links that carry nothing although BGP still says Established over them.

    With default timers OSPF sees a silent loss after 40 s, BGP after 180 s, and in between traffic is lost (measured:
    112 s). Named are interfaces that are up, have an established directly connected peer, had an OSPF neighbour in
    `ospf_before` (the last reading that was well) and lost it, or received no packet at all since `interfaces_before`:
    hellos come each few seconds, so give readings at least three hello intervals apart.
    """
    had = {one["interface"] for one in ospf_before["neighbors"] if one["is_normal"]}
    has = {one["interface"] for one in ospf["neighbors"] if one["is_normal"]}
    counted = {one["name"]: one["in_packets"] for one in interfaces_before}
    by_link: Mapping[str, Interface] = {one["name"]: one for one in interfaces if one["oper_status"] == "up"}
    found: list[SilentCut] = []
    for peer in bgp["peers"]:
        link = _link_of(peer["address"], by_link.values())
        if not peer["is_established"] or link is None or link["name"] not in had:
            continue
        name = link["name"]
        reasons = []
        if name not in has:
            reasons.append(f"OSPF lost its neighbours on {name}.")
        before, now = counted.get(name), link["in_packets"]
        if before is not None and now is not None and now == before:
            reasons.append(f"No packet came in on {name} since the last reading.")
        if reasons:
            found.append({"peer": peer["address"], "interface": name, "reasons": reasons})
    return found


def _link_of(peer: str, interfaces: Iterable[Interface]) -> Interface | None:
    """The interface whose network holds the peer's address; link-local addresses say nothing."""
    try:
        wanted = ipaddress.ip_address(peer)
    except ValueError:
        return next((one for one in interfaces if one["name"] == peer), None)  # an unnumbered peer
    if wanted.is_link_local:
        return None
    for one in interfaces:
        for text in one["addresses"]:
            try:
                network = ipaddress.ip_interface(text).network
            except ValueError:
                continue
            if network.num_addresses > 1 and wanted.version == network.version and wanted in network:
                return one
    return None
