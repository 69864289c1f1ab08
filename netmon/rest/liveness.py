"""Whether the process that took something on is still there to end it."""

import os
from pathlib import Path

PROC = Path("/proc")


def this_process() -> str:
    """Names this process beyond its number, which another one may get; empty where the system does not tell."""
    return _named(os.getpid())


def is_dead(process: str) -> bool:
    """Whether a process that `this_process` named has ended. Of one in another container or machine: no."""
    place, _, rest = process.rpartition(" ")
    pid, _, _ = rest.partition("@")
    if not place or not pid.isdigit() or place != _place():
        return False
    return _named(int(pid)) != process


def _place() -> str:
    """This boot of this machine and this space of process numbers."""
    try:
        return f"{(PROC / 'sys/kernel/random/boot_id').read_text().strip()} {os.stat(PROC / 'self/ns/pid').st_ino}"
    except OSError:
        return ""


def _named(pid: int) -> str:
    try:
        # The name in brackets may hold blanks; behind it stand the state and, as the 22nd of all, the start (proc(5)).
        state, *fields = (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ""
    place = _place()
    return f"{place} {pid}@{fields[18]}" if place and state not in ("Z", "X") else ""
