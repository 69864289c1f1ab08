"""Actions over HTTP and on their pages: who may, what is answered, what is shown."""

from typing import Any

import pytest
from django.core.cache import cache

from inventory.models import Device
from provisioning.action_forms import RunForm
from provisioning.models import Action, ActionRun
from provisioning.services import running, scripts
from tests import alerts, factories, people
from tests.unit.provisioning.conftest import Place

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_throttle() -> None:
    cache.clear()


def test_an_admin_defines_approves_and_an_operator_runs(place: Place, device: Device, cast: people.Cast) -> None:
    ada, omar = people.client_for(cast.ada), people.client_for(cast.omar)
    place.put()
    body = {"name": "Hello", "executable": "hello", "parameters": [{"name": "port", "kind": "integer", "default": 1}]}
    assert omar.post("/api/v1/actions/", body).status_code == 403
    made = ada.post("/api/v1/actions/", body)
    assert made.status_code == 201, made.content
    url = f"/api/v1/actions/{made.json()['id']}/"
    for wrong in ("../x", "/bin/sh", "a b", ".x", "x\ny"):
        answer = ada.patch(url, {"executable": wrong})
        assert answer.status_code == 400 and "executable" in answer.content.decode(), wrong
    answer = omar.post(f"{url}run/", {"device": device.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "script_refused")
    found = ada.get(f"{url}script/").json()
    assert found["state"] == "unapproved"
    assert omar.post(f"{url}approve-script/", {"sha256": found["sha256"]}).status_code == 403
    assert ada.post(f"{url}approve-script/", {"sha256": "0" * 64}).status_code == 409
    assert ada.post(f"{url}approve-script/", {"sha256": found["sha256"]}).json()["approved_by"] == "ada"
    (available,) = omar.get(f"/api/v1/actions/available/?device={device.pk}").json()
    assert (available["name"], available["script"]) == ("Hello", "approved")
    plan = omar.post(f"{url}run/", {"device": device.pk, "dry_run": True})
    assert plan.status_code == 200 and plan.json()["argv"][-1] == "--port=1"
    answer = omar.post(f"{url}run/", {"device": device.pk, "arguments": {"port": "x"}})
    assert answer.status_code == 400 and "port" in answer.content.decode()
    started = omar.post(f"{url}run/", {"device": device.pk})
    assert started.status_code == 202, started.content
    run = started.json()["action_run"]
    assert started["Location"] == run["url"]
    assert omar.post(f"{url}run/", {"device": device.pk}).json()["code"] == "already_running"
    running.run_job(started.json()["job"]["id"])
    assert omar.get(run["url"]).json()["status"] == "succeeded"
    output = omar.get(f"{run['url']}output/?offset=6").json()
    assert output["output"].endswith("--port=1\n") and output["next_offset"] == 6 + len(output["output"])
    assert ada.patch(url, {"executable": "other"}).json()["approved_sha256"] == ""
    assert ada.delete(url).status_code == 409  # its runs are kept


def test_a_second_person_decides(place: Place, device: Device, cast: people.Cast) -> None:
    omar, ada = people.client_for(cast.omar), people.client_for(cast.ada)
    action = place.action(is_risky=True, confirmation="Really")
    url = f"/api/v1/actions/{action.pk}/run/"
    assert "Really" in omar.post(url, {"device": device.pk}).content.decode()
    started = omar.post(url, {"device": device.pk, "confirm": True}).json()
    assert started["job"] is None and started["action_run"]["status"] == "waiting"
    run = started["action_run"]["url"]
    assert omar.post(f"{run}approve/").json()["code"] == "second_person"
    assert people.client_for(cast.vera).post(f"{run}approve/").status_code == 403
    assert ada.post(f"{run}approve/", {"decision": "agreed"}).json()["status"] == "queued"
    assert omar.post(f"{run}cancel/").json()["status"] == "cancelled"


def test_an_action_for_admins_is_not_for_operators(place: Place, device: Device, cast: people.Cast) -> None:
    action = place.action(role="admin")
    omar = people.client_for(cast.omar)
    assert omar.get("/api/v1/actions/available/").json() == []
    assert omar.post(f"/api/v1/actions/{action.pk}/run/", {"device": device.pk}).status_code == 403
    assert omar.get(f"/actions/{action.pk}/start/").status_code == 403


def test_without_a_directory_it_says_so(device: Device, cast: people.Cast, settings: Any) -> None:
    settings.ACTIONS_DIR = None
    omar, action = people.client_for(cast.omar), factories.make_action()
    answer = omar.post(f"/api/v1/actions/{action.pk}/run/", {"device": device.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "action_unavailable")
    assert "NETMON_ACTIONS_DIR" in omar.get("/actions/").content.decode()


def test_the_pages_from_the_form_to_the_output(place: Place, device: Device, cast: people.Cast) -> None:
    ada, omar = people.client_for(cast.ada), people.client_for(cast.omar)
    place.put(text='#!/bin/sh\necho "<b>$*</b>"\n')
    form = {
        "name": "Hello", "executable": "hello", "run_on": "local", "role": "operator", "timeout_seconds": 9,
        "output_limit_bytes": 4096, "parallel_limit": 1, "is_enabled": "on", "remedy_source": "device.down",
        "parameters": '[{"name": "port", "kind": "integer", "default": 1}, {"name": "deep", "kind": "boolean"}]',
    }  # fmt: skip
    assert "This is no JSON" in ada.post("/actions/add/", {**form, "parameters": "["}).content.decode()
    assert "too deep" in ada.post("/actions/add/", {**form, "parameters": "[" * 20_000}).content.decode()
    assert ada.post("/actions/add/", form).status_code == 302
    action = Action.objects.get()
    page = ada.get(f"/actions/{action.pk}/").content.decode()
    assert "&lt;b&gt;" in page and "I have read it" in page
    sha256 = str(scripts.state_of(action)["sha256"])
    ada.post(f"/actions/{action.pk}/approve/", {"sha256": sha256})
    alert = alerts.make_alert(device, source="device.down")
    start = f"/actions/{action.pk}/start/?device={device.pk}&amp;alert={alert.pk}"
    assert start in omar.get(f"/alerts/{alert.pk}/").content.decode()
    start = start.replace("&amp;", "&")
    assert "core" in omar.get(start).content.decode()
    wrong = omar.post(start, {"device": "core", "alert": alert.pk, "p_port": "x"})
    assert wrong.status_code == 400
    answer = omar.post(start, {"device": "core", "alert": alert.pk, "p_port": "7", "p_deep": "on"})
    assert answer.status_code == 302
    run = ActionRun.objects.get()
    assert run.alert == alert and run.job is not None
    part = omar.get(answer["Location"], headers={"HX-Request": "true"}).content.decode()
    assert "every 1s" in part
    running.run_job(run.job.pk)
    part = omar.get(answer["Location"], headers={"HX-Request": "true"}).content.decode()
    assert "every 1s" not in part and "--port=7 --deep=true&lt;/b&gt;" in part
    for path in ("/actions/", "/actions/runs/?status=succeeded", "/actions/waiting/", f"/devices/{device.pk}/actions/"):
        assert omar.get(path).status_code == 200, path
    assert people.client_for(cast.vera).get(answer["Location"]).status_code == 403
    ada.post(f"/actions/{action.pk}/delete/")
    assert Action.objects.exists()


def test_each_parameter_has_a_field_that_keeps_what_was_typed(place: Place, device: Device, cast: people.Cast) -> None:
    schema = [
        {"name": "port", "kind": "integer", "minimum": 1, "maximum": 9, "required": True, "label": "Its port"},
        {"name": "text", "kind": "string", "max_length": 5, "pattern": "[a-z]*", "help": "Small letters."},
        {"name": "how", "kind": "choice", "choices": ["soft", "hard"], "default": "soft"},
        {"name": "which", "kind": "choice", "choices": ["one", "two"]},
        {"name": "via", "kind": "address", "default": "192.0.2.9"},
        {"name": "deep", "kind": "boolean", "default": True},
    ]
    action, omar = place.action(parameters=schema), people.client_for(cast.omar)
    path = f"/actions/{action.pk}/start/"
    empty = RunForm(action=action, user=cast.omar)
    shown = {name: str(empty[f"p_{name}"]) for name in ("port", "text", "how", "which", "via", "deep")}
    assert all(word in shown["port"] for word in ('type="number"', 'min="1"', 'max="9"', "required"))
    assert 'maxlength="5"' in shown["text"] and 'type="checkbox"' in shown["deep"] and "checked" in shown["deep"]
    assert "<select" in shown["how"] and 'value=""' not in shown["how"] and "selected" in shown["how"]
    assert 'value=""' in shown["which"] and "192.0.2.9" in shown["via"]
    page = omar.get(path).content.decode()
    assert "Its port" in page and "Small letters." in page and "Empty: 192.0.2.9." in page
    typed = {"device": "core", "p_port": "77", "p_text": "ABC", "p_how": "hard", "p_which": "two", "p_via": "nowhere"}
    answer = omar.post(path, typed)
    page = answer.content.decode()
    assert answer.status_code == 400 and 'id="id_p_port_error"' in page
    assert all(f'value="{one}"' in page for one in ("core", "77", "ABC", "nowhere"))
    assert '<option value="hard" selected>' in page and '<option value="two" selected>' in page
    page = omar.post(path, {**typed, "p_port": "7"}).content.decode()  # the service refuses at the fields, too
    assert 'id="id_p_text_error"' in page and 'id="id_p_via_error"' in page and 'value="ABC"' in page
    assert omar.post(path, {**typed, "p_port": "7", "p_text": "", "p_via": ""}).status_code == 302
    assert ActionRun.objects.get().arguments == {
        "port": 7, "how": "hard", "which": "two", "via": "192.0.2.9", "deep": False,
    }  # fmt: skip


def test_the_second_person_has_a_list(place: Place, device: Device, cast: people.Cast) -> None:
    omar, ada = people.client_for(cast.omar), people.client_for(cast.ada)
    action = place.action(is_risky=True)
    run = omar.post(f"/actions/{action.pk}/start/", {"device": "core"})["Location"]
    assert "Somebody else must answer" in omar.get("/actions/waiting/").content.decode()
    omar.post(f"{run}decide/", {"do": "approve"})
    assert ActionRun.objects.get().status == "waiting"
    assert "Approve" in ada.get("/actions/waiting/").content.decode()
    ada.post(f"{run}decide/", {"do": "approve", "next": "/actions/waiting/"})
    assert ActionRun.objects.get().approved_by == cast.ada
    omar.post(f"{run}stop/")
    assert ActionRun.objects.get().status == "cancelled"
