"""The first Ctrl-C asks, the second ends."""

import os
import signal
import threading

import pytest

from netmon.audit.context import acting, current
from netmon.common.interrupting import interrupts


def test_who_is_asked_may_wait_for_what_the_interrupted_code_holds() -> None:
    """A database connection, for example, is locked while a statement runs."""
    held, got = threading.Lock(), []
    with interrupts(lambda: got.append(held.acquire(timeout=10))), held:
        os.kill(os.getpid(), signal.SIGINT)
    assert got == [True]


def test_it_acts_for_the_same_person() -> None:
    said = []
    with acting(None, "command"), interrupts(lambda: said.append(current().via)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert said == ["command"]


def test_the_second_signal_ends_the_command() -> None:
    # A shell has its background jobs ignore it, and tests may be one.
    started_with = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _signal_twice()
    finally:
        signal.signal(signal.SIGINT, started_with)


def _signal_twice() -> None:
    before, said = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), interrupts(lambda: said.append(1)):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert said == [1]
    assert signal.getsignal(signal.SIGINT) is before
