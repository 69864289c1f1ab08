"""How samples become bytes: hot payloads and sealed chunks.

A hot payload is the values of one slot, float64 little-endian, NaN for a gap.

A chunk holds a regular grid of points of some columns, either every value or four statistics of each point. Layout,
little-endian:

    version   1 byte   = 1
    crc32     4 bytes  of all that follows
    header   12 bytes  statistics (1 or 4), columns, points, offset of the first point in seconds, period in seconds
    body               raw deflate of: one exponent byte for each plane, then the planes, byte-shuffled

A plane is one statistic of one column over all points, as int64 of the column's resolution 10 ** exponent; the lowest
int64 is a gap. A plane that does not fit (beyond 2**53 steps, infinite) is float64 instead, with the exponent RAW.
Shuffled means all first bytes, then all second bytes: the high bytes hardly ever change and deflate to nothing.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from monitoring.metrics import RAW

Floats = NDArray[np.float64]

VERSION = 1
STATISTICS = 4
SUM, MIN, MAX, COUNT = range(STATISTICS)
MISSING = np.iinfo(np.int64).min
EXACT = float(2**53)  # up to here float64 tells every integer from its neighbour
MAX_EXPONENT = 9

_PREFIX = struct.Struct("<BI")
_HEADER = struct.Struct("<BBHII")
_LEVEL = 6
_EXPONENTS = bytes(power % 256 for power in (RAW, *range(-MAX_EXPONENT, MAX_EXPONENT + 1)))


class CorruptChunk(ValueError):
    """The bytes are not a chunk as this module writes it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A decoded chunk. `values` is (statistics, points, columns), NaN for a gap; point i is at offset + i * period."""

    offset: int
    period: int
    values: Floats

    def times(self, start: int) -> NDArray[np.int64]:
        """The points' times in epoch seconds; `start` is that of the chunk's row."""
        return start + self.offset + self.period * np.arange(self.values.shape[1], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Inflated:
    """A chunk that is checked and decompressed. `shape` is (statistics, columns, points)."""

    shape: tuple[int, int, int]
    offset: int
    period: int
    body: bytes


@lru_cache
def _hot(columns: int) -> struct.Struct:
    return struct.Struct(f"<{columns}d")


def pack_hot(values: Sequence[float | None] | Floats) -> bytes:
    """The payload of a hot row; None becomes NaN."""
    try:
        return _hot(len(values)).pack(*values)
    except struct.error:
        return _hot(len(values)).pack(*(float("nan") if value is None else float(value) for value in values))


def unpack_hot(payload: bytes | memoryview) -> Floats:
    """The values of a hot row. Raises CorruptChunk."""
    if len(payload) % 8:
        raise CorruptChunk(f"a hot row of {len(payload)} bytes")
    return np.frombuffer(payload, "<f8")


def pack_many(values: Floats, exponents: Sequence[int], *, offset: int = 0, period: int) -> list[bytes]:
    """Chunks of many series that share a grid.

    `values` is (series, statistics, points, columns) with 1 or 4 statistics, `exponents` one for each column.
    """
    series, statistics, points, columns = values.shape
    planes = np.ascontiguousarray(values.transpose(0, 1, 3, 2)).reshape(series, statistics * columns, points)
    power = np.tile(np.asarray(exponents, dtype=np.int64)[:columns], statistics)
    if statistics == STATISTICS:
        power[COUNT * columns :] = 0
    multiplier, divisor = _scales(power)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(planes * divisor[:, None] / multiplier[:, None])
        raw = (np.abs(scaled) >= EXACT).any(axis=2) | (power == RAW)
    missing = np.isnan(planes)
    integers = np.where(missing | raw[:, :, None], 0.0, scaled).astype("<i8")
    integers[missing] = MISSING
    integers[raw] = planes[raw].view("<i8")
    body = np.empty((series, statistics * columns * (1 + 8 * points)), np.uint8)
    body[:, : statistics * columns] = np.where(raw, RAW, power).astype(np.int8).view(np.uint8)
    shuffled = integers.view(np.uint8).reshape(series, statistics * columns * points, 8).transpose(0, 2, 1)
    body[:, statistics * columns :] = shuffled.reshape(series, -1)
    header = _HEADER.pack(statistics, columns, points, offset, period)
    chunks = []
    for row in body:
        checked = header + zlib.compress(row, _LEVEL, wbits=-15)
        chunks.append(_PREFIX.pack(VERSION, zlib.crc32(checked)) + checked)
    return chunks


def unpack(data: bytes | memoryview) -> Chunk:
    """Decodes one chunk. Raises CorruptChunk."""
    return decode([inflate(data)])[0]


def inflate(data: bytes | memoryview) -> Inflated:
    """Checks a chunk and decompresses it: the half of the decoding that may fail. Raises CorruptChunk."""
    if len(data) < _PREFIX.size + _HEADER.size:
        raise CorruptChunk(f"only {len(data)} bytes")
    version, crc = _PREFIX.unpack_from(data)
    if version != VERSION:
        raise CorruptChunk(f"format version {version}, this netmon reads {VERSION}")
    if zlib.crc32(memoryview(data)[_PREFIX.size :]) != crc:
        raise CorruptChunk("the checksum does not fit")
    statistics, columns, points, offset, period = _HEADER.unpack_from(data, _PREFIX.size)
    planes = statistics * columns
    size = planes * (1 + 8 * points)
    stream = zlib.decompressobj(-15)
    try:
        body = stream.decompress(memoryview(data)[_PREFIX.size + _HEADER.size :], size + 1)
    except zlib.error as error:
        raise CorruptChunk(str(error)) from None
    if len(body) != size or statistics not in (1, STATISTICS) or not columns or not points or not period:
        raise CorruptChunk(f"{len(body)} bytes for {planes} planes of {points} points")
    if body[:planes].translate(None, _EXPONENTS):
        raise CorruptChunk("an exponent out of range")
    return Inflated((statistics, columns, points), offset, period, body)


def decode(inflated: Sequence[Inflated]) -> list[Chunk]:
    """The other half, for many chunks at once: short arrays cost mostly the calls."""
    by_shape: dict[tuple[int, int, int], list[int]] = {}
    for index, one in enumerate(inflated):
        by_shape.setdefault(one.shape, []).append(index)
    chunks: list[Chunk | None] = [None] * len(inflated)
    for (statistics, columns, points), indexes in by_shape.items():
        planes = statistics * columns
        bodies = np.frombuffer(b"".join(inflated[index].body for index in indexes), np.uint8)
        bodies = bodies.reshape(len(indexes), planes * (1 + 8 * points))
        power = bodies[:, :planes].view(np.int8).astype(np.int64)
        shuffled = bodies[:, planes:].reshape(len(indexes), 8, planes * points)
        integers = np.ascontiguousarray(shuffled.transpose(0, 2, 1)).view("<i8").reshape(-1, planes, points)
        multiplier, divisor = _scales(power)
        values = integers * multiplier[:, :, None] / divisor[:, :, None]
        values[integers == MISSING] = np.nan
        raw = power == RAW
        if raw.any():
            values[raw] = integers[raw].view("<f8")
        values = values.reshape(-1, statistics, columns, points).transpose(0, 1, 3, 2)
        for position, index in enumerate(indexes):
            chunks[index] = Chunk(inflated[index].offset, inflated[index].period, values[position])
    return [chunk for chunk in chunks if chunk is not None]


def _scales(power: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """What a stored integer is multiplied with and divided by. Negative powers of ten are not exact, so two steps."""
    used = np.where(power == RAW, 0, power)
    return 10.0 ** np.maximum(used, 0), 10.0 ** np.maximum(-used, 0)
