"""Loading sealed chunks."""

import logging
from collections.abc import Collection
from dataclasses import dataclass

from monitoring.models import SampleChunk
from monitoring.store.packing import Chunk, CorruptChunk, decode, inflate

logger = logging.getLogger(__name__)
Level = SampleChunk.Level


@dataclass(frozen=True, slots=True)
class Sealed:
    """One decoded chunk with its key."""

    series_id: int
    level: int
    start: int
    chunk: Chunk


def load(
    series_ids: Collection[int],
    levels: Collection[int],
    *,
    low: int | None = None,
    high: int | None = None,
    starts: Collection[int] | None = None,
) -> list[Sealed]:
    """The chunks that begin in [low, high) or at one of `starts`, by level and start.

    A chunk that cannot be read is logged and left out: it must hide neither the others nor itself.
    """
    rows = SampleChunk.objects.filter(series_id__in=series_ids, level__in=levels)
    if low is not None:
        rows = rows.filter(start__gte=low)
    if high is not None:
        rows = rows.filter(start__lt=high)
    if starts is not None:
        rows = rows.filter(start__in=starts)
    keys, inflated = [], []
    for level, start, series_id, data in rows.values_list("level", "start", "series_id", "data"):
        try:
            inflated.append(inflate(data))
        except CorruptChunk as error:
            logger.error("samples of series %s, level %s, start %s cannot be read: %s", series_id, level, start, error)
            continue
        keys.append((level, start, series_id))
    found = [Sealed(key[2], key[0], key[1], chunk) for key, chunk in zip(keys, decode(inflated), strict=True)]
    return sorted(found, key=lambda sealed: (sealed.level, sealed.start))
