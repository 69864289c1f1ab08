"""One SSH session per device at a time, handed on to whoever waits for the same device.

Several checks of a device fall due together. Side by side they would hold several of its few lines and log in several
times; one after another over one session they cost one login. Nobody waiting, the session ends: none is kept warm.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from netmon.drivers.errors import AuthenticationFailed, Busy
from netmon.drivers.ssh.session import Habits, SshSession, open_session
from netmon.drivers.targets import SshTarget


@dataclass(slots=True)
class _Line:
    """Those who want a session with one device; `session` is what the last one left for the next."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    session: SshSession | None = None
    target: SshTarget | None = None
    refused: AuthenticationFailed | None = None


_lines: dict[tuple[str, int], _Line] = {}
_guard = threading.Lock()


@contextmanager
def borrow(target: SshTarget, habits: Habits | None = None) -> Iterator[SshSession]:
    """The session of a device, for the time of a `with`; it is first waited for, at most the target's deadline.

    Raises DriverError as `open_session` does, Busy when others held the device all the time. Who waited while the
    device refused the same login is refused without asking again: every try counts towards a lock-out.
    """
    key = (target.address, target.port)
    with _guard:
        line = _lines.setdefault(key, _Line())
        line.users += 1
    started = time.monotonic()
    try:
        if not line.turn.acquire(timeout=target.deadline_seconds):
            raise Busy("Other checks held the session with this device all the time: poll it less often.")
        try:
            left = target.deadline_seconds - (time.monotonic() - started)
            yield from _turn(line, target, habits, max(left, 1.0))
        finally:
            line.turn.release()
    finally:
        with _guard:
            line.users -= 1
            if not line.users:
                _lines.pop(key, None)
                _hang_up(line)


def _turn(line: _Line, target: SshTarget, habits: Habits | None, seconds: float) -> Iterator[SshSession]:
    session = _taken(line, target, seconds)
    if session is None:
        try:
            session = open_session(replace(target, deadline_seconds=seconds), habits=habits)
        except AuthenticationFailed as error:
            line.refused, line.target = error, target
            raise
    is_good = False
    try:
        yield session
        is_good = True
    finally:
        # What raised in the middle may have left an answer on its way.
        if is_good and session.is_alive and line.users > 1:
            line.session, line.target = session, target
        else:
            session.close()


def _taken(line: _Line, target: SshTarget, seconds: float) -> SshSession | None:
    """What the one before left, if it was meant for the same login; raises its refusal."""
    is_same = line.target is not None and replace(line.target, deadline_seconds=seconds) == replace(
        target, deadline_seconds=seconds
    )
    if line.refused is not None and is_same:
        raise type(line.refused)(line.refused.detail)
    session, line.session = line.session, None
    if session is None:
        return None
    if not is_same or not session.is_alive:
        session.close()
        return None
    session.renew(seconds)
    return session


def _hang_up(line: _Line) -> None:
    if line.session is not None:
        line.session.close()
        line.session = None
