"""What a sweep is asked and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class IcmpMode(StrEnum):
    """How this machine may send echo requests: an unprivileged datagram socket, a raw one (CAP_NET_RAW), or not at
    all, which leaves TCP and the neighbour table."""

    DATAGRAM = "datagram"
    RAW = "raw"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLimits:
    """`packets_per_second` in all. `tcp_ports` are tried, all at once, where nothing answered before: a RST means that
    somebody is there. `is_using_icmp=False` leaves ICMP out. Raises ValueError ("field: reason; remedy")."""

    packets_per_second: float = 2000.0
    tcp_ports: tuple[int, ...] = (80, 443, 22)
    is_using_icmp: bool = True
    max_packets: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.packets_per_second <= 1_000_000:
            raise ValueError(f"packets_per_second: {self.packets_per_second} is out of range; give 1 to 1000000")
        if len(self.tcp_ports) > 16 or not all(1 <= port <= 65535 for port in self.tcp_ports):
            raise ValueError("tcp_ports: give up to 16 ports from 1 to 65535")
        if self.max_packets is not None and self.max_packets < 1:
            raise ValueError("max_packets: less than 1; give at least one packet, or None")


@dataclass(frozen=True, slots=True)
class SweepHost:
    """One address, in its canonical form. `method` says what showed that somebody is there: "icmp", "arp" ("ndp" for
    IPv6), "tcp-80"; "" where nothing did. `rtt_ms` is None where only the neighbour table knows it. `mac` is "" for
    what is not on our link.

    `is_asked` is False where the sweep ended before the verdict, or this machine could not ask (`reason`: "no route",
    "local", "cancelled", "budget").
    """

    address: str
    is_up: bool
    method: str = ""
    rtt_ms: float | None = None
    mac: str = ""
    is_asked: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """`hosts_done` of `hosts_total` (None where the caller gave no total) have a verdict, `hosts_up` of them are there.

    `icmp_modes` says how echo requests were sent, for each family ("ipv4", "ipv6") that was needed. `pauses` counts
    how often our own machine's limits, the neighbour table above all, stopped us.
    """

    hosts_total: int | None
    hosts_done: int
    hosts_up: int
    packets_sent: int
    hosts_per_second: float
    eta_seconds: float | None
    elapsed_seconds: float
    icmp_modes: dict[str, IcmpMode]
    pauses: int


@dataclass(frozen=True, slots=True)
class SweepBatch:
    """Verdicts since the batch before, each address once."""

    hosts: tuple[SweepHost, ...]
    progress: SweepProgress
