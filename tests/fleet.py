"""A network in the database that is polled by hand, on a clock that the test turns: nothing is sent anywhere.

Polls go through the same recording as those of workers; alerts move by the same engine.
"""

import random
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from inventory.models import Dependency, Device
from monitoring.alerting import duties, engine
from monitoring.models import Alert, Channel, Check, Contact, DeviceState, Notification
from monitoring.modules import Collected, Reading
from monitoring.runner import Result
from monitoring.services import recording
from netmon.drivers.errors import DeadlineExceeded
from tests import factories as make

BATCH = 6
START = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Fleet:
    """Devices with a ping each; `parents` by name. `down` are the names of those that do not answer themselves.

    A device answers when it is not down itself and some way to it leads through devices that are not down.
    """

    def __init__(self, monkeypatch: object, names: Iterable[str], parents: dict[str, Collection[str]] | None = None):
        self.now = START
        monkeypatch.setattr(timezone, "now", lambda: self.now)  # type: ignore[attr-defined]
        self.parents = parents or {}
        self.devices: dict[str, Device] = {}
        self.down: set[str] = set()
        for name in names:
            self.devices[name] = make.make_device(name=name, kind="other")
            check = make.make_check(make.make_endpoint(self.devices[name]), next_run_at=self.now)
            DeviceState.objects.get_or_create(device=self.devices[name])
            Check.objects.filter(pk=check.pk).update(created_at=self.now)
        for name, above in self.parents.items():
            for parent in above:
                Dependency.objects.create(device=self.devices[name], parent=self.devices[parent])

    # --- the world ---------------------------------------------------------------------------------------------------

    def answers(self, name: str) -> bool:
        return name in self.reachable()

    def reachable(self) -> set[str]:
        """By the simplest means there is, to hold the product's against: grow from the devices without parents."""
        found = {name for name in self.devices if not self.parents.get(name) and name not in self.down}
        grown = True
        while grown:
            more = {
                name
                for name in set(self.devices) - found - self.down
                if any(parent in found for parent in self.parents.get(name, ()))
            }
            found |= more
            grown = bool(more)
        return found

    # --- time --------------------------------------------------------------------------------------------------------

    def poll(self, names: Sequence[str], alive: Collection[str] | None = None) -> None:
        """These devices are asked now, in this order, a few in a batch."""
        alive = self.reachable() if alive is None else alive
        for first in range(0, len(names), BATCH):
            part = names[first : first + BATCH]
            checks = Check.objects.select_related("endpoint__device").filter(endpoint__device__name__in=part)
            checks.update(next_run_at=self.now + timedelta(seconds=60))
            pairs = []
            for check in checks:
                if check.endpoint.device.name in alive:
                    pairs.append((check, Result(key=check.pk, collected=self._collected())))
                else:
                    pairs.append((check, Result(key=check.pk, error=DeadlineExceeded("No answer."))))
            recording.record(pairs)

    def _collected(self) -> Collected:
        at = self.now.timestamp()
        reading = Reading(set="icmp", values={"rtt_ms": 1.0, "loss_percent": 0.0})
        return Collected(collected_at=at, monotonic_at=at, response_ms=1.0, readings=[reading])

    def run(self, seconds: int, *, order: random.Random | None = None, step: int = 10) -> None:
        """Let time go by: every few seconds what is due is polled, in any order, and the engine runs."""
        for _ in range(0, seconds, step):
            self.now += timedelta(seconds=step)
            due = Check.objects.filter(next_run_at__lte=self.now).values_list("endpoint__device__name", flat=True)
            names = sorted(due)
            if order is not None:
                order.shuffle(names)
            self.poll(names)
            engine.advance(self.now)
            duties.perform(self.now)

    def settle(self) -> None:
        """Two rounds in which all is well."""
        self.run(130)

    # --- what came of it ---------------------------------------------------------------------------------------------

    def states(self) -> dict[str, str]:
        """Of each device with an open alert that it is down: the alert's state."""
        rows = Alert.objects.open().filter(source="device.down").values_list("device__name", "state")
        return dict(rows)

    def told(self, kind: str = "firing") -> list[str]:
        rows = Notification.objects.filter(kind=kind).exclude(status="superseded").order_by("pk")
        return list(rows.values_list("alert__device__name", flat=True))


def make_channel(**over: object) -> Channel:
    n = Channel.objects.count() + 1
    return Channel.objects.create(**{"name": f"channel {n}", "kind": "webhook", "config": "{}", **over})


def make_contact(*channels: Channel, **over: object) -> Contact:
    n = Contact.objects.count() + 1
    contact = Contact.objects.create(**{"name": f"contact {n}", "emails": ["noc@example.com"], **over})
    contact.channels.set(channels or [make_channel()])
    return contact


def deliver(now: datetime) -> list[Notification]:
    """Take every message that is due for sent, as delivery would. Returns them."""
    rows = list(Notification.objects.filter(status="pending", next_at__lte=now).order_by("pk"))
    for row in rows:
        row.status, row.sent_at = "sent", now
        row.save()
    return rows
