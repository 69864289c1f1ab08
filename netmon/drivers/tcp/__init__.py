"""TCP connect scans (RFC 9293) over IPv4 and IPv6, without root: strict verdicts, adaptive timeouts, polite rates.

    for batch in scan([ScanTarget(address="192.0.2.7", rtt_ms=1.2)], parse_ports("1-1024"), Limits.profile("polite")):
        ...

Verbs: `scan` (its `cancel`, `snapshot` and `close`), `parse_ports`, `parse_range`, `format_ports`.
"""

from netmon.drivers.tcp.ports import COMMON_PORTS, MOST_PORT, format_ports, parse_ports, parse_range
from netmon.drivers.tcp.scan import PortScan, scan
from netmon.drivers.tcp.types import (
    PROFILES,
    Accuracy,
    Batch,
    HostReport,
    Limits,
    OpenPort,
    Outcome,
    PortRange,
    Progress,
    ScanTarget,
    State,
)

__all__ = [
    "COMMON_PORTS",
    "MOST_PORT",
    "PROFILES",
    "Accuracy",
    "Batch",
    "HostReport",
    "Limits",
    "OpenPort",
    "Outcome",
    "PortRange",
    "PortScan",
    "Progress",
    "ScanTarget",
    "State",
    "format_ports",
    "parse_ports",
    "parse_range",
    "scan",
]
