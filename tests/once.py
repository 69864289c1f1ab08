"""What costs seconds and is the same for every worker of a run: whoever comes first makes it, the others wait."""

import fcntl
from collections.abc import Callable
from pathlib import Path

from tests.stack import ROOT


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the run that `make` has filled."""
    directory = ROOT / name
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "made").exists():
            make(directory)
            (directory / "made").touch()
    return directory
