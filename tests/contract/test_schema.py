"""Everything but devices keeps to the OpenAPI file, for an admin and for an operator."""

import pytest

from monitoring.notifying import testing
from netmon.jobs import services as jobs
from tests import people
from tests.contract.schema_runner import DEVICES, RESOURCES, ROLES, try_resource

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("resource", [name for name in RESOURCES if name not in DEVICES])
def test_it_keeps_to_its_schema(resource: str, who: str, cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "wait", lambda job, seconds: job)  # no worker runs here
    sent = {"ok": True, "code": "250", "detail": "", "seconds": 0.1}
    monkeypatch.setattr(testing, "test_channel", lambda *args, **kwargs: sent)  # nothing leaves this process
    if failures := try_resource(resource, who, cast):
        pytest.fail("\n\n".join(failures), pytrace=False)
