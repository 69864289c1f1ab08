"""From transitions to rows of the outbox, in the transaction of the transition: one row a destination, never two.

Nobody hears a lone "it is over": a resolve goes to those who were told that it fires, and a message that still waits
when the fault ends is taken back.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from monitoring.alerting import rulebook, silences
from monitoring.alerting.rulebook import NOWHERE, Place
from monitoring.models.alerts import Alert, AlertEvent
from monitoring.models.delivery import Channel, Notification
from monitoring.models.rules import Severity
from monitoring.notifying.directory import Destination, Directory, Policy, not_before
from netmon.common.rows import update_rows

Kind, Status = Notification.Kind, Notification.Status
Telling = tuple[Alert, str, AlertEvent]
Key = tuple[int, int]  # of a destination: contact and channel
# A fault that came back within half an hour is told when it has lasted: with the first message and that of its end,
# or of its flapping, that makes two.
RELAPSE_WAIT = timedelta(minutes=10)
BUDGET, BUDGET_WINDOW = 2, timedelta(minutes=30)
SILENT = "is_silent"
TELLS_OF_FIRING = (Kind.FIRING, Kind.ESCALATION, Kind.REMINDER, Kind.FLAPPING)
# One that is being sent, or may have been, counts as heard; delivery looks again before it sends the resolve.
HEARD = (Status.SENT, Status.LEASED, Status.UNCERTAIN)
WRITTEN = ("status", "kind", "next_at", "last_error", "data")


def dedupe_key(alert_id: int | None, seq: int, kind: str, contact: int | None, channel: int | None, no: int = 0) -> str:
    text = ":".join(str(part) for part in (alert_id, seq, kind, contact, channel, no))
    return hashlib.sha256(text.encode()).hexdigest()


def row_for(
    alert: Alert, kind: str, seq: int, to: Destination, *, now: datetime, at: datetime, repeat_no: int = 0, **more: Any
) -> Notification:
    """A row of the outbox for one destination, to be sent at `at` or when the contact may be disturbed."""
    due, held = not_before(to.contact, alert.severity, at)
    data = more.pop("data", {})
    return Notification(
        alert=alert,
        seq=seq,
        kind=kind,
        contact=to.contact,
        channel=to.channel,
        to=to.name,
        repeat_no=repeat_no,
        dedupe_key=dedupe_key(alert.pk, seq, kind, *to.key, repeat_no),
        severity=alert.severity,
        severity_rank=Severity(alert.severity).rank,
        alert_version=alert.version,
        created_at=now,
        next_at=due,
        data={**data, "held": held} if held else data,
        **more,
    )


@dataclass(slots=True)
class Known:
    """What planning knows, read once however many alerts there are; `changed` are rows to be written."""

    now: datetime
    directory: Directory
    book: rulebook.Rulebook
    shut: silences.Shut
    places: dict[int, Place]
    past: Mapping[int, list[Notification]]  # by alert: what was planned of it so far
    unheard: Mapping[str, dict[Key, Notification]]  # by fingerprint: resolves that still wait
    heard: Mapping[tuple[int, Key], Notification]  # the last message sent of the alerts of those
    spent: Mapping[str, dict[Key, list[datetime]]]  # by fingerprint: when messages went out of late
    changed: dict[int, Notification] = field(default_factory=dict)

    @classmethod
    def of(cls, tellings: Sequence[Telling], now: datetime) -> "Known":
        directory, book = Directory.load(), rulebook.load()
        devices = {alert.device_id for alert, _, _ in tellings if alert.device_id is not None}
        with_tags = book.wants_tags or any(directory.tags.values()) or any(p.scope.tag_id for p in directory.policies)
        relapsed = [alert.fingerprint for alert, kind, _ in tellings if kind == Kind.FIRING and _is_relapse(alert)]
        unheard = _waiting_resolves(relapsed)
        return cls(
            now=now,
            directory=directory,
            book=book,
            shut=silences.Shut.load(now),
            places=rulebook.places_of(devices, with_tags=with_tags),
            past=_past([alert for alert, kind, _ in tellings if kind != Kind.FIRING]),
            unheard=unheard,
            heard=_last_sent({row.alert_id for rows in unheard.values() for row in rows.values()}),
            spent=_sent_of_late({alert.fingerprint for alert, kind, _ in tellings if kind == Kind.FLAPPING}, now),
        )

    def policy_of(self, alert: Alert) -> Policy:
        rule = self.book.by_id.get(alert.rule_id or 0)
        return self.directory.policy_for(rule.policy_id if rule else None, place_of(alert, self.places))

    def recipients(self, alert: Alert) -> list[Destination]:
        """Whom the first step tells."""
        return self.directory.recipients(self.policy_of(alert), 0, alert.severity, place_of(alert, self.places))

    def change(self, row: Notification) -> None:
        self.changed[row.pk] = row


def plan(tellings: Sequence[Telling], now: datetime) -> int:
    """Write the messages of these transitions. Returns how many rows are new. Call in their transaction."""
    if not tellings:
        return 0
    known = Known.of(tellings, now)
    new: list[Notification] = []
    told: list[Alert] = []
    for alert, kind, event in tellings:
        past = known.past.get(alert.pk, [])
        if kind == Kind.RESOLVED:
            new += _resolved(known, alert, event, past)
        elif kind == Kind.FIRING or (kind == Kind.FLAPPING and not past):  # that is how people learn of it
            told.append(alert)
            alert.silenced_until = known.shut.until(alert, place_of(alert, known.places))
            mark_silent(alert, is_silent=alert.silenced_until is not None)
            rows = list(_first(known, alert, kind, event)) if alert.silenced_until is None else []
            alert.is_told = bool(rows) or (alert.is_told and kind == Kind.FIRING)
            new += rows
        else:
            new += _follow_up(known, alert, kind, event, past)
    update_rows(known.changed.values(), WRITTEN)
    Notification.objects.bulk_create(new, batch_size=200, ignore_conflicts=True)
    update_rows(told, ("is_told", "escalate_at", "escalation_step", "remind_at", "silenced_until", "data"))
    return len(new)


def mark_silent(alert: Alert, *, is_silent: bool) -> None:
    """Remember of an alert whether a silence kept it from being told. Until when it is silent, the silence knows."""
    others = {name: value for name, value in alert.data.items() if name != SILENT}
    alert.data = {**others, SILENT: True} if is_silent else others


def place_of(alert: Alert, places: dict[int, Place]) -> Place:
    if alert.device_id is not None:
        return places.get(alert.device_id, NOWHERE)
    return Place(None, alert.tenant_id)


def _is_relapse(alert: Alert) -> bool:
    return bool(alert.data.get("is_relapse"))


def _past(alerts: Iterable[Alert]) -> dict[int, list[Notification]]:
    """What was planned of these alerts so far, locked against the workers."""
    found: dict[int, list[Notification]] = defaultdict(list)
    ids = [alert.pk for alert in alerts]
    rows = Notification.objects.select_for_update(of=("self",)).filter(alert__in=ids).exclude(status="superseded")
    for row in rows.select_related("channel").order_by("pk"):
        if row.alert_id is not None:
            found[row.alert_id].append(row)
    return found


def _waiting_resolves(fingerprints: Collection[str]) -> dict[str, dict[Key, Notification]]:
    """Resolves of these faults that nobody has heard yet, by fingerprint and destination; locked."""
    found: dict[str, dict[Key, Notification]] = defaultdict(dict)
    if not fingerprints:
        return found
    rows = Notification.objects.select_for_update(of=("self",)).filter(
        alert__fingerprint__in=fingerprints, kind=Kind.RESOLVED, status__in=Notification.OPEN, attempt=0
    )
    for row in rows.select_related("alert").order_by("pk"):
        if row.alert is not None and row.contact_id is not None and row.channel_id is not None:
            found[row.alert.fingerprint][row.contact_id, row.channel_id] = row
    return found


def _last_sent(alert_ids: Collection[int | None]) -> dict[tuple[int, Key], Notification]:
    """Of each of these alerts and each destination the last message that was sent."""
    found: dict[tuple[int, Key], Notification] = {}
    if not alert_ids:
        return found
    rows = Notification.objects.filter(alert__in=alert_ids, status=Status.SENT)
    for row in rows.order_by("created_at", "pk"):
        if row.alert_id is not None and row.contact_id is not None and row.channel_id is not None:
            found[row.alert_id, (row.contact_id, row.channel_id)] = row
    return found


def _sent_of_late(fingerprints: Collection[str], now: datetime) -> dict[str, dict[Key, list[datetime]]]:
    """When messages about these faults went out within the window of the budget, by destination, the oldest first.

    What was carried over went out once; what some addresses got later is a part of a message.
    """
    found: dict[str, dict[Key, list[datetime]]] = defaultdict(lambda: defaultdict(list))
    if not fingerprints:
        return found
    rows = Notification.objects.filter(
        alert__fingerprint__in=fingerprints, status=Status.SENT, sent_at__gt=now - BUDGET_WINDOW
    ).exclude(data__has_any_keys=["carried_from", "only"])
    for mark, contact, channel, at in rows.order_by("sent_at").values_list(
        "alert__fingerprint", "contact_id", "channel_id", "sent_at"
    ):
        if mark is not None and contact is not None and channel is not None and at is not None:
            found[mark][contact, channel].append(at)
    return found


def _first(known: Known, alert: Alert, kind: str, event: AlertEvent) -> Iterable[Notification]:
    """The message by which people learn of a fault."""
    now = known.now
    if kind == Kind.FIRING:
        _plan_ahead(known, alert)
    at = now + timedelta(seconds=event.data.get("wait", 0))
    if kind == Kind.FIRING and _is_relapse(alert):
        at = now + RELAPSE_WAIT
    for to in known.recipients(alert):
        if to.channel.pk == alert.data.get("not_by"):
            continue  # the alert is about this very channel
        if kind == Kind.FLAPPING:
            yield row_for(alert, kind, event.seq, to, now=now, at=_within_budget(known, alert, to.key))
            continue
        row = row_for(alert, kind, event.seq, to, now=now, at=at)
        unheard = known.unheard.get(alert.fingerprint, {}).get(to.key)
        if unheard is not None:
            # They believe that it still fires, and it does: take the resolve back and say nothing.
            unheard.status, unheard.last_error = Status.SUPERSEDED, "It came back before this was sent."
            known.change(unheard)
            if (last := known.heard.get((unheard.alert_id or 0, to.key))) is not None:
                row.status, row.sent_at = Status.SENT, last.sent_at
                row.message_key, row.provider_id = last.message_key, last.provider_id
                row.data = {**row.data, "carried_from": last.pk}
        yield row


def _plan_ahead(known: Known, alert: Alert) -> None:
    """When the next step and the first reminder are due: so long after people hear of it, not after what nobody heard,
    or all the steps of a fault that was silenced would be told at once."""
    alert.escalation_step = 0
    alert.escalate_at = next_step_at(known.policy_of(alert), 0, known.now)
    waits = [to.contact.repeat_seconds for to in known.recipients(alert) if reminds(to, alert.severity)]
    alert.remind_at = known.now + timedelta(seconds=min(waits)) if waits else None


def next_step_at(policy: Policy, number: int, now: datetime) -> datetime | None:
    """When the step after this one is due, which is told now; None when it is the last."""
    if number + 1 >= len(policy.steps):
        return None
    return now + policy.steps[number + 1].after - policy.steps[number].after


def resume(alert: Alert, now: datetime) -> None:
    """Steps and reminders of an alert that nobody looks after any more begin anew. What does not fire has none."""
    if alert.state == Alert.State.FIRING:
        known = Known.of([], now)
        known.places = rulebook.places_of([alert.device_id] if alert.device_id else [], with_tags=True)
        alert.escalate_at = next_step_at(known.policy_of(alert), alert.escalation_step, now)
        alert.remind_at = now


def hush(alert: Alert) -> None:
    """Take back what waits to be told of an alert that was silenced. If nobody has heard of it by then, they do when
    the silence ends."""
    rows = _past([alert]).get(alert.pk, [])
    waiting = [row for row in rows if row.status in (Status.PENDING, Status.RETRY) and not row.is_repeat]
    for row in waiting:
        row.status, row.last_error = Status.SUPERSEDED, "It was silenced before this was sent."
    update_rows(waiting, WRITTEN)
    alert.is_told = any(row.status in HEARD for row in rows if row.kind in TELLS_OF_FIRING)
    if not alert.is_told:
        alert.escalate_at = alert.remind_at = None
        mark_silent(alert, is_silent=True)


def reminds(to: Destination, severity: str) -> bool:
    """Whether this contact wants to be reminded of alerts of this severity."""
    wanted = Severity(to.contact.repeat_min_severity).rank
    return to.contact.repeat_seconds > 0 and Severity(severity).rank >= wanted


def by_destination(rows: Iterable[Notification]) -> dict[Key, list[Notification]]:
    found: dict[Key, list[Notification]] = defaultdict(list)
    for row in rows:
        if row.contact_id is not None and row.channel_id is not None:
            found[row.contact_id, row.channel_id].append(row)
    return found


def destination(directory: Directory, key: Key) -> Destination | None:
    contact = directory.contacts.get(key[0])
    channel = next((one for one in directory.channels.get(key[0], ()) if one.pk == key[1]), None)
    return Destination(contact, channel) if contact and channel else None


def _resolved(known: Known, alert: Alert, event: AlertEvent, past: Sequence[Notification]) -> Iterable[Notification]:
    for key, rows in by_destination(past).items():
        tells = [row for row in rows if row.kind in TELLS_OF_FIRING]
        was_told = any(row.status in HEARD for row in tells)
        for row in tells:
            if row.status in (Status.PENDING, Status.RETRY):
                take_back(row, known.now, was_told=was_told)
                known.change(row)
        to = destination(known.directory, key)
        if was_told and to is not None and to.contact.wants_resolved:
            # Addresses whose server put them off have not heard that it fires.
            missing = {one for row in tells if row.status == Status.SUPERSEDED for one in row.data.get("only", ())}
            data = {"not_to": sorted(missing)} if missing else {}
            at = _settled_at(alert, known.now)
            yield row_for(alert, Kind.RESOLVED, event.seq, to, now=known.now, at=at, data=data)


def take_back(row: Notification, now: datetime, *, was_told: bool) -> None:
    """A firing that nobody heard, of a fault that is over. A late one is told as what it was: began and ended."""
    late = timedelta(minutes=row.channel.late_minutes if isinstance(row.channel, Channel) else 5)
    if row.kind == Kind.FIRING and not was_told and "held" not in row.data and now - row.first_due_at > late:
        row.kind = Kind.COMBINED
        row.last_error = ""
    else:
        row.status, row.last_error = Status.SUPERSEDED, "It was over before this was sent."


def _settled_at(alert: Alert, now: datetime) -> datetime:
    """A short fault may be the first of many: its end is told when it has kept for a while."""
    settle = timedelta(seconds=settings.SETTLE_SECONDS)
    is_short = alert.fired_at is not None and now - alert.fired_at < settle
    return now + settle if is_short and alert.source != "event" else now


def _follow_up(
    known: Known, alert: Alert, kind: str, event: AlertEvent, past: Sequence[Notification]
) -> Iterable[Notification]:
    """Flapping, acknowledged: for those who heard of it, or were just about to."""
    now = known.now
    for key, rows in by_destination(past).items():
        to = destination(known.directory, key)
        tells = [row for row in rows if row.kind in TELLS_OF_FIRING]
        if kind == Kind.FLAPPING:
            for row in rows:
                if row.status in (Status.PENDING, Status.RETRY):
                    row.status, row.last_error = Status.SUPERSEDED, "It flaps: that is told instead."
                    known.change(row)
        if to is None or not tells:
            continue
        if kind == Kind.ACKNOWLEDGED:
            heard = any(row.status == Status.SENT for row in tells)
            # A mail "somebody looks after it" is one too many; a chat and a program want to know.
            if not heard or to.channel.kind not in (Channel.Kind.SLACK, Channel.Kind.WEBHOOK):
                continue
        at = _within_budget(known, alert, key) if kind == Kind.FLAPPING else now
        yield row_for(alert, kind, event.seq, to, now=now, at=at)


def _within_budget(known: Known, alert: Alert, key: Key) -> datetime:
    """When one more message about this fault keeps within two in half an hour."""
    sent = known.spent.get(alert.fingerprint, {}).get(key, [])
    return sent[-BUDGET] + BUDGET_WINDOW if len(sent) >= BUDGET else known.now
