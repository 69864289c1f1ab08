"""The pages of machines at a simulated router: the plan that is seen is the one that is sent, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from provisioning.models import ConfigChange, Vm
from tests import people
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "/vms/provision/"


@pytest.fixture
def site() -> Iterator[Site]:
    with site_of(lan_interface="eth1", external_address="203.0.113.1") as found:
        yield found


@pytest.fixture
def client(site: Site, cast: people.Cast, _clean_cache: None) -> Any:
    return people.client_for(cast.omar)


def ports(*rows: dict[str, Any]) -> dict[str, Any]:
    """The fields of a form with these ports."""
    found: dict[str, Any] = {"ports-TOTAL_FORMS": len(rows), "ports-INITIAL_FORMS": 0}
    for number, row in enumerate(rows):
        found |= {f"ports-{number}-{name}": value for name, value in {"protocol": "tcp", **row}.items()}
    return found


def text_of(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, (answer.status_code, answer.content[:800])
    return str(answer.content.decode())


def digest_of(text: str) -> str:
    found = re.search(r'name="digest" value="([0-9a-f]{64})"', text)
    assert found is not None, text[-3000:]
    return found.group(1)


def machine(name: str = "web-1", **over: Any) -> dict[str, Any]:
    return {"vm_name": name, **ports({"name": "ssh", "internal_port": 22}), **over}


def test_the_seen_plan_is_sent(site: Site, client: Any) -> None:
    text = text_of(client.post(FORM, {**machine(), "do": "plan"}))
    assert "192.168.66.10" in text and "32000 → 22" in text and "destination rule 10000" in text
    assert not Vm.objects.exists() and not ConfigChange.objects.exists(), "a plan writes nothing"
    answer = client.post(FORM, {**machine(), "do": "apply", "digest": digest_of(text)})
    change = ConfigChange.objects.get()
    assert answer.status_code == 302 and answer["Location"] == f"/changes/{change.pk}/"
    assert change.is_approved and change.digest == digest_of(text) and change.via == "page"
    site.work()
    page = text_of(client.get(answer["Location"]))
    assert "Applied" in page and "survives a reboot" in page and set(site.rules()) == {"10000"}
    again = text_of(client.post(FORM, {**machine(), "do": "plan"}))
    assert "is there just so" in again and "Apply exactly" not in again


def test_a_stale_plan_is_not_sent_and_the_new_one_shown(site: Site, client: Any) -> None:
    digest = digest_of(text_of(client.post(FORM, {**machine(), "do": "plan"})))
    site.provision("meanwhile")
    text = text_of(client.post(FORM, {**machine(), "do": "apply", "digest": digest}), 409)
    assert "is not the plan that you saw" in text and digest_of(text) != digest and "192.168.66.11" in text
    assert not Vm.objects.filter(hostname="web-1").exists()
    answer = client.post(FORM, {**machine(), "do": "apply", "digest": digest_of(text)})
    assert answer.status_code == 302 and Vm.objects.filter(hostname="web-1").exists()


def test_without_a_seen_plan_nothing_is_sent(site: Site, client: Any) -> None:
    for digest in ("", "0" * 64, "no digest"):
        answer = client.post(FORM, {**machine(), "do": "apply", "digest": digest})
        assert answer.status_code in (200, 409) and not Vm.objects.exists(), digest


@pytest.mark.parametrize(
    ("over", "field", "words"),
    [
        ({"vm_name": "no name"}, "vm_name", ""),
        ({"vm_name": ""}, "vm_name", "This field is required."),
        ({"ip_address": "10.0.0.1"}, "ip_address", ""),
        ({"ip_address": "nonsense"}, "ip_address", ""),
        ({"mac_address": "zz"}, "mac_address", ""),
        ({"router": "999"}, "router", "Select a valid choice"),
        ({"expires_at": "2001-01-01T00:00"}, "expires_at", "This lies in the past"),
        ({"ports-0-source": "nowhere"}, "ports-0-source", ""),
        ({"ports-0-internal_port_end": "9"}, "ports-0-internal_port_end", "reversed"),
        ({"ports-0-name": ""}, "ports-0-name", "This is needed."),
        ({"ports-0-internal_port": "70000"}, "ports-0-internal_port", "65535"),
    ],
)
def test_an_error_stands_at_its_field(site: Site, client: Any, over: dict[str, str], field: str, words: str) -> None:
    text = text_of(client.post(FORM, {**machine(), "do": "plan", **over}), 400)
    found = re.search(rf'id="id_{field}_error">([^<]+)<', text)
    assert found is not None and words in found.group(1), (field, found)
    part = text_of(client.post(FORM, {**machine(), "do": "plan", **over}, headers={"HX-Request": "true"}))
    assert "Not possible so" in part and "<html" not in part


def test_a_port_outside_that_is_taken_is_told_at_the_ports(site: Site, client: Any) -> None:
    site.provision("first")
    given = machine(**{"ports-0-external_port": "32000"})
    assert 'id="ports-error"' in text_of(client.post(FORM, {**given, "do": "plan"}), 400)


def test_more_rows_work_without_script(site: Site, client: Any) -> None:
    text = text_of(client.post(FORM, {**machine("kept"), "do": "more"}))
    assert 'name="ports-3-name"' in text and 'value="kept"' in text and not Vm.objects.exists()


def test_ports_are_added_by_their_plan(site: Site, client: Any) -> None:
    site.provision("web-1", ports=["ssh"])
    site.work()
    path = f"/vms/{site.vm('web-1').pk}/ports/add/"
    rows = ports({"name": "db", "internal_port": 5432, "source": "10.0.0.0/8", "hairpin": "on"})
    text = text_of(client.post(path, {**rows, "do": "plan"}))
    assert "32001 → 5432" in text
    answer = client.post(path, {**rows, "do": "apply", "digest": digest_of(text)})
    assert answer.status_code == 302
    site.work()
    forward = site.vm("web-1").forwards.get(name="db")
    assert forward.applied == "applied" and forward.wants_hairpin and forward.source == "10.0.0.0/8"
    assert "Give a port a name" in text_of(client.post(path, {**ports({}), "do": "plan"}), 400)


def test_a_deletion_is_asked_for_once_more(site: Site, client: Any) -> None:
    site.provision("web-1")
    site.work()
    path = f"/vms/{site.vm('web-1').pk}/ports/"
    text = text_of(client.post(path, {"do": "delete", "port": "ssh"}))
    assert "Delete the forward ssh of web-1" in text and "removed" in text and len(site.rules()) == 3
    answer = client.post(path, {"do": "delete", "port": "ssh", "sure": "1", "digest": digest_of(text)})
    assert answer.status_code == 302
    site.work()
    assert len(site.rules()) == 2 and not site.vm("web-1").forwards.filter(name="ssh").exists()


def test_a_machine_is_decommissioned_by_its_name(site: Site, client: Any) -> None:
    site.provision("web-1")
    site.work()
    path = f"/vms/{site.vm('web-1').pk}/decommission/"
    digest = digest_of(text_of(client.get(path)))
    text_of(client.post(path, {"digest": digest, "name": "other"}), 400)
    assert site.vm("web-1").state == "active"
    client.post(f"/vms/{site.vm('web-1').pk}/ports/", {"do": "pause"})
    text = text_of(client.post(path, {"digest": "0" * 64, "name": "web-1"}), 409)
    assert "Look at the plan again" in text and site.vm("web-1").state == "active"
    assert client.post(path, {"digest": digest_of(text), "name": "WEB-1"}).status_code == 302
    site.work()
    assert not Vm.objects.exists() and not site.rules() and not site.mappings()
    assert "Applied" in text_of(client.get(f"/changes/{site.change().pk}/"))


def test_a_diagnosis_says_each_step(site: Site, client: Any) -> None:
    site.provision("web-1", ports=["ssh"])
    site.work()
    path = f"/vms/{site.vm('web-1').pk}/diagnose/"
    part = text_of(client.post(path, headers={"HX-Request": "true"}))
    assert "Router reachable" in part and "DHCP mapping on the router" in part and "<html" not in part
    assert "<html" in text_of(client.post(path))


def test_a_router_that_is_away_is_said(site: Site, client: Any) -> None:
    site.provision("web-1")
    site.work()
    vm = site.vm("web-1")
    site.row.version_family = ""
    site.row.save()
    site.row.running.delete()
    site.server.close()
    text = text_of(client.get(f"/vms/{vm.pk}/decommission/"))
    assert "There is no plan to show" in text and 'name="sure"' in text
    assert "What you would get" not in text_of(client.post(FORM, {**machine("new"), "do": "plan"}), 400)
