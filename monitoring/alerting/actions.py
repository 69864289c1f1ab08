"""What people do with alerts. Each is one transaction; what was planned for the version before is dropped."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from inventory.models import Device, Tenant
from monitoring.alerting import deciding, engine, observing, wording
from monitoring.alerting.deciding import Ledger
from monitoring.models.alerts import Alert, AlertEvent
from monitoring.models.rules import Silence
from monitoring.notifying import planning
from monitoring.services import states
from netmon.common.errors import Conflict
from netmon.common.queue import ADVANCE_ALERTS, send_after_commit

Kind, State = AlertEvent.Kind, Alert.State
TELLING = (State.FIRING, State.FLAPPING)
LONGEST_SILENCE_MINUTES = 30 * 24 * 60


def _locked(alerts: Iterable[Alert]) -> list[Alert]:
    ids = [alert.pk for alert in alerts]
    return list(Alert.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("pk"))


def refuse_ended(alert: Alert) -> None:
    """Raises Conflict for an alert that is over."""
    if not alert.is_open:
        raise Conflict("This alert is resolved already.")


@transaction.atomic
def acknowledge(alerts: Iterable[Alert], *, user: Any, comment: str = "") -> list[Alert]:
    """Say that somebody looks after these: no reminder and no further step for any of them. Resolved ones are left.

    Acknowledging again changes the comment. Returns those that were open.
    """
    ledger = Ledger(timezone.now())
    rows = [alert for alert in _locked(alerts) if alert.is_open]
    for alert in rows:
        is_first = alert.acknowledged_at is None
        alert.acknowledged_at, alert.acknowledged_by = ledger.now, user
        alert.comment = wording.clean(comment, 1000)
        alert.escalate_at = alert.remind_at = None
        tell = "acknowledged" if is_first and alert.is_told else ""
        ledger.note(alert, Kind.ACKNOWLEDGED, alert.comment, tell=tell, user=user)
    engine.write(ledger)
    return rows


@transaction.atomic
def unacknowledge(alert: Alert, *, user: Any) -> Alert:
    """Take that back: steps and reminders begin anew from now. Raises Conflict for what nobody acknowledged."""
    [row] = _locked([alert])
    refuse_ended(row)
    if row.acknowledged_at is None:
        raise Conflict("Nobody has acknowledged this alert.")
    ledger = Ledger(timezone.now())
    row.acknowledged_at = row.acknowledged_by = None
    row.comment = ""
    planning.resume(row, ledger.now)
    ledger.note(row, Kind.UNACKNOWLEDGED, user=user)
    engine.write(ledger)
    return row


@transaction.atomic
def silence(alert: Alert, *, minutes: int, user: Any, reason: str = "") -> Alert:
    """Tell nobody of this alert for so long, nor when it is over and comes back meanwhile; 0 ends a silence.

    What waits to be told is taken back; if nobody has heard of the alert by then, they do when the silence ends.
    """
    [row] = _locked([alert])
    ledger = Ledger(timezone.now())
    # First those that would end before they begin: a clock that was set back leaves such.
    Silence.objects.filter(fingerprint=row.fingerprint, starts_at__gte=ledger.now).delete()
    Silence.objects.filter(fingerprint=row.fingerprint, ends_at__gt=ledger.now).update(ends_at=ledger.now)
    until: datetime | None = None
    reason = wording.clean(reason, 500)
    if minutes:
        refuse_ended(row)
        planning.hush(row)
        until = ledger.now + timedelta(minutes=min(minutes, LONGEST_SILENCE_MINUTES))
        Silence.objects.create(
            fingerprint=row.fingerprint,
            device=row.device,
            rule=row.rule,
            tenant=row.device.tenant if row.device else row.tenant,
            starts_at=ledger.now,
            ends_at=until,
            reason=reason,
            created_by=user if getattr(user, "pk", None) else None,
        )
    began_in_silence = planning.SILENT in row.data and row.state in TELLING and not row.is_told
    row.silenced_until = until
    Alert.objects.filter(pk=row.pk).update(silenced_until=until)
    kind = Kind.SILENCED if minutes else Kind.UNSILENCED
    tell = "firing" if began_in_silence and not minutes and row.acknowledged_at is None else ""
    text = f"Until {until:%Y-%m-%d %H:%M} UTC. {reason}".strip() if until else ""
    ledger.note(row, kind, text, tell=tell, user=user)
    engine.write(ledger)
    return row


@transaction.atomic
def resolve(alert: Alert, *, user: Any, comment: str = "") -> Alert:
    """End an alert by hand. When its fault is still seen at the next look, it opens anew."""
    if alert.source == "device.down" and alert.device_id is not None:
        list(states.lock([alert.device_id]))  # before the alert, as polls and the engine take them
    [row] = _locked([alert])
    refuse_ended(row)
    ledger = Ledger(timezone.now())
    deciding.resolve(ledger, row, wording.clean(comment, 1000) or "Resolved by hand.", user=user)
    engine.write(ledger)
    return row


@transaction.atomic
def comment(alert: Alert, *, text: str, user: Any) -> AlertEvent:
    """Add a remark to the history of an alert."""
    [row] = _locked([alert])
    ledger = Ledger(timezone.now())
    event = ledger.note(row, Kind.COMMENT, wording.clean(text, 1000), user=user)
    engine.write(ledger)
    return event


@transaction.atomic
def raise_by_hand(
    *,
    summary: str,
    severity: str,
    user: Any,
    device: Device | None = None,
    tenant: Tenant | None = None,
    subject: str = "",
    detail: str = "",
) -> Alert:
    """Raise an alert that no rule knows of. It lasts until somebody resolves it.

    Raises Conflict when one with the same summary is open for the same object.
    """
    now = timezone.now()
    text = wording.clean(summary, 300)
    mark = observing.fingerprint(
        0, device.pk if device else None, f"manual {tenant.pk if tenant else ''} {text}", subject
    )
    if Alert.objects.open().filter(fingerprint=mark).exists():
        raise Conflict("This alert is open already.")
    alert = Alert(
        source="manual",
        device=device,
        tenant=None if device else tenant,
        subject=wording.clean(subject, 255),
        fingerprint=mark,
        severity=severity,
        summary=text,
        detail=wording.clean(detail, 1000),
        started_at=now,
        last_seen_at=now,
        state_since=now,
        fired_at=now,
    )
    try:
        with transaction.atomic():
            alert.save(force_insert=True)
    except IntegrityError:
        if not Alert.objects.open().filter(fingerprint=mark).exists():
            raise
        raise Conflict("This alert is open already.") from None  # somebody was faster
    ledger = Ledger(now)
    ledger.move(alert, State.FIRING, Kind.FIRING, alert.detail, tell="firing").user = user
    engine.write(ledger)
    send_after_commit(ADVANCE_ALERTS)
    return alert
