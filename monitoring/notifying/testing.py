"""The test button: a real message by the real path, now, with an answer that a person waits for."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from monitoring.alerting import wording
from monitoring.models.delivery import Channel, Notification
from monitoring.models.rules import Severity
from monitoring.notifiers import Failed, Outcome
from monitoring.notifying import composing, outbox
from netmon.common.errors import NetmonError

SECONDS = 10.0


def test_channel(channel: Channel, *, to_emails: Sequence[str] = (), user: Any = None) -> dict[str, Any]:
    """Send a test message within 10 s and say what came of it: `ok`, `code`, `detail`, `seconds`.

    It stands in the delivery log like any other. One that fails is not tried again and counts for no alarm of the
    channel: somebody is looking at it just now. A good one ends such an alarm.
    """
    row = _leased(channel, list(to_emails) or _own_address(user), user)
    started = time.monotonic()
    try:
        outcome: Outcome | Failed = outbox.transmit(channel, composing.compose([row], timezone.now()))
    except Failed as failure:
        outcome = failure
    except NetmonError as error:  # the configuration does not open
        outcome = Failed(str(error), code=error.code, is_permanent=True)
    seconds = time.monotonic() - started
    if isinstance(outcome, Failed):
        _give_up(channel, row, outcome, seconds)
    else:
        outbox.settle([row], outcome, seconds)
    return {
        "ok": isinstance(outcome, Outcome),
        "code": outcome.code,
        "detail": outcome.detail,
        "seconds": round(seconds, 3),
    }


def _own_address(user: Any) -> list[str]:
    address = getattr(user, "email", "")
    return [address] if address else []


def _leased(channel: Channel, emails: list[str], user: Any) -> Notification:
    """The row, taken already: no worker sends it, unless this process dies with it."""
    now = timezone.now()
    by = f" by {wording.clean(user.get_username(), 150)}" if user is not None else ""
    key = secrets.token_hex(32)
    return Notification.objects.create(
        kind=Notification.Kind.TEST,
        channel=channel,
        to=f"test of {channel.name}"[:250],
        dedupe_key=key,
        message_key=key,
        severity=Severity.INFO,
        severity_rank=0,
        status=Notification.Status.LEASED,
        attempt=1,
        lease_token=secrets.token_hex(16),
        lease_until=now + outbox.LEASE,
        created_at=now,
        next_at=now,
        data={
            "title": "netmon: test message",
            "body": f"A test of the channel {wording.clean(channel.name, 100)}, sent{by}. Nothing is wrong.",
            "emails": emails,
            "deadline_seconds": SECONDS,
        },
    )


def _give_up(channel: Channel, row: Notification, failure: Failed, seconds: float) -> None:
    now, detail = timezone.now(), failure.detail[:500]
    row.status, row.last_code, row.last_error = Notification.Status.DEAD, failure.code[:16], detail
    row.lease_until, row.lease_token = None, ""
    entry = {"at": now.isoformat(timespec="milliseconds"), "code": failure.code, "error": detail}
    row.log = [{**entry, "seconds": round(seconds, 3)}]
    row.save(update_fields=["status", "last_code", "last_error", "lease_until", "lease_token", "log"])
    Channel.objects.filter(pk=channel.pk).update(last_error=detail, last_error_at=now)
