"""Sealing: hot rows of closed hours become chunks and roll-ups, roll-ups of closed days and months are merged.

Three steps of one shape, each in short transactions that take what is open, merge it with what is sealed, and write:

    hot rows of an hour            -> every value of the hour      + its twelve 5-minute points, open
    open 5-minute points of a day  -> 5-minute points of the day   + its 24 hourly points, open
    open hourly points of a month  -> hourly points of the month

What is taken is deleted in the same transaction, so a run that is cut off loses nothing and the next one goes on.
Late samples are hot rows of an hour that has a chunk already: the same steps merge them.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from monitoring import metrics
from monitoring.models import SampleChunk, SampleRow, Series
from monitoring.store import chunks, points, tables
from monitoring.store.chunks import Level
from monitoring.store.packing import COUNT, Floats, pack_many, unpack_hot
from monitoring.store.read import FULL, kept_since
from monitoring.store.slots import DAY, FIVE_MINUTES, HOUR, floor, month_start, next_month

GRACE_SECONDS = 300  # a slow poll may still write into the hour that has just ended
BATCH = 1000  # series in one transaction: on SQLite polling waits for it
CLOSE_BATCH = 100
CLOSE_LIMIT = 2000  # series a run; midnight would otherwise cost several times what an hour costs
PACK_VALUES = 2_000_000  # values packed at once, which bounds the memory

Ints = NDArray[np.int64]
ChunkRow = tuple[int, int, int, bytes]


@dataclass(slots=True)
class Sealing:
    """What one run did: hours and hot rows sealed, hot rows dropped, days and months of single series closed."""

    hours: int = 0
    rows: int = 0
    dropped: int = 0
    days: int = 0
    months: int = 0


def seal(now: float | None = None, *, close_limit: int | None = CLOSE_LIMIT) -> Sealing:
    """Seals every hour that ended `GRACE_SECONDS` before `now` (epoch seconds), then closes days and months.

    At most `close_limit` days and as many months of single series are closed, None closes all.
    """
    now = time.time() if now is None else now
    done = Sealing()
    border = floor(now - GRACE_SECONDS, HOUR)
    for hour, slots in groupby(tables.distinct(SampleRow, "slot", 0, border), lambda slot: floor(slot, HOUR)):
        _seal_hour(hour, list(slots), now, done)
        done.hours += 1
    done.days = _close(Level.FIVE_MINUTES_OPEN, floor(border, DAY), close_limit)
    done.months = _close(Level.HOURS_OPEN, month_start(border), close_limit)
    return done


def series_batches(size: int) -> Iterator[list[int]]:
    """The ids of all series, ascending."""
    last = 0
    while batch := list(Series.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:size]):
        yield batch
        last = batch[-1]


def _seal_hour(hour: int, slots: list[int], now: float, done: Sealing) -> None:
    above = 0
    for batch in series_batches(BATCH):
        _seal_batch(hour, slots, above, batch[-1], now, done)
        above = batch[-1]
    _seal_batch(hour, slots, above, None, now, done)


def _seal_batch(hour: int, slots: list[int], above: int, upto: int | None, now: float, done: Sealing) -> None:
    with tables.exclusive():
        rows = tables.take_hot(slots, above, upto)
        if not rows:
            return
        ids = {series_id for series_id, _, _ in rows}
        # Asked here, not before: a series deleted meanwhile must not get chunks any more.
        known = {pk: (key, period) for pk, key, period in _describe(ids)}
        sealed = {found.series_id: found.chunk for found in chunks.load(ids, [Level.FULL], starts=[hour])}
        if hour < kept_since(FULL, now):
            for pk in _rolled_up_only(known.keys() - sealed.keys(), hour):
                del known[pk]
        written: list[ChunkRow] = []
        for key in {key for key, _ in known.values()}:
            of_set = [row for row in rows if row[0] in known and known[row[0]][0] == key]
            columns = max(len(payload) for _, _, payload in of_set) // 8
            ids_of_set = {series_id for series_id, _, _ in of_set}
            merged = [(pk, sealed[pk].times(hour), sealed[pk].values[0]) for pk in ids_of_set & sealed.keys()]
            columns = max([columns, *(values.shape[1] for _, _, values in merged)])
            series, times, values = _sorted(
                np.concatenate([np.repeat(pk, len(at)) for pk, at, _ in merged] + [_numbers(of_set, 0)]),
                np.concatenate([at for _, at, _ in merged] + [_numbers(of_set, 1)]),
                np.concatenate([points.widen(old, columns) for _, _, old in merged] + [_values(of_set, columns)]),
            )
            periods = {pk: known[pk][1] for pk in ids_of_set}
            written += _pack_hour(hour, series, times - hour, values, periods, exponents(key, columns))
        tables.upsert(SampleChunk, written)
    kept = sum(row[0] in known for row in rows)
    done.rows += kept
    done.dropped += len(rows) - kept


def _describe(series_ids: Collection[int]) -> Iterator[tuple[int, str, int]]:
    yield from Series.objects.filter(pk__in=series_ids).values_list("pk", "metric_set", "period_seconds")


def exponents(key: str, columns: int) -> list[int]:
    """The exponents of a set's columns; of what the catalogue does not know, float64 is kept."""
    known = metrics.SETS[key].exponents if key in metrics.SETS else ()
    return [*known[:columns], *[metrics.RAW] * (columns - len(known))]


def _numbers(rows: Sequence[tuple[int, int, bytes]], index: int) -> Ints:
    return np.fromiter((row[index] for row in rows), np.int64, len(rows))


def _values(rows: Sequence[tuple[int, int, bytes]], columns: int) -> Floats:
    payloads = [row[2] for row in rows]
    if all(len(payload) == 8 * columns for payload in payloads):
        return np.frombuffer(b"".join(payloads), "<f8").reshape(len(rows), columns)
    return np.array([points.widen(unpack_hot(payload), columns) for payload in payloads])


def _sorted(series: Ints, times: Ints, values: Floats) -> tuple[Ints, Ints, Floats]:
    """By series and time, each slot once: of two values of a slot the later in the arguments."""
    order = np.lexsort((times, series))
    series, times = series[order], times[order]
    keep = np.append((np.diff(series) != 0) | (np.diff(times) != 0), True)
    return series[keep], times[keep], values[order[keep]]


def _pack_hour(
    hour: int, series: Ints, offsets: Ints, values: Floats, periods: dict[int, int], powers: list[int]
) -> list[ChunkRow]:
    """The chunks of an hour and its open 5-minute points.

    Each series is laid on the coarsest grid that holds all its samples: with a changed interval the grid is finer
    than either, and no sample moves.
    """
    first = np.flatnonzero(np.diff(series, prepend=-1))
    gaps = np.diff(offsets, prepend=0)
    gaps[first] = [periods[pk] for pk in series[first].tolist()]
    period = np.gcd.reduceat(gaps, first)
    phase = offsets[first] % period
    lengths = np.diff(np.append(first, len(series)))
    rows: list[ChunkRow] = []
    for step, start in {*zip(period.tolist(), phase.tolist(), strict=True)}:
        grid = np.arange(start, HOUR, step)
        chosen = np.flatnonzero((period == step) & (phase == start))
        width = values.shape[1]
        for part in np.array_split(chosen, len(chosen) * len(grid) * width // PACK_VALUES + 1):
            dense = np.full((len(part), len(grid), width), np.nan)
            source = np.concatenate([np.arange(first[one], first[one] + lengths[one]) for one in part])
            dense[np.repeat(np.arange(len(part)), lengths[part]), (offsets[source] - start) // step] = values[source]
            rolled = points.roll_up(points.from_values(dense), grid // FIVE_MINUTES, HOUR // FIVE_MINUTES)
            ids = series[first[part]].tolist()
            full = pack_many(dense[:, None], powers, offset=start, period=step)
            fives = pack_many(rolled, powers, period=FIVE_MINUTES)
            rows += [(pk, Level.FULL.value, hour, data) for pk, data in zip(ids, full, strict=True)]
            rows += [(pk, Level.FIVE_MINUTES_OPEN.value, hour, data) for pk, data in zip(ids, fives, strict=True)]
    return rows


def _rolled_up_only(series_ids: Collection[int], hour: int) -> set[int]:
    """The series of which this hour is kept in roll-ups only: a late sample would stand there for the whole hour."""
    found = set()
    levels = [level for level in Level if level != Level.FULL]
    for sealed in chunks.load(series_ids, levels, low=month_start(hour), high=hour + HOUR):
        times = sealed.chunk.times(sealed.start)
        if (sealed.chunk.values[COUNT][(times >= hour) & (times < hour + HOUR)] > 0).any():
            found.add(sealed.series_id)
    return found


def _close(level: Level, border: int, limit: int | None) -> int:
    """Merges open points that begin before `border` into their day or month. Returns how many were closed."""
    days = level == Level.FIVE_MINUTES_OPEN
    closed = 0
    for batch in series_batches(BATCH):
        keys = SampleChunk.objects.filter(series_id__in=batch, level=level, start__lt=border)
        spans: dict[int, set[int]] = {}
        for series_id, start in keys.values_list("series_id", "start"):
            spans.setdefault(floor(start, DAY) if days else month_start(start), set()).add(series_id)
        for start, members in sorted(spans.items()):
            ordered = sorted(members)
            for first in range(0, len(ordered), CLOSE_BATCH):
                part = ordered[first : first + CLOSE_BATCH]
                if limit is not None and closed + len(part) > limit:
                    return closed
                _close_part(level, start, start + DAY if days else next_month(start), part)
                closed += len(part)
    return closed


def _close_part(level: Level, start: int, end: int, series_ids: list[int]) -> None:
    days = level == Level.FIVE_MINUTES_OPEN
    into, step = (Level.FIVE_MINUTES, FIVE_MINUTES) if days else (Level.HOURS, HOUR)
    size = (end - start) // step
    with tables.exclusive():
        known = {pk: key for pk, key, _ in _describe(series_ids)}
        found = list(chunks.load(series_ids, [level, into], low=start, high=end))
        # What is closed already comes first, so that later points go over it.
        found.sort(key=lambda sealed: sealed.level != into)
        width = max((sealed.chunk.values.shape[2] for sealed in found), default=0)
        rows: list[ChunkRow] = []
        for key in set(known.values()):
            ids = sorted({one.series_id for one in found if one.level == level and known.get(one.series_id) == key})
            if not ids:
                continue
            index = {pk: position for position, pk in enumerate(ids)}
            dense = points.gaps(size, width, len(ids))
            for sealed in found:
                if sealed.series_id in index:
                    statistics = points.widen(sealed.chunk.values, width)
                    points.place(dense[index[sealed.series_id]], statistics, (sealed.start - start) // step)
            used = max(one.chunk.values.shape[2] for one in found if one.series_id in index)
            dense, powers = dense[..., :used], exponents(key, used)
            packed = pack_many(dense, powers, period=step)
            rows += [(pk, into.value, start, data) for pk, data in zip(ids, packed, strict=True)]
            if days:
                hourly = points.roll_up(dense, np.arange(size) * step // HOUR, DAY // HOUR)
                packed = pack_many(hourly, powers, period=HOUR)
                rows += [(pk, Level.HOURS_OPEN.value, start, data) for pk, data in zip(ids, packed, strict=True)]
        tables.upsert(SampleChunk, rows)
        SampleChunk.objects.filter(series_id__in=series_ids, level=level, start__gte=start, start__lt=end).delete()
