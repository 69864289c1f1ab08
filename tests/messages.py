"""Messages for tests, friendly and hostile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.notifying.messages import Change, Item, Message

AT = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
HOSTILE = {
    "crlf": "core1\r\nBcc: victim@example.org\r\n\r\n<b>hi</b>",
    "markup": '<img src=x onerror="alert(1)">"><script>alert(2)</script>',
    "mention": "<!channel> <@U123> <!here|here> <https://evil.example|click> &lt;!channel&gt;",
    "bidi": "core\u202e1gpj.exe\u2066 \u200f",
    "four bytes": "router \U0001f525\U0001f4a9\U00020000",
    "long": "A<&>" * 2560,
    "control": "a\x00b\x07c\x1b[31md\x85e\u2028f",
    "half": "half \ud83d of a character",
    "template": "{{ settings.SECRET_KEY }}{% debug %} %s {0} $HOME",
}


def make_item(**over: Any) -> Item:
    values: dict[str, Any] = {
        "alert_id": 17, "fingerprint": "f" * 64, "severity": "critical", "state": "firing", "kind": "firing",
        "device": "core1.fra", "device_id": 3, "tenant": "Acme", "site": "Frankfurt", "subject": "eth0",
        "summary": "Down", "detail": "No answer to ping", "text": "", "started_at": AT, "fired_at": AT,
        "resolved_at": None, "url": "https://netmon.example.org/alerts/17/", "note": "Call the provider.\nThen wait.",
        "behind": 3, "behind_names": ("leaf1", "leaf2"), "value": 97.5,
        "changes": (Change(AT - timedelta(minutes=5), "core1.fra", "Config changed: 2 lines", "omar"),),
    }  # fmt: skip
    return Item(**{**values, **over})


def make_message(*items: Item, **over: Any) -> Message:
    found = items or (make_item(),)
    values: dict[str, Any] = {
        "key": "a1" * 32, "kind": found[0].kind if len(found) == 1 else "group",
        "title": f"[{found[0].severity}] {found[0].device}: {found[0].summary}", "items": found, "to": "NOC",
        "emails": ("noc@example.org",), "made_at": AT, "data": {"deadline_seconds": 5},
    }  # fmt: skip
    return Message(**{**values, **over})


def hostile(text: str, **over: Any) -> Message:
    """A message whose every text is the attack."""
    change = Change(AT, text, text, text)
    item = make_item(
        device=text, tenant=text, site=text, subject=text, summary=text, detail=text, text=text, acknowledged_by=text,
        comment=text, note=text, behind_names=(text, text), changes=(change,),
    )  # fmt: skip
    return make_message(item, **{"title": text, "to": text, "body": text, **over})


def over(item: Item) -> Item:
    return replace(item, kind="resolved", state="resolved", resolved_at=item.started_at + timedelta(minutes=7))
