"""Our own simulated SNMP fleet as a daemon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netmon.drivers.targets import Secret, SnmpTarget
from tests.daemons import end, free_port

ROOT = Path(__file__).resolve().parents[2]


class FleetDaemon:
    """A running fleet: every 127.F.x.y of `netmon.lab.devices` answers on `port`."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process

    def target(self, address: str, **over: object) -> SnmpTarget:
        """A target for one of its devices; `over` replaces fields of it."""
        values: dict[str, object] = {"address": address, "port": self.port, "community": Secret("public")}
        return SnmpTarget(**(values | {"timeout_seconds": 0.5} | over))  # type: ignore[arg-type]


@contextmanager
def fleet(*arguments: str) -> Iterator[FleetDaemon]:
    """A fleet on a free port, ended with the block."""
    port = free_port()
    command = [sys.executable, "-m", "netmon.lab.snmp_fleet", "--port", str(port), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", "the fleet did not start"
        yield FleetDaemon(port, process)
    finally:
        end(process)
        process.stdout.close()
