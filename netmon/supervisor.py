"""One process tree: starts the processes, restarts those that die, stops them all, leaves no orphan."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from netmon.processes import Process, working_dir

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
STEADY_SECONDS = 30.0  # a child that lived this long begins its back-off anew
STOP_SECONDS = 20.0
PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    process: Process
    popen: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    wait: float = FIRST_WAIT
    restart_at: float = 0.0
    restarts: int = field(default=0)


def _die_with_parent(parent: int) -> None:
    """In the child, before exec: the kernel sends SIGTERM when the supervisor is gone, however it went (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before prctl
            os.kill(os.getpid(), signal.SIGTERM)


class Supervisor:
    def __init__(self, processes: Sequence[Process]) -> None:
        self.children = [Child(process) for process in processes]
        self.stopping = False

    def run(self) -> int:
        """Until SIGINT or SIGTERM. Returns an exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        for child in self.children:
            self._start(child)
        while not self.stopping:
            self._look_after_children()
            time.sleep(0.2)
        return self._stop_all()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _start(self, child: Child) -> None:
        environment = {
            **os.environ,
            "TMPDIR": str(working_dir()),
            "NETMON_SUPERVISED": child.process.name,
            # Whoever starts netmon as root has been told by the documentation, not at every start.
            "PYTHONWARNINGS": "ignore:You're running the worker with superuser",
        }
        parent = os.getpid()
        child.popen = subprocess.Popen(  # noqa: S603 - our own argument lists, no shell
            child.process.argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops them in order
            preexec_fn=lambda: _die_with_parent(parent),
        )
        child.started_at = time.monotonic()

    def _look_after_children(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.popen is None:
                if now >= child.restart_at:
                    self._start(child)
                continue
            code = child.popen.poll()
            if code is None:
                continue
            # Its own children may still hold the port or the queue.
            _kill_group(child.popen.pid)
            child.popen = None
            child.wait = FIRST_WAIT if now - child.started_at > STEADY_SECONDS else min(child.wait * 2, LONGEST_WAIT)
            child.restarts += 1
            child.restart_at = now + child.wait
            log.error("%s ended with %s; it starts again in %.0f s", child.process.name, _ended(code), child.wait)

    def _stop_all(self) -> int:
        deadline = time.monotonic() + STOP_SECONDS
        clean = True
        for child in sorted(self.children, key=lambda child: child.process.stop_order):
            if child.popen is None:
                continue
            child.popen.terminate()
            try:
                child.popen.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                clean = False
                log.error("%s did not stop in time", child.process.name)
            _kill_group(child.popen.pid)
            child.popen.wait()
        return 0 if clean else 1


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # nobody left
        os.killpg(pid, signal.SIGKILL)


def _ended(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
