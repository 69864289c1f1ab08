"""What the page of a device shows of what was read over SSH: the computer's facts, and the router's view."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from inventory.models import Device
from monitoring.models import DeviceEvent
from monitoring.presentation import decimals, duration
from monitoring.services import facts
from monitoring.services.facts import Fact
from netmon.jobs.models import Job

HOST = ("cpu", "memory", "os_release", "disks", "uptime", "users", "units", "kernel", "processor", "ntp", "device")
ROUTING = (
    "bgp_summary", "ospf_neighbors", "ospf6_neighbors", "bfd", "rip", "routes_summary", "routing_table",
    "routing_health", "daemons",
)  # fmt: skip
SHOWN_PEERS = 200
SHOWN_ROUTES = 50
SHOWN_EVENTS = 20
PRESENCE = {
    "running": ("up", "Running"),
    "not_configured": ("unknown", "Not configured"),
    "not_running": ("down", "Not running"),
    "not_permitted": ("blind", "Not permitted"),
    "not_installed": ("unknown", "Not there"),
    "not_parsed": ("blind", "Not understood"),
    "unknown": ("unknown", "No answer"),
}
SEVERITIES = {"info": "pending", "warning": "degraded", "critical": "down"}


@dataclass(frozen=True, slots=True)
class Line:
    label: str
    value: str
    is_mono: bool = False


@dataclass(frozen=True, slots=True)
class Computer:
    """`lines` are the few figures, `disks` rows of the fact, `at` the time of the newest."""

    lines: list[Line]
    disks: list[dict[str, Any]]
    users: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    events: list[tuple[str, DeviceEvent]]
    at: datetime
    is_stale: bool
    error: str


@dataclass(frozen=True, slots=True)
class Part:
    """One protocol: the shape and word of its presence, why, and its value."""

    label: str
    state: str
    word: str
    reason: str
    value: Any


@dataclass(frozen=True, slots=True)
class Routing:
    parts: list[Part] = field(default_factory=list)
    bgp: Any = None
    ospf: list[tuple[str, Any]] = field(default_factory=list)
    bfd: Any = None
    summary: Any = None
    routes: list[dict[str, Any]] = field(default_factory=list)
    routes_total: int = 0
    is_partial: bool = False
    missing: list[tuple[str, str, str]] = field(default_factory=list)  # protocol, neighbour, state
    cuts: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[str, DeviceEvent]] = field(default_factory=list)
    at: datetime | None = None
    is_stale: bool = False
    error: str = ""


def computer(device: Device) -> Computer | None:
    """None when nothing of it was ever read."""
    found = facts.of(device, HOST, with_raw=False)
    if not found:
        return None
    data: dict[str, Any] = {kind: fact.data for kind, fact in found.items()}
    newest = max(found.values(), key=lambda fact: fact.collected_at)
    disks = [{**disk, "left": _left(disk)} for disk in data.get("disks", {}).get("disks", [])]
    return Computer(
        lines=[line for line in _lines(data) if line.value],
        disks=disks,
        users=data.get("users", {}).get("users", []),
        failed=data.get("units", {}).get("failed", []),
        events=_events(device),
        at=newest.collected_at,
        is_stale=newest.is_stale,
        error=newest.error_detail if newest.error_code else "",
    )


def _left(disk: dict[str, Any]) -> str:
    days = disk.get("days_until_full")
    return "" if days is None else "full" if days <= 0 else f"full in {duration(days * 86400)}"


def _lines(data: dict[str, Any]) -> list[Line]:
    cpu, memory, release = data.get("cpu", {}), data.get("memory", {}), data.get("os_release", {})
    kernel, processor, clock = data.get("kernel", {}), data.get("processor", {}), data.get("ntp", {})
    vendor = data.get("device", {})
    busy = cpu.get("cpu_percent")
    load = [cpu.get(name) for name in ("load1", "load5", "load15")]
    cores = f"{cpu['cores']} cores" if cpu.get("cores") else ""
    return [
        Line("System", str(release.get("PRETTY_NAME") or vendor.get("os_version") or "")),
        Line("Kernel", " ".join(str(kernel.get(name, "")) for name in ("kernel", "release", "machine")).strip()),
        Line("Model", " ".join(str(vendor.get(name) or "") for name in ("vendor", "model")).strip()),
        Line("Serial", str(vendor.get("serial_number") or ""), is_mono=True),
        Line("Processor", ", ".join(part for part in (str(processor.get("model") or ""), cores) if part)),
        Line("CPU", "" if busy is None else decimals(busy, "%")),
        Line("Load", " / ".join(f"{value:.2f}" for value in load) if None not in load and load else ""),
        Line("Memory", _of(memory.get("used_bytes"), memory.get("total_bytes"))),
        Line("Swap", _of(memory.get("swap_used_bytes"), memory.get("swap_total_bytes") or None)),
        Line("Uptime", duration(data["uptime"]["uptime_seconds"]) if "uptime" in data else ""),
        Line("Clock", _clock(clock)),
    ]


def size(value: float | None) -> str:
    """Bytes in words, by thousands as disks are sold."""
    if value is None:
        return ""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value:.0f} B"


def _of(used: float | None, total: float | None) -> str:
    if used is None or not total:
        return ""
    return f"{size(used)} of {size(total)}, {100 * used / total:.0f} %"


def _clock(clock: dict[str, Any]) -> str:
    if not clock:
        return ""
    if not clock.get("is_synchronised"):
        return str(clock.get("reason") or "Not synchronised")
    offset = clock.get("offset_seconds")
    said = f"{clock.get('source')}, stratum {clock.get('stratum')}"
    return said if offset is None else f"{said}, off by {decimals(abs(offset) * 1000, 'ms')}"


def routing(device: Device) -> Routing:
    """The router's view; empty when nothing was ever read."""
    found = facts.of(device, ROUTING, with_raw=False)
    if not found:
        return Routing(events=_events(device))
    newest = max(found.values(), key=lambda fact: fact.collected_at)
    health = found["routing_health"].data if "routing_health" in found else {}
    table = _value(found, "routing_table") or {}
    routes = table.get("routes", [])
    return Routing(
        parts=[
            _part(label, found.get(kind))
            for label, kind in (("BGP", "bgp_summary"), ("OSPF", "ospf_neighbors"), ("OSPFv3", "ospf6_neighbors"),
                                ("BFD", "bfd"), ("RIP", "rip"))
        ],
        bgp=_value(found, "bgp_summary"),
        ospf=[(label, value) for label, kind in (("OSPF", "ospf_neighbors"), ("OSPFv3", "ospf6_neighbors"))
              if (value := _value(found, kind)) and value["neighbors"]],
        bfd=_value(found, "bfd"),
        summary=_value(found, "routes_summary"),
        routes=routes[:SHOWN_ROUTES],
        routes_total=len(routes),
        is_partial=bool(table.get("is_partial")),
        missing=[
            (protocol.upper(), name, state)
            for protocol, now in health.get("neighbours", {}).items()
            for state in ("missing", "down")
            for name in now[state]
        ],
        cuts=health.get("silent_cuts", []),
        events=_events(device),
        at=newest.collected_at,
        is_stale=newest.is_stale,
        error=newest.error_detail if newest.error_code else "",
    )  # fmt: skip


def _events(device: Device) -> list[tuple[str, DeviceEvent]]:
    """The last ones, each with the shape of its severity."""
    rows = DeviceEvent.objects.filter(device=device)[:SHOWN_EVENTS]
    return [(SEVERITIES[event.severity], event) for event in rows]


def _value(found: dict[str, Fact], kind: str) -> Any:
    return found[kind].data.get("value") if kind in found else None


def _part(label: str, fact: Fact | None) -> Part:
    data = fact.data if fact else {}
    presence = str(data.get("presence", "unknown"))
    state, word = PRESENCE.get(presence, PRESENCE["unknown"])
    return Part(label, state, word, str(data.get("reason") or ""), data.get("value"))


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a router said of one prefix, or why it said nothing."""

    routes: list[dict[str, Any]]
    error: str


def lookup(job: Job | None) -> Lookup | None:
    """The answer of a question that has ended; None while nobody knows."""
    if job is None or job.is_active:
        return None
    result = job.result if isinstance(job.result, dict) else {}
    if job.status != Job.Status.SUCCEEDED or result.get("error_code"):
        return Lookup([], str(result.get("error_detail") or job.error_detail or "Nobody answered in time."))
    said = result.get("data", {})
    error = "" if said.get("presence") == "running" else str(said.get("reason") or "The device did not answer.")
    return Lookup(list(result.get("routes", ())), error)
