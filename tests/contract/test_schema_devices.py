"""Devices keep to the OpenAPI file. A file of its own, so that another worker runs it."""

import pytest

from netmon.jobs import services as jobs
from tests import people
from tests.contract.schema_runner import ROLES, TRIED_DEVICES, try_resource

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("resource", TRIED_DEVICES)
def test_it_keeps_to_its_schema(resource: str, who: str, cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wait", lambda job, seconds: job)  # no worker runs here
    if failures := try_resource(resource, who, cast):
        pytest.fail("\n\n".join(failures), pytrace=False)
