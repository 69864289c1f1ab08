"""Deleting samples: those that are too old, and those of series that are gone."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from monitoring.models import (
    COLUMN_COUNT,
    Alert,
    DeletedSeries,
    DeviceEvent,
    Notification,
    SampleChunk,
    SampleRow,
    Series,
)
from monitoring.services import indicators
from monitoring.services.leaving import bury
from monitoring.store import tables
from monitoring.store.seal import series_batches
from monitoring.store.slots import DAY, HOUR

Level = SampleChunk.Level
BATCH = 200  # series in one transaction
PURGE_BATCH = 20
EVENTS = 1000
DEVICE_EVENTS = 10_000  # a session that flaps every minute must not fill the database


def prune(now: float | None = None) -> dict[str, int]:
    """Deletes chunks that lie wholly before what the settings keep. Returns how many, by level.

    Open points are left: they are not older than the day or month they wait for.
    """
    now = time.time() if now is None else now
    last = {
        Level.FULL: now - settings.SAMPLES_FULL_DAYS * DAY - HOUR,
        Level.FIVE_MINUTES: now - settings.SAMPLES_5MIN_DAYS * DAY - DAY,
        Level.HOURS: now - settings.SAMPLES_HOUR_DAYS * DAY - 31 * DAY,
    }
    deleted = {level.name.lower(): 0 for level in last}
    for batch in series_batches(BATCH):
        for level, start in last.items():
            # By series: the key begins with it, and nothing else is indexed.
            old = SampleChunk.objects.filter(series_id__in=batch, level=level, start__lte=int(start))
            deleted[level.name.lower()] += old.delete()[0]
    return deleted


def prune_events(now: float | None = None) -> int:
    """Forgets what happened or was observed longer ago than NETMON_EVENTS_DAYS, and of each device all but the newest.

    Returns how many, deleted a batch at a time.
    """
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    limit = moment - timedelta(days=settings.EVENTS_DAYS)
    total = indicators.prune(limit) + _forget(DeviceEvent.objects.filter(at__lt=limit))
    counted = DeviceEvent.objects.order_by().values("device").annotate(events=Count("pk"))
    for device_id in list(counted.filter(events__gt=DEVICE_EVENTS).values_list("device", flat=True)):
        own = DeviceEvent.objects.filter(device=device_id)
        first = own.order_by("-at", "-pk").values_list("at", "pk")[DEVICE_EVENTS : DEVICE_EVENTS + 1]
        for at, pk in list(first):
            total += _forget(own.filter(Q(at__lt=at) | Q(at=at, pk__lte=pk)))
    return total


def prune_alerts(now: float | None = None) -> int:
    """Forgets alerts that were resolved longer ago than NETMON_ALERTS_DAYS, with their history and messages."""
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    limit = moment - timedelta(days=settings.ALERTS_DAYS)
    total = 0
    while ids := list(Alert.objects.filter(resolved_at__lt=limit).order_by("pk").values_list("pk", flat=True)[:EVENTS]):
        Alert.objects.filter(pk__in=ids).delete()
        total += len(ids)
    orphans = Notification.objects.filter(alert__isnull=True, created_at__lt=limit)
    while ids := list(orphans.order_by("pk").values_list("pk", flat=True)[:EVENTS]):
        Notification.objects.filter(pk__in=ids).delete()
    return total


def _forget(events: QuerySet[DeviceEvent]) -> int:
    total = 0
    # In pieces: one delete of a year would hold up every writer of SQLite.
    while ids := list(events.order_by("at", "pk").values_list("pk", flat=True)[:EVENTS]):
        total += DeviceEvent.objects.filter(pk__in=ids).delete()[0]
    return total


def forget_lapsed(now: float | None = None) -> int:
    """Deletes labelled series, such as those of disks, that lapsed so long ago that no sample of them is kept."""
    now = time.time() if now is None else now
    limit = datetime.fromtimestamp(now - settings.SAMPLES_HOUR_DAYS * DAY - 31 * DAY, UTC)
    nothing = {f"v{index}__isnull": True for index in range(COLUMN_COUNT)}
    rows = Series.objects.filter(interface__isnull=True, last_at__lt=limit, **nothing).exclude(labels="")
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:EVENTS])
    with transaction.atomic():
        # Again by their time: one may have come back meanwhile.
        bury(rows.filter(pk__in=ids))
    return len(ids)


def purge_deleted(limit: int = 1000) -> int:
    """Removes the samples of at most `limit` deleted series, then their tombstones. Returns how many series."""
    ids = list(DeletedSeries.objects.order_by("deleted_at", "pk").values_list("pk", flat=True)[:limit])
    for first in range(0, len(ids), PURGE_BATCH):
        part = ids[first : first + PURGE_BATCH]
        _remove(part)
        DeletedSeries.objects.filter(pk__in=part).delete()
    return len(ids)


def sweep_orphans() -> int:
    """Removes chunks of series that no longer exist and left no tombstone, as after a restore of one database only.

    Visits every series that has chunks, so run it rarely. Returns how many series were removed.
    """
    removed, low = 0, 0
    while found := tables.distinct(SampleChunk, "series_id", low, limit=BATCH):
        gone = sorted(set(found) - set(Series.objects.filter(pk__in=found).values_list("pk", flat=True)))
        for first in range(0, len(gone), PURGE_BATCH):
            _remove(gone[first : first + PURGE_BATCH])
        removed += len(gone)
        low = found[-1] + 1
    return removed


def _remove(series_ids: Sequence[int]) -> None:
    with tables.exclusive():
        SampleChunk.objects.filter(series_id__in=series_ids).delete()
        # The key begins with the slot.
        for slots in tables.hot_slots():
            SampleRow.objects.filter(slot__in=slots, series_id__in=series_ids).delete()
