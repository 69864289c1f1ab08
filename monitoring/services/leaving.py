"""What monitoring does when devices, interfaces or endpoints leave the inventory, in the inventory's transaction."""

from collections.abc import Iterable

from django.db.models import QuerySet
from django.utils import timezone

from inventory.models import Interface
from monitoring.models import Check, DeletedSeries, DeviceState, Series
from monitoring.services import states
from netmon.common.queue import PURGE_DELETED_SAMPLES, send_after_commit


def devices_leaving(device_ids: Iterable[int]) -> None:
    """Drop the series of these devices."""
    ids = list(device_ids)
    _lock(ids)
    bury(Series.objects.filter(device_id__in=ids))


def interfaces_leaving(interface_ids: Iterable[int]) -> None:
    """Drop the series of these interfaces."""
    ids = list(interface_ids)
    _lock(list(Interface.objects.filter(pk__in=ids).values_list("device_id", flat=True)))
    bury(Series.objects.filter(interface_id__in=ids))


def endpoints_leaving(device_ids: Iterable[int]) -> None:
    """Before endpoints of these devices go, and their checks with them."""
    _lock(list(device_ids))


def endpoint_left(device_id: int) -> None:
    """Judge the device by the checks that it has left."""
    states.evaluate([device_id], timezone.now())


def _lock(device_ids: list[int]) -> None:
    """In the order in which the recorder locks: any other would be a deadlock with it."""
    list(DeviceState.objects.select_for_update().filter(device_id__in=device_ids).order_by("device_id"))
    checks = Check.objects.select_for_update(of=("self",)).filter(endpoint__device_id__in=device_ids)
    list(checks.order_by("pk").values_list("pk"))


def bury(rows: QuerySet[Series]) -> None:
    """Delete series, and note whose samples still take space: they go after the commit, a month of them is no work
    for a person's request."""
    ids = list(rows.values_list("pk", flat=True))
    DeletedSeries.objects.bulk_create([DeletedSeries(series_id=pk) for pk in ids], ignore_conflicts=True)
    rows.delete()
    if ids:
        send_after_commit(PURGE_DELETED_SAMPLES)
