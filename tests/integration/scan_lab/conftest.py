"""One lab for each file of tests, and what they ask of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemons.claims import alone
from tests.daemons.scan_lab import ScanLab, scan_lab


@pytest.fixture(scope="module")
def lab() -> Iterator[ScanLab]:
    # The kernel has one table of neighbours for all namespaces: a sweep in another process would push ours out.
    with alone("neighbours"), scan_lab() as running:
        yield running


@pytest.fixture
def near(lab: ScanLab) -> Iterator[ScanLab]:
    """The lab, with the test standing where the scanner stands."""
    with lab.inside():
        yield lab
