"""What rules can look at, for those who write them: sources with their fields, metrics with their units."""

from typing import Any

from monitoring import metrics as stored
from monitoring.alerting.derived import DERIVED
from monitoring.alerting.sources import SOURCES, Source

LIMITS = ["metric", "comparator", "raise_value", "clear_value"]
DURATION = ["for_seconds", "for_checks"]


def sources() -> list[dict[str, Any]]:
    return [
        {
            "key": one.key,
            "label": one.label,
            "shape": one.shape,
            "help": one.help,
            "matches": one.matches,
            "fields": fields(one),
            "is_path": one.is_path,
        }
        for one in SOURCES.values()
    ]


def fields(source: Source) -> list[str]:
    """What a rule of this source may say beside its name, severity and scope."""
    found = list(LIMITS) if source.shape == "metric" else []
    found += ["match"] if source.matches else []
    found += ["interface_pattern"] if source.has_interfaces else []
    found += DURATION if source.shape != "event" else []
    return [*found, "clear_checks", "clear_seconds"]


def metrics() -> list[dict[str, str]]:
    """Every metric, derived ones included, by name."""
    found = [
        {"name": f"{one.key}.{column.name}", "label": column.label or column.name, "unit": column.unit}
        for one in stored.SETS.values()
        for column in one.columns
    ]
    found += [{"name": name, "label": one.label, "unit": one.unit} for name, one in DERIVED.items()]
    return sorted(found, key=lambda entry: entry["name"])
