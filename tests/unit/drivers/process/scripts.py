"""Scripts that tests write and run under the guard."""

import os
from pathlib import Path
from typing import Any

import pytest

from netmon.drivers.process import Outcome, account_of, open_script, run
from netmon.drivers.process.confinement import may_have_namespace

IS_ROOT = os.geteuid() == 0
ME = (os.geteuid(), 0)
NAMESPACES = [True, False] if may_have_namespace() else [False]
WAYS = pytest.mark.parametrize("namespace", NAMESPACES, ids=lambda one: "namespace" if one else "subreaper")


def put(actions: Path, name: str, text: str, mode: int = 0o755) -> Path:
    path = actions / name
    path.write_text(text)
    path.chmod(mode)
    return path


class Ran:
    def __init__(self, outcome: Outcome, output: bytes) -> None:
        self.outcome, self.output = outcome, output
        self.text = output.decode(errors="replace")


def go(actions: Path, body: str, *arguments: str, namespace: bool = True, timeout: float = 20, **over: Any) -> Ran:
    """Run a script of the Bourne shell."""
    head = "" if body.startswith("#!") else "#!/bin/sh\n"
    put(actions, "script", head + body)
    pieces: list[bytes] = []
    with open_script(actions, "script", owners=ME) as script:
        outcome = run(
            script,
            arguments,
            account=over.pop("account", account_of("")),
            environment=over.pop("environment", {}),
            timeout_seconds=timeout,
            wants_namespace=namespace,
            on_output=pieces.append,
            **over,
        )
    return Ran(outcome, b"".join(pieces))


def alive(marker: str) -> list[str]:
    """Processes that have `marker` among their arguments."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if marker.encode() in words:
                found.append(path.name)
    return found
