"""One SSH session per device at a time, handed on to whoever waits for the same device.

Several checks of a device fall due together. Side by side they would hold several of its few lines and log in several
times; one after another over one session they cost one login. Nobody waiting, the session ends: none is kept warm.

A target's deadline is that of one poll: waiting for the turn, the way through the jump hosts, finding out what the
device is and asking it share it.
"""

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from monitoring.lanes import Lane, NoTurn
from netmon.drivers.errors import AuthenticationFailed, DeadlineExceeded, NotSupported
from netmon.drivers.ssh import failures
from netmon.drivers.ssh.detect import UNKNOWN, detect
from netmon.drivers.ssh.session import Habits, SshSession, open_session
from netmon.drivers.ssh.shell import ShellSession, open_shell
from netmon.drivers.targets import SSH_EXEC_PLATFORMS, SshTarget

SHORTEST_SECONDS = 0.05  # of a target


@dataclass(slots=True)
class _Line:
    """Those who want a session with one device; `session` is what the last one left for the next."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0
    session: SshSession | None = None
    target: SshTarget | None = None  # of the session
    refusals: list[tuple[SshTarget, AuthenticationFailed]] = field(default_factory=list)


_lines: dict[tuple[tuple[str, int], ...], _Line] = {}
_guard = threading.Lock()


@contextmanager
def borrow(target: SshTarget, habits: Habits | None = None) -> Iterator[SshSession]:
    """The session of a device, for the time of a `with`; it is first waited for, at most the target's deadline.

    Raises DriverError as `open_session` does, NoTurn when others held the device all the time. Who waited while the
    device refused the same login is refused without asking again: every try counts towards a lock-out.
    """
    with _turn(target) as (line, left):
        session = _left_by_others(line, left)
        if session is None:
            with _noting_refusal(line, left):
                session = open_session(left, habits=habits)
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


@contextmanager
def borrow_shell(target: SshTarget) -> Iterator[ShellSession]:
    """The same for a device that is asked in its interactive shell; such a session is not handed on."""
    with _turn(target) as (line, left):
        with _noting_refusal(line, left):
            session = open_shell(left)
        with session:
            yield session


def identified(target: SshTarget, remembered: str = "") -> SshTarget:
    """The target with its platform, never "auto", and with what is left of its deadline.

    The platform is that which is set, or found out before, or found out now. Raises DriverError; NotSupported when the
    device does not tell.
    """
    if target.platform != "auto":
        return target
    if remembered:
        return replace(target, platform=remembered)
    started = time.monotonic()
    with _turn(target) as (line, left), _noting_refusal(line, left):
        found = detect(left)
    if found.platform == UNKNOWN:
        raise NotSupported(f"What this device is could not be found out; set its platform. It says: {found.evidence}")
    seconds = target.deadline_seconds - (time.monotonic() - started)
    if seconds < SHORTEST_SECONDS:
        raise failures.deadline(target.deadline_seconds)
    return replace(target, platform=found.platform, deadline_seconds=seconds)


def lane_of(target: object) -> Lane | None:
    """How a run to this target gets past the others at its jump hosts; None where there are none."""
    if not isinstance(target, SshTarget) or target.jump is None:
        return None
    gates: list[tuple[Hashable, int]] = []
    host: SshTarget | None = target.jump
    while host is not None:
        gates.append((_way(host), host.jump_sessions))
        host = host.jump
    return Lane(_way(target), tuple(gates))


def is_shell(platform: str) -> bool:
    """Whether a platform is asked in its interactive shell."""
    return platform not in SSH_EXEC_PLATFORMS


@contextmanager
def _turn(target: SshTarget) -> Iterator[tuple[_Line, SshTarget]]:
    """Alone with the device; the target comes with the deadline that is left."""
    key = _way(target)
    with _guard:
        line = _lines.setdefault(key, _Line())
        line.users += 1
    started = time.monotonic()
    try:
        if not line.turn.acquire(timeout=target.deadline_seconds):
            raise NoTurn("Other checks held the session with this device all the time: poll it less often.")
        try:
            left = target.deadline_seconds - (time.monotonic() - started)
            if left < min(1.0, target.deadline_seconds / 2):  # too little for a login
                raise NoTurn("Other checks held the session with this device too long: poll it less often.")
            wanted = replace(target, deadline_seconds=max(left, SHORTEST_SECONDS))
            for refused, error in line.refusals:
                if _is_same(refused, wanted):
                    again = AuthenticationFailed(error.detail, reason=error.reason)
                    again.jumps = error.jumps
                    raise again
            try:
                yield line, wanted
            except DeadlineExceeded:
                if left < target.deadline_seconds / 2:  # we had kept it waiting: that says nothing of the device
                    raise NoTurn("Other checks held the session with this device most of the time.") from None
                raise
        finally:
            line.turn.release()
    finally:
        with _guard:
            line.users -= 1
            if not line.users:
                _lines.pop(key, None)
                if line.session is not None:
                    line.session.close()


@contextmanager
def _noting_refusal(line: _Line, target: SshTarget) -> Iterator[None]:
    try:
        yield
    except AuthenticationFailed as error:
        line.refusals.append((target, error))
        raise


def _way(target: SshTarget) -> tuple[tuple[str, int], ...]:
    """Who it is: one address behind two jump hosts is two devices."""
    own = ((target.address, target.port),)
    return own if target.jump is None else (*own, *_way(target.jump))


def _is_same(one: SshTarget | None, other: SshTarget) -> bool:
    """Whether it is the same login."""
    return one is not None and replace(one, deadline_seconds=other.deadline_seconds, platform=other.platform) == other


def _left_by_others(line: _Line, target: SshTarget) -> SshSession | None:
    """The session that the one before left, if it was for the same login."""
    session, line.session = line.session, None
    if session is None:
        return None
    if not _is_same(line.target, target) or not session.is_alive:
        session.close()
        return None
    session.renew(target.deadline_seconds)
    return session
