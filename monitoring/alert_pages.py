"""What the list of alerts shows, and what other pages say of alerts. Reads only, in a bounded number of queries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, Count, IntegerField, Max, Q, QuerySet, Sum, Value, When
from django.utils import timezone

from inventory.models import Device, Site, Tag, Tenant
from monitoring import alert_silences, page_tools
from monitoring.alert_silences import Quiet
from monitoring.alerting.searching import matching
from monitoring.models import Alert, AlertRule, Check, Notification
from monitoring.models.rules import SEVERITIES
from monitoring.presentation import SEVERITY_WORDS, duration, state_class, state_word

PAGE = 500
FOLDED = 20  # consequences named under their cause
MOST_FOLDED = 3000
PERIODS = (1, 7, 30, 90)
TOLD = ("firing", "flapping")
HELD = ("unreachable", "maintenance", "blind")
STATES = ("firing", "flapping", "pending", *HELD, "resolved")
NAMES = ("state", "severity", "site", "tenant", "kind", "tag", "q", "acknowledged", "days", "cause")
SEVERITY_ORDER = Case(
    *(When(severity=name, then=Value(-rank)) for rank, name in enumerate(SEVERITIES)), output_field=IntegerField()
)
SECTION_ORDER = Case(
    When(state__in=TOLD, then=Value(0)),
    When(state="pending", then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)
COLUMNS = (
    "severity", "state", "summary", "subject", "started_at", "resolved_at", "acknowledged_at", "comment",
    "device__name", "device__site__name", "acknowledged_by__username", "source", "was_in_maintenance",
    *alert_silences.COLUMNS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Child:
    pk: int
    title: str
    word: str
    css: str


@dataclass(slots=True)
class Row:
    """One line of the list, its words made here: a template that works them out takes three times as long."""

    pk: int
    severity: str
    state: str
    word: str
    css: str
    device_id: int | None
    device: str
    place: str
    summary: str
    subject: str
    lasted: str
    started_at: datetime
    resolved_at: datetime | None
    acknowledged_by: str
    acknowledged_at: datetime | None
    comment: str
    silent_until: datetime | None
    section: int
    children: list[Child] = field(default_factory=list)
    behind: tuple[tuple[str, int], ...] = ()
    behind_count: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def is_silent(self) -> bool:
        return self.silent_until is not None

    @property
    def title(self) -> str:
        return f"{self.device}: {self.summary}" if self.device else self.summary


@dataclass(frozen=True, slots=True)
class Watched:
    devices: int
    checks: int
    rules: int


@dataclass(frozen=True, slots=True)
class AlertList:
    sections: list[tuple[str, list[Row]]]
    total: int
    shown: int
    is_history: bool
    is_filtered: bool
    headline: str
    open_count: int
    watched: Watched | None
    at: datetime


def open_count(user: Any) -> int:
    """Alerts that people are told of."""
    return int(Alert.objects.visible_to(user).told().count())


def filters_of(given: Any) -> dict[str, str]:
    """What of the query is a filter that can be meant."""
    found = {name: str(given.get(name, "")).replace("\x00", "").strip()[:100] for name in NAMES}
    known = {
        "state": STATES, "severity": SEVERITIES, "kind": page_tools.KINDS, "acknowledged": ("yes", "no"),
        "days": tuple(str(days) for days in PERIODS),
    }  # fmt: skip
    for name, values in known.items():
        if found[name] not in values:
            found[name] = ""
    for name in ("site", "tenant", "tag", "cause"):
        number = page_tools.number(found[name])
        found[name] = "" if number is None else str(number)
    return found


def version(user: Any) -> str:
    """Changes when the list does: with every transition, with what people do or silence, and with every minute."""
    rows = Alert.objects.visible_to(user).filter(Q(resolved_at=None) | Q(resolved_at__gte=timezone.now() - DAY))
    seen = rows.aggregate(n=Count("pk"), last=Max("pk"), versions=Sum("version"), ended=Max("resolved_at"))
    ended = f"{seen['ended'].timestamp():.0f}" if seen["ended"] else ""
    minute = int(timezone.now().timestamp() // 60)
    return f"{seen['n']}-{seen['last']}-{seen['versions']}-{ended}-{alert_silences.mark()}-{minute}"


DAY = timedelta(hours=24)


def narrowed(user: Any, filters: dict[str, str]) -> "QuerySet[Alert]":
    """The alerts that these filters leave."""
    rows = Alert.objects.visible_to(user)
    if filters["state"] == "resolved":
        since = timezone.now() - timedelta(days=int(filters["days"] or 7))
        rows = rows.filter(resolved_at__gte=since)
    else:
        rows = rows.filter(resolved_at=None)
        if filters["state"]:
            rows = rows.filter(state=filters["state"])
    if filters["severity"]:
        worse = SEVERITIES[SEVERITIES.index(filters["severity"]) :]
        rows = rows.filter(severity__in=worse)
    for name, column in (("site", "device__site"), ("kind", "device__kind"), ("cause", "cause")):
        if filters[name]:
            rows = rows.filter(**{column: filters[name]})
    if filters["tenant"]:
        rows = rows.filter(Q(device__tenant=filters["tenant"]) | Q(device=None, tenant=filters["tenant"]))
    if filters["tag"]:
        rows = rows.filter(device__tags=filters["tag"])
    if filters["acknowledged"]:
        rows = rows.filter(acknowledged_at__isnull=filters["acknowledged"] == "no")
    if filters["q"]:
        rows = rows.filter(matching(filters["q"]))
    return rows


def alert_list(user: Any, filters: dict[str, str]) -> AlertList:
    at = timezone.now()
    is_history = filters["state"] == "resolved"
    rows = narrowed(user, filters)
    # What follows from another fault stands under it, unless somebody looks for something.
    folds = not any(filters[name] for name in ("state", "site", "tenant", "kind", "tag", "q", "cause"))
    if folds:
        rows = rows.filter(Q(cause=None) | ~Q(cause__in=Alert.objects.visible_to(user).open()))
    rows = rows.select_related("device__site", "acknowledged_by").only(*COLUMNS)
    rows = rows.order_by("-resolved_at", "-pk") if is_history else rows.order_by(*_order())
    quiet = Quiet.load(at)
    found = [row_of(alert, at, quiet) for alert in rows[: PAGE + 1]]
    total = rows.count() if len(found) > PAGE else len(found)
    shown = found[:PAGE]
    if folds:
        _fold(user, shown)
    count = open_count(user)
    is_filtered = any(value for name, value in filters.items())
    return AlertList(
        sections=_sections(shown, is_history=is_history),
        total=total,
        shown=len(shown),
        is_history=is_history,
        is_filtered=is_filtered,
        headline=_headline(shown, is_history=is_history),
        open_count=count,
        watched=None if shown else watched(user),
        at=at,
    )


def _order() -> tuple[Any, ...]:
    return (SECTION_ORDER, SEVERITY_ORDER, "started_at", "pk")


def row_of(alert: Alert, at: datetime, quiet: Quiet) -> Row:
    device = alert.device
    end = alert.resolved_at or at
    return Row(
        pk=alert.pk,
        severity=alert.severity,
        state=alert.state,
        word=state_word(alert.state),
        css=state_class(alert.state),
        device_id=alert.device_id,
        device=device.name if device else "",
        place=device.site.name if device and device.site else "",
        summary=alert.summary,
        subject=alert.subject,
        lasted=duration((end - alert.started_at).total_seconds()),
        started_at=alert.started_at,
        resolved_at=alert.resolved_at,
        acknowledged_by=alert.acknowledged_by.get_username() if alert.acknowledged_by else "",
        acknowledged_at=alert.acknowledged_at,
        comment=alert.comment,
        silent_until=quiet.until(alert),
        section=0 if alert.state in TOLD else 1 if alert.state == "pending" else 2,
    )


def _fold(user: Any, rows: Iterable[Row]) -> None:
    """Put what follows from each row under it: the numbers of all, the names of the first."""
    by_pk = {row.pk: row for row in rows}
    below = Alert.objects.visible_to(user).open().filter(cause__in=list(by_pk))
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    for cause, state, number in below.order_by().values_list("cause", "state").annotate(n=Count("pk")):
        counts[cause][state] = number
    if not counts:
        return
    for cause, states in counts.items():
        row = by_pk[cause]
        row.behind = tuple((state_word(state).lower(), states[state]) for state in STATES if state in states)
        row.behind_count = sum(states.values())
    named = below.order_by("device__name_key", "pk").values_list("pk", "cause", "state", "device__name", "summary")
    for pk, cause, state, name, summary in named[:MOST_FOLDED]:
        children = by_pk[cause].children
        if len(children) < FOLDED:
            children.append(Child(pk, name or summary, state_word(state), state_class(state)))


def _sections(rows: list[Row], *, is_history: bool) -> list[tuple[str, list[Row]]]:
    if is_history:
        return [("Resolved", rows)] if rows else []
    titles = ("Open", "Not yet confirmed", "Held back: nobody is told of these")
    parts = [(title, [row for row in rows if row.section == number]) for number, title in enumerate(titles)]
    return [(title, part) for title, part in parts if part]


def _headline(rows: list[Row], *, is_history: bool) -> str:
    if is_history:
        return f"{len(rows)} resolved"
    told = [row for row in rows if row.section == 0]
    parts = [
        f"{number} {SEVERITY_WORDS[name].lower()}"
        for name in reversed(SEVERITIES)
        if (number := sum(row.severity == name for row in told))
    ]
    silent = sum(row.acknowledged_at is not None for row in told)
    if parts and silent:
        parts.append(f"{silent} acknowledged")
    return ", ".join(parts) or "Nothing is open"


def watched(user: Any) -> Watched:
    """What would be noticed: for a page that has nothing else to say."""
    devices = Device.objects.visible_to(user).filter(status=Device.Status.ACTIVE)
    checks = Check.objects.visible_to(user).exclude(status=Check.Status.PAUSED)
    rules = AlertRule.objects.visible_to(user).filter(is_enabled=True)
    return Watched(devices.count(), checks.count(), rules.count())


@dataclass(frozen=True, slots=True)
class Choices:
    sites: list[Site]
    tenants: list[Tenant]
    tags: list[Tag]
    kinds: list[tuple[str, str]]


def choices(user: Any) -> Choices:
    return Choices(
        sites=list(Site.objects.visible_to(user)[:200]),
        tenants=list(Tenant.objects.visible_to(user)[:200]),
        tags=list(Tag.objects.visible_to(user)[:200]),
        kinds=list(page_tools.KINDS.items()),
    )


# --- other pages


def worst_open(user: Any, limit: int) -> list[Row]:
    """The gravest that people are told of, for the overview."""
    at = timezone.now()
    rows = Alert.objects.visible_to(user).told().select_related("device__site", "acknowledged_by").only(*COLUMNS)
    quiet = Quiet.load(at)
    found = [row_of(alert, at, quiet) for alert in rows.order_by(SEVERITY_ORDER, "started_at", "pk")[:limit]]
    _fold(user, found)
    return found


def devices_told_of(user: Any) -> set[int]:
    """Devices that an open alert speaks of."""
    rows = Alert.objects.visible_to(user).told().filter(device__isnull=False)
    return set(rows.order_by().values_list("device_id", flat=True))


def of_device(device: Device, limit: int = 100) -> tuple[list[Row], list[Row]]:
    """The open ones of a device, and the last that are over."""
    at = timezone.now()
    rows = Alert.objects.filter(device=device).select_related("device__site", "acknowledged_by").only(*COLUMNS)
    quiet = Quiet.load(at)
    opened = [row_of(alert, at, quiet) for alert in rows.filter(resolved_at=None).order_by(*_order())[:limit]]
    over = [
        row_of(alert, at, quiet) for alert in rows.filter(resolved_at__isnull=False).order_by("-resolved_at")[:limit]
    ]
    return opened, over


def alarms_of(device: Device) -> list[Row]:
    """What the head of a device's page says: what people are told of, and to whom it was sent."""
    at = timezone.now()
    rows = Alert.objects.filter(device=device).told().select_related("device__site", "acknowledged_by").only(*COLUMNS)
    quiet = Quiet.load(at)
    found = [row_of(alert, at, quiet) for alert in rows.order_by(SEVERITY_ORDER, "started_at", "pk")[:50]]
    by_pk = {row.pk: row for row in found}
    sent = Notification.objects.filter(alert__in=by_pk, status=Notification.Status.SENT) if by_pk else None
    for pk, to in sent.order_by("pk").values_list("alert", "to")[:500] if sent is not None else ():
        if to not in by_pk[pk].told:
            by_pk[pk].told.append(to)
    return found


def flags(device: Device, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Where alerts of a device began, for its charts."""
    rows = Alert.objects.filter(device=device, fired_at__isnull=False, started_at__gte=start, started_at__lte=end)
    columns = rows.order_by("-started_at").values_list("started_at", "severity", "summary")[:50]
    return [{"start": int(at.timestamp()), "severity": severity, "summary": text} for at, severity, text in columns]
