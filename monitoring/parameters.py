"""Query parameters of the monitoring doors: times, steps, columns."""

from datetime import UTC, datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from monitoring import metrics
from monitoring.reports import Period
from netmon.common.pagination import bounded_int

MAX_STEP = 86400 * 31
MAX_HOURS = 24 * 366 * 5


def refuse(name: str, text: str) -> ValidationError:
    return ValidationError({name: text}, code="invalid_parameter")


def hours(request: Request, default: float = 24) -> float:
    text = request.query_params.get("hours")
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1 <= value * 3600 <= MAX_HOURS * 3600:  # written so that NaN is refused
        raise refuse("hours", f"Write a number of hours: at least one second, at most {MAX_HOURS}.")
    return value


def moment(request: Request, name: str) -> datetime | None:
    """An ISO 8601 time or epoch seconds. A time without zone is UTC."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromtimestamp(float(text), UTC) if _is_number(text) else parse_datetime(text)
    except (ValueError, OverflowError, OSError):
        found = None
    if found is None or not 1971 < found.year < 2200:
        raise refuse(name, "Write a time such as 2026-11-22T08:00:00Z, or epoch seconds.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit() and len(text) < 20


def period(request: Request, *, default_hours: float = 24) -> Period:
    """`from` and `to`, or the last `hours`."""
    start, end = moment(request, "from"), moment(request, "to")
    if start is None and end is None:
        return Period.last_hours(hours(request, default_hours))
    stop = end or timezone.now()
    begin = start or datetime.fromtimestamp(stop.timestamp() - hours(request, default_hours) * 3600, UTC)
    if int(begin.timestamp()) >= int(stop.timestamp()):  # samples have whole seconds
        raise refuse("from", "It must lie at least one second before `to`.")
    if (stop - begin).total_seconds() > MAX_HOURS * 3600:
        raise refuse("from", f"A period is at most {MAX_HOURS} hours.")
    return Period(int(begin.timestamp()), int(stop.timestamp()))


def step(request: Request) -> int | None:
    return bounded_int(request, "step", minimum=1, maximum=MAX_STEP)


def columns(request: Request, metric_set: str) -> list[int]:
    """Positions of the columns asked for; all when none is named."""
    known = [column.name for column in metrics.get(metric_set).columns]
    text = request.query_params.get("columns")
    if text is None:
        return list(range(len(known)))
    positions = []
    for name in text.split(","):
        if name.strip() not in known:
            raise refuse("columns", f"{name.strip()[:40]!r} is not one of {', '.join(known)}.")
        positions.append(known.index(name.strip()))
    return positions
