"""What the page of one device shows. Reads only, in a bounded number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count, Max
from django.utils import timezone
from django.utils.safestring import SafeString

from inventory import host_keys
from inventory.models import Device, Interface, ManagementEndpoint
from monitoring import alert_pages, charts, graphics, ssh_pages
from monitoring.availability import Availability, cells, window_of_states
from monitoring.models import Alert, Check, DeviceFact, DeviceState, Indicator, Outage, Series
from monitoring.pages import DAY, EXCUSES, Now
from monitoring.presentation import (
    DASH,
    OPER_STATES,
    count,
    decimals,
    duration,
    percent,
    sentence,
    si,
    state_class,
    state_word,
)
from monitoring.store import read as store

QUARTER, QUARTERS = 900, 96
SPARK_STEP = 1800
SHOWN_INTERFACES = 20
SHOWN_INDICATORS = 20
STALE = 2.5  # intervals
FAULT_COLUMNS = (4, 5, 6, 7)  # errors and discards of if.counters
PROTOCOLS = {"icmp": "ICMP", "tcp": "TCP", "snmp": "SNMP", "ssh": "SSH", "rtsp": "RTSP", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class InterfaceRow:
    interface: Interface
    state: str
    word: str
    rank: int
    in_bps: float | None
    out_bps: float | None
    load: float | None  # percent of the speed, of the busier direction
    faults: int | None  # errors and discards in 24 h
    spark: SafeString | str

    @property
    def is_bad(self) -> bool:
        return (self.faults or 0) >= 100


@dataclass(frozen=True, slots=True)
class Event:
    state: str
    title: str
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str
    is_mono: bool = False
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A big number: `parts` are pairs of number and unit."""

    label: str
    parts: tuple[tuple[str, str], ...]
    hint: str
    icon: str = ""


@dataclass(frozen=True, slots=True)
class DevicePage:
    now: Now
    state: DeviceState | None
    methods: str
    figures: list[Figure]
    availability: Availability | None = None
    strip: SafeString | str = ""
    said: str = ""
    interfaces: list[InterfaceRow] = field(default_factory=list)
    interface_count: int = 0
    interface_note: str = ""
    choices: list[tuple[str, str]] = field(default_factory=list)
    chosen: str = ""
    checks: list[Check] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    computer: ssh_pages.Computer | None = None
    has_host: bool = False
    events: list[Event] = field(default_factory=list)
    alarms: list[alert_pages.Row] = field(default_factory=list)
    indicators: list[tuple[str, Indicator]] = field(default_factory=list)
    more_indicators: bool = False
    waiting_key: str = ""  # "changed" or "first": a host key that somebody must look at


def version(device: Device) -> str:
    """Changes when the page does: with the state row, with the device, and with every minute."""
    state = getattr(device, "state", None)
    polled = state.last_poll_at.timestamp() if state and state.last_poll_at else 0
    minute = int(timezone.now().timestamp() // 60)
    alarms = sum(Alert.objects.filter(device=device, resolved_at=None).values_list("version", flat=True))
    noted = Indicator.objects.filter(device=device).aggregate(number=Count("pk"), changed=Max("updated_at"))
    said = f"{noted['number']}-{noted['changed'].timestamp() if noted['changed'] else 0:.3f}"
    return f"{state.version if state else 0}-{polled:.3f}-{device.updated_at.timestamp():.3f}-{minute}-{alarms}-{said}"


def device_page(
    device: Device, *, tab: str = "overview", interface: str = "", shows_credentials: bool = False
) -> DevicePage:
    at = timezone.now()
    state = getattr(device, "state", None)
    now = Now.of_device(device, state, at)
    endpoints = list(
        ManagementEndpoint.objects.filter(device=device, is_enabled=True)
        .select_related("credential")
        .prefetch_related("checks")
    )
    checks = sorted(
        (check for endpoint in endpoints for check in endpoint.checks.all()),
        key=lambda check: (check.status != "down", check.module),
    )
    series = charts.traffic_series(device)
    all_rows = _interfaces(device, series, at, is_silent=now.state in ("unknown", "down", *EXCUSES))
    shown = all_rows if tab == "interfaces" else all_rows[:SHOWN_INTERFACES]
    if tab in ("overview", "interfaces"):
        shown = _with_history(shown, series, at)
    measured = window_of_states([state], at - DAY, at)[device.pk] if state else None
    everything = tab == "overview"
    start = at - timedelta(seconds=QUARTER * QUARTERS)
    noted = list(Indicator.objects.filter(device=device).current(at)[: SHOWN_INDICATORS + 1]) if everything else []
    said = _said(measured)
    return DevicePage(
        now=now,
        state=state,
        methods=_methods(endpoints, checks),
        figures=_figures(device, now, measured, series, all_rows, interface, at),
        availability=measured,
        strip=graphics.quarter_strip(
            cells(measured.spans, start.timestamp(), QUARTER, QUARTERS), timezone.localtime(start), QUARTER, said
        )
        if measured and everything
        else "",
        said=said,
        interfaces=shown,
        interface_count=len(all_rows),
        interface_note=_note(all_rows, len(shown)),
        choices=[(str(row.interface_id), row.interface.name) for row in series if row.interface],
        chosen=_chosen(series, interface),
        checks=checks,
        computer=ssh_pages.computer(device) if tab == "facts" else None,
        has_host=everything and any(check.module == "ssh.host" for check in checks),
        facts=_facts(device, endpoints if shows_credentials else []) if tab in ("overview", "facts") else [],
        events=_events(device, now, at) if everything else [],
        alarms=alert_pages.alarms_of(device),
        indicators=[(ssh_pages.SEVERITIES[row.severity], row) for row in noted[:SHOWN_INDICATORS]],
        more_indicators=len(noted) > SHOWN_INDICATORS,
        waiting_key=host_keys.waiting_at(device),
    )


def _methods(endpoints: Sequence[ManagementEndpoint], checks: Sequence[Check]) -> str:
    names = []
    for endpoint in endpoints:
        name = PROTOCOLS.get(endpoint.protocol, endpoint.protocol)
        if endpoint.protocol == "snmp":
            name += f" v{str(endpoint.options.get('version', '2c'))[:3]}"
        if name not in names and endpoint.checks.all():
            names.append(name)
    running = [check.interval_seconds for check in checks if check.status != Check.Status.PAUSED]
    if not names or not running:
        return "not polled"
    said = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"polled every {duration(min(running))} by {said}"


# --- figures


def _figures(
    device: Device, now: Now, measured: Availability | None, series: list[Series],
    rows: list[InterfaceRow], wanted: str, at: datetime,
) -> list[Figure]:  # fmt: skip
    # What nobody measures any more is not shown as if it were so now.
    state = None if now.state in ("unknown", "pending") else getattr(device, "state", None)
    up = sum(row.state == "up" for row in rows)
    counted = [row for row in rows if row.word != "Off"]
    return [
        _availability_figure(measured),
        _response_figure(device, state, at),
        _uptime_figure(state),
        *_traffic_figures(series, wanted, at),
        Figure("Interfaces up", ((str(up), f"of {len(counted)}"),), _faults(rows)),
    ]


def _availability_figure(measured: Availability | None) -> Figure:
    if measured is None or measured.percent is None:
        return Figure("Availability, 24 h", ((DASH, ""),), "nothing measured yet")
    hint = "no outage"
    if measured.outages:
        hint = f"{count(len(measured.outages), 'outage')}, {duration(measured.down_seconds)}"
    return Figure("Availability, 24 h", ((percent(measured.percent), "%"),), hint)


def _response_figure(device: Device, state: DeviceState | None, at: datetime) -> Figure:
    value = state.response_time_ms if state and state.is_reachable else None
    hints = []
    row = charts.response_series(device)
    if row is not None:
        p95 = charts.nearest_rank(store.read(row, at - DAY, at).average[:, charts.response_column(row)])
        hints += [f"p95 {decimals(p95, 'ms')}"] if p95 is not None else []
    if state and state.loss_percent is not None:
        hints.append(f"loss {decimals(state.loss_percent, '%')}")
    return Figure("Response time", ((decimals(value), "ms" if value is not None else ""),), ", ".join(hints) or DASH)


def _uptime_figure(state: DeviceState | None) -> Figure:
    if state is None or state.uptime_seconds is None:
        return Figure("Uptime", ((DASH, ""),), "not known")
    booted = timezone.localtime(state.booted_at) if state.booted_at else None
    hint = f"since {booted.day} {booted:%b %Y, %H:%M}" if booted else ""
    words = duration(state.uptime_seconds).split()
    return Figure("Uptime", tuple(zip(words[::2], words[1::2], strict=False)), hint)


def _traffic_figures(series: list[Series], wanted: str, at: datetime) -> list[Figure]:
    if wanted == charts.ALL:
        rows = [row for row in series if row.interface and not charts.is_loopback(row.interface)]
        name, speed = "all interfaces", None
    else:
        chosen = charts.choose_interface(series, wanted)
        rows = [chosen] if chosen else []
        name = chosen.interface.name if chosen and chosen.interface else ""
        speed = chosen.interface.if_speed_bps if chosen and chosen.interface else None
    fresh = [row for row in rows if not _is_stale(row, at)]
    figures = []
    for label, column, icon in (("Traffic in", "v0", "arrow-down"), ("Traffic out", "v1", "arrow-up")):
        values = [value for row in fresh if (value := getattr(row, column)) is not None]
        total = sum(values) if values else None
        hint = name or "no interface measured"
        if total is not None and speed:
            hint = f"{100 * total / speed:.0f} % of {si(speed)}, {name}"
        number, _, unit = si(total).partition(" ")
        figures.append(Figure(label, ((number, unit),), hint, icon))
    return figures


def _chosen(series: list[Series], wanted: str) -> str:
    if wanted == charts.ALL:
        return wanted
    row = charts.choose_interface(series, wanted)
    return str(row.interface_id) if row else ""


def _said(measured: Availability | None) -> str:
    if measured is None:
        return "Nothing was measured in this time."
    zone = timezone.get_current_timezone()
    last = datetime.fromtimestamp(measured.outages[-1].start, tz=zone) if measured.outages else None
    return sentence(measured.up_seconds, measured.down_seconds, measured.unknown_seconds, len(measured.outages), last)


# --- interfaces


def _is_stale(row: Series, at: datetime) -> bool:
    return row.last_at is None or (at - row.last_at).total_seconds() > STALE * row.period_seconds


def _interfaces(device: Device, series: list[Series], at: datetime, *, is_silent: bool) -> list[InterfaceRow]:
    """Every interface of the device, what needs a look first."""
    by_interface = {row.interface_id: row for row in series}
    rows = [
        _interface(interface, by_interface.get(interface.pk), at, is_silent)
        for interface in Interface.objects.filter(device=device)
        # The interface that only carries the address somebody typed was never reported by the device.
        if interface.pk in by_interface or interface.if_index is not None
    ]
    return sorted(rows, key=lambda row: (row.rank, row.interface.if_index or 0, row.interface.name))


def _interface(interface: Interface, row: Series | None, at: datetime, is_silent: bool) -> InterfaceRow:
    is_fresh = row is not None and not _is_stale(row, at)
    oper = int(row.v10) if row is not None and is_fresh and row.v10 else interface.if_oper_status
    rate_in, rate_out = (row.v0, row.v1) if row is not None and is_fresh else (None, None)
    state, word, rank = _interface_state(interface, oper, is_fresh or (row is None and not is_silent))
    speed = interface.if_speed_bps
    load = 100 * max(rate_in or 0, rate_out or 0) / speed if speed and rate_in is not None else None
    if load is not None and load > 70 and rank > 1:
        rank = 1
    return InterfaceRow(interface, state, word, rank, rate_in, rate_out, load, None, "")


def _interface_state(interface: Interface, oper: int | None, is_fresh: bool) -> tuple[str, str, int]:
    """State, word and rank. A port that is down matters where somebody wrote down what it is for."""
    if interface.gone_since:
        return "unknown", "Gone", 5
    if interface.if_admin_status == 2:
        return "paused", "Off", 4
    if not is_fresh or oper is None:
        return "unknown", "No data", 3
    if oper == 1:
        return "up", "Up", 2
    if oper in (2, 7):
        return "down", OPER_STATES[oper], 0 if interface.if_alias else 3
    return "pending", OPER_STATES.get(oper, "Unknown"), 3


def _with_history(rows: list[InterfaceRow], series: list[Series], at: datetime) -> list[InterfaceRow]:
    """The rows with their last 24 hours; those with errors move up behind those that are down."""
    wanted = {row.interface.pk for row in rows}
    chosen = [row for row in series if row.interface_id in wanted]
    frames = store.read_many(chosen, at - DAY, at, step=SPARK_STEP) if chosen else {}
    by_interface = {row.interface_id: (frames[row.pk], row.period_seconds) for row in chosen}
    result = []
    for row in rows:
        frame, period = by_interface.get(row.interface.pk, (None, 0))
        if frame is None:
            result.append(replace(row, faults=None, spark=graphics.sparkline([])))
            continue
        busy = frame.average[:, 0] + frame.average[:, 1]
        line = [None if np.isnan(value) else float(value) for value in busy]
        seen = frame.average[:, FAULT_COLUMNS] * frame.count[:, FAULT_COLUMNS] * period
        faults = round(float(np.nansum(seen)))
        result.append(replace(row, faults=faults, spark=graphics.sparkline(line)))
    return sorted(result, key=lambda row: 1 if row.is_bad and row.rank > 1 else row.rank)


def _faults(rows: Sequence[InterfaceRow]) -> str:
    down = sum(row.state == "down" for row in rows)
    off = sum(row.word == "Off" for row in rows)
    said = [f"{down} down"] if down else []
    silent = sum(row.word == "No data" for row in rows)
    said += [f"{off} switched off"] if off else []
    said += [f"{silent} without data"] if silent else []
    return ", ".join(said) or ("all up" if rows else "none reported")


def _note(rows: Sequence[InterfaceRow], shown: int) -> str:
    if not rows:
        return ""
    total = f"{shown} of {len(rows)} shown" if shown < len(rows) else count(len(rows), "interface")
    return f"{total}, {_faults(rows)}"


# --- beside


def _facts(device: Device, endpoints: Sequence[ManagementEndpoint]) -> list[Fact]:
    stored = {fact.kind: fact for fact in DeviceFact.objects.filter(device=device)}
    system: dict[str, Any] = stored["system"].data if "system" in stored else {}
    address = device.primary_ip
    mac = address.interface.mac_address if address and address.interface_id and address.interface else ""
    credentials = sorted({endpoint.credential.name for endpoint in endpoints if endpoint.credential})
    hardware = " ".join(part for part in (device.vendor, device.model) if part)
    facts = [
        Fact("System name", str(system.get("sys_name", ""))),
        Fact("Description", str(system.get("sys_descr", ""))),
        Fact("Contact", str(system.get("sys_contact", ""))),
        Fact("Location", str(system.get("sys_location", ""))),
        Fact("Object id", str(system.get("sys_object_id", "")), is_mono=True),
        Fact("Hardware", hardware),
        Fact("Platform", device.platform),
        Fact("Serial", device.serial, is_mono=True),
        Fact("MAC", mac or "", is_mono=True),
        Fact("Tenant", device.tenant.name if device.tenant else ""),
        *(Fact("Credential", name, icon="lock") for name in credentials),
    ]
    return [fact for fact in facts if fact.value]


def _events(device: Device, now: Now, at: datetime) -> list[Event]:
    """State changes and what somebody observed, newest first."""
    events = []
    if now.state == "degraded" and now.since:
        events.append(Event("degraded", "Degraded", now.cause, now.since))
    for outage in Outage.objects.filter(device=device)[:6]:
        word = "Down" if outage.kind == "down" else state_word(outage.kind)
        state = "down" if outage.kind == "down" else state_class(outage.kind)
        if outage.ended_at:
            lasted = duration((outage.ended_at - outage.started_at).total_seconds())
            events.append(Event("up", f"Up after {lasted}", "", outage.ended_at))
        events.append(Event(state, word, outage.cause, outage.started_at))
    for row in Indicator.objects.filter(device=device)[:6]:
        if over := row.cleared_at or (row.expires_at if row.is_over(at) else None):
            events.append(Event("up", f"{row.words} is over", row.value, over))
        events.append(
            Event(ssh_pages.SEVERITIES[row.severity], row.words, f"{row.value} ({row.source})", row.observed_at)
        )
    return sorted(events, key=lambda event: event.at, reverse=True)[:8]
