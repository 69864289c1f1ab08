"""Statistics of points in time: what roll-ups and charts are made of.

An array of statistics is (..., 4, points, columns): sum, minimum, maximum and number of the values in each point. A
point without a value is a gap: NaN with number 0. Sums instead of averages make every roll-up of roll-ups exact.
"""

import numpy as np
from numpy.typing import NDArray

from monitoring.store.packing import COUNT, MAX, MIN, STATISTICS, SUM, Floats


def from_values(values: Floats) -> Floats:
    """Statistics of single values: (..., points, columns) becomes (..., 4, points, columns)."""
    return np.stack([values, values, values, ~np.isnan(values)], axis=-3)


def gaps(points: int, columns: int, *series: int) -> Floats:
    """Statistics of points in which nothing was measured, (*series, 4, points, columns)."""
    empty = np.full((*series, STATISTICS, points, columns), np.nan)
    empty[..., COUNT, :, :] = 0
    return empty


def roll_up(statistics: Floats, buckets: NDArray[np.int64], points: int) -> Floats:
    """Joins points into `points` wider ones; `buckets` says for each point, in ascending order, into which."""
    *series, _, _, columns = statistics.shape
    out = gaps(points, columns, *series)
    if not len(buckets):
        return out
    first = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    into = buckets[first]
    if len(into) == len(buckets):
        out[..., into, :] = statistics
        return out
    count = np.add.reduceat(statistics[..., COUNT, :, :], first, axis=-2)
    total = np.add.reduceat(np.nan_to_num(statistics[..., SUM, :, :], posinf=np.inf, neginf=-np.inf), first, axis=-2)
    out[..., SUM, into, :] = np.where(count > 0, total, np.nan)
    out[..., MIN, into, :] = np.fmin.reduceat(statistics[..., MIN, :, :], first, axis=-2)
    out[..., MAX, into, :] = np.fmax.reduceat(statistics[..., MAX, :, :], first, axis=-2)
    out[..., COUNT, into, :] = count
    return out


def widen(values: Floats, columns: int) -> Floats:
    """Values or statistics with exactly so many columns: what was not measured then is a gap, what is unknown goes."""
    have = values.shape[-1]
    if have == columns:
        return values
    if have > columns:
        return values[..., :columns]
    out = np.full((*values.shape[:-1], columns), np.nan)
    out[..., :have] = values
    if values.ndim >= 3 and values.shape[-3] == STATISTICS:
        out[..., COUNT, :, have:] = 0
    return out


def place(dense: Floats, statistics: Floats, at: int) -> None:
    """Writes points over those of a longer run from index `at`; what sticks out is cut off, gaps do not overwrite.

    Both are (4, points, columns).
    """
    first, last = max(at, 0), min(at + statistics.shape[1], dense.shape[1])
    if first < last:
        fresh, target = statistics[:, first - at : last - at], dense[:, first:last]
        np.copyto(target, fresh, where=fresh[COUNT] > 0)
