"""What the pages of maintenance show: windows as a calendar, and what one of them touches. Reads only."""

import calendar
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from inventory.models import Device
from monitoring import page_tools, pages
from monitoring.alerting import rulebook, situation, windows
from monitoring.alerting.rulebook import Scope
from monitoring.models import MaintenanceWindow, Outage
from monitoring.presentation import count, duration, state_class, state_word

AHEAD = timedelta(days=60)
SHOWN_NEXT = 20
PER_DAY = 4
LONGEST_BANDS = timedelta(days=40)
NAMED = 60
LISTED = 3  # devices of a list that its words name
BAD = ("down", "degraded", "unreachable", "unknown")


@dataclass(frozen=True, slots=True)
class Work:
    """One occurrence of a window."""

    window: MaintenanceWindow
    starts_at: datetime
    ends_at: datetime
    scope: str
    is_over: bool
    may_change: bool

    @property
    def lasts(self) -> str:
        return duration((self.ends_at - self.starts_at).total_seconds())


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    is_today: bool
    is_other: bool  # of the month before or after
    works: list[Work]
    more: int


@dataclass(frozen=True, slots=True)
class Calendar:
    title: str
    days: list[Day]
    agenda: list[Day]
    before: str
    after: str
    running: list[Work]
    upcoming: list[Work]
    total: int


@dataclass(frozen=True, slots=True)
class Touched:
    """What a window covers, as far as the person may see it."""

    total: int
    own: int
    states: list[tuple[str, str, int]]  # css, word, how many
    bad: list[tuple[int, str, str, str]]  # id, name, css, word
    kinds: list[tuple[str, int]]
    tenants: list[str]
    named: list[tuple[int, str]]
    is_everything: bool

    @property
    def words(self) -> str:
        if not self.total:
            return "It touches no device that you see."
        text = count(self.total, "device")
        if self.total > self.own:
            text += f", {self.total - self.own} of them because they are reached only through the others"
        bad = len(self.bad)
        if bad:
            is_are = "is" if bad == 1 else "are"
            text += f", of which {bad} {is_are} degraded or down already"
        return f"{text}."


def windows_of(user: Any) -> Any:
    """The windows that a person sees: of one with a list, some device of it."""
    rows = page_tools.rows_of(MaintenanceWindow, user)
    if user.tenant_ids:
        listed = MaintenanceWindow.devices.through.objects.filter(maintenancewindow=OuterRef("pk"))
        rows = rows.filter(Q(is_listed=False) | Exists(listed.filter(device__in=Device.objects.visible_to(user))))
    return rows.select_related("created_by", *page_tools.SCOPE_RELATIONS).prefetch_related("devices")


def scope_words(row: MaintenanceWindow, user: Any) -> str:
    """What a window is about; of a list, the devices that the person sees."""
    if not row.is_listed:
        return page_tools.scope_words(row)
    names = sorted(one.name for one in row.devices.all() if not user.tenant_ids or one.tenant_id in user.tenant_ids)
    if not names:
        return "no device any more"
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {count(more, 'more device')}" if more > 0 else "")


def month_named(text: str) -> date:
    """The first day of "2026-11", else of this month."""
    try:
        found = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  # a month has no zone
    except ValueError:
        found = timezone.localdate()
    return found.replace(day=1) if 1970 < found.year < 2200 else timezone.localdate().replace(day=1)


def page(user: Any, month: date) -> Calendar:
    now = timezone.now()
    zone = timezone.get_current_timezone()
    weeks = calendar.Calendar().monthdatescalendar(month.year, month.month)
    first = datetime.combine(weeks[0][0], time.min, tzinfo=zone)
    last = datetime.combine(weeks[-1][-1], time.min, tzinfo=zone) + timedelta(days=1)
    rows = list(windows_of(user))
    scopes = {row.pk: scope_words(row, user) for row in rows}
    changes = {row.pk: page_tools.may_change(user, row) for row in rows}

    def works(since: datetime, until: datetime) -> list[Work]:
        return [_work(one, row, scopes[row.pk], now, may_change=changes[row.pk]) for one, row in
                windows.upcoming(rows, since, until)]  # fmt: skip

    shown = works(first, last)
    today = timezone.localdate()
    days = []
    for day in (day for week in weeks for day in week):
        begin = datetime.combine(day, time.min, tzinfo=zone)
        mine = [work for work in shown if work.starts_at < begin + timedelta(days=1) and work.ends_at > begin]
        days.append(Day(day, day == today, day.month != month.month, mine[:PER_DAY], max(0, len(mine) - PER_DAY)))
    current = works(now, now + AHEAD)
    running = [work for work in current if work.starts_at <= now < work.ends_at]
    following: dict[int, Work] = {}  # of a recurring window its next time only
    for work in current:
        if work.starts_at > now:
            following.setdefault(work.window.pk, work)
    before, after = month - timedelta(days=1), month + timedelta(days=32)
    return Calendar(
        title=f"{month:%B %Y}",
        days=days,
        agenda=[_whole(day, shown, zone) for day in days if day.works and not day.is_other],
        before=f"{before:%Y-%m}",
        after=f"{after:%Y-%m}",
        running=running,
        upcoming=list(following.values())[:SHOWN_NEXT],
        total=len(rows),
    )


def _whole(day: Day, shown: Iterable[Work], zone: Any) -> Day:
    """A day with all that begins in it, for the agenda."""
    begin = datetime.combine(day.day, time.min, tzinfo=zone)
    mine = [work for work in shown if work.starts_at < begin + timedelta(days=1) and work.ends_at > begin]
    return Day(day.day, day.is_today, day.is_other, mine, 0)


def _work(one: windows.Occurrence, row: MaintenanceWindow, scope: str, now: datetime, *, may_change: bool) -> Work:
    ends_at = one.ends_at
    if row.ended_at is not None and one.starts_at <= row.ended_at < ends_at:
        ends_at = row.ended_at
    return Work(row, one.starts_at, ends_at, scope, ends_at <= now, may_change)


def touched(user: Any, window: MaintenanceWindow) -> Touched:
    """What the window, kept or not, covers."""
    scope = Scope.of(window)
    own = situation.devices_in(scope)
    covered = own | (situation.load_graph().behind(own) if window.include_children and own else set())
    devices = Device.objects.visible_to(user).filter(pk__in=covered)
    known = pages.census(devices, timezone.now())
    names = dict(devices.values_list("pk", "name"))
    states = Counter(one.now.state for one in known)
    bad = [
        (one.pk, names[one.pk], state_class(one.now.state), state_word(one.now.state))
        for one in known
        if one.now.state in BAD
    ]
    tenants = devices.filter(tenant__isnull=False).order_by("tenant__name").values_list("tenant__name", flat=True)
    return Touched(
        total=len(known),
        own=sum(one.pk in own for one in known),
        states=[(state_class(name), state_word(name).lower(), number) for name, number in states.most_common()],
        bad=bad[:NAMED],
        kinds=Counter(page_tools.KINDS.get(one.kind, one.kind) for one in known).most_common(),
        tenants=list(tenants.distinct()[:20]),
        named=[(one.pk, names[one.pk]) for one in known[:NAMED]],
        is_everything=scope.is_open,
    )


def running_at(device: Device) -> MaintenanceWindow | None:
    """The window that covers a device now, with what it inherits."""
    now = timezone.now()
    found: MaintenanceWindow | None = situation.covered(now, situation.load_graph()).get(device.pk)
    return found


def bands(device: Device, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """When a device was worked on, for its charts: by windows of its own and of all that it is reached through."""
    found = [
        {"start": int(begin.timestamp()), "end": int(finish.timestamp()) if finish else None, "name": ""}
        for begin, finish in Outage.objects.filter(device=device, kind=Outage.Kind.MAINTENANCE, started_at__lt=end)
        .exclude(ended_at__lte=start)
        .values_list("started_at", "ended_at")[:50]
    ]
    if end - start > LONGEST_BANDS:
        return found
    graph = situation.load_graph()
    above = graph.ancestors([device.pk])
    places = rulebook.places_of({device.pk, *above}, with_tags=True)
    own = places.pop(device.pk)
    rows = []
    for row in MaintenanceWindow.objects.filter(starts_at__lt=end).prefetch_related("devices"):
        scope = Scope.of(row)
        # Inherited: of what it is reached through, and only where that leaves no way around.
        is_near = row.include_children and any(scope.holds(place) for place in places.values())
        if scope.holds(own) or (is_near and device.pk in situation.covered_by(row, graph)):
            rows.append(row)
    for one, row in windows.upcoming(rows, start, end):
        ended = row.ended_at if row.ended_at and one.starts_at <= row.ended_at < one.ends_at else one.ends_at
        found.append({"start": int(one.starts_at.timestamp()), "end": int(ended.timestamp()), "name": row.name})
    return found
