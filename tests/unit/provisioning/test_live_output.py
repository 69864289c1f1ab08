"""What a script has written is shown while it runs, its last words before a silence too."""

import threading

import pytest
from django.db import connection

from inventory.models import Device
from netmon.jobs import services as jobs
from provisioning.models import ActionRun
from provisioning.services import actions, running
from tests.daemons import wait_until
from tests.unit.provisioning.conftest import Place

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_last_words_before_a_silence_are_shown(place: Place, device: Device) -> None:
    action = place.action("#!/bin/sh\necho one; sleep 0.1; echo two; exec sleep 300\n", timeout_seconds=120)
    run = actions.request(action, device, {}, user=None)
    job = run.job
    assert job is not None

    def work() -> None:
        try:
            running.run_job(job.pk)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        written = ActionRun.objects.filter(pk=run.pk, status="running", output="one\ntwo\n")
        wait_until(written.exists, seconds=30, what="both lines are there while it runs")
    finally:
        jobs.cancel(job)
        worker.join(60)
    run.refresh_from_db()
    assert (run.status, run.output) == ("cancelled", "one\ntwo\n")
