"""Does a port accept connections? Metric set "tcp", a series for each port and side."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from monitoring.modules import Collected, Reading
from netmon.drivers.targets import TcpTarget
from netmon.drivers.tcp.reach import reach

INSIDE, OUTSIDE = "tcp.port", "tcp.outside"


def labels(module: str, port: int | None) -> dict[str, str]:
    """Which series a check of an endpoint at `port` writes."""
    return {"port": str(port or 0)} | ({"side": "outside"} if module == OUTSIDE else {})


async def collect(target: TcpTarget, context: Mapping[str, Any]) -> Collected:
    """One Reading with `connect_ms`. Raises DriverError when a place does not accept."""
    return await _collect(target, labels(INSIDE, target.label))


async def collect_outside(target: TcpTarget, context: Mapping[str, Any]) -> Collected:
    """The same from outside: every place at which the endpoint's port is offered must accept."""
    return await _collect(target, labels(OUTSIDE, target.label))


async def _collect(target: TcpTarget, series: dict[str, str]) -> Collected:
    taken = await reach(target)
    return Collected(
        collected_at=time.time(),
        monotonic_at=time.monotonic(),
        response_ms=taken,
        readings=[Reading(set="tcp", values={"connect_ms": taken}, labels=series)],
    )
