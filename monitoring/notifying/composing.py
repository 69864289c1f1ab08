"""Rows of the outbox made into one message: which alerts, in which words, after which earlier message."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from inventory.models import Device
from monitoring.alerting import wording
from monitoring.alerting.graph import Graph
from monitoring.alerting.situation import load_graph
from monitoring.models.alerts import Alert, AlertEvent
from monitoring.models.delivery import Notification
from monitoring.models.rules import Severity
from monitoring.notifying import changes, pictures
from monitoring.notifying.messages import Item, Message

Kind = Notification.Kind
WORDS = {
    Kind.FIRING: "", Kind.RESOLVED: "Resolved: ", Kind.FLAPPING: "Flapping: ", Kind.REMINDER: "Still: ",
    Kind.ESCALATION: "Escalated: ", Kind.ACKNOWLEDGED: "Acknowledged: ", Kind.COMBINED: "Over: ",
}  # fmt: skip
LATE_GRACE = 30.0
NAMED = 20


def key_of(*parts: Any) -> str:
    return hashlib.sha256(":".join(str(part) for part in parts).encode()).hexdigest()


def compose(rows: Sequence[Notification], now: datetime) -> Message:
    """The message that these rows make up: claimed together, for one contact and channel."""
    first = rows[0]
    contact = first.contact
    common: dict[str, Any] = {
        "key": first.message_key,
        "to": contact.name if contact else "",
        "emails": _emails(rows),
        "is_repeat": any(row.is_repeat for row in rows),
        "made_at": now,
    }
    rows = load_alerts(rows)
    events = _events(rows)
    items = [item_of(row, events) for row in rows if row.alert is not None]
    if not items:
        title, body = str(first.data.get("title", "netmon")), str(first.data.get("body", ""))
        return Message(kind=first.kind, title=title, items=(), body=body, data=first.data, **common)
    late = max((now - row.first_due_at).total_seconds() for row in rows)
    if len(items) > 1:
        items.sort(key=lambda item: (-Severity(item.severity).rank, item.device, item.subject))
        return Message(kind="group", title=group_title(items), items=tuple(items), late_seconds=_late(late), **common)
    thread, thread_id = _thread(first)
    assert first.alert is not None
    return Message(
        kind=first.kind,
        title=title_of(items[0]),
        items=(with_surroundings(items[0], first.alert, now),),
        thread=thread,
        thread_id=thread_id,
        late_seconds=_late(late),
        **common,
    )


def _emails(rows: Sequence[Notification]) -> tuple[str, ...]:
    """All addresses of the contact; but those only that a server put off, when it is asked again for them, and of an
    end not those that have not heard of the beginning."""
    first = rows[0]
    if "only" in first.data:
        return tuple(first.data["only"])
    if first.contact is None:
        return tuple(first.data.get("emails", ()))
    unheard = set.intersection(*(set(row.data.get("not_to", ())) for row in rows))
    return tuple(address for address in first.contact.emails if address not in unheard)


def with_surroundings(item: Item, alert: Alert, now: datetime) -> Item:
    """What only a message about a single alert has room and time for: what changed, who is cut off, a picture."""
    if alert.device_id is None:
        return item
    graph = load_graph()
    return replace(
        item,
        changes=changes.before(alert, graph),
        behind_names=_behind_names(alert, graph) if item.behind else (),
        picture=pictures.of(alert, now),
    )


def _behind_names(alert: Alert, graph: Graph) -> tuple[str, ...]:
    """The first of those cut off. Others' devices are counted, not named: who reads this may not know of them."""
    device = alert.device
    assert device is not None
    rows = Device.objects.filter(pk__in=graph.behind({device.pk}))
    if device.tenant_id is not None:
        rows = rows.filter(tenant=device.tenant_id)
    names = rows.order_by("name_key").values_list("name", flat=True)[:NAMED]
    return tuple(wording.clean(name, 100) for name in names)


def _late(seconds: float) -> float:
    return seconds if seconds > LATE_GRACE else 0.0


def title_of(item: Item) -> str:
    """One line: how grave, of what, what."""
    words = WORDS.get(Kind(item.kind), "")
    about = f"{item.device}: {item.summary}" if item.device else item.summary
    return wording.clean(f"[{item.severity}] {words}{about}", 200)


def group_title(items: Sequence[Item]) -> str:
    over = sum(item.kind in (Kind.RESOLVED, Kind.COMBINED) for item in items)
    worst = max(items, key=lambda item: Severity(item.severity).rank).severity
    parts = [f"{len(items) - over} firing"] if over < len(items) else []
    parts += [f"{over} over"] if over else []
    names = sorted({item.device for item in items if item.device})
    where = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return wording.clean(f"[{worst}] {', '.join(parts)}: {where}", 200)


def url_of(alert_id: int) -> str:
    base = settings.PUBLIC_URL.rstrip("/")
    return f"{base}/alerts/{alert_id}/" if base else ""


def load_alerts(rows: Sequence[Notification]) -> Sequence[Notification]:
    """The alerts of these rows and what stands about them, in one query for a group of any size."""
    alerts = Alert.objects.select_related(
        "device__site", "device__tenant", "tenant", "rule", "acknowledged_by", "interface"
    )
    found = alerts.in_bulk([row.alert_id for row in rows if row.alert_id is not None])
    for row in rows:
        row.alert = found.get(row.alert_id or 0)
    return rows


def _events(rows: Sequence[Notification]) -> dict[tuple[int, int], AlertEvent]:
    """The event of each row, by alert and number."""
    wanted = {(row.alert_id, row.seq) for row in rows}
    events = AlertEvent.objects.filter(alert__in={pk for pk, _ in wanted if pk}, seq__in={seq for _, seq in wanted})
    return {(event.alert_id, event.seq): event for event in events}


def item_of(row: Notification, events: Mapping[tuple[int, int], AlertEvent]) -> Item:
    """The alert of a row, as it is now, with what the row is about."""
    alert = row.alert
    assert alert is not None
    device = alert.device
    event = events.get((alert.pk, row.seq))
    return Item(
        alert_id=alert.pk,
        fingerprint=alert.fingerprint,
        severity=row.severity,
        state=alert.state,
        kind=row.kind,
        device=wording.clean(device.name, 100) if device else "",
        device_id=alert.device_id,
        tenant=_tenant(alert),
        site=wording.clean(device.site.name, 100) if device and device.site else "",
        subject=wording.clean(alert.subject, 255),
        summary=wording.clean(alert.summary, 300),
        detail=wording.clean(alert.detail, 1000),
        text=wording.clean(event.text, 1000) if event else "",
        started_at=alert.started_at,
        fired_at=alert.fired_at,
        resolved_at=alert.resolved_at,
        url=url_of(alert.pk),
        acknowledged_by=str(alert.acknowledged_by) if alert.acknowledged_by else "",
        comment=wording.clean(alert.comment, 1000),
        note=alert.rule.note if alert.rule else "",
        was_in_maintenance=alert.was_in_maintenance,
        behind=int(alert.data.get("behind") or 0),
        value=alert.value,
    )


def _tenant(alert: Alert) -> str:
    tenant = alert.device.tenant if alert.device else alert.tenant
    return wording.clean(tenant.name, 100) if tenant else ""


def _thread(row: Notification) -> tuple[str, str]:
    """Key and id of the first message that this destination got about the alert, for mail threads and chat updates."""
    first = (
        Notification.objects.filter(
            alert=row.alert_id, contact=row.contact_id, channel=row.channel_id, status=Notification.Status.SENT
        )
        .order_by("sent_at", "pk")
        .first()
    )
    return (first.message_key, first.provider_id) if first is not None else ("", "")
