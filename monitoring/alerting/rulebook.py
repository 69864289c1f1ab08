"""The rules, compiled for asking: which of them speak of this device and object, and which limits are passed."""

import threading
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Max, Sum

from inventory.models import Device
from monitoring import metrics
from monitoring.alerting import derived, sources
from monitoring.alerting.machine import Terms, is_beyond
from monitoring.alerting.sources import Observation
from monitoring.models.rules import AlertRule, Severity, SeverityModifier


@dataclass(frozen=True, slots=True)
class Place:
    """What scopes ask of a device. `tags` is read only where some scope has a tag."""

    device_id: int | None = None
    tenant_id: int | None = None
    site_id: int | None = None
    kind: str = ""
    tags: frozenset[int] = frozenset()


NOWHERE = Place()
FEW = 2000


def places_of(device_ids: Iterable[int], *, with_tags: bool) -> dict[int, Place]:
    """One query, or two with tags."""
    ids = set(device_ids)
    rows, tagged = Device.objects.all(), Device.tags.through.objects.all()
    if len(ids) <= FEW:  # a statement holds so many parameters and no more
        rows, tagged = rows.filter(pk__in=ids), tagged.filter(device_id__in=ids)
    tags: dict[int, set[int]] = defaultdict(set)
    if with_tags:
        for device_id, tag_id in tagged.values_list("device_id", "tag_id"):
            tags[device_id].add(tag_id)
    return {
        pk: Place(pk, tenant, site, kind, frozenset(tags.get(pk, ())))
        for pk, tenant, site, kind in rows.values_list("pk", "tenant_id", "site_id", "kind")
        if pk in ids
    }


@dataclass(frozen=True, slots=True)
class Scope:
    tenant_id: int | None = None
    site_id: int | None = None
    kind: str = ""
    tag_id: int | None = None
    device_id: int | None = None
    listed: frozenset[int] | None = None  # devices named one by one

    @classmethod
    def of(cls, row: Any) -> "Scope":
        """Of anything that is `Scoped`."""
        listed = getattr(row, "listed", None)
        return cls(row.tenant_id, row.site_id, row.kind, row.tag_id, row.device_id, listed)

    @property
    def is_open(self) -> bool:
        return self == EVERYWHERE

    def holds(self, place: Place) -> bool:
        return (
            (self.tenant_id is None or self.tenant_id == place.tenant_id)
            and (self.site_id is None or self.site_id == place.site_id)
            and (not self.kind or self.kind == place.kind)
            and (self.tag_id is None or self.tag_id in place.tags)
            and (self.device_id is None or self.device_id == place.device_id)
            and (self.listed is None or place.device_id in self.listed)
        )


EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as the machine wants it."""

    pk: int
    name: str
    source: sources.Source
    metric: str
    match: str
    interface_pattern: str
    comparator: str
    raise_value: float
    clear_value: float | None
    terms: Terms
    expires: timedelta  # an event is over by itself after this; zero: never
    severity: str
    scope: Scope
    policy_id: int | None

    @classmethod
    def of(cls, row: AlertRule) -> "Rule":
        source = sources.get(row.source)
        is_event = source.shape == "event"  # whose clear_seconds count from the event, not from a good look
        return cls(
            pk=row.pk or 0,
            name=row.name,
            source=source,
            metric=row.metric,
            match=row.match,
            interface_pattern=row.interface_pattern,
            comparator=row.comparator,
            raise_value=row.raise_value if row.raise_value is not None else 0.0,
            clear_value=row.clear_value,
            terms=Terms(row.for_seconds, row.for_checks, 0 if is_event else row.clear_seconds, row.clear_checks),
            expires=timedelta(seconds=row.clear_seconds if is_event else 0),
            severity=row.severity,
            scope=Scope.of(row),
            policy_id=row.policy_id,
        )

    def speaks_of(self, seen: Observation, place: Place) -> bool:
        """Whether the object is in the rule's scope."""
        if self.match and not any(fnmatchcase(seen.match, part.strip()) for part in self.match.split(",")):
            return False
        if self.interface_pattern:
            patterns = [part.strip() for part in self.interface_pattern.split(",")]
            if not any(fnmatchcase(name, pattern) for name in seen.interface_names for pattern in patterns):
                return False
        return self.scope.holds(place)

    def judges(self, seen: Observation, *, is_open: bool) -> bool | None:
        """Bad, good, or None: nothing is known."""
        if self.source.shape != "metric":
            return seen.is_bad
        if seen.value is None:
            return None
        return is_beyond(seen.value, self.comparator, self.raise_value, self.clear_value, is_open=is_open)


@dataclass(slots=True)
class Limits:
    """The rules of one metric, so that a value finds those it passes without asking each."""

    above: list[Rule] = field(default_factory=list)  # gt and ge, by rising limit
    below: list[Rule] = field(default_factory=list)  # lt and le, by rising limit
    others: list[Rule] = field(default_factory=list)
    above_values: list[float] = field(default_factory=list)
    below_values: list[float] = field(default_factory=list)

    def add(self, rule: Rule) -> None:
        kind = {"gt": self.above, "ge": self.above, "lt": self.below, "le": self.below}
        kind.get(rule.comparator, self.others).append(rule)

    def sort(self) -> None:
        self.above.sort(key=lambda rule: rule.raise_value)
        self.below.sort(key=lambda rule: rule.raise_value)
        self.above_values = [rule.raise_value for rule in self.above]
        self.below_values = [rule.raise_value for rule in self.below]

    def passed(self, value: float) -> Iterator[Rule]:
        """Rules that this value may raise; the limit itself is judged by the rule."""
        if self.above_values and self.above_values[0] <= value:
            yield from self.above[: bisect_right(self.above_values, value)]
        if self.below_values and self.below_values[-1] >= value:
            yield from self.below[bisect_left(self.below_values, value) :]
        yield from self.others


class Rulebook:
    """All enabled rules of one moment."""

    def __init__(self, rules: Iterable[Rule], modifiers: Iterable[tuple[Scope, int]] = ()) -> None:
        self.by_id = {rule.pk: rule for rule in rules}
        self.by_source: dict[str, list[Rule]] = defaultdict(list)
        self.metrics: dict[str, dict[str, Limits]] = defaultdict(dict)  # set -> column -> limits
        for rule in self.by_id.values():
            self.by_source[rule.source.key].append(rule)
            if rule.source.shape == "metric":
                name, _, column = rule.metric.rpartition(".")
                self.metrics[name].setdefault(column, Limits()).add(rule)
        for columns in self.metrics.values():
            for limits in columns.values():
                limits.sort()
        self.modifiers = list(modifiers)
        scopes = [rule.scope for rule in self.by_id.values()] + [scope for scope, _ in self.modifiers]
        self.wants_tags = any(scope.tag_id is not None for scope in scopes)

    def severity(self, rule: Rule, place: Place) -> str:
        """The rule's severity, shifted by every modifier that holds here."""
        shift = sum(delta for scope, delta in self.modifiers if scope.holds(place))
        return Severity(rule.severity).shifted(shift).value if shift else rule.severity

    def candidates(self, seen: Observation) -> Iterable[Rule]:
        """Rules that may be raised by this look; `Rule.speaks_of` and `judges` decide."""
        if seen.source != "metric":
            return self.by_source.get(seen.source, ())
        if seen.value is None:
            return ()
        name, _, column = seen.metric.rpartition(".")
        limits = self.metrics.get(name, {}).get(column)
        return limits.passed(seen.value) if limits else ()


_lock = threading.Lock()
_kept: tuple[Any, Rulebook] | None = None


def load() -> Rulebook:
    """The rules as they are now; compiled anew only when one changed. Two small queries."""
    global _kept
    marks = {"rows": Count("pk"), "last": Max("pk"), "saves": Sum("revision"), "at": Max("updated_at")}
    stamp = (*AlertRule.objects.aggregate(**marks).values(), *SeverityModifier.objects.aggregate(**marks).values())
    kept = _kept
    if kept is not None and kept[0] == stamp:
        return kept[1]
    rows = AlertRule.objects.filter(is_enabled=True, source__in=sources.SOURCES)
    modifiers = [(Scope.of(row), row.delta) for row in SeverityModifier.objects.all()]
    book = Rulebook([Rule.of(row) for row in rows], modifiers)
    with _lock:
        _kept = (stamp, book)
    return book


def metric_names() -> list[str]:
    """Every metric a rule may name, derived ones included."""
    stored = [f"{one.key}.{column.name}" for one in metrics.SETS.values() for column in one.columns]
    return sorted([*stored, *derived.DERIVED])


def check(row: AlertRule) -> None:
    """Raises ValidationError naming the field that cannot be meant."""
    source = sources.SOURCES.get(row.source)
    if source is None:
        raise ValidationError({"source": f"No such source. Known are: {', '.join(sorted(sources.SOURCES))}."})
    errors: dict[str, str] = {}
    if source.shape == "metric":
        if row.metric not in metric_names():
            errors["metric"] = "Name a metric as set.column, such as host.load5 or if.counters.utilisation_percent."
        if row.raise_value is None:
            errors["raise_value"] = "A rule on a metric needs the value beyond which it is bad."
        elif row.clear_value is not None and not _is_hysteresis(row):
            errors["clear_value"] = "The value that clears must lie on the good side of the one that raises."
    else:
        _refuse(errors, row, ("metric",), "Only rules of source metric have a metric.")
        _refuse(errors, row, ("raise_value", "clear_value"), "Only rules of source metric have limits.")
    if row.match and not source.matches:
        errors["match"] = "This source has no objects to choose from: leave it empty."
    if row.interface_pattern and not source.has_interfaces:
        errors["interface_pattern"] = "This source is not about interfaces: leave it empty."
    if source.shape == "event" and (row.for_seconds or row.for_checks != 1):
        errors["for_seconds" if row.for_seconds else "for_checks"] = "An event has no duration: it raises at once."
    errors |= _scope_errors(row)
    if errors:
        raise ValidationError(errors)


def _is_hysteresis(row: AlertRule) -> bool:
    raised, clear = row.raise_value, row.clear_value
    if raised is None or clear is None:
        return True
    if row.comparator in ("gt", "ge"):
        return clear <= raised
    if row.comparator in ("lt", "le"):
        return clear >= raised
    return clear == raised


def _refuse(errors: dict[str, str], row: AlertRule, names: Collection[str], reason: str) -> None:
    for name in names:
        if getattr(row, name) not in (None, ""):
            errors[name] = reason


def _scope_errors(row: AlertRule) -> dict[str, str]:
    """A rule of a tenant speaks of that tenant's things only."""
    if row.tenant_id is None:
        return {}
    found: Mapping[str, Any] = {"site": row.site, "device": row.device, "tag": row.tag}
    return {
        name: "This belongs to another tenant."
        for name, thing in found.items()
        if thing is not None and thing.tenant_id not in (row.tenant_id, *([None] if name == "tag" else []))
    }
