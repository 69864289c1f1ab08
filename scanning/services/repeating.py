"""Starting the scans that are due by a schedule."""

import logging
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from netmon.audit.context import acting
from netmon.common.errors import AlreadyRunning, NetmonError
from scanning import guard, schedules
from scanning.models import Scan, ScanSchedule
from scanning.services import starting

log = logging.getLogger(__name__)


def start_due(now: datetime | None = None) -> int:
    """Start what is due. Returns how many scans were started."""
    now = now or timezone.now()
    due = ScanSchedule.objects.filter(is_enabled=True, next_run_at__lte=now).order_by("next_run_at", "pk")
    return sum(_start_one(pk, now) for pk in due.values_list("pk", flat=True)[:100])


def _start_one(pk: int, now: datetime) -> bool:
    schedule = _claim(pk, now)
    if schedule is None:
        return False
    refused = ""
    try:
        # Not in the transaction that claims it: names are resolved here, and nobody else could write meanwhile.
        run(schedule)
    except AlreadyRunning as error:
        refused = f"Left out once: {error.detail}"
    except NetmonError as error:
        refused = error.detail
    except ValidationError as error:
        refused = " ".join(error.messages)
    if refused:
        log.warning("scan schedule %s was not started: %s", pk, refused)
    ScanSchedule.objects.filter(pk=pk).update(last_error=refused[:500])
    return not refused


@transaction.atomic
def _claim(pk: int, now: datetime) -> ScanSchedule | None:
    """The schedule if it is due, and this caller the one who starts it; it is due again later from here on."""
    rows = ScanSchedule.objects.select_for_update(skip_locked=True, of=("self",)).select_related("tenant", "created_by")
    schedule = rows.filter(pk=pk, is_enabled=True, next_run_at__lte=now).first()
    if schedule is None:
        return None
    schedule.next_run_at = schedules.next_run(schedule, now)
    schedule.save(update_fields=["next_run_at"])
    start, end = schedule.window_start, schedule.window_end
    if start is not None and end is not None and not schedules.is_open(now, start, end, schedule.time_zone):
        return None  # whoever starts it was late: the window closed meanwhile
    return schedule


def run(schedule: ScanSchedule) -> Scan:
    """Start the scan of a schedule now. Raises what `guard.plan` and `starting.start` raise."""
    planned = guard.plan(
        schedule.kind, schedule.target, schedule.ports, tenant=schedule.tenant, profile=schedule.profile
    )
    with acting(schedule.created_by, "schedule"):
        return starting.start(
            planned,
            target=schedule.target,
            user=schedule.created_by,
            reason=schedule.reason or f"schedule {schedule.name}",
            schedule=schedule,
        )
