"""Runs a scan to its end and judges every verdict against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netmon.drivers.tcp import Batch, HostReport, Limits, OpenPort, PortRange, Progress, ScanTarget, scan
from tests.daemons.scan_lab import Host

# all open ports of the lab, and a stretch that is long enough for limits on RSTs to show
PORTS = sorted({*range(1, 257), 443, 445, 554, 1000, 1024, 3306, 5432, 8080, 8443, 9100})


@dataclass
class Asked:
    """What a whole scan gave: every report and open port, in the order in which they came."""

    reports: list[HostReport] = field(default_factory=list)
    open_ports: list[OpenPort] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)

    def take(self, batch: Batch) -> None:
        self.reports += batch.hosts
        self.open_ports += batch.open_ports
        self.progress.append(batch.progress)

    def of(self, address: str) -> HostReport:
        (report,) = [report for report in self.reports if report.address == address]
        return report

    def verdict(self, address: str, port: int) -> PortRange:
        (found,) = [one for one in self.of(address).ranges if one.first <= port <= one.last]
        return found


def ask(addresses: Iterable[str], limits: Limits, *, ports: Iterable[int] = PORTS, rtt_ms: float | None = 1.0) -> Asked:
    asked = Asked()
    for batch in scan(targets(addresses, rtt_ms), ports, limits):
        asked.take(batch)
    return asked


def targets(addresses: Iterable[str], rtt_ms: float | None = 1.0) -> list[ScanTarget]:
    return [ScanTarget(address=address, rtt_ms=rtt_ms) for address in addresses]


def wrong(asked: Asked, truth: dict[str, Host], ports: Iterable[int] = PORTS) -> list[Any]:
    """Every (address, port, what it is, what was said) that differs; a missing or doubled verdict differs, too."""
    wanted = {
        (address, port): "open" if port in host.open else host.rest for address, host in truth.items() for port in ports
    }
    said: dict[tuple[str, int], str] = {}
    faults: list[Any] = []
    for address, port, state in verdicts(asked):
        if (address, port) in said:
            faults.append((address, port, "once", "twice"))
        said[address, port] = state
    faults += [(*key, state, said.get(key)) for key, state in wanted.items() if said.get(key) != state]
    return faults + [(*key, "not asked for", said[key]) for key in said.keys() - wanted.keys()]


def verdicts(asked: Asked) -> Iterator[tuple[str, int, str]]:
    for report in asked.reports:
        for one in report.ranges:
            for port in range(one.first, one.last + 1):
                yield report.address, port, one.state


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
