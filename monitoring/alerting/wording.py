"""What alerts say of themselves. Texts of devices are cut and freed of what no line of text may hold."""

import unicodedata
from datetime import datetime
from typing import Any

from monitoring import metrics
from monitoring.alerting import derived
from monitoring.alerting.sources import Observation

COMPARATORS = {
    "gt": "above", "ge": "at or above", "lt": "below", "le": "at or below", "eq": "equal to", "ne": "not",
}  # fmt: skip
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SCALED = {"bit/s", "B", "packet/s"}
# Bidirectional controls reorder what follows them, in a mail as on a page.
BIDI = {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069", "\u200e", "\u200f"}


def clean(text: Any, limit: int) -> str:
    """One line of plain text: no control characters, no line ends, no direction marks, at most `limit` characters."""
    text = str(text)
    if len(text) <= limit and text.isprintable() and "  " not in text:
        return text.strip()  # as nearly all are
    shown = "".join(" " if _is_unfit(char) else char for char in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _is_unfit(char: str) -> bool:
    return char in BIDI or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")


def number(value: float, unit: str) -> str:
    """A value as people read it: 97.3 %, 1.25 Gbit/s, 4 d."""
    if unit in SCALED:
        for factor, prefix in PREFIXES:
            if abs(value) >= factor:
                return f"{value / factor:.3g} {prefix}{unit}"
    shown = f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return f"{shown} {unit}".strip()


def metric_words(metric: str) -> tuple[str, str]:
    """Label and unit of a metric, stored or derived."""
    if (made := derived.DERIVED.get(metric)) is not None:
        return made.label, made.unit
    name, _, column = metric.rpartition(".")
    metric_set = metrics.SETS.get(name)
    if metric_set is None or column not in metric_set.names:
        return metric, ""
    found = metric_set.columns[metric_set.index(column)]
    return found.label or found.name, found.unit


def summary(rule: Any, seen: Observation) -> str:
    """One line: what is wrong with which object. The device stands beside it, not in it."""
    if rule.source.shape == "metric" and seen.value is not None:
        label, unit = metric_words(rule.metric)
        where = f" of {seen.subject}" if seen.subject else ""
        limit = f"{COMPARATORS[rule.comparator]} {number(rule.raise_value, unit)}"
        return clean(f"{label}{where}: {number(seen.value, unit)} ({limit})", 300)
    if seen.summary:
        return clean(seen.summary, 300)
    return clean(f"{rule.name}: {seen.subject}" if seen.subject else rule.name, 300)


def duration(seconds: float) -> str:
    """45 s, 12 min, 3 h 5 min, 2 d 4 h."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def between(since: datetime, until: datetime) -> str:
    return duration((until - since).total_seconds())
