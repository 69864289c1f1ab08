"""How much of a stretch of time a device was up, down, or not measured.

The interval arithmetic is pure and works on epoch seconds; `window` and `quarters` read the rows it needs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.db.models import Q

from monitoring.models import DeviceState, Outage

UP, DOWN, UNKNOWN = "up", "down", "unknown"
# Down, but not by its own fault, or not known to be: counted apart, neither for nor against.
EXCUSED = ("maintenance", "unreachable", "blind")
KINDS = (UP, DOWN, *EXCUSED, UNKNOWN)
# Where two breaks overlap, the former wins.
PRECEDENCE = (DOWN, *EXCUSED, UNKNOWN)
SILENCE = 2.5  # after so many expected intervals without a run, nobody knows how the device is


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a window in which the state did not change."""

    start: float
    end: float
    kind: str

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Break:
    """An outage as it is stored; `end` is None while it lasts."""

    start: float
    end: float | None
    kind: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """From when until when something is known about a device. None: nothing was ever measured."""

    since: float | None = None
    until: float | None = None

    @classmethod
    def of(cls, state: DeviceState | None) -> "Watch":
        if state is None or state.watched_since is None or state.last_poll_at is None:
            return cls()
        until = state.last_poll_at.timestamp() + SILENCE * state.expected_every_seconds
        return cls(state.watched_since.timestamp(), until)


@dataclass(frozen=True, slots=True)
class Availability:
    """Of one device in one window. The six lengths add up to the window."""

    up_seconds: float
    down_seconds: float
    unknown_seconds: float
    maintenance_seconds: float
    unreachable_seconds: float
    blind_seconds: float
    percent: float | None  # of the measured time; None when nothing was measured
    outages: tuple[Break, ...]  # those of kind "down" that touch the window, oldest first
    spans: tuple[Span, ...]


def timeline(start: float, end: float, watch: Watch, breaks: Iterable[Break]) -> list[Span]:
    """The window as spans in order, without holes and overlaps. Where two breaks overlap, the graver wins."""
    if watch.since is None or watch.until is None:
        return [Span(start, end, UNKNOWN)] if end > start else []
    known_from, known_to = max(start, watch.since), min(end, watch.until)
    if known_from >= known_to:
        return [Span(start, end, UNKNOWN)] if end > start else []
    pieces = [
        (max(b.start, known_from), min(known_to if b.end is None else b.end, known_to), b.kind)
        for b in breaks
        if b.start < known_to and (b.end is None or b.end > known_from)
    ]
    edges = sorted({start, known_from, known_to, end, *(p[0] for p in pieces), *(p[1] for p in pieces)})
    spans: list[Span] = []
    for left, right in pairwise(edges):
        kinds = {kind for begin, finish, kind in pieces if begin <= left and right <= finish}
        if left < known_from or right > known_to:
            kind = UNKNOWN
        else:
            kind = next((one for one in PRECEDENCE if one in kinds), UP)
        if spans and spans[-1].kind == kind:
            spans[-1] = Span(spans[-1].start, right, kind)
        else:
            spans.append(Span(left, right, kind))
    return spans


def measure(start: float, end: float, watch: Watch, breaks: Sequence[Break]) -> Availability:
    spans = timeline(start, end, watch, breaks)
    total = dict.fromkeys(KINDS, 0.0)
    for span in spans:
        total[span.kind] += span.seconds
    measured = total[UP] + total[DOWN]
    return Availability(
        up_seconds=total[UP],
        down_seconds=total[DOWN],
        unknown_seconds=total[UNKNOWN],
        maintenance_seconds=total["maintenance"],
        unreachable_seconds=total["unreachable"],
        blind_seconds=total["blind"],
        percent=100 * total[UP] / measured if measured else None,
        outages=tuple(b for b in breaks if b.kind == DOWN and b.start < end and (b.end is None or b.end > start)),
        spans=tuple(spans),
    )


def cells(spans: Sequence[Span], start: float, width: float, count: int) -> list[dict[str, float]]:
    """The window cut into `count` cells: the seconds of each kind in each."""
    result = [dict.fromkeys(KINDS, 0.0) for _ in range(count)]
    for span in spans:
        first = max(0, int((span.start - start) // width))
        for number in range(first, min(count, int((span.end - start) // width) + 1)):
            left = start + number * width
            overlap = min(span.end, left + width) - max(span.start, left)
            if overlap > 0:
                result[number][span.kind] += overlap
    return result


def window(device_ids: Iterable[int], start: datetime, end: datetime) -> dict[int, Availability]:
    """Availability of each device between two times. Two queries, whatever the number of devices."""
    ids = list(device_ids)
    first, last = start.timestamp(), end.timestamp()
    watches = {
        state.device_id: Watch.of(state)
        for state in DeviceState.objects.filter(device_id__in=ids).only(
            "device_id", "watched_since", "last_poll_at", "expected_every_seconds"
        )
    }
    return _measured(ids, first, last, watches, breaks_of(ids, start, end))


def window_of_states(states: Iterable[DeviceState], start: datetime, end: datetime) -> dict[int, Availability]:
    """As `window`, in one query, for those who have the state rows at hand."""
    watches = {state.device_id: Watch.of(state) for state in states}
    return _measured(watches, start.timestamp(), end.timestamp(), watches, breaks_of(list(watches), start, end))


def quarters(
    device_ids: Iterable[int], end: datetime, *, count: int = 96, seconds: int = 900
) -> dict[int, list[dict[str, float]]]:
    """For a strip: the last `count` quarters of an hour before `end`, as seconds of each kind."""
    start = datetime.fromtimestamp(end.timestamp() - count * seconds, tz=end.tzinfo)
    measured = window(device_ids, start, end)
    return {key: cells(value.spans, start.timestamp(), seconds, count) for key, value in measured.items()}


def breaks_of(device_ids: Sequence[int], start: datetime, end: datetime) -> dict[int, list[Break]]:
    found: dict[int, list[Break]] = {}
    rows = Outage.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=start), device_id__in=device_ids, started_at__lt=end
    ).order_by("started_at")
    for device, kind, begin, finish, cause in rows.values_list("device_id", "kind", "started_at", "ended_at", "cause"):
        found.setdefault(device, []).append(
            Break(begin.timestamp(), finish.timestamp() if finish else None, kind, cause)
        )
    return found


def _measured(
    ids: Iterable[int], start: float, end: float, watches: Mapping[int, Watch], breaks: Mapping[int, list[Break]]
) -> dict[int, Availability]:
    return {key: measure(start, end, watches.get(key, Watch()), breaks.get(key, [])) for key in ids}
