import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A directory that every account comes to: those above `tmp_path` are closed to others."""
    with tempfile.TemporaryDirectory(prefix="netmon-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name).resolve()


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    path = tmp_path / "actions"
    path.mkdir(mode=0o755)
    return path
