"""What kind of device a host is likely to be, and why: by its ports, banners, names and the maker of its network card.

A guess is for a person to confirm; it never changes the inventory by itself.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Port(Protocol):
    """An open port."""

    @property
    def port(self) -> int: ...
    @property
    def banner(self) -> str: ...


class Host(Protocol):
    """A host that answered."""

    @property
    def vendor(self) -> str: ...
    @property
    def hostname(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Guess:
    """`kind` is empty where nothing points anywhere. `evidence` are sentences, the strongest first."""

    kind: str = ""
    evidence: list[str] = field(default_factory=list)


# kind -> makers (IEEE registry) that mostly make these
_VENDORS = {
    "camera": r"hikvision|dahua|axis communications|hanwha|vivotek|mobotix|reolink|amcrest|foscam|uniview|avigilon",
    "router": r"mikrotik|routerboard|juniper|vyos|ubiquiti|draytek|zyxel|fritz|avm ",
    "switch": r"arista|extreme networks|brocade|allied telesis|aruba|procurve",
    "firewall": r"fortinet|palo alto|sonicwall|watchguard|check point|netgate|sophos",
    "vm": r"vmware|xensource|qemu|red hat|microsoft corporation hyper|parallels|pcs systemtechnik",
    "server": r"super ?micro|dell|hewlett packard enterprise|inspur|quanta",
    "computer": r"apple|lenovo|asustek|acer|intel corporate|micro-star|gigabyte",
}
# (kind, weight, what, pattern in banners)
_BANNERS = (
    ("router", 4, "says RouterOS", r"routeros|mikrotik"),
    ("router", 4, "says VyOS", r"vyos"),
    ("router", 3, "says Cisco", r"\bcisco\b"),
    ("switch", 3, "says it is a switch", r"procurve|comware|arubaos-cx|\bswitch\b"),
    ("firewall", 4, "says it is a firewall", r"fortigate|fortissh|pfsense|opnsense|pan-os"),
    ("camera", 4, "says it is a camera", r"hikvision|dahua|axis|ipcam|ip camera|rtsp server|network camera"),
    ("server", 2, "runs a server system", r"ubuntu|debian|centos|red hat|windows.?server|proxmox|esxi"),
)
# (kind, weight, sentence, ports of which one is enough)
_PORTS = (
    ("camera", 3, "streams video (RTSP)", {554, 8554}),
    ("camera", 2, "has a recorder's port", {37777, 34567}),
    ("router", 3, "speaks BGP", {179, 2601}),
    ("router", 3, "is managed by WinBox", {8291, 8728, 8729}),
    ("computer", 2, "shares its screen", {3389, 5900}),
    ("computer", 1, "shares files as Windows does", {139, 445}),
    ("server", 2, "has a database", {1433, 1521, 3306, 5432, 27017, 6379}),
    ("server", 2, "is a hypervisor or cluster node", {902, 2379, 6443, 8006, 10250}),
    ("server", 1, "has mail or names", {25, 53, 110, 143, 389, 993}),
    ("other", 2, "prints", {515, 631, 9100}),
)
_NAMES = (
    ("camera", r"^(cam|ipc|nvr|dvr)[-_0-9]|camera"),
    ("router", r"^(gw|rtr|router|edge|core)[-_0-9.]|gateway"),
    ("switch", r"^(sw|switch)[-_0-9.]"),
    ("firewall", r"^(fw|firewall)[-_0-9.]"),
    ("vm", r"^(vm|vps)[-_0-9.]"),
    ("server", r"^(srv|server|db|web|mail|ns)[-_0-9.]"),
    ("computer", r"^(pc|laptop|desktop|ws)[-_0-9.]"),
)
# sysObjectID (RFC 1155 enterprises) -> kind, where a maker makes mostly one kind
_ENTERPRISES = {
    9: "router", 2636: "router", 14988: "router", 44641: "router", 30065: "switch", 11: "switch", 25506: "switch",
    12356: "firewall", 25461: "firewall", 39165: "camera", 368: "camera", 8072: "server", 311: "computer",
}  # fmt: skip


def guess(host: Host, ports: Iterable[Port], *, system: Mapping[str, str] | None = None) -> Guess:
    """The kind with the most weight behind it, and all that points to it.

    `system` is what its SNMP agent says, where somebody asked: sys_object_id, sys_descr, sys_name.
    """
    said = system or {}
    points: dict[str, int] = {}
    evidence: list[tuple[int, str, str]] = []

    def add(kind: str, weight: int, sentence: str) -> None:
        points[kind] = points.get(kind, 0) + weight
        evidence.append((weight, kind, sentence))

    known = list(ports)
    match = re.fullmatch(r"\.?1\.3\.6\.1\.4\.1\.(\d{1,10})(?:\..*)?", said.get("sys_object_id", ""))
    if match and (known_kind := _ENTERPRISES.get(int(match[1]))):
        add(known_kind, 5, f"Its SNMP agent is of enterprise {match[1]}")
    for kind, pattern in _VENDORS.items():
        if host.vendor and re.search(pattern, host.vendor, re.IGNORECASE):
            add(kind, 2, f"Its network card is of {host.vendor}")
    for kind, weight, sentence, wanted in _PORTS:
        if found := sorted(port.port for port in known if port.port in wanted):
            add(kind, weight, f"It {sentence}: port {', '.join(map(str, found))}")
    for kind, weight, sentence, pattern in _BANNERS:
        for port in known:
            if port.banner and re.search(pattern, port.banner[:500], re.IGNORECASE):
                add(kind, weight, f"Port {port.port} {sentence}")
                break
    for kind, weight, sentence, pattern in _BANNERS:
        if re.search(pattern, said.get("sys_descr", ""), re.IGNORECASE):
            add(kind, weight + 1, f"Its SNMP agent {sentence}")
    name = host.hostname or said.get("sys_name", "")
    for kind, pattern in _NAMES:
        if name and re.search(pattern, name, re.IGNORECASE):
            add(kind, 2, f"Its name is {name}")
            break
    if not points:
        return Guess()
    best = max(points, key=lambda kind: (points[kind], kind))
    return Guess(best, [sentence for _, kind, sentence in sorted(evidence, key=lambda one: -one[0]) if kind == best])
