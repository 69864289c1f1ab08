"""From asking to the end of a run: who may, what is refused, what is written down."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, transaction
from django.utils import timezone

from inventory.models import Credential, Device
from monitoring import remedies
from netmon.accounts.models import User
from netmon.audit.models import AuditEvent
from netmon.common.errors import ActionUnavailable, AlreadyRunning, Conflict
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from provisioning.models import Action, ActionRun, ActionSecret
from provisioning.services import actions, running, scripts
from tests import alerts, factories, people
from tests.people import make_person
from tests.unit.provisioning.conftest import Place

pytestmark = pytest.mark.django_db


def run(action: Action, device: Device, values: Any = None, **over: Any) -> ActionRun:
    made = actions.request(action, device, values or {}, **{"user": None, **over})
    if made.job is not None:
        running.run_job(made.job.pk)
    return ActionRun.objects.select_related("job").get(pk=made.pk)


def test_it_runs_with_the_address_first_and_is_written_down(place: Place, device: Device, cast: people.Cast) -> None:
    action = place.action(parameters=[{"name": "port", "kind": "integer", "default": 443}])
    done = run(action, device, {"port": "8443"}, user=cast.omar)
    assert device.primary_ip is not None
    assert (done.status, done.exit_code, done.killed_why) == ("succeeded", 0, "")
    assert done.output == f"hello {device.primary_ip.address} --port=8443\n"
    assert done.argv == ["hello", device.primary_ip.address, "--port=8443"]
    assert done.job is not None and done.job.status == Job.Status.SUCCEEDED
    assert done.sha256 == action.approved_sha256 and done.confinement
    events = list(AuditEvent.objects.filter(object_type="provisioning.actionrun").order_by("pk"))
    assert [event.action for event in events] == ["run", "end"]
    assert events[0].username == events[1].username == "omar"
    after: Any = events[1].after
    assert (after["status"], after["sha256"], after["argv"]) == ("succeeded", done.sha256, done.argv)


def test_ends_are_told_apart(place: Place, device: Device) -> None:
    failed = run(place.action("#!/bin/sh\nexit 3\n", executable="three"), device)
    assert (failed.status, failed.exit_code, failed.error_code) == ("failed", 3, "exit_status")
    slow = run(place.action("#!/bin/sh\nexec sleep 60\n", executable="slow", timeout_seconds=1), device)
    assert (slow.status, slow.killed_why, slow.error_code) == ("timed_out", "timeout", "timeout")
    loud = run(place.action("#!/bin/sh\nseq 100000\n", executable="loud", output_limit_bytes=2048), device)
    assert loud.is_truncated and len(loud.output) == 2048 and loud.output_bytes > 500_000
    dead = run(place.action("#!/bin/sh\nkill -9 $$\n", executable="dead"), device)
    assert (dead.status, dead.killed_why, dead.error_code) == ("failed", "SIGKILL", "killed")
    none = run(place.action("#!/no/interpreter\n", executable="none"), device)
    assert (none.status, none.error_code) == ("failed", "local_fault")


def test_nothing_runs_that_is_not_approved_or_has_changed(place: Place, device: Device, cast: people.Cast) -> None:
    place.put()
    action = factories.make_action()
    with pytest.raises(scripts.ScriptRefused, match="approved"):
        actions.request(action, device, {}, user=None)
    with pytest.raises(scripts.ScriptRefused, match="not the one"):
        scripts.approve(action, sha256="0" * 64, user=cast.ada)
    scripts.approve(action, sha256=str(scripts.state_of(action)["sha256"]), user=cast.ada)
    waits = actions.request(action, device, {}, user=None)
    place.put(text="#!/bin/sh\necho changed\n")
    assert waits.job is not None
    running.run_job(waits.job.pk)  # it changed between asking and running
    waits.refresh_from_db()
    assert (waits.status, waits.error_code, waits.output) == ("failed", "script_refused", "")
    with pytest.raises(scripts.ScriptRefused, match="changed since it was approved"):
        actions.request(action, device, {}, user=None)
    assert scripts.state_of(action)["state"] == "changed"


def test_another_file_wants_another_approval(place: Place, cast: people.Cast) -> None:
    action = place.action()
    action.executable = "other"
    scripts.forget_approval(action)
    assert action.approved_sha256 == ""


def test_what_was_asked_for_is_what_runs(place: Place, device: Device) -> None:
    action = place.action(parameters=[{"name": "port", "kind": "integer", "default": 1}])
    made = actions.request(action, device, {}, user=None)
    Action.objects.filter(pk=action.pk).update(parameters=[{"name": "port", "kind": "boolean"}])
    assert made.job is not None
    running.run_job(made.job.pk)
    made.refresh_from_db()
    assert (made.status == "failed" and "ask anew" in made.error_detail) or "true or false" in made.error_detail


def test_who_lost_the_right_while_a_run_waited_gets_none(place: Place, device: Device, cast: people.Cast) -> None:
    action = place.action(is_risky=True)
    made = [actions.request(action, device, {}, user=cast.omar)]
    User.objects.filter(pk=cast.omar.pk).update(role="viewer")
    made += [actions.request(place.action(executable="gone"), device, {}, user=make_person("oskar", "operator"))]
    User.objects.filter(username="oskar").update(is_active=False)
    made += [actions.request(place.action(executable="away"), device, {}, user=cast.ada)]
    approved = actions.approve(made[0], user=cast.ada)
    for one, text in ((approved, "omar may not"), (made[1], "oskar may not"), (made[2], "another tenant")):
        if one is made[2]:
            Device.objects.filter(pk=device.pk).update(tenant=factories.make_tenant())
        assert one.job is not None
        running.run_job(one.job.pk)
        one.refresh_from_db()
        assert (one.status, one.output) == ("failed", "") and text in one.error_detail


def test_off_by_default(device: Device, settings: Any) -> None:
    assert settings.ACTIONS_DIR is None
    with pytest.raises(ActionUnavailable, match="NETMON_ACTIONS_DIR"):
        actions.request(factories.make_action(), device, {}, user=None)


def test_the_guards_before_a_run(place: Place, device: Device, cast: people.Cast) -> None:
    action = place.action(confirmation="It restarts", parallel_limit=1)
    with pytest.raises(ValidationError, match="It restarts"):
        actions.request(action, device, {}, user=None)
    made = actions.request(action, device, {}, user=None, is_confirmed=True)
    with pytest.raises(AlreadyRunning):
        actions.request(action, device, {}, user=None, is_confirmed=True)
    other = factories.make_flat()
    with pytest.raises(Conflict, match="at once"):
        actions.request(action, other, {}, user=None, is_confirmed=True)
    actions.cancel(made, user=cast.omar)
    assert made.status == "cancelled"
    Action.objects.filter(pk=action.pk).update(kind="camera", confirmation="")
    action.refresh_from_db()
    with pytest.raises(ValidationError, match="not for"):
        actions.request(action, device, {}, user=None)
    Action.objects.filter(pk=action.pk).update(kind="", is_enabled=False)
    action.refresh_from_db()
    with pytest.raises(Conflict, match="switched off"):
        actions.request(action, device, {}, user=None)


def test_an_address_that_netmon_must_not_contact_is_no_argument(place: Place, device: Device) -> None:
    action = place.action(parameters=[{"name": "via", "kind": "address"}])
    with pytest.raises(ValidationError, match="via"):
        actions.request(action, device, {"via": "169.254.169.254"}, user=None)


def test_a_risky_one_needs_a_second_person(place: Place, device: Device, cast: people.Cast) -> None:
    action = place.action(is_risky=True)
    made = actions.request(action, device, {}, user=cast.omar)
    assert (made.status, made.job) == ("waiting", None)
    with pytest.raises(Conflict, match="Somebody else"):
        actions.approve(made, user=cast.omar)
    with pytest.raises(Conflict, match="Somebody else"):
        actions.approve(made, user=cast.vera)
    approved = actions.approve(made, user=cast.ada, decision="agreed")
    assert approved.job is not None
    running.run_job(approved.job.pk)
    approved.refresh_from_db()
    assert (approved.status, approved.approved_by, approved.decision) == ("succeeded", cast.ada, "agreed")
    with pytest.raises(Conflict, match="any more"):
        actions.approve(approved, user=cast.ada)
    second = actions.request(action, device, {}, user=cast.omar)
    assert actions.refuse(second, user=cast.ada).status == "refused"
    third = actions.request(action, device, {}, user=cast.omar)
    assert actions.refuse(third, user=cast.omar).status == "cancelled"
    fourth = actions.request(action, device, {}, user=cast.omar)
    ActionRun.objects.filter(pk=fourth.pk).update(created_at=timezone.now() - timedelta(hours=25))
    actions.settle()
    fourth.refresh_from_db()
    assert (fourth.status, fourth.error_code) == ("refused", "not_approved")
    verbs = set(AuditEvent.objects.filter(object_type="provisioning.actionrun").values_list("action", flat=True))
    assert {"request", "approve", "refuse", "cancel", "end"} <= verbs


def test_secrets_reach_the_script_and_nothing_else(place: Place, device: Device) -> None:
    row = factories.make_credential(kind="api_key", secret="hush-hush-77")
    schema = [{"name": "token", "kind": "secret", "credential": row.pk, "variable": "API_TOKEN"}]
    action = place.action('#!/bin/sh\necho "got $API_TOKEN"; echo "${#API_TOKEN}"\n', parameters=schema)
    done = run(action, device)
    assert done.output == "got [secret]\n12\n"
    assert "hush" not in json.dumps(list(AuditEvent.objects.values()), default=str)
    assert "hush" not in json.dumps(list(Job.objects.values()), default=str)
    assert AuditEvent.objects.filter(action="use", object_id=str(row.pk)).exists()
    Credential.objects.filter(pk=row.pk).update(tenant=factories.make_tenant())
    assert run(action, device).error_code == "credential_scope"
    action.secrets.all().delete()  # past the model
    Credential.objects.filter(pk=row.pk).delete()
    assert run(action, device).error_code == "no_credential"


def test_a_credential_that_an_action_names_stays(place: Place, cast: people.Cast) -> None:
    first, second = (factories.make_credential(kind="api_key", secret="hush-hush-77") for _ in range(2))
    secret = {"name": "token", "kind": "secret", "credential": first.pk, "variable": "API_TOKEN"}
    ada = people.client_for(cast.ada)
    body = {"name": "Reboot", "executable": "hello", "parameters": [secret]}
    url = f"/api/v1/actions/{ada.post('/api/v1/actions/', body).json()['id']}/"
    refused = ada.delete(f"/api/v1/credentials/{first.pk}/")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    assert refused.json()["detail"].startswith("Still in use by: action Reboot.")
    page = ada.get(f"/admin/inventory/credential/{first.pk}/delete/").content.decode()
    assert "protected related objects" in page and "Reboot" in page
    ada.post(f"/admin/inventory/credential/{first.pk}/delete/", {"post": "yes"})
    assert Credential.objects.filter(pk=first.pk).exists()
    assert ada.patch(url, {"parameters": [{**secret, "credential": second.pk}]}).status_code == 200
    assert ada.delete(f"/api/v1/credentials/{first.pk}/").status_code == 204
    assert ada.delete(f"/api/v1/credentials/{second.pk}/").status_code == 409
    assert ada.delete(url).status_code == 204
    assert ada.delete(f"/api/v1/credentials/{second.pk}/").status_code == 204


def test_a_tenant_goes_with_its_actions_and_credentials(place: Place) -> None:
    tenant = factories.make_tenant()
    row = factories.make_credential(kind="api_key", secret="hush-hush-77", tenant=None)
    secret = {"name": "token", "kind": "secret", "credential": row.pk, "variable": "API_TOKEN"}
    factories.make_action(tenant=tenant, parameters=[secret])
    tenant.delete()
    assert not Action.objects.exists() and not ActionSecret.objects.exists()


def test_a_run_whose_worker_was_lost_is_not_done_twice(place: Place, device: Device) -> None:
    made = actions.request(place.action(), device, {}, user=None)
    assert made.job is not None and jobs.claim(made.job.pk) is not None
    ActionRun.objects.filter(pk=made.pk).update(status="running", started_at=timezone.now())
    Job.objects.filter(pk=made.job.pk).update(deadline_at=timezone.now())
    jobs.reconcile()
    running.run_job(made.job.pk)
    made.refresh_from_db()
    assert (made.status, made.error_code, made.output) == ("failed", "worker_lost", "")


def test_a_run_is_stopped(place: Place, device: Device, cast: people.Cast) -> None:
    made = actions.request(place.action("#!/bin/sh\necho begun; exec sleep 60\n"), device, {}, user=None)
    job = made.job
    assert job is not None
    running.run_job(job.pk, lambda text: jobs.cancel(job) and None)
    made.refresh_from_db()
    assert (made.status, made.killed_why) == ("cancelled", "cancelled")


def test_old_runs_are_forgotten(device: Device, settings: Any) -> None:
    settings.ACTIONS_DAYS = 10
    old = factories.make_run(device, finished_at=timezone.now() - timedelta(days=11))
    new = factories.make_run(device)
    actions.prune()
    assert list(ActionRun.objects.all()) == [new] and old.pk != new.pk


def test_it_is_proposed_where_it_may_run(place: Place, device: Device, cast: people.Cast) -> None:
    alert = alerts.make_alert(device, source="device.down")
    action = place.action(remedy_source="device.down", description="Asks it")
    (found,) = remedies.of(alert, cast.omar)
    assert (found.label, found.note) == (action.name, "Asks it")
    assert found.url == f"/actions/{action.pk}/start/?device={device.pk}&alert={alert.pk}"
    assert list(remedies.of(alert, cast.vera)) == []
    Action.objects.filter(pk=action.pk).update(kind="camera")
    assert list(remedies.of(alert, cast.omar)) == []
    with pytest.raises(ValueError, match="twice"):
        remedies.register("actions", lambda alert, user: [])


def test_the_command_runs_and_follows(place: Place, device: Device) -> None:
    place.action("#!/bin/sh\necho out; exit 3\n", name="Three")
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("run_action", "three", "core", stdout=out, stderr=err)
    assert ended.value.code == 1 and out.getvalue() == "out\n" and "status 3" in err.getvalue()
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("run_action", "Three", "core", "--json", stdout=out)
    assert json.loads(out.getvalue())["exit_code"] == 3
    for words in (
        ["none", "core"],
        ["Three", "none"],
        ["Three", "core", "--arg", "x"],
        ["Three", "core", "--arg", "x=1"],
    ):
        with pytest.raises(CommandError):
            call_command("run_action", *words, stdout=StringIO())


def test_the_database_refuses_what_must_not_be(device: Device, cast: people.Cast) -> None:
    for name in ("a/b", ".hidden", "-rf", ""):
        with pytest.raises(IntegrityError), transaction.atomic():
            factories.make_action(executable=name)
    action = factories.make_action()
    factories.make_run(device, action, status="running")
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.make_run(device, action, status="waiting")
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.make_run(device, requested_by=cast.omar, approved_by=cast.omar)
