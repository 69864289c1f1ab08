"""What a router checks when it commits, beyond single paths. Each check names the subsystem and the reason."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from netmon.lab.vyos.configuration import Tree
from netmon.lab.vyos.values import is_prefix
from netmon.lab.vyos.versions import Behaviour

PORT_PROTOCOLS = ("tcp", "udp", "tcp_udp")


def failure(behaviour: Behaviour, tree: Tree) -> str:
    """The text of a failed commit, "" where it goes through."""
    for subsystem, reason in _faults(behaviour, tree):
        return f"[ {subsystem} ]\n{reason}\n\n[[{subsystem}]] failed\nCommit failed"
    return ""


def _faults(behaviour: Behaviour, tree: Tree) -> Iterator[tuple[str, str]]:
    dhcp = tree.get("service", {}).get("dhcp-server")
    if dhcp is not None and "disable" not in dhcp:
        for reason in _dhcp(behaviour, tree, dhcp):
            yield "service dhcp-server", reason
    nat = tree.get("nat", {})
    for direction in ("destination", "source"):
        for number, rule in nat.get(direction, {}).get("rule", {}).items():
            for reason in _rule(behaviour, tree, direction, rule):
                yield "nat", f"{direction.capitalize()} NAT rule {number}: {reason}"


def _dhcp(behaviour: Behaviour, tree: Tree, dhcp: Tree) -> Iterator[str]:
    networks = dhcp.get("shared-network-name", {})
    if not any("disable" not in network for network in networks.values()):
        yield "At least one shared network must be active!"
    seen: list[ipaddress.IPv4Network] = []
    ids: set[str] = set()
    for name, network in networks.items():
        if not network.get("subnet"):
            yield f"No subnets defined for {name}. At least one lease subnet must be configured."
        for prefix, subnet in network.get("subnet", {}).items():
            place = ipaddress.IPv4Network(prefix)
            if any(place.overlaps(other) for other in seen):
                yield f"Configured subnets overlap: {prefix}"
            seen.append(place)
            if behaviour.subnet_id:
                number = subnet.get("subnet-id")
                if number is None:
                    yield f"Unique subnet ID not specified for subnet {prefix}"
                elif number in ids:
                    yield f"Subnet ID {number} is not unique"
                ids.add(number or "")
            yield from _subnet(behaviour, prefix, subnet)
    if not dhcp.get("listen-address") and not any(_serves(tree, place) for place in seen):
        yield "None of the configured subnets have an appropriate primary IP address on any broadcast interface."


def _subnet(behaviour: Behaviour, prefix: str, subnet: Tree) -> Iterator[str]:
    place = ipaddress.IPv4Network(prefix)
    ranges: list[tuple[ipaddress.IPv4Address, ipaddress.IPv4Address]] = []
    for name, entry in subnet.get("range", {}).items():
        if not isinstance(entry.get("start"), str) or not isinstance(entry.get("stop"), str):
            yield f"DHCP range {name} start and stop address must be defined!"
            continue
        start, stop = ipaddress.IPv4Address(entry["start"]), ipaddress.IPv4Address(entry["stop"])
        if start not in place or stop not in place:
            yield f"DHCP range {name} is not in subnet {prefix}!"
        if start > stop:
            yield f"DHCP range {name} stop address must be greater or equal to the range start address!"
        if any(start <= other_stop and other_start <= stop for other_start, other_stop in ranges):
            yield f"DHCP range {name} overlaps another range"
        ranges.append((start, stop))
    active = [one for one in subnet.get("static-mapping", {}).values() if "disable" not in one]
    if not ranges and not active:
        yield f"No DHCP address range or active static-mapping configured within subnet {prefix}"
    addresses: set[str] = set()
    hardware: set[str] = set()
    for name, mapping in subnet.get("static-mapping", {}).items():
        address, mac = mapping.get("ip-address"), mapping.get(behaviour.mac_leaf)
        if address is not None:
            if ipaddress.IPv4Address(address) not in place:
                yield f'Configured static lease address for mapping "{name}" is not within shared-network!'
            if (mac is None) == (mapping.get("duid") is None):
                yield f'Either MAC address or Client identifier (DUID) is required for static mapping "{name}"'
        if behaviour.unique_mappings and "disable" not in mapping:
            # compared as texts: AA and aa are two
            if address in addresses or mac in hardware:
                yield f'Configured IP address or MAC address for static mapping "{name}" already exists on another'
            addresses |= {address} - {None}
            hardware |= {mac} - {None}


def _serves(tree: Tree, place: ipaddress.IPv4Network) -> bool:
    for interface in tree.get("interfaces", {}).get("ethernet", {}).values():
        for settings in (interface, *interface.get("vif", {}).values()):
            found = settings.get("address", [])
            for text in found if isinstance(found, list) else [found]:
                try:
                    if ipaddress.IPv4Interface(text).ip in place:
                        return True
                except ValueError:  # dhcp
                    continue
    return False


def _rule(behaviour: Behaviour, tree: Tree, direction: str, rule: Tree) -> Iterator[str]:
    translation = rule.get("translation", {})
    interface: Any = rule.get("inbound-interface" if direction == "destination" else "outbound-interface")
    if behaviour.interface_required and interface is None:
        yield "inbound-interface not specified" if direction == "destination" else "outbound-interface not specified"
    if isinstance(interface, dict):
        if "name" in interface and "group" in interface:
            yield "cannot specify both interface name and interface group"
        yield from _group(tree, "interface-group", interface.get("group"))
    if "exclude" not in rule:
        given = {*translation, *(["load-balance"] if rule.get("load-balance", {}).get("backend") else [])}
        needed = behaviour.translations if direction == "destination" else ("address",)
        if not given & set(needed):
            yield "translation requires address and/or port" if len(needed) > 1 else "translation address not specified"
    sides = [rule.get("destination", {}), rule.get("source", {}), translation]
    if any("port" in side for side in sides) and rule.get("protocol", "all") not in PORT_PROTOCOLS:
        yield "ports can only be specified when protocol is either tcp, udp or tcp_udp!"
    if not behaviour.prefix_with_port and "port" in translation and is_prefix(str(translation.get("address", ""))):
        yield "cannot use ports with an IPv4 network as translation address"
    for side in sides[:2]:
        yield from _group(tree, "address-group", side.get("group", {}).get("address-group"))


def _group(tree: Tree, kind: str, name: str | None) -> Iterator[str]:
    if name is not None and name.removeprefix("!") not in tree.get("firewall", {}).get("group", {}).get(kind, {}):
        yield f'Invalid {kind.replace("-", " ")} "{name}"'
