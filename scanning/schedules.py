"""When a scan is due again."""

import random
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from monitoring.models.rules import check_zone
from scanning.models import ScanSchedule

__all__ = ["check_zone", "is_open", "next_run"]


def next_run(schedule: ScanSchedule, now: datetime) -> datetime:
    """The next moment after `now`: counted from when it was made, with its jitter, moved into its window.

    Looks that were missed are not made up for.
    """
    step, since = timedelta(minutes=schedule.every_minutes), schedule.created_at or now
    at = since + ((now - since) // step + 1) * step
    if schedule.jitter_minutes:
        at += timedelta(seconds=random.uniform(0, schedule.jitter_minutes * 60))  # noqa: S311  # a spread, no secret
    return into_window(at, schedule.window_start, schedule.window_end, schedule.time_zone)


def into_window(at: datetime, start: time | None, end: time | None, zone: str) -> datetime:
    """`at`, or the next start of the window when it is outside."""
    if start is None or end is None or is_open(at, start, end, zone):
        return at
    local = at.astimezone(ZoneInfo(zone))
    opening = datetime.combine(local.date(), start, tzinfo=ZoneInfo(zone))
    if opening.astimezone(UTC) <= at.astimezone(UTC):
        opening = datetime.combine(local.date() + timedelta(days=1), start, tzinfo=ZoneInfo(zone))
    return opening.astimezone(UTC)


def is_open(at: datetime, start: time, end: time, zone: str) -> bool:
    """Whether a time of day lies in the window; one that ends before it starts goes over midnight."""
    local = at.astimezone(ZoneInfo(zone)).time()
    return start <= local < end if start < end else local >= start or local < end
