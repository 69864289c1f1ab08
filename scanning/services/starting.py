"""Asking for a scan: checked, written down, queued."""

import hashlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory.models import Tenant
from netmon.audit import services as audit
from netmon.common import locks
from netmon.common.errors import AlreadyRunning
from netmon.common.queue import RUN_SCAN_JOB
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from scanning import targets
from scanning.guard import Plan
from scanning.models import Scan, ScanSchedule
from scanning.services import ending

KIND = "scan"
LEASE_SECONDS = 20
QUEUE_SECONDS = 6 * 3600.0
# A scan that touches no more than this is waited for by whoever asks, else it is answered with 202 at once.
SMALL_PROBES = 2048


def tenant_for(user: Any, tenant: Tenant | None) -> Tenant | None:
    """Whose network a person's scan is of: what they name, else the one tenant they are bound to.

    Raises ValidationError where they must choose, or may not.
    """
    tenant_ids = getattr(user, "tenant_ids", None)
    if not tenant_ids:
        return tenant
    if tenant is not None:
        if tenant.pk not in tenant_ids:
            raise ValidationError({"tenant": "Choose one of your tenants."})
        return tenant
    if len(tenant_ids) > 1:
        raise ValidationError({"tenant": "Say for which of your tenants: a scan keeps to one tenant's networks."})
    return Tenant.objects.get(pk=next(iter(tenant_ids)))


@transaction.atomic
def start(
    planned: Plan,
    *,
    target: str,
    user: Any = None,
    reason: str = "",
    packets_limit: int | None = None,
    schedule: ScanSchedule | None = None,
    is_sent: bool = True,
) -> Scan:
    """Write a scan down and queue it. Raises AlreadyRunning while another one touches the same addresses.

    Without `is_sent` no worker is told: the caller runs its job.
    """
    locks.hold(Scan, 0)  # one at a time: two that overlap must not both find the network free
    _refuse_overlap(planned)
    key = hashlib.sha256(" ".join(map(str, planned.spans)).encode()).hexdigest()
    job, is_new = jobs.start(
        kind=KIND,
        key=key,
        task=RUN_SCAN_JOB,
        user=user,
        deadline_seconds=QUEUE_SECONDS,
        total=planned.hosts,
        lease_seconds=LEASE_SECONDS,
        is_sent=is_sent,
    )
    if not is_new:
        raise AlreadyRunning("A scan of this target is about to end: ask again in a moment.")
    scan = Scan.objects.create(
        kind=planned.kind,
        target=target.strip(),
        spans=[str(span) for span in planned.spans],
        ports=str(planned.ports),
        profile=planned.profile,
        tenant=planned.tenant,
        device=planned.device,
        schedule=schedule,
        reason=reason,
        requested_by=user,
        job=job,
        hosts_total=planned.hosts,
        packets_limit=packets_limit,
        notes={"resolved": planned.resolved} if planned.resolved else {},
    )
    Job.objects.filter(pk=job.pk).update(arguments={"scan": scan.pk})
    audit.record(
        "scan",
        scan,
        detail=f"{planned.hosts} addresses, {len(planned.ports)} ports, {planned.profile}; {reason or 'no reason'}",
    )
    return scan


def _refuse_overlap(planned: Plan) -> None:
    """One scan of a network at a time: two would spoil each other's timing, and double what the network bears."""
    for other in Scan.objects.active().exclude(job=None).select_related("job"):
        spans = [targets.Span.parse(text) for text in other.spans]
        if not other.job or not other.job.is_active:
            continue
        if common := targets.within(planned.spans, spans):
            if planned.tenant != other.tenant:
                raise AlreadyRunning(f"Another scan of {common[0]} is under way: wait for its end.")
            raise AlreadyRunning(
                f"Scan {other.pk} of {common[0]} is under way: wait for it, or cancel it.", scan=other.as_dict()
            )


def settle(now: Any = None) -> int:
    """End scans whose job has ended without them: cancelled in the queue, or lost with its worker."""
    now = now or timezone.now()
    settled = 0
    for scan in Scan.objects.active().select_related("job").exclude(job__status__in=Job.ACTIVE):
        if scan.job is None and scan.created_at > now - timedelta(minutes=1):
            continue
        job = scan.job
        settled += ending.end(
            scan,
            job.status if job else Scan.Outcome.LOST,
            error_code=job.error_code if job else "worker_lost",
            error_detail=job.error_detail if job else "Its job is gone.",
        )
    return settled


def cancel(scan: Scan) -> Scan:
    """Ask a scan to stop; what it found by then stays."""
    if scan.job is not None and scan.is_active:
        jobs.cancel(scan.job)
        settle()
        audit.record("cancel", scan)
    scan.refresh_from_db()
    return scan


def prune(now: Any = None) -> int:
    """Forget scans that ended more than NETMON_SCANS_DAYS ago; what is known of hosts and their presence stays."""
    limit = (now or timezone.now()) - timedelta(days=settings.SCANS_DAYS)
    count, _ = Scan.objects.filter(finished_at__lt=limit).delete()
    return count
