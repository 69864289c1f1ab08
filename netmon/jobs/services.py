"""The life of a job: queued, running, and one of four ends. Every step is a conditional UPDATE, so that a second
delivery of a message, a late worker and the reconciler cannot overwrite each other."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from netmon.common.queue import send_after_commit
from netmon.jobs.models import Job

RESEND_AFTER = timedelta(seconds=15)
MAX_SENDS = 5
MAX_ATTEMPTS = 5
PROGRESS_SECONDS = 0.5
RESUME_WAIT = timedelta(hours=1)
PAYLOAD_KEPT = timedelta(hours=1)


class Cancelled(Exception):
    """Somebody asked a running job to stop; `done` says how far it came."""

    def __init__(self, done: int) -> None:
        super().__init__(done)
        self.done = done


def unique_key() -> str:
    """A key for a job that need not wait for others of its kind."""
    return uuid.uuid4().hex


def start(
    *,
    kind: str,
    key: str,
    task: str,
    user: Any,
    deadline_seconds: float,
    arguments: dict[str, Any] | None = None,
    payload: str = "",
    total: int = 0,
    lease_seconds: int | None = None,
    is_sent: bool = True,
) -> tuple[Job, bool]:
    """Queue a job, or join the active one of the same kind and key. Returns (job, created).

    `payload` is kept encrypted until the job ends: what may hold secrets goes there, not into `arguments`. With
    `lease_seconds` another worker goes on when the present one has said nothing for so long: `deadline_seconds` is
    then how long the job may wait in the queue, and its work must be able to go on from where it was. Without
    `is_sent` the caller runs it himself; were he to die before, the reconciler would send it.
    """
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
                    payload=payload,
                    progress_total=total,
                    requested_by=user,
                    deadline_at=timezone.now() + timedelta(seconds=deadline_seconds),
                    sends=1,
                    lease_seconds=lease_seconds,
                )
                if is_sent:
                    send_after_commit(task, job.pk, expires=deadline_seconds)
                return job, True
        except IntegrityError:
            continue  # somebody was faster: join theirs
    raise RuntimeError(f"job {kind} {key} could be neither started nor joined")


def claim(job_id: int) -> Job | None:
    """The job if this caller may run it; None when it is taken, ended or past its deadline."""
    now = timezone.now()
    rows = Job.objects.filter(pk=job_id, status=Job.Status.QUEUED, deadline_at__gt=now)
    claimed = rows.update(
        status=Job.Status.RUNNING, started_at=Coalesce("started_at", Value(now)), attempt=F("attempt") + 1
    )
    if not claimed:
        return None
    job = Job.objects.get(pk=job_id)
    if job.lease_seconds is not None:
        _held(job).update(deadline_at=now + timedelta(seconds=job.lease_seconds))
        job.refresh_from_db(fields=["deadline_at"])
    return job


def _held(job: Job) -> QuerySet[Job]:
    """The row, while it is this worker's: one that was taken for lost and came back writes nothing."""
    return Job.objects.filter(pk=job.pk, status=Job.Status.RUNNING, attempt=job.attempt)


def finish(
    job: Job, *, result: Any = None, error_code: str = "", error_detail: str = "", keeps_payload: bool = False
) -> bool:
    """End a running job; False when it was ended meanwhile. A payload that is kept goes an hour later."""
    status = Job.Status.FAILED if error_code else Job.Status.SUCCEEDED
    kept = {"payload": F("payload")} if keeps_payload else {}
    return _end(job, status=status, result=result, error_code=error_code, error_detail=error_detail, **kept)


def finish_cancelled(job: Job, *, result: Any = None) -> bool:
    """End a running job that was asked to stop."""
    return _end(job, status=Job.Status.CANCELLED, result=result)


def _end(job: Job, **values: Any) -> bool:
    return bool(_held(job).update(**{"finished_at": timezone.now(), "payload": "", **values}))


def progress(job: Job, done: int, total: int | None = None) -> None:
    """Say how far a running job is, at most twice a second. Raises Cancelled when it was asked to stop or has ended."""
    now = time.monotonic()
    if total is None and now - getattr(job, "said_at", 0.0) < PROGRESS_SECONDS and done < job.progress_total:
        return
    job.said_at = now  # type: ignore[attr-defined]
    job.progress_total = max(total if total is not None else job.progress_total, done)
    values: dict[str, Any] = {"progress_done": done, "progress_total": job.progress_total}
    if job.lease_seconds is not None:
        values["deadline_at"] = timezone.now() + timedelta(seconds=job.lease_seconds)
    if not _held(job).filter(cancel_requested=False).update(**values):
        raise Cancelled(done)


def check_running(job: Job) -> None:
    """The last word before a job's work is committed. Raises Cancelled when it was asked to stop or has ended."""
    if not _held(job).filter(cancel_requested=False).exists():
        raise Cancelled(0)


@contextmanager
def ending(job: Job) -> Iterator[None]:
    """A running job ends with this block, also when it is broken off by a fault, which goes on to the log."""
    try:
        yield
    except BaseException:
        finish(job, error_code="internal", error_detail="A fault in netmon; see the log.")
        raise


def cancel(job: Job) -> Job:
    """A queued job ends at once; a running one is asked to stop and ends when its worker looks."""
    ended = Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED).update(
        status=Job.Status.CANCELLED, cancel_requested=True, finished_at=timezone.now(), payload=""
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
    """Let others go on with leased jobs whose worker is silent, close those past their deadline, send again what
    nobody took."""
    now = timezone.now()
    silent = Job.objects.filter(
        status=Job.Status.RUNNING, deadline_at__lte=now, lease_seconds__isnull=False, attempt__lt=MAX_ATTEMPTS
    )
    silent.filter(cancel_requested=True).update(status=Job.Status.CANCELLED, finished_at=now, payload="")
    # Never sent, as it were: the loop below sends it.
    resumed = silent.update(status=Job.Status.QUEUED, sends=0, deadline_at=now + RESUME_WAIT)
    lost = Job.objects.filter(status__in=Job.ACTIVE, deadline_at__lte=now).update(
        status=Job.Status.LOST,
        error_code="worker_lost",
        error_detail="No worker ended this job before its deadline.",
        finished_at=now,
        payload="",
    )
    resent = 0
    for job in Job.objects.filter(status=Job.Status.QUEUED, created_at__lte=now - RESEND_AFTER, sends__lt=MAX_SENDS):
        if Job.objects.filter(pk=job.pk, status=Job.Status.QUEUED, sends=job.sends).update(sends=job.sends + 1):
            send_after_commit(job.task, job.pk, expires=job.seconds_left(now))
            resent += 1
    return {"lost": lost, "resent": resent, "resumed": resumed}


def prune(now: datetime | None = None) -> int:
    """Drop jobs that ended more than NETMON_JOBS_DAYS ago. Returns how many went."""
    now = now or timezone.now()
    ended = Job.objects.exclude(status__in=Job.ACTIVE)
    ended.filter(finished_at__lt=now - PAYLOAD_KEPT).update(payload="")
    count, _ = ended.filter(finished_at__lt=now - timedelta(days=settings.JOBS_DAYS)).delete()
    return count
