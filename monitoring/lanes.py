"""Who may go at once: runs that would crowd a host wait here, on the runner's loop, where waiting holds no thread."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from netmon.drivers.errors import Busy


class NoTurn(Busy):
    """Others were served all the time. Nothing was asked, so it is no verdict: the run is put back."""


@dataclass(frozen=True, slots=True)
class Lane:
    """`key` is whom a run speaks to; `gates` are the hosts that it goes through, the nearest to its end first, each
    with how many may go through at once."""

    key: Hashable
    gates: tuple[tuple[Hashable, int], ...]


@dataclass(slots=True)
class _Crossing:
    """The runs that go to one end together: they share its sessions, so they count once at each gate."""

    opened: asyncio.Task[AsyncExitStack]
    users: int = 0


@dataclass(slots=True)
class _Gate:
    free: asyncio.Semaphore
    users: int = 0


class Lanes:
    """The lanes of one event loop, and only for its thread."""

    def __init__(self) -> None:
        self._crossings: dict[Lane, _Crossing] = {}
        self._gates: dict[tuple[Hashable, int], _Gate] = {}

    @asynccontextmanager
    async def crossing(self, lane: Lane | None, *, until: float) -> AsyncIterator[None]:
        """Through all gates of the lane, for the time of a `with`. First come, first served.

        Raises TimeoutError when it has not begun by `until`, a time of the loop.
        """
        if lane is None or not lane.gates:
            yield
            return
        crossing = self._crossings.get(lane)
        if crossing is None:
            crossing = self._crossings[lane] = _Crossing(asyncio.ensure_future(self._open(lane)))
        crossing.users += 1
        try:
            async with asyncio.timeout_at(until):
                await asyncio.shield(crossing.opened)  # others may go on waiting for it
            yield
        finally:
            crossing.users -= 1
            if not crossing.users:
                del self._crossings[lane]
                if crossing.opened.done():
                    await crossing.opened.result().aclose()
                else:
                    crossing.opened.cancel()  # it gives back what it has

    async def _open(self, lane: Lane) -> AsyncExitStack:
        """All gates, or none. From the end: who holds one and waits keeps nobody who could go on."""
        async with AsyncExitStack() as passed:
            for place in lane.gates:
                await passed.enter_async_context(self._through(place))
            return passed.pop_all()

    @asynccontextmanager
    async def _through(self, place: tuple[Hashable, int]) -> AsyncIterator[None]:
        gate = self._gates.setdefault(place, _Gate(asyncio.Semaphore(place[1])))
        gate.users += 1
        try:
            async with gate.free:
                yield
        finally:
            gate.users -= 1
            if not gate.users:
                del self._gates[place]
