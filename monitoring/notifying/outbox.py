"""The outbox emptied: claim with a lease, send outside of any transaction, write what came of it.

At least once on the wire, exactly one row for each transition and destination. A worker that dies between sending and
writing leaves a lease that runs out; the message is then uncertain and goes out again under the same key, and says so.
"""

import logging
import random
import secrets
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Min, Q
from django.utils import timezone

from monitoring.alerting import observing
from monitoring.alerting.sources import Observation
from monitoring.models.alerts import Alert
from monitoring.models.delivery import Channel, Notification
from monitoring.notifiers import NOTIFIERS, Failed, Outcome
from monitoring.notifying import composing, configs, second_look
from monitoring.notifying.messages import Message
from netmon.common.errors import Conflict
from netmon.common.queue import DELIVER_MESSAGES, send_after_commit
from netmon.common.rows import update_rows
from netmon.common.secrets import Undecryptable

log = logging.getLogger(__name__)

Kind, Status = Notification.Kind, Notification.Status
LEASE = timedelta(seconds=90)
MINUTE = timedelta(minutes=1)
RETRIES = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800))
RETRY_LATER = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=24)
LONGEST_WAIT = timedelta(hours=26)  # until a daily digest, on the day the clocks change
JITTER = 0.2
# So many due messages for one destination become one: nobody reads fifty mails about one morning.
GROUP_FROM = 4
GROUP_MOST = 500
RUN_SECONDS = 240.0
DEAD_IN_A_ROW = 3
FAILING = "channel.failing"
LOG_KEPT = 30
OWN_WORDS = ("title", "body", "emails", "only", "not_to")
# What a row that follows from another has of it.
COPIED = (
    "alert_id", "seq", "kind", "contact_id", "channel_id", "to", "repeat_no", "severity", "severity_rank",
    "alert_version", "message_key",
)  # fmt: skip
ABOUT_ALERTS = (Kind.FIRING, Kind.RESOLVED, Kind.FLAPPING, Kind.REMINDER, Kind.ESCALATION, Kind.COMBINED)


def deliver(*, seconds: float = RUN_SECONDS) -> int:
    """Send what is due, until nothing is or the time is up. Returns how many messages went out or were tried."""
    ends = time.monotonic() + seconds
    tried = 0
    recover(timezone.now())
    while time.monotonic() < ends and (rows := claim(timezone.now())):
        send(rows)
        tried += 1
    return tried


@transaction.atomic
def recover(now: datetime) -> int:
    """Leases that ran out: their worker died, and nobody knows whether it had sent. Returns how many rows."""
    # A lease that lies further ahead than any was given when the clock was ahead.
    over = Q(lease_until__lte=now) | Q(lease_until__gt=now + 2 * LEASE)
    rows = Notification.objects.select_for_update(skip_locked=True, of=("self",)).filter(over, status=Status.LEASED)
    ids = list(rows.values_list("pk", flat=True))
    return Notification.objects.filter(pk__in=ids).update(
        status=Status.UNCERTAIN, is_repeat=True, next_at=now, lease_until=None, lease_token=""
    )


@transaction.atomic
def claim(now: datetime) -> list[Notification]:
    """Take what makes up the next message: the gravest and oldest due row, and what goes with it.

    Rows that belong to an uncertain message go out with it again, all of them and no other: the same key must carry
    the same message.
    """
    taken: list[str] = []  # messages that another worker is taking at this moment
    while True:
        rows = _due(now).exclude(message_key__in=taken).select_for_update(skip_locked=True, of=("self",))
        first = rows.order_by("-severity_rank", "pk").first()
        if first is None:
            return []
        together = _together(first, now)
        if not together:
            taken.append(first.message_key)
        elif kept := second_look.keep(together, now):
            break
    token = secrets.token_hex(16)
    key = kept[0].message_key or _key_of(kept)
    for row in kept:
        row.message_key, row.lease_token, row.lease_until = key, token, now + LEASE
        row.status, row.attempt = Status.LEASED, row.attempt + 1
    columns = ["message_key", "lease_token", "lease_until", "status", "attempt"]
    update_rows(kept, columns)
    return kept


def _due(now: datetime) -> Any:
    """Rows whose time has come, of channels that may be used now. What waits for longer than anything may was planned
    by a clock that has been set back since."""
    return (
        Notification.objects.filter(Q(next_at__lte=now) | Q(next_at__gt=now + LONGEST_WAIT))
        .filter(status__in=Notification.OPEN)
        .exclude(channel__retry_after__gt=now, channel__retry_after__lte=now + LONGEST_WAIT)
        .exclude(channel__slow_until__gt=now, channel__slow_until__lte=now + MINUTE)
    )


def _key_of(rows: Sequence[Notification]) -> str:
    return rows[0].dedupe_key


def _together(first: Notification, now: datetime) -> list[Notification]:
    """The rows that go out with this one, locked; none when another worker holds some of its message.

    Nothing is waited for: two workers that each hold one row of a message would wait for each other.
    """
    locked = (
        Notification.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("contact", "channel", "alert__device__site", "alert__device__tenant", "alert__rule")
        .order_by("pk")
    )
    if first.message_key:
        whole = Notification.objects.filter(message_key=first.message_key, status__in=Notification.OPEN)
        rows = list(locked.filter(message_key=first.message_key, status__in=Notification.OPEN))
        return rows if len(rows) == whole.count() else []
    if first.alert_id is None or first.kind == Kind.ACKNOWLEDGED:
        return [first]
    mates = list(
        locked.filter(
            contact=first.contact_id,
            channel=first.channel_id,
            status__in=[Status.PENDING],
            next_at__lte=now,
            message_key="",
            alert__isnull=False,
            kind__in=ABOUT_ALERTS,
        )[:GROUP_MOST]
    )
    held = first.data.get("held") == "digest"
    return mates if len(mates) >= (2 if held else GROUP_FROM) else [first]


def send(rows: Sequence[Notification]) -> None:
    """Send one claimed message and write what came of it. No transaction is open while the other side is asked."""
    started = time.monotonic()
    try:
        message = composing.compose(rows, timezone.now())
        outcome: Outcome | Failed = transmit(rows[0].channel, message)
    except Failed as failure:
        outcome = failure
    except Undecryptable as lost:
        outcome = Failed(str(lost), code="undecryptable")  # the key may come back
    except Exception:
        log.exception("a message could not be made or sent: %s", rows[0].message_key)
        outcome = Failed("A fault in netmon; see the log.", code="internal")
    settle(rows, outcome, time.monotonic() - started)


def transmit(channel: Channel | None, message: Message) -> Outcome:
    """Hand a message to its channel. Raises Failed.

    The one place where a channel's configuration is opened.
    """
    if channel is None:
        raise Failed("The channel was deleted.", is_permanent=True)
    notifier = NOTIFIERS.get(channel.kind)
    if notifier is None:
        raise Failed(f"This installation has no way to send by {channel.kind}.", is_permanent=True)
    return notifier(message, configs.opened(channel))


@transaction.atomic
def settle(rows: Sequence[Notification], outcome: Outcome | Failed, seconds: float) -> None:
    """Write what came of a message on every row that it carried, unless their lease was lost meanwhile."""
    now = timezone.now()
    _lock_alerts(rows if isinstance(outcome, Outcome) and outcome.deferred else ())
    held = list(
        Notification.objects.select_for_update(of=("self",))
        .filter(pk__in=[row.pk for row in rows], lease_token=rows[0].lease_token, status=Status.LEASED)
        .order_by("pk")
    )
    if not held:
        log.warning("a message was settled by another worker: %s", rows[0].message_key)
        return
    is_sent = isinstance(outcome, Outcome)
    detail = outcome.detail[:500]
    for row in held:
        entry = {
            "at": now.isoformat(timespec="milliseconds"),
            "code": outcome.code,
            "error": "" if is_sent else detail,
            "seconds": round(seconds, 3),
        }
        if is_sent and detail:  # such as recipients that were refused
            entry["detail"] = detail
        row.log = [*row.log, entry][-LOG_KEPT:]
        row.lease_until, row.lease_token = None, ""
        row.last_code, row.last_error = outcome.code[:16], "" if is_sent else detail
        if isinstance(outcome, Outcome):
            row.status, row.sent_at, row.provider_id = Status.SENT, now, outcome.provider_id[:200]
        elif outcome.is_permanent or now - (row.first_tried_at or now) >= GIVE_UP_AFTER:
            row.status = Status.DEAD
        else:
            row.status, row.next_at = Status.RETRY, now + _wait(row.attempt, outcome.retry_after)
            row.is_repeat = row.is_repeat or outcome.is_uncertain
    columns = [
        "is_repeat", "log", "lease_until", "lease_token", "last_code", "last_error", "status", "sent_at",
        "provider_id", "next_at",
    ]  # fmt: skip
    update_rows(held, columns)
    if isinstance(outcome, Outcome) and outcome.deferred:
        _try_again_for(outcome.deferred, held, detail, now)
    _note_channel(held[0], outcome, now)


def _lock_alerts(rows: Sequence[Notification]) -> None:
    """Alerts before messages, as the engine takes them: what comes of a channel may change its alert, and to refer to
    an alert in a new row takes a lock on it, too."""
    failing = Q(resolved_at__isnull=True, device=None, source=FAILING)
    own = Q(pk__in=[row.alert_id for row in rows if row.alert_id is not None])
    list(Alert.objects.filter(failing | own).select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def _try_again_for(addresses: Sequence[str], rows: Sequence[Notification], reason: str, now: datetime) -> None:
    """Rows for those addresses alone, which keep the message's key: to them it is the same message."""
    if rows[0].kind == Kind.TEST:
        return  # whoever pressed the button reads why
    wait = _wait(1, None)
    Notification.objects.bulk_create(
        (
            Notification(
                **{name: getattr(row, name) for name in COPIED},
                dedupe_key=composing.key_of("deferred", row.pk),
                status=Status.RETRY,
                attempt=1,
                created_at=now,
                next_at=now + wait,
                last_error=reason,
                data={**row.data, "only": list(addresses)},
            )
            for row in rows
        ),
        ignore_conflicts=True,
    )


def _wait(attempt: int, retry_after: float | None) -> timedelta:
    planned = RETRIES[attempt - 1] if attempt <= len(RETRIES) else RETRY_LATER
    wait = planned * (1 + random.uniform(0, JITTER))  # noqa: S311  # spreads retries, keeps no secret
    return max(wait, timedelta(seconds=min(retry_after or 0.0, GIVE_UP_AFTER.total_seconds())))


def _note_channel(row: Notification, outcome: Outcome | Failed, now: datetime) -> None:
    """What the channel is known to be worth. Three messages given up in a row are an alert, told by the others."""
    rows = Channel.objects.filter(pk=row.channel_id or 0)
    if isinstance(outcome, Outcome):
        was_failing = rows.filter(dead_in_a_row__gte=DEAD_IN_A_ROW).exists()
        rows.update(dead_in_a_row=0, last_sent_at=now, retry_after=None, slow_until=_slow_until(row, now))
        if was_failing:
            _tell_of_channel(row, now, is_bad=False)
        return
    rows.update(last_error=outcome.detail[:500], last_error_at=now)
    if outcome.retry_after:
        rows.update(retry_after=now + timedelta(seconds=min(outcome.retry_after, 86400)))
    if row.status == Status.DEAD:
        rows.update(dead_in_a_row=F("dead_in_a_row") + 1)
        if rows.filter(dead_in_a_row__gte=DEAD_IN_A_ROW).exists():
            _tell_of_channel(row, now, is_bad=True, detail=outcome.detail)


def _slow_until(row: Notification, now: datetime) -> datetime | None:
    """Until when the channel rests, its messages of this minute being used up; several rows are one message."""
    if row.channel is None:
        return None
    sent = Notification.objects.filter(channel=row.channel_id, sent_at__gt=now - MINUTE)
    moments = list(sent.values("message_key").annotate(at=Min("sent_at")).order_by("at").values_list("at", flat=True))
    return moments[0] + MINUTE if len(moments) >= row.channel.max_per_minute else None


def subject_of(channel_id: int) -> str:
    """The object of an alert that a channel delivers nothing."""
    return f"channel {channel_id}"


def _tell_of_channel(row: Notification, now: datetime, *, is_bad: bool, detail: str = "") -> None:
    channel = row.channel
    if channel is None:
        return
    observing.observe(
        [
            Observation(
                source=FAILING,
                at=now,
                tenant_id=channel.tenant_id,
                subject=subject_of(channel.pk),
                is_bad=is_bad,
                summary=f"Channel {channel.name} delivers nothing",
                detail=detail,
                data={"not_by": channel.pk},
            )
        ]
    )


@transaction.atomic
def resend(row: Notification) -> Notification:
    """Send again what was sent, given up or taken back: a row of its own, so that the log keeps both.

    Raises Conflict for one that is still on its way, and for one that has no way any more.
    """
    # Locked, so that of two who press the button at once each gets a row of their own.
    _lock_alerts([row])
    row = Notification.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if row.status in (*Notification.OPEN, Status.LEASED):
        raise Conflict("This message is still on its way: it is tried again by itself.")
    if row.channel is None or not row.channel.is_enabled:
        raise Conflict("Its channel was deleted or switched off: switch it on, or choose another for the contact.")
    now = timezone.now()
    number = Notification.objects.filter(alert=row.alert_id, kind=row.kind, data__again_of=row.pk).count() + 1
    again = Notification.objects.create(
        alert=row.alert,
        seq=row.seq,
        kind=row.kind,
        contact=row.contact,
        channel=row.channel,
        to=row.to,
        repeat_no=row.repeat_no,
        dedupe_key=composing.key_of("again", row.pk, number),
        severity=row.severity,
        severity_rank=row.severity_rank,
        alert_version=row.alert_version,
        created_at=now,
        next_at=now,
        # What is about no alert carries its own words.
        data={**{name: row.data[name] for name in OWN_WORDS if name in row.data}, "again_of": row.pk},
    )
    send_after_commit(DELIVER_MESSAGES)
    return again


def waiting() -> dict[str, int]:
    """How many messages wait, and how many failed at least once: for the health page."""
    rows = Notification.objects.filter(status__in=Notification.OPEN)
    return {"waiting": rows.count(), "failing": rows.filter(~Q(status=Status.PENDING)).count()}


def undelivered(alert: Alert) -> bool:
    """Whether a message about this alert still waits."""
    return alert.notifications.filter(status__in=[*Notification.OPEN, Status.LEASED]).exists()
