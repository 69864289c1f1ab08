"""Metrics that are worked out of stored columns when a rule asks for them; never stored themselves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Derived:
    """`work_out(values, speed_bps)` gives the value, or None where a part of it is missing."""

    unit: str
    label: str
    columns: tuple[str, ...]
    work_out: Callable[[Values, int | None], float | None]


def _largest(values: Values, names: tuple[str, ...]) -> float | None:
    return max((value for name in names if (value := values.get(name)) is not None), default=None)


def _sum(values: Values, names: tuple[str, ...]) -> float | None:
    found = [value for name in names if (value := values.get(name)) is not None]
    return sum(found) if found else None


def _utilisation(values: Values, speed_bps: int | None) -> float | None:
    busiest = _largest(values, ("in_bps", "out_bps"))
    return 100 * busiest / speed_bps if busiest is not None and speed_bps else None


DERIVED: dict[str, Derived] = {
    "if.counters.utilisation_percent": Derived(
        "%", "Utilisation", ("in_bps", "out_bps"), _utilisation
    ),
    "if.counters.errors_per_second": Derived(
        "error/s",
        "Errors",
        ("in_err", "out_err"),
        lambda values, _: _sum(values, ("in_err", "out_err")),
    ),
    "if.counters.discards_per_second": Derived(
        "packet/s",
        "Discards",
        ("in_disc", "out_disc"),
        lambda values, _: _sum(values, ("in_disc", "out_disc")),
    ),
}
# By metric set, what recording has to look for: column -> Derived.
BY_SET: dict[str, dict[str, Derived]] = {}
for _name, _derived in DERIVED.items():
    _set, _, _column = _name.rpartition(".")
    BY_SET.setdefault(_set, {})[_column] = _derived
