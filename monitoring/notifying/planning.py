"""From transitions to rows of the outbox, in the transaction of the transition: one row a destination, never two.

Nobody hears a lone "it is over": a resolve goes to those who were told that it fires, and a message that still waits
when the fault ends is taken back.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from monitoring.alerting import rulebook, silences
from monitoring.alerting.rulebook import NOWHERE, Place
from monitoring.models.alerts import Alert, AlertEvent
from monitoring.models.delivery import Channel, Notification
from monitoring.models.rules import Severity
from monitoring.notifying.directory import Destination, Directory, not_before
from netmon.common.rows import update_rows

Kind, Status = Notification.Kind, Notification.Status
Telling = tuple[Alert, str, AlertEvent]
# A fault that came back within half an hour is told when it has lasted: with the first message and that of its end,
# or of its flapping, that makes two.
RELAPSE_WAIT = timedelta(minutes=10)
BUDGET, BUDGET_WINDOW = 2, timedelta(minutes=30)
TELLS_OF_FIRING = (Kind.FIRING, Kind.ESCALATION, Kind.REMINDER, Kind.FLAPPING)
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


def plan(tellings: Sequence[Telling], now: datetime) -> int:
    """Write the messages of these transitions. Returns how many rows are new. Call in their transaction."""
    if not tellings:
        return 0
    directory, book = Directory.load(), rulebook.load()
    devices = {alert.device_id for alert, _, _ in tellings if alert.device_id is not None}
    with_tags = book.wants_tags or any(directory.tags.values()) or any(p.scope.tag_id for p in directory.policies)
    places = rulebook.places_of(devices, with_tags=with_tags)
    shut = silences.Shut.load(now)
    past = _past([alert for alert, kind, _ in tellings if kind != Kind.FIRING])
    carried = _waiting_resolves([alert for alert, kind, _ in tellings if kind == Kind.FIRING and _is_relapse(alert)])
    new: list[Notification] = []
    changed: dict[int, Notification] = {}
    told: list[Alert] = []
    for alert, kind, event in tellings:
        place = place_of(alert, places)
        if kind == Kind.FIRING:
            if (until := shut.until(alert, place)) is not None:
                alert.silenced_until = until
                told.append(alert)
                continue
            rows = list(_firing(directory, book, alert, event, place, now, carried, changed))
            _plan_ahead(directory, book, alert, place, now)
            told.append(alert)
            alert.is_told = alert.is_told or bool(rows)
        elif kind == Kind.RESOLVED:
            rows = list(_resolved(directory, alert, event, past.get(alert.pk, []), now, changed))
        else:
            rows = list(_follow_up(directory, alert, kind, event, past.get(alert.pk, []), now, changed))
        new += rows
    update_rows(changed.values(), WRITTEN)
    Notification.objects.bulk_create(new, batch_size=200, ignore_conflicts=True)
    columns = ["is_told", "escalate_at", "escalation_step", "remind_at", "silenced_until"]
    update_rows(told, columns)
    return len(new)


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
    for row in rows.order_by("pk"):
        if row.alert_id is not None:
            found[row.alert_id].append(row)
    return found


def _waiting_resolves(alerts: Sequence[Alert]) -> dict[str, dict[tuple[int, int], Notification]]:
    """Resolves of the same faults that nobody has heard yet, by fingerprint and destination."""
    found: dict[str, dict[tuple[int, int], Notification]] = defaultdict(dict)
    rows = Notification.objects.select_for_update(of=("self",)).filter(
        alert__fingerprint__in=[alert.fingerprint for alert in alerts],
        kind=Kind.RESOLVED,
        status__in=Notification.OPEN,
        attempt=0,
    )
    for row in rows.select_related("alert").order_by("pk"):
        if row.alert is not None and row.contact_id is not None and row.channel_id is not None:
            found[row.alert.fingerprint][row.contact_id, row.channel_id] = row
    return found


def _firing(
    directory: Directory,
    book: rulebook.Rulebook,
    alert: Alert,
    event: AlertEvent,
    place: Place,
    now: datetime,
    carried: dict[str, dict[tuple[int, int], Notification]],
    changed: dict[int, Notification],
) -> Iterable[Notification]:
    policy = directory.policy_for(_policy_of(book, alert), place)
    at = now + timedelta(seconds=event.data.get("wait", 0))
    if _is_relapse(alert):
        at = now + RELAPSE_WAIT
    for to in directory.recipients(policy, 0, alert.severity, place):
        if to.channel.pk == alert.data.get("not_by"):
            continue  # the alert is about this very channel
        unheard = carried.get(alert.fingerprint, {}).get(to.key)
        row = row_for(alert, Kind.FIRING, event.seq, to, now=now, at=at)
        if unheard is not None:
            # They believe that it still fires, and it does: take the resolve back and say nothing.
            unheard.status, unheard.last_error = Status.SUPERSEDED, "It came back before this was sent."
            changed[unheard.pk] = unheard
            first = Notification.objects.filter(
                alert=unheard.alert_id, contact=to.contact, channel=to.channel, status=Status.SENT
            ).first()
            if first is not None:
                row.status, row.sent_at = Status.SENT, first.sent_at
                row.message_key, row.provider_id = first.message_key, first.provider_id
                row.data = {**row.data, "carried_from": first.pk}
        yield row


def _policy_of(book: rulebook.Rulebook, alert: Alert) -> int | None:
    rule = book.by_id.get(alert.rule_id or 0)
    return rule.policy_id if rule else None


def _plan_ahead(directory: Directory, book: rulebook.Rulebook, alert: Alert, place: Place, now: datetime) -> None:
    """When the next step and the first reminder are due."""
    policy = directory.policy_for(_policy_of(book, alert), place)
    alert.escalation_step = 0
    fired = alert.fired_at or now
    alert.escalate_at = fired + policy.steps[1].after if len(policy.steps) > 1 else None
    waits = [
        to.contact.repeat_seconds
        for to in directory.recipients(policy, 0, alert.severity, place)
        if reminds(to, alert.severity)
    ]
    alert.remind_at = now + timedelta(seconds=min(waits)) if waits else None


def reminds(to: Destination, severity: str) -> bool:
    """Whether this contact wants to be reminded of alerts of this severity."""
    wanted = Severity(to.contact.repeat_min_severity).rank
    return to.contact.repeat_seconds > 0 and Severity(severity).rank >= wanted


def by_destination(rows: Iterable[Notification]) -> dict[tuple[int, int], list[Notification]]:
    found: dict[tuple[int, int], list[Notification]] = defaultdict(list)
    for row in rows:
        if row.contact_id is not None and row.channel_id is not None:
            found[row.contact_id, row.channel_id].append(row)
    return found


def destination(directory: Directory, key: tuple[int, int]) -> Destination | None:
    contact = directory.contacts.get(key[0])
    channel = next((one for one in directory.channels.get(key[0], ()) if one.pk == key[1]), None)
    return Destination(contact, channel) if contact and channel else None


def _resolved(
    directory: Directory,
    alert: Alert,
    event: AlertEvent,
    past: list[Notification],
    now: datetime,
    changed: dict[int, Notification],
) -> Iterable[Notification]:
    for key, rows in by_destination(past).items():
        tells = [row for row in rows if row.kind in TELLS_OF_FIRING]
        # One that is being sent, or may have been, counts as told; delivery looks again before it sends the resolve.
        was_told = any(row.status in (Status.SENT, Status.LEASED, Status.UNCERTAIN) for row in tells)
        for row in tells:
            if row.status in (Status.PENDING, Status.RETRY):
                _take_back(row, was_told, now)
                changed[row.pk] = row
        to = destination(directory, key)
        if was_told and to is not None and to.contact.wants_resolved:
            yield row_for(alert, Kind.RESOLVED, event.seq, to, now=now, at=_settled_at(alert, now))


def _take_back(row: Notification, was_told: bool, now: datetime) -> None:
    """A firing that nobody heard, of a fault that is over. A late one is told as what it was: began and ended."""
    late = timedelta(minutes=row.channel.late_minutes if isinstance(row.channel, Channel) else 5)
    held_back_on_purpose = bool(row.data.get("held"))
    if row.kind == Kind.FIRING and not was_told and not held_back_on_purpose and now - row.created_at > late:
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
    directory: Directory,
    alert: Alert,
    kind: str,
    event: AlertEvent,
    past: list[Notification],
    now: datetime,
    changed: dict[int, Notification],
) -> Iterable[Notification]:
    """Flapping, acknowledged: for those who heard of it, or were just about to."""
    for key, rows in by_destination(past).items():
        to = destination(directory, key)
        tells = [row for row in rows if row.kind in TELLS_OF_FIRING]
        waiting = [row for row in rows if row.status in (Status.PENDING, Status.RETRY)]
        if kind == Kind.FLAPPING:
            for row in waiting:
                row.status, row.last_error = Status.SUPERSEDED, "It flaps: that is told instead."
                changed[row.pk] = row
        if to is None or not tells:
            continue
        if kind == Kind.ACKNOWLEDGED:
            heard = any(row.status == Status.SENT for row in tells)
            # A mail "somebody looks after it" is one too many; a chat and a program want to know.
            if not heard or to.channel.kind not in (Channel.Kind.SLACK, Channel.Kind.WEBHOOK):
                continue
        at = _within_budget(alert, to, now) if kind == Kind.FLAPPING else now
        yield row_for(alert, kind, event.seq, to, now=now, at=at)


def _within_budget(alert: Alert, to: Destination, now: datetime) -> datetime:
    """When one more message about this fault keeps within two in half an hour."""
    rows = Notification.objects.filter(
        alert__fingerprint=alert.fingerprint,
        contact=to.contact,
        channel=to.channel,
        status=Status.SENT,
        sent_at__gt=now - BUDGET_WINDOW,
    ).exclude(data__has_key="carried_from")
    sent = list(rows.order_by("-sent_at").values_list("sent_at", flat=True)[:BUDGET])
    if len(sent) < BUDGET or sent[-1] is None:
        return now
    return sent[-1] + BUDGET_WINDOW
