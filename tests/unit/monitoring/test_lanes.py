"""A host that many go through is not crowded, and who waits for it keeps nobody else from going."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from monitoring import runner
from monitoring.lanes import Lane, NoTurn
from monitoring.modules import Collected
from monitoring.modules.ssh_sessions import lane_of
from monitoring.runner import Run
from netmon.drivers.targets import Secret, SshTarget
from tests.daemons import wait_until

DONE = Collected(collected_at=0.0, monotonic_at=0.0)


class Work:
    """Runs that stay inside until `may_end` is set, counted."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.inside: list[object] = []
        self.most = 0
        self._guard = threading.Lock()

    def collect(self, target: object, context: Mapping[str, Any]) -> Collected:
        with self._guard:
            self.inside.append(target)
            self.most = max(self.most, len(set(self.inside)))
        self.may_end.wait(20)
        with self._guard:
            self.inside.remove(target)
        return DONE

    def run(self, key: int, device: object, *gates: tuple[str, int]) -> Run:
        return Run(key=key, collect=self.collect, target=device, context={}, lane=Lane(device, gates))


@pytest.fixture
def work() -> Any:
    work = Work()
    yield work
    work.may_end.set()
    wait_until(lambda: not work.inside, what="all to go")
    wait_until(lambda: not lanes_left(), what="nothing left of the lanes")


def lanes_left() -> int:
    lanes = runner._loop().lanes
    return len(lanes._crossings) + len(lanes._gates)


def in_background(runs: list[Run], seconds: float = 20.0) -> tuple[threading.Thread, list[runner.Result]]:
    found: list[runner.Result] = []
    thread = threading.Thread(target=lambda: found.extend(runner.run(runs, deadline_seconds=seconds)))
    thread.start()
    return thread, found


def test_forty_devices_behind_one_host_go_four_at_a_time_and_keep_no_thread_from_others(work: Work) -> None:
    thread, found = in_background([work.run(number, number, ("hop", 4)) for number in range(40)])
    wait_until(lambda: len(work.inside) == 4, what="four inside")
    others = [Run(key=key, collect=lambda *_: DONE, target=None, context={}) for key in range(60)]
    results = list(runner.run(others, deadline_seconds=5))
    assert len(results) == 60 and all(result.collected for result in results), "the others had threads"
    assert len(work.inside) == 4 and not found
    work.may_end.set()
    thread.join(20)
    assert (work.most, len(found), any(result.is_cut_off for result in found)) == (4, 40, False)


def test_checks_of_one_device_go_together_and_count_once(work: Work) -> None:
    runs = [work.run(number, number % 2, ("hop", 1)) for number in range(6)]
    thread, found = in_background(runs)
    wait_until(lambda: len(work.inside) == 3, what="the three of one device")
    assert len(set(work.inside)) == 1
    work.may_end.set()
    thread.join(20)
    assert (work.most, len(found)) == (1, 6)


def test_every_host_of_a_chain_counts(work: Work) -> None:
    near = [work.run(number, number, ("near", 2)) for number in range(4)]
    far = [work.run(number, number, ("far", 9), ("near", 2)) for number in range(4, 8)]
    thread, found = in_background([*far, *near])
    wait_until(lambda: len(work.inside) == 2, what="two inside")
    work.may_end.set()
    thread.join(20)
    assert (work.most, len(found)) == (2, 8)


def test_who_waits_to_the_end_is_put_back_and_leaves_its_place(work: Work) -> None:
    thread, _ = in_background([work.run(1, "first", ("hop", 1))])
    wait_until(lambda: len(work.inside) == 1, what="the first inside")
    (late,) = runner.run([work.run(2, "second", ("hop", 1))], deadline_seconds=0.2)
    assert late.is_cut_off, "it is no verdict about the device"
    work.may_end.set()
    thread.join(20)
    (again,) = runner.run([work.run(3, "third", ("hop", 1))], deadline_seconds=5)
    assert again.collected


def test_no_turn_is_no_verdict() -> None:
    def collect(target: object, context: Mapping[str, Any]) -> Collected:
        raise NoTurn("Others were there.")

    (result,) = runner.run([Run(key=1, collect=collect, target=None, context={})], deadline_seconds=5)
    assert result.is_cut_off


def test_a_thread_that_overstays_is_cut_off_and_what_it_brings_later_is_dropped(work: Work) -> None:
    slow = Run(key=1, collect=work.collect, target="slow", context={})
    quick = Run(key=2, collect=lambda *_: DONE, target=None, context={})
    started = time.monotonic()
    found = {result.key: result for result in runner.run([slow, quick], deadline_seconds=1.2)}
    assert time.monotonic() - started < 1.2 + runner.OVERTIME_SECONDS + 2
    assert found[1].is_cut_off and found[2].collected
    batches = list(runner.run_in_batches([slow, quick], deadline_seconds=1.2, size=10))
    assert sorted(result.key for batch in batches for result in batch) == [1, 2]


def test_the_lane_of_a_target_names_its_jump_hosts_and_what_each_allows() -> None:
    def at(address: str, **over: Any) -> SshTarget:
        return SshTarget(address=address, username="netmon", password=Secret("x"), **over)

    far = at("192.0.2.1", jump_sessions=2)
    near = at("10.0.0.1", jump=far)
    one, other = lane_of(at("10.1.0.1", jump=near)), lane_of(at("10.1.0.2", jump=near))
    assert one is not None and other is not None
    assert one.gates == other.gates and one.key != other.key
    assert [width for _, width in one.gates] == [4, 2]
    assert lane_of(far) is None and lane_of(object()) is None
