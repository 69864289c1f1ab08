"""Mail: plain text and HTML, one thread per alert, the picture inside."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from django.template.loader import render_to_string

from monitoring.notifiers import Failed, Outcome, carrying, telling
from monitoring.notifying import guard
from monitoring.notifying.messages import Item, Message
from netmon.drivers import smtp
from netmon.drivers.errors import DriverError
from netmon.drivers.targets import Secret

COLOURS = {"critical": "#d0342c", "high": "#e07b00", "medium": "#c9a000", "low": "#3b82c4", "info": "#808890"}
OVER = "#2f9e58"
COLUMNS = ("Severity", "What", "Status", "When")


def send(message: Message, config: Mapping[str, Any]) -> Outcome:
    """Raises Failed. Of several recipients those that the server refuses are named, and those that it puts off are to
    be tried again; the others have got it."""
    if not message.emails:
        raise Failed("The contact has no e-mail address.", is_permanent=True)
    server = smtp.MailServer(
        host=config["host"],
        port=config["port"],
        security=config["security"],
        username=config.get("username", ""),
        password=Secret(config.get("password", "")),
        verify=bool(config.get("verify", True)),
    )
    carrying.check_host(server.host)
    try:
        mail = make(message, config["from_address"])
        on_the_wire = {_wire(address): address for address in message.emails}
        accepted = smtp.send(
            server,
            mail,
            sender=_wire(config["from_address"]),
            recipients=list(on_the_wire),
            refuse=guard.refuser(tenant_id=config.get("tenant_id"), port=server.port, is_mail=True),
            deadline_seconds=carrying.deadline_of(message),
        )
    except DriverError as error:
        raise carrying.failed(error) from None
    except (ValueError, UnicodeError):
        raise Failed("An address of the contact or the sender is none.", is_permanent=True) from None
    refused = ", ".join(f"{address} ({reason})" for address, reason in accepted.refused.items())
    return Outcome(
        str(accepted.code),
        f"Not to {refused}" if refused else "",
        _id(message.key, config["from_address"]),
        tuple(on_the_wire[address] for address in accepted.deferred),
    )


def make(message: Message, sender: str) -> EmailMessage:
    """The mail as it goes out. Raises ValueError for an address that is none."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = telling.title(message)
    mail["From"] = Address("netmon", addr_spec=_wire(sender))
    mail["To"] = [Address(addr_spec=_wire(address)) for address in message.emails]
    mail["Date"] = message.made_at or datetime.now(UTC)
    mail["Message-ID"] = _id(message.key, sender)
    if message.thread and message.thread != message.key:
        mail["In-Reply-To"] = _id(message.thread, sender)
        mail["References"] = _id(message.thread, sender)
    # So marked, no holiday reply comes back.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Netmon-Alert"] = ",".join(str(item.alert_id) for item in message.items[:20]) or "none"
    mail.set_content(telling.text(message) + "\n")
    picture = message.items[0].picture if len(message.items) == 1 else b""
    cid = f"picture.{_id(message.key, sender)[1:-1]}" if picture else ""
    mail.add_alternative(html(message, cid), subtype="html")
    if picture:
        _, rich = mail.iter_parts()
        rich.add_related(picture, "image", "png", cid=f"<{cid}>", disposition="inline", filename="graph.png")
    return mail


def html(message: Message, picture: str = "") -> str:
    """The rich form. Django's templates escape every text."""
    single = message.items[0] if len(message.items) == 1 else None
    first = max(message.items, key=lambda item: list(COLOURS).index(item.severity) * -1, default=None)
    return render_to_string(
        "monitoring/mail/message.html",
        {
            "title": telling.title(message),
            "colour": _colour(first) if first else COLOURS["info"],
            "body": telling.paragraphs(message.body),
            "picture": picture,
            "item": _shown(single) if single else None,
            "items": [_row(item) for item in message.items] if single is None else [],
            "columns": COLUMNS,
            "footers": telling.footers(message),
        },
    )


def _shown(item: Item) -> dict[str, Any]:
    return {
        "headline": telling.headline(item),
        "facts": telling.facts(item),
        "note": telling.note(item),
        "changes": telling.changes(item),
        "url": item.url,
    }


def _row(item: Item) -> dict[str, Any]:
    return {
        "severity": item.severity,
        "colour": _colour(item),
        "headline": telling.headline(item),
        "status": telling.status(item),
        "since": telling.since(item),
        "url": item.url,
    }


def _colour(item: Item) -> str:
    return OVER if telling.is_over(item) else COLOURS.get(item.severity, COLOURS["info"])


def _id(key: str, sender: str) -> str:
    """The same key always gives the same id: by it clients know a repeat, and put a thread together."""
    return f"<{key}@{_wire(sender).rpartition('@')[2]}>"


def _wire(address: str) -> str:
    """With its domain in ASCII, as every server takes it."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode('ascii')}" if local and domain else address
