"""A file run on a device, over a real sshd: copied, run, gone."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from netmon.drivers.ssh import open_session
from tests.daemons import wait_until
from tests.daemons.sshd import Sshd
from tests.unit.drivers.process.test_hostile import alive


def go(server: Sshd, body: str, *arguments: str, timeout: float = 20, **over: Any) -> tuple[Any, str]:
    pieces: list[bytes] = []
    with open_session(server.target(deadline_seconds=60)) as session:
        ran = session.run_file(
            b"#!/bin/sh\n" + body.encode(),
            arguments,
            timeout_seconds=timeout,
            **{"environment": {}, "output_limit": 65536, "on_output": pieces.append, **over},
        )
    return ran, b"".join(pieces).decode(errors="replace")


def test_it_is_copied_run_with_its_arguments_and_removed(server: Sshd) -> None:
    hostile = ["192.0.2.1", "--a=x; id $(id) `id`", "'\"\\", "*", "-rf", "é", "", "%s$HOME", "a&&b|c>d"]
    body = 'for a in "$@"; do printf "<%s>" "$a"; done; echo; pwd; stat -c %a "$0" .; umask; cat; exit 7'
    ran, text = go(server, body, *hostile)
    first, home, *rest = text.splitlines()
    assert first == "".join(f"<{one}>" for one in hostile)
    assert rest == ["700", "700", "0077"]
    assert (ran.exit_code, ran.killed_why, ran.is_truncated) == (7, "", False)
    wait_until(lambda: not Path(home).exists(), what="the private directory goes")


def test_the_environment_comes_without_a_trace(server: Sshd) -> None:
    secret = "hush 'quoted' $x\nsecond line"
    body = 'printf "%s" "$TOKEN" | wc -c; cat /proc/*/cmdline 2>/dev/null | tr "\\0" " " | grep -c "hus[h] .quoted"'
    _, text = go(server, body, environment={"TOKEN": secret})
    assert text.split() == [str(len(secret)), "0"]


def test_output_is_cut_and_time_is_bounded(server: Sshd) -> None:
    ran, text = go(server, "head -c 3000000 /dev/zero | tr '\\0' x", output_limit=1000)
    assert (len(text), ran.is_truncated, ran.total_bytes, ran.exit_code) == (1000, True, 3_000_000, 0)
    marker = f"slow-{os.getpid()}"
    ran, text = go(server, "trap '' TERM; echo begun; while :; do sleep 0.1; done", marker, timeout=0.5)
    assert ran.killed_why == "timeout" and text.startswith("begun")
    wait_until(lambda: alive(marker) == [], what="it is ended on the device")


def test_it_is_stopped_when_somebody_says_so(server: Sshd) -> None:
    begun, marker = threading.Event(), f"stopped-{os.getpid()}"
    ran, _ = go(
        server, "echo begun; while :; do sleep 0.1; done", marker,
        on_output=lambda raw: begun.set(), is_cancelled=begun.is_set,
    )  # fmt: skip
    assert ran.killed_why == "cancelled"
    wait_until(lambda: alive(marker) == [], what="it is ended on the device")


def test_a_child_that_keeps_the_pipe_does_not_hold_it_up(server: Sshd) -> None:
    ran, text = go(server, "sleep 5 & echo done")
    assert (ran.exit_code, text) == (0, "done\n")


def test_what_a_line_cannot_carry_is_refused(server: Sshd) -> None:
    with pytest.raises(ValueError, match="control characters"):
        go(server, "", "a\nb")
    with pytest.raises(ValueError, match="KiB"):
        go(server, "x" * 300_000)
