"""Who is there: ICMP echo, the neighbour table, then TCP, over IPv4 and IPv6, without root where the system allows it.

    for batch in sweep(map(str, ipaddress.ip_network("192.0.2.0/24").hosts()), total=254):
        ...

Verbs: `sweep`, `discover_link`, `icmp_mode`.
"""

from netmon.drivers.sweep.echo import icmp_mode
from netmon.drivers.sweep.engine import sweep
from netmon.drivers.sweep.link import discover_link
from netmon.drivers.sweep.types import IcmpMode, SweepBatch, SweepHost, SweepLimits, SweepProgress

__all__ = [
    "IcmpMode",
    "SweepBatch",
    "SweepHost",
    "SweepLimits",
    "SweepProgress",
    "discover_link",
    "icmp_mode",
    "sweep",
]
