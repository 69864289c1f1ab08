"""Runs many collects at once: the only place that starts an event loop. No database here.

One loop lives in a thread of its own for the life of the process, so that drivers may keep sockets and derived keys
between runs, and so that a cap on requests in flight is a cap for the whole process. A collect that is a plain function
(SSH) gets one of THREADS threads: that many sessions, and logins at an AAA server, are the most at any moment. One that
has to wait for others on its way (`lanes`) takes no thread before its turn.
"""

import asyncio
import dataclasses
import inspect
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from monitoring.lanes import Lane, Lanes, NoTurn
from monitoring.modules import Collect, Collected
from netmon.drivers.errors import DeadlineExceeded, DriverError

log = logging.getLogger(__name__)

WIDTH = 200
THREADS = 20
# Less than this is not worth a login.
SHORTEST_SECONDS = 1.0
LINGER_SECONDS = 0.5
# What a thread may need beyond its deadline to come home.
OVERTIME_SECONDS = 0.5
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One collect to do. `key` comes back with its result."""

    key: int
    collect: Collect
    target: Any
    context: Mapping[str, Any]
    lane: Lane | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a run: exactly one of `collected`, `error` (a DriverError or a bug of ours), or neither: cut off."""

    key: int
    collected: Collected | None = None
    error: Exception | None = None
    duration_ms: float = 0.0

    @property
    def is_cut_off(self) -> bool:
        return self.collected is None and self.error is None


class _Loop:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.width = asyncio.Semaphore(WIDTH)
        self.lanes = Lanes()
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="netmon-collect")
        threading.Thread(target=self._serve, name="netmon-runner", daemon=True).start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


_current: _Loop | None = None
_lock = threading.Lock()


def _loop() -> _Loop:
    global _current
    with _lock:
        # A forked child has the parent's object but not its thread.
        if _current is None or _current.pid != os.getpid():
            _current = _Loop()
        return _current


class _Coming:
    """What comes of some runs: one result of each. What is not there at the deadline is cut off, whatever its thread
    still does: nobody waits for it, and what it brings home later is dropped."""

    def __init__(self, runs: Sequence[Run], deadline_seconds: float) -> None:
        holder = _loop()
        self.left = {entry.key for entry in runs}
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._started = time.monotonic()
        end = self._started + deadline_seconds
        self._end = end + OVERTIME_SECONDS
        for entry in runs:
            asyncio.run_coroutine_threadsafe(_one(entry, holder, end, self._results), holder.loop)

    def get(self, until: float = math.inf) -> Result | None:
        """The next one; None when there is none by `until`."""
        while True:
            try:
                found = self._results.get(timeout=max(0.0, min(until, self._end) - time.monotonic()))
            except queue.Empty:
                if time.monotonic() < self._end:
                    return None
                return Result(key=self.left.pop(), duration_ms=_since(self._started))
            if found.key in self.left:
                self.left.discard(found.key)
                return found


def run(runs: Sequence[Run], *, deadline_seconds: float) -> Iterator[Result]:
    """Results as they come; every run gives exactly one. What the deadline cuts off is neither good nor bad."""
    coming = _Coming(runs, deadline_seconds)
    while coming.left:
        if (result := coming.get()) is not None:
            yield result


def run_in_batches(runs: Sequence[Run], *, deadline_seconds: float, size: int) -> Iterator[list[Result]]:
    """The same in batches of at most `size`.

    A batch goes LINGER_SECONDS after its first result: who answers must not wait for the retries of who is silent.
    """
    coming = _Coming(runs, deadline_seconds)
    while coming.left:
        batch: list[Result] = []
        until = math.inf
        while coming.left and len(batch) < size and (result := coming.get(until)) is not None:
            if not batch:
                until = time.monotonic() + LINGER_SECONDS
            batch.append(result)
        if batch:
            yield batch


async def _one(entry: Run, holder: _Loop, end: float, results: "queue.SimpleQueue[Result]") -> None:
    started = time.monotonic()
    try:
        if inspect.iscoroutinefunction(entry.collect):
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + end - started), holder.width:
                started = time.monotonic()
                coming: Any = entry.collect(entry.target, entry.context)
                collected = await coming
        else:
            until = asyncio.get_running_loop().time() + end - started
            async with holder.lanes.crossing(entry.lane, until=until):
                # Nothing stops a thread: it stops itself at the deadline that it is given.
                started, collected = await holder.loop.run_in_executor(holder.threads, _in_thread, entry, end, started)
        result = Result(key=entry.key, collected=collected, duration_ms=_since(started))
    except TimeoutError:
        result = Result(key=entry.key, duration_ms=_since(started))
    except DriverError as error:
        result = Result(key=entry.key, error=error, duration_ms=_since(started))
    except Exception as error:  # noqa: BLE001 - a bug in one module must not end the others; the poll re-raises it
        result = Result(key=entry.key, error=error, duration_ms=_since(started))
    results.put(result)


def _in_thread(entry: Run, end: float, queued: float) -> tuple[float, Collected]:
    """Raises TimeoutError when its turn came too late, or not at all; else what the module raises."""
    started = time.monotonic()
    left, given = end - started, end - queued
    if left < SHORTEST_SECONDS:
        raise TimeoutError
    target, own = entry.target, getattr(entry.target, "deadline_seconds", 0.0)
    if own > left:
        target = dataclasses.replace(target, deadline_seconds=left)
    try:
        collected = entry.collect(target, entry.context)
    except NoTurn:
        raise TimeoutError from None
    except DeadlineExceeded:
        if left < min(own, given) / 2:  # we had kept it waiting: that is no verdict about the device
            raise TimeoutError from None
        raise
    assert not isinstance(collected, Awaitable)
    return started, collected


def _since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 3)


def call(
    collect: Collect, target: Any, context: Mapping[str, Any], *, deadline_seconds: float, lane: Lane | None = None
) -> Collected:
    """One collect, for commands and tests. Raises what the module raises, DeadlineExceeded at the deadline."""
    wanted = Run(key=0, collect=collect, target=target, context=context, lane=lane)
    (result,) = run([wanted], deadline_seconds=deadline_seconds)
    if result.error:
        raise result.error
    if result.collected is None:
        raise DeadlineExceeded(f"No complete answer within {deadline_seconds:g} s.")
    return result.collected


def wait_for(question: Coroutine[Any, Any, Answer], *, deadline_seconds: float) -> Answer:
    """One coroutine of a driver, such as a name to resolve. Raises what it raises, DeadlineExceeded at the deadline."""
    future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(question, deadline_seconds), _loop().loop)
    try:
        return future.result()
    except TimeoutError:
        raise DeadlineExceeded(f"No complete answer within {deadline_seconds:g} s.") from None
