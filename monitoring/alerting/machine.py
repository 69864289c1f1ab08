"""The machine behind every alert, pure: seen bad so often and for so long, it is ripe; seen good likewise, it is over.

Live alerts and the rehearsal on stored history run through these functions, so both come to the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Terms:
    """A rule's conditions. `for_*` before an alert is raised, `clear_*` before it is over; seconds and runs, both."""

    for_seconds: int = 0
    for_checks: int = 1
    clear_seconds: int = 0
    clear_checks: int = 1


class Memory(Protocol):
    """What is remembered between two looks; `Alert` is one."""

    is_bad: bool
    bad_checks: int
    good_checks: int
    started_at: datetime
    cleared_at: datetime | None
    last_seen_at: datetime


def note(memory: Memory, is_bad: bool, at: datetime) -> None:
    """Note one look at `at`. What is older than the last look is passed over, unless the clock was set back."""
    if is_stale(memory, at):
        return
    memory.last_seen_at = at
    memory.started_at = min(memory.started_at, at)
    if is_bad:
        memory.bad_checks += 1
        memory.good_checks, memory.cleared_at = 0, None
    else:
        memory.good_checks += 1
        if memory.is_bad:
            memory.cleared_at = at
        memory.bad_checks = 0
    memory.is_bad = is_bad


def is_stale(memory: Memory, at: datetime) -> bool:
    """Whether a look comes after one that is newer. Results overtake each other by minutes; more is a clock."""
    return timedelta(0) < memory.last_seen_at - at < CLOCK_STEP


def ripe_at(memory: Memory, terms: Terms) -> datetime | None:
    """When the fault is confirmed, if nothing good is seen until then; None while too few looks were bad."""
    if not memory.is_bad or memory.bad_checks < terms.for_checks:
        return None
    # The look that made the number full confirms; with later ones that moment has passed already.
    confirming = memory.last_seen_at if memory.bad_checks == terms.for_checks else memory.started_at
    return max(memory.started_at + timedelta(seconds=terms.for_seconds), confirming)


def over_at(memory: Memory, terms: Terms) -> datetime | None:
    """When a raised alert is over, if nothing bad is seen until then; None while too few looks were good."""
    if memory.is_bad or memory.cleared_at is None or memory.good_checks < terms.clear_checks:
        return None
    confirming = memory.last_seen_at if memory.good_checks == terms.clear_checks else memory.cleared_at
    return max(memory.cleared_at + timedelta(seconds=terms.clear_seconds), confirming)


MOMENT = timedelta(microseconds=1)
CLOCK_STEP = timedelta(minutes=10)
COMPARE = {
    "gt": lambda value, limit: value > limit,
    "ge": lambda value, limit: value >= limit,
    "lt": lambda value, limit: value < limit,
    "le": lambda value, limit: value <= limit,
    "eq": lambda value, limit: value == limit,
    "ne": lambda value, limit: value != limit,
}


def is_beyond(value: float, comparator: str, raise_value: float, clear_value: float | None, *, is_open: bool) -> bool:
    """Whether a value is bad. While an alert is open, `clear_value` decides: the gap between the two is hysteresis."""
    limit = clear_value if is_open and clear_value is not None else raise_value
    return COMPARE[comparator](value, limit)


@dataclass(slots=True)
class Trace:
    """A memory of its own, for rehearsals."""

    started_at: datetime
    last_seen_at: datetime
    is_bad: bool = True
    bad_checks: int = 1
    good_checks: int = 0
    cleared_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert of a rehearsal: first sign, raised, over; `resolved_at` None when it still lasts."""

    started_at: datetime
    raised_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Look:
    """One look: bad or not, or a value that the rule has to judge."""

    at: datetime
    is_bad: bool | None = None
    value: float | None = None


def replay(
    looks: Iterable[Look],
    terms: Terms,
    *,
    comparator: str = "gt",
    raise_value: float = 0.0,
    clear_value: float | None = None,
    until: datetime | None = None,
) -> list[Episode]:
    """The alerts that these looks, oldest first, come to. `until`: now, for what is ripe but not looked at again."""
    episodes: list[Episode] = []
    memory: Trace | None = None
    raised: datetime | None = None
    for look in looks:
        if memory is not None:
            # What fell due before this look; at the very moment the look counts first, as it does live.
            memory, raised = _settle(memory, raised, terms, look.at - MOMENT, episodes)
        bad = look.is_bad
        if bad is None:
            if look.value is None:
                continue
            bad = is_beyond(look.value, comparator, raise_value, clear_value, is_open=memory is not None)
        if memory is None:
            if not bad:
                continue
            memory = Trace(look.at, look.at)
        else:
            note(memory, bad, look.at)
            if not bad and raised is None:
                memory = None
                continue
        memory, raised = _settle(memory, raised, terms, look.at, episodes)
    if memory is not None and until is not None:
        memory, raised = _settle(memory, raised, terms, until, episodes)
    if memory is not None and raised is not None:
        episodes.append(Episode(memory.started_at, raised, None))
    return episodes


def _settle(
    memory: Trace, raised: datetime | None, terms: Terms, at: datetime, episodes: list[Episode]
) -> tuple[Trace | None, datetime | None]:
    """What became due by `at`."""
    if raised is None:
        ripe = ripe_at(memory, terms)
        return memory, ripe if ripe is not None and ripe <= at else None
    over = over_at(memory, terms)
    if over is None or over > at:
        return memory, raised
    episodes.append(Episode(memory.started_at, raised, over))
    return None, None
