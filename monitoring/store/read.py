"""Reading samples back as regular frames. Ranges are half-open, in epoch seconds or aware datetimes."""

import math
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from django.conf import settings
from django.db.models import F, QuerySet
from numpy.typing import NDArray

from monitoring import metrics
from monitoring.models import SampleRow, Series
from monitoring.store import chunks, points, tables
from monitoring.store.chunks import Level
from monitoring.store.packing import COUNT, MAX, MIN, SUM, Floats, unpack_hot
from monitoring.store.slots import DAY, FIVE_MINUTES, HOUR, Moment, ceiling, epoch, floor, month_start

MAX_POINTS = 1500
FULL = 0
SOURCES = (FULL, FIVE_MINUTES, HOUR)

Times = NDArray[np.int64]
Samples = tuple[Times, Floats]


@dataclass(frozen=True, slots=True)
class Frame:
    """One series over a range: point i is the span [times[i], times[i] + step).

    `average`, `minimum`, `maximum` and `count` are (points, columns); a span in which nothing was measured is NaN
    with count 0. `columns` names the columns.
    """

    times: Times
    step: int
    columns: tuple[str, ...]
    average: Floats
    minimum: Floats
    maximum: Floats
    count: Floats


@dataclass(frozen=True, slots=True)
class Grid:
    """What a range is read from, and the points it is given in: `step` seconds each, from `start` to before `end`."""

    source: int
    step: int
    start: int
    end: int

    @property
    def size(self) -> int:
        return (self.end - self.start) // self.step

    @property
    def times(self) -> Times:
        return np.arange(self.start, self.end, self.step, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Percentile:
    """`values` by column name, NaN where nothing was measured; approximate where only hourly averages are kept."""

    values: dict[str, float]
    approximate: bool


@dataclass(frozen=True, slots=True)
class Current:
    """The present values of a series by column name; None is no value, `at` None is never measured."""

    at: float | None
    values: dict[str, float | None]


def read(
    series: Series,
    start: Moment,
    end: Moment,
    *,
    step: int | None = None,
    max_points: int = MAX_POINTS,
    now: float | None = None,
) -> Frame:
    """The samples of one series in [start, end), widened to whole steps; see `read_many`."""
    return read_many([series], start, end, step=step, max_points=max_points, now=now)[series.pk]


def read_many(
    series: Iterable[Series],
    start: Moment,
    end: Moment,
    *,
    step: int | None = None,
    max_points: int = MAX_POINTS,
    now: float | None = None,
) -> dict[int, Frame]:
    """Frames of several series by series id, all with the same times, in two or three queries.

    Without `step` the finest of: every value, 5 minutes, 1 hour, multiples of 1 hour, that is still kept at `start`
    and gives at most `max_points` points. A given `step`, in seconds, is raised to what is still kept. Raises
    ValueError for an empty range and LookupError for an unknown metric set.
    """
    wanted = {one.pk: one for one in series}
    if not wanted:
        return {}
    period = max(one.period_seconds for one in wanted.values())
    grid = plan(start, end, period, step=step, max_points=max_points, now=now)
    sets = {pk: metrics.get(one.metric_set) for pk, one in wanted.items()}
    widths = {pk: len(metric_set.columns) for pk, metric_set in sets.items()}
    # Before the chunks: a seal in between moves rows from here to there.
    hot = _hot(wanted.keys(), grid)
    if grid.source == FULL:
        samples, coarsest = _fine(wanted.keys(), grid, hot)
        if step is None and coarsest > grid.step:
            # The interval was longer once: a finer grid would show gaps that are none.
            return read_many(wanted.values(), start, end, step=ceiling(coarsest, grid.step), now=now)
        statistics = {pk: _spread(samples.get(pk), grid, widths[pk]) for pk in wanted}
    else:
        statistics = _rolled_up(widths, grid, hot)
    return {pk: _frame(grid, sets[pk].names, statistics[pk]) for pk in wanted}


def latest(series: Series) -> Current:
    """The present values, from the row alone."""
    names = metrics.get(series.metric_set).names
    at = series.last_at.timestamp() if series.last_at else None
    return Current(at, {name: getattr(series, f"v{index}") for index, name in enumerate(names)})


def top(metric_set: str, column: str, n: int, queryset: QuerySet[Series] | None = None) -> list[Series]:
    """The n series with the highest present value of a column, highest first. Raises LookupError for unknown names."""
    field = f"v{metrics.get(metric_set).index(column)}"
    rows = Series.objects.all() if queryset is None else queryset
    order = (F(field).desc(), "pk")
    measured = rows.filter(metric_set=metric_set, **{f"{field}__isnull": False}).order_by(*order)
    # The ids first: PostgreSQL sorts whole rows three times as slowly.
    return list(rows.filter(pk__in=list(measured.values_list("pk", flat=True)[:n])).order_by(*order))


def percentile_95(
    series: Series, start: Moment, end: Moment, columns: Collection[str], *, now: float | None = None
) -> Percentile:
    """The 95th percentile as the trade bills it: of the 5-minute averages, the top 5 % left out, the next highest.

    Where 5-minute averages are not kept any more, an hourly one stands for its twelve, and the result is approximate.
    Gaps do not count. Raises LookupError for an unknown column.
    """
    indexes = {name: metrics.get(series.metric_set).index(name) for name in columns}
    low, high = epoch(start), epoch(end)
    border = min(max(low, ceiling(kept_since(FIVE_MINUTES, now), HOUR)), high)
    found = []
    if low < border:
        hourly = read(series, low, border, step=HOUR, now=now).average
        found.append(np.repeat(hourly, max(1, HOUR // max(FIVE_MINUTES, series.period_seconds)), axis=0))
    if border < high:
        found.append(read(series, border, high, step=FIVE_MINUTES, now=now).average)
    averages = np.concatenate(found)
    return Percentile({name: _nearest_rank(averages[:, index]) for name, index in indexes.items()}, low < border)


def _nearest_rank(values: Floats) -> float:
    measured = np.sort(values[~np.isnan(values)])
    # In whole numbers: 0.95 * 20 is a hair above 19.
    return float(measured[-(-95 * len(measured) // 100) - 1]) if len(measured) else math.nan


def kept_since(source: int, now: float | None = None) -> float:
    """The moment from which samples of a resolution (0, 300, 3600) are kept for certain, by the settings."""
    days = {
        FULL: settings.SAMPLES_FULL_DAYS,
        FIVE_MINUTES: settings.SAMPLES_5MIN_DAYS,
        HOUR: settings.SAMPLES_HOUR_DAYS,
    }[source]
    return (time.time() if now is None else now) - days * DAY


def plan(
    start: Moment,
    end: Moment,
    period: int,
    *,
    step: int | None = None,
    max_points: int = MAX_POINTS,
    now: float | None = None,
) -> Grid:
    """Chooses the source and the grid for a range; see `read_many`."""
    low, high = epoch(start), epoch(end)
    if not low < high:
        raise ValueError("a range must end after it starts")
    if max_points < 1 or (step is not None and step < 1):
        raise ValueError("points and steps are counted from 1")
    kept = [source for source in SOURCES if low >= kept_since(source, now)] or [HOUR]
    units = {source: _unit(source, period) for source in kept}
    if step is None:
        source = next((source for source in kept if _size(low, high, units[source]) <= max_points), HOUR)
        step = units.setdefault(source, _unit(source, period))
        while _size(low, high, step) > max_points:
            step += units[source]
    else:
        source = next((source for source in reversed(kept) if step % units[source] == 0), kept[0])
        step = ceiling(step, units[source])
    return Grid(source, step, floor(low, step), ceiling(high, step))


def _unit(source: int, period: int) -> int:
    """The smallest step that leaves no holes between samples: a series may be measured every two hours."""
    if source == FULL:
        return period
    return source if period <= source else math.lcm(source, period)


def _size(low: float, high: float, step: int) -> int:
    return (ceiling(high, step) - floor(low, step)) // step


def _hot(series_ids: Collection[int], grid: Grid) -> dict[int, Samples]:
    """Values that are not sealed yet. By a list of slots: a range of slots reads the rows of every series."""
    by_series: dict[int, list[tuple[int, Floats]]] = {}
    for slots in tables.hot_slots(grid.start, grid.end):
        rows = SampleRow.objects.filter(slot__in=slots, series_id__in=series_ids)
        for series_id, slot, payload in rows.values_list("series_id", "slot", "payload"):
            by_series.setdefault(series_id, []).append((slot, unpack_hot(payload)))
    found = {}
    for series_id, samples in by_series.items():
        columns = max(len(values) for _, values in samples)
        found[series_id] = (
            np.array([slot for slot, _ in samples], dtype=np.int64),
            np.array([points.widen(values, columns) for _, values in samples]),
        )
    return found


def _fine(
    series_ids: Collection[int], grid: Grid, hot: dict[int, Samples], hours: Collection[int] | None = None
) -> tuple[dict[int, Samples], int]:
    """Every value by series, hot values over sealed ones, and the longest period met."""
    parts: dict[int, list[Samples]] = {}
    coarsest = 0
    low = floor(grid.start, HOUR) if hours is None else None
    high = grid.end if hours is None else None
    for sealed in chunks.load(series_ids, [Level.FULL], low=low, high=high, starts=hours):
        parts.setdefault(sealed.series_id, []).append((sealed.chunk.times(sealed.start), sealed.chunk.values[0]))
        coarsest = max(coarsest, sealed.chunk.period)
    for series_id, samples in hot.items():
        parts.setdefault(series_id, []).append(samples)
    return {pk: join(samples) for pk, samples in parts.items()}, coarsest


def join(parts: list[Samples]) -> Samples:
    """One ascending run of samples; where two parts have a slot, the later part wins."""
    columns = max(values.shape[1] for _, values in parts)
    times = np.concatenate([times for times, _ in parts])[::-1]
    values = np.concatenate([points.widen(values, columns) for _, values in parts])[::-1]
    times, first = np.unique(times, return_index=True)
    return times, values[first]


def _spread(samples: Samples | None, grid: Grid, columns: int) -> Floats:
    """Samples as statistics on the grid."""
    if samples is None:
        return points.gaps(grid.size, columns)
    times, values = samples
    inside = (times >= grid.start) & (times < grid.end)
    statistics = points.from_values(points.widen(values[inside], columns))
    return points.roll_up(statistics, (times[inside] - grid.start) // grid.step, grid.size)


def _rolled_up(widths: dict[int, int], grid: Grid, hot: dict[int, Samples]) -> dict[int, Floats]:
    """Statistics on the grid, from roll-ups; hours that are not rolled up yet come from finer data."""
    base = Grid(grid.source, grid.source, grid.start, grid.end)
    dense = {pk: points.gaps(base.size, columns) for pk, columns in widths.items()}
    if grid.source == HOUR:
        # An open 5-minute chunk means that its day is not rolled up to hours yet, or not since the chunk was written.
        order, low = [Level.HOURS, Level.HOURS_OPEN, Level.FIVE_MINUTES_OPEN], month_start(grid.start)
    else:
        order, low = [Level.FIVE_MINUTES, Level.FIVE_MINUTES_OPEN], floor(grid.start, DAY)
    found = sorted(
        chunks.load(widths.keys(), order, low=low, high=grid.end), key=lambda sealed: order.index(Level(sealed.level))
    )
    for sealed in found:
        statistics = points.widen(sealed.chunk.values, widths[sealed.series_id])
        start = sealed.start
        if sealed.chunk.period < base.step:
            buckets = (sealed.chunk.times(start) - start) // base.step
            statistics = points.roll_up(statistics, buckets, int(buckets[-1]) + 1)
        points.place(dense[sealed.series_id], statistics, (start - base.start) // base.step)
    hours = {pk: np.unique(times // HOUR * HOUR) for pk, (times, _) in hot.items()}
    if hours:
        every = sorted({int(hour) for found_hours in hours.values() for hour in found_hours})
        samples, _ = _fine(hours.keys(), base, hot, every)
        for pk, open_hours in hours.items():
            fresh = _spread(samples[pk], base, widths[pk])
            fresh[COUNT][~np.isin(base.times // HOUR * HOUR, open_hours)] = 0
            points.place(dense[pk], fresh, 0)
    if grid.step == base.step:
        return dense
    buckets = (base.times - grid.start) // grid.step
    return {pk: points.roll_up(statistics, buckets, grid.size) for pk, statistics in dense.items()}


def _frame(grid: Grid, names: tuple[str, ...], statistics: Floats) -> Frame:
    count = statistics[COUNT]
    with np.errstate(invalid="ignore"):
        average = statistics[SUM] / np.where(count > 0, count, 1)
    return Frame(grid.times, grid.step, names, average, statistics[MIN], statistics[MAX], count)
