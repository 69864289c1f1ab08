"""What a chart draws: one JSON answer with times, columns, totals, 95th percentiles and outages."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone
from numpy.typing import NDArray

from inventory.models import Device, Interface
from monitoring import alert_pages, maintenance_pages, metrics
from monitoring.availability import DOWN, breaks_of
from monitoring.models import DeviceState, Series
from monitoring.store import read as store

Floats = NDArray[np.float64]
IN, OUT = 0, 1  # columns of if.counters
LOOPBACK = 24  # ifType softwareLoopback, IANAifType-MIB
ALL = "all"
FIVE_MINUTES = 300


@dataclass(frozen=True, slots=True)
class Range:
    key: str
    label: str
    seconds: int


RANGES = (
    Range("1h", "1 h", 3600),
    Range("6h", "6 h", 6 * 3600),
    Range("24h", "24 h", 24 * 3600),
    Range("7d", "7 d", 7 * 86_400),
    Range("30d", "30 d", 30 * 86_400),
    Range("1y", "1 y", 365 * 86_400),
)


def range_named(key: str) -> Range:
    return next((entry for entry in RANGES if entry.key == key), RANGES[2])


def fitting_range(state: DeviceState | None, now: datetime) -> str:
    """The range that shows a device best at first: a day, or less while it has been watched for less."""
    if state is None or state.watched_since is None:
        return RANGES[0].key
    watched = (now - state.watched_since).total_seconds()
    return next((entry.key for entry in RANGES[:3] if watched <= entry.seconds), RANGES[2].key)


def is_loopback(interface: Interface) -> bool:
    return interface.if_type == LOOPBACK or interface.name in ("lo", "lo0")


def choose_interface(series: Sequence[Series], wanted: str) -> Series | None:
    """The series of the wanted interface, else of the busiest one that is no loopback. They come with `interface`."""
    for row in series:
        if str(row.interface_id) == wanted:
            return row
    outward = [row for row in series if row.interface and not is_loopback(row.interface)] or list(series)
    return max(outward, key=lambda row: (row.v0 or 0) + (row.v1 or 0), default=None)


def traffic_series(device: Device) -> list[Series]:
    rows = Series.objects.filter(device=device, metric_set="if.counters", interface__gone_since__isnull=True)
    return list(rows.select_related("interface").order_by("interface__if_index", "interface__name"))


# Where a response time is measured, best first: its column, what it is called, and the column of answered or lost.
RESPONSES = {
    "icmp": ("rtt_ms", "ICMP", "loss_percent"),
    "snmp.system": ("response_ms", "SNMP", "up"),
    "host": ("response_ms", "SSH", "up"),
}


def response_series(device: Device) -> Series | None:
    """Ping where there is one, else how fast SNMP answers, else a login by SSH."""
    found = Series.objects.filter(device=device, interface=None, metric_set__in=RESPONSES)
    rows = {row.metric_set: row for row in found}
    return next((rows[name] for name in RESPONSES if name in rows), None)


def response_column(row: Series) -> int:
    """The position of the response time in a series of `response_series`."""
    return metrics.get(row.metric_set).index(RESPONSES[row.metric_set][0])


def chart(device: Device, name: str, *, span: str = "", interface: str = "") -> dict[str, Any]:
    """The data of a chart. Raises LookupError for a chart or an interface that does not exist."""
    chosen = range_named(span)
    end = timezone.now().timestamp()
    start = end - chosen.seconds
    if name == "traffic":
        body = _traffic(device, start, end, interface)
    elif name == "response":
        body = _response(device, start, end)
    elif name == "host":
        body = _host(device, start, end)
    elif name == "disks":
        body = _disks(device, start, end)
    else:
        raise LookupError("There is no such chart.")
    moment = timezone.now()
    breaks = breaks_of([device.pk], moment - timedelta(seconds=chosen.seconds), moment).get(device.pk, [])
    return {
        "chart": name,
        "range": chosen.key,
        "range_label": chosen.label,
        "start": int(start),
        "end": int(end),
        "zone": settings.TIME_ZONE,
        "outages": [
            {"start": int(b.start), "end": int(b.end) if b.end else None, "cause": b.cause}
            for b in breaks
            if b.kind == DOWN
        ],
        "alerts": alert_pages.flags(device, moment - timedelta(seconds=chosen.seconds), moment),
        "maintenance": maintenance_pages.bands(device, moment - timedelta(seconds=chosen.seconds), moment),
        **body,
    }


def _traffic(device: Device, start: float, end: float, wanted: str) -> dict[str, Any]:
    series = traffic_series(device)
    if wanted == ALL:
        rows = [row for row in series if row.interface and not is_loopback(row.interface)]
        title, csv = "all interfaces", None
    else:
        row = choose_interface(series, wanted)
        if wanted and (row is None or str(row.interface_id) != wanted):
            raise LookupError("This device has no such interface.")
        rows = [row] if row else []
        title = row.interface.name if row and row.interface else ""
        csv = _csv(row, start, end) if row else None
    if not rows:
        return {"title": title, "columns": _columns("In", "Out"), "times": [], "step": 60, "csv": None}
    by_series = store.read_many(rows, start, end)
    frames = [by_series[row.pk] for row in rows]
    times, step = frames[0].times, frames[0].step
    average = _sum([frame.average[:, (IN, OUT)] for frame in frames])
    # The maximum of a sum is not the sum of the maxima: for several interfaces the averages stand.
    maximum = frames[0].maximum[:, (IN, OUT)] if len(frames) == 1 else average
    p95 = _p95(rows, start, end)
    octets = _octets(rows, frames)
    totals = [totals_of(average[:, n], maximum[:, n], p95[n], octets[n]) for n in (IN, OUT)]
    return {
        "title": title,
        "columns": _columns("In", "Out"),
        "times": times.tolist(),
        "step": step,
        "average": [rounded(average[:, n], 0) for n in (IN, OUT)],
        "maximum": [rounded(maximum[:, n], 0) for n in (IN, OUT)],
        "totals": totals,
        "csv": csv,
    }


def _response(device: Device, start: float, end: float) -> dict[str, Any]:
    row = response_series(device)
    columns = [{"label": "Response time", "unit": "ms"}, {"label": "Loss", "unit": "%"}]
    if row is None:
        return {"title": "", "columns": columns, "times": [], "step": 60, "csv": None}
    frame = store.read(row, start, end)
    # Where nobody pings, an unanswered poll is a loss.
    _, title, answered = RESPONSES[row.metric_set]
    lost = frame.average[:, metrics.get(row.metric_set).index(answered)]
    loss = lost if answered == "loss_percent" else 100 * (1 - lost)
    rtt, top = frame.average[:, response_column(row)], frame.maximum[:, response_column(row)]
    return {
        "title": title,
        "columns": columns,
        "times": frame.times.tolist(),
        "step": frame.step,
        "average": [rounded(rtt, 2), rounded(loss, 1)],
        "maximum": [rounded(top, 2), rounded(loss, 1)],
        "totals": [totals_of(rtt, top, nearest_rank(rtt), None), totals_of(loss, loss, None, None)],
        "csv": _csv(row, start, end),
    }


def _host(device: Device, start: float, end: float) -> dict[str, Any]:
    row = Series.objects.filter(device=device, metric_set="host").first()
    labels = ("CPU", "Memory in use")
    if row is None:
        return {"title": "", "columns": _percents(*labels), "times": [], "step": 60, "csv": None}
    frame = store.read(row, start, end)
    positions = [metrics.HOST.index(name) for name in ("cpu_percent", "memory_used_percent")]
    return {
        "title": "",
        "columns": _percents(*labels),
        "times": frame.times.tolist(),
        "step": frame.step,
        "average": [rounded(frame.average[:, n], 1) for n in positions],
        "maximum": [rounded(frame.maximum[:, n], 1) for n in positions],
        "totals": [totals_of(frame.average[:, n], frame.maximum[:, n], None, None) for n in positions],
        "csv": _csv(row, start, end),
    }


def _disks(device: Device, start: float, end: float) -> dict[str, Any]:
    """The two fullest: a chart of twenty lines says nothing."""
    rows = _present(Series.objects.filter(device=device, metric_set="host.disk", v0__isnull=False).order_by("-v0"))[:2]
    if not rows:
        return {"title": "", "columns": _percents("Disk"), "times": [], "step": 60, "csv": None}
    by_series = store.read_many(rows, start, end)
    frames = [by_series[row.pk] for row in rows]
    return {
        "title": "",
        "columns": _percents(*(row.labels.removeprefix("mount=") for row in rows)),
        "times": frames[0].times.tolist(),
        "step": frames[0].step,
        "average": [rounded(frame.average[:, 0], 1) for frame in frames],
        "maximum": [rounded(frame.maximum[:, 0], 1) for frame in frames],
        "totals": [totals_of(frame.average[:, 0], frame.maximum[:, 0], None, None) for frame in frames],
        "csv": _csv(rows[0], start, end),
    }


def _present(rows: Iterable[Series]) -> list[Series]:
    """Without those not measured in the last three periods: a full disk that was unmounted stays full for ever.

    Reckoned from the device's newest sample, so that one that is down keeps its chart.
    """
    found = list(rows)
    newest = max((row.last_at for row in found if row.last_at), default=None)
    if newest is None:
        return found
    return [row for row in found if row.last_at and (newest - row.last_at).total_seconds() <= 3 * row.period_seconds]


def _percents(*labels: str) -> list[dict[str, str]]:
    return [{"label": label, "unit": "%"} for label in labels]


def nearest_rank(values: Floats, percent: int = 95) -> float | None:
    known = np.sort(values[~np.isnan(values)])
    return float(known[-(-percent * len(known) // 100) - 1]) if len(known) else None


def _p95(rows: Sequence[Series], start: float, end: float) -> list[float | None]:
    if len(rows) == 1:
        found = store.percentile_95(rows[0], start, end, ("in_bps", "out_bps")).values
        return [_finite(found["in_bps"]), _finite(found["out_bps"])]
    frames = store.read_many(rows, start, end, step=FIVE_MINUTES, max_points=200_000).values()
    total = _sum([frame.average[:, (IN, OUT)] for frame in frames])
    return [nearest_rank(total[:, n]) for n in (IN, OUT)]


def _sum(parts: Sequence[Floats]) -> Floats:
    """Added up; a point is a gap only where none of them was measured."""
    stacked = np.stack(parts)
    total: Floats = np.nansum(stacked, axis=0)
    total[np.isnan(stacked).all(axis=0)] = np.nan
    return total


def _octets(rows: Sequence[Series], frames: Sequence[store.Frame]) -> list[float]:
    """How much went in and out: only of the time that was measured, so a wide point with gaps counts less."""
    total = np.zeros(2)
    for row, frame in zip(rows, frames, strict=True):
        measured = frame.average[:, (IN, OUT)] * frame.count[:, (IN, OUT)] * row.period_seconds
        total += np.nansum(measured, axis=0) / 8
    return [float(value) for value in total]


def totals_of(average: Floats, maximum: Floats, p95: float | None, total: float | None) -> dict[str, float | None]:
    known = ~np.isnan(average)
    if not known.any():
        return dict.fromkeys(("now", "average", "maximum", "p95", "total"))
    recent = average[-4:][known[-4:]]
    return {
        "now": float(recent[-1]) if len(recent) else None,
        "average": float(average[known].mean()),
        "maximum": _finite(float(np.nanmax(maximum))),
        "p95": p95,
        "total": total,
    }


def _columns(*labels: str) -> list[dict[str, str]]:
    return [{"label": label, "unit": "bit/s"} for label in labels]


def rounded(values: Floats, digits: int) -> list[float | None]:
    kept = np.round(values, digits)
    if digits == 0:
        return [None if math.isnan(value) else int(value) for value in kept]
    return [None if math.isnan(value) else value for value in kept.tolist()]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _csv(row: Series, start: float, end: float) -> str:
    return f"/api/v1/series/{row.pk}/data/?format=csv&from={int(start)}&to={int(end)}"
