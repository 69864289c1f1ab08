"""The life of a job: queued, running, and one of four ends. Every step is a conditional UPDATE, so that a second
delivery of a message, a late worker and the reconciler cannot overwrite each other."""

import time
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from netmon.common.queue import send_after_commit
from netmon.jobs.models import Job

RESEND_AFTER = timedelta(seconds=15)
MAX_SENDS = 5


def start(
    *, kind: str, key: str, task: str, user: Any, deadline_seconds: float, arguments: dict[str, Any] | None = None
) -> tuple[Job, bool]:
    """Queue a job, or join the active one of the same kind and key. Returns (job, created)."""
    for _ in range(3):
        if active := Job.objects.filter(kind=kind, key=key, status__in=Job.ACTIVE).first():
            return active, False
        try:
            with transaction.atomic():
                job = Job.objects.create(
                    kind=kind,
                    key=key,
                    task=task,
                    arguments=arguments or {},
                    requested_by=user,
                    deadline_at=timezone.now() + timedelta(seconds=deadline_seconds),
                    sends=1,
                )
                send_after_commit(task, job.pk, expires=deadline_seconds)
                return job, True
        except IntegrityError:
            continue  # somebody was faster: join theirs
    raise RuntimeError(f"job {kind} {key} could be neither started nor joined")


def claim(job_id: int) -> Job | None:
    """The job if this caller may run it; None when it is taken, ended or past its deadline."""
    now = timezone.now()
    claimed = Job.objects.filter(pk=job_id, status=Job.Status.QUEUED, deadline_at__gt=now).update(
        status=Job.Status.RUNNING, started_at=now
    )
    return Job.objects.get(pk=job_id) if claimed else None


def finish(job: Job, *, result: Any = None, error_code: str = "", error_detail: str = "") -> bool:
    """End a running job; False when it was ended meanwhile."""
    status = Job.Status.FAILED if error_code else Job.Status.SUCCEEDED
    return bool(
        Job.objects.filter(pk=job.pk, status=Job.Status.RUNNING).update(
            status=status, result=result, error_code=error_code, error_detail=error_detail, finished_at=timezone.now()
        )
    )


def cancel(job: Job) -> Job:
    """A queued job ends at once; a running one is asked to stop and ends when its worker looks."""
    ended = Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED).update(
        status=Job.Status.CANCELLED, cancel_requested=True, finished_at=timezone.now()
    )
    if not ended:
        Job.objects.filter(pk=job.pk, status=Job.Status.RUNNING).update(cancel_requested=True)
    job.refresh_from_db()
    return job


def wait(job: Job, seconds: float) -> Job:
    """The job as it is when it has ended or `seconds` are over."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while job.is_active and time.monotonic() < deadline:
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, 0.25)
        job.refresh_from_db()
    return job


def reconcile() -> dict[str, int]:
    """Close jobs past their deadline and send those again that nobody took."""
    now = timezone.now()
    lost = Job.objects.filter(status__in=Job.ACTIVE, deadline_at__lte=now).update(
        status=Job.Status.LOST,
        error_code="worker_lost",
        error_detail="No worker ended this job before its deadline.",
        finished_at=now,
    )
    resent = 0
    for job in Job.objects.filter(status=Job.Status.QUEUED, created_at__lte=now - RESEND_AFTER, sends__lt=MAX_SENDS):
        if Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED, sends=job.sends).update(sends=job.sends + 1):
            send_after_commit(job.task, job.pk, expires=job.seconds_left(now))
            resent += 1
    return {"lost": lost, "resent": resent}
