"""A message looked at again just before it is sent: which of its rows still have something to say.

Of the rows of one destination, in as many queries for five hundred as for one.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from monitoring.models.alerts import Alert
from monitoring.models.delivery import Notification
from monitoring.notifying import planning
from netmon.common.rows import update_rows

Kind, Status = Notification.Kind, Notification.Status
# A resolve waits so long for what comes of the message that tells of the fault.
AGAIN = timedelta(seconds=15)
ON_THEIR_WAY = (Status.LEASED, Status.UNCERTAIN, Status.RETRY, Status.PENDING)
WRITTEN = ("status", "kind", "last_error", "next_at", "lease_until")


def keep(rows: Sequence[Notification], now: datetime) -> list[Notification]:
    """Those that go out; the others are ended or put off. In the transaction that holds them locked."""
    told = _told(rows)
    before = {row.pk: _columns(row) for row in rows}
    kept = [row for row in rows if _is_kept(row, told.get(row.alert_id or 0, ()), now)]
    update_rows([row for row in rows if _columns(row) != before[row.pk]], WRITTEN)
    return kept


def _columns(row: Notification) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in WRITTEN)


def _told(rows: Sequence[Notification]) -> dict[int, list[Notification]]:
    """What this destination was told, or is to be told, of alerts whose end or lateness depends on it; by alert."""
    wanted = {row.alert_id for row in rows if row.kind == Kind.RESOLVED or _is_overtaken(row)} - {None}
    found: dict[int, list[Notification]] = defaultdict(list)
    if wanted:
        first = rows[0]
        others = Notification.objects.filter(alert__in=wanted, contact=first.contact_id, channel=first.channel_id)
        for row in others.only("alert", "kind", "status", "data").order_by("pk"):
            found[row.alert_id or 0].append(row)
    return found


def _is_kept(row: Notification, told: Sequence[Notification], now: datetime) -> bool:
    if row.contact_id is None and row.kind != Kind.TEST:
        return _end(row, Status.DEAD, "The contact was deleted.")
    if row.channel_id is None or (row.channel is not None and not row.channel.is_enabled):
        return _end(row, Status.DEAD, "The channel was deleted or switched off.")
    alert = row.alert
    if alert is None:
        return True
    if row.kind in (Kind.REMINDER, Kind.ESCALATION) and _is_unheard(row) and _is_settled(alert):
        return _end(row, Status.SUPERSEDED, "Somebody looks after it, or it is over.")
    if _is_overtaken(row):
        # It was on its way when the fault ended, and failed since.
        others = [one for one in told if one.pk != row.pk and one.kind in planning.TELLS_OF_FIRING]
        was_told = any(one.status in planning.HEARD for one in others)
        planning.take_back(row, now, was_told=was_told)
        return row.status != Status.SUPERSEDED
    if row.kind == Kind.RESOLVED and not row.message_key:
        return _is_awaited(row, [one for one in told if one.pk < row.pk], now)
    return True


def _is_unheard(row: Notification) -> bool:
    """Whether nobody can have got it yet. What the other side refused counts; what broke off in the middle does not."""
    return not row.is_repeat and "again_of" not in row.data


def _is_settled(alert: Alert) -> bool:
    return alert.acknowledged_at is not None or not alert.is_open


def _is_overtaken(row: Notification) -> bool:
    """Whether it says that something fires which is over."""
    is_over = row.alert is not None and not row.alert.is_open
    return is_over and row.kind == Kind.FIRING and row.status == Status.RETRY and _is_unheard(row)


def _is_awaited(row: Notification, before: Sequence[Notification], now: datetime) -> bool:
    """A resolve goes to those only who heard that it fires."""
    earlier = [one for one in before if one.kind not in (Kind.RESOLVED, Kind.ACKNOWLEDGED)]
    if any(one.status == Status.SENT and one.kind == Kind.COMBINED for one in earlier):
        return _end(row, Status.SUPERSEDED, "Begin and end were told in one message.")
    if any(one.status == Status.SENT for one in earlier):
        return True
    if any(one.status in ON_THEIR_WAY for one in earlier):
        row.next_at = now + AGAIN
        return False
    return _end(row, Status.SUPERSEDED, "Nobody heard that it fired.")


def _end(row: Notification, status: str, reason: str) -> bool:
    row.status, row.last_error, row.lease_until = status, reason, None
    return False
