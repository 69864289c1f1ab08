"""Numbers and times as people read them. Pure functions; templates reach them through the tag library."""

import math
from datetime import UTC, datetime

DASH = "\N{EN DASH}"
STATES = {
    "up": "Up",
    "degraded": "Degraded",
    "down": "Down",
    "unknown": "No data",
    "maintenance": "Maintenance",
    "pending": "Pending",
    "flapping": "Flapping",
    "blind": "Poller blind",
    "paused": "Paused",
    "unreachable": "Unreachable",
    "firing": "Firing",
    "resolved": "Resolved",
}
# States without a shape of their own.
SHAPES = {"paused": "pending", "unreachable": "unknown", "firing": "down", "resolved": "up"}
SEVERITY_WORDS = {"info": "Info", "low": "Low", "medium": "Medium", "high": "High", "critical": "Critical"}
PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
# IF-MIB ifOperStatus; what is neither up nor an administrator's wish is worth a look.
OPER_STATES = {
    1: "Up", 2: "Down", 3: "Testing", 4: "Unknown", 5: "Dormant", 6: "Not present", 7: "Lower layer down"
}  # fmt: skip


def split_si(value: float | None, unit: str) -> tuple[str, str]:
    """A number of three figures and its unit with a decimal SI prefix: 229.3e6, "bit/s" -> ("229", "Mbit/s")."""
    if value is None or not math.isfinite(value):
        return DASH, ""
    factor, prefix = next(((f, p) for f, p in PREFIXES if abs(value) >= f * 0.9995), (1.0, ""))
    number = value / factor
    digits = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    text = f"{number:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return ("0" if text == "-0" else text), f"{prefix}{unit}"


def si(value: float | None, unit: str = "bit/s") -> str:
    return " ".join(part for part in split_si(value, unit) if part)


def decimals(value: float | None, unit: str = "") -> str:
    """A plain number with one decimal below ten, none above: 1.8 ms, 23 ms."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}"
    return f"{text} {unit}".strip()


def percent(value: float | None) -> str:
    """Two decimals, rounded down: 99.999 % must not read as a day without fault."""
    if value is None:
        return DASH
    if value >= 100:
        return "100"
    return f"{math.floor(max(value, 0) * 100) / 100:.2f}"


def duration(seconds: float | None) -> str:
    """Two units at most: "43 d 07 h", "3 h 05 min", "14 min", "12 s"."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days} d {hours:02d} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    if minutes:
        return f"{minutes} min"
    return f"{secs} s"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, or "never"."""
    if moment is None:
        return "never"
    return f"{duration(((now or datetime.now(UTC)) - moment).total_seconds())} ago"


def count(number: int, singular: str, plural: str | None = None) -> str:
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def state_word(state: str) -> str:
    return STATES.get(state, state)


def state_class(state: str) -> str:
    return SHAPES.get(state, state if state in STATES else "unknown")


def sentence(up: float, down: float, unknown: float, outages: int, last: datetime | None = None) -> str:
    """What an availability strip shows, in words."""
    if not up and not down:
        return "Nothing was measured in this time."
    parts = []
    if outages:
        when = f", the last at {last:%H:%M}" if last else ""
        parts.append(f"{count(outages, 'outage')} of {duration(down)} in all{when}")
    elif down:
        parts.append(f"down for {duration(down)}")
    else:
        parts.append("no outage")
    if unknown >= 60:
        parts.append(f"{duration(unknown)} without measurement (not counted)")
    text = ", ".join(parts) + "."
    return text[0].upper() + text[1:]
