"""Services that the optional package apprise knows: Telegram, Teams, ntfy, Matrix, PagerDuty and others.

apprise says neither why it failed nor whether that will pass, so every failure is tried again; and it resolves names
itself, so the guard judges a host just before, and a name could change its mind in between. Only admins make such a
channel. What goes in and out of it is never logged.
"""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from monitoring.notifiers import Failed, Outcome, carrying, telling
from monitoring.notifying import configs, guard
from monitoring.notifying.messages import Item, Message
from netmon.drivers import dialing
from netmon.drivers.errors import DriverError

# A redirect followed turns the message into a request for a page, and reports success. Matrix calls it discovery.
FORCED = {"redirect": "no", "retry": "0", "rto": "5", "cto": "5", "format": "text", "discovery": "no"}
MOST_BODY = 10_000


def send(message: Message, config: Mapping[str, Any]) -> Outcome:
    """Raises Failed."""
    try:
        import apprise
    except ImportError:
        raise Failed(
            "The package apprise is not installed: pip install -r requirements/optional.txt, then restart.",
            code="not_installed",
            is_permanent=True,
        ) from None
    url = forced(config["url"])
    schema = url.partition("://")[0].lower()
    if schema not in configs.HOSTED_SCHEMAS | configs.HOST_SCHEMAS:
        raise Failed(f"{schema[:20]}:// is not allowed here.", is_permanent=True)
    check_place(url, config, message)
    # Its log repeats addresses and, below INFO, the message itself.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    # A new one each time: an object once used sleeps between two messages.
    service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, storage_mode="memory", app_id="netmon"))
    if not service.add(url):
        raise Failed(f"{schema}:// does not accept this address: enter it anew.", code="invalid", is_permanent=True)
    with service.notify(
        title=telling.title(message),
        body=telling.text(message, most_items=50)[:MOST_BODY] or telling.title(message),
        body_format=apprise.NotifyFormat.TEXT,
        notify_type=_type_of(message),
        timeout=carrying.deadline_of(message),
    ) as result:
        if result:
            return Outcome("ok")
        word = result.results[0].status.name.lower() if result.results else "failure"
    raise Failed(
        f"{schema}:// did not take the message; apprise does not say why.", code=word, is_uncertain=word == "timeout"
    )


def forced(url: str) -> str:
    """The address with what must be so, whatever it says itself."""
    base, _, query = url.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name.lower() not in FORCED]
    return f"{base}?{urlencode([*kept, *FORCED.items()], quote_via=quote)}"


def check_place(url: str, config: Mapping[str, Any], message: Message) -> None:
    """Raises Failed when the host in the address must not be contacted."""
    parts = urlsplit(url)
    schema = parts.scheme.lower()
    if schema not in configs.HOST_SCHEMAS or _is_public(schema, parts):
        return
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Failed("The address has no valid port.", is_permanent=True) from None
    carrying.check_host(host)
    port = port or (443 if schema.endswith("s") else 80)
    refuse = guard.refuser(tenant_id=config.get("tenant_id"), port=port)
    try:
        places = dialing.resolve(host, port, dialing.Deadline(carrying.deadline_of(message)))
    except DriverError as error:
        raise carrying.failed(error) from None
    for _, _, address in places:
        if reason := refuse(address):
            raise Failed(f"{host} is not contacted. {reason}", code="target_refused", is_permanent=True)


def _is_public(schema: str, parts: SplitResult) -> bool:
    """Whether what looks like a host is a topic of ntfy.sh or an organisation of zulipchat.com."""
    if schema in ("ntfy", "ntfys"):
        asked = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        return not parts.path.strip("/") and not asked & {"to", "mode"}
    return schema == "zulip" and "." not in (parts.hostname or ".")


def _type_of(message: Message) -> Any:
    import apprise

    if message.items and all(telling.is_over(item) for item in message.items):
        return apprise.NotifyType.SUCCESS
    if any(_is_grave(item) for item in message.items):
        return apprise.NotifyType.FAILURE
    return apprise.NotifyType.WARNING if message.items else apprise.NotifyType.INFO


def _is_grave(item: Item) -> bool:
    return item.severity in ("critical", "high") and not telling.is_over(item)
