"""Running a file on a device: copied to a fresh private path, run with arguments, removed; over one exec channel.

The device gets one line of ours for its shell. The file and the environment follow on stdin, so that neither stands in
a list of processes; the end of stdin stops what runs. Nothing but a POSIX shell, mktemp and dd is asked of the device.
"""

from __future__ import annotations

import contextlib
import select
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from netmon.drivers.errors import NotSupported
from netmon.drivers.ssh import failures
from netmon.drivers.ssh.link import Link

CHUNK = 1 << 15
MAX_FILE_BYTES = 256 << 10
TICK_SECONDS = 0.2
GRACE_SECONDS = 3.0
NO_ROOM = 125  # of our line: no private directory, or no room in it

# The shell itself says "Terminated" of a script that was stopped, where its own errors are heard.
# {e}: bytes of environment, {f}: bytes of the file, {s}: seconds, {a}: arguments. What reads stdin must not read ahead.
LINE = (
    "umask 077; LC_ALL=C; export LC_ALL; "
    'd=$(mktemp -d "${{TMPDIR:-/tmp}}/netmon.XXXXXXXXXX") || exit 125; '
    "trap 'rm -rf \"$d\"' EXIT; trap 'exit 125' HUP INT TERM; "
    "v=$(dd bs=1 count={e} 2>/dev/null); "
    'dd bs=1 count={f} of="$d/action" 2>/dev/null && chmod 700 "$d/action" || exit 125; '
    'cd "$d" || exit 125; HOME=$d; TMPDIR=$d; export HOME TMPDIR; eval "$v"; v=; '
    "t=; if command -v timeout >/dev/null 2>&1; then t=timeout; fi; "
    "g=; if command -v setsid >/dev/null 2>&1; then g=setsid; fi; "
    "exec 3<&0; "
    '$g ${{t:+timeout {s}}} "$d/action" {a} </dev/null 3<&- & p=$!; '
    "k() {{ kill -$1 -$p || kill -$1 $p; }}; "
    "(cat <&3; k TERM; sleep 1; k KILL) >/dev/null 2>&1 & w=$!; "
    "exec 3<&-; wait $p 2>/dev/null; r=$?; kill $w 2>/dev/null; exit $r"
)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a file ended on a device. `exit_code` None: it was not heard of; `killed_why` as with local runs."""

    exit_code: int | None
    killed_why: str
    is_truncated: bool
    total_bytes: int
    seconds: float


def line_for(arguments: Sequence[str], *, environment_bytes: int, file_bytes: int, timeout_seconds: float) -> str:
    """What the login shell gets: each argument quoted by us. Raises ValueError for control characters."""
    for argument in arguments:
        if not argument.isprintable():
            raise ValueError("arguments: one holds control characters, which no shell line carries")
    words = LINE.format(
        e=environment_bytes,
        f=file_bytes,
        s=max(1, round(timeout_seconds + GRACE_SECONDS)),
        a=shlex.join(arguments),
    )
    return "exec sh -c " + shlex.quote(words)


def run_file(
    link: Link,
    content: bytes,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    timeout_seconds: float,
    output_limit: int,
    on_output: Callable[[bytes], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Ran:
    """Run `content` as a program on the device and return when it has ended, or its time is over.

    Raises DriverError, and ValueError for what cannot be passed.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"script: more than {MAX_FILE_BYTES >> 10} KiB are not sent to a device")
    exports = "".join(f"{name}={shlex.quote(value)}; export {name}\n" for name, value in environment.items()).encode()
    line = line_for(arguments, environment_bytes=len(exports), file_bytes=len(content), timeout_seconds=timeout_seconds)
    started = time.monotonic()
    seconds = link.clock.limit(link.target.command_timeout_seconds)
    try:
        channel = link.transport.open_session(timeout=seconds)
    except failures.WIRE_ERRORS as error:
        raise link.failure(failures.of_channel(error, seconds=seconds)) from None
    try:
        channel.set_combine_stderr(True)
        try:
            channel.exec_command(line)
            channel.settimeout(seconds)
            channel.sendall(exports + content)
            channel.settimeout(0.0)
        except failures.WIRE_ERRORS:
            if link.transport.is_active():
                raise NotSupported(
                    "The device took no file: its account may not run a shell.", reason="no-exec"
                ) from None
            raise link.failure(failures.cut()) from None
        total, why = _drain(link, channel, timeout_seconds, output_limit, on_output, is_cancelled)
        code = channel.recv_exit_status() if channel.status_event.is_set() else None
        if (code is None or code < 0) and not why:
            raise link.failure(failures.cut())
        return Ran(code, why, total > output_limit, total, round(time.monotonic() - started, 3))
    finally:
        with contextlib.suppress(*failures.WIRE_ERRORS):
            channel.close()


def _drain(
    link: Link,
    channel: Any,
    timeout: float,
    limit: int,
    on_output: Callable[[bytes], None] | None,
    is_cancelled: Callable[[], bool] | None,
) -> tuple[int, str]:
    """How many bytes came, and why it was stopped. What a child of it still holds open is not waited for."""
    poller = select.poll()
    poller.register(channel.fileno(), select.POLLIN)
    ends, why, total = time.monotonic() + timeout, "", 0
    while True:
        has_ended = channel.status_event.is_set() or channel.closed
        while channel.recv_ready():
            chunk = channel.recv(CHUNK)
            kept = chunk[: max(0, limit - total)]
            total += len(chunk)
            if kept and on_output is not None:
                on_output(kept)
            if time.monotonic() >= ends:
                break
        if has_ended or not link.is_alive:
            return total, why
        if not why and is_cancelled is not None and is_cancelled():
            why = "cancelled"
        elif not why and time.monotonic() >= ends:
            why = "timeout"
        elif why and time.monotonic() >= ends:
            return total, why
        else:
            poller.poll(TICK_SECONDS * 1000)
            continue
        ends = time.monotonic() + GRACE_SECONDS
        with contextlib.suppress(*failures.WIRE_ERRORS):
            channel.shutdown_write()  # the end of its input ends it
