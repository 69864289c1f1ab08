"""Slack's two ways, against a stand-in that answers as Slack does."""

import json
import re
from typing import Any

import pytest

from monitoring.notifiers import Failed, slack
from monitoring.notifying.messages import Message
from tests.daemons.receivers import Receiver, Reply
from tests.messages import HOSTILE, hostile, make_item, make_message, over

pytestmark = pytest.mark.django_db


def by_webhook(receiver: Receiver, message: Message | None = None) -> Any:
    return slack.send(message or make_message(), {"webhook_url": receiver.url, "tenant_id": None})


def by_token(receiver: Receiver, message: Message | None = None) -> Any:
    config = {
        "token": "xoxb-hush-hush", "channel": "C012345", "api_url": f"http://127.0.0.1:{receiver.port}/api",
        "tenant_id": None,
    }  # fmt: skip
    return slack.send(message or make_message(), config)


def said(value: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps(value).encode())


OK = said({"ok": True, "channel": "C012345", "ts": "1700000000.000100", "message": {"text": "x" * 9000}})


def posted(receiver: Receiver) -> list[tuple[str, dict[str, Any]]]:
    return [(got.path, json.loads(got.body)) for got in receiver.got]


def test_an_incoming_webhook_gets_blocks(receiver: Receiver) -> None:
    assert by_webhook(receiver).code == "200"
    [(_, body)] = posted(receiver)
    shown = json.dumps(body)
    assert body["blocks"][0] == {"type": "header", "text": {"type": "plain_text", "text": "[critical] core1.fra: Down"}}
    for words in ("Call the provider.", "Config changed: 2 lines by omar", "3 devices cut off with it: leaf1, leaf2"):
        assert words in shown
    assert "<https://netmon.example.org/alerts/17/|Open the alert>" in shown


def test_a_token_keeps_one_message_and_tells_the_end_in_its_thread(receiver: Receiver) -> None:
    receiver.says(OK)
    first = by_token(receiver)
    assert first.provider_id == "1700000000.000100"
    again = by_token(receiver, make_message(over(make_item()), thread="a1" * 32, thread_id=first.provider_id))
    assert again.provider_id == first.provider_id
    (first_path, first_body), (second_path, update), (third_path, reply) = posted(receiver)
    assert [first_path, second_path, third_path] == [
        "/api/chat.postMessage",
        "/api/chat.update",
        "/api/chat.postMessage",
    ]
    assert first_body["channel"] == "C012345" and "thread_ts" not in first_body
    assert update["ts"] == reply["thread_ts"] == first.provider_id and "over" in json.dumps(update)
    assert {got.headers["Authorization"] for got in receiver.got} == {"Bearer xoxb-hush-hush"}


def test_that_somebody_looks_after_it_changes_the_message_and_calls_nobody(receiver: Receiver) -> None:
    receiver.says(OK)
    item = make_item(kind="acknowledged", acknowledged_by="omar", comment="on it")
    by_token(receiver, make_message(item, thread_id="17.1"))
    [(path, body)] = posted(receiver)
    assert path == "/api/chat.update" and "by omar: on it" in json.dumps(body)


def test_a_message_that_is_gone_is_written_anew(receiver: Receiver) -> None:
    receiver.says(said({"ok": False, "error": "message_not_found"}), OK)
    assert by_token(receiver, make_message(thread_id="17.1")).provider_id == "1700000000.000100"
    assert [path for path, _ in posted(receiver)] == ["/api/chat.update", "/api/chat.postMessage"]


def test_no_alert_takes_the_place_of_a_group(receiver: Receiver) -> None:
    receiver.says(OK)
    assert by_token(receiver, make_message(make_item(), make_item(alert_id=18))).provider_id == ""


@pytest.mark.parametrize(
    ("error", "is_permanent"),
    [
        ("invalid_auth", True), ("channel_not_found", True), ("not_in_channel", True), ("is_archived", True),
        ("token_revoked", True), ("missing_scope", True), ("invalid_blocks", True), ("some_new_error", True),
        ("ratelimited", False), ("internal_error", False), ("fatal_error", False), ("service_unavailable", False),
        ("<b>hush</b>", False),
    ],
)  # fmt: skip
def test_errors_of_the_api(receiver: Receiver, error: str, is_permanent: bool) -> None:
    receiver.says(said({"ok": False, "error": error}))
    with pytest.raises(Failed) as raised:
        by_token(receiver)
    assert raised.value.is_permanent is is_permanent
    assert "hush" not in f"{raised.value.detail}{raised.value.code}"


@pytest.mark.parametrize(
    ("status", "body", "is_permanent"),
    [
        (400, "invalid_payload", True), (403, "action_prohibited", True), (404, "no_service", True),
        (410, "channel_is_archived", True), (500, "rollup_error", False), (429, "rate_limited", False),
        (302, "", True), (404, "<html>secret things</html>", True),
    ],
)  # fmt: skip
def test_errors_of_a_webhook(receiver: Receiver, status: int, body: str, is_permanent: bool) -> None:
    receiver.says(Reply(status, body.encode(), {"Retry-After": "30"}))
    with pytest.raises(Failed) as raised:
        by_webhook(receiver)
    assert (raised.value.code, raised.value.is_permanent, raised.value.retry_after) == (str(status), is_permanent, 30.0)
    assert ("(" in raised.value.detail) == bool(re.fullmatch(r"[a-z_]+", body)) and "secret" not in raised.value.detail


def test_an_answer_that_is_not_slacks(receiver: Receiver) -> None:
    for body in (b"<html>", b"[]", b"", b'{"ok": '):
        receiver.says(Reply(200, body))
        with pytest.raises(Failed, match="not that of Slack") as raised:
            by_token(receiver)
        assert not raised.value.is_permanent


def every_text(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in every_text(part)]


def check_limits(body: dict[str, Any]) -> None:
    assert 1 <= len(body["blocks"]) <= 50
    for block in body["blocks"]:
        texts = [element["text"] for element in block["elements"]] if "elements" in block else [block["text"]["text"]]
        limit = 150 if block["type"] == "header" else 3000
        assert all(1 <= len(text.encode("utf-16-le")) // 2 <= limit for text in texts)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_call_nobody_and_keep_the_limits(receiver: Receiver, text: str) -> None:
    by_webhook(receiver, hostile(text, is_repeat=True))
    [(_, body)] = posted(receiver)
    check_limits(body)
    own = {"https://netmon.example.org/alerts/17/|Open the alert"}
    for shown in every_text(body):
        assert set(re.findall(r"<([^>]*)>", shown)) <= own
        assert shown.count("<") == shown.count(">") and not re.search(r"&(?!amp;|lt;|gt;)", shown)
    assert "Possible repeat" in json.dumps(body)


@pytest.mark.parametrize("count", [2, 99, 101, 500])
def test_a_group_of_any_size_keeps_the_limits(receiver: Receiver, count: int) -> None:
    items = [make_item(alert_id=n, device=f"device-{n}-" + "x&" * 45, summary="Down <" * 50) for n in range(count)]
    by_webhook(receiver, make_message(*items))
    [(_, body)] = posted(receiver)
    check_limits(body)
    assert ("more" in json.dumps(body["blocks"][-1])) == (count > slack.MOST_LISTED)


def test_a_long_summary_keeps_the_limits(receiver: Receiver) -> None:
    by_webhook(receiver, Message(key="k", kind="summary", title="Day", items=(), body="line of text & more\n" * 2000))
    check_limits(posted(receiver)[0][1])


def test_no_cut_goes_through_an_entity() -> None:
    for limit in range(1, 40):
        fitted = slack.fit("<&>\U0001f525" * 20, limit)
        assert len(fitted.encode("utf-16-le")) // 2 <= limit and not re.search(r"&(?!amp;|lt;|gt;)", fitted)
