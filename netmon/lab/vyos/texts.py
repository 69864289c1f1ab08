"""What operational commands print. The layouts are plausible, not copied from a router."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from netmon.lab.vyos.configuration import Tree
from netmon.lab.vyos.versions import Behaviour


def version(behaviour: Behaviour) -> str:
    return (
        f"Version:          {behaviour.banner}\nRelease train:    {behaviour.name[:3]}\n\n"
        "Built by:         simulation\nArchitecture:     x86_64\n\nCopyright:        none, this router is simulated\n"
    )


def leases(behaviour: Behaviour, tree: Tree, more: Sequence[tuple[str, str, str]]) -> str:
    """Active mappings as leases, and `more` of (address, MAC, host name)."""
    headings = ["IP Address", "MAC address", "State", "Lease start", "Lease expiration", "Remaining", "Pool"]
    if behaviour.name == "1.3":
        headings[:2] = ["IP address", "Hardware address"]
    headings += ["Hostname"] if behaviour.name == "1.3" else ["Hostname", "Origin"]
    rows = []
    for network, _, name, mapping in mappings(tree):
        if "ip-address" in mapping and "disable" not in mapping:
            rows.append((mapping["ip-address"], str(mapping.get(behaviour.mac_leaf, "")), network, name))
    rows += [(address, mac, "LAN", name) for address, mac, name in more]
    cells = [
        [address, mac, "active", "2026/02/13 08:00:00", "2026/02/14 08:00:00", "23:59:59", pool, name, "local"]
        for address, mac, pool, name in rows
    ]
    return _table(headings, [row[: len(headings)] for row in cells])


def statistics(tree: Tree, hits: dict[int, tuple[int, int]]) -> str:
    """Packets and bytes of destination rules."""
    rows = []
    for number, rule in sorted(tree.get("nat", {}).get("destination", {}).get("rule", {}).items()):
        interface = rule.get("inbound-interface", "any")
        name = interface.get("name", "any") if isinstance(interface, dict) else interface
        packets, size_bytes = hits.get(int(number), (0, 0))
        rows.append([number, str(packets), str(size_bytes), name])
    return _table(["Rule", "Packets", "Bytes", "Interface"], rows)


def mappings(tree: Tree) -> Iterator[tuple[str, str, str, Any]]:
    """Network, prefix, name and settings of each static mapping."""
    networks = tree.get("service", {}).get("dhcp-server", {}).get("shared-network-name", {})
    for network, settings in networks.items():
        for prefix, subnet in settings.get("subnet", {}).items():
            for name, mapping in subnet.get("static-mapping", {}).items():
                yield network, prefix, name, mapping


def _table(headings: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    lines = [headings, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines)
