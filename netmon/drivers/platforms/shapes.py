"""The shapes all platforms answer in: JSON-ready, names as in IF-MIB, NAPALM and NetBox, units in the names.

A value the device did not give is None, never 0: zero is a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Literal, TypedDict, TypeVar

T = TypeVar("T")


class Presence(StrEnum):
    """Whether a service of a device is there. `value` of a reading is given for RUNNING and NOT_CONFIGURED only."""

    RUNNING = "running"
    NOT_CONFIGURED = "not_configured"
    NOT_RUNNING = "not_running"
    NOT_PERMITTED = "not_permitted"
    NOT_INSTALLED = "not_installed"
    NOT_PARSED = "not_parsed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """One question's answer: `reason` for people, "" where all is well; `value` None where nothing is known."""

    presence: Presence
    value: T | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: presence, reason and value."""
        return {"presence": self.presence.value, "reason": self.reason, "value": self.value}


class CpuCounters(TypedDict):
    """/proc/stat, in ticks since boot. Keep it: the load is the difference of two."""

    total_ticks: int
    busy_ticks: int
    iowait_ticks: int
    steal_ticks: int
    cores: int
    boot_time: str | None


class Pressure(TypedDict):
    """Share of time some (or all) tasks waited, in percent, mean over 10, 60 and 300 seconds."""

    some_avg10_percent: float | None
    some_avg60_percent: float | None
    some_avg300_percent: float | None
    full_avg10_percent: float | None
    full_avg60_percent: float | None
    full_avg300_percent: float | None


class Load(TypedDict):
    load1: float
    load5: float
    load15: float
    tasks_running: int | None
    tasks: int | None


class Memory(TypedDict):
    """`used_bytes` is total less available: caches the kernel would give back do not count as used."""

    total_bytes: int
    available_bytes: int
    used_bytes: int
    free_bytes: int
    used_percent: float
    swap_total_bytes: int
    swap_used_bytes: int
    swap_used_percent: float | None
    is_estimated: bool


class Disk(TypedDict):
    device: str
    type: str
    mount_point: str
    total_bytes: int
    used_bytes: int
    available_bytes: int
    used_percent: float | None
    inodes: int | None
    inodes_used: int | None
    inodes_used_percent: float | None


class Uptime(TypedDict):
    uptime_seconds: float
    boot_time: str | None


class Session(TypedDict):
    """Somebody logged in; `since` is the device's local time as it writes it, `origin` an address or name or ""."""

    user: str
    terminal: str
    since: str
    origin: str


class FailedUnit(TypedDict):
    unit: str
    load: str
    active: str
    sub: str
    description: str


class Units(TypedDict):
    has_systemd: bool
    failed: list[FailedUnit]


class Kernel(TypedDict):
    kernel: str
    hostname: str
    release: str
    machine: str


class Processor(TypedDict):
    architecture: str
    model: str
    vendor: str
    cores: int | None
    sockets: int | None
    hypervisor: str


class Interface(TypedDict):
    """IF-MIB's words. Statuses: "up", "down", "unknown" ("lower_down" and the like are "down")."""

    name: str
    index: int | None
    description: str
    type: str
    mac_address: str | None
    mtu: int | None
    speed_bps: int | None
    vrf: str
    admin_status: str
    oper_status: str
    addresses: list[str]
    in_octets: int | None
    out_octets: int | None
    in_packets: int | None
    out_packets: int | None
    in_errors: int | None
    out_errors: int | None
    in_discards: int | None
    out_discards: int | None
    link_ups: int | None
    link_downs: int | None
    last_link_down: str | None


class BgpPeer(TypedDict):
    """One peer of one family. `state` is the router's word; nothing else tells whether the session is up.

    `uptime_seconds` counts an established session, `down_seconds` the time since a peer fell; both None for a peer that
    was never up. `changed_epoch` is the moment of the last change, as the router reckons it (it wobbles by a second).
    """

    address: str
    family: str
    vrf: str
    description: str
    hostname: str
    remote_as: int | None
    local_as: int | None
    state: str
    is_established: bool
    is_admin_down: bool
    is_prefix_limited: bool
    was_ever_up: bool | None
    uptime_seconds: float | None
    down_seconds: float | None
    changed_epoch: int | None
    prefixes_received: int | None
    prefixes_sent: int | None
    messages_received: int | None
    messages_sent: int | None
    connections_established: int | None
    connections_dropped: int | None
    last_reset_reason: str
    last_notification: str
    prefix_limit: int | None
    local_address: str | None


class BgpSummary(TypedDict):
    router_id: str | None
    local_as: int | None
    peers_total: int
    peers_established: int
    peers_admin_down: int
    families: dict[str, dict[str, int | None]]
    peers: list[BgpPeer]


class OspfNeighbor(TypedDict):
    """An adjacency. `is_normal`: Full, or 2-Way between two routers that are neither DR nor Backup (RFC 2328)."""

    router_id: str
    address: str | None
    interface: str
    vrf: str
    state: str
    role: str
    is_full: bool
    is_normal: bool
    priority: int | None
    uptime_seconds: float | None
    dead_seconds: float | None


class OspfNeighbors(TypedDict):
    version: Literal[2, 3]
    total: int
    full: int
    neighbors: list[OspfNeighbor]


class NextHop(TypedDict):
    address: str | None
    interface: str | None
    is_active: bool
    is_in_fib: bool
    is_blackhole: bool


class Route(TypedDict):
    prefix: str
    vrf: str
    protocol: str
    is_selected: bool
    is_in_fib: bool
    distance: int | None
    metric: int | None
    uptime_seconds: float | None
    next_hops: list[NextHop]


class RouteSummary(TypedDict):
    family: Literal["ipv4", "ipv6"]
    total: int
    total_fib: int
    by_protocol: dict[str, dict[str, int]]


class RouteTable(TypedDict):
    """`is_truncated` when the limit cut the list."""

    family: Literal["ipv4", "ipv6"]
    is_truncated: bool
    routes: list[Route]


class BfdPeer(TypedDict):
    address: str
    local_address: str | None
    interface: str
    vrf: str
    is_multihop: bool
    status: str
    is_up: bool
    uptime_seconds: float | None
    down_seconds: float | None
    diagnostic: str
    remote_diagnostic: str


class RipGateway(TypedDict):
    address: str
    bad_packets: int | None
    bad_routes: int | None
    distance: int | None
    last_update_seconds: float | None


class RipRoute(TypedDict):
    prefix: str
    protocol: str
    next_hop: str | None
    metric: int | None
    learned_from: str | None


class Rip(TypedDict):
    update_seconds: int | None
    timeout_seconds: int | None
    networks: list[str]
    gateways: list[RipGateway]
    routes: list[RipRoute]


class NtpSource(TypedDict):
    """`reach` is the register's value (0 to 255); `offset_seconds` positive where our clock is slow."""

    address: str
    state: str
    is_selected: bool
    stratum: int | None
    poll_seconds: int | None
    reach: int | None
    last_answer_seconds: float | None
    offset_seconds: float | None


class NtpStatus(TypedDict):
    """`offset_seconds` positive: the device's clock is slow (true time less the device's), as in RFC 5905.

    `leap`: "normal", "insert_second", "delete_second", "not_synchronised", or "unknown".
    """

    source: Literal["chrony", "ntpd", "timesyncd", "device", "none"]
    is_synchronised: bool
    offset_seconds: float | None
    stratum: int | None
    leap: str
    reach: int | None
    reference: str
    root_delay_seconds: float | None
    root_dispersion_seconds: float | None
    frequency_ppm: float | None
    sources: list[NtpSource]
    reason: str


def ntp_unknown(source: str) -> NtpStatus:
    """What is known before anything was read."""
    return {
        "source": source,  # type: ignore[typeddict-item]
        "is_synchronised": False,
        "offset_seconds": None,
        "stratum": None,
        "leap": "unknown",
        "reach": None,
        "reference": "",
        "root_delay_seconds": None,
        "root_dispersion_seconds": None,
        "frequency_ppm": None,
        "sources": [],
        "reason": "",
    }


class Facts(TypedDict):
    hostname: str
    vendor: str
    model: str
    os_version: str
    serial_number: str
    uptime_seconds: float | None
