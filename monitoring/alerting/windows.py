"""When a maintenance window is open. Wall time of its zone counts: "Sunday at 02:00" stays so when clocks change."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule
from django.core.exceptions import ValidationError

from monitoring.models.alerts import Alert
from netmon.common.errors import Conflict
from netmon.common.queue import ADVANCE_ALERTS, send_after_commit

LONGEST = timedelta(days=31)
CHUNK = 1000
FREQUENCY = {"daily": rrule.DAILY, "weekly": rrule.WEEKLY, "monthly": rrule.MONTHLY}
PERIOD = {"daily": timedelta(days=1), "weekly": timedelta(days=7), "monthly": timedelta(days=28)}


@dataclass(frozen=True, slots=True)
class Occurrence:
    starts_at: datetime
    ends_at: datetime


def check(window: Any) -> None:
    """Raises ValidationError naming what cannot be meant."""
    if window.starts_at is None or window.ends_at is None:
        return  # said by the fields themselves
    for name in ("starts_at", "ends_at", "until"):
        moment = getattr(window, name)
        if moment is not None and not 1971 < moment.year < 2200:  # beyond, a change of zone runs out of years
            raise ValidationError({name: "Write a moment between the years 1972 and 2199."})
    length = window.ends_at - window.starts_at
    if length <= timedelta(0):
        raise ValidationError({"ends_at": "A window ends after it begins."})
    if length > LONGEST:
        raise ValidationError({"ends_at": "A window lasts at most 31 days: silence its alerts or retire the devices."})
    days(window.weekdays)
    if window.weekdays and window.recurrence != "weekly":
        raise ValidationError({"weekdays": "Days of the week belong to a weekly window."})
    if window.recurrence in PERIOD:  # any other but "once" the field itself refuses
        spacing = timedelta(days=1) if window.weekdays else PERIOD[window.recurrence]
        if length > spacing:
            raise ValidationError({"ends_at": "A window must end before it begins again."})


def days(text: str) -> list[int]:
    """Days of the week, 1 to 7, from "1,3,5". Raises ValidationError."""
    try:
        found = sorted({int(part) for part in text.split(",")}) if text.strip() else []
    except ValueError:
        found = [0]
    if any(not 1 <= day <= 7 for day in found):
        raise ValidationError({"weekdays": "Write days as 1 (Monday) to 7 (Sunday), with commas: 1,3,5."})
    return found


def _localised(naive: datetime, zone: ZoneInfo) -> datetime:
    """A wall time as a moment. One that does not exist (clocks go forward) is the moment the clock jumped past it."""
    return naive.replace(tzinfo=zone).astimezone(UTC)


def occurrences(window: Any, since: datetime) -> Iterator[Occurrence]:
    """Those that end after `since`, oldest first; a recurring window without `until` has no end of them."""
    if window.recurrence == "once":
        if window.ends_at > since:
            yield Occurrence(window.starts_at, window.ends_at)
        return
    zone = ZoneInfo(window.time_zone)
    # Whole seconds, as rrule counts: with a fraction the first occurrence would lie before its own beginning.
    first, last = (
        moment.astimezone(zone).replace(tzinfo=None, microsecond=0) for moment in (window.starts_at, window.ends_at)
    )
    length = last - first  # of wall time: from 02:00 to 04:00, whatever the clock does between
    # From where it may matter, not from the beginning: a daily window of ten years has 3,650 days.
    begin = max(first, datetime.combine(_day_before(since, zone, length), first.time()))
    options: dict[str, Any] = {}
    if window.recurrence == "weekly":
        options["byweekday"] = [day - 1 for day in days(window.weekdays)] or [first.weekday()]
    elif window.recurrence == "monthly":
        # The 31st of a shorter month is its last day.
        options = {"bymonthday": list(range(28, first.day + 1)) or [first.day], "bysetpos": -1}
        if first.day < 28:
            options = {"bymonthday": [first.day]}
    if window.recurrence == "monthly":
        begin = max(first, begin.replace(day=1) - timedelta(days=31))
    for start in rrule.rrule(FREQUENCY[window.recurrence], dtstart=begin, **options):
        moment = _localised(start, zone)
        if start < first:
            continue
        if window.until is not None and moment > window.until:
            return
        ends = _localised(start + length, zone)
        if ends > since:
            yield Occurrence(moment, ends)


def _day_before(since: datetime, zone: ZoneInfo, length: timedelta) -> date:
    return (since.astimezone(zone) - length - timedelta(days=2)).date()


def present(window: Any, now: datetime) -> Occurrence | None:
    """The occurrence that is open now, if any, and was not ended early."""
    for one in islice(occurrences(window, now), 2):
        if one.starts_at <= now < one.ends_at:
            return None if was_ended(one, window, now) else one
    return None


def was_ended(one: Occurrence, window: Any, now: datetime) -> bool:
    """Whether an occurrence was ended early."""
    return window.ended_at is not None and one.starts_at <= window.ended_at <= now


def end(window: Any, now: datetime) -> None:
    """End the occurrence that is under way, now. Raises Conflict when there is none. In the caller's transaction."""
    if present(window, now) is None:
        raise Conflict("This window is not open now: change or delete it instead.")
    window.ended_at = now
    window.save(update_fields=["ended_at", "updated_at"])
    look_again(now)


def look_again(now: datetime) -> None:
    """Have the engine look at once at what work held back, or what is reached through it. In a transaction."""
    State = Alert.State
    held = Alert.objects.open().filter(state__in=[State.MAINTENANCE, State.UNREACHABLE], due_at__gt=now)
    # In the order of all who lock many; what somebody else holds is on its way to being looked at.
    ids = list(held.select_for_update(skip_locked=True, of=("self",)).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(ids), CHUNK):
        Alert.objects.filter(pk__in=ids[first : first + CHUNK]).update(due_at=now)
    send_after_commit(ADVANCE_ALERTS)


def upcoming(windows: Iterable[Any], now: datetime, until: datetime) -> list[tuple[Occurrence, Any]]:
    """What lies between now and `until`, those under way included, in order."""
    found: list[tuple[Occurrence, Any]] = []
    for window in windows:
        found += [(one, window) for one in takewhile(lambda one: one.starts_at < until, occurrences(window, now))]
    return sorted(found, key=lambda pair: (pair[0].starts_at, pair[1].pk or 0))
