"""Real daemons for integration tests: each on a free loopback port, ended by its pid, cleaned up always."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skips the test with `reason`; under CI it fails instead, since there a skipped test would go unnoticed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def require(binary: str) -> str:
    """The path of a program (the sbin directories are searched too), or a skip (under CI a failure)."""
    path = shutil.which(binary, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin")
    return path or missing(f"{binary} is not installed")


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, address: str = "127.0.0.1") -> int:
    """A port nobody listened on a moment ago."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])


def wait_until(condition: Callable[[], object], *, seconds: float = 10.0, what: str = "the condition") -> None:
    """Returns when `condition()` is true; fails with `what` after `seconds`.

    It asks less and less often, in the end four times a second: asking a product is work for the product.
    """
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true within {seconds:g} s")
        time.sleep(pause)
        pause = min(pause * 1.3, 0.25)


def end(process: subprocess.Popen[bytes], *, seconds: float = 5.0) -> None:
    """Ends a process we started: asks, then kills; waits for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(seconds)
