"""What becomes of one alert whose time has come. Works on rows in memory; the engine locks and writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from monitoring.alerting import flapping, machine, observing
from monitoring.alerting.rulebook import NOWHERE, Rule, places_of
from monitoring.alerting.situation import Situation
from monitoring.models.alerts import Alert, AlertEvent

HOLD = timedelta(seconds=30)
LONGEST_HOLD = timedelta(minutes=3)
RECHECK = timedelta(seconds=15)
# What is held back is looked at again when its cause is over; this is for what nobody announces.
HELD_RECHECK = timedelta(minutes=5)
# So long has what is behind a device that came back to answer before anything is said of it.
BACK_RECHECK = timedelta(minutes=1)
GRACE_CYCLES = 2  # of polling, for what is behind a device that came back

State, Kind = Alert.State, AlertEvent.Kind
HELD = (State.UNREACHABLE, State.MAINTENANCE, State.BLIND)


@dataclass(slots=True)
class Ledger:
    """What the decisions come to. `to_tell`: alert, kind of message, and the event that it is about."""

    now: datetime
    earlier: Mapping[str, list[float]] = field(default_factory=dict)
    changed: dict[int, Alert] = field(default_factory=dict)
    dropped: list[Alert] = field(default_factory=list)
    events: list[AlertEvent] = field(default_factory=list)
    to_tell: list[tuple[Alert, str, AlertEvent]] = field(default_factory=list)
    to_ask: set[int] = field(default_factory=set)
    excused: dict[int, str] = field(default_factory=dict)  # device -> excuse, empty when it has none any more
    cut: list[Alert] = field(default_factory=list)

    def note(
        self, alert: Alert, kind: str, text: str = "", *, at: datetime | None = None, tell: str = "", **extra: Any
    ) -> AlertEvent:
        """Add an event to the alert; with `tell`, people get a message of that kind."""
        alert.seq += 1
        alert.version += 1
        event = AlertEvent(
            alert=alert,
            seq=alert.seq,
            at=at or self.now,
            kind=kind,
            severity=alert.severity,
            text=text[:1000],
            **extra,
        )
        self.events.append(event)
        self.changed[alert.pk] = alert
        if tell:
            self.to_tell.append((alert, tell, event))
        return event

    def move(self, alert: Alert, state: str, kind: str, text: str = "", *, tell: str = "") -> AlertEvent:
        """Move an alert to a state."""
        if alert.seq == 0:
            self.note(alert, Kind.OPENED, alert.summary, at=alert.started_at)
        alert.state, alert.state_since = state, self.now
        if alert.source == "device.down" and alert.device_id is not None:
            self.excused[alert.device_id] = state if state in HELD else ""
        return self.note(alert, kind, text, tell=tell)


def decide(ledger: Ledger, alert: Alert, rule: Rule | None, look: Situation) -> None:
    """Bring one alert to where it belongs now."""
    ledger.changed[alert.pk] = alert
    if rule is None:
        resolve(ledger, alert, "Its rule was deleted or switched off.")
    elif alert.state == State.FLAPPING:
        _settle(ledger, alert)
    elif not alert.is_bad:
        _clear(ledger, alert, rule)
    elif rule.source.shape == "event" and alert.state == State.FIRING:
        _expire(ledger, alert, rule)
    elif alert.state != State.FIRING:
        _raise(ledger, alert, rule, look)
    else:
        alert.due_at = None


def _expire(ledger: Ledger, alert: Alert, rule: Rule) -> None:
    alert.due_at = observing.due_at(alert, rule)
    if alert.due_at is not None and alert.due_at <= ledger.now:
        resolve(ledger, alert, "It did not happen again.")


def _clear(ledger: Ledger, alert: Alert, rule: Rule) -> None:
    over = machine.over_at(alert, rule.terms)
    if over is None or over > ledger.now:
        alert.due_at = over
    elif alert.seq == 0:
        ledger.dropped.append(alert)  # it never came to anything
        ledger.changed.pop(alert.pk, None)
    elif alert.fired_at is None:
        resolve(ledger, alert, "It was over before it was confirmed.")
    else:
        alert.transitions = flapping.remember(alert.transitions, ledger.now)
        if flapping.is_flapping(alert.transitions):
            _flap(ledger, alert)
        else:
            resolve(ledger, alert)


def resolve(ledger: Ledger, alert: Alert, text: str = "", **extra: Any) -> AlertEvent:
    """End an alert. Whoever was told that it fires is told that it is over."""
    alert.resolved_at = max(ledger.now, alert.started_at)
    alert.due_at = alert.hold_until = alert.escalate_at = alert.remind_at = None
    event = ledger.move(alert, State.RESOLVED, Kind.RESOLVED, text, tell="resolved" if alert.is_told else "")
    for name, value in extra.items():
        setattr(event, name, value)
    return event


def _flap(ledger: Ledger, alert: Alert) -> None:
    alert.due_at = flapping.stable_at(alert.transitions)
    alert.escalate_at = alert.remind_at = None
    count = len(alert.transitions)
    text = f"Came or went {count} times within 30 minutes; quiet until it has been stable for as long."
    ledger.move(alert, State.FLAPPING, Kind.FLAPPING, text, tell="flapping" if alert.is_told else "")


def _settle(ledger: Ledger, alert: Alert) -> None:
    alert.due_at = flapping.stable_at(alert.transitions)
    if alert.due_at is not None and alert.due_at > ledger.now:
        return
    if alert.is_bad:
        alert.due_at, alert.transitions = None, []
        _fire(ledger, alert, "It no longer flaps: it has been bad for 30 minutes.")
    else:
        resolve(ledger, alert, "Stable for 30 minutes.")


def _raise(ledger: Ledger, alert: Alert, rule: Rule, look: Situation) -> None:
    ripe = machine.ripe_at(alert, rule.terms)
    if alert.state == State.PENDING and (ripe is None or ripe > ledger.now):
        alert.due_at = ripe
        return
    if (held := _held(alert, rule, look)) is not None:
        _hold_back(ledger, alert, *held)
        if held[0] == State.UNREACHABLE:
            ledger.cut.append(alert)
        return
    if alert.state in HELD:
        _let_go(ledger, alert, look)
        return
    if (until := _wait(ledger, alert, rule, look)) is not None:
        alert.due_at = until
        return
    alert.fired_at = ledger.now
    alert.transitions = flapping.remember(ledger.earlier.get(alert.fingerprint, []), ledger.now)
    if flapping.is_flapping(alert.transitions):
        alert.is_told = True
        _flap(ledger, alert)
        return
    alert.data = {**alert.data, "is_relapse": flapping.is_relapse(alert.transitions)}
    if rule.source.is_path and alert.device_id is not None:
        alert.data = {**alert.data, "behind": len(look.graph.behind({alert.device_id}))}
    _fire(ledger, alert, alert.detail)


def _fire(ledger: Ledger, alert: Alert, text: str) -> None:
    # Who waited for word of its ancestors has waited long enough for others of the same cause.
    has_waited = alert.hold_until is not None
    alert.due_at = alert.hold_until = alert.cause = None
    event = ledger.move(alert, State.FIRING, Kind.FIRING, text, tell="firing")
    event.data = {"wait": 0 if has_waited else settings.GROUP_WAIT_SECONDS}


def _held(alert: Alert, rule: Rule, look: Situation) -> tuple[str, str] | None:
    """Why nobody is told of this fault: the state, and the reason in words."""
    window = look.window_of(alert.device_id)
    if window is not None:
        return State.MAINTENANCE, f"Maintenance: {window.name}."
    if not rule.source.is_path or alert.device_id is None:
        return None
    if look.blind:
        return State.BLIND, look.blind
    if look.is_cut(alert.device_id):
        return State.UNREACHABLE, "Every way to it leads through something that is down."
    return None


def _hold_back(ledger: Ledger, alert: Alert, state: str, text: str) -> None:
    alert.due_at = ledger.now + (RECHECK * 2 if state == State.BLIND else HELD_RECHECK)
    alert.hold_until = None
    if state == State.MAINTENANCE:
        alert.was_in_maintenance = True
        alert.due_at = ledger.now + RECHECK * 4
    if alert.state != state:
        ledger.move(alert, state, state, text)


def _let_go(ledger: Ledger, alert: Alert, look: Situation) -> None:
    """What held it back is over: it gets the time to come back by itself before it counts as a fault of its own."""
    node = look.nodes.get(alert.device_id) if alert.device_id is not None else None
    grace = timedelta(seconds=GRACE_CYCLES * (node.expected_seconds if node else 60))
    if alert.state == State.MAINTENANCE:
        grace = timedelta(0)  # who works on it was told when the window ends
    alert.hold_until = alert.due_at = ledger.now + grace
    alert.cause = None
    ledger.move(alert, State.PENDING, Kind.PENDING, "What held it back is over.")
    alert.due_at = max(alert.hold_until, ledger.now + timedelta(seconds=1))


def _wait(ledger: Ledger, alert: Alert, rule: Rule, look: Situation) -> datetime | None:
    """Until when a fault waits for word of its ancestors; None when it may fire.

    It fires when some way to it was seen alive after the hold began. An ancestor that came back meanwhile gives it two
    cycles of grace. What nobody could ask for three minutes holds nothing back: a fault is not lost to a blind spot.
    """
    device_id, now = alert.device_id, ledger.now
    if not rule.source.is_path or device_id is None or not look.has_parents(device_id):
        return None
    if alert.hold_until is None:
        alert.hold_until = now + HOLD
        ledger.to_ask.add(device_id)
        return alert.hold_until
    if alert.hold_until > now:
        return alert.hold_until
    back = look.back_since(device_id, alert.started_at)
    if back is not None:
        grace = datetime.fromtimestamp(back, UTC) + timedelta(seconds=GRACE_CYCLES * _cycle(look, device_id))
        if grace > now:
            return grace
    began = alert.hold_until - HOLD
    if look.answered_since(device_id, began) or now - began >= LONGEST_HOLD:
        return None
    ledger.to_ask.add(device_id)
    return now + RECHECK


def _cycle(look: Situation, device_id: int) -> int:
    node = look.nodes.get(device_id)
    return node.expected_seconds if node else 60


def find_causes(ledger: Ledger, look: Situation) -> None:
    """Say of alerts that were cut off which alert explains them."""
    above: dict[int, list[int]] = {}
    for alert in ledger.cut:
        if alert.device_id is not None:
            above[alert.pk] = look.graph.causes(alert.device_id, look.blocked, look.reached)
    wanted = {device for devices in above.values() for device in devices}
    rows = Alert.objects.open().filter(device_id__in=wanted, source="device.down").select_related("device")
    by_device = {row.device_id: row for row in rows}
    told = {event.alert_id: event for event in ledger.events if event.kind == Kind.UNREACHABLE}
    places = places_of((alert.device_id for alert in ledger.cut if alert.device_id is not None), with_tags=False)
    for alert in ledger.cut:
        found = [by_device[device] for device in above.get(alert.pk, ()) if device in by_device]
        if found and alert.pk in told:
            alert.cause = found[0]
            # A tenant's people read this: what stands before their devices may be somebody else's.
            tenant = places.get(alert.device_id or 0, NOWHERE).tenant_id
            near = [row.device for row in found if row.device and tenant in (None, row.device.tenant_id)]
            if near:
                names = ", ".join(str(device) for device in near[:3])
                told[alert.pk].text = f"Reached only through {names}, which is down."[:1000]
