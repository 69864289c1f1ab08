"""What the notifiers have in common: a guarded POST, and failures in the words of the outbox."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from monitoring.notifiers import DEADLINE_SECONDS, Failed
from monitoring.notifying import guard
from monitoring.notifying.messages import Message
from netmon.drivers import http
from netmon.drivers.errors import DriverError, ProtocolError, UntrustedPeer

TRY_AGAIN = (408, 425, 429)
USER_AGENT = "netmon"


def deadline_of(message: Message) -> float:
    """Seconds for this message: a test has fewer, somebody waits for it."""
    return min(DEADLINE_SECONDS, float(message.data.get("deadline_seconds") or DEADLINE_SECONDS))


def failed(error: DriverError) -> Failed:
    """What a driver's error means for a message.

    A certificate that is not trusted is mended without anybody touching netmon, most are only expired, and nothing was
    sent to whoever showed it: so the message waits and is not lost. The same goes for answers that make no sense.
    """
    may_pass = error.retryable or isinstance(error, (UntrustedPeer, ProtocolError))
    return Failed(
        error.detail,
        code=error.reason or error.code,
        is_permanent=not may_pass,
        is_uncertain=error.is_unanswered,
    )


def check_host(host: str) -> None:
    """Raises Failed for what is no host."""
    try:
        guard.check_host(host)
    except ValidationError as error:
        raise Failed(f"{host[:100]}: {' '.join(error.messages)}", code="target_refused", is_permanent=True) from None


def post(url: str, body: bytes, headers: Mapping[str, str], config: Mapping[str, Any], message: Message) -> http.Answer:
    """POST where the guard lets it. Raises Failed; the address, which may be a secret, stands in no error."""
    parts = urlsplit(url)
    check_host(parts.hostname or "")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        return http.post(
            url,
            body=body,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", **headers},
            refuse=guard.refuser(tenant_id=config.get("tenant_id"), port=port),
            deadline_seconds=deadline_of(message),
            verify=bool(config.get("verify", True)),
        )
    except DriverError as error:
        raise failed(error) from None


def check_status(answer: http.Answer, word: str = "") -> None:
    """Raises Failed unless the other side took it. `word` is its own for the reason, if it is fit to be shown."""
    status = answer.status
    if 200 <= status < 300:
        return
    said = f"The other side answered {status}" + (f" ({word})." if word else ".")
    if 300 <= status < 400:
        said += " Redirects are not followed: enter the address it leads to."
    raise Failed(
        said,
        code=str(status),
        is_permanent=status < 500 and status not in TRY_AGAIN,
        retry_after=retry_after(answer.headers.get("retry-after", "")),
    )


def retry_after(text: str) -> float | None:
    """Seconds of a Retry-After header, which gives them or a date."""
    if text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
