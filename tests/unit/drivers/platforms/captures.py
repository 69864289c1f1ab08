"""What real devices answered (tests/captures/ssh/PROVENANCE.md)."""

from __future__ import annotations

from pathlib import Path

from netmon.drivers.ssh.answers import Answer

ROOT = Path(__file__).parents[3] / "captures" / "ssh"


def capture(path: str, status: int = 0) -> Answer:
    """The answer in a file below tests/captures/ssh, with the standard error beside it."""
    file = ROOT / path
    error = file.with_name(file.name + ".stderr")
    stdout = file.read_text(encoding="utf-8") if file.exists() else ""
    return Answer(stdout, error.read_text(encoding="utf-8") if error.exists() else "", status)


def r1(name: str, status: int = 0) -> Answer:
    """Of router r1 at rest."""
    assert (ROOT / "converged/r1" / name).exists() or (ROOT / "converged/r1" / f"{name}.stderr").exists()
    return capture(f"converged/r1/{name}", status)
