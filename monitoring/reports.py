"""The figures of a device over a time: what the API and the pages say of availability, traffic and errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from inventory.models import Device
from monitoring import availability, metrics
from monitoring.models import DeviceState, Series
from monitoring.store import read as store
from monitoring.store.read import Frame

MAX_SLOTS = 50_000  # beyond this a time is read in coarser steps
# RFC 2863, ifOperStatus
OPER_STATUS = {
    1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open stretch of time in epoch seconds."""

    start: int
    end: int

    @classmethod
    def last_hours(cls, hours: float, now: datetime | None = None) -> "Period":
        end = int((now or timezone.now()).timestamp()) + 1
        return cls(end - int(hours * 3600), end)

    @property
    def hours(self) -> float:
        return round((self.end - self.start) / 3600, 4)

    @property
    def starts_at(self) -> datetime:
        return datetime.fromtimestamp(self.start, UTC)

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(self.end, UTC)


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def number(value: float, digits: int = 3) -> float | None:
    """A JSON number; None for a gap."""
    return None if not np.isfinite(value) else round(float(value), digits)


def reach_series(device: Device) -> Series | None:
    """The series that says whether the device answered: ping where there is one, else SNMP."""
    rows = {row.metric_set: row for row in Series.objects.filter(device=device, metric_set__in=("icmp", "snmp.system"))}
    ping, snmp = rows.get("icmp"), rows.get("snmp.system")
    if ping is None or snmp is None or ping.last_at is None or snmp.last_at is None:
        return ping or snmp
    # The series of a ping that was switched off outlives it.
    is_stale = snmp.last_at - ping.last_at > timedelta(seconds=5 * ping.period_seconds)
    return snmp if is_stale else ping


def interface_series(device: Device, interface: str | None = None) -> list[Series]:
    """The counters of a device's interfaces, or of the one of this name or number."""
    rows = Series.objects.filter(device=device, metric_set="if.counters").select_related("interface")
    if interface:
        named = rows.filter(interface__name=interface)
        if not named and interface.isascii() and interface.isdigit() and len(interface) < 19:
            named = rows.filter(interface_id=int(interface))
        rows = named
    return sorted(
        rows, key=lambda row: (row.interface.if_index or 2**40, row.interface.name) if row.interface else (0, "")
    )


def recent_metrics(
    device: Device, period: Period, *, limit: int, step: int | None = None, names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One entry per slot, newest first: reachability, response time, uptime and each interface's columns."""
    reach = reach_series(device)
    if reach is None:
        return []
    wanted = set(names)
    slots = (period.end - period.start) // reach.period_seconds
    base = store.read(
        reach, period.start, period.end, step=step or (reach.period_seconds if slots < MAX_SLOTS else None)
    )
    snmp = Series.objects.filter(device=device, metric_set="snmp.system").first()
    system = base if snmp is None or snmp.pk == reach.pk else store.read(snmp, period.start, period.end, step=base.step)
    interfaces = interface_series(device) if not wanted or "if.counters" in wanted else []
    # The newest slots that hold anything, so that a long period costs no more than its answer.
    measured = np.flatnonzero(np.isfinite(base.average[:, _column(reach, "up")]))[::-1][:limit]
    first = int(base.times[measured[-1]]) if len(measured) else period.end
    frames = store.read_many(interfaces, first, period.end, step=base.step) if interfaces and len(measured) else {}
    entries = []
    for position in measured:
        moment = int(base.times[position])
        entry: dict[str, Any] = {"timestamp": stamp(moment)}
        up = base.average[position, _column(reach, "up")]
        entry["is_reachable"] = bool(up > 0)
        entry["response_time_ms"] = number(base.average[position, 0])
        entry["uptime_seconds"] = _at(system, moment, 1) if snmp else None
        entry["interfaces"] = [_interface_entry(row, frames[row.pk], moment) for row in interfaces if row.pk in frames]
        entries.append(entry)
    return entries


def _column(series: Series, name: str) -> int:
    return metrics.get(series.metric_set).index(name)


def _at(frame: Frame, moment: int, column: int) -> float | None:
    position = int(np.searchsorted(frame.times, moment))
    if position >= len(frame.times) or frame.times[position] != moment:
        return None
    return number(frame.average[position, column])


def _interface_entry(row: Series, frame: Frame, moment: int) -> dict[str, Any]:
    columns = metrics.get("if.counters").columns
    name = row.interface.name if row.interface else ""
    return {
        "interface": name,
        **{column.name: _at(frame, moment, position) for position, column in enumerate(columns)},
    }


def bandwidth(device: Device, period: Period, *, interface: str | None = None) -> dict[str, Any]:
    """Traffic per interface and time, with the 95th percentile of the sum of the interfaces shown."""
    series = interface_series(device, interface)
    frames = store.read_many(series, period.start, period.end) if series else {}
    data = []
    for row in series:
        frame = frames[row.pk]
        name = row.interface.name if row.interface else ""
        for position in np.flatnonzero(np.isfinite(frame.average[:, :2]).any(axis=1)):
            in_bps, out_bps = number(frame.average[position, 0], 1), number(frame.average[position, 1], 1)
            data.append(
                {
                    "timestamp": stamp(frame.times[position]),
                    "interface": name,
                    "in_bps": in_bps,
                    "out_bps": out_bps,
                    "in_mbps": None if in_bps is None else round(in_bps / 1e6, 6),
                    "out_mbps": None if out_bps is None else round(out_bps / 1e6, 6),
                }
            )
    data.sort(key=lambda entry: (entry["timestamp"], entry["interface"]))
    p95 = {}
    for row in series:
        high = store.percentile_95(row, period.start, period.end, ["in_bps", "out_bps"])
        name = row.interface.name if row.interface else ""
        p95[name] = {column: number(value, 1) for column, value in high.values.items()}
        p95[name]["is_approximate"] = high.approximate
    return {"data_points": len(data), "bandwidth_data": data, "p95_by_interface": p95, "p95": _busiest(p95)}


def _busiest(p95: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The percentile of the busiest interface in each direction: what a line is billed by."""
    return {
        name: max((row[name] for row in p95.values() if row[name] is not None), default=None)
        for name in ("in_bps", "out_bps")
    }


def error_data(device: Device, period: Period, *, interface: str | None = None) -> list[dict[str, Any]]:
    """Errors and discards per interface and time, as counts within each step."""
    series = interface_series(device, interface)
    frames = store.read_many(series, period.start, period.end) if series else {}
    index = metrics.get("if.counters").index
    columns = {"in_errors": "in_err", "out_errors": "out_err", "in_discards": "in_disc", "out_discards": "out_disc"}
    data = []
    for row in series:
        frame = frames[row.pk]
        for position in np.flatnonzero(np.isfinite(frame.average).any(axis=1)):
            status = number(frame.average[position, index("oper_status")], 0)
            entry: dict[str, Any] = {
                "timestamp": stamp(frame.times[position]),
                "interface": row.interface.name if row.interface else "",
            }
            for name, column in columns.items():
                per_second = frame.average[position, index(column)]
                entry[name] = None if not np.isfinite(per_second) else round(float(per_second) * frame.step, 2)
            entry["oper_status"] = None if status is None else int(status)
            entry["status_text"] = OPER_STATUS.get(int(status), "unknown") if status is not None else None
            data.append(entry)
    data.sort(key=lambda entry: (entry["timestamp"], entry["interface"]))
    return data


def device_availability(device: Device, period: Period) -> dict[str, Any]:
    """Up and down time, what is counted apart, the outages, and how many checks were made and answered."""
    window = availability.window([device.pk], period.starts_at, period.ends_at)[device.pk]
    total, good, response = check_counts(device, period)
    return {
        "availability_percent": None if window.percent is None else round(window.percent, 4),
        "total_checks": total,
        "successful_checks": good,
        "failed_checks": total - good,
        "average_response_time_ms": response,
        "up_seconds": round(window.up_seconds),
        "down_seconds": round(window.down_seconds),
        "unknown_seconds": round(window.unknown_seconds),
        "maintenance_seconds": round(window.maintenance_seconds),
        "unreachable_seconds": round(window.unreachable_seconds),
        "blind_seconds": round(window.blind_seconds),
        "outages": [
            {
                "started_at": stamp(outage.start),
                "ended_at": None if outage.end is None else stamp(outage.end),
                "cause": outage.cause,
            }
            for outage in window.outages
        ],
    }


def check_counts(device: Device, period: Period) -> tuple[int, int, float | None]:
    """(slots measured, slots answered, mean response time in ms) of the availability series."""
    series = reach_series(device)
    if series is None:
        return 0, 0, None
    frame = store.read(series, period.start, period.end)
    up = _column(series, "up")
    counts = np.nan_to_num(frame.count[:, up])
    answered = np.nan_to_num(frame.average[:, up]) * counts
    weights = np.nan_to_num(frame.count[:, 0])
    total = float(weights.sum())
    mean = float((np.nan_to_num(frame.average[:, 0]) * weights).sum() / total) if total else None
    return round(float(counts.sum())), round(float(answered.sum())), None if mean is None else round(mean, 3)


def present_state(state: DeviceState | None, now: datetime) -> str:
    """The state to show: what was true long ago is no data now."""
    watch = availability.Watch.of(state)
    if state is None or watch.until is None or now.timestamp() > watch.until:
        return DeviceState.State.UNKNOWN
    return state.state


def overview(devices: Any, *, hours: float = 24, now: datetime | None = None) -> dict[str, Any]:
    """Totals by state and a line per device."""
    now = now or timezone.now()
    rows = list(devices.select_related("primary_ip", "site", "state"))
    windows = availability.window([row.pk for row in rows], now - timedelta(hours=hours), now)
    totals = dict.fromkeys(DeviceState.State.values, 0)
    lines = []
    for row in rows:
        state = getattr(row, "state", None)
        shown = present_state(state, now)
        totals[shown] += 1
        window = windows.get(row.pk)
        lines.append(
            {
                "id": row.pk,
                "name": row.name,
                "kind": row.kind,
                "ip": row.primary_ip.address if row.primary_ip else None,
                "site": row.site.name if row.site else None,
                "state": shown,
                "since": state.since if state else None,
                "cause": state.cause if state else "",
                "excuse": state.excuse if state and shown == DeviceState.State.DOWN else "",
                "last_check": state.last_poll_at if state else None,
                "is_reachable": state.is_reachable if state else None,
                "response_time_ms": state.response_time_ms if state else None,
                "availability_24h_percent": window.percent if window else None,
                "uptime_seconds": state.uptime_seconds if state else None,
            }
        )
    return {"total": len(rows), "by_state": totals, "devices": lines}
