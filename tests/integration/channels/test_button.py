"""The test button: through the real path, to real receivers, within its time."""

import socket
import time
from typing import Any

import pytest

from monitoring.models import Channel, Notification
from monitoring.notifiers import NOTIFIERS
from monitoring.notifying import configs, outbox, testing
from tests.daemons.receivers import Mailbox, Receiver, Reply, silence, talking
from tests.people import make_person

pytestmark = pytest.mark.django_db


def make_channel(kind: str, given: dict[str, Any]) -> Channel:
    channel = Channel(name=f"my {kind}", kind=kind)
    configs.seal(channel, configs.merge(kind, given))
    channel.save()
    return channel


def by_mail(port: int) -> Channel:
    given = {"host": "127.0.0.1", "port": port, "security": "none", "from_address": "netmon@example.org"}
    return make_channel("email", given)


def by_webhook(port: int) -> Channel:
    return make_channel("webhook", {"url": f"http://127.0.0.1:{port}/hook", "secret": configs.make_secret()})


def test_every_kind_of_channel_has_its_notifier() -> None:
    assert set(NOTIFIERS) == set(Channel.Kind.values) == set(configs.FIELDS)


def test_a_mail_arrives_and_stands_in_the_log(mailbox: Mailbox) -> None:
    omar = make_person("omar", "operator")
    found = testing.test_channel(by_mail(mailbox.port), to_emails=["noc@example.org"], user=omar)
    assert (found["ok"], found["code"]) == (True, "250") and 0 <= found["seconds"] < 10
    [(_, recipients, mail)] = mailbox.mails
    assert recipients == ["noc@example.org"] and mail["Subject"] == "netmon: test message"
    assert "sent by omar. Nothing is wrong." in mail.get_body(("plain",)).get_content()
    row = Notification.objects.get()
    assert (row.kind, row.status, row.last_code) == ("test", "sent", "250") and row.sent_at and len(row.log) == 1
    assert Channel.objects.get().last_sent_at is not None
    assert outbox.deliver(seconds=5) == 0


def test_a_webhook_says_what_is_wrong_and_is_not_tried_again(receiver: Receiver) -> None:
    receiver.says(Reply(503))
    channel = by_webhook(receiver.port)
    for _ in range(4):
        found = testing.test_channel(channel)
    assert found == {"ok": False, "code": "503", "detail": "The other side answered 503.", "seconds": found["seconds"]}
    assert {row.status for row in Notification.objects.all()} == {"dead"} and len(receiver.got) == 4
    assert Notification.objects.latest("pk").log[0]["error"] == "The other side answered 503."
    channel.refresh_from_db()
    assert channel.dead_in_a_row == 0 and channel.last_error == "The other side answered 503."
    assert outbox.deliver(seconds=5) == 0


def test_a_good_test_ends_the_alarm_of_a_channel(receiver: Receiver) -> None:
    channel = by_webhook(receiver.port)
    Channel.objects.update(dead_in_a_row=5)
    assert testing.test_channel(channel)["ok"]
    channel.refresh_from_db()
    assert channel.dead_in_a_row == 0


@pytest.mark.parametrize("make", [by_mail, by_webhook], ids=["mail", "webhook"])
def test_nobody_waits_longer_than_ten_seconds(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(testing, "SECONDS", 0.5)
    with talking(silence) as port:
        started = time.monotonic()
        found = testing.test_channel(make(port), to_emails=["a@example.org"])
        assert time.monotonic() - started < 3
    assert (found["ok"], found["code"]) == (False, "timeout") and 0.4 < found["seconds"] < 3


def test_who_pressed_it_gets_the_mail(mailbox: Mailbox) -> None:
    omar = make_person("omar", "operator")
    omar.email = "omar@example.org"
    assert testing.test_channel(by_mail(mailbox.port), user=omar)["ok"]
    assert mailbox.mails[0][1] == ["omar@example.org"]
    found = testing.test_channel(by_mail_again(mailbox))
    assert (found["ok"], found["detail"]) == (False, "The contact has no e-mail address.")


def by_mail_again(mailbox: Mailbox) -> Channel:
    Channel.objects.all().delete()
    return by_mail(mailbox.port)


def test_a_configuration_that_does_not_open(receiver: Receiver, settings: Any) -> None:
    channel = by_webhook(receiver.port)
    settings.FERNET_KEYS = ["b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3Q="]
    channel = Channel.objects.get(pk=channel.pk)
    found = testing.test_channel(channel)
    assert not found["ok"] and receiver.got == []


def test_no_secret_in_what_is_said(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    given = {"webhook_url": f"http://127.0.0.1:{port}/services/T0/B0/hush-hush"}
    found = testing.test_channel(make_channel("slack", given))
    assert not found["ok"] and "hush" not in repr(found)
    row = Notification.objects.get()
    assert "hush" not in f"{row.log}{row.last_error}{row.data}"


def test_recipients_that_were_refused_stand_in_the_log(mailbox: Mailbox) -> None:
    mailbox.recipients["gone@example.org"] = "550 no such user"
    found = testing.test_channel(by_mail(mailbox.port), to_emails=["noc@example.org", "gone@example.org"])
    assert (found["ok"], found["detail"]) == (True, "Not to gone@example.org (550 no such user)")
    row = Notification.objects.get()
    assert (row.status, row.log[0]["error"], row.log[0]["detail"]) == ("sent", "", found["detail"])
