"""One command on one exec channel: both streams are drained together, within limits of time and size."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass
from typing import Any

from netmon.drivers.ssh import failures
from netmon.drivers.ssh.link import Link

CHUNK = 1 << 16
CUT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Raw:
    """What a command wrote; `status` None means that its time ran out before it ended."""

    stdout: bytes
    stderr: bytes
    status: int | None


def execute(link: Link, line: str, *, seconds: float, is_fatal: bool) -> Raw:
    """Runs `line` on a channel of its own and returns what it wrote, once it has ended.

    After `seconds`, or once the link's limit of bytes is passed, nothing more is read. A command that hangs ends the
    link with DeadlineExceeded if `is_fatal`, else only its channel. Raises DriverError.
    """
    ends = time.monotonic() + link.clock.limit(seconds)
    try:
        channel = link.transport.open_session(timeout=link.clock.limit(seconds))
    except failures.WIRE_ERRORS as error:
        raise link.failure(failures.of_channel(error, seconds=seconds)) from None
    try:
        try:
            channel.exec_command(line)
        except failures.WIRE_ERRORS:
            # a connection that was cut closes its channels first, which looks like a refusal for a moment
            link.transport.join(CUT_SECONDS)
            is_refused = link.transport.is_active()
            raise link.failure(failures.no_exec() if is_refused else failures.cut()) from None
        raw = _drain(link, channel, ends)
        if raw.status is None:
            if is_fatal or not link.clock.remaining:
                link.close()
                raise link.failure(failures.command_timeout(seconds))
        elif raw.status < 0:
            raise link.failure(failures.cut())
        return raw
    finally:
        channel.close()


def _drain(link: Link, channel: Any, ends: float) -> Raw:
    """Reads both streams to their end. Reading one first would hang as soon as the other fills its window."""
    poller = select.poll()
    poller.register(channel.fileno(), select.POLLIN)  # readable when either stream has something, or has ended
    stdout, stderr = bytearray(), bytearray()
    while True:
        # looked at before reading, so that nothing that comes between is missed
        has_ended = channel.eof_received or channel.closed
        _take(link, channel.recv_ready, channel.recv, stdout)
        _take(link, channel.recv_stderr_ready, channel.recv_stderr, stderr)
        left = ends - time.monotonic()
        if has_ended:
            break
        if left <= 0 or (not poller.poll(left * 1000) and time.monotonic() >= ends):
            return Raw(bytes(stdout), bytes(stderr), None)
    # the status follows the end of the output; only then may one wait for it
    if not channel.status_event.wait(max(0.0, ends - time.monotonic())):
        return Raw(bytes(stdout), bytes(stderr), None)
    return Raw(bytes(stdout), bytes(stderr), channel.recv_exit_status())


def _take(link: Link, is_ready: Any, receive: Any, into: bytearray) -> None:
    while is_ready():
        chunk = receive(CHUNK)
        into += chunk
        link.count(len(chunk))
