"""One session a device at a time, handed on to who waits for the same login, and to nobody else."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from monitoring import runner
from monitoring.lanes import NoTurn
from monitoring.modules import Collected, ssh_sessions
from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded
from netmon.drivers.targets import Secret
from tests.daemons import wait_until
from tests.daemons.bad_ssh import bad_ssh
from tests.daemons.sshd import Sshd, sshd

pytestmark = pytest.mark.integration


def side_by_side(*works: Any) -> list[Any]:
    """What each gives or raises; begun in this order, the next when the one before has its place in the line."""
    results: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        try:
            results[number] = works[number]()
        except AuthenticationFailed as error:
            results[number] = error

    threads = []
    for number in range(len(works)):
        threads.append(threading.Thread(target=run, args=(number,)))
        threads[-1].start()
        wait_until(lambda: users() > 0 or not threads[-1].is_alive(), what="a place in the line")
    for thread in threads:
        thread.join(30)
    return results


def users() -> int:
    return sum(line.users for line in ssh_sessions._lines.values())


def ask(target: Any) -> str:
    with ssh_sessions.borrow(target) as session:
        return session.execute("hello").stdout


def test_who_waits_for_the_same_login_gets_the_session() -> None:
    with bad_ssh() as server:
        target = server.target()
        held = threading.Event()

        def first() -> str:
            with ssh_sessions.borrow(target) as session:
                wait_until(lambda: users() == 2, what="somebody to wait")
                held.set()
                return session.execute("hello").stdout

        assert side_by_side(first, lambda: ask(target)) == ["ok hello\n", "ok hello\n"]
        assert held.is_set() and len(server.attempts) == 1, "one login for both"
    assert not ssh_sessions._lines, "nobody waits, nothing is kept"


def test_a_refused_password_is_not_tried_by_who_waited_and_spoils_no_other() -> None:
    with bad_ssh() as server:
        right, wrong = server.target(), server.target(password=Secret("wrong"))
        gate = threading.Event()

        def hold() -> str:
            with ssh_sessions.borrow(right) as session:
                gate.wait(20)
                return session.execute("hello").stdout

        works = [hold, *[lambda: ask(wrong)] * 2, *[lambda: ask(right)] * 2]

        def open_when_all_wait() -> None:
            wait_until(lambda: users() == len(works), what="all to wait")
            gate.set()

        opener = threading.Thread(target=open_when_all_wait)
        opener.start()
        results = side_by_side(*works)
        opener.join(20)
        assert [type(result).__name__ for result in results] == [
            "str", "AuthenticationFailed", "AuthenticationFailed", "str", "str",
        ]  # fmt: skip
        assert sum(password == "wrong" for _, _, password in server.attempts) == 1, "tried once for both"


def test_devices_behind_a_jump_host_share_what_it_allows(tmp_path: Path) -> None:
    """Real sessions through a real sshd: never more at once than its own limit."""
    addresses = [f"127.0.0.{number}" for number in range(2, 10)]
    with sshd(tmp_path, settings=[f"ListenAddress {address}" for address in addresses]) as server:
        hop = server.target(jump_sessions=2)
        inside, most, guard = 0, 0, threading.Lock()

        def collect(target: Any, context: Any) -> Collected:
            nonlocal inside, most
            with ssh_sessions.borrow(target) as session:
                with guard:
                    inside += 1
                    most = max(most, inside)
                assert session.execute("echo hello").stdout == "hello\n"
                with guard:
                    inside -= 1
            return Collected(collected_at=0.0, monotonic_at=0.0)

        targets = [server.target(address=address, jump=hop) for address in addresses]
        runs = [
            runner.Run(key=key, collect=collect, target=target, context={}, lane=ssh_sessions.lane_of(target))
            for key, target in enumerate(targets)
        ]
        results = list(runner.run(runs, deadline_seconds=40))
    assert [result.error for result in results if not result.collected] == []
    assert most <= 2


def test_one_deadline_for_finding_out_and_asking(server: Sshd) -> None:
    target = ssh_sessions.identified(server.target(deadline_seconds=20.0))
    assert (target.platform in ("linux", "frr", "vyos"), target.deadline_seconds < 20) == (True, True)
    with ssh_sessions.borrow(target) as session:
        assert session.execute("echo hello").stdout == "hello\n"


def test_what_hangs_while_it_is_found_out_is_slow_and_not_unknown() -> None:
    with bad_ssh("hang") as server:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            ssh_sessions.identified(server.target(deadline_seconds=1.5))
        assert time.monotonic() - started < 2.9, "a second login has no time of its own"


def test_who_waited_for_most_of_the_time_learns_nothing_of_the_device() -> None:
    with bad_ssh("hang") as server:
        target = server.target(deadline_seconds=2.0)
        gate, errors = threading.Event(), []

        def hold() -> None:
            with ssh_sessions._turn(target):
                gate.wait(20)

        def wait() -> None:
            with pytest.raises(NoTurn) as refused, ssh_sessions.borrow(target) as session:
                session.execute("hello")
            errors.append(refused.value)

        holder, waiter = threading.Thread(target=hold), threading.Thread(target=wait)
        holder.start()
        wait_until(lambda: users() == 1, what="the turn to be taken")
        started = time.monotonic()
        waiter.start()
        wait_until(lambda: time.monotonic() - started > 1.3, what="most of the time to pass")
        gate.set()
        holder.join(20)
        waiter.join(20)
        assert len(errors) == 1 and time.monotonic() - started < 3.5
        assert not ssh_sessions._lines


def test_a_refusal_on_the_way_stays_one_of_the_jump_host_for_who_waited() -> None:
    with bad_ssh() as hop, bad_ssh() as server:
        target = server.target(jump=hop.target(password=Secret("wrong")))

        def refused() -> AuthenticationFailed:
            with pytest.raises(AuthenticationFailed) as error:
                ask(target)
            return error.value

        found = side_by_side(refused, refused)
        assert [error.jumps for error in found] == [1, 1]
        assert not server.attempts
