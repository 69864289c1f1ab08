"""Down, but not by its own fault: kept apart in the device's state and in its outages, so that reports stay honest."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import F

from monitoring.models.checks import DeviceState, Outage

# What is found out within this of the first failure was so from the beginning.
FROM_THE_BEGINNING = timedelta(minutes=10)


def write(excused: Mapping[int, str], now: datetime) -> None:
    """Set or take away the excuse of devices that are down. Call with their states locked.

    An outage that changes its kind while it lasts is cut in two, unless it has only begun.
    """
    if not excused:
        return
    down = {
        state.device_id: state
        for state in DeviceState.objects.filter(device_id__in=excused, state=DeviceState.State.DOWN)
    }
    by_excuse: dict[str, list[int]] = {}
    for device_id, excuse in excused.items():
        if device_id in down and down[device_id].excuse != excuse:
            by_excuse.setdefault(excuse, []).append(device_id)
    for excuse, ids in by_excuse.items():
        DeviceState.objects.filter(device_id__in=ids).update(excuse=excuse, version=F("version") + 1)
        _outages(ids, excuse or Outage.Kind.DOWN, now)


def _outages(device_ids: list[int], kind: str, now: datetime) -> None:
    open_ones = Outage.objects.filter(device_id__in=device_ids, ended_at__isnull=True).exclude(kind=kind)
    young = open_ones.filter(started_at__gte=now - FROM_THE_BEGINNING)
    if kind != Outage.Kind.DOWN:
        young.update(kind=kind)
    cut = list(open_ones)
    Outage.objects.filter(pk__in=[one.pk for one in cut]).update(ended_at=now)
    Outage.objects.bulk_create(
        Outage(device_id=one.device_id, kind=kind, started_at=now, cause=one.cause) for one in cut
    )
