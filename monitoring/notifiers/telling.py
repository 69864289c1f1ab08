"""The words of a message, the same for every channel. Clean lines; each channel escapes them in its own way."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from monitoring.alerting import wording
from monitoring.models.delivery import Notification
from monitoring.notifying.messages import Change, Item, Message

Kind = Notification.Kind
MOST_NAMES = 10
MOST_LINES = 40
MOST_BODY = 20_000


def moment(at: datetime | None) -> str:
    """14:02:11 with date and zone, for people."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}" if at is not None else ""


def title(message: Message) -> str:
    return wording.clean(message.title, 200) or "netmon"


def is_over(item: Item) -> bool:
    return item.kind in (Kind.RESOLVED, Kind.COMBINED) or item.resolved_at is not None


def headline(item: Item) -> str:
    """The device and what is wrong with it."""
    device, summary = wording.clean(item.device, 100), wording.clean(item.summary, 300)
    return f"{device}: {summary}" if device else summary


def status(item: Item) -> str:
    """One or two words: how it stands."""
    if is_over(item):
        return "over"
    return "acknowledged" if item.kind == Kind.ACKNOWLEDGED else wording.clean(item.state, 20)


def since(item: Item) -> str:
    """From when, and until when if it is over."""
    if item.resolved_at is None:
        return moment(item.started_at)
    lasted = wording.between(item.started_at, item.resolved_at)
    return f"{moment(item.started_at)} to {moment(item.resolved_at)} ({lasted})"


def facts(item: Item) -> list[tuple[str, str]]:
    """Label and text of what is known of one alert; what is empty is left out."""
    behind = ""
    if item.behind:
        rest = item.behind - len(item.behind_names[:MOST_NAMES])
        names = [wording.clean(name, 100) for name in item.behind_names[:MOST_NAMES]]
        listed = ", ".join(names) + (f" and {rest} more" if names and rest > 0 else "")
        count = f"{item.behind} device{'s' if item.behind > 1 else ''} cut off with it"
        behind = f"{count}: {listed}" if listed else count
    acknowledged = ""
    if item.acknowledged_by:
        comment = wording.clean(item.comment, 500)
        acknowledged = f"by {wording.clean(item.acknowledged_by, 100)}" + (f": {comment}" if comment else "")
    rows = [
        ("Severity", item.severity),
        ("Status", status(item)),
        ("Object", wording.clean(item.subject, 255)),
        ("Site", wording.clean(item.site, 100)),
        ("Tenant", wording.clean(item.tenant, 100)),
        ("When" if item.resolved_at else "Since", since(item)),
        ("Detail", wording.clean(item.detail, 1000)),
        ("Event", wording.clean(item.text, 500)),
        ("Behind it", behind),
        ("Acknowledged", acknowledged),
        ("Maintenance", "the device was in maintenance" if item.was_in_maintenance else ""),
    ]
    return [(label, text) for label, text in rows if text]


def change_line(change: Change) -> str:
    by = f" by {wording.clean(change.by, 100)}" if change.by else ""
    device, text = wording.clean(change.device, 100), wording.clean(change.text, 300)
    return f"{timezone.localtime(change.at):%H:%M:%S} {device}: {text}{by}"


def changes(item: Item) -> list[str]:
    return [change_line(change) for change in item.changes]


def paragraphs(text: str) -> list[str]:
    """A text of several lines: each clean, none endless, set in as far as it was."""
    lines = text[:MOST_BODY].splitlines()[:500]
    return [" " * min(8, len(line) - len(line.lstrip(" "))) + wording.clean(line, 1000) for line in lines]


def note(item: Item) -> list[str]:
    """The rule's note: what to do."""
    return paragraphs(item.note)[:MOST_LINES] if item.note.strip() else []


def footers(message: Message) -> list[str]:
    """What to know of the message itself."""
    lines = []
    if message.is_repeat:
        lines.append("Possible repeat: this message may have come once before.")
    if message.late_seconds:
        lines.append(f"Late: this message waited {wording.duration(message.late_seconds)}.")
    return lines


def text(message: Message, *, most_items: int = 500) -> str:
    """The whole message as plain text."""
    blocks: list[Sequence[str]] = []
    if message.body:
        blocks.append(paragraphs(message.body))
    for item in message.items[:most_items]:
        blocks.append(_brief(item) if len(message.items) > 1 else _full(item))
    if len(message.items) > most_items:
        blocks.append([f"and {len(message.items) - most_items} more"])
    if lines := footers(message):
        blocks.append(lines)
    return "\n\n".join("\n".join(block) for block in blocks)


def _brief(item: Item) -> list[str]:
    lines = [f"[{item.severity}] {headline(item)} ({status(item)})", f"  {since(item)}"]
    return [*lines, f"  {item.url}"] if item.url else lines


def _full(item: Item) -> list[str]:
    lines = [headline(item), "", *(f"{label}: {said}" for label, said in facts(item))]
    if found := note(item):
        lines += ["", "What to do", *(f"  {line}" for line in found)]
    if found := changes(item):
        lines += ["", "Changed in the hour before", *(f"  {line}" for line in found)]
    return [*lines, "", item.url] if item.url else lines
