"""What a look at something does to alerts: a first bad one opens a pending alert, later ones count.

This runs inside the transaction that records a poll, so it is cheap and decides nothing: whether a pending alert fires
and a firing one is over, says the engine.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from inventory.models import Interface
from monitoring import metrics, modules
from monitoring.alerting import derived, flapping, machine, rulebook, wording
from monitoring.alerting.rulebook import NOWHERE, Place, Rule, Rulebook
from monitoring.alerting.sources import Observation
from monitoring.models.alerts import Alert
from monitoring.models.checks import Check, DeviceState
from monitoring.models.samples import Series
from netmon.common.queue import ADVANCE_ALERTS, send_after_commit
from netmon.common.rows import update_rows

UP = 1  # ifAdminStatus and ifOperStatus
CHUNK = 500
WRITTEN = (
    "is_bad", "bad_checks", "good_checks", "last_seen_at", "cleared_at", "value", "due_at", "summary", "transitions",
    "started_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """One row of readings of a check: the values now, and the interface and its status at the look before."""

    check: Check
    series: Series
    values: Sequence[float | None]
    interface: Interface | None = None
    oper_status_before: float | None = None


def fingerprint(rule_id: int, device_id: int | None, match: str, subject: str) -> str:
    text = "\x1f".join((str(rule_id), str(device_id or ""), match, subject))
    return hashlib.sha256(text.encode()).hexdigest()


def observe_poll(seen: Iterable[Seen], checks: Sequence[Check], at: datetime) -> None:
    """Hold what a batch of polls brought against the rules; after the states of the devices were worked out."""
    book = rulebook.load()
    if not book.by_id:
        return
    device_ids = sorted({check.endpoint.device_id for check in checks})
    states = {state.device_id: state for state in DeviceState.objects.filter(device_id__in=device_ids)}
    alive = {check.pk for check in checks}
    looks: list[Observation] = []
    if book.by_source.get("device.down"):
        looks += [_look_at_device(state, at) for state in states.values()]
    if book.by_source.get("check.down"):
        looks += [_look_at_check(check, states.get(check.endpoint.device_id), at) for check in checks]
    for one in seen:
        if one.check.pk in alive:
            looks += _look_at_reading(book, one, at)
    settle(book, looks, rulebook.places_of(device_ids, with_tags=book.wants_tags), device_ids)


def observe(looks: Sequence[Observation]) -> None:
    """Hold these looks against the rules; for sources outside polling. In the caller's transaction, if there is one."""
    book = rulebook.load()
    ids = sorted({look.device_id for look in looks if look.device_id is not None})
    places = rulebook.places_of(ids, with_tags=book.wants_tags)
    settle(book, [look for look in looks if look.device_id is None or look.device_id in places], places, ids)


def _look_at_device(state: DeviceState, at: datetime) -> Observation:
    is_bad = {"down": True, "up": False, "degraded": False}.get(state.state)
    return Observation(
        source="device.down",
        at=at,
        device_id=state.device_id,
        is_bad=is_bad,
        since=state.since if is_bad else None,
        summary="Down",
        detail=wording.clean(state.cause, 1000),
    )


def subject_of(check: Check) -> str:
    """A device may have a check of some modules at each of its ports: these are told apart, and so are their alerts."""
    if check.module in modules.OF_PORTS:
        return f"{check.module} {check.endpoint.port}"
    return check.module


def _look_at_check(check: Check, state: DeviceState | None, at: datetime) -> Observation:
    is_bad: bool | None = None
    if check.status == Check.Status.DOWN:
        # Of a device that is down its own alert tells; whether this check would go is not known.
        is_down = state is not None and state.state == DeviceState.State.DOWN
        is_only = modules.MODULES.get(check.module) is None
        is_bad = None if is_down or is_only else True
    elif check.status == Check.Status.UP:
        is_bad = False
    detail = f"{check.last_error_code}: {check.last_error_detail}" if check.last_error_detail else check.last_error_code
    return Observation(
        source="check.down",
        at=at,
        device_id=check.endpoint.device_id,
        subject=subject_of(check),
        match=check.module,
        is_bad=is_bad,
        since=check.failing_since if is_bad else None,
        summary=f"{subject_of(check)} fails",
        detail=wording.clean(detail, 1000),
    )


def _look_at_reading(book: Rulebook, one: Seen, at: datetime) -> list[Observation]:
    interface, series = one.interface, one.series
    names = tuple(name for name in (interface.name, interface.if_alias) if name) if interface else ()
    subject = interface.name if interface else series.labels
    device_id = one.check.endpoint.device_id
    looks: list[Observation] = []
    columns = book.metrics.get(series.metric_set)
    if columns:
        known = metrics.get(series.metric_set).names
        values = dict(zip(known, one.values, strict=False))
        made = derived.BY_SET.get(series.metric_set, {})
        for column in columns:
            if column in made:
                value = made[column].work_out(values, interface.if_speed_bps if interface else None)
            else:
                value = values.get(column)
            if value is not None:
                looks.append(
                    Observation(
                        source="metric",
                        at=at,
                        device_id=device_id,
                        subject=subject,
                        value=value,
                        metric=f"{series.metric_set}.{column}",
                        match=series.labels,
                        interface_id=interface.pk if interface else None,
                        interface_names=names,
                    )
                )
    if interface is not None and series.metric_set == "if.counters" and book.by_source.get("interface.down"):
        looks.append(_look_at_interface(one, interface, names, device_id, at))
    return looks


def _look_at_interface(
    one: Seen, interface: Interface, names: tuple[str, ...], device_id: int, at: datetime
) -> Observation:
    is_wanted, is_up = interface.if_admin_status == UP, interface.if_oper_status == UP
    alias = f" ({interface.if_alias})" if interface.if_alias else ""
    return Observation(
        source="interface.down",
        at=at,
        device_id=device_id,
        subject=interface.name,
        match=interface.name,
        is_bad=is_wanted and not is_up,
        interface_id=interface.pk,
        interface_names=names,
        summary=f"Interface {interface.name}{alias} is down",
        # Only a change from up to down raises: a port that nobody uses is down from the beginning.
        data={"was_up": one.oper_status_before == UP},
    )


@dataclass(slots=True)
class Ledger:
    """What is to be written for some looks."""

    changed: dict[int, Alert] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    new: dict[str, Alert] = field(default_factory=dict)  # by fingerprint


def settle(
    book: Rulebook, looks: Sequence[Observation], places: Mapping[int, Place], device_ids: Sequence[int]
) -> None:
    """Note each look at the alerts that are open for its object, and open pending ones where a rule is met."""
    if not looks:
        return
    now = timezone.now()
    ledger = Ledger()
    known = _open_alerts(looks, device_ids)
    for look in looks:
        place = places.get(look.device_id, NOWHERE) if look.device_id is not None else _nowhere(look)
        key = (look.device_id, wording.clean(look.subject, 255))
        told: set[int | None] = set()
        for alert in list(known.get(key, ())):
            rule = book.by_id.get(alert.rule_id or 0)
            if rule is not None and _is_same(rule, alert, look):
                told.add(alert.rule_id)
                _note(ledger, alert, rule, look)
        for rule in book.candidates(look):
            if rule.pk not in told and _raises(rule, look, place):
                alert = _new(book, rule, look, place)
                ledger.new[alert.fingerprint] = alert
                known[key].append(alert)  # another look of the same batch may end it
    _write(ledger, now)


def _nowhere(look: Observation) -> Place:
    return Place(None, look.tenant_id) if look.tenant_id else NOWHERE


def _open_alerts(looks: Sequence[Observation], device_ids: Sequence[int]) -> dict[tuple[int | None, str], list[Alert]]:
    """The open alerts of these devices and of none, locked, by device and object."""
    found: dict[tuple[int | None, str], list[Alert]] = defaultdict(list)
    rows: list[Alert] = []
    locked = Alert.objects.open().select_for_update(of=("self",)).order_by("pk")
    for first in range(0, len(device_ids), CHUNK):
        rows += locked.filter(device_id__in=device_ids[first : first + CHUNK])
    sources = {look.source for look in looks if look.device_id is None}
    if sources:
        rows += locked.filter(device=None, source__in=sources)
    for alert in rows:
        found[alert.device_id, alert.subject].append(alert)
    return found


def _is_same(rule: Rule, alert: Alert, look: Observation) -> bool:
    if rule.source.key != look.source or (rule.source.shape == "metric" and rule.metric != look.metric):
        return False
    return rule.source.shape != "event" or alert.data.get("match") == look.match


def _raises(rule: Rule, look: Observation, place: Place) -> bool:
    if not rule.judges(look, is_open=False) or look.data.get("was_up") is False:
        return False
    return rule.speaks_of(look, place)


def _note(ledger: Ledger, alert: Alert, rule: Rule, look: Observation) -> None:
    is_bad = rule.judges(look, is_open=True)
    if is_bad is None or machine.is_stale(alert, look.at):
        return
    before = (alert.is_bad, alert.due_at)
    machine.note(alert, is_bad, look.at)
    if alert.state == Alert.State.FLAPPING and alert.is_bad != before[0]:
        alert.transitions = flapping.remember(alert.transitions, look.at)
    if not is_bad and alert.state == Alert.State.PENDING and alert.seq == 0:
        if alert.pk is None:
            ledger.new.pop(alert.fingerprint, None)
        else:
            ledger.gone.append(alert.pk)
            ledger.changed.pop(alert.pk, None)
        return
    alert.due_at = due_at(alert, rule)
    if is_bad and look.value is not None:
        alert.value, alert.summary = look.value, wording.summary(rule, look)
    # A state that stays as it was is not written with every poll.
    is_news = look.value is not None or (alert.is_bad, alert.due_at) != before or not is_bad or alert.seq == 0
    if is_news and alert.pk is not None:
        ledger.changed[alert.pk] = alert


def due_at(alert: Alert, rule: Rule) -> datetime | None:
    """When the engine has to look at an alert of which nothing more is heard."""
    state = Alert.State
    if alert.state == state.FLAPPING:
        return flapping.stable_at(alert.transitions)
    if alert.is_bad and alert.state == state.PENDING:
        ripe = machine.ripe_at(alert, rule.terms)
        return max(ripe, alert.hold_until) if ripe and alert.hold_until else ripe
    if alert.is_bad and rule.expires:
        return alert.last_seen_at + rule.expires
    if not alert.is_bad:
        return machine.over_at(alert, rule.terms)
    return alert.due_at


def _new(book: Rulebook, rule: Rule, look: Observation, place: Place) -> Alert:
    started = min(look.since or look.at, look.at)
    data: dict[str, Any] = {key: value for key, value in look.data.items() if key != "was_up"}
    match = look.match if rule.source.shape == "event" else ""
    if match:
        data["match"] = match
    alert = Alert(
        rule_id=rule.pk,
        source=rule.source.key,
        device_id=look.device_id,
        tenant_id=look.tenant_id if look.device_id is None else None,
        interface_id=look.interface_id,
        subject=wording.clean(look.subject, 255),
        fingerprint=fingerprint(rule.pk, look.device_id, match, look.subject),
        severity=book.severity(rule, place),
        summary=wording.summary(rule, look),
        detail=wording.clean(look.detail, 1000),
        value=look.value,
        data=data,
        started_at=started,
        last_seen_at=look.at,
        state_since=look.at,
    )
    alert.due_at = due_at(alert, rule)
    return alert


def _write(ledger: Ledger, now: datetime) -> None:
    if ledger.gone:
        Alert.objects.filter(pk__in=ledger.gone).delete()
    if ledger.changed:
        update_rows(ledger.changed.values(), WRITTEN)
    if ledger.new:
        # Two workers may see the same fault first: the unique rule lets one row in.
        Alert.objects.bulk_create(ledger.new.values(), batch_size=200, ignore_conflicts=True)
    touched = [*ledger.changed.values(), *ledger.new.values()]
    if any(alert.due_at is not None and alert.due_at <= now for alert in touched):
        send_after_commit(ADVANCE_ALERTS)
