"""An action over SSH from asking to its end: the runner's code, a real sshd, what is stored."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from inventory import ssh_keys
from inventory.models import CredentialUse, HostKey, ManagementEndpoint
from inventory.services import create_device
from netmon.audit.models import AuditEvent
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from provisioning import tasks
from provisioning.models import Action, ActionRun
from provisioning.services import actions
from tests import factories, people
from tests.daemons import free_port, wait_until
from tests.daemons.sshd import Sshd, make_key
from tests.unit.drivers.process.test_hostile import alive
from tests.unit.provisioning.conftest import Place

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
SECRET = "hush-hush-77"


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Place:
    settings.ACTIONS_DIR, settings.ACTIONS_USER = tmp_path / "actions", ""
    settings.ACTIONS_TRUST_OWNER = settings.ALLOW_LOOPBACK = True
    return Place(tmp_path / "actions")


def box_at(server: Sshd, *, port: int | None = None, pin: Any = None) -> ManagementEndpoint:
    """A device that is this machine, its key known, a key to log in with at hand."""
    fields = {
        "name": "box", "kind": "computer", "ip": "127.0.0.1", "tenant": factories.make_tenant(),
        "ssh_username": server.username, "ssh_password": "unused", "ssh_port": port or server.port,
    }  # fmt: skip
    endpoint = create_device(fields=fields).endpoints.get(protocol="ssh")
    key = ssh_keys.import_key(name="key of the box", data=server.private_key, username=server.username)
    ManagementEndpoint.objects.filter(pk=endpoint.pk).update(credential=key)
    pin = pin or server.host_keys["ed25519"]
    factories.make_host_key(endpoint, pin, state="trusted", first_seen_at=timezone.now())
    endpoint.refresh_from_db()
    return endpoint


def ran(action: Action, endpoint: ManagementEndpoint, values: Any = None, user: Any = None) -> ActionRun:
    run = actions.request(action, endpoint.device, values or {}, user=user)
    assert run.job is not None and run.status == "queued"
    tasks.run_action_job(run.job.pk)
    return ActionRun.objects.select_related("job").get(pk=run.pk)


def test_it_runs_on_the_device_and_is_written_down(
    place: Place, server: Sshd, cast: people.Cast, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    row = factories.make_credential(kind="api_key", secret=SECRET)
    schema = [
        {"name": "text", "kind": "string"},
        {"name": "token", "kind": "secret", "credential": row.pk, "variable": "API_TOKEN"},
    ]
    text = (
        '#!/bin/sh\nprintf "<%s>" "$@"; echo; echo "$SSH_CONNECTION" | wc -w; echo "$API_TOKEN $NETMON_RUN"; exit 3\n'
    )
    action = place.action(text, run_on="ssh", parameters=schema)
    done = ran(action, box_at(server), {"text": "a; id $(id) 'q'"}, cast.omar)
    assert (done.status, done.exit_code, done.error_code) == ("failed", 3, "exit_status"), done.error_detail
    first, *rest = done.output.splitlines()
    assert first == "<127.0.0.1><--text=a; id $(id) 'q'>"
    assert rest == ["4", f"[secret] {done.pk}"], "it ran in a session of sshd's, with its environment"
    assert done.job is not None and (done.job.status, done.job.error_code) == (Job.Status.FAILED, "exit_status")
    assert done.started_at is not None and done.finished_at is not None and done.run_on == "ssh"
    verbs = AuditEvent.objects.filter(object_type="provisioning.actionrun").values_list("action", "username")
    assert list(verbs.order_by("pk")) == [("run", "omar"), ("end", "omar")]
    kept = [*Job.objects.values(), *ActionRun.objects.values(), *AuditEvent.objects.values()]
    assert SECRET not in f"{kept} {caplog.text}" and server.private_key.splitlines()[2] not in f"{kept} {caplog.text}"
    assert CredentialUse.objects.get(endpoint__device=done.device).last_error_code == ""


def test_its_time_is_bounded(place: Place, server: Sshd) -> None:
    action = place.action("#!/bin/sh\necho begun; exec sleep 300\n", run_on="ssh", timeout_seconds=1)
    done = ran(action, box_at(server))
    assert (done.status, done.killed_why, done.output) == ("timed_out", "timeout", "begun\n")


@pytest.mark.django_db(transaction=True)
def test_it_is_stopped_while_it_runs(place: Place, server: Sshd, cast: people.Cast) -> None:
    marker = f"ssh-action-{os.getpid()}"
    text = f"#!/bin/sh\nsleep_as() {{ sh -c 'while :; do sleep 0.1; done' sh {marker}; }}\necho begun; sleep_as\n"
    action = place.action(text, run_on="ssh", timeout_seconds=120)
    run = actions.request(action, box_at(server).device, {}, user=cast.omar)
    job = run.job
    assert job is not None

    def work() -> None:
        try:
            tasks.run_action_job(job.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        begun = ActionRun.objects.filter(pk=run.pk, status="running", output="begun\n")
        wait_until(begun.exists, seconds=30, what="its output is there while it runs")
        run.refresh_from_db()
        actions.cancel(run, user=cast.omar)
    finally:
        jobs.cancel(job)
        worker.join(60)
    run.refresh_from_db()
    job.refresh_from_db()
    assert (run.status, run.killed_why, job.status) == ("cancelled", "cancelled", "cancelled")
    assert run.output == "begun\n"
    wait_until(lambda: alive(marker) == [], what="nothing of it is left on the device")


def test_a_host_key_that_changed_gets_nothing(place: Place, server: Sshd, tmp_path: Path) -> None:
    make_key(tmp_path / "former")
    former = type(server.host_keys["ed25519"]).parse((tmp_path / "former.pub").read_text())
    witness = tmp_path / "witness"
    done = ran(place.action(f"#!/bin/sh\ntouch {witness}\n", run_on="ssh"), box_at(server, pin=former))
    assert (done.status, done.error_code, done.output) == ("failed", "untrusted_peer", ""), done.error_detail
    assert not witness.exists()
    shown = HostKey.objects.get(state="pending")
    assert shown.fingerprint == server.host_keys["ed25519"].fingerprint, "it waits for a person on the device's page"
    assert done.job is not None and done.job.error_code == "untrusted_peer"


def test_a_device_that_does_not_answer_is_a_failure_with_its_code(place: Place, server: Sshd) -> None:
    done = ran(place.action(run_on="ssh"), box_at(server, port=free_port()))
    assert (done.status, done.error_code, done.output) == ("failed", "unreachable", "")


def test_what_is_too_large_for_a_device_says_so(place: Place, server: Sshd) -> None:
    done = ran(place.action("#!/bin/sh\n" + "#" * 300_000, run_on="ssh"), box_at(server))
    assert done.status == "failed" and "KiB" in done.error_detail
