"""A discovery's SNMP agent, a real one, is asked what it is."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from inventory.models import Credential, TargetRule, Tenant
from netmon.audit.models import AuditEvent
from scanning.models import ScanExclusion, SeenHost
from scanning.services import identifying
from tests import factories, people, scans
from tests.daemons.snmpd import AUTH_PASSPHRASE, PRIV_PASSPHRASE, Agent, V3User, snmpd
from tests.unit.scanning.scenes import ended, host

pytestmark = [pytest.mark.django_db, pytest.mark.integration]
USER = V3User("SHA-256", "AES")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory, network: str) -> Iterator[Agent]:
    with snmpd(tmp_path_factory.mktemp("found"), address=f"{network}9", users=[USER], name="cam-yard") as agent:
        yield agent


@pytest.fixture
def found(agent: Agent) -> SeenHost:
    return scans.make_seen(address=agent.address)


def community(secret: str = "public", **over: Any) -> Credential:
    values = {"name": f"community {over}", "kind": "snmp_community", "secret": secret, **over}
    row = Credential(**values)
    row.full_clean()
    row.save()
    return row


def ask(client: APIClient, row: SeenHost, port: int) -> Any:
    return client.post(f"/api/v1/discoveries/{row.pk}/identify/", {"port": port})


def test_what_the_agent_says_becomes_the_guess(
    api: APIClient, cast: people.Cast, agent: Agent, found: SeenHost
) -> None:
    used = community(allowed_prefixes=[f"{agent.address}/32"])
    answer = ask(api, found, agent.port)
    body = answer.json()
    assert answer.status_code == 200, body
    assert body["system"]["sys_name"] == "cam-yard" and body["system"]["sys_object_id"].startswith("1.3.6.1.4.1.8072")
    assert "Its SNMP agent is of enterprise 8072" in body["evidence"] or "Its name is cam-yard" in body["evidence"]
    assert body["kind_guess"] in ("server", "camera") and body["proposed_name"] == "cam-yard"
    event = AuditEvent.objects.get(action="use", object_id=str(used.pk))
    assert agent.address in event.detail and event.username == cast.omar.username
    ended([host(agent.address, mac=found.mac_address)], target=agent.address)
    found.refresh_from_db()
    assert "Its SNMP agent is of enterprise 8072" in found.evidence, "the next scan remembers it"
    assert "cam-yard" in api.get(f"/discoveries/{found.pk}/").content.decode()


def test_the_third_version_is_spoken_too(api: APIClient, agent: Agent, found: SeenHost) -> None:
    community("wrong", allowed_prefixes=[f"{agent.address}/32"])
    row = Credential(
        name="usm", kind="snmp_usm", username=USER.name, secret=AUTH_PASSPHRASE, auth_protocol="SHA-256",
        priv_protocol="AES", priv_secret=PRIV_PASSPHRASE, allowed_prefixes=[f"{agent.address}/32"],
    )  # fmt: skip
    row.full_clean()
    row.save()
    assert ask(api, found, agent.port).json()["system"]["sys_name"] == "cam-yard"


def test_an_agent_that_does_not_answer_is_told(api: APIClient, agent: Agent, found: SeenHost) -> None:
    community("wrong", allowed_prefixes=[f"{agent.address}/32"])
    answer = ask(api, found, agent.port)
    assert answer.status_code in (502, 504) and f"No SNMP agent at {agent.address}" in answer.json()["detail"]
    found.refresh_from_db()
    assert found.system == {}


@pytest.fixture
def listening(agent: Agent) -> Iterator[socket.socket]:
    """Where a secret would arrive that must not be sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((agent.address, 0))
        sock.setblocking(False)
        yield sock


@pytest.mark.parametrize(
    "scope", ["none", "other prefix", "other tenant", "own tenant without a list", "of a device", "another kind"]
)
def test_a_credential_that_is_not_permitted_there_is_not_sent(
    scope: str, api: APIClient, agent: Agent, found: SeenHost, listening: socket.socket
) -> None:
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    SeenHost.objects.filter(pk=found.pk).update(tenant=ours)
    here = [f"{agent.address}/32"]
    if scope == "of a device":
        community(device=factories.make_device(name="other", tenant=ours), allowed_prefixes=here)
    elif scope == "another kind":
        Credential.objects.create(name="login", kind="password", username="x", secret="y", allowed_prefixes=here)
    else:
        over: dict[str, Any] = {
            "none": {}, "other prefix": {"allowed_prefixes": ["198.51.100.0/24"]},
            "other tenant": {"tenant": theirs, "allowed_prefixes": here}, "own tenant without a list": {"tenant": ours},
        }[scope]  # fmt: skip
        community(**over)
    answer = ask(api, found, listening.getsockname()[1])
    assert (answer.status_code, answer.json()["code"]) == (409, "no_credential")
    assert f"No SNMP credential may be sent to {agent.address}" in answer.json()["detail"]
    with pytest.raises(BlockingIOError):
        listening.recv(1)
    page = api.get(f"/discoveries/{found.pk}/").content.decode()
    assert "No SNMP credential may be sent to this address" in page and 'id="identify" type="submit" disabled' in page


def test_a_tenant_with_an_allow_list_admits_its_own_addresses(agent: Agent, found: SeenHost, cast: people.Cast) -> None:
    ours = Tenant.objects.create(name="ours", slug="ours")
    SeenHost.objects.filter(pk=found.pk).update(tenant=ours)
    found.refresh_from_db()
    community(tenant=ours)
    TargetRule.objects.create(tenant=ours, cidr="198.51.100.0/24", action="allow")
    assert identifying.permitted(found, user=cast.omar) == []
    TargetRule.objects.create(tenant=ours, cidr=f"{agent.address}/32", action="allow")
    assert len(identifying.permitted(found, user=cast.omar)) == 1


def test_an_excluded_host_and_a_device_are_not_asked(api: APIClient, agent: Agent, found: SeenHost) -> None:
    community(allowed_prefixes=[f"{agent.address}/32"])
    ScanExclusion.objects.create(cidr=f"{agent.address}/32")
    answer = ask(api, found, agent.port)
    assert answer.status_code == 409 and "excluded" in answer.json()["detail"]
    assert api.post(f"/api/v1/discoveries/{found.pk}/identify/", {"port": 0}).status_code == 400


def test_the_page_asks_at_the_usual_port(api: APIClient, agent: Agent, found: SeenHost) -> None:
    answer = api.post(f"/discoveries/{found.pk}/identify/", follow=True)
    assert "No SNMP credential may be sent to" in answer.content.decode()
