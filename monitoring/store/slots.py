"""Epoch seconds and the spans they fall into. Everything is UTC."""

from datetime import UTC, datetime

FIVE_MINUTES = 300
HOUR = 3600
DAY = 86400

Moment = int | float | datetime


def epoch(moment: Moment) -> float:
    """Epoch seconds of a moment. Raises ValueError for a datetime without a time zone."""
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{moment}: a time without a zone")
    return moment.timestamp()


def floor(moment: Moment, step: int) -> int:
    """The multiple of `step` seconds at or before the moment: the slot of a sample, the start of an hour or day."""
    return int(epoch(moment) // step) * step


def ceiling(moment: Moment, step: int) -> int:
    """The multiple of `step` seconds at or after the moment."""
    return -int(-epoch(moment) // step) * step


def month_start(moment: Moment) -> int:
    at = datetime.fromtimestamp(epoch(moment), UTC)
    return int(at.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp())


def next_month(start: int) -> int:
    """The start of the month after the one that begins at `start`."""
    return month_start(start + 31 * DAY)
