"""The whole way: rows of the outbox, the worker's loop, real receivers, and what is written about it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from monitoring.models import Alert, Channel, Notification
from monitoring.notifying import composing, configs, outbox
from tests import factories as make
from tests.daemons.receivers import Mailbox, Receiver, Reply
from tests.fleet import make_contact

pytestmark = pytest.mark.django_db
SECRET = configs.make_secret()


def make_channel(kind: str, **given: Any) -> Channel:
    channel = Channel(name=f"my {kind}", kind=kind)
    configs.seal(channel, configs.merge(kind, given))
    channel.save()
    return channel


def by_mail(mailbox: Mailbox) -> Channel:
    return make_channel(
        "email", host="127.0.0.1", port=mailbox.port, security="none", from_address="netmon@example.org"
    )


def make_alert(name: str = "core1") -> Alert:
    now = timezone.now()
    return Alert.objects.create(
        source="device.down", device=make.make_device(name=name), fingerprint=name, state="firing", severity="critical",
        summary="Down", started_at=now - timedelta(minutes=2), fired_at=now,
    )  # fmt: skip


def tell(alert: Alert, contact: Any, kind: str = "firing") -> Notification:
    seq = Notification.objects.count() + 1
    return Notification.objects.create(
        alert=alert, seq=seq, kind=kind, contact=contact, channel=contact.channels.get(), severity="critical",
        severity_rank=4, dedupe_key=composing.key_of(alert.pk, kind, seq),
    )  # fmt: skip


def resolve(alert: Alert) -> None:
    alert.state, alert.resolved_at = "resolved", timezone.now()
    alert.save()


def again(row: Notification) -> Notification:
    """Its time has come once more."""
    Notification.objects.filter(pk=row.pk).update(next_at=timezone.now())
    Channel.objects.update(retry_after=None)
    outbox.deliver(seconds=20)
    row.refresh_from_db()
    return row


def test_mails_of_an_alert_are_one_thread(mailbox: Mailbox) -> None:
    alert, contact = make_alert(), make_contact(by_mail(mailbox), emails=["noc@example.org"])
    first = tell(alert, contact)
    assert outbox.deliver(seconds=20) == 1
    resolve(alert)
    second = tell(alert, contact, "resolved")
    outbox.deliver(seconds=20)
    for row in (first, second):
        row.refresh_from_db()
        assert (row.status, row.last_code) == ("sent", "250")
    (_, _, opened), (_, _, closed) = mailbox.mails
    assert opened["Subject"] == "[critical] core1: Down" and closed["Subject"] == "[critical] Resolved: core1: Down"
    assert closed["References"] == opened["Message-ID"] == first.provider_id


def test_451_then_250_is_the_same_mail_once(mailbox: Mailbox) -> None:
    mailbox.data[:] = ["451 greylisted", "250 taken"]
    row = tell(make_alert(), make_contact(by_mail(mailbox), emails=["noc@example.org"]))
    outbox.deliver(seconds=20)
    row.refresh_from_db()
    assert (row.status, row.last_code) == ("retry", "451") and row.next_at > timezone.now()
    assert again(row).status == "sent" and len(mailbox.mails) == 1
    assert [entry["code"] for entry in row.log] == ["451", "250"]


def test_550_is_given_up_at_once(mailbox: Mailbox) -> None:
    mailbox.data[:] = ["550 no"]
    row = tell(make_alert(), make_contact(by_mail(mailbox), emails=["noc@example.org"]))
    outbox.deliver(seconds=20)
    row.refresh_from_db()
    assert (row.status, row.last_code, mailbox.mails) == ("dead", "550", [])


def test_429_rests_the_channel_for_as_long_as_it_says(receiver: Receiver) -> None:
    receiver.says(Reply(429, b"", {"Retry-After": "600"}), Reply(200))
    channel = make_channel("webhook", url=receiver.url, secret=SECRET)
    row = tell(make_alert(), make_contact(channel))
    outbox.deliver(seconds=20)
    row.refresh_from_db()
    channel.refresh_from_db()
    assert row.status == "retry" and channel.retry_after is not None
    assert (channel.retry_after - timezone.now()).total_seconds() > 590
    assert again(row).status == "sent"
    first, second = receiver.got
    assert first.headers["Webhook-Id"] == second.headers["Webhook-Id"] == row.message_key
    Webhook(SECRET).verify(second.body, second.headers)


def test_a_message_whose_worker_died_says_that_it_may_be_a_repeat(receiver: Receiver) -> None:
    channel = make_channel("webhook", url=receiver.url, secret=SECRET)
    row = tell(make_alert(), make_contact(channel))
    [claimed] = outbox.claim(timezone.now())
    outbox.transmit(channel, composing.compose([claimed], timezone.now()))
    Notification.objects.filter(pk=row.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    outbox.deliver(seconds=20)
    first, second = receiver.got
    assert first.headers["Webhook-Id"] == second.headers["Webhook-Id"]
    assert [json.loads(got.body)["data"]["is_repeat"] for got in receiver.got] == [False, True]


def test_many_at_once_are_one_message(mailbox: Mailbox, receiver: Receiver) -> None:
    contacts = [
        make_contact(by_mail(mailbox), emails=["noc@example.org"]),
        make_contact(make_channel("webhook", url=receiver.url, secret=SECRET)),
    ]
    for number in range(6):
        alert = make_alert(f"leaf{number}")
        for contact in contacts:
            tell(alert, contact)
    assert outbox.deliver(seconds=20) == 2
    assert len(mailbox.mails) == len(receiver.got) == 1
    assert len(json.loads(receiver.got[0].body)["data"]["alerts"]) == 6
    assert mailbox.mails[0][2]["Subject"] == "[critical] 6 firing: leaf0, leaf1, leaf2 and 3 more"


def test_slack_keeps_one_message_of_an_alert(receiver: Receiver) -> None:
    receiver.says(Reply(200, b'{"ok": true, "channel": "C1", "ts": "17.5"}'))
    api = f"http://127.0.0.1:{receiver.port}/api"
    contact = make_contact(make_channel("slack", token="xoxb-hush", channel="C1", api_url=api))
    alert = make_alert()
    first = tell(alert, contact)
    outbox.deliver(seconds=20)
    resolve(alert)
    tell(alert, contact, "resolved")
    outbox.deliver(seconds=20)
    first.refresh_from_db()
    assert first.provider_id == "17.5"
    assert [got.path for got in receiver.got] == ["/api/chat.postMessage", "/api/chat.update", "/api/chat.postMessage"]
    assert json.loads(receiver.got[1].body)["ts"] == json.loads(receiver.got[2].body)["thread_ts"] == "17.5"


def test_a_summary_goes_by_every_kind(mailbox: Mailbox, receiver: Receiver) -> None:
    for channel in (by_mail(mailbox), make_channel("slack", webhook_url=receiver.url)):
        contact = make_contact(channel, emails=["noc@example.org"])
        Notification.objects.create(
            kind="summary", contact=contact, channel=channel, dedupe_key=composing.key_of(channel.pk), severity="info",
            severity_rank=0, data={"title": "netmon: 1 open", "body": "Open\n  [high] <core1>: Down"},
        )  # fmt: skip
    assert outbox.deliver(seconds=20) == 2
    assert "[high] <core1>: Down" in mailbox.mails[0][2].get_body(("plain",)).get_content()
    assert "&lt;core1&gt;" in json.loads(receiver.got[0].body)["blocks"][1]["text"]["text"]
