"""One run of a script: started by the guard, its output taken as it comes, its end waited for in every case."""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netmon.drivers.errors import LocalFault
from netmon.drivers.process.confinement import GUARD, Account
from netmon.drivers.process.files import Script

CHUNK = 1 << 16
TICK_SECONDS = 0.2
GRACE_SECONDS = 1.0
# Beyond timeout and grace, for the guard's own work.
LAST_RESORT_SECONDS = 10.0
LAST_BYTES = 1 << 20  # what is read at most of a pipe that somebody still holds
MAX_ARGUMENTS, MAX_ARGUMENT_BYTES, MAX_BYTES = 64, 4096, 65536
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use; time on the clock is `run`'s."""

    cpu_seconds: int = 60
    memory_bytes: int = 512 << 20
    open_files: int = 128
    file_bytes: int = 16 << 20
    processes: int = 64
    home_bytes: int = 64 << 20

    def resources(self, *, already: int) -> dict[str, int]:
        """As setrlimit names them; `already` are the processes that the account has by now."""
        return {
            "RLIMIT_CPU": self.cpu_seconds,
            "RLIMIT_AS": self.memory_bytes,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_FSIZE": self.file_bytes,
            "RLIMIT_NPROC": self.processes + already,
            "RLIMIT_CORE": 0,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `exit_code` is None where a signal ended it, whose name `signal` is.

    `killed_why` is empty, "timeout", "cancelled", or "cpu"; `left_behind` counts the processes that outlived the script
    and were ended.
    """

    exit_code: int | None
    signal: str
    killed_why: str
    is_truncated: bool
    total_bytes: int
    left_behind: int
    seconds: float
    has_namespace: bool
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Heard:
    """What the guard said so far."""

    raw: bytearray = field(default_factory=bytearray)

    def words(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in bytes(self.raw).splitlines():
            with contextlib.suppress(ValueError):
                found |= json.loads(line)
        return found


def run(
    script: Script,
    arguments: Sequence[str],
    *,
    account: Account,
    environment: Mapping[str, str],
    timeout_seconds: float,
    output_limit: int = CHUNK,
    limits: Limits | None = None,
    on_output: Callable[[bytes], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    wants_namespace: bool = True,
    scratch: Path | None = None,
) -> Outcome:
    """Run an open script with an argument list, and return when nothing of it is left.

    `on_output` gets the first `output_limit` bytes as they come; the rest is read and dropped. `is_cancelled` is asked
    some times a second. `environment` is all that the script gets beside PATH, HOME, TMPDIR and the locale. Raises
    ValueError for arguments that cannot be passed, and LocalFault where it could not be started.
    """
    check_arguments(arguments)
    limits = limits or Limits()
    started = time.monotonic()
    with _home(account, scratch) as home:
        config = {
            "fd": script.fd,
            "argv": [script.name, *arguments],
            "env": clean_environment(home) | dict(environment),
            "cwd": str(home),
            "uid": account.uid,
            "gid": account.gid,
            "limits": limits.resources(already=_processes_of(os.geteuid()) if account.uid is None else 0)
            | {"RLIMIT_CPU": max(1, min(limits.cpu_seconds, math.ceil(timeout_seconds)))},
            "home_bytes": limits.home_bytes,
            "timeout": timeout_seconds,
            "grace": GRACE_SECONDS,
            "namespace": wants_namespace,
        }
        said, total = _follow(config, script.fd, timeout_seconds, output_limit, on_output, is_cancelled)
    if "killed" in said:  # with its namespace, before anybody could ask for its status
        said.setdefault("status", said["killed"])
    if "status" not in said:
        detail = said.get("error", "its guard ended without a word")
        raise LocalFault(f"{script.name} could not be run: {_explained(said.get('errno', ''), detail)}", reason="start")
    if "error" in said:
        raise LocalFault(f"{script.name} could not be run: {_explained(said['errno'], said['error'])}", reason="start")
    return _outcome(said, total, output_limit, time.monotonic() - started)


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises ValueError for what no argument list can carry, or too much of it."""
    if len(arguments) > MAX_ARGUMENTS:
        raise ValueError(f"arguments: at most {MAX_ARGUMENTS}")
    for argument in arguments:
        if "\x00" in argument:
            raise ValueError("arguments: one holds a NUL character")
        if len(argument.encode()) > MAX_ARGUMENT_BYTES:
            raise ValueError(f"arguments: one is longer than {MAX_ARGUMENT_BYTES} bytes")
    if sum(len(argument.encode()) for argument in arguments) > MAX_BYTES:
        raise ValueError(f"arguments: more than {MAX_BYTES} bytes in all")


def clean_environment(home: Path | str) -> dict[str, str]:
    """All of the environment that is not asked for."""
    return {"PATH": PATH, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def _outcome(said: dict[str, Any], total: int, output_limit: int, seconds: float) -> Outcome:
    code = os.waitstatus_to_exitcode(said["status"])
    name = signal.Signals(-code).name if -code in set(signal.Signals) else (f"signal {-code}" if code < 0 else "")
    why = said.get("why", "")
    if not why and name == "SIGXCPU":
        why = "cpu"
    notes = []
    if said.get("left"):
        notes.append(f"{said['left']} processes that it had left behind were ended.")
    if said.get("lost"):
        notes.append(f"{said['lost']} processes could not be ended: look for them.")
    return Outcome(
        exit_code=code if code >= 0 else None,
        signal=name,
        killed_why=why,
        is_truncated=total > output_limit,
        total_bytes=total,
        left_behind=said.get("left", 0),
        seconds=round(seconds, 3),
        has_namespace=bool(said.get("namespace")),
        notes=tuple(notes),
    )


def _explained(code: str, detail: str) -> str:
    known = {
        "ENOENT": "the interpreter in its first line is not there",
        "ENOEXEC": "its first line names no interpreter (#!/bin/sh), and it is no program",
        "EACCES": "the account of actions may not run it, or its file system is mounted noexec",
        "EAGAIN": "the account of actions has too many processes",
        "ENOMEM": "it does not fit into its memory limit",
        "E2BIG": "its arguments are too long",
    }
    return f"{known.get(code, detail)}."


def _follow(
    config: dict[str, Any],
    script_fd: int,
    timeout: float,
    output_limit: int,
    on_output: Callable[[bytes], None] | None,
    is_cancelled: Callable[[], bool] | None,
) -> tuple[dict[str, Any], int]:
    """What the guard said, and how many bytes the script wrote."""
    hears, says = os.pipe()
    command = [sys.executable, "-I", "-S", str(GUARD), str(says)]
    try:
        guard = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={},
            cwd="/",
            pass_fds=(script_fd, says),
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        os.close(hears)
        raise LocalFault(f"No process could be started: {error.strerror}.", reason="start") from None
    finally:
        os.close(says)
    assert guard.stdin is not None and guard.stdout is not None
    heard, total = _Heard(), 0
    ends = time.monotonic() + timeout + GRACE_SECONDS + LAST_RESORT_SECONDS
    os.set_blocking(guard.stdout.fileno(), False)
    try:
        with contextlib.suppress(OSError):  # it is gone already: what it said tells why
            _write_all(guard.stdin.fileno(), json.dumps(config).encode() + b"\n")
        with selectors.DefaultSelector() as selector:
            selector.register(hears, selectors.EVENT_READ)
            selector.register(guard.stdout, selectors.EVENT_READ)
            asked = time.monotonic()
            while True:
                ready = {key.fd for key, _ in selector.select(TICK_SECONDS)}
                if guard.stdout.fileno() in ready:
                    chunk = os.read(guard.stdout.fileno(), CHUNK)
                    if not chunk:
                        selector.unregister(guard.stdout)
                    total += _take(chunk, total, output_limit, on_output)
                if hears in ready:
                    word = os.read(hears, CHUNK)
                    heard.raw += word
                    if not word:
                        break  # the guard has ended, and with it everything
                now = time.monotonic()
                if is_cancelled is not None and not guard.stdin.closed and now - asked >= TICK_SECONDS:
                    asked = now
                    if is_cancelled():
                        guard.stdin.close()
                if now > ends:
                    break
        total += _rest(guard.stdout.fileno(), total, output_limit, on_output)
    finally:
        # Also when the caller's functions raise: closing its input ends the script.
        os.close(hears)
        guard.stdin.close()
        try:
            guard.wait(GRACE_SECONDS + LAST_RESORT_SECONDS)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()
        guard.stdout.close()
    return heard.words(), total


def _take(chunk: bytes, total: int, limit: int, on_output: Callable[[bytes], None] | None) -> int:
    kept = chunk[: max(0, limit - total)]
    if kept and on_output is not None:
        on_output(kept)
    return len(chunk)


def _rest(fd: int, total: int, limit: int, on_output: Callable[[bytes], None] | None) -> int:
    """What stands in the pipe, and no more: somebody might hold it open."""
    read = 0
    with contextlib.suppress(BlockingIOError):
        while read < LAST_BYTES and (chunk := os.read(fd, CHUNK)):
            read += _take(chunk, total + read, limit, on_output)
    return read


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _processes_of(uid: int) -> int:
    """Threads count as well: the limit counts what the kernel does."""
    found = 0
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                if path.stat().st_uid == uid:
                    found += sum(1 for _ in (path / "task").iterdir())
    return found


@contextmanager
def _home(account: Account, scratch: Path | None) -> Iterator[Path]:
    """A directory of the script's own, gone with it."""
    path = Path(tempfile.mkdtemp(prefix="netmon-action-", dir=scratch)).resolve()
    try:
        if account.uid is not None and account.gid is not None:
            os.chown(path, account.uid, account.gid)
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    # A tree that is too deep for us is left to the system's cleaning of temporary files.
    with contextlib.suppress(OSError, RecursionError):
        # Root needs no unlocking, and would do it wherever a link leads.
        if os.geteuid() != 0 and not path.is_symlink():
            _unlock(path)
        shutil.rmtree(path, ignore_errors=True)
        if path.is_symlink():  # put where its home was
            path.unlink()


def _unlock(path: Path) -> None:
    """A script may have locked its own directories."""
    path.chmod(0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            if not os.path.islink(inner := os.path.join(folder, name)):
                os.chmod(inner, 0o700)
