"""Rows of alerting for tests: each with sensible values that may be overridden."""

import hashlib
from datetime import timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from inventory.models import Dependency, Device
from monitoring.models import (
    Alert,
    AlertEvent,
    AlertRule,
    Channel,
    Contact,
    EscalationPolicy,
    MaintenanceWindow,
    Notification,
    SeverityModifier,
    Silence,
)
from monitoring.notifying import configs

_numbers = count(1)
SECRET = "a webhook secret that no page may show"
MAIL = {"host": "smtp.example.com", "from_address": "netmon@example.com"}


def make_rule(**over: Any) -> AlertRule:
    return AlertRule.objects.create(**{"name": f"rule {next(_numbers)}", "source": "device.down", **over})


def make_alert(device: Device | None = None, **over: Any) -> Alert:
    """One that fires, with its first events."""
    now = timezone.now()
    n = next(_numbers)
    values = {
        "device": device, "source": "device.down", "fingerprint": hashlib.sha256(str(n).encode()).hexdigest(),
        "state": "firing", "severity": "high", "summary": f"alert {n}", "started_at": now - timedelta(minutes=5),
        "fired_at": now - timedelta(minutes=4), "seq": 2, "version": 2, **over,
    }  # fmt: skip
    alert = Alert.objects.create(**values)
    for seq, kind in ((1, "opened"), (2, "firing")):
        AlertEvent.objects.create(alert=alert, seq=seq, kind=kind, text=alert.summary)
    return alert


def make_channel(**over: Any) -> Channel:
    """A webhook with a secret, unless told otherwise."""
    config = over.pop("config", {"url": "https://hooks.example.com/netmon", "secret": SECRET})
    row = Channel(**{"name": f"channel {next(_numbers)}", "kind": "webhook", **over})
    configs.seal(row, configs.merge(row.kind, config))
    row.save()
    return row


def make_contact(*channels: Channel, **over: Any) -> Contact:
    row = Contact.objects.create(**{"name": f"contact {next(_numbers)}", "emails": ["noc@example.com"], **over})
    row.channels.set(channels)
    return row


def make_policy(*contacts: Contact, **over: Any) -> EscalationPolicy:
    """A step for each contact, a quarter of an hour apart."""
    row = EscalationPolicy.objects.create(**{"name": f"policy {next(_numbers)}", **over})
    row.write_steps([(900 * number, [contact]) for number, contact in enumerate(contacts)])
    return row


def make_window(**over: Any) -> MaintenanceWindow:
    """Open now, for an hour."""
    now = timezone.now()
    values = {"starts_at": now - timedelta(minutes=30), "ends_at": now + timedelta(minutes=30)}
    return MaintenanceWindow.objects.create(**{"name": f"window {next(_numbers)}", **values, **over})


def make_silence(**over: Any) -> Silence:
    return Silence.objects.create(**{"ends_at": timezone.now() + timedelta(hours=1), "kind": "camera", **over})


def make_modifier(**over: Any) -> SeverityModifier:
    return SeverityModifier.objects.create(**{"name": f"modifier {next(_numbers)}", "delta": 1, **over})


def make_notification(alert: Alert | None = None, **over: Any) -> Notification:
    """A message that was sent."""
    key = hashlib.sha256(f"message {next(_numbers)}".encode()).hexdigest()
    values = {"kind": "firing", "status": "sent", "sent_at": timezone.now(), "dedupe_key": key, "to": "Duty by mail"}
    return Notification.objects.create(alert=alert, **{**values, **over})


def make_dependency(device: Device, parent: Device, **over: Any) -> Dependency:
    return Dependency.objects.create(device=device, parent=parent, **over)
