"""The catalogue of metrics: which columns are measured together, in which unit, and how finely they are kept.

A metric is named `set.column`, such as `if.counters.in_bps`. Columns are only ever appended to a set: stored samples
know their columns by position.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

MAX_COLUMNS = 12  # a series has that many columns for its present values
RAW = -128  # stands for the exponent of a column that is kept as float64


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of a set.

    `resolution` is the smallest step that is kept, in `unit`: a power of ten from 1e-9 to 1e9, or 0 to keep float64
    as it is. `rate` marks what is computed from two readings of a counter. `mib` names the MIB object it comes from.
    Raises ValueError for a resolution that is no such power.
    """

    name: str
    unit: str
    resolution: float
    kind: Literal["gauge", "rate"] = "gauge"
    mib: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        if self.resolution and not (
            1e-9 <= self.resolution <= 1e9 and math.isclose(10.0**self.exponent, self.resolution)
        ):
            raise ValueError(f"{self.name}: resolution {self.resolution} is not a power of ten from 1e-9 to 1e9")

    @property
    def exponent(self) -> int:
        """The power of ten that is the resolution; RAW for float64."""
        return round(math.log10(self.resolution)) if self.resolution > 0 else RAW


@dataclass(frozen=True)
class MetricSet:
    """Columns that are measured together. Raises ValueError for none, too many, or two of one name."""

    key: str
    label: str
    columns: tuple[Column, ...]
    period_seconds: int = 60

    def __post_init__(self) -> None:
        if not 1 <= len(self.columns) <= MAX_COLUMNS:
            raise ValueError(f"{self.key}: a set has 1 to {MAX_COLUMNS} columns, not {len(self.columns)}")
        if len(set(self.names)) != len(self.columns):
            raise ValueError(f"{self.key}: two columns have one name")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def exponents(self) -> tuple[int, ...]:
        return tuple(column.exponent for column in self.columns)

    def index(self, name: str) -> int:
        """The position of a column. Raises LookupError naming the columns there are."""
        try:
            return self.names.index(name)
        except ValueError:
            raise LookupError(f"{self.key} has no column {name}; it has {', '.join(self.names)}") from None


SETS: dict[str, MetricSet] = {}


def register(metric_set: MetricSet) -> MetricSet:
    """Makes a set known. The same set again is harmless; another set under its key raises ValueError."""
    owner = SETS.setdefault(metric_set.key, metric_set)
    if owner != metric_set:
        raise ValueError(f"{metric_set.key}: another metric set has this key; choose another")
    return owner


def get(key: str) -> MetricSet:
    """The set registered under `key`. Raises LookupError naming it."""
    try:
        return SETS[key]
    except KeyError:
        raise LookupError(f"{key}: no such metric set; is its app installed?") from None


ICMP = register(
    MetricSet(
        "icmp",
        "Ping",
        (
            Column("rtt_ms", "ms", 0.001, label="Round trip"),
            Column("loss_percent", "%", 0.1, label="Loss"),
            Column("up", "", 1, label="Answered"),  # 1 answered, 0 failed: checks can be counted from samples
        ),
    )
)

TCP = register(
    MetricSet(
        "tcp",
        "Port",
        (
            Column("connect_ms", "ms", 0.001, label="Time to connect"),
            Column("up", "", 1, label="Accepted"),
        ),
    )
)

SNMP_SYSTEM = register(
    MetricSet(
        "snmp.system",
        "SNMP system",
        (
            Column("response_ms", "ms", 0.001, label="Response time"),
            Column("uptime_seconds", "s", 1, mib="SNMPv2-MIB::sysUpTime", label="Uptime"),
            Column("up", "", 1, label="Answered"),
        ),
    )
)

IF_COUNTERS = register(
    MetricSet(
        "if.counters",
        "Interface traffic",
        (
            Column("in_bps", "bit/s", 1, "rate", "IF-MIB::ifHCInOctets", "In"),
            Column("out_bps", "bit/s", 1, "rate", "IF-MIB::ifHCOutOctets", "Out"),
            Column("in_pps", "packet/s", 0.1, "rate", "IF-MIB::ifHCInUcastPkts", "Unicast in"),
            Column("out_pps", "packet/s", 0.1, "rate", "IF-MIB::ifHCOutUcastPkts", "Unicast out"),
            Column("in_err", "error/s", 0.01, "rate", "IF-MIB::ifInErrors", "Errors in"),
            Column("out_err", "error/s", 0.01, "rate", "IF-MIB::ifOutErrors", "Errors out"),
            Column("in_disc", "packet/s", 0.01, "rate", "IF-MIB::ifInDiscards", "Discards in"),
            Column("out_disc", "packet/s", 0.01, "rate", "IF-MIB::ifOutDiscards", "Discards out"),
            Column(
                "in_nucast_pps",
                "packet/s",
                0.1,
                "rate",
                "IF-MIB::ifHCInMulticastPkts + IF-MIB::ifHCInBroadcastPkts",
                "Multicast and broadcast in",
            ),
            Column(
                "out_nucast_pps",
                "packet/s",
                0.1,
                "rate",
                "IF-MIB::ifHCOutMulticastPkts + IF-MIB::ifHCOutBroadcastPkts",
                "Multicast and broadcast out",
            ),
            Column("oper_status", "", 1, mib="IF-MIB::ifOperStatus", label="Operational status"),
        ),
    )
)

HOST = register(
    MetricSet(
        "host",
        "Computer",
        (
            Column("cpu_percent", "%", 0.1, label="CPU"),
            Column("load1", "", 0.01, label="Load, 1 min"),
            Column("load5", "", 0.01, label="Load, 5 min"),
            Column("load15", "", 0.01, label="Load, 15 min"),
            Column("memory_used_percent", "%", 0.1, label="Memory in use"),
            Column("memory_available_bytes", "B", 1000, label="Memory available"),
            Column("swap_used_percent", "%", 0.1, label="Swap in use"),
            Column("uptime_seconds", "s", 1, label="Uptime"),
            Column("users", "", 1, label="People logged in"),
            Column("failed_units", "", 1, label="Failed units"),
            Column("response_ms", "ms", 0.001, label="Response time"),
            Column("up", "", 1, label="Answered"),
        ),
    )
)

HOST_DISK = register(
    MetricSet(
        "host.disk",
        "Disk",
        (
            Column("used_percent", "%", 0.1, label="In use"),
            Column("used_bytes", "B", 1000, label="Used"),
            Column("available_bytes", "B", 1000, label="Available"),
            Column("inodes_used_percent", "%", 0.1, label="Inodes in use"),
            Column("days_until_full", "d", 0.1, label="Days until full"),
        ),
    )
)

NTP = register(
    MetricSet(
        "ntp",
        "Clock",
        (
            Column("offset_seconds", "s", 1e-6, label="Offset, positive when the clock is slow"),
            Column("stratum", "", 1, label="Stratum"),
            Column("is_synchronised", "", 1, label="Synchronised"),
            Column("root_dispersion_seconds", "s", 1e-6, label="Root dispersion"),
        ),
    )
)

ROUTING = register(
    MetricSet(
        "routing",
        "Routing",
        (
            Column("routes_ipv4", "", 1, label="IPv4 routes"),
            Column("routes_ipv6", "", 1, label="IPv6 routes"),
            Column("bgp_peers", "", 1, label="BGP peers"),
            Column("bgp_established", "", 1, label="BGP peers established"),
            Column("ospf_neighbours", "", 1, label="OSPF neighbours"),
            Column("ospf_full", "", 1, label="OSPF neighbours full"),
            Column("missing_neighbours", "", 1, label="Expected neighbours missing"),
            Column("bfd_up", "", 1, label="BFD sessions up"),
            Column("response_ms", "ms", 0.001, label="Response time"),
            Column("up", "", 1, label="Answered"),
        ),
        period_seconds=300,
    )
)

BGP_PEER = register(
    MetricSet(
        "bgp.peer",
        "BGP peer",
        (
            Column("is_established", "", 1, label="Established"),
            Column("prefixes_received", "", 1, label="Prefixes received"),
            Column("prefixes_sent", "", 1, label="Prefixes sent"),
            Column("uptime_seconds", "s", 1, label="Uptime"),
        ),
        period_seconds=300,
    )
)
