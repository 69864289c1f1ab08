"""What the overview, the list of devices and the health page show. Reads only, in a bounded number of queries."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Q, Sum
from django.utils import timezone
from django.utils.safestring import SafeString

from inventory.models import Device, Site
from monitoring import alert_pages, graphics
from monitoring.availability import SILENCE, window_of_states
from monitoring.models import Check, DeviceState, Heartbeat
from monitoring.navigation import BY_KIND, GROUPS, Group, group_named, listed, watched
from monitoring.presentation import duration
from monitoring.services import health as health_service

PAGE = 100
PROBLEMS = 20
DAY = timedelta(hours=24)
SEVERITY = {"down": 0, "degraded": 1, "unknown": 2}
EXCUSES = ("unreachable", "maintenance", "blind")  # down, but not by its own fault
STATE_FILTERS = ("down", "degraded", "unknown", *EXCUSES, "up", "pending", "paused")


@dataclass(frozen=True, slots=True)
class Now:
    """How a device is at this moment. A row that nobody refreshes any more is no data, whatever it says."""

    state: str
    since: datetime | None = None
    cause: str = ""

    @classmethod
    def of(
        cls,
        state: str | None,
        since: datetime | None,
        cause: str,
        polled: datetime | None,
        every: int,
        at: datetime,
        excuse: str = "",
    ) -> "Now":
        if state is None or polled is None:
            return cls("pending", since, "Nothing has been asked yet.")
        silence = timedelta(seconds=SILENCE * every)
        if state != "unknown" and polled + silence < at:
            return cls("unknown", polled + silence, f"No result since {timezone.localtime(polled):%H:%M}.")
        return cls(excuse if excuse and state == DeviceState.State.DOWN else state, since, cause)

    @classmethod
    def out_of_service(cls, status: str) -> "Now":
        """Nobody asks it, and nobody is to be alarmed by its silence."""
        return cls("paused", None, f"{Device.Status(status).label}: not polled.")

    @classmethod
    def of_device(cls, device: Device, row: DeviceState | None, at: datetime) -> "Now":
        if device.status != Device.Status.ACTIVE:
            return cls.out_of_service(device.status)
        if row is None:
            return cls("pending", None, "Nothing has been asked yet.")
        return cls.of(row.state, row.since, row.cause, row.last_poll_at, row.expected_every_seconds, at, row.excuse)


@dataclass(frozen=True, slots=True)
class Known:
    """A device as the census knows it."""

    pk: int
    kind: str
    now: Now


@dataclass(frozen=True, slots=True)
class Row:
    device: Device
    group: Group
    now: Now
    state: DeviceState | None
    percent: float | None
    strip: SafeString


@dataclass(frozen=True, slots=True)
class Problem:
    device: Device
    group: Group
    now: Now


@dataclass(frozen=True, slots=True)
class Tile:
    group: Group
    total: int
    states: tuple[tuple[str, int], ...]  # those there are, worst first


@dataclass(frozen=True, slots=True)
class Paging:
    number: int
    pages: int
    total: int

    @property
    def previous(self) -> int | None:
        return self.number - 1 if self.number > 1 else None

    @property
    def following(self) -> int | None:
        return self.number + 1 if self.number < self.pages else None


@dataclass(frozen=True, slots=True)
class Overview:
    alarms: list[alert_pages.Row]
    alarm_count: int
    problems: list[Problem]
    problem_count: int
    headline: str
    tiles: list[Tile]
    rows: list[Row]
    paging: Paging
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceList:
    rows: list[Row]
    paging: Paging
    sites: list[Site]
    filters: dict[str, str]
    group: Group | None


def overview_version(user: Any, page: int) -> str:
    """Changes when the overview does: with every state row, with every device, and with every minute."""
    seen = watched(Device.objects.visible_to(user)).aggregate(
        devices=Count("pk"), changed=Max("updated_at"), newest=Max("state__version"), sum=Sum("state__version"),
        polled=Max("state__last_poll_at"),
    )  # fmt: skip
    alerts = alert_pages.version(user)
    moment = [seen[name].timestamp() if seen[name] else 0 for name in ("changed", "polled")]
    minute = int(timezone.now().timestamp() // 60)
    return f"{seen['devices']}-{seen['newest']}-{seen['sum']}-{moment[0]:.3f}-{moment[1]:.3f}-{page}-{minute}-{alerts}"


def overview(user: Any, page: int = 1) -> Overview:
    at = timezone.now()
    devices = watched(Device.objects.visible_to(user))
    known = census(devices, at)
    # What an alert speaks of already is not said twice.
    alarm_count = alert_pages.open_count(user)
    said = alert_pages.devices_told_of(user) if alarm_count else set()
    bad = sorted(
        (entry for entry in known if entry.now.state in SEVERITY and entry.pk not in said),
        key=lambda entry: (SEVERITY[entry.now.state], -(entry.now.since or at).timestamp()),
    )
    chosen, paging = _page(known, page)
    loaded = _loaded(devices, [*bad[:PROBLEMS], *chosen])
    return Overview(
        alarms=alert_pages.worst_open(user, PROBLEMS) if alarm_count else [],
        alarm_count=alarm_count,
        problems=[Problem(loaded[e.pk], BY_KIND[e.kind], e.now) for e in bad[:PROBLEMS] if e.pk in loaded],
        problem_count=len(bad),
        headline=_headline(known),
        tiles=_tiles(known),
        rows=_rows(chosen, loaded, at),
        paging=paging,
        at=at,
    )


def device_list(user: Any, filters: dict[str, str], page: int = 1) -> DeviceList:
    at = timezone.now()
    devices = listed(Device.objects.visible_to(user))
    group = group_named(filters.get("kind", ""))
    if group:
        devices = devices.filter(kind__in=group.kinds)
    if filters.get("site", "").isdecimal():
        devices = devices.filter(site_id=int(filters["site"][:18]))
    if filters.get("q"):
        # matching() joins addresses: as a subquery it leaves the order alone.
        devices = devices.filter(pk__in=Device.objects.visible_to(user).matching(filters["q"]).values("pk"))
    known = census(devices, at)
    if filters.get("state") in STATE_FILTERS:
        known = [entry for entry in known if entry.now.state == filters["state"]]
    chosen, paging = _page(known, page)
    return DeviceList(
        rows=_rows(chosen, _loaded(devices, chosen), at),
        paging=paging,
        sites=list(Site.objects.visible_to(user)[:200]),
        filters=filters,
        group=group,
    )


def census(devices: Any, at: datetime) -> list[Known]:
    """Every device with its state at this moment, by name: a few columns of each, so that counting is exact."""
    rows = devices.order_by("name_key", "pk").values_list(
        "pk", "kind", "status", "state__state", "state__since", "state__cause", "state__last_poll_at",
        "state__expected_every_seconds", "state__excuse",
    )  # fmt: skip
    return [
        Known(
            pk,
            kind,
            Now.of(state, since, cause or "", polled, every or 60, at, excuse or "")
            if status == Device.Status.ACTIVE
            else Now.out_of_service(status),
        )
        for pk, kind, status, state, since, cause, polled, every, excuse in rows
    ]


def _page(known: list[Known], page: int) -> tuple[list[Known], Paging]:
    pages = max(1, -(-len(known) // PAGE))
    number = min(max(1, page), pages)
    return known[(number - 1) * PAGE : number * PAGE], Paging(number, pages, len(known))


def _loaded(devices: Any, wanted: Iterable[Known]) -> dict[int, Device]:
    ids = {entry.pk for entry in wanted}
    rows = devices.filter(pk__in=ids).select_related("site", "primary_ip", "state")
    return {device.pk: device for device in rows}


def _rows(chosen: Sequence[Known], loaded: dict[int, Device], at: datetime) -> list[Row]:
    states = {pk: device.state for pk, device in loaded.items() if hasattr(device, "state")}
    first, last = (at - DAY).timestamp(), at.timestamp()
    shown = [entry for entry in chosen if entry.pk in loaded]
    measured = window_of_states([states[e.pk] for e in shown if e.pk in states], at - DAY, at)
    rows = []
    for entry in shown:
        spans = measured[entry.pk].spans if entry.pk in measured else ()
        percent = measured[entry.pk].percent if entry.pk in measured else None
        rows.append(
            Row(
                device=loaded[entry.pk],
                group=BY_KIND[entry.kind],
                now=entry.now,
                state=states.get(entry.pk),
                percent=percent,
                strip=graphics.mini_strip(spans, first, last),
            )
        )
    return rows


def _tiles(known: Iterable[Known]) -> list[Tile]:
    counted: Counter[tuple[str, str]] = Counter((BY_KIND[entry.kind].key, entry.now.state) for entry in known)
    tiles = []
    for group in GROUPS:
        states = tuple((state, counted[group.key, state]) for state in STATE_FILTERS if counted[group.key, state])
        if states:
            tiles.append(Tile(group, sum(number for _, number in states), states))
    return tiles


def _headline(known: Sequence[Known]) -> str:
    if not known:
        return "No devices yet."
    states = Counter(entry.now.state for entry in known)
    if not any(states[state] for state in (*SEVERITY, *EXCUSES)):
        asked = len(known) - states["pending"]
        return (
            f"All {asked} devices are up." if asked > 1 else "Everything is up." if asked else "Nothing was asked yet."
        )
    words = {
        "down": "down", "degraded": "degraded", "unknown": "without data", "unreachable": "unreachable",
        "maintenance": "in maintenance", "blind": "not seen by the poller",
    }  # fmt: skip
    return ", ".join(f"{states[state]} {word}" for state, word in words.items() if states[state]) + "."


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the health page: a light, what it is about, and a sentence."""

    state: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    lines: list[Line]
    processes: list[tuple[Heartbeat, bool]]
    at: datetime


def health() -> Health:
    at = timezone.now()
    report = health_service.report()
    found = report["checks"]
    beats = list(Heartbeat.objects.filter(at__gte=at - DAY).order_by("process", "host", "-at")[:50])
    checks = Check.objects.exclude(status=Check.Status.PAUSED).aggregate(
        total=Count("pk"),
        due=Count("pk", filter=Q(next_run_at__lte=at)),
        down=Count("pk", filter=Q(status=Check.Status.DOWN)),
        last=Max("last_run_at"),
    )
    engine = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(connection.vendor, connection.vendor)
    broker = "Redis" if settings.BROKER_URL else "files of this machine"
    return Health(
        lines=[
            _line("Worker", found["worker"], "It polls and runs jobs.", "No worker has reported: nothing is polled."),
            _line(
                "Runner",
                "ok" if health_service.is_alive("runner") else "missing",
                "It scans and runs actions.",
                "No runner has reported: scans and actions wait.",
            ),
            _line(
                "Scheduler", found["beat"], "It hands out what is due.", "No scheduler has reported: nothing is due."
            ),
            _polling_line(checks, found["poller_lag_seconds"], at),
            _checks_line(checks),
            _line("Database", found["database"], f"{engine} answers.", f"{engine} does not answer."),
            _mcp_line(),
            _line("Broker", found["broker"], f"Messages go through {broker}.", f"No messages pass: {broker}."),
        ],
        processes=[(beat, at - beat.at <= health_service.FRESH) for beat in beats],
        at=at,
    )


def _line(title: str, verdict: str, good: str, bad: str) -> Line:
    return Line("up", title, good) if verdict == "ok" else Line("down", title, bad)


def _mcp_line() -> Line:
    # It is an address of the web process, which answers just now.
    if settings.MCP:
        return Line("up", "MCP door", "Assistants get in at /mcp, with an API key.")
    return Line("pending", "MCP door", "Switched off: NETMON_MCP.")


def _polling_line(checks: dict[str, Any], lag: float | None, at: datetime) -> Line:
    if not checks["total"]:
        return Line("pending", "Polling", "There are no checks to run: add a device.")
    if lag is None:
        return Line("unknown", "Polling", "Not known while the database does not answer.")
    last = f" The last result is {duration((at - checks['last']).total_seconds())} old." if checks["last"] else ""
    if lag > health_service.LAG_LIMIT_SECONDS:
        return Line("down", "Polling", f"The oldest due check has waited for {duration(lag)}.{last}")
    return Line("up", "Polling", f"Lag {duration(lag)}.{last}")


def _checks_line(checks: dict[str, Any]) -> Line:
    if not checks["total"]:
        return Line("pending", "Checks", "None.")
    detail = f"{checks['total']} in force, {checks['due']} due now, {checks['down']} failing."
    return Line("degraded" if checks["down"] else "up", "Checks", detail)
