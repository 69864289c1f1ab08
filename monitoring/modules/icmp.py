"""Is it there? Round trip time and loss by ICMP echo: metric set "icmp"."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from monitoring.modules import Collected, Reading
from netmon.drivers.icmp import ping
from netmon.drivers.targets import IcmpTarget


async def collect(target: IcmpTarget, context: Mapping[str, Any]) -> Collected:
    """One Reading with `rtt_ms` (median) and `loss_percent`. Raises DriverError, also when all echoes are lost."""
    rtt = await ping(target)
    return Collected(
        collected_at=time.time(),
        monotonic_at=time.monotonic(),
        response_ms=rtt.rtt_ms,
        readings=[Reading(set="icmp", values={"rtt_ms": rtt.rtt_ms, "loss_percent": rtt.loss_percent})],
    )
