"""What the tests of the pages of alerting share."""

from typing import Any

import pytest

from tests import alarms, factories, people


@pytest.fixture
def made(cast: people.Cast) -> dict[str, Any]:
    devices = {name: factories.make_flat(name=name, site=factories.make_site()) for name in ("core", "edge", "gate")}
    return alarms.make_alarms(devices, children=5, user=cast.omar)
