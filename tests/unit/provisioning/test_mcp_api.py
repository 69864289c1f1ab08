"""mcp/provision/ and mcp/decommission/: as vms/ does it, in two envelopes."""

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from netmon.audit.models import AuditEvent
from provisioning.models import ConfigChange, Vm
from tests import people
from tests.unit.mcp.conftest import key_of
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)
PROVISION, DECOMMISSION = "/api/v1/mcp/provision/", "/api/v1/mcp/decommission/"


@pytest.fixture
def site(settings: Any) -> Iterator[Site]:
    settings.ALLOW_LOOPBACK = True
    with site_of() as site:
        yield site


def ask(api: APIClient, path: str, context: Any = None, **given: Any) -> Any:
    return api.post(path, {"context": context or {}, "input": given}, format="json")


def test_a_machine_comes_and_goes(site: Site, api: APIClient) -> None:
    made = ask(api, PROVISION, vm_name="web-1", ports=["ssh"])
    assert made.status_code == 202 and made.json()["context"] == {"status": "queued"}
    output = made.json()["output"]
    assert (output["machine_id"], output["external_ports"]) == ("web-1", {"ssh": 32000})
    assert made["Location"].endswith(f"/config-changes/{output['change']['id']}/")
    site.work()
    again = ask(api, PROVISION, vm_name="web-1", ports=["ssh"])
    assert again.status_code == 200 and again.json()["context"] == {"status": "unchanged"}
    assert again.json()["output"]["internal_ip"] == output["internal_ip"]
    gone = ask(api, DECOMMISSION, vm_name="web-1")
    assert gone.status_code == 202 and gone.json()["context"] == {"status": "queued"}
    site.work()
    assert not Vm.objects.exists() and not site.rules()
    for action in ("provision", "decommission"):
        event = AuditEvent.objects.get(action=action, object_type="provisioning.vm")
        assert event.user_id is not None and event.object_name == "web-1"


def test_a_plan_is_seen_and_confirmed(site: Site, api: APIClient) -> None:
    planned = ask(api, PROVISION, {"dry_run": True}, vm_name="web-1").json()
    assert planned["context"] == {"status": "planned"} and planned["output"]["change"] is None
    assert not Vm.objects.exists()
    done = ask(api, PROVISION, vm_name="web-1", confirm=planned["output"]["digest"])
    assert done.status_code == 202
    assert ConfigChange.objects.get().is_approved
    site.work()
    stale = ask(api, DECOMMISSION, vm_name="web-1", confirm="0" * 64)
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_plan")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/input"),
        ({"input": {}}, "/input/vm_name"),
        ({"input": {"vm_name": "no_underscores"}}, "/input/vm_name"),
        ({"input": {"vm_name": "web-1", "prots": []}}, "/input/prots"),
        ({"input": {"vm_name": "web-1"}, "contxt": {}}, "/contxt"),
        ({"input": {"vm_name": "web-1"}, "context": {"wait": 31}}, "/context/wait"),
        ({"input": {"vm_name": "web-1"}, "context": {"dry_run": "yes"}}, "/context/dry_run"),
        ({"input": {"vm_name": "web-1", "confirm": "yes"}}, "/input/confirm"),
    ],
)
@pytest.mark.parametrize("path", [PROVISION, DECOMMISSION])
def test_what_is_wrong_is_pointed_at(api: APIClient, path: str, body: Any, pointer: str) -> None:
    answer = api.post(path, body, format="json")
    assert answer.status_code == 400, answer.content
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_rights_are_those_of_machines(site: Site, cast: people.Cast) -> None:
    site.provision("web-1")
    viewer = people.client_for(cast.vera)
    for path in (PROVISION, DECOMMISSION):
        refused = ask(viewer, path, vm_name="web-1")
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    scoped = APIClient()
    scoped.credentials(HTTP_X_API_KEY=key_of(cast.omar, "inventory:write"))
    assert ask(scoped, PROVISION, vm_name="new").json()["code"] == "scope_missing"
    own = APIClient()
    own.credentials(HTTP_X_API_KEY=key_of(cast.omar, "vms:write"))
    assert ask(own, DECOMMISSION, vm_name="web-1").status_code == 404, "a key for machines sees its owner's"
    assert Vm.objects.count() == 1


def test_a_request_that_comes_twice_is_done_once(site: Site, api: APIClient) -> None:
    body = {"input": {"vm_name": "web-1"}}
    first, second = (api.post(PROVISION, body, format="json", HTTP_IDEMPOTENCY_KEY="one") for _ in range(2))
    assert first.content == second.content and second["Idempotency-Replayed"] == "true"
    assert ConfigChange.objects.count() == 1
