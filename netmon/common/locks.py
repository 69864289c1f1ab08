"""One writer at a time for one object of the API."""

import zlib

from django.db import connection, models


def hold(model: type[models.Model], pk: int) -> None:
    """Hold other holders of the same object off until this transaction ends.

    An advisory lock, not a row lock: services lock rows in an order of their own, and a row locked too early would
    turn it round. On SQLite the transaction itself (IMMEDIATE) holds everybody off.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            table = zlib.crc32(model._meta.db_table.encode()) - (1 << 31)
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [table, pk % (1 << 31)])
