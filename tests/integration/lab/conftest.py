"""One lab a test process."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

from tests.daemons import missing
from tests.daemons.lab import RoutedLab, is_permitted, routed_lab


@pytest.fixture(scope="session")
def lab_or_captures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedLab | None]:
    """A converged lab, or None where namespaces are not permitted: then captures are read. Under CI that fails."""
    reason = is_permitted()
    if reason:
        if os.environ.get("CI"):
            missing(reason)
        warnings.warn(f"no routed lab, captures are read instead: {reason}", stacklevel=1)
        yield None
        return
    with routed_lab(tmp_path_factory.mktemp("lab")) as running:
        running.wait_converged()
        yield running


@pytest.fixture
def lab(lab_or_captures: RoutedLab | None) -> Iterator[RoutedLab]:
    """The converged lab; mended and converged again before the next test that asks for it."""
    if lab_or_captures is None:
        missing(f"the routed lab is needed: {is_permitted()}")
    lab_or_captures.wait_converged()
    yield lab_or_captures
    lab_or_captures.repair()
