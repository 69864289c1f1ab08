"""Slack, and what speaks like it: Block Kit by an incoming webhook, or by a bot token that updates in place.

With a token an alert is one message that always shows how it stands; what people must notice is told in its thread.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from monitoring.models.delivery import Notification
from monitoring.notifiers import Failed, Outcome, carrying, telling
from monitoring.notifying.messages import Item, Message
from netmon.drivers.http import Answer

Kind = Notification.Kind
# Limits of Block Kit, in UTF-16 units.
MOST_TEXT = 3000
MOST_BLOCKS = 50
MOST_HEADER = 150
MOST_FALLBACK = 3000
MOST_LISTED = 100  # alerts of a group: nobody reads on
# Errors of the API that pass by themselves; all others need a person.
PASSING = frozenset(
    {
        "accesslimited", "fatal_error", "internal_error", "rate_limited", "ratelimited", "request_timeout",
        "rollup_error", "service_unavailable", "team_added_to_org", "unknown_error",
    }
)  # fmt: skip
GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
WORD = re.compile(r"[a-z][a-z_]{1,60}")
SIGNS = {
    "critical": ":red_circle:", "high": ":large_orange_circle:", "medium": ":large_yellow_circle:",
    "low": ":large_blue_circle:", "info": ":white_circle:",
}  # fmt: skip
OVER = ":large_green_circle:"


def send(message: Message, config: Mapping[str, Any]) -> Outcome:
    """Raises Failed."""
    if config.get("token"):
        return _by_token(message, config)
    body = json.dumps({**content(message), "unfurl_links": False, "unfurl_media": False}).encode()
    answer = carrying.post(config["webhook_url"], body, {"Content-Type": "application/json"}, config, message)
    carrying.check_status(answer, _word(answer.body.decode("utf-8", "replace")))
    return Outcome(str(answer.status))


def _by_token(message: Message, config: Mapping[str, Any]) -> Outcome:
    """A new message, or the alert's own one brought up to date. First that: to do it twice changes nothing."""
    told = content(message)
    place = {"channel": config["channel"]}
    quiet = {"unfurl_links": False, "unfurl_media": False}
    if message.thread_id and len(message.items) == 1:
        try:
            _call("chat.update", {**place, "ts": message.thread_id, **told}, config, message)
            if message.kind != Kind.ACKNOWLEDGED:  # that somebody looks after it calls nobody
                reply = {**place, "thread_ts": message.thread_id, "reply_broadcast": message.kind != Kind.RESOLVED}
                _call("chat.postMessage", {**reply, **quiet, **told}, config, message)
            return Outcome("200", provider_id=message.thread_id)
        except Failed as failure:
            if failure.code not in GONE:
                raise
    answer = _call("chat.postMessage", {**place, **quiet, **told}, config, message)
    # Of a group no single alert may take the place.
    return Outcome("200", provider_id=str(answer.get("ts", "")) if len(message.items) == 1 else "")


def _call(method: str, values: Mapping[str, Any], config: Mapping[str, Any], message: Message) -> dict[str, Any]:
    """One call of the API. Raises Failed, whose code is Slack's word for what is wrong."""
    headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {config['token']}"}
    url = f"{config['api_url'].rstrip('/')}/{method}"
    answer = carrying.post(url, json.dumps(values).encode(), headers, config, message)
    carrying.check_status(answer)
    found = _parsed(answer)
    if found.get("ok") is True:
        return found
    word = _word(str(found.get("error", ""))) or "unknown_error"
    after = carrying.retry_after(answer.headers.get("retry-after", ""))
    raise Failed(f"Slack said {word}.", code=word, is_permanent=word not in PASSING, retry_after=after)


def _parsed(answer: Answer) -> dict[str, Any]:
    """The answer, of which only the beginning may be there: `ok`, `error`, `channel` and `ts` come before the rest."""
    text = answer.body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except ValueError:
        head = text.partition('"message"')[0].rstrip().rstrip(",") + "}"
        try:
            found = json.loads(head)
        except ValueError:
            raise Failed("The answer is not that of Slack.", code="protocol_error") from None
    if not isinstance(found, dict):
        raise Failed("The answer is not that of Slack.", code="protocol_error")
    return found


def _word(text: str) -> str:
    """An error code of Slack; nothing else of an answer is shown."""
    return text.strip() if WORD.fullmatch(text.strip()) else ""


# --- What is posted ---------------------------------------------------------------------------------------------------
def content(message: Message) -> dict[str, Any]:
    """Text for notifications, blocks for the screen. All is escaped: `<!channel>` of a device calls nobody."""
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": fit(telling.title(message), MOST_HEADER)}}]
    if message.body:
        blocks += _sections(fit(line, 1000) for line in telling.paragraphs(message.body))
    if len(message.items) == 1:
        blocks += _alert(message.items[0])
    elif message.items:
        blocks += _sections(_line(item) for item in message.items[:MOST_LISTED])
    end = _footer(message)
    if len(blocks) + len(end) > MOST_BLOCKS:
        blocks = blocks[: MOST_BLOCKS - len(end)]
    return {"text": fit(telling.title(message), MOST_FALLBACK), "blocks": blocks + end, "parse": "none"}


def _alert(item: Item) -> list[dict[str, Any]]:
    lines = [f"{_sign(item)} *{fit(telling.headline(item), 600)}*"]
    lines += [f"*{label}* {fit(text, 900)}" for label, text in telling.facts(item)]
    blocks = _sections(lines)
    if found := telling.note(item):
        blocks += _sections(["*What to do*", *(fit(line, 1000) for line in found)])
    if found := telling.changes(item):
        blocks += _sections(["*Changed in the hour before*", *(f"• {fit(line, 600)}" for line in found)])
    return blocks


def _line(item: Item) -> str:
    said = fit(telling.headline(item), 400)
    linked = f"<{escape(item.url)}|{said.replace('|', '¦')}>" if item.url else said
    return f"{_sign(item)} {linked} ({fit(telling.status(item), 40)}, since {fit(telling.since(item), 120)})"


def _sign(item: Item) -> str:
    return OVER if telling.is_over(item) else SIGNS.get(item.severity, SIGNS["info"])


def _footer(message: Message) -> list[dict[str, Any]]:
    lines = [escape(line) for line in telling.footers(message)]
    if len(message.items) > MOST_LISTED:
        lines.insert(0, f"and {len(message.items) - MOST_LISTED} more")
    if len(message.items) == 1 and message.items[0].url:
        lines.insert(0, f"<{escape(message.items[0].url)}|Open the alert>")
    if not lines:
        return []
    return [{"type": "context", "elements": [{"type": "mrkdwn", "verbatim": True, "text": "\n".join(lines)[:2900]}]}]


def _sections(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Escaped lines as sections, each as full as it may be."""
    texts: list[str] = []
    for line in lines:
        line = line or " "
        if texts and _units(texts[-1]) + 1 + _units(line) <= MOST_TEXT:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    return [{"type": "section", "text": {"type": "mrkdwn", "verbatim": True, "text": text}} for text in texts if text]


def escape(text: str) -> str:
    """The three characters that begin mentions, links and entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fit(text: str, limit: int) -> str:
    """Escaped and at most so long, never cut within an entity or a character."""
    escaped = escape(text)
    if _units(escaped) <= limit:
        return escaped
    kept, length = [], 1
    for char in text:
        piece = escape(char)
        length += _units(piece)
        if length > limit:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)
