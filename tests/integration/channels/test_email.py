"""Mail as it arrives at a real server, friendly and hostile."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from monitoring.notifiers import Failed, Outcome, email
from monitoring.notifying.messages import Message
from tests.daemons.receivers import Mailbox, mail_server, silence, talking
from tests.messages import HOSTILE, hostile, make_item, make_message, over

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\nnot really"


def send(mailbox: Mailbox, message: Message | None = None, **config: Any) -> Outcome:
    asked = {
        "host": "127.0.0.1", "port": mailbox.port, "security": "none", "username": "", "password": "",
        "from_address": "netmon@example.org", "verify": True, "tenant_id": None, **config,
    }  # fmt: skip
    return email.send(message or make_message(), asked)


def bodies(mail: Any) -> tuple[str, str]:
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    return plain.get_content(), rich.get_content()


class Reader(HTMLParser):
    """The tags of a page and the texts between them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_mail_says_what_is_wrong_and_what_changed(mailbox: Mailbox) -> None:
    outcome = send(mailbox)
    assert (outcome.code, outcome.provider_id) == ("250", f"<{'a1' * 32}@example.org>")
    [(sender, recipients, mail)] = mailbox.mails
    assert (sender, recipients) == ("netmon@example.org", ["noc@example.org"])
    assert mail["Subject"] == "[critical] core1.fra: Down" and mail["From"] == "netmon <netmon@example.org>"
    assert mail["Message-ID"] == f"<{'a1' * 32}@example.org>" and mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.isoformat() == "2026-11-22T14:02:11+00:00"
    assert mail["References"] is None and mail["In-Reply-To"] is None
    plain, rich = bodies(mail)
    for words in (
        "core1.fra: Down", "3 devices cut off with it: leaf1, leaf2 and 1 more", "Config changed: 2 lines by omar",
        "Call the provider.", "https://netmon.example.org/alerts/17/", "No answer to ping",
    ):  # fmt: skip
        assert words in plain and words in rich


def test_what_follows_is_in_the_thread_of_the_first(mailbox: Mailbox) -> None:
    send(mailbox, make_message(over(make_item()), key="b2" * 32, thread="a1" * 32))
    [(_, _, mail)] = mailbox.mails
    assert mail["In-Reply-To"] == mail["References"] == f"<{'a1' * 32}@example.org>"
    assert "2026-11-22 14:02:11 UTC to 2026-11-22 14:09:11 UTC (7 min)" in bodies(mail)[0]


def test_a_repeat_and_a_late_one_say_so_under_the_same_id(mailbox: Mailbox) -> None:
    send(mailbox)
    send(mailbox, make_message(is_repeat=True, late_seconds=660))
    (_, _, first), (_, _, second) = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    for body in bodies(second):
        assert "Possible repeat" in body and "waited 11 min" in body


def test_the_picture_is_inside(mailbox: Mailbox) -> None:
    send(mailbox, make_message(make_item(picture=PNG)))
    [(_, _, mail)] = mailbox.mails
    [image] = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    cid = image["Content-ID"].strip("<>")
    assert image.get_payload(decode=True) == PNG and f'src="cid:{cid}"' in bodies(mail)[1]


def test_a_group_is_one_table(mailbox: Mailbox) -> None:
    items = [make_item(alert_id=n, device=f"leaf{n:03}") for n in range(500)]
    send(mailbox, make_message(*items, make_item(severity="low", kind="resolved")))
    [(_, _, mail)] = mailbox.mails
    plain, rich = bodies(mail)
    tags = [tag for tag, _ in Reader(rich).tags]
    assert tags.count("table") == 1 and tags.count("tr") == 502 and "leaf499: Down" in plain


def test_a_summary_is_text(mailbox: Mailbox) -> None:
    send(mailbox, Message(key="k", kind="summary", title="Day", items=(), body="Open: 1\n  <b>", emails=("a@b.org",)))
    plain, rich = bodies(mailbox.mails[0][2])
    assert "Open: 1" in plain and "&lt;b&gt;" in rich


def test_no_colour_hides_the_text_in_the_dark(mailbox: Mailbox) -> None:
    page = email.html(make_message(), "")
    assert 'name="color-scheme" content="light dark"' in page
    for tag, attributes in Reader(page).tags:
        style = attributes.get("style") or ""
        assert not re.search(r"(^|;)\s*(color|background)", style), tag


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("in_group", [False, True], ids=["single", "group"])
def test_hostile_texts_are_only_texts(mailbox: Mailbox, text: str, in_group: bool) -> None:
    message = hostile(text)
    if in_group:
        message = make_message(message.items[0], message.items[0], title=text)
    send(mailbox, message)
    [(_, recipients, mail)] = mailbox.mails
    assert recipients == ["noc@example.org"]
    names = {name.lower() for name in mail}
    assert "bcc" not in names and len(mail.get_all("subject")) == 1 and "\n" not in mail["Subject"]
    plain, rich = bodies(mail)
    reader, friendly = Reader(rich), Reader(email.html(make_message(*[make_item(note="x")] * len(message.items)), ""))
    assert {tag for tag, _ in reader.tags} <= {tag for tag, _ in friendly.tags} | {"p", "h2", "ul", "li", "a"}
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    for body in (plain, "".join(reader.texts)):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00\x07\x1b\u2028]", body)
    assert len(rich) < 200_000


def test_nobody_to_write_to() -> None:
    with pytest.raises(Failed, match="no e-mail address") as raised:
        send(Mailbox(port=1), make_message(emails=()))
    assert raised.value.is_permanent


@pytest.mark.parametrize(
    "address", ["a b@example.org", "two@example.org, three@example.org", "x@y\r\nBcc: z@q", "plain"]
)
def test_an_address_that_is_none(mailbox: Mailbox, address: str) -> None:
    with pytest.raises(Failed) as raised:
        send(mailbox, make_message(emails=(address,)))
    assert raised.value.is_permanent and mailbox.mails == []


def test_names_beyond_ascii(mailbox: Mailbox) -> None:
    send(mailbox, make_message(emails=("noc@bücher.example",)), from_address="netmon@bücher.example")
    [(sender, recipients, mail)] = mailbox.mails
    assert (sender, recipients) == ("netmon@xn--bcher-kva.example", ["noc@xn--bcher-kva.example"])
    assert mail["Message-ID"].endswith("@xn--bcher-kva.example>")


@pytest.mark.parametrize(("answer", "is_permanent"), [("451 later", False), ("550 no", True), ("552 too big", True)])
def test_what_the_server_says(mailbox: Mailbox, answer: str, is_permanent: bool) -> None:
    mailbox.data[:] = [answer]
    with pytest.raises(Failed, match=answer) as raised:
        send(mailbox)
    assert (raised.value.code, raised.value.is_permanent) == (answer[:3], is_permanent)


def test_refused_recipients_are_named_and_the_others_have_it(mailbox: Mailbox) -> None:
    mailbox.recipients["gone@example.org"] = "550 no such user"
    outcome = send(mailbox, make_message(emails=("noc@example.org", "gone@example.org")))
    assert outcome.detail == "Not to gone@example.org (550 no such user)"
    assert [recipients for _, recipients, _ in mailbox.mails] == [["noc@example.org"]]


def test_recipients_that_are_put_off_are_told_from_those_that_are_refused(mailbox: Mailbox) -> None:
    mailbox.recipients["gone@example.org"] = "550 no such user"
    mailbox.recipients["full@xn--bcher-kva.example"] = "450 try later"
    outcome = send(mailbox, make_message(emails=("noc@example.org", "gone@example.org", "full@bücher.example")))
    assert outcome.deferred == ("full@bücher.example",)
    assert "450 try later" in outcome.detail and "550 no such user" in outcome.detail


def test_tls_and_passwords(certified: Any, trusted: None) -> None:
    with mail_server(starttls=certified, auth=True) as box:
        with pytest.raises(Failed) as raised:
            send(box, security="starttls", username="netmon", password="hush-hush")
        assert raised.value.is_permanent and "hush" not in raised.value.detail


def test_a_certificate_that_is_not_trusted_is_tried_again(certified: Any) -> None:
    with mail_server(starttls=certified) as box, pytest.raises(Failed, match="not trusted") as raised:
        send(box, security="starttls")
    assert not raised.value.is_permanent


def test_a_black_hole_is_tried_again() -> None:
    with talking(silence) as port, pytest.raises(Failed) as raised:
        send(Mailbox(port=port), make_message(data={"deadline_seconds": 0.5}))
    assert (raised.value.code, raised.value.is_permanent) == ("timeout", False)


def test_a_tenants_mail_server_is_not_on_this_machine(mailbox: Mailbox, settings: Any) -> None:
    settings.ALLOW_LOOPBACK = False
    assert send(mailbox).code == "250"
    with pytest.raises(Failed, match="Loopback"):
        send(mailbox, tenant_id=1)
