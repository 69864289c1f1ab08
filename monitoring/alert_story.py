"""The page of one alert: what it is, who was told, what is behind it, and what changed before it. Reads only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from inventory.models import Device
from monitoring import alert_pages, charts, maintenance_pages, metrics
from monitoring.alert_silences import Quiet
from monitoring.alerting import derived, rulebook, situation, wording
from monitoring.models import (
    Alert,
    AlertEvent,
    AlertRule,
    ConfigVersion,
    DeviceEvent,
    MaintenanceWindow,
    Notification,
    Series,
)
from monitoring.notifying import changes as nearby
from monitoring.notifying.directory import Directory
from monitoring.presentation import count, state_class, state_word
from monitoring.store import read as store
from netmon.audit.models import AuditEvent
from netmon.common.permissions import has_role

SHOWN = 200
NAMED = 60
BEFORE = timedelta(minutes=60)
AFTER = timedelta(minutes=5)
CHART_AROUND = timedelta(hours=3)
EVENT_SHAPES = {
    "opened": "pending", "firing": "down", "resolved": "up", "flapping": "flapping", "unreachable": "unknown",
    "maintenance": "maintenance", "blind": "blind", "pending": "pending",
}  # fmt: skip
DELIVERY_SHAPES = {
    "pending": "pending", "leased": "pending", "sent": "up", "retry": "degraded", "uncertain": "flapping",
    "superseded": "unknown", "dead": "down",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    shape: str
    event: AlertEvent


@dataclass(frozen=True, slots=True)
class Delivery:
    shape: str
    row: Notification
    tries: list[tuple[datetime | None, str, str, Any]]  # at, code, error, seconds
    can_resend: bool


@dataclass(frozen=True, slots=True)
class Behind:
    """What a device's failure cuts off, as far as the person may see it."""

    total: int
    kinds: list[tuple[str, int]]
    tenants: list[str]
    devices: list[tuple[int, str, str, str]]  # id, name, css and word of the state


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was changed or happened; `distance` 0 is the device itself, 1 the next on its path."""

    at: datetime
    distance: int
    device_id: int
    device: str
    what: str
    detail: str
    who: str
    before: str  # how long before the fault
    url: str


@dataclass(frozen=True, slots=True)
class Next:
    """What would be sent next, to whom."""

    at: datetime
    contacts: list[str]


@dataclass(frozen=True, slots=True)
class Story:
    row: alert_pages.Row
    is_silent_by_scope: bool
    moments: list[Moment]
    deliveries: list[Delivery]
    told: list[str]
    told_at: datetime | None  # when the first message goes out, while none has
    escalation: Next | None
    remind_at: datetime | None
    children: list[alert_pages.Child]
    children_total: int
    behind: Behind | None
    changes: list[Change]
    earlier: list[Alert]
    has_chart: bool
    limit: str


def load(user: Any, pk: int) -> Alert | None:
    relations = ("device__site", "device__tenant", "tenant", "rule__policy", "interface", "acknowledged_by", "cause")
    found: Alert | None = Alert.objects.visible_to(user).select_related(*relations).filter(pk=pk).first()
    return found


def story(user: Any, alert: Alert) -> Story:
    at = timezone.now()
    quiet = Quiet.load(at)
    row = alert_pages.row_of(alert, at, quiet)
    graph = situation.load_graph() if alert.device_id else None
    children = Alert.objects.visible_to(user).filter(cause=alert).open()
    notifications = alert.notifications.select_related("contact", "channel").order_by("-created_at", "-pk")[:SHOWN]
    deliveries = [_delivery(one) for one in notifications]
    sent = [one.row.to for one in reversed(deliveries) if one.row.status == "sent"]
    waiting = [one.row.next_at for one in deliveries if one.row.status in ("pending", "retry") and one.row.next_at]
    return Story(
        row=row,
        is_silent_by_scope=quiet.is_by_scope(alert),
        moments=[
            Moment(EVENT_SHAPES.get(event.kind, "unknown"), event)
            for event in alert.events.select_related("user").order_by("-seq")[:SHOWN]
        ],
        deliveries=deliveries,
        told=list(dict.fromkeys(sent)),
        told_at=min(waiting, default=None) if alert.is_open and not sent else None,
        escalation=_escalation(alert),
        remind_at=alert.remind_at if alert.is_open and alert.acknowledged_at is None else None,
        children=[
            alert_pages.Child(pk, name or summary, state_word(state), state_class(state))
            for pk, state, name, summary in children.order_by("device__name_key").values_list(
                "pk", "state", "device__name", "summary"
            )[:NAMED]
        ],
        children_total=children.count(),
        behind=behind(user, alert.device_id, graph) if alert.device_id and graph and _is_whole(alert) else None,
        changes=changes(user, alert, graph) if alert.device and graph else [],
        earlier=list(Alert.objects.visible_to(user).filter(fingerprint=alert.fingerprint).exclude(pk=alert.pk)[:10]),
        has_chart=series_of(alert) is not None,
        limit=limit_words(alert.rule),
    )


def _is_whole(alert: Alert) -> bool:
    """Whether the alert is about the whole device: a full disk cuts nothing off."""
    return alert.source == "device.down"


def _delivery(row: Notification) -> Delivery:
    tries = []
    for entry in row.log if isinstance(row.log, list) else []:
        try:
            at = datetime.fromisoformat(str(entry.get("at")))
        except ValueError:
            at = None
        tries.append((at, str(entry.get("code", "")), str(entry.get("error", "")), entry.get("seconds")))
    ended = row.status in ("sent", "dead", "superseded")
    return Delivery(DELIVERY_SHAPES.get(row.status, "unknown"), row, tries, ended and row.channel_id is not None)


def deliveries(rows: Sequence[Notification]) -> list[Delivery]:
    return [_delivery(row) for row in rows]


def _escalation(alert: Alert) -> Next | None:
    """The next step of the policy, while nobody acknowledges."""
    if not alert.is_open or alert.acknowledged_at is not None or alert.escalate_at is None:
        return None
    directory = Directory.load()
    place = rulebook.places_of([alert.device_id] if alert.device_id else [], with_tags=True)
    here = place.get(alert.device_id or 0, rulebook.Place(None, alert.tenant_id))
    policy = directory.policy_for(alert.rule.policy_id if alert.rule else None, here)
    names = [
        to.contact.name
        for number in (alert.escalation_step + 1,)
        if number < len(policy.steps)
        for to in directory.recipients(policy, number, alert.severity, here)
    ]
    return Next(alert.escalate_at, list(dict.fromkeys(names)))


def limit_words(rule: AlertRule | None) -> str:
    """When a rule on a metric raises: "CPU in use above 95 %, clears at 85 %"."""
    if rule is None or not rule.metric or rule.raise_value is None:
        return ""
    label, unit = wording.metric_words(rule.metric)
    text = f"{label} {wording.COMPARATORS.get(rule.comparator, '')} {wording.number(rule.raise_value, unit)}"
    if rule.clear_value is not None and rule.clear_value != rule.raise_value:
        text += f", over at {wording.number(rule.clear_value, unit)}"
    return text


def behind(user: Any, device_id: int, graph: Any) -> Behind:
    """What is cut off when a device fails."""
    cut = graph.behind({device_id}) if device_id in graph.nodes else set()
    rows = Device.objects.visible_to(user).filter(pk__in=cut).order_by("name_key", "pk")
    found = list(rows.values_list("pk", "name", "kind", "tenant__name", "state__state", "state__excuse"))
    kinds = Counter(str(dict(Device.Kind.choices).get(kind, kind)) for _, _, kind, *_ in found)
    shown = []
    for pk, name, _, _, state, excuse in found[:NAMED]:
        word = (excuse if state == "down" and excuse else state) or "pending"
        shown.append((pk, name, state_class(word), state_word(word)))
    return Behind(
        total=len(found),
        kinds=sorted(kinds.items(), key=lambda pair: -pair[1]),
        tenants=sorted({tenant for _, _, _, tenant, _, _ in found if tenant}),
        devices=shown,
    )


# --- what changed before


def changes(user: Any, alert: Alert, graph: Any) -> list[Change]:
    """What happened in the hour before on the device and on its path, nearest first."""
    device = alert.device
    if device is None:
        return []
    distance = nearby.distances(device.pk, graph)
    names = dict(Device.objects.visible_to(user).filter(pk__in=distance).values_list("pk", "name"))
    since, until = alert.started_at - BEFORE, alert.started_at + AFTER
    found: list[Change] = []

    def add(at: datetime, pk: int, what: str, detail: str = "", who: str = "", url: str = "") -> None:
        seconds = (alert.started_at - at).total_seconds()
        word = "before" if seconds >= 0 else "after"
        before = f"{wording.duration(abs(seconds))} {word}" if abs(seconds) >= 1 else "at the same moment"
        found.append(Change(at, distance[pk], pk, names[pk], what, detail, who, before, url or f"/devices/{pk}/"))

    # A changed configuration is told by its version, which can be opened.
    for event in nearby.happened(names, since, until).exclude(source=DeviceEvent.Source.CONFIG)[:NAMED]:
        what = event.words
        add(event.at, event.device_id, f"{what} {event.subject}".strip(), event.detail)
    versions = ConfigVersion.objects.filter(
        device__in=names, kind="running", number__gt=1, collected_at__gte=since, collected_at__lte=until
    ).only("pk", "device_id", "number", "summary", "changed_by", "collected_at")
    for version in versions.order_by("-collected_at")[:NAMED]:
        url = f"/devices/{version.device_id}/configuration/?new={version.pk}"
        what = f"Configuration changed, running {version.number}"
        add(version.collected_at, version.device_id, what, version.summary, version.changed_by, url)
    others = Alert.objects.filter(device__in=names, started_at__gte=since, started_at__lte=until)
    for other in others.exclude(pk=alert.pk).exclude(cause=alert).order_by("-started_at")[:NAMED]:
        assert other.device_id is not None
        add(other.started_at, other.device_id, f"Alert: {other.summary}", url=f"/alerts/{other.pk}/")
    planned = MaintenanceWindow.objects.filter(created_at__gte=since, created_at__lte=until)
    for of in ("device", "devices"):
        for name, at, pk in planned.filter(**{f"{of}__in": names}).values_list("name", "created_at", of)[:NAMED]:
            add(at, pk, f"Maintenance planned: {name}", url="/maintenance/")
    if has_role(user, "operator"):
        ids = [str(pk) for pk in names]
        label = Device._meta.label_lower
        of_device = Q(object_type=label, object_id__in=ids) | Q(parent_type=label, parent_id__in=ids)
        entries = AuditEvent.objects.visible_to(user).filter(of_device, at__gte=since, at__lte=until)
        own = ("monitoring.alert",)
        for entry in entries.exclude(object_type__in=own).exclude(action="use").order_by("-id")[:NAMED]:
            pk = int(entry.object_id if entry.object_type == label else entry.parent_id)
            kind = entry.object_type.rpartition(".")[2]
            add(entry.at, pk, f"{entry.action.capitalize()} {kind} {entry.object_name}", entry.detail, entry.username)
    found.sort(key=lambda one: (one.distance, -one.at.timestamp()))
    return found[:NAMED]


# --- the chart


def series_of(alert: Alert) -> tuple[Series, str] | None:
    """The measured values that the alert speaks of, and which column of them."""
    if alert.device is None:
        return None
    if alert.rule is None or not alert.rule.metric:
        row = charts.response_series(alert.device) if alert.source == "device.down" else None
        return (row, charts.RESPONSES[row.metric_set][0]) if row is not None else None
    name, _, column = alert.rule.metric.rpartition(".")
    rows = Series.objects.filter(device=alert.device, metric_set=name).select_related("interface")
    rows = rows.filter(interface=alert.interface_id)
    for row in rows[:200]:
        if row.interface_id is not None or wording.clean(row.labels, 255) == alert.subject or not alert.subject:
            return row, column
    return None


def chart(alert: Alert) -> dict[str, Any]:
    """The metric around the beginning of an alert, in the form of the device's charts. Raises LookupError."""
    found = series_of(alert)
    if found is None:
        raise LookupError("Nothing that this alert is about is measured.")
    row, column = found
    now = timezone.now()
    start = alert.started_at - CHART_AROUND
    end = min(now, max(alert.started_at + CHART_AROUND, min(alert.resolved_at or now, start + 8 * CHART_AROUND)))
    frame = store.read(row, start, end)
    rule = alert.rule
    made = derived.DERIVED.get(f"{row.metric_set}.{column}")
    if made is not None:
        average = _worked_out(made, frame, row)
        maximum, label, unit = average, made.label, made.unit
    else:
        average, maximum = (side[:, frame.columns.index(column)] for side in (frame.average, frame.maximum))
        label, unit = wording.metric_words(f"{row.metric_set}.{column}")
        label = label or metrics.get(row.metric_set).label
    is_limit = rule is not None and bool(rule.metric)
    return {
        "chart": "metric",
        "title": f"{label} of {alert.subject}" if alert.subject else label,
        "range": "",
        "range_label": wording.between(start, end),
        "start": int(start.timestamp()),
        "end": int(end.timestamp()),
        "zone": settings.TIME_ZONE,
        "outages": [],
        "columns": [{"label": label, "unit": unit}],
        "times": frame.times.tolist(),
        "step": frame.step,
        "average": [charts.rounded(average, 3)],
        "maximum": [charts.rounded(maximum, 3)],
        "totals": [charts.totals_of(average, maximum, None, None)],
        "csv": None,
        "threshold": rule.raise_value if rule is not None and is_limit else None,
        "clear": rule.clear_value if rule is not None and is_limit else None,
        "alerts": [{"start": int(alert.started_at.timestamp()), "severity": alert.severity, "summary": alert.summary}],
        "maintenance": maintenance_pages.bands(alert.device, start, end) if alert.device else [],
    }


def _worked_out(made: derived.Derived, frame: store.Frame, row: Series) -> Any:
    columns = {name: frame.average[:, frame.columns.index(name)] for name in made.columns}
    speed = row.interface.if_speed_bps if row.interface else None
    found = np.full(len(frame.times), np.nan)
    for index in range(len(found)):
        values = {name: None if np.isnan(part[index]) else float(part[index]) for name, part in columns.items()}
        value = made.work_out(values, speed)
        found[index] = np.nan if value is None else value
    return found


def behind_words(found: Behind) -> str:
    """ "37 devices: 30 computers, 7 switches, of tenants A and B"."""
    kinds = ", ".join(count(number, kind.lower()) for kind, number in found.kinds)
    tenants = f", of {' and '.join(found.tenants)}" if found.tenants else ""
    return f"{count(found.total, 'device')}: {kinds}{tenants}" if found.total else "nothing"
