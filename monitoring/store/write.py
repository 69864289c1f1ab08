"""Writing samples. All of it may be repeated: the same call again changes nothing.

There is no transaction across the samples and the series: write the samples first, then the present values.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connections, router, transaction

from monitoring.models import COLUMN_COUNT, SampleRow, Series
from monitoring.store import tables
from monitoring.store.packing import Floats, pack_hot
from monitoring.store.slots import Moment, epoch

Values = Sequence[float | None] | Floats


@dataclass(frozen=True, slots=True)
class SampleWrite:
    """The values of one series in one slot, in the order of its set's columns; NaN or None is a gap.

    `slot` is the start of the period in epoch seconds, a multiple of the period: `slots.floor(at, period)`.
    """

    series_id: int
    slot: int
    values: Values


@dataclass(frozen=True, slots=True)
class CurrentWrite:
    """The present values of one series. `at` is epoch seconds or an aware datetime; NaN or None is no value.

    `counters` None leaves the stored raw counters as they are.
    """

    series_id: int
    at: Moment
    values: Values
    counters: bytes | None = None


def write_many(rows: Sequence[SampleWrite]) -> int:
    """Stores samples in one transaction and returns their number; a slot written before is replaced.

    A sample of an hour that is sealed already is merged into its chunk and roll-ups by the next seal, and is seen by
    every read until then.
    """
    return tables.upsert(SampleRow, ((row.slot, row.series_id, pack_hot(row.values)) for row in rows))


def update_current(rows: Sequence[CurrentWrite]) -> None:
    """Sets present values, their time and the raw counters, in one transaction. What is older than the row is left."""
    if not rows:
        return
    width = max(len(row.values) for row in rows)
    if width > COLUMN_COUNT:
        raise ValueError(f"{width} values, but a series has {COLUMN_COUNT} columns")
    alias = router.db_for_write(Series)
    connection = connections[alias]
    table = Series._meta.db_table
    names = [f"v{index}" for index in range(width)]
    # A shard's rows have few different times, and converting one costs more than all its values.
    times = {at: _adapted(at, connection) for at in {row.at for row in rows}}
    ordered = sorted(rows, key=lambda row: (row.series_id, times[row.at]))
    latest = {row.series_id: row for row in ordered}.values()
    padding = [None] * width
    written = [[*row.values, *padding[len(row.values) :], row.counters, times[row.at], row.series_id] for row in latest]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            settings = ", ".join(f"{name} = %s" for name in names)
            cursor.executemany(
                f"UPDATE {table} SET {settings}, counters = COALESCE(%s, counters), last_at = %s"  # noqa: S608
                " WHERE id = %s AND (last_at IS NULL OR last_at <= %s)",
                [[*row, row[-2]] for row in written],
            )
            return
        columns = ", ".join(f"{name} float8" for name in names)
        cursor.execute(
            f"CREATE TEMPORARY TABLE series_new ({columns}, counters bytea, last_at timestamptz, id bigint)"
            " ON COMMIT DROP"
        )
        tables.copy_rows(
            cursor,
            connection,
            "series_new",
            [*names, "counters", "last_at", "id"],
            ["float8"] * width + ["bytea", "timestamptz", "int8"],
            written,
        )
        # NaN is no value. SQLite stores it as NULL by itself.
        settings = ", ".join(f"{name} = NULLIF(new.{name}, 'NaN')" for name in names)
        cursor.execute(
            f"UPDATE {table} AS old SET {settings}, counters = COALESCE(new.counters, old.counters),"  # noqa: S608
            " last_at = new.last_at FROM series_new AS new"
            " WHERE old.id = new.id AND (old.last_at IS NULL OR old.last_at <= new.last_at)"
        )
        cursor.execute("DROP TABLE series_new")


def lapse(series_ids: Sequence[int], at: Moment) -> int:
    """Takes the present values of series, such as a disk's, that a run at `at` would have told if they were there.

    What was written since is left; `last_at` stays what it says, and so does every sample. Returns how many lapsed.
    """
    values = {f"v{index}": None for index in range(COLUMN_COUNT)}
    older = Series.objects.filter(pk__in=series_ids, last_at__lt=datetime.fromtimestamp(epoch(at), UTC))
    return older.update(**values)


def _adapted(at: Moment, connection: Any) -> Any:
    moment = datetime.fromtimestamp(epoch(at), UTC)
    return connection.ops.adapt_datetimefield_value(moment) if connection.vendor == "sqlite" else moment
