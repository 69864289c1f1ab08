from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.daemons.fleet import FleetDaemon, fleet


@pytest.fixture(scope="session")
def agents() -> Iterator[FleetDaemon]:
    with fleet() as running:
        yield running
