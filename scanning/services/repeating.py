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
    with transaction.atomic():
        rows = ScanSchedule.objects.select_for_update(skip_locked=True, of=("self",)).select_related("tenant")
        schedule = rows.filter(pk=pk, is_enabled=True, next_run_at__lte=now).first()
        if schedule is None:
            return False
        if schedule.window_start is not None and schedule.window_end is not None:
            is_open = schedules.is_open(now, schedule.window_start, schedule.window_end, schedule.time_zone)
            if not is_open:  # whoever starts it was late: the window closed meanwhile
                schedule.next_run_at = schedules.next_run(schedule, now)
                schedule.save(update_fields=["next_run_at"])
                return False
        schedule.next_run_at = schedules.next_run(schedule, now)
        schedule.last_error = ""
        started = False
        try:
            run(schedule)
            started = True
        except AlreadyRunning as error:
            schedule.last_error = f"Left out once: {error.detail}"[:500]
        except NetmonError as error:
            schedule.last_error = error.detail[:500]
        except ValidationError as error:
            schedule.last_error = " ".join(error.messages)[:500]
        if schedule.last_error:
            log.warning("scan schedule %s was not started: %s", schedule.pk, schedule.last_error)
        schedule.save(update_fields=["next_run_at", "last_error"])
    return started


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
