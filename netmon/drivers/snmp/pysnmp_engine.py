"""The engine in use: pysnmp's message classes, our own sockets, timers and security state.

pyasn1 needs about 50 microseconds for each variable, so the number of requests in flight is bounded for each event
loop: more would only make answers wait for the CPU until their timers fire.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from netmon.drivers.snmp.exchange import exchange
from netmon.drivers.snmp.messages import open_community, seal_community
from netmon.drivers.snmp.types import Request, Response
from netmon.drivers.snmp.usm import (
    DISCOVERY,
    NOT_IN_TIME_WINDOWS,
    UNKNOWN_ENGINE_IDS,
    Clock,
    Report,
    Sealed,
    refusal,
)
from netmon.drivers.snmp.usm_crypto import Bounded
from netmon.drivers.targets import SnmpTarget

MAX_IN_FLIGHT = 20
# One for an engine ID that changed, one for a clock that did; each may happen after the other.
MAX_RESYNCS = 3


@dataclass(slots=True)
class _Slots:
    semaphore: asyncio.Semaphore
    users: int = 0


# An entry lives while somebody uses it: a semaphore that was waited for holds its event loop for ever.
_slots: dict[asyncio.AbstractEventLoop, _Slots] = {}
# RFC 3414 keeps clocks by engine ID; devices that share one by mistake exist, so the address is part of the key
_clocks: Bounded[tuple[str, int], Clock] = Bounded(16384)
_random = random.SystemRandom()


@asynccontextmanager
async def _slot() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    slots = _slots.setdefault(loop, _Slots(asyncio.Semaphore(MAX_IN_FLIGHT)))
    slots.users += 1
    try:
        async with slots.semaphore:
            yield
    finally:
        slots.users -= 1
        if not slots.users:
            _slots.pop(loop, None)


class PysnmpEngine:
    """`Engine` for one target; it holds no socket and no task between requests."""

    def __init__(self, target: SnmpTarget) -> None:
        self._target = target

    def slot(self) -> AbstractAsyncContextManager[Any]:
        """Held while a request is in flight; at most MAX_IN_FLIGHT are, in each event loop."""
        return _slot()

    async def request(self, request: Request, waits: Sequence[float]) -> Response:
        """See `Engine.request`."""
        if self._target.version == "3":
            return await self._request_v3(request, waits)
        target, request_id = self._target, _random.randrange(1, 2**31)
        community = target.community.reveal() if target.community else ""
        response, elapsed = await exchange(
            target.address,
            target.port,
            seal_community(target.version, community, request, request_id),
            lambda datagram: open_community(target.version, community, datagram, request_id),
            waits,
            any_source=target.any_source,
        )
        return replace(response, rtt_seconds=elapsed)

    async def discover(self, waits: Sequence[float]) -> Clock:
        """Asks an SNMPv3 agent for its engine ID and clock (RFC 3414 section 4). Raises DriverError."""
        answer, _ = await self._send(None, DISCOVERY, waits)
        if not isinstance(answer, Report) or not answer.clock.engine_id:
            raise refusal(Report(UNKNOWN_ENGINE_IDS, Clock(b"", 0, 0, 0.0, False)))
        return _clocks.put((self._target.address, self._target.port), replace(answer.clock, is_authentic=False))

    async def _request_v3(self, request: Request, waits: Sequence[float]) -> Response:
        key = (self._target.address, self._target.port)
        report: Report | None = None
        for _ in range(MAX_RESYNCS):
            clock = _clocks.get(key) or await self.discover(waits)
            answer, elapsed = await self._send(clock, request, waits)
            if isinstance(answer, Response):
                return replace(answer, rtt_seconds=elapsed)
            report = answer
            if report.number == NOT_IN_TIME_WINDOWS and report.clock.is_authentic:
                # Fresh by its message number, true by its MAC: believed even when the engine went back in time.
                _clocks.put(key, report.clock)
            elif report.number == UNKNOWN_ENGINE_IDS:
                _clocks.drop(key)
            else:
                break
        assert report is not None  # the loop runs at least once
        raise refusal(report)

    async def _send(self, clock: Clock | None, request: Request, waits: Sequence[float]) -> tuple[Any, float]:
        sealed = Sealed(self._target, clock, request)
        (answer, seen), elapsed = await exchange(
            self._target.address,
            self._target.port,
            sealed.payload,
            sealed.open,
            waits,
            any_source=self._target.any_source,
        )
        if isinstance(answer, Response) and seen.is_authentic:
            _clocks.put((self._target.address, self._target.port), seen)
        return answer, elapsed
