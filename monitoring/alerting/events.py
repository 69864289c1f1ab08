"""What alerts are made of besides polls: events of devices, and the state of netmon itself."""

from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from monitoring.alerting import observing, rulebook, sources
from monitoring.alerting.sources import Observation
from monitoring.models.alerts import Alert
from monitoring.models.facts import DeviceEvent

BATCH = 1000


def consume() -> int:
    """Hold events that no rule has looked at yet against the rules. Returns how many."""
    total = 0
    while DeviceEvent.objects.filter(is_noted=False).exists():
        with transaction.atomic():
            rows = list(
                DeviceEvent.objects.select_for_update(skip_locked=True, of=("self",))
                .filter(is_noted=False)
                .order_by("pk")[:BATCH]
            )
            if not rows:
                break  # another engine has them
            observing.observe([look for row in rows for look in looks_of(row)])
            DeviceEvent.objects.filter(pk__in=[row.pk for row in rows]).update(is_noted=True)
        total += len(rows)
    return total


def looks_of(row: DeviceEvent) -> list[Observation]:
    """An event as looks: bad at its own kind, good at the kind that it ends."""
    happened = Observation(
        source="event",
        device_id=row.device_id,
        at=row.at,
        subject=row.subject,
        summary=f"{row.words}: {row.subject}" if row.subject else row.words,
        detail=row.detail,
    )
    said = sources.said_by(row.kind, row.severity, row.data)
    return [replace(happened, match=match, is_bad=is_bad) for match, is_bad in said]


def tell_blindness(reason: str, now: datetime | None = None) -> None:
    """Open or end the alert that the poller sees nothing."""
    is_known = Alert.objects.open().filter(source="poller.blind").exists()
    if (reason or is_known) and rulebook.load().by_source.get("poller.blind"):
        with transaction.atomic():
            observing.observe(
                [
                    Observation(
                        source="poller.blind",
                        at=now or timezone.now(),
                        is_bad=bool(reason),
                        summary="The poller is blind",
                        detail=reason,
                    )
                ]
            )
