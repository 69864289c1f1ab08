"""The optional package, held to netmon's rules: against a stand-in for one of its services."""

import json
import logging
import sys
import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from monitoring.notifiers import Failed, Outcome, apprise
from monitoring.notifying import configs
from monitoring.notifying.messages import Message
from tests.daemons.receivers import Receiver, Reply, silence, talking
from tests.messages import HOSTILE, hostile, make_message

pytestmark = pytest.mark.django_db


def send(port: int, message: Message | None = None, url: str = "gotify://127.0.0.1:{port}/Ahushhush1234") -> Outcome:
    return apprise.send(message or make_message(), {"url": url.format(port=port), "tenant_id": None})


def test_a_service_gets_the_message(receiver: Receiver) -> None:
    pytest.importorskip("apprise")
    assert send(receiver.port).code == "ok"
    [got] = receiver.got
    body = json.loads(got.body)
    assert "core1.fra: Down" in body["title"] and "Call the provider." in body["message"]


def test_ten_messages_do_not_wait_for_each_other(receiver: Receiver) -> None:
    started = time.monotonic()
    for _ in range(10):
        send(receiver.port)
    assert len(receiver.got) == 10 and time.monotonic() - started < 5


@pytest.mark.parametrize("status", [302, 307, 400, 401, 429, 500])
def test_a_failure_is_one_and_never_followed(receiver: Receiver, status: int) -> None:
    receiver.says(Reply(status, b"", {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}))
    with pytest.raises(Failed, match="did not take") as raised:
        send(receiver.port)
    assert not raised.value.is_permanent and len(receiver.got) == 1


def test_a_black_hole_ends() -> None:
    with talking(silence) as port:
        started = time.monotonic()
        with pytest.raises(Failed):
            send(port, make_message(data={"deadline_seconds": 2}))
        assert time.monotonic() - started < 8


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_texts_are_only_texts(receiver: Receiver, text: str) -> None:
    send(receiver.port, hostile(text))
    [got] = receiver.got
    assert "\n" not in json.loads(got.body)["title"] and "Bcc" not in got.headers


def test_what_must_be_so_is_so_whatever_the_address_says() -> None:
    found = apprise.forced("ntfys://h.example/t?redirect=yes&Retry=9&priority=high&rto=600&format=html")
    assert found == "ntfys://h.example/t?priority=high&redirect=no&retry=0&rto=5&cto=5&format=text&discovery=no"
    assert apprise.forced("tgram://1:a/2").startswith("tgram://1:a/2?redirect=no")


def test_nothing_of_it_is_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.says(Reply(500))
    with pytest.raises(Failed) as raised:
        send(receiver.port)
    told = "".join(record.getMessage() for record in caplog.records if record.name.startswith("apprise"))
    assert told == "" and "hush" not in caplog.text and "hush" not in raised.value.detail


def test_without_the_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Failed, match=r"pip install -r requirements/optional.txt") as raised:
        send(1)
    assert (raised.value.code, raised.value.is_permanent) == ("not_installed", True)


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "[::1]", "2130706433", "0x7f.1"])
def test_a_host_is_judged_before(host: str, settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False
    for schema in ("gotify", "ntfys", "matrix", "mmost"):
        with pytest.raises(Failed) as raised:
            send(80, url=f"{schema}://{host}/token/topic")
        assert (raised.value.code, raised.value.is_permanent) == ("target_refused", True)


@pytest.mark.parametrize(
    "url",
    [
        "ntfy://169.254.169.254?to=topic", "ntfys://169.254.169.254?mode=private&to=t", "ntfy://127.0.0.1/topic",
        "zulip://bot@127.0.0.1/token", "workflows://169.254.169.254/a/b", "mmost://localhost:8065/token",
    ],
)  # fmt: skip
def test_no_other_way_of_writing_it_leads_there(url: str, settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False
    with pytest.raises(Failed) as raised:
        apprise.check_place(apprise.forced(url), {"tenant_id": None}, make_message())
    assert raised.value.code == "target_refused"


@pytest.mark.parametrize("url", ["ntfy://my-topic", "zulip://bot@acme/token", "tgram://123:abc/456", "pover://u@t"])
def test_services_on_the_internet_have_no_host_to_judge(url: str) -> None:
    apprise.check_place(apprise.forced(url), {"tenant_id": None}, make_message())


@pytest.mark.parametrize(
    "url",
    [
        "syslog://", "rsyslog://h/x", "json://h/x", "jsons://h", "xml://h", "form://h", "mailto://a:b@c", "slack://a/b/c",
        "dbus://", "windows://", "apprise://h/t", "smtp://x", "file:///etc/passwd", "http://h/", "nonsense", "://", "",
    ],
)  # fmt: skip
def test_schemas_that_are_not_allowed(url: str) -> None:
    with pytest.raises(ValidationError):
        configs.merge("apprise", {"url": url})
    if "://" in url:
        with pytest.raises(Failed):
            send(1, url=url)


def test_what_is_allowed_is_known_to_apprise() -> None:
    package = pytest.importorskip("apprise")
    known = {schema for service in package.Apprise().details()["schemas"] for kind in ("protocols", "secure_protocols")
             for schema in (service[kind] or ())}  # fmt: skip
    assert known >= configs.HOSTED_SCHEMAS | configs.HOST_SCHEMAS
