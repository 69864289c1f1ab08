"""Loading sealed chunks."""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from monitoring.models import SampleChunk
from monitoring.store.packing import Chunk, CorruptChunk, unpack

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
) -> Iterator[Sealed]:
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
    found = rows.values_list("level", "start", "series_id", "data")
    for level, start, series_id, data in sorted(found, key=lambda row: row[:3]):
        try:
            yield Sealed(series_id, level, start, unpack(data))
        except CorruptChunk as error:
            logger.error("samples of series %s, level %s, start %s cannot be read: %s", series_id, level, start, error)
