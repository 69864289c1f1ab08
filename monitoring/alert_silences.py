"""Until when alerts are silent: by a silence of their own, or by one whose scope they are in. For many at once."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db.models import Count, Max

from inventory.models import Device
from monitoring.alerting.rulebook import Place
from monitoring.alerting.silences import Shut
from monitoring.models import Alert, Silence

# What is asked of an alert, for lists that read only what they show.
COLUMNS = ("fingerprint", "rule", "tenant", "silenced_until", "device__tenant", "device__site", "device__kind")


@dataclass(frozen=True, slots=True)
class Quiet:
    """The silences of one moment, ready to be held against any number of alerts: one query, two where a tag counts."""

    at: datetime
    shut: Shut
    tags: Mapping[int, frozenset[int]]  # by device, of the tags that some silence names

    @classmethod
    def load(cls, at: datetime) -> Self:
        shut = Shut.load(at)
        wanted = {scope.tag_id for scope, _, _ in shut.by_scope if scope.tag_id is not None}
        tags: dict[int, set[int]] = defaultdict(set)
        if wanted:
            rows = Device.tags.through.objects.filter(tag_id__in=wanted)
            for device_id, tag_id in rows.values_list("device_id", "tag_id"):
                tags[device_id].add(tag_id)
        return cls(at, shut, {device_id: frozenset(found) for device_id, found in tags.items()})

    def until(self, alert: Alert) -> datetime | None:
        """Until when nobody is told of this alert; None when people are, or it is over. Its device must be loaded."""
        if alert.resolved_at is not None:
            return None
        device = alert.device
        place = (
            Place(device.pk, device.tenant_id, device.site_id, device.kind, self.tags.get(device.pk, frozenset()))
            if device is not None
            else Place(None, alert.tenant_id)
        )
        own = alert.silenced_until if alert.silenced_until and alert.silenced_until > self.at else None
        return max((one for one in (own, self.shut.until(alert, place)) if one is not None), default=None)

    def is_by_scope(self, alert: Alert) -> bool:
        """Whether it stays silent when its own silence ends: others do this."""
        until = self.until(alert)
        return until is not None and until != self.shut.by_fingerprint.get(alert.fingerprint)


def release(silence: Silence, until: datetime) -> None:
    """A silence ends before its time: what began to fire in it, and still does, is told at the engine's look then."""
    rows = Alert.objects.open().filter(silenced_until=silence.ends_at, silenced_until__gt=until)
    if silence.fingerprint:
        rows = rows.filter(fingerprint=silence.fingerprint)
    rows.update(silenced_until=until)


def mark() -> str:
    """Changes with the silences that are in force: for what is asked for again and again."""
    seen = Silence.objects.now().aggregate(n=Count("pk"), last=Max("pk"), at=Max("updated_at"))
    return f"{seen['n']}-{seen['last'] or 0}-{seen['at'].timestamp() if seen['at'] else 0:.0f}"
