"""Keeping and ending observations. Those that are a warning or worse are events, too, so that rules see them.

An event of an indicator says its kind, `indicator_cleared` what is over with it: see `sources.said_by`.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from monitoring.alerting import sources, wording
from monitoring.models import DeviceEvent, Indicator

BATCH = 500
OF_DEVICE = 10_000  # a program that goes wild must not fill the database


def who_says(user: Any) -> str:
    """The source of what somebody writes without naming one: the API key, or the person."""
    key = getattr(user, "acting_key", None)
    return str(key.name if key is not None else user.get_username())


@transaction.atomic
def keep(row: Indicator) -> Indicator:
    """Save a new or changed row, and tell what is new with it and what is over."""
    now = timezone.now()
    before = Indicator.objects.select_for_update(of=("self",)).filter(pk=row.pk).first() if row.pk else None
    row.value = wording.clean(row.value, 500)
    was = before.cleared_at if before is not None else None
    row.cleared_at = (was or now) if row.is_over(now) else None
    row.save()
    _tell(before, row, now)
    return row


@transaction.atomic
def delete(row: Indicator) -> None:
    before = Indicator.objects.select_for_update(of=("self",)).filter(pk=row.pk).first()
    _tell(before, None, timezone.now())
    row.delete()


def expire(now: datetime | None = None) -> int:
    """End those whose time is over. Returns how many."""
    now = now or timezone.now()
    total = 0
    while True:
        with transaction.atomic():
            due = Indicator.objects.filter(cleared_at=None, expires_at__lte=now).order_by("pk")
            rows = list(due.select_for_update(skip_locked=True, of=("self",))[:BATCH])
            for row in rows:
                Indicator.objects.filter(pk=row.pk).update(cleared_at=now, updated_at=now)
                _tell(row, None, now)
        total += len(rows)
        if len(rows) < BATCH:
            return total


def prune(limit: datetime, of_device: int = OF_DEVICE) -> int:
    """Forget what was observed before `limit`, and of each device all but the newest. Returns how many."""
    total = _forget(Indicator.objects.filter(observed_at__lt=limit))
    counted = Indicator.objects.order_by().values("device").annotate(number=Count("pk"))
    for device_id in list(counted.filter(number__gt=of_device).values_list("device", flat=True)):
        own = Indicator.objects.filter(device=device_id)
        first = own.order_by("-observed_at", "-pk").values_list("observed_at", "pk")[of_device : of_device + 1]
        for at, pk in list(first):
            total += _forget(own.filter(Q(observed_at__lt=at) | Q(observed_at=at, pk__lte=pk)))
    return total


def _forget(rows: Any) -> int:
    total = 0
    while True:
        with transaction.atomic():
            part = list(rows.order_by("observed_at", "pk")[:BATCH])
            for row in part:
                _tell(row, None, timezone.now())
                row.delete()
        total += len(part)
        if len(part) < BATCH:
            return total


# --- events


def _subject(row: Indicator) -> str:
    return wording.clean(row.value, 255)


def _event_kind(row: Indicator) -> str:
    return f"{sources.INDICATOR}{row.kind}"


def _said(row: Indicator | None) -> set[tuple[str, str]]:
    """What rules hear of a row: pairs of match and subject. Nothing of one that is harmless or over."""
    if row is None or row.severity == Indicator.Severity.INFO or row.cleared_at is not None:
        return set()
    return {(match, _subject(row)) for match, _ in sources.said_by(_event_kind(row), row.severity, {})}


def _tell(before: Indicator | None, after: Indicator | None, now: datetime) -> None:
    old, new = _said(before), _said(after)
    if before is not None and (over := old - new):
        _tell_end(before, {match for match, _ in over}, now)
    if after is not None and new - old:
        DeviceEvent.objects.create(
            device_id=after.device_id,
            at=now,
            source=DeviceEvent.Source.INDICATOR,
            kind=_event_kind(after),
            severity=after.severity,
            subject=_subject(after),
            detail=wording.clean(f"{after.source}: {after.note}" if after.note else f"{after.source} says so.", 500),
            data={"indicator": after.pk, "observed_at": after.observed_at.isoformat()},
        )


def _tell_end(row: Indicator, over: set[str], now: datetime) -> None:
    """What is over, unless another indicator still says the same."""
    twins = Indicator.objects.current(now).filter(device=row.device_id, kind=row.kind, value=row.value)
    for twin in twins.exclude(pk=row.pk)[:100]:
        over -= {match for match, _ in _said(twin)}
    if not over:
        return
    DeviceEvent.objects.create(
        device_id=row.device_id,
        at=now,
        source=DeviceEvent.Source.INDICATOR,
        kind=sources.CLEARED,
        subject=_subject(row),
        data={"indicator": row.pk, "ends": sorted(over)},
    )
