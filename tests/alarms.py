"""Alerts of every state and severity, with people, ways, work and history: for tests of pages and for pictures."""

from datetime import timedelta
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
    Outage,
    Severity,
)
from monitoring.notifying import configs
from tests import factories

HOSTILE = '<script>alert("x")</script>"><img src=x onerror=alert(1)>'


def make_alert(device: Device | None = None, **over: Any) -> Alert:
    now = timezone.now()
    n = Alert.objects.count() + 1
    minutes = over.pop("minutes", 14)
    values = {
        "device": device, "source": "device.down", "summary": "Down", "severity": "high", "state": "firing",
        "fingerprint": f"print-{n}", "started_at": now - timedelta(minutes=minutes), "version": 2, "seq": 2,
        "fired_at": now - timedelta(minutes=minutes - 1), "state_since": now - timedelta(minutes=minutes - 1),
        "is_told": True, **over,
    }  # fmt: skip
    if values["state"] in ("pending", "unreachable", "maintenance", "blind"):
        values |= {"fired_at": None, "is_told": False}
    alert = Alert.objects.create(**values)
    AlertEvent.objects.create(alert=alert, seq=1, kind="opened", at=alert.started_at, severity=alert.severity)
    if alert.state != "pending":
        kind = alert.state if alert.state != "resolved" else "firing"
        AlertEvent.objects.create(
            alert=alert, seq=2, kind=kind, at=alert.started_at + timedelta(minutes=1), severity=alert.severity
        )
    return alert


def make_message(alert: Alert | None, contact: Contact, channel: Channel, **over: Any) -> Notification:
    n = Notification.objects.count() + 1
    now = timezone.now()
    values = {
        "alert": alert, "kind": "firing", "contact": contact, "channel": channel, "status": "sent", "attempt": 1,
        "to": f"{contact.name} by {channel.name}", "dedupe_key": f"key-{n}", "last_code": "250", "sent_at": now,
        "severity": alert.severity if alert else "info", "seq": 2,
        "severity_rank": Severity(alert.severity).rank if alert else 0, "created_at": now - timedelta(minutes=13),
        "log": [{"at": now.isoformat(), "code": "250", "error": "", "seconds": 0.21}], **over,
    }  # fmt: skip
    return Notification.objects.create(**values)


def make_channel(kind: str = "webhook", **over: Any) -> Channel:
    given: dict[str, dict[str, Any]] = {
        "webhook": {"url": "https://hooks.example.com/netmon", "secret": "s" * 32},
        "email": {"host": "smtp.example.com", "from_address": "netmon@example.com"},
        "slack": {"webhook_url": "https://hooks.slack.com/services/T0/B0/abcd"},
    }
    channel = Channel(**{"name": f"{kind} {Channel.objects.count() + 1}", "kind": kind, **over})
    configs.seal(channel, configs.merge(kind, given[kind]))
    channel.save()
    return channel


def make_contact(*channels: Channel, **over: Any) -> Contact:
    n = Contact.objects.count() + 1
    contact = Contact.objects.create(**{"name": f"contact {n}", "emails": [f"noc{n}@example.com"], **over})
    contact.channels.set(channels)
    return contact


def make_alarms(devices: dict[str, Device], *, children: int = 37, user: Any = None) -> dict[str, Any]:
    """On the devices of `scenes.make_scene`: a router with what hangs behind it, and one alert of every other sort."""
    now = timezone.now()
    names = list(devices)
    core, edge, other = (devices[name] for name in names[:3])
    site = core.site
    mail, slack, hook = (
        make_channel("email", name="mail"),
        make_channel("slack", name="#noc"),
        make_channel(name="pager"),
    )
    Channel.objects.filter(pk=mail.pk).update(last_sent_at=now - timedelta(minutes=3))
    Channel.objects.filter(pk=hook.pk).update(
        dead_in_a_row=4, last_error="410 Gone: this address takes no messages any more", last_error_at=now
    )
    noc, lead = make_contact(mail, slack, name="NOC"), make_contact(mail, hook, name="Team lead", digest="hourly")
    policy = EscalationPolicy.objects.create(name="Standard", rank=10)
    policy.steps.create(number=0, after_seconds=0).contacts.set([noc])
    policy.steps.create(number=1, after_seconds=900).contacts.set([lead])
    down = AlertRule.objects.get(template="device.down")
    disk = AlertRule.objects.get(template="host.disk")
    Dependency.objects.create(device=core, parent=edge)
    Dependency.objects.create(
        device=core, parent=other, source="gateway", is_confirmed=False, note="gateway of 10.0.0.0/24"
    )
    cause = make_alert(
        core, rule=down, severity="critical", minutes=22, detail="No answer by SNMP and ping.",
        data={"behind": children}, escalate_at=now + timedelta(minutes=6), remind_at=now + timedelta(hours=3),
    )  # fmt: skip
    for n in range(children):
        device = factories.make_device(name=f"leaf-{n:02}", kind="computer" if n % 4 else "switch", site=site)
        factories.watch(device, state="down", excuse="unreachable", since=now - timedelta(minutes=20))
        Outage.objects.create(device=device, kind="unreachable", started_at=now - timedelta(minutes=20))
        Dependency.objects.create(device=device, parent=core)
        make_alert(device, rule=down, state="unreachable", severity="high", cause=cause, minutes=20)
    make_message(cause, noc, mail)
    make_message(cause, noc, slack, last_code="200")
    make_message(
        cause, lead, hook, status="dead", sent_at=None, last_code="410", attempt=3, kind="escalation",
        last_error="410 Gone: this address takes no messages any more",
        log=[{"at": now.isoformat(), "code": "503", "error": "busy", "seconds": 1.2}] * 3,
    )  # fmt: skip
    factories.make_event(
        edge, at=now - timedelta(minutes=30), kind="bgp_down", subject="203.0.113.9", detail="Hold time"
    )
    factories.make_event(core, at=now - timedelta(minutes=25), kind="rebooted", subject="", detail="up 12 s")
    alerts = {
        "cause": cause,
        "disk": make_alert(
            edge, rule=disk, source="metric", summary="Space in use of /var: 93 % (above 90 %)", subject="mount=/var",
            severity="high", minutes=200, value=93.0,
        ),
        "calm": make_alert(
            other, source="check.down", summary="snmp.system fails", severity="medium", minutes=75,
            acknowledged_at=now - timedelta(minutes=50), acknowledged_by=user, comment="Agent is being upgraded",
        ),
        "flapping": make_alert(other, source="event", summary="BGP session to 203.0.113.9 flaps", state="flapping"),
        "silent": make_alert(
            edge, source="metric", summary="Swap in use: 84 % (above 80 %)", severity="low", minutes=600,
            silenced_until=now + timedelta(hours=1),
        ),
        "hostile": make_alert(edge, source="event", summary=f"Peer {HOSTILE} went away"[:290], severity="medium"),
        "netmon": make_alert(None, source="poller.behind", summary="Polling is behind", severity="high", minutes=3),
        "pending": make_alert(
            other, source="interface.down", summary="Interface eth3 is down", state="pending", minutes=1
        ),
        "work": make_alert(edge, source="metric", summary="CPU: 99 % (above 95 %)", state="maintenance", minutes=9),
    }  # fmt: skip
    for hours in (30, 54, 150):
        make_alert(
            core, rule=down, state="resolved", fingerprint=cause.fingerprint, minutes=hours * 60, severity="critical",
            resolved_at=now - timedelta(hours=hours) + timedelta(minutes=12), comment="UPS test" if hours == 54 else "",
        )  # fmt: skip
    MaintenanceWindow.objects.create(
        name="Line card", device=edge, starts_at=now - timedelta(minutes=30), ends_at=now + timedelta(minutes=90),
        created_by=user, reason="Swap of slot 3", ends_when_back=True,
    )  # fmt: skip
    start = now.replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=20)
    MaintenanceWindow.objects.create(
        name="Backups", site=site, starts_at=start, ends_at=start + timedelta(hours=2), recurrence="weekly",
        weekdays="2,5", time_zone="Europe/Berlin",
    )  # fmt: skip
    return {
        **alerts,
        "noc": noc,
        "lead": lead,
        "mail": mail,
        "pager": hook,
        "policy": policy,
        "down": down,
        "disk_rule": disk,
    }


def text_of(client: Any, path: str, **headers: Any) -> str:
    """The page at a path, which must be there."""
    answer = client.get(path, **headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return str(answer.content.decode())


def rule_values(**over: Any) -> dict[str, Any]:
    """A rule as its form sends it."""
    return {
        "name": "Load", "source": "metric", "metric": "host.load5", "comparator": "gt", "raise_value": "8",
        "clear_value": "4", "for_seconds_0": "5", "for_seconds_1": "m", "for_checks": "1", "clear_seconds_0": "0",
        "clear_seconds_1": "m", "clear_checks": "1", "severity": "high", "is_enabled": "on", "note": "Look at it.",
        **over,
    }  # fmt: skip
