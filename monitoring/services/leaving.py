"""What monitoring does when devices leave the inventory."""

from collections.abc import Iterable

from monitoring.models import DeletedSeries, Series
from netmon.common.queue import PURGE_DELETED_SAMPLES, send_after_commit


def devices_leaving(device_ids: Iterable[int]) -> None:
    """In the inventory's transaction: drop the series, and note whose samples still take space.

    The samples themselves go right after the commit: a month of them is no work for a person's request.
    """
    rows = Series.objects.filter(device_id__in=list(device_ids))
    ids = list(rows.values_list("pk", flat=True))
    DeletedSeries.objects.bulk_create([DeletedSeries(series_id=pk) for pk in ids], ignore_conflicts=True)
    rows.delete()
    if ids:
        send_after_commit(PURGE_DELETED_SAMPLES)
