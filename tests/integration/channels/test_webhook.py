"""The signed webhook against a real receiver, verified by another's implementation."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from monitoring.notifiers import Failed, Outcome, carrying, webhook
from monitoring.notifying import configs
from monitoring.notifying.messages import Message
from tests.daemons.receivers import Receiver, Reply
from tests.messages import HOSTILE, hostile, make_item, make_message, over

pytestmark = pytest.mark.django_db
OLD, NEW = configs.make_secret(), configs.make_secret()


def send(receiver: Receiver, message: Message | None = None, **config: Any) -> Outcome:
    return webhook.send(message or make_message(), {"url": receiver.url, "secret": NEW, "tenant_id": None, **config})


def test_what_is_posted_verifies(receiver: Receiver) -> None:
    assert send(receiver).code == "200"
    [got] = receiver.got
    found = Webhook(NEW).verify(got.body, got.headers)
    assert (found["type"], found["version"], got.headers["Webhook-Id"]) == ("alert.firing", 1, "a1" * 32)
    [alert] = found["data"]["alerts"]
    assert alert["device"] == {"id": 3, "name": "core1.fra"} and alert["in_maintenance"] is False
    assert alert["changes"][0]["by"] == "omar" and alert["behind_names"] == ["leaf1", "leaf2"]
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(got.body.replace(b"Down", b"Fine"), got.headers)


def test_the_example_in_the_documentation_works(receiver: Receiver) -> None:
    page = Path(__file__).resolve().parents[3] / "docs/how-to/receive-webhooks.md"
    [code] = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    example: dict[str, Any] = {}
    exec(code, example)
    send(receiver, previous_secret=OLD)
    [got] = receiver.got
    for secret in (OLD, NEW):
        example["verify"](secret, got.headers, got.body)
    with pytest.raises(ValueError, match="wrong signature"):
        example["verify"](NEW, got.headers, got.body + b" ")
    with pytest.raises(ValueError, match="wrong signature"):
        example["verify"](configs.make_secret(), got.headers, got.body)
    old = {**got.headers, "Webhook-Timestamp": str(int(time.time()) - 301)}
    with pytest.raises(ValueError, match="too old"):
        example["verify"](NEW, old, got.body)


def test_every_field_of_the_payload_is_documented() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/reference/webhook-payload.md").read_text()
    found = webhook.payload(make_message())
    names = {*found, *found["data"]["alerts"][0], *found["data"]["alerts"][0]["changes"][0]}
    names |= {f"data.{name}" for name in found["data"]}
    assert [name for name in names - {"data"} if f"`{name}`" not in page] == []


def test_while_a_secret_is_changed_both_verify(receiver: Receiver) -> None:
    send(receiver, previous_secret=OLD)
    [got] = receiver.got
    assert got.headers["Webhook-Signature"].count("v1,") == 2
    for secret in (OLD, NEW):
        Webhook(secret).verify(got.body, got.headers)


def test_a_secret_that_is_plain_text_signs_with_its_bytes(receiver: Receiver) -> None:
    send(receiver, secret="a plain secret of 30 characters")
    [got] = receiver.got
    Webhook(b"a plain secret of 30 characters").verify(got.body, got.headers)


def test_a_repeat_has_the_same_id_and_says_so(receiver: Receiver) -> None:
    send(receiver)
    send(receiver, make_message(is_repeat=True, late_seconds=660.0))
    first, second = receiver.got
    assert first.headers["Webhook-Id"] == second.headers["Webhook-Id"]
    data = json.loads(second.body)["data"]
    assert data["is_repeat"] is True and data["late_seconds"] == 660.0


def test_groups_summaries_and_values_that_json_has_not(receiver: Receiver) -> None:
    send(receiver, make_message(*[make_item(alert_id=n, value=float("nan")) for n in range(500)]))
    send(receiver, Message(key="k", kind="summary", title="Summary", items=(), body="Two lines\nof news"))
    send(receiver, make_message(over(make_item(was_in_maintenance=True))))
    group, summary, resolved = [json.loads(got.body) for got in receiver.got]
    assert group["type"] == "alert.group" and len(group["data"]["alerts"]) == 500
    assert group["data"]["alerts"][0]["value"] is None
    assert summary["type"] == "summary" and summary["data"]["body"] == "Two lines\nof news"
    assert resolved["data"]["alerts"][0]["resolved_at"].startswith("2026-11-22T14:09:11")
    assert resolved["data"]["alerts"][0]["in_maintenance"] is True


STATUSES = [
    (200, ""), (201, ""), (204, ""),
    (301, "permanent"), (302, "permanent"), (307, "permanent"), (400, "permanent"), (401, "permanent"),
    (403, "permanent"), (404, "permanent"), (410, "permanent"), (413, "permanent"), (422, "permanent"),
    (408, "temporary"), (425, "temporary"), (429, "temporary"), (500, "temporary"), (502, "temporary"),
    (503, "temporary"), (504, "temporary"), (599, "temporary"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "means"), STATUSES)
def test_what_a_status_means(receiver: Receiver, status: int, means: str) -> None:
    receiver.says(Reply(status, b"" if status == 204 else b"a word of theirs", {"Location": "http://169.254.169.254/"}))
    if not means:
        assert send(receiver).code == str(status)
        return
    with pytest.raises(Failed) as raised:
        send(receiver)
    assert (raised.value.code, raised.value.is_permanent) == (str(status), means == "permanent")
    assert "word of theirs" not in raised.value.detail and len(receiver.got) == 1


def test_retry_after_in_seconds_and_as_a_date(receiver: Receiver) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    for text, low, high in (("120", 120, 120), (later, 590, 600)):
        receiver.says(Reply(429, b"", {"Retry-After": text}))
        with pytest.raises(Failed) as raised:
            send(receiver)
        assert raised.value.retry_after is not None and low <= raised.value.retry_after <= high
    for text in ("", "soon", "-5", "١٢", "1e9", "Wed, 99 Foo 2026 00:00:00 GMT"):
        assert carrying.retry_after(text) is None
    assert carrying.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert carrying.retry_after("9" * 40) == 999_999_999.0


def test_a_certificate_that_is_not_trusted_may_be_mended(secure_receiver: Receiver, trusted: None) -> None:
    assert send(secure_receiver).code == "200"


def test_a_certificate_that_is_not_trusted_is_tried_again(secure_receiver: Receiver) -> None:
    with pytest.raises(Failed, match="not trusted") as raised:
        send(secure_receiver)
    assert not raised.value.is_permanent and secure_receiver.got == []


def test_this_machine_is_refused(receiver: Receiver, settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False
    with pytest.raises(Failed, match="Loopback") as raised:
        send(receiver)
    assert (raised.value.code, raised.value.is_permanent, receiver.got) == ("target_refused", True, [])


def test_without_a_secret_nothing_is_sent(receiver: Receiver) -> None:
    with pytest.raises(Failed, match="no signing secret"):
        send(receiver, secret="")
    assert receiver.got == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_are_only_texts(receiver: Receiver, text: str) -> None:
    send(receiver, hostile(text))
    [got] = receiver.got
    found = Webhook(NEW).verify(got.body, got.headers)
    assert set(found) == {"type", "version", "timestamp", "data"}
    assert "Bcc" not in got.headers and "\n" not in found["data"]["title"]


def test_secrets_that_cannot_be_one() -> None:
    assert len(configs.signing_key(configs.make_secret())) == 32 and configs.make_secret() != configs.make_secret()
    base = {"url": "https://example.org/hook"}
    configs.merge("webhook", {**base, "secret": configs.make_secret()})
    for secret in ("short", "whsec_not base64 at all!!!!!!!!"):
        with pytest.raises(ValidationError):
            configs.merge("webhook", {**base, "secret": secret})
