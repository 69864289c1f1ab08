"""JSON of Arista EOS and Cisco NX-OS in our shapes, after the vendors' documentation, not tried on devices.

EOS nests by VRF. NX-OS wraps each list as TABLE_x/ROW_x, and a list of one is the object itself. Junos is in
`vendor_junos`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms import vendor_junos
from netmon.drivers.platforms.frr_routing import ospf_totals
from netmon.drivers.platforms.links import interface, mac
from netmon.drivers.platforms.shapes import BgpSummary, Facts, Interface, OspfNeighbor, OspfNeighbors, RouteTable
from netmon.drivers.platforms.text import address, count, decimal, duration, mapping, rows, words
from netmon.drivers.platforms.vendor_common import MAX_ROWS, Document, bgp_of, facts_of, named, prefix_of, table_of
from netmon.drivers.platforms.vendor_rows import as_number, next_hop, ospf_neighbor, peer, route


def value(platform: str, question: str, document: object) -> Any:
    """The document in the question's shape. Raises ProtocolError when it holds nothing of it."""
    parse = _PARSERS.get((platform, question))
    if parse is None:
        raise NotSupported(f"{platform} has no JSON for {question}.")
    if not isinstance(document, dict):
        raise ProtocolError("A JSON object was expected.")
    return parse(document)


# Arista EOS


def _eos_facts(top: Document) -> Facts:
    up = decimal(top.get("uptime"), most=1e10)
    return facts_of(
        top.get("hostname"), "Arista", top.get("modelName"), top.get("version"), top.get("serialNumber"), up
    )


def _eos_interfaces(top: Document) -> list[Interface]:
    found = []
    for name, row in mapping(top.get("interfaces")).items():
        row, one = mapping(row), interface(words(name, 64))
        counters = mapping(row.get("interfaceCounters"))
        addresses = [mapping(each.get("primaryIp")) for each in rows(row.get("interfaceAddress"))]
        status = row.get("interfaceStatus")
        one.update(
            {
                "description": words(row.get("description")),
                "type": words(row.get("hardware"), 64),
                "mac_address": mac(row.get("physicalAddress")),
                "mtu": count(row.get("mtu"), most=1 << 31),
                "speed_bps": count(row.get("bandwidth"), most=10**13) or None,
                "admin_status": "down" if status == "disabled" else "up",
                "oper_status": "up" if row.get("lineProtocolStatus") == "up" else "down",
                "addresses": [f"{a['address']}/{a.get('maskLen')}" for a in addresses if address(a.get("address"))],
                "in_octets": count(counters.get("inOctets")),
                "out_octets": count(counters.get("outOctets")),
                "in_packets": count(counters.get("inTotalPkts", counters.get("inUcastPkts"))),
                "out_packets": count(counters.get("outTotalPkts", counters.get("outUcastPkts"))),
                "in_errors": count(counters.get("totalInErrors")),
                "out_errors": count(counters.get("totalOutErrors")),
                "in_discards": count(counters.get("inDiscards")),
                "out_discards": count(counters.get("outDiscards")),
            }
        )
        found.append(one)
    return named(found, "interfaces")


def _eos_bgp(top: Document) -> BgpSummary:
    found, router_id, local_as = [], None, None
    for vrf, inner in mapping(top.get("vrfs")).items():
        inner = mapping(inner)
        router_id, local_as = router_id or inner.get("routerId"), local_as or inner.get("asn")
        for name, row in mapping(inner.get("peers")).items():
            row = mapping(row)
            state = words(row.get("peerState"), 40)
            idle = f"{state} (Admin)" if "admin" in words(row.get("peerStateIdleReason")).lower() else state
            changed = count(decimal_floor(row.get("upDownTime")), most=1 << 33)
            found.append(
                peer(
                    name,
                    "ipv6_unicast" if ":" in name else "ipv4_unicast",
                    words(vrf, 64),
                    idle,
                    description=words(row.get("description")),
                    remote_as=as_number(row.get("asn")),
                    local_as=as_number(inner.get("asn")),
                    # a moment of the device's clock; how long ago that is depends on it
                    changed_epoch=changed,
                    prefixes_received=count(row.get("prefixReceived")),
                    messages_received=count(row.get("msgReceived")),
                    messages_sent=count(row.get("msgSent")),
                )
            )
    return bgp_of(found, router_id, local_as, "vrfs" in top)


def decimal_floor(number: object) -> int | None:
    """A number cut to a whole one; None for anything else."""
    found = decimal(number)
    return None if found is None else int(found)


def _eos_ospf(top: Document) -> OspfNeighbors:
    found: list[OspfNeighbor] = []
    for vrf, inner in mapping(top.get("vrfs")).items():
        for instance in mapping(mapping(inner).get("instList")).values():
            for row in rows(mapping(instance).get("ospfNeighborEntries")):
                found.append(
                    ospf_neighbor(
                        words(row.get("routerId"), 64),
                        words(row.get("adjacencyState"), 40),
                        words(row.get("drState"), 20),
                        address=address(row.get("interfaceAddress")),
                        interface=words(row.get("interfaceName"), 64),
                        vrf=words(vrf, 64),
                        priority=count(row.get("priority"), most=255),
                    )
                )
    if "vrfs" not in top:
        raise ProtocolError("The answer holds no OSPF neighbours.")
    return ospf_totals(2, found[:MAX_ROWS])


def _eos_routes(top: Document) -> RouteTable:
    found = []
    for vrf, inner in mapping(top.get("vrfs")).items():
        for prefix, row in mapping(mapping(inner).get("routes")).items():
            row = mapping(row)
            hops = [
                next_hop(words(via.get("nexthopAddr")), words(via.get("interface"))) for via in rows(row.get("vias"))
            ]
            kind = re.sub(r"(?i)^[ei]?(bgp|isis|ospf).*", r"\1", words(row.get("routeType"), 40)).lower()
            found.append(
                route(
                    prefix_of(prefix),
                    words(vrf, 64),
                    kind,
                    hops,
                    is_in_fib=row.get("kernelProgrammed") is not False,
                    distance=count(row.get("preference"), most=255),
                    metric=count(row.get("metric"), most=(1 << 32) - 1),
                )
            )
    return table_of(found, "vrfs" in top)


# Cisco NX-OS


def _listed(row: object, name: str) -> list[Document]:
    """TABLE_name/ROW_name as a list, also where one row is the object itself."""
    inner = mapping(mapping(row).get(f"TABLE_{name}")).get(f"ROW_{name}")
    return [inner] if isinstance(inner, dict) else rows(inner)


def _iso(text: object) -> float | None:
    """ "P1DT2H3M4S" or a time of the usual kinds, in seconds."""
    match = re.fullmatch(
        r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?",
        words(text, 60),
    )
    if match is None:
        return duration(text)
    units = (31536000, 2592000, 86400, 3600, 60, 1)
    return float(sum(int(n or 0) * unit for n, unit in zip(match.groups(), units, strict=True)))


def _nxos_facts(top: Document) -> Facts:
    parts = [count(top.get(f"kern_uptm_{unit}")) for unit in ("days", "hrs", "mins", "secs")]
    up = float(sum(n * unit for n, unit in zip(map(int, [p or 0 for p in parts]), (86400, 3600, 60, 1), strict=True)))
    version = top.get("nxos_ver_str") or top.get("sys_ver_str") or top.get("kickstart_ver_str")
    host, model, serial = (top.get(key) for key in ("host_name", "chassis_id", "proc_board_id"))
    return facts_of(host, "Cisco", model, version, serial, up if any(part is not None for part in parts) else None)


def _nxos_interfaces(top: Document) -> list[Interface]:
    found = []
    for row in _listed(top, "interface"):
        one = interface(words(row.get("interface"), 64))
        speed = count(row.get("eth_bw"), most=10**10)
        ip, length = address(row.get("eth_ip_addr")), count(row.get("eth_ip_mask"), most=128)
        one.update(
            {
                "description": words(row.get("desc")),
                "type": words(row.get("eth_hw_desc"), 64),
                "mac_address": mac(row.get("eth_hw_addr")),
                "mtu": count(row.get("eth_mtu"), most=1 << 31),
                "speed_bps": speed * 1000 if speed else None,
                "admin_status": "down" if row.get("admin_state") == "down" else "up",
                "oper_status": "up" if row.get("state") == "up" else "down",
                "addresses": [f"{ip}/{length}"] if ip and length is not None else [],
                "in_octets": count(row.get("eth_inbytes")),
                "out_octets": count(row.get("eth_outbytes")),
                "in_packets": count(row.get("eth_inpkts")),
                "out_packets": count(row.get("eth_outpkts")),
                "in_errors": count(row.get("eth_inerr")),
                "out_errors": count(row.get("eth_outerr")),
                "out_discards": count(row.get("eth_outdiscard")),
                "in_discards": count(row.get("eth_indiscard")),
            }
        )
        found.append(one)
    return named([one for one in found if one["name"]], "interfaces")


def _nxos_bgp(top: Document) -> BgpSummary:
    found, router_id, local_as = [], None, None
    for vrf in _listed(top, "vrf"):
        router_id, local_as = router_id or vrf.get("vrf-router-id"), local_as or vrf.get("vrf-local-as")
        for af in _listed(vrf, "af"):
            for saf in _listed(af, "saf"):
                for row in _listed(saf, "neighbor"):
                    family = words(saf.get("af-name"), 40).lower().replace(" ", "_") or "ipv4_unicast"
                    one = peer(
                        words(row.get("neighborid"), 64),
                        family,
                        words(vrf.get("vrf-name-out"), 64),
                        words(row.get("state"), 40),
                        remote_as=as_number(row.get("neighboras")),
                        prefixes_received=count(row.get("prefixreceived")),
                        messages_received=count(row.get("msgrecvd")),
                        messages_sent=count(row.get("msgsent")),
                    )
                    one["uptime_seconds" if one["is_established"] else "down_seconds"] = _iso(row.get("time"))
                    found.append(one)
    return bgp_of(found, router_id, local_as, "TABLE_vrf" in top)


def _nxos_ospf(top: Document) -> OspfNeighbors:
    found = [
        ospf_neighbor(
            words(row.get("rid"), 64),
            words(row.get("state"), 40),
            words(row.get("drstate"), 20),
            address=address(row.get("addr")),
            interface=words(row.get("intf"), 64),
            vrf=words(context.get("cname"), 64) or "default",
            priority=count(row.get("priority"), most=255),
            uptime_seconds=_iso(row.get("uptime")),
        )
        for context in _listed(top, "ctx")
        for row in _listed(context, "nbr")
    ]
    if "TABLE_ctx" not in top:
        raise ProtocolError("The answer holds no OSPF neighbours.")
    return ospf_totals(2, found[:MAX_ROWS])


def _nxos_routes(top: Document) -> RouteTable:
    found = []
    for vrf in _listed(top, "vrf"):
        for family in _listed(vrf, "addrf"):
            for prefix in _listed(family, "prefix"):
                paths = _listed(prefix, "path")
                first = paths[0] if paths else {}
                hops = [next_hop(words(path.get("ipnexthop")), words(path.get("ifname"))) for path in paths]
                found.append(
                    route(
                        prefix_of(prefix.get("ipprefix")),
                        words(vrf.get("vrf-name-out"), 64),
                        re.sub(r"-.*", "", words(first.get("clientname"), 40)),
                        hops,
                        distance=count(first.get("pref"), most=255),
                        metric=count(first.get("metric"), most=(1 << 32) - 1),
                        uptime_seconds=_iso(first.get("uptime")),
                    )
                )
    return table_of(found, "TABLE_vrf" in top)


_PARSERS: Final[dict[tuple[str, str], Callable[[Document], Any]]] = {
    ("arista_eos", "facts"): _eos_facts,
    ("arista_eos", "interfaces"): _eos_interfaces,
    ("arista_eos", "bgp"): _eos_bgp,
    ("arista_eos", "ospf"): _eos_ospf,
    ("arista_eos", "routes"): _eos_routes,
    ("cisco_nxos", "facts"): _nxos_facts,
    ("cisco_nxos", "interfaces"): _nxos_interfaces,
    ("cisco_nxos", "bgp"): _nxos_bgp,
    ("cisco_nxos", "ospf"): _nxos_ospf,
    ("cisco_nxos", "routes"): _nxos_routes,
    ("juniper_junos", "facts"): vendor_junos.facts,
    ("juniper_junos", "interfaces"): vendor_junos.interfaces,
    ("juniper_junos", "bgp"): vendor_junos.bgp,
    ("juniper_junos", "ospf"): vendor_junos.ospf,
    ("juniper_junos", "routes"): vendor_junos.routes,
}
