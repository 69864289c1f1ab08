"""What a message says, before any channel gives it its form. Plain values: a notifier needs no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened near an alert of late: what, where, when, by whom."""

    at: datetime
    device: str
    text: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One alert as a message tells it. Texts are clean lines (see `wording.clean`) but not escaped for any format."""

    alert_id: int
    fingerprint: str
    severity: str
    state: str
    kind: str  # of the notification that brought it: firing, resolved ...
    device: str
    device_id: int | None
    tenant: str
    site: str
    subject: str
    summary: str
    detail: str
    text: str  # of the event: why it was resolved, which step
    started_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    url: str  # of the alert's page; empty when netmon does not know its own address
    acknowledged_by: str = ""
    comment: str = ""
    note: str = ""  # of the rule: what to do
    was_in_maintenance: bool = False
    behind: int = 0  # devices that are cut off with it
    behind_names: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    picture: bytes = b""  # PNG, empty where there is nothing to draw
    value: float | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One message on the wire: to one contact by one channel, about one alert or several.

    `key` stays the same however often it is tried: mail's Message-ID and the webhook's Webhook-Id are made from it.
    `thread` is the key of the first message about the same alert to the same destination, `thread_id` what the other
    side answered to that one (Slack's ts). `late_seconds` is how long it waited against anybody's wish.
    """

    key: str
    kind: str
    title: str
    items: tuple[Item, ...]
    to: str = ""
    emails: tuple[str, ...] = ()
    thread: str = ""
    thread_id: str = ""
    is_repeat: bool = False
    late_seconds: float = 0.0
    made_at: datetime | None = None
    body: str = ""  # plain text of what is about no single alert: a summary, a test
    data: Mapping[str, Any] = field(default_factory=dict)
