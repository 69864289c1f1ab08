"""A rule held against stored history: what it would have raised, through the machine that live alerts run through."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from inventory.models import Interface
from monitoring.alerting import derived, machine, rulebook, wording
from monitoring.alerting.machine import Episode, Look
from monitoring.alerting.rulebook import Place, Rule
from monitoring.alerting.situation import devices_in
from monitoring.alerting.sources import Observation, said_by
from monitoring.models.checks import Outage
from monitoring.models.facts import DeviceEvent
from monitoring.models.rules import AlertRule
from monitoring.models.samples import Series
from monitoring.notifying.directory import Directory
from monitoring.store import read as store

MAX_DAYS = 90
MAX_SERIES = 5000
SERIES_AT_ONCE = 50
# Every value is kept so long at the least by default; beyond, the store gives averages, and a rehearsal says so.
MAX_POINTS = 200_000
SHOWN = 200
NIGHT = (22, 6)


class TooMuch(ValueError):
    """The rule's scope is too wide for a rehearsal. The text says by how much."""


@dataclass(frozen=True, slots=True)
class Raised:
    """One alert that the rule would have raised."""

    device_id: int
    subject: str
    episode: Episode


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`is_exact` is False where only averages of the values are still kept; `told` is by contact."""

    since: datetime
    until: datetime
    raised: tuple[Raised, ...]
    at_night: int
    told: Mapping[str, int]
    looked_at: int
    is_exact: bool
    is_supported: bool = True


def rehearse(row: AlertRule, *, days: float, now: datetime, device_ids: Iterable[int] | None = None) -> Rehearsal:
    """Hold a rule, saved or not, against the last `days` days. `device_ids` bounds it to what somebody may see.

    Raises TooMuch for more than MAX_SERIES series.
    """
    rule = Rule.of(row)
    since = now - timedelta(days=min(days, MAX_DAYS))
    scope = devices_in(rule.scope)
    ids = sorted(scope if device_ids is None else scope & set(device_ids))
    places = rulebook.places_of(ids, with_tags=True)
    is_exact = True
    if rule.source.shape == "metric":
        found, looked_at, is_exact = _metric(rule, places, since, now)
    elif rule.source.key == "device.down":
        found, looked_at = _outages(rule, places, since, now), len(places)
    elif rule.source.shape == "event":
        found, looked_at = _events(rule, places, since, now), len(places)
    else:
        return Rehearsal(since, now, (), 0, {}, 0, is_exact=False, is_supported=False)
    found.sort(key=lambda one: one.episode.raised_at)
    return Rehearsal(
        since,
        now,
        tuple(found),
        at_night=sum(_is_night(one.episode.raised_at) for one in found),
        told=_told(rule, found, places),
        looked_at=looked_at,
        is_exact=is_exact,
    )


def _is_night(at: datetime) -> bool:
    hour = at.astimezone(ZoneInfo("UTC")).hour
    return hour >= NIGHT[0] or hour < NIGHT[1]


def _told(rule: Rule, found: Iterable[Raised], places: Mapping[int, Place]) -> dict[str, int]:
    directory, book = Directory.load(), rulebook.load()
    told: dict[str, int] = {}
    for one in found:
        place = places[one.device_id]
        policy = directory.policy_for(rule.policy_id, place)
        for to in directory.recipients(policy, 0, book.severity(rule, place), place):
            told[to.name] = told.get(to.name, 0) + 1
    return told


def _metric(rule: Rule, places: Mapping[int, Place], since: datetime, now: datetime) -> tuple[list[Raised], int, bool]:
    name, _, column = rule.metric.rpartition(".")
    made = derived.DERIVED.get(rule.metric)
    rows = Series.objects.filter(device_id__in=places, metric_set=name).select_related("interface")
    series = [one for one in rows[: MAX_SERIES + 1] if rule.speaks_of(_identity(rule, one), places[one.device_id])]
    if len(series) > MAX_SERIES:
        raise TooMuch(f"More than {MAX_SERIES} series are in its scope: narrow it by site, kind, tag or device.")
    found: list[Raised] = []
    is_exact = True
    by_period: dict[int, list[Series]] = {}
    for one in series:
        by_period.setdefault(one.period_seconds, []).append(one)
    for group in by_period.values():
        for first in range(0, len(group), SERIES_AT_ONCE):
            part = group[first : first + SERIES_AT_ONCE]
            frames = store.read_many(part, since, now, max_points=MAX_POINTS, now=now.timestamp())
            for one in part:
                frame = frames[one.pk]
                is_exact = is_exact and frame.step <= one.period_seconds
                values = _values(frame, column, made, one.interface)
                for episode in _replay(rule, _looks(frame, values), now):
                    found.append(Raised(one.device_id, _subject(one), episode))
    return found, len(series), is_exact


def _identity(rule: Rule, one: Series) -> Observation:
    names = tuple(name for name in (one.interface.name, one.interface.if_alias) if name) if one.interface else ()
    return Observation(source="metric", at=datetime.now(UTC), match=one.labels, interface_names=names)


def _subject(one: Series) -> str:
    return wording.clean(one.interface.name if one.interface else one.labels, 255)


def _values(
    frame: store.Frame, column: str, made: derived.Derived | None, interface: Interface | None
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    if made is None:
        return frame.average[:, frame.columns.index(column)]
    speed = interface.if_speed_bps if interface else None
    found = np.full(len(frame.times), np.nan)
    columns = {name: frame.average[:, frame.columns.index(name)] for name in made.columns}
    for index in range(len(found)):
        values = {name: None if np.isnan(row[index]) else float(row[index]) for name, row in columns.items()}
        value = made.work_out(values, speed)
        found[index] = np.nan if value is None else value
    return found


def _looks(frame: store.Frame, values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Iterator[Look]:
    measured = ~np.isnan(values)
    # A slot holds what was measured within it: it was known at its end.
    for at, value in zip(frame.times[measured], values[measured], strict=True):
        yield Look(datetime.fromtimestamp(int(at), UTC), value=float(value))


def _replay(rule: Rule, looks: Iterable[Look], now: datetime) -> list[Episode]:
    return machine.replay(
        looks,
        rule.terms,
        comparator=rule.comparator,
        raise_value=rule.raise_value,
        clear_value=rule.clear_value,
        until=now,
    )


def _outages(rule: Rule, places: Mapping[int, Place], since: datetime, now: datetime) -> list[Raised]:
    """Times in which a device was down by its own fault; what was excused, and what nobody measured, raises nothing."""
    rows = Outage.objects.filter(device_id__in=places, kind=Outage.Kind.DOWN, started_at__lt=now)
    rows = rows.exclude(ended_at__lte=since).order_by("device_id", "started_at")
    looks: dict[int, list[Look]] = {}
    for device_id, begin, end in rows.values_list("device_id", "started_at", "ended_at"):
        mine = looks.setdefault(device_id, [])
        mine += [Look(begin, is_bad=True) for _ in range(rule.terms.for_checks)]
        if end is not None:
            mine += [Look(end, is_bad=False) for _ in range(rule.terms.clear_checks)]
    return [
        Raised(device_id, "", episode)
        for device_id, mine in looks.items()
        for episode in _replay(rule, mine, now)
        if episode.raised_at >= since
    ]


def _events(rule: Rule, places: Mapping[int, Place], since: datetime, now: datetime) -> list[Raised]:
    rows = DeviceEvent.objects.filter(device_id__in=places, at__gte=since, at__lt=now).order_by("at", "pk")
    looks: dict[tuple[int, str, str], list[Look]] = {}
    for row in rows.only("device_id", "at", "kind", "subject", "severity", "data"):
        device_id, at, subject = row.device_id, row.at, row.subject
        for match, is_bad in said_by(row.kind, row.severity, row.data):
            seen = Observation(source="event", at=at, match=match)
            if rule.speaks_of(seen, places[device_id]):
                looks.setdefault((device_id, match, subject), []).append(Look(at, is_bad=is_bad))
    found = []
    for (device_id, _, subject), mine in looks.items():
        for episode in _replay(rule, _expiring(mine, rule, now), now):
            found.append(Raised(device_id, wording.clean(subject, 255), episode))
    return found


def _expiring(looks: list[Look], rule: Rule, now: datetime) -> Iterator[Look]:
    """Events that are over by time alone: a good look where the rule lets them expire without another."""
    for look, following in zip(looks, [*looks[1:], None], strict=True):
        yield look
        over = look.at + rule.expires
        if rule.expires and look.is_bad and over <= now and (following is None or following.at > over):
            yield Look(over, is_bad=False)
