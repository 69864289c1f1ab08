"""Faults that come and go: when they are called flapping, and when they have settled."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

WINDOW = timedelta(minutes=30)
TRANSITIONS = 4  # raises and clears within the window
KEPT = 20


def remember(transitions: Sequence[float], at: datetime) -> list[float]:
    """The transitions within the window, with this one."""
    since = (at - WINDOW).timestamp()
    return [*(one for one in transitions if one >= since), at.timestamp()][-KEPT:]


def is_flapping(transitions: Sequence[float]) -> bool:
    return len(transitions) >= TRANSITIONS


def is_relapse(transitions: Sequence[float]) -> bool:
    """Whether the last of these, a raise, follows another raise within the window."""
    return len(transitions) >= 3


def stable_at(transitions: Sequence[float]) -> datetime | None:
    """When it will have been quiet for the whole window."""
    return datetime.fromtimestamp(transitions[-1], UTC) + WINDOW if transitions else None
