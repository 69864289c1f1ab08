"""The life of a job: one active of a key, a second delivery is a no-op, and what nobody ends is closed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from tests import people

pytestmark = pytest.mark.django_db

TASK = "netmon.jobs.tasks.reconcile_jobs"


def start(key: str = "1", **over: object) -> Job:
    values = {"kind": "test", "key": key, "task": TASK, "user": None, "deadline_seconds": 60, **over}
    return jobs.start(**values)[0]  # type: ignore[arg-type]


def claimed(job: Job) -> Job:
    taken = jobs.claim(job.pk)
    assert taken is not None
    return taken


def test_another_worker_goes_on_with_a_leased_job_and_the_first_writes_nothing_more() -> None:
    job, _ = jobs.start(kind="t", key="leased", task="t", user=None, deadline_seconds=600, lease_seconds=30)
    first = claimed(job)
    assert 25 < first.seconds_left() <= 30, "while it runs, the lease is the deadline"
    jobs.progress(first, 3, total=10)
    past = timezone.now() - timedelta(minutes=1)
    Job.objects.update(created_at=past, deadline_at=past)
    assert jobs.reconcile() == {"lost": 0, "resent": 1, "resumed": 1}
    second = claimed(job)
    assert (second.attempt, second.progress_done) == (2, 3)
    with pytest.raises(jobs.Cancelled):
        jobs.progress(first, 4, total=10)
    assert not jobs.finish(first, result={}) and jobs.finish(second, result={"n": 1})


def test_a_leased_job_that_was_asked_to_stop_or_fails_again_and_again_is_not_resumed() -> None:
    asked, hopeless = (
        claimed(jobs.start(kind="t", key=key, task="t", user=None, deadline_seconds=600, lease_seconds=30)[0])
        for key in ("asked", "hopeless")
    )
    jobs.cancel(asked)
    Job.objects.filter(pk=hopeless.pk).update(attempt=jobs.MAX_ATTEMPTS)
    Job.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert jobs.reconcile() == {"lost": 1, "resent": 0, "resumed": 0}
    asked.refresh_from_db()
    hopeless.refresh_from_db()
    assert (asked.status, hopeless.status) == ("cancelled", "lost")


def test_a_second_start_joins_the_active_job() -> None:
    assert start().pk == start().pk != start(key="2").pk


def test_a_claimed_job_is_not_claimed_again() -> None:
    job = start()
    assert jobs.claim(job.pk) is not None
    assert jobs.claim(job.pk) is None


def test_finish_keeps_result_or_error() -> None:
    good, bad = start(), start(key="2")
    good, bad = (claimed(job) for job in (good, bad))
    assert jobs.finish(good, result={"n": 1})
    assert jobs.finish(bad, error_code="timeout", error_detail="No answer.")
    assert not jobs.finish(good, result={"n": 2}), "an ended job is not ended again"
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.status, good.result, bad.status, bad.error_code) == ("succeeded", {"n": 1}, "failed", "timeout")


def test_what_is_past_its_deadline_is_lost_and_a_late_worker_does_not_overwrite_it() -> None:
    job = claimed(start())
    Job.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert jobs.reconcile()["lost"] == 1
    assert not jobs.finish(job, result={})
    job.refresh_from_db()
    assert (job.status, job.error_code) == ("lost", "worker_lost")


def test_a_job_that_nobody_took_is_sent_again_a_few_times(django_capture_on_commit_callbacks: object) -> None:
    job = start()
    Job.objects.update(
        created_at=timezone.now() - timedelta(minutes=1), deadline_at=timezone.now() + timedelta(hours=1)
    )
    sent = [jobs.reconcile()["resent"] for _ in range(8)]
    assert sum(sent) == jobs.MAX_SENDS - 1
    job.refresh_from_db()
    assert job.sends == jobs.MAX_SENDS


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_is_asked() -> None:
    queued, running = start(), start(key="2")
    jobs.claim(running.pk)
    assert jobs.cancel(queued).status == "cancelled"
    asked = jobs.cancel(running)
    assert asked.status == "running" and asked.cancel_requested
    assert jobs.claim(queued.pk) is None


def test_the_api_shows_and_cancels(cast: people.Cast) -> None:
    job = start()
    client = people.client_for(cast.omar)
    body = client.get(f"/api/v1/jobs/{job.pk}/").json()
    assert body["status"] == "queued" and body["progress"] == {"done": 0, "total": 0}
    assert client.post(f"/api/v1/jobs/{job.pk}/cancel/").json()["status"] == "cancelled"


def test_poll_now_without_a_worker_is_a_job_that_goes_on(cast: people.Cast) -> None:
    from tests import factories

    device = factories.make_flat()
    client = people.client_for(cast.omar)
    first = client.post(f"/api/v1/devices/{device.pk}/poll/?wait=0")
    again = client.post(f"/api/v1/devices/{device.pk}/poll/?wait=0")
    assert first.status_code == again.status_code == 202
    assert first.json()["job"]["id"] == again.json()["job"]["id"]
    assert first["Location"] == first.json()["job"]["url"]
