"""FRR's routing protocols: BGP, OSPF, RIP and BFD. Traps measured on FRR 8.4 are named where they bite."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.frr import document, of_each_vrf, text_answer, without_value
from netmon.drivers.platforms.shapes import (
    BfdPeer,
    BgpPeer,
    BgpSummary,
    OspfNeighbor,
    OspfNeighbors,
    Presence,
    Reading,
    Rip,
    RipGateway,
    RipRoute,
)
from netmon.drivers.platforms.text import address, count, duration, mapping, rows, words
from netmon.drivers.ssh.answers import Answer

MAX_PEERS: Final = 20_000
MAX_AS: Final = (1 << 32) - 1


def family_word(name: str) -> str:
    """ "ipv4Unicast" as "ipv4_unicast", "l2VpnEvpn" as "l2vpn_evpn"."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words(name, 40).replace(" ", "_").replace("-", "_"))
    return split.lower().replace("l2_vpn", "l2vpn")


def bgp_summary(answer: Answer, neighbors: Answer | None = None) -> Reading[BgpSummary]:
    """All peers of all families from `show bgp [vrf all] summary json`, with reasons of `show bgp neighbors json`.

    Raises ProtocolError. A missing or unreadable `neighbors` costs its fields only.
    """
    asked = document(answer, "BGP")
    if asked.value is None:
        return without_value(asked, empty_bgp())
    if not isinstance(asked.value, dict):
        raise ProtocolError("show bgp summary: an object was expected.")
    details = _neighbor_details(neighbors)
    found: list[BgpPeer] = []
    router_id, local_as = None, None
    families: dict[str, dict[str, int | None]] = {}
    for vrf, per_family in _families(asked.value):
        for name, family in per_family.items():
            family = mapping(family)
            if "peers" not in family and "totalPeers" not in family:
                continue
            router_id = router_id or address(family.get("routerId"))
            local_as = local_as or count(family.get("as"), most=MAX_AS)
            families.setdefault(
                family_word(name) if vrf == "default" else f"{vrf}:{family_word(name)}",
                {
                    "rib_count": count(family.get("ribCount")),
                    "peers_total": count(family.get("totalPeers")),
                    "peers_failed": count(family.get("failedPeers", family.get("failedPeersCount"))),
                },
            )
            for key, row in list(mapping(family.get("peers")).items())[:MAX_PEERS]:
                if len(found) < MAX_PEERS:
                    found.append(_peer(key, family_word(name), vrf, mapping(row), details.get((vrf, key), {})))
    if not families and not all(value == {} for value in mapping(asked.value).values()):
        raise ProtocolError("show bgp summary: no address family in the answer.")
    # a VRF that is {} has BGP, and no neighbour yet
    return Reading(Presence.RUNNING, value=with_totals(router_id, local_as, families, found))


def empty_bgp() -> BgpSummary:
    """A summary without a peer."""
    return with_totals(None, None, {}, [])


def with_totals(
    router_id: str | None, local_as: int | None, families: dict[str, dict[str, int | None]], peers: list[BgpPeer]
) -> BgpSummary:
    """The peers with their totals; a peer of two families counts twice, as the router counts."""
    return {
        "router_id": router_id,
        "local_as": local_as,
        "peers_total": len(peers),
        "peers_established": sum(peer["is_established"] for peer in peers),
        "peers_admin_down": sum(peer["is_admin_down"] for peer in peers),
        "families": families,
        "peers": peers,
    }


def _families(value: object) -> list[tuple[str, dict[str, Any]]]:
    """(VRF, {family: summary}), whether `vrf all` wrapped it or not."""
    top = mapping(value)
    if any("peers" in mapping(one) or "totalPeers" in mapping(one) for one in top.values()):
        vrfs = {words(mapping(one).get("vrfName"), 64) for one in top.values()} - {""}
        return [(vrfs.pop() if len(vrfs) == 1 else "default", top)]
    return of_each_vrf(top, ())


def _neighbor_details(answer: Answer | None) -> dict[tuple[str, str], dict[str, Any]]:
    if answer is None or answer.status != 0:
        return {}
    try:
        asked = document(answer, "BGP")
    except ProtocolError:
        return {}
    top = mapping(asked.value)
    if any("bgpState" in mapping(one) for one in top.values()):
        return {("default", key): mapping(one) for key, one in top.items()}
    return {
        (vrf, key): mapping(one)
        for vrf, inner in of_each_vrf(top, ())
        for key, one in inner.items()
        if "bgpState" in mapping(one)
    }


def _peer(key: str, family: str, vrf: str, row: dict[str, Any], detail: dict[str, Any]) -> BgpPeer:
    # `state` alone tells: `peerState` is "OK" for a peer that was never up
    state = words(row.get("state"), 40)
    established = state == "Established"
    epoch = count(row.get("peerUptimeEstablishedEpoch"), most=1 << 33) or None
    milliseconds = count(row.get("peerUptimeMsec"), most=1 << 45)
    since = milliseconds / 1000 if milliseconds is not None and epoch else duration(row.get("peerUptime"))
    made = count(row.get("connectionsEstablished"))
    in_family = mapping(mapping(detail.get("addressFamilyInfo")).get(_camel(family)))
    admin_down = "(Admin)" in state or row.get("peerState") == "Admin" or detail.get("adminShutDown") is True
    return {
        "address": address(key.lstrip("*")) or words(key, 64),
        "family": family,
        "vrf": vrf,
        "description": words(row.get("desc") or detail.get("nbrDesc")),
        "hostname": words(row.get("hostname"), 253),
        "remote_as": count(row.get("remoteAs"), most=MAX_AS),
        "local_as": count(row.get("localAs"), most=MAX_AS),
        "state": state,
        "is_established": established,
        "is_admin_down": admin_down,
        "is_prefix_limited": "(PfxCt)" in state or row.get("peerState") == "PfxCt",
        "was_ever_up": bool(made) or epoch is not None or established,
        # the router counts since the last change, whichever it was
        "uptime_seconds": since if established else None,
        "down_seconds": None if established else since,
        "changed_epoch": epoch,
        "prefixes_received": count(row.get("pfxRcd")),
        "prefixes_sent": count(row.get("pfxSnt")),
        "messages_received": count(row.get("msgRcvd")),
        "messages_sent": count(row.get("msgSent")),
        "connections_established": made,
        "connections_dropped": count(row.get("connectionsDropped")),
        # of an established peer it is an old story, and would look like a fault
        "last_reset_reason": "" if established else words(detail.get("lastResetDueTo")),
        "last_notification": words(detail.get("lastNotificationReason")),
        "prefix_limit": count(in_family.get("prefixAllowedMax")),
        "local_address": address(detail.get("hostLocal")),
    }


def _camel(family: str) -> str:
    head, *rest = family.split("_")
    return head + "".join(word.title() for word in rest)


def ospf_neighbors(answer: Answer, version: Literal[2, 3] = 2) -> Reading[OspfNeighbors]:
    """`show ip ospf [vrf all] neighbor json` (version 2) or `show ipv6 ospf6 [vrf all] neighbor json` (3).

    A neighbour that is not there is not in the answer: only a list of expected ones finds it. Raises ProtocolError.
    """
    asked = document(answer, "OSPF" if version == 2 else "OSPFv3")
    if asked.value is None:
        return without_value(asked, {"version": version, "total": 0, "full": 0, "neighbors": []})
    found: list[OspfNeighbor] = []
    known = False
    for vrf, inner in of_each_vrf(asked.value, ("neighbors",)):
        known = known or "neighbors" in inner or "vrfName" in inner
        listed = inner.get("neighbors")
        if isinstance(listed, list):
            found += [_neighbor(words(row.get("neighborId"), 64), vrf, row) for row in rows(listed)[:MAX_PEERS]]
        for router_id, adjacencies in list(mapping(listed).items())[:MAX_PEERS]:
            # several adjacencies with one router, over several links
            found += [_neighbor(words(router_id, 64), vrf, row) for row in rows(adjacencies)[:256]]
    if not known:
        if mapping(asked.value) and all(value == {} for value in asked.value.values()):
            return without_value(
                Reading(Presence.NOT_CONFIGURED, reason="OSPF is not configured."),
                {"version": version, "total": 0, "full": 0, "neighbors": []},
            )
        raise ProtocolError("show ospf neighbor: no list of neighbours in the answer.")
    return Reading(Presence.RUNNING, value=ospf_totals(version, found))


def ospf_totals(version: Literal[2, 3], neighbors: list[OspfNeighbor]) -> OspfNeighbors:
    """The neighbours with their totals."""
    full = sum(one["is_full"] for one in neighbors)
    return {"version": version, "total": len(neighbors), "full": full, "neighbors": neighbors}


def _neighbor(router_id: str, vrf: str, row: dict[str, Any]) -> OspfNeighbor:
    # "Full/DR": the part behind the slash is the neighbour's role. FRR's own `role` says DROther on point-to-point too.
    state, _, role = words(row.get("nbrState") or row.get("state"), 40).partition("/")
    name = words(row.get("ifaceName") or row.get("interfaceName"), 100)
    head, colon, tail = name.rpartition(":")
    up = count(row.get("upTimeInMsec"), most=1 << 45)
    dead = count(row.get("routerDeadIntervalTimerDueMsec", row.get("deadTimeMsecs")), most=1 << 45)
    return {
        "router_id": router_id,
        "address": address(row.get("ifaceAddress") or row.get("address")),
        "interface": head if colon and address(tail) else name,
        "vrf": vrf,
        "state": state,
        "role": "" if role == "-" else role,
        "is_full": state.lower() == "full",
        "is_normal": state.lower() == "full" or (state.lower() in ("2-way", "twoway") and role == "DROther"),
        "priority": count(row.get("nbrPriority", row.get("priority")), most=255),
        "uptime_seconds": up / 1000 if up is not None else duration(row.get("duration")),
        "dead_seconds": dead / 1000 if dead is not None else duration(row.get("deadTime")),
    }


def bfd_peers(answer: Answer) -> Reading[list[BfdPeer]]:
    """`show bfd peers json`; an empty list means that no session is configured. Raises ProtocolError."""
    asked = document(answer, "BFD")
    if asked.value is None:
        return without_value(asked, [])
    if not isinstance(asked.value, list):
        raise ProtocolError("show bfd peers: a list was expected.")
    found: list[BfdPeer] = []
    for row in rows(asked.value)[:MAX_PEERS]:
        status = words(row.get("status"), 32)
        up, down = count(row.get("uptime")), count(row.get("downtime"))
        found.append(
            {
                "address": address(row.get("peer")) or words(row.get("peer"), 64),
                "local_address": address(row.get("local")),
                "interface": words(row.get("interface"), 64),
                "vrf": words(row.get("vrf"), 64) or "default",
                "is_multihop": row.get("multihop") is True,
                "status": status,
                "is_up": status == "up",
                "uptime_seconds": float(up) if up is not None and status == "up" else None,
                "down_seconds": float(down) if down is not None and status != "up" else None,
                "diagnostic": words(row.get("diagnostic")),
                "remote_diagnostic": words(row.get("remote-diagnostic")),
            }
        )
    return Reading(Presence.RUNNING, value=found)


_RIP_ROUTE = re.compile(
    r"([A-Z])\((\w)\) (\S{1,43})\s{1,30}(\S{1,39})\s{1,30}(\d{1,3}) (\S{1,39})\s{1,30}(\d{1,10})"
    r"(?:\s{1,9}(\S{1,12}))?\s*"
)
_RIP_CODES = {"R": "rip", "C": "connected", "S": "static", "O": "ospf", "B": "bgp", "K": "kernel", "I": "isis"}
_RIP_GATEWAY = re.compile(
    r"\s{1,8}(\S{1,39})\s{1,30}(\d{1,10})\s{1,30}(\d{1,10})\s{1,30}(\d{1,3})\s{1,30}(\S{1,20})\s*"
)


def rip(table: Answer, status: Answer) -> Reading[Rip]:
    """RIPv2 from `show ip rip` and `show ip rip status`: text, FRR has no JSON for it. Raises ProtocolError."""
    asked, routed = text_answer(status, "RIP"), text_answer(table, "RIP")
    empty: Rip = {"update_seconds": None, "timeout_seconds": None, "networks": [], "gateways": [], "routes": []}
    if asked.value is None:
        return without_value(asked, empty)
    text = asked.value[:4000]
    if not any('Routing Protocol is "rip"' in line for line in text):
        if any("RIP" in line and "not" in line for line in text[:3]):
            return Reading(Presence.NOT_CONFIGURED, value=empty, reason="RIP is not configured.")
        raise ProtocolError("show ip rip status: it is not FRR's.")
    value = empty
    part = ""
    for line in text:
        line = line[:400]
        if match := re.search(r"\A\s{0,8}Sending updates every (\d{1,9}) seconds", line):
            value["update_seconds"] = int(match[1])
        elif match := re.search(r"\A\s{0,8}Timeout after (\d{1,9}) seconds", line):
            value["timeout_seconds"] = int(match[1])
        elif line.strip().endswith(":") or line.startswith("  Distance"):
            part = line.strip()
        elif part == "Routing for Networks:" and line.startswith("    "):
            value["networks"].append(words(line, 64))
        elif part == "Routing Information Sources:" and (gateway := _rip_gateway(line)):
            value["gateways"].append(gateway)
    value["routes"] = [route for line in (routed.value or [])[:MAX_PEERS] if (route := _rip_route(line))]
    return Reading(Presence.RUNNING, value=value)


def _rip_gateway(line: str) -> RipGateway | None:
    match = _RIP_GATEWAY.fullmatch(line)
    if match is None or not (peer := address(match[1])):
        return None
    return {
        "address": peer,
        "bad_packets": count(match[2]),
        "bad_routes": count(match[3]),
        "distance": count(match[4], most=255),
        "last_update_seconds": duration(match[5]),
    }


def _rip_route(line: str) -> RipRoute | None:
    match = _RIP_ROUTE.fullmatch(line[:300].strip())
    if match is None:
        return None
    hop = address(match[4])
    return {
        "prefix": match[3],
        "protocol": _RIP_CODES.get(match[1], match[1]),
        "next_hop": None if hop == "0.0.0.0" else hop,  # noqa: S104 - "no next hop" as RIP writes it
        "metric": count(match[5], most=16),
        "learned_from": address(match[6]),
    }
