"""Machines over HTTP, at a simulated router: what is answered, what the rows say, and what the router has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from netmon.audit.models import AuditEvent
from provisioning.models import ConfigChange, PortForward, Vm
from tests import factories, people
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)
VMS = "/api/v1/vms/"


@pytest.fixture
def site() -> Iterator[Site]:
    with site_of() as found:
        yield found


@pytest.fixture
def api(site: Site, cast: people.Cast, _clean_cache: None) -> Any:
    return people.client_for(cast.omar)


def post(api: Any, path: str, body: Any = None, status: int = 202) -> Any:
    answer = api.post(path, body if body is not None else {}, format="json")
    assert answer.status_code == status, (answer.status_code, answer.content)
    return answer.json()


def test_a_machine_from_its_first_call_to_its_last(site: Site, api: Any) -> None:
    made = post(api, f"{VMS}provision/", {"vm_name": "web-1", "mac_address": "02:00:00:00:00:aa"})
    assert made["status"] == "queued" and made["machine_id"] == "web-1" and made["internal_ip"] == "192.168.66.10"
    assert made["external_ports"] == {"ssh": 32000, "http": 32001, "https": 32002} and made["nat_rule_base"] == 10000
    assert made["mac_address"] == "02:00:00:00:00:aa" and len(made["lines"]) > 3 and len(made["digest"]) == 64
    site.work()
    change = api.get(made["change"]["url"]).json()
    assert change["status"] == "applied" and change["is_saved"] and change["lines"] == made["lines"]
    assert change["requested_by"] == "omar" and change["via"] == "session"
    assert [(item["vm_name"], item["status"]) for item in change["items"]] == [("web-1", "applied")]
    assert set(site.rules()) == {"10000", "10001", "10002"} and set(site.mappings()) == {"web-1"}

    sent = dict(site.lab.counts)
    again = post(api, f"{VMS}provision/", {"vm_name": "web-1", "mac_address": "02:00:00:00:00:AA"}, 200)
    assert again["status"] == "unchanged" and again["change"] is None and again["lines"] == []
    assert again["external_ports"] == made["external_ports"] and again["id"] == made["id"]
    assert ConfigChange.objects.count() == 1 and site.lab.counts["commits"] == sent["commits"]

    shown = api.get(f"{VMS}web-1/").json()
    assert (shown["state"], shown["applied"], shown["internal_ip"]) == ("active", "applied", "192.168.66.10")
    assert shown["ports"]["ssh"]["status"] == "enabled" and shown["ports"]["ssh"]["applied"] == "applied"
    assert api.get(f"{VMS}{shown['id']}/").json() == shown
    assert api.get(f"{VMS}WEB-1/ports/status/").json()["ports"]["http"]["nat_rule_number"] == 10001

    paused = post(api, f"{VMS}web-1/ports/template/", {"action": "pause", "ports": ["ssh", "http"]})
    assert [(one["port"], one["status"], one["is_changed"]) for one in paused["action_results"]] == [
        ("ssh", "disabled", True),
        ("http", "disabled", True),
    ]
    one = post(api, f"{VMS}web-1/ports/https/", {"action": "disable"})
    assert (one["port"], one["action"], one["port_status"]) == ("https", "disable", "disabled")
    site.work()
    assert all("disable" in rule for rule in site.rules().values())
    assert post(api, f"{VMS}web-1/ports/https/", {"action": "disable"}, 200)["status"] == "unchanged"
    status = api.get(f"{VMS}web-1/ports/status/").json()
    assert status["ports"]["ssh"] | {"status": "disabled", "why_disabled": "paused"} == status["ports"]["ssh"]

    post(api, f"{VMS}web-1/ports/ssh/", {"action": "delete"})
    site.work()
    status = api.get(f"{VMS}web-1/ports/status/").json()["ports"]
    assert status["ssh"]["status"] == "not_active" and status["ssh"]["external_port"] is None
    assert api.get("/api/v1/ports/status/").json()["results"][0]["machine_id"] == "web-1"

    post(api, f"{VMS}web-1/ports/template/", {"action": "create", "ports": [{"name": "db", "internal_port": 5432}]})
    end = post(api, f"{VMS}web-1/expiry/", {"expires_at": "2099-01-01T00:00:00Z"}, 200)
    assert end["status"] == "unchanged" and end["expires_at"] == "2099-01-01T00:00:00Z"
    assert api.get(f"{VMS}web-1/").json()["expires_at"] == "2099-01-01T00:00:00Z"
    assert post(api, f"{VMS}web-1/expiry/", {"expires_at": None, "ports": ["db"]}, 200)["expires_at"] is None
    site.work()

    entries = api.get(f"{VMS}web-1/timeline/").json()
    assert {entry["kind"] for entry in entries} == {"record", "change"}
    assert entries == sorted(entries, key=lambda entry: entry["at"], reverse=True)
    assert {"provision", "ports"} <= {entry["action"] for entry in entries}
    assert {entry["user"] for entry in entries} <= {"omar", ""}

    gone = api.delete(f"{VMS}web-1/")
    assert gone.status_code == 202 and gone.json()["status"] == "queued" and gone["Location"].endswith("/")
    assert post(api, f"{VMS}web-1/decommission/", status=200)["status"] == "unchanged"
    site.work()
    assert api.get(f"{VMS}web-1/").status_code == 404 and not Vm.objects.exists()
    assert site.rules() == {} and site.mappings() == {}


def test_a_plan_is_shown_and_what_was_approved_is_sent(site: Site, api: Any) -> None:
    body = {"vm_name": "web-1", "mac_address": "02:00:00:00:00:aa"}
    plan = post(api, f"{VMS}provision/?dry_run=1", body, 200)
    assert plan["status"] == "planned" and plan["id"] is None and plan["change"] is None
    assert any("static-mapping web-1" in line for line in plan["lines"]) and plan["undo"] and plan["diff"]
    assert not Vm.objects.exists() and not ConfigChange.objects.exists() and site.lab.counts["commits"] == 0
    wrong = post(api, f"{VMS}provision/", {**body, "digest": "0" * 64}, 409)
    assert wrong["code"] == "stale_plan" and wrong["field"] == "digest" and not Vm.objects.exists()
    made = post(api, f"{VMS}provision/", {**body, "confirm": plan["digest"]})
    assert made["lines"] == plan["lines"] and made["digest"] == plan["digest"]
    site.work()
    change = site.change()
    assert change.status == "applied" and change.is_approved and change.lines == plan["lines"]
    for path, more in (
        ("web-1/decommission/", {}),
        ("web-1/ports/template/", {"action": "disable"}),
        ("web-1/ports/ssh/", {"action": "delete"}),
    ):
        before = ConfigChange.objects.count()
        seen = post(api, f"{VMS}{path}?dry_run=true", more, 200)
        assert seen["status"] == "planned" and seen["lines"] and ConfigChange.objects.count() == before
    assert Vm.objects.get().state == "active" and not PortForward.objects.exclude(desired="enabled").exists()
    seen = post(api, f"{VMS}web-1/decommission/?dry_run=true", {}, 200)
    assert post(api, f"{VMS}web-1/decommission/", {"digest": seen["digest"]})["lines"] == seen["lines"]


def test_what_stands_in_the_way_on_the_router_is_a_conflict_with_its_field(site: Site, api: Any) -> None:
    site.lab.edit(
        "set nat destination rule 5 inbound-interface name eth0",
        "set nat destination rule 5 protocol tcp",
        "set nat destination rule 5 destination port 32000-32002",
        "set nat destination rule 5 translation address 192.168.66.250",
    )
    made = post(api, f"{VMS}provision/", {"vm_name": "web-1"})
    assert made["external_ports"] == {"ssh": 32003, "http": 32004, "https": 32005}
    body = {"vm_name": "web-2", "ports": [{"name": "ssh", "external_port": 32001}]}
    refused = post(api, f"{VMS}provision/", body, 409)
    assert refused["code"] in ("port_taken", "in_the_way") and refused["field"] == "ports"


def test_waiting_answers_when_the_change_ended(site: Site, api: Any) -> None:
    started = post(api, f"{VMS}provision/?wait=1", {"vm_name": "web-1"})
    assert started["status"] == "queued"  # no worker ran
    site.work()
    again = post(api, f"{VMS}web-1/ports/ssh/?wait=0", {"action": "disable"})
    assert again["status"] == "queued"


def test_many_in_one_commit_with_a_result_for_each(site: Site, api: Any) -> None:
    items: list[Any] = [{"vm_name": f"vm-{number}", "ports": ["ssh"]} for number in range(5)]
    items[2:2] = [{"vm_name": "under_score"}, 7, {"vm_name": "vm-0", "ports": ["ssh"]}]
    answer = api.post(f"{VMS}bulk/", items, format="json")
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [entry["index"] for entry in results] == list(range(8))
    assert [entry["status"] for entry in results] == [202, 202, 400, 400, 200, 202, 202, 202]
    assert results[2]["errors"][0]["pointer"] == "/vm_name" and results[2]["vm"] is None
    assert results[4]["vm"]["id"] == results[0]["vm"]["id"]
    assert ConfigChange.objects.count() == 1 and Vm.objects.count() == 5
    site.work()
    assert site.lab.counts["commits"] == 1 and len(site.rules()) == 5
    shown = api.get("/api/v1/config-changes/").json()["results"][0]
    assert {item["status"] for item in shown["items"]} == {"applied"} and len(shown["items"]) == 5
    for wrong in ([], {}, [{"vm_name": "a"}] * 501):
        assert api.post(f"{VMS}bulk/", wrong, format="json").status_code == 400


def test_forwards_as_a_resource_of_their_own(site: Site, api: Any) -> None:
    post(api, f"{VMS}provision/", {"vm_name": "web-1", "ports": []})
    body = {"vm": "web-1", "name": "db", "internal_port": 5432, "source": "192.0.2.0/24"}
    plan = post(api, "/api/v1/port-forwards/?dry_run=1", body, 200)
    assert plan["port_forward"] is None and plan["lines"] and not PortForward.objects.exists()
    made = post(api, "/api/v1/port-forwards/", body)
    assert made["port_forward"]["external_port"] == 32000 and made["port_forward"]["source"] == "192.0.2.0/24"
    assert post(api, "/api/v1/port-forwards/", body, 200)["status"] == "unchanged"
    refused = post(api, "/api/v1/port-forwards/", {**body, "internal_port": 5433}, 409)
    assert refused["code"] == "vm_differs" and refused["field"] == "ports"
    site.work()
    url = f"/api/v1/port-forwards/{made['port_forward']['id']}/"
    for method, body in (("patch", {"desired": "disabled"}), ("delete", None)):
        plan = getattr(api, method)(f"{url}?dry_run=1&wait=0", body, format="json")
        assert plan.status_code == 200 and plan.json()["status"] == "planned" and plan.json()["lines"]
    assert PortForward.objects.get().desired == "enabled"
    answer = api.patch(url, {"desired": "disabled"}, format="json")
    assert answer.status_code == 202 and answer.json()["port_forward"]["status"] == "disabled"
    tag = api.get(url)["ETag"]
    assert api.patch(url, {"desired": "enabled"}, format="json", HTTP_IF_MATCH='"stale"').status_code == 412
    assert api.patch(url, {"desired": "enabled"}, format="json", HTTP_IF_MATCH=tag).status_code == 202
    answer = api.patch(url, {"expires_at": "2099-01-01T00:00:00Z"}, format="json")
    assert answer.status_code == 200 and answer.json()["port_forward"]["expires_at"] == "2099-01-01T00:00:00Z"
    site.work()
    assert len(site.rules()) == 1
    assert api.delete(url).status_code == 202
    site.work()
    assert site.rules() == {} and api.get(url).status_code == 404


def test_the_same_key_is_answered_the_same_and_done_once(site: Site, api: Any) -> None:
    body = {"vm_name": "web-1"}
    first = api.post(f"{VMS}provision/", body, format="json", HTTP_IDEMPOTENCY_KEY="k1")
    again = api.post(f"{VMS}provision/", body, format="json", HTTP_IDEMPOTENCY_KEY="k1")
    assert first.status_code == again.status_code == 202 and first.json() == again.json()
    other = api.post(f"{VMS}provision/", {"vm_name": "web-2"}, format="json", HTTP_IDEMPOTENCY_KEY="k1")
    assert other.status_code == 409 and Vm.objects.count() == 1


def test_a_name_of_two_tenants_is_a_conflict_and_a_number_is_not(site: Site, api: Any) -> None:
    tenant = factories.make_tenant()
    other = factories.make_vyos_router(tenant=tenant)
    post(api, f"{VMS}provision/", {"vm_name": "web-1", "router": site.row.pk})
    twin = factories.make_vm(other, vm_name="web-1")
    answer = api.get(f"{VMS}web-1/")
    assert answer.status_code == 409 and answer.json()["code"] == "ambiguous_name"
    assert twin.pk in answer.json()["numbers"] and str(twin.pk) in answer.json()["detail"]
    assert api.delete(f"{VMS}web-1/").status_code == 409 and Vm.objects.filter(state="active").count() == 2
    assert api.get(f"{VMS}{twin.pk}/").json()["tenant"] == tenant.pk


def test_a_change_that_failed_is_tried_again(site: Site, api: Any) -> None:
    made = post(api, f"{VMS}provision/", {"vm_name": "web-1"})
    url = made["change"]["url"]
    refused = api.post(f"{url}retry/")
    assert refused.status_code == 409 and refused.json()["code"] == "not_retried"
    site.lab.edit("set service https api keys id netmon key another-key")
    site.work()
    failed = api.get(url).json()
    assert failed["status"] == "failed" and failed["error_code"] == "auth_failed", failed
    status = api.get(f"/api/v1/vyos-routers/{site.row.pk}/status/").json()
    assert status["last_error_code"] == "auth_failed" and status["waiting_changes"] == 0
    site.lab.edit(f"set service https api keys id netmon key {site.lab.key}")
    answer = api.post(f"{url}retry/")
    assert answer.status_code == 202 and answer.json()["status"] == "queued" and answer["Location"] == url
    site.work()
    assert api.get(url).json()["status"] == "applied" and len(site.rules()) == 3
    status = api.get(f"/api/v1/vyos-routers/{site.row.pk}/status/").json()
    assert status["version_family"] == "1.5" and status["is_saved"] is True
    assert [(pool["size"], pool["given"]) for pool in status["dhcp_pools"]] == [(190, 1)]
    assert [(pool["size"], pool["given"]) for pool in status["port_pools"]] == [(1001, 3)]


def test_every_write_is_on_record(site: Site, api: Any) -> None:
    def told(path: str, body: Any, *, method: str = "post", status: int = 202) -> list[tuple[str, str]]:
        before = AuditEvent.objects.count()
        answer = getattr(api, method)(f"/api/v1/{path}", body, format="json")
        assert answer.status_code == status, answer.content
        events = AuditEvent.objects.order_by("id")[before:]
        assert {(event.username, event.via) for event in events} == {("omar", "session")}
        return [(event.action, event.object_type.partition(".")[2]) for event in events]

    made = told("vms/provision/", {"vm_name": "web-1", "ports": ["ssh"]})
    assert [entry for entry in made if entry[1] in ("vm", "configchange")] == [
        ("provision", "vm"),
        ("queue", "configchange"),
    ]
    queued = ("queue", "configchange")
    assert told("vms/bulk/", [{"vm_name": "web-2", "ports": []}], status=207)[-1] == queued
    assert told("vms/web-1/ports/ssh/", {"action": "disable"}) == [("update", "portforward"), queued]
    assert told("vms/web-1/ports/template/", {"action": "enable"}) == [("update", "portforward"), queued]
    end = {"expires_at": "2099-01-01T00:00:00Z"}
    assert told("vms/web-1/expiry/", end, status=200) == [("update", "vm")]
    body = {"vm": "web-1", "name": "db", "internal_port": 5432}
    assert told("port-forwards/", body) == [("create", "portforward"), queued]
    number = PortForward.objects.get(name="db").pk
    assert told(f"port-forwards/{number}/", {"desired": "disabled"}, method="patch")[0] == ("update", "portforward")
    assert told(f"port-forwards/{number}/", None, method="delete") == [("update", "portforward"), queued]
    assert told("vms/web-1/", None, method="delete") == [("decommission", "vm"), queued]
    assert told("vms/web-2/decommission/", {}) == [("decommission", "vm"), queued]


def test_the_way_to_a_machine_is_told_step_by_step(site: Site, api: Any) -> None:
    post(api, f"{VMS}provision/", {"vm_name": "web-1", "ports": ["ssh"]})
    site.work()
    found = api.get(f"{VMS}web-1/diagnose/").json()
    assert [step["status"] for step in found["steps"] if step["key"] in ("router", "mapping", "rule")] == ["ok"] * 3
    assert found["first_failed"] is None or found["first_failed"] in found["steps"]
    assert api.get(f"{VMS}web-1/diagnose/?port=telnet").json()["code"] == "no_such_port"
    assert api.get(f"{VMS}nothing/diagnose/").status_code == 404
