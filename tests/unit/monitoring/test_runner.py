"""The runner: every run gives one result, and nobody waits for the silent."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from monitoring import runner
from monitoring.modules import Collected
from monitoring.runner import Run
from netmon.drivers.errors import DeadlineExceeded, DriverError, Unreachable


async def collect(seconds: float, context: Mapping[str, Any]) -> Collected:
    await asyncio.sleep(seconds)
    if seconds < 0:
        raise Unreachable("No way.")
    return Collected(collected_at=0.0, monotonic_at=0.0)


def runs(*seconds: float) -> list[Run]:
    return [Run(key=key, collect=collect, target=wait, context={}) for key, wait in enumerate(seconds)]


def test_the_quick_do_not_wait_for_the_slow() -> None:
    started = time.monotonic()
    came = runner.run_in_batches(runs(0, 3, 0, 0.1), deadline_seconds=10, size=50)
    first = next(came)
    assert time.monotonic() - started < 2
    assert {result.key for result in first} == {0, 2, 3}
    assert [[result.key for result in batch] for batch in came] == [[1]]


def test_batches_hold_everything_once_and_no_more_than_their_size() -> None:
    batches = list(runner.run_in_batches(runs(*[0] * 25), deadline_seconds=10, size=10))
    assert max(map(len, batches)) <= 10
    assert sorted(result.key for batch in batches for result in batch) == list(range(25))
    assert list(runner.run_in_batches([], deadline_seconds=1, size=10)) == []


def test_the_deadline_cuts_off_without_a_verdict() -> None:
    ((slow, failed),) = [
        sorted(batch, key=lambda result: result.key)
        for batch in runner.run_in_batches(runs(5, -1), deadline_seconds=0.2, size=10)
    ]
    assert slow.is_cut_off and isinstance(failed.error, Unreachable)


def test_waiting_for_a_question_ends_at_its_deadline() -> None:
    async def answer() -> int:
        return 42

    assert runner.wait_for(answer(), deadline_seconds=1) == 42
    with pytest.raises(DeadlineExceeded):
        runner.wait_for(asyncio.sleep(5), deadline_seconds=0.05)
    with pytest.raises(DriverError, match="No way"):
        runner.wait_for(collect(-1, {}), deadline_seconds=1)


def test_a_device_that_is_silent_in_its_thread_is_a_verdict_and_one_that_we_kept_waiting_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A short interval leaves less than the target's own deadline: that is the device's time all the same."""

    @dataclass(frozen=True)
    class Target:
        deadline_seconds: float = 50.0

    def silent(target: Target, context: object) -> Collected:
        raise DeadlineExceeded(f"nothing within {target.deadline_seconds:g} s")

    run = runner.Run(key=1, collect=silent, target=Target(), context={})
    (result,) = runner.run([run], deadline_seconds=10.0)
    assert isinstance(result.error, DeadlineExceeded)
    monkeypatch.setattr(runner, "_in_thread", partial(late, runner._in_thread))
    (result,) = runner.run([run], deadline_seconds=10.0)
    assert result.is_cut_off, "it had waited in the queue for most of the time"


def late(in_thread: Any, entry: Any, end: float, queued: float) -> Any:
    return in_thread(entry, end, queued - 20.0)
