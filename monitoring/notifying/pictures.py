"""The last hours of an alert as a small PNG: mail programs show no SVG. Light, whatever the reader's colours."""

import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from monitoring import charts
from monitoring.alerting import derived, wording
from monitoring.models.alerts import Alert
from monitoring.models.samples import Series
from monitoring.store import read as store

log = logging.getLogger(__name__)

SPAN = timedelta(hours=3)
WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 74, 16, 34, 30
# BGR
PAPER, GRID, INK, LINE, LIMIT, MARK = (255,) * 3, (228,) * 3, (70,) * 3, (178, 98, 32), (48, 52, 208), (150,) * 3
MOST_POINTS = 600


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn: values over time with NaN for gaps, and the limit of the rule if there is one."""

    title: str
    unit: str
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    limit: float | None = None
    marks: tuple[float, ...] = ()  # when the alert began and ended


def of(alert: Alert, now: datetime) -> bytes:
    """A PNG, or nothing where nothing was measured. A picture that cannot be drawn never costs the message."""
    import cv2  # takes a while, and only workers need it

    try:
        curve = curve_of(alert, now)
        return draw(curve) if curve is not None else b""
    except (cv2.error, LookupError, ValueError, TypeError, ArithmeticError):
        log.warning("no picture for alert %s", alert.pk, exc_info=True)
        return b""


def curve_of(alert: Alert, now: datetime) -> Curve | None:
    """The metric of the alert's rule, else the response time of its device; None where there is none."""
    if alert.device is None:
        return None
    end = min(now, (alert.resolved_at or now) + timedelta(minutes=15))
    start = end - SPAN
    rule = alert.rule
    limit: float | None = None
    if rule is not None and rule.metric:
        name, _, column = rule.metric.rpartition(".")
        row = _series(alert, name)
        limit = rule.raise_value
        (label, unit), where = wording.metric_words(rule.metric), alert.subject
    else:
        row = charts.response_series(alert.device)
        label, unit, where, column = "Response time", "ms", "", ""
    if row is None:
        return None
    frame = store.read(row, start, end, max_points=MOST_POINTS)
    if rule is not None and (made := derived.DERIVED.get(rule.metric)):
        speed = alert.interface.if_speed_bps if alert.interface else None
        values = np.array([_derived(made, frame, position, speed) for position in range(len(frame.times))])
    else:
        values = frame.average[:, frame.columns.index(column) if column else charts.response_column(row)]
    if not np.isfinite(values).any():
        return None
    marks = [alert.started_at.timestamp(), *([alert.resolved_at.timestamp()] if alert.resolved_at else [])]
    title = f"{label} of {where}" if where else label
    return Curve(title, unit, frame.times.astype(np.float64), values.astype(np.float64), limit, tuple(marks))


def _series(alert: Alert, metric_set: str) -> Series | None:
    rows = Series.objects.filter(device=alert.device_id, metric_set=metric_set, interface=alert.interface_id)
    return rows.first() if alert.interface_id else rows.filter(labels=alert.subject).first()


def _derived(made: derived.Derived, frame: store.Frame, position: int, speed_bps: int | None) -> float:
    values = {
        name: float(value) if math.isfinite(value := frame.average[position, column]) else None
        for column, name in enumerate(frame.columns)
    }
    found = made.work_out(values, speed_bps)
    return math.nan if found is None else found


def draw(curve: Curve) -> bytes:
    """The curve as a PNG. Fonts of the drawing library know ASCII only; other characters become "?"."""
    import cv2

    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    low, high = _scale(curve)
    first, last = float(curve.times[0]), float(max(curve.times[-1], curve.times[0] + 1))

    def x(at: float) -> int:
        return round(LEFT + (min(max(at, first), last) - first) / (last - first) * (WIDTH - LEFT - RIGHT))

    def y(value: float) -> int:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM))

    def write(text: str, at: tuple[int, int], size: float = 0.4) -> None:
        shown = text.encode("ascii", "replace").decode()
        cv2.putText(image, shown, at, cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)

    write(wording.clean(f"{curve.title}, {curve.unit}" if curve.unit else curve.title, 80), (LEFT, 20), 0.45)
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        cv2.line(image, (LEFT, y(value)), (WIDTH - RIGHT, y(value)), GRID, 1)
        write(_short(value), (6, y(value) + 4))
    for share in (0.0, 1 / 3, 2 / 3, 1.0):
        at = first + share * (last - first)
        label = f"{timezone.localtime(datetime.fromtimestamp(at, tz=timezone.get_default_timezone())):%H:%M}"
        cv2.line(image, (x(at), TOP), (x(at), HEIGHT - BOTTOM), GRID, 1)
        write(label, (min(x(at) - 16, WIDTH - 44), HEIGHT - 10))
    for at in curve.marks:
        if first <= at <= last:
            cv2.line(image, (x(at), TOP), (x(at), HEIGHT - BOTTOM), MARK, 1)
    if curve.limit is not None:
        for left in range(LEFT, WIDTH - RIGHT, 12):
            cv2.line(image, (left, y(curve.limit)), (min(left + 6, WIDTH - RIGHT), y(curve.limit)), LIMIT, 1)
    _draw_line(image, [(x(at), y(value)) if math.isfinite(value) else None for at, value in _points(curve)])
    is_done, encoded = cv2.imencode(".png", image)
    return encoded.tobytes() if is_done else b""


def _points(curve: Curve) -> list[tuple[float, float]]:
    return list(zip(curve.times.tolist(), curve.values.tolist(), strict=True))


def _draw_line(image: NDArray[np.uint8], points: list[tuple[int, int] | None]) -> None:
    """Gaps stay open; a point that stands alone is a dot."""
    import cv2

    run: list[tuple[int, int]] = []
    for point in [*points, None]:
        if point is not None:
            run.append(point)
        elif run:
            if len(run) == 1:
                cv2.circle(image, run[0], 2, LINE, -1, cv2.LINE_AA)
            else:
                cv2.polylines(image, [np.array(run, np.int32)], False, LINE, 2, cv2.LINE_AA)
            run = []


def _scale(curve: Curve) -> tuple[float, float]:
    """From zero where nothing is below it, to a little above the highest of curve and limit."""
    known = [value for value in curve.values.tolist() if math.isfinite(value)]
    if curve.limit is not None:
        known.append(curve.limit)
    low, high = min(0.0, *known), max(known)
    return (low, low + 1.0) if high <= low else (low, low + (high - low) * 1.08)


def _short(value: float) -> str:
    """At most seven characters: 950M, 12.5, 0."""
    for factor, prefix in wording.PREFIXES:
        if abs(value) >= factor:
            return f"{value / factor:.3g}{prefix}"
    return f"{value:.3g}"
