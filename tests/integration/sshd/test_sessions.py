"""One session a device at a time, handed on to who waits for the same login, and to nobody else."""

import threading
from typing import Any

import pytest

from monitoring.modules import ssh_sessions
from netmon.drivers.errors import AuthenticationFailed
from netmon.drivers.targets import Secret
from tests.daemons import wait_until
from tests.daemons.bad_ssh import bad_ssh

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
