"""The sample tables by plain SQL: what the ORM would make ten times as expensive, or cannot say."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, connections, models, transaction

from monitoring.models import SampleChunk, SampleRow
from monitoring.store.router import samples_alias

_LOCK = 0x6E65746D6F6E  # "netmon"
_HIGHEST = 2**63 - 1
_SLOTS = 5000  # SQLite takes 32,766 parameters, and a sealing process may have been down for weeks


@contextmanager
def exclusive() -> Iterator[None]:
    """A transaction in which nobody else rewrites chunks. Writers of hot rows wait on SQLite only."""
    alias = samples_alias()
    with transaction.atomic(using=alias):
        if connections[alias].vendor == "postgresql":
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield


def upsert(model: type[SampleRow] | type[SampleChunk], rows: Iterable[Sequence[Any]]) -> int:
    """Writes rows, given in the order of the table's columns, key first; a row whose key exists is replaced.

    Within `rows` the last of one key wins. Returns how many were written.
    """
    fields = model._meta.concrete_fields
    names = [field.column for field in fields if field.column]
    width = len(names) - 1
    # Sorted, so that two writers lock common rows in one order.
    unique = sorted({tuple(row[:width]): row for row in rows}.items())
    ordered = [row for _, row in unique]
    if not ordered:
        return 0
    alias = samples_alias()
    connection = connections[alias]
    table, columns, key = model._meta.db_table, ", ".join(names), ", ".join(names[:width])
    conflict = f"ON CONFLICT ({key}) DO UPDATE SET {names[-1]} = excluded.{names[-1]}"
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            marks = ", ".join(["%s"] * len(names))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict}", ordered)  # noqa: S608
            return len(ordered)
        types = [str(field.db_type(connection)) for field in fields if field.column]
        try:
            # COPY knows no ON CONFLICT, and a key that exists is rare.
            with transaction.atomic(using=alias):
                copy_rows(cursor, connection, table, names, types, ordered)
        except IntegrityError:
            temporary = f"{table}_new"
            cursor.execute(f"CREATE TEMPORARY TABLE {temporary} (LIKE {table}) ON COMMIT DROP")
            copy_rows(cursor, connection, temporary, names, types, ordered)
            cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {temporary} {conflict}")  # noqa: S608
            cursor.execute(f"DROP TABLE {temporary}")
    return len(ordered)


def copy_rows(
    cursor: Any, connection: Any, table: str, names: Sequence[str], types: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """COPY into a PostgreSQL table. Raises django.db.IntegrityError where a key exists."""
    statement = f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
    with connection.wrap_database_errors, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def take_hot(slots: Sequence[int], above: int, upto: int | None) -> list[tuple[int, int, bytes]]:
    """Deletes the hot rows of these slots with above < series id <= upto, and returns (series id, slot, payload).

    One statement, so that a row written meanwhile is never deleted unread.
    """
    marks = ", ".join(["%s"] * len(slots))
    with connections[samples_alias()].cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {SampleRow._meta.db_table} WHERE slot IN ({marks})"  # noqa: S608
            " AND series_id > %s AND series_id <= %s RETURNING series_id, slot, payload",
            [*slots, above, _HIGHEST if upto is None else upto],
        )
        return cursor.fetchall()


def distinct(
    model: type[models.Model], column: str, low: int, high: int | None = None, limit: int | None = None
) -> list[int]:
    """The values of a key's first column in [low, high), ascending, by one index seek each and not by a scan."""
    high = _HIGHEST if high is None else high
    table = model._meta.db_table
    # One text for both databases; a plain DISTINCT reads every row of the range.
    statement = f"""
        WITH RECURSIVE seek(value) AS (
            SELECT (SELECT MIN({column}) FROM {table} WHERE {column} >= %s AND {column} < %s)
            UNION ALL
            SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > seek.value AND {column} < %s)
            FROM seek WHERE seek.value IS NOT NULL
        )
        SELECT value FROM seek WHERE value IS NOT NULL LIMIT %s"""  # noqa: S608
    with connections[samples_alias()].cursor() as cursor:
        cursor.execute(statement, [low, high, high, _HIGHEST if limit is None else limit])
        return [value for (value,) in cursor.fetchall()]


def hot_slots(low: int = 0, high: int | None = None) -> Iterator[list[int]]:
    """The slots in [low, high) that have hot rows, in lists short enough for one query."""
    slots = distinct(SampleRow, "slot", low, high)
    for first in range(0, len(slots), _SLOTS):
        yield slots[first : first + _SLOTS]
