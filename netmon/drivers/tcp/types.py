"""What a port scan is asked and what it answers: plain frozen values, no sockets."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What is known of one port.

    OPEN: the handshake was completed. CLOSED: a RST. FILTERED: an ICMP error about this port, or silence after all
    tries. UNREACHABLE: no route, or nobody answered ARP or neighbour discovery for the address. ERROR: this machine
    could not ask; it says nothing about the port. UNKNOWN: not asked, for the scan ended before.
    """

    OPEN = "open"
    CLOSED = "closed"
    FILTERED = "filtered"
    UNREACHABLE = "unreachable"
    ERROR = "error"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """Why the scan of a host ended. SILENT: given up by `Limits.silent_after`; BUDGET: `Limits.max_packets` is used
    up, or `Limits.deadline_seconds` over."""

    FINISHED = "finished"
    UNREACHABLE = "unreachable"
    SILENT = "silent"
    CANCELLED = "cancelled"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTarget:
    """One host: a literal address (with a zone such as %eth0 where link-local).

    `rtt_ms` is what a ping took, the seed of the timeouts: without it, the first tries wait a whole second.
    `is_silent` says that ping, ARP and TCP got no answer before; only then `Limits.silent_after` counts.
    Raises ValueError for what is no address.
    """

    address: str
    rtt_ms: float | None = None
    is_silent: bool = False

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.address)
        if self.rtt_ms is not None and not 0 <= self.rtt_ms < 60_000:
            raise ValueError(f"rtt_ms: {self.rtt_ms} is out of range; give 0 to 60000, or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How hard a scan may knock. Make one by `profile` and change what is to differ.

    `packets_per_second` bounds the scan, `host_packets_per_second` each host; `is_host_rate_growing` lets the second
    rise, up to the first, while a host loses nothing. `max_packets` ends the scan (outcome BUDGET), as does
    `deadline_seconds`. `max_tries` bounds the tries at one port: two are the rule, more where packets get lost.
    `silent_after` ports without any answer end a host that was silent before; None goes on to the end.
    `is_closing_gracefully` ends open connections by FIN and not by RST, for devices that take a RST badly.
    `max_sockets` bounds how many connections are on their way. Raises ValueError ("field: reason; remedy").
    """

    packets_per_second: float = 6000.0
    host_packets_per_second: float = 1000.0
    is_host_rate_growing: bool = False
    max_packets: int | None = None
    deadline_seconds: float | None = None
    max_tries: int = 4
    silent_after: int | None = None
    is_closing_gracefully: bool = False
    max_sockets: int = 4000

    def __post_init__(self) -> None:
        for name, low, high in (
            ("packets_per_second", 1, 1_000_000),
            ("host_packets_per_second", 1, 1_000_000),
            ("max_packets", 1, 1 << 40),
            ("deadline_seconds", 0.05, 30 * 86400),
            ("max_tries", 1, 4),
            ("silent_after", 1, 65535),
            ("max_sockets", 1, 50_000),
        ):
            value = getattr(self, name)
            # written this way round so that NaN is refused
            if value is not None and not low <= value <= high:
                raise ValueError(f"{name}: {value} is out of range; give {low} to {high}")

    @classmethod
    def profile(cls, name: str) -> Limits:
        """The limits of a profile: "gentle" for industrial and old gear, "polite", "normal" or "fast".

        Raises ValueError for another name.
        """
        if name not in PROFILES:
            raise ValueError(f"profile: {name!r} is unknown; give one of {', '.join(PROFILES)}")
        return PROFILES[name]


PROFILES: dict[str, Limits] = {
    "gentle": Limits(packets_per_second=1000.0, host_packets_per_second=100.0, is_closing_gracefully=True),
    "polite": Limits(),
    "normal": Limits(packets_per_second=12_000.0, host_packets_per_second=2000.0),
    "fast": Limits(packets_per_second=100_000.0, host_packets_per_second=3000.0, is_host_rate_growing=True),
}


@dataclass(frozen=True, slots=True)
class OpenPort:
    """A port that took a connection. `rtt_ms` of the handshake, `tries` it took."""

    address: str
    port: int
    rtt_ms: float
    tries: int


@dataclass(frozen=True, slots=True)
class PortRange:
    """Neighbouring ports, `first` to `last` inclusive, with one state and one reason.

    `reason`: "syn-ack", "rst", "timeout", "icmp TYPE/CODE from ADDRESS", "no route", "no ARP" (IPv6: neighbour
    discovery), "local", or "" where not asked. `tries` is the most that any of them took.
    """

    first: int
    last: int
    state: State
    reason: str
    tries: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How far a host's verdicts can be trusted.

    `answers` of `packets_sent` came back, `retries_answered` of them only to a second or later try: their share is
    `loss_percent`. `slowed_to` is the rate in packets per second where the host made us slow down, else None.
    `looks` counts how often the filtered ports were asked again at the end. `rtt_ms` is the smoothed round trip.
    """

    packets_sent: int
    answers: int
    retries_answered: int
    loss_percent: float
    slowed_to: float | None
    looks: int
    rtt_ms: float | None
    is_limiting_rsts: bool

    @property
    def note(self) -> str:
        """The same as a sentence for people; "" where there is nothing to say."""
        parts = []
        if self.retries_answered:
            parts.append(
                f"{self.retries_answered} answers only to a retry, about {self.loss_percent:.3g} % of packets lost"
            )
        if self.slowed_to is not None:
            why = "host limits RSTs" if self.is_limiting_rsts else "packets were lost"
            parts.append(f"{why}, slowed to {self.slowed_to:.0f}/s")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class HostReport:
    """All of one host, when its scan ended. `counts`: how many ports are in each state.

    Every port that was asked for stands in exactly one of the ranges. Where the scan was cut short (outcome CANCELLED
    or BUDGET) the ranges hold the open ports only; the rest is in the snapshot, to go on from.
    """

    address: str
    outcome: Outcome
    ranges: tuple[PortRange, ...]
    counts: dict[State, int]
    accuracy: Accuracy


@dataclass(frozen=True, slots=True)
class Progress:
    """`probes_done` of `probes_total` verdicts are there. `verdicts_per_second` is recent, `eta_seconds` follows from
    it (None while there is nothing to go by). `pauses` counts how often our own machine's limits stopped us."""

    hosts_total: int
    hosts_done: int
    probes_total: int
    probes_done: int
    packets_sent: int
    verdicts_per_second: float
    eta_seconds: float | None
    elapsed_seconds: float
    pauses: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What is new since the batch before; often nothing but the progress."""

    open_ports: tuple[OpenPort, ...]
    hosts: tuple[HostReport, ...]
    progress: Progress
