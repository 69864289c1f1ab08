"""The SMTP driver against real servers: which failures pass, which do not, and who has got the message."""

import socket
import ssl
import time
from email.message import EmailMessage
from typing import Any

import pytest

from netmon.drivers import smtp
from netmon.drivers.errors import (
    AddressRefused,
    AuthenticationFailed,
    Busy,
    DeadlineExceeded,
    DriverError,
    ProtocolError,
    Rejected,
    Unreachable,
    UntrustedPeer,
)
from netmon.drivers.targets import Secret
from tests.daemons.receivers import PASSWORD, Mailbox, dripping, mail_server, silence, talking


def send(port: int, *, to: tuple[str, ...] = ("noc@example.org",), seconds: float = 5, **server: Any) -> smtp.Accepted:
    mail = EmailMessage()
    mail["Subject"] = "One"
    mail["From"] = "netmon@example.org"
    mail["To"] = ", ".join(to)
    mail.set_content("Two\n.\nthree\n")
    asked = {"host": "127.0.0.1", "security": "none", **server}
    return smtp.send(
        smtp.MailServer(port=port, **asked),
        mail,
        sender="netmon@example.org",
        recipients=list(to),
        refuse=lambda address: "",
        deadline_seconds=seconds,
    )


def test_it_hands_a_message_over(mailbox: Mailbox) -> None:
    accepted = send(mailbox.port)
    assert (accepted.code, accepted.reply, dict(accepted.refused)) == (250, "taken", {})
    [(sender, recipients, mail)] = mailbox.mails
    assert (sender, recipients, mail["Subject"]) == ("netmon@example.org", ["noc@example.org"], "One")
    assert mail.get_content().splitlines() == ["Two", ".", "three"]


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [("451 later", Busy, "451"), ("452 full", Busy, "452"), ("550 no", Rejected, "550"), ("554 spam", Rejected, "554")],
)
def test_what_passes_and_what_does_not(mailbox: Mailbox, answer: str, error: type[DriverError], code: str) -> None:
    mailbox.data[:] = [answer]
    with pytest.raises(error) as raised:
        send(mailbox.port)
    assert raised.value.reason == code and mailbox.mails == []


def test_after_451_comes_250(mailbox: Mailbox) -> None:
    mailbox.data[:] = ["451 greylisted", "250 taken"]
    with pytest.raises(Busy, match="451 greylisted"):
        send(mailbox.port)
    assert send(mailbox.port).code == 250


@pytest.mark.parametrize("answer", ["550 5.1.1 no such user", "450 4.2.1 later"])
def test_one_refused_recipient_costs_the_others_nothing(mailbox: Mailbox, answer: str) -> None:
    mailbox.recipients["gone@example.org"] = answer
    accepted = send(mailbox.port, to=("a@example.org", "gone@example.org", "b@example.org"))
    assert dict(accepted.refused) == {"gone@example.org": answer}
    assert mailbox.mails[0][1] == ["a@example.org", "b@example.org"]


def test_when_all_are_refused_one_that_may_pass_is_worth_another_try(mailbox: Mailbox) -> None:
    mailbox.recipients = {"a@example.org": "550 no", "b@example.org": "451 later"}
    with pytest.raises(Busy):
        send(mailbox.port, to=("a@example.org", "b@example.org"))
    with pytest.raises(Rejected):
        send(mailbox.port, to=("a@example.org",))
    mailbox.recipients = {"a@example.org": "421 going down"}
    with pytest.raises(Busy):
        send(mailbox.port, to=("a@example.org", "c@example.org"))
    assert mailbox.mails == []


def test_tls_and_login(certified: ssl.SSLContext, trusted: None) -> None:
    login = {"username": "netmon", "password": Secret(PASSWORD)}
    with mail_server(starttls=certified, auth=True) as box:
        assert send(box.port, security="starttls", **login).code == 250
        assert box.logins == ["netmon"]
    with mail_server(tls=certified) as box:
        assert send(box.port, security="tls").code == 250


def test_a_wrong_password_is_said_and_not_shown(certified: ssl.SSLContext, trusted: None) -> None:
    with mail_server(starttls=certified, auth=True) as box:
        with pytest.raises(AuthenticationFailed, match=r"refused user and password \(535\)") as raised:
            send(box.port, security="starttls", username="netmon", password=Secret("hush-hush"))
        assert not raised.value.retryable and "hush-hush" not in repr(raised.value)


def test_a_server_that_knows_no_login(mailbox: Mailbox, certified: ssl.SSLContext, trusted: None) -> None:
    with mail_server(starttls=certified) as box, pytest.raises(AuthenticationFailed):
        send(box.port, security="starttls", username="netmon", password=Secret("x"))


def test_a_certificate_nobody_vouches_for_gets_nothing(certified: ssl.SSLContext) -> None:
    for security, server in (("starttls", mail_server(starttls=certified)), ("tls", mail_server(tls=certified))):
        with server as box:
            with pytest.raises(UntrustedPeer, match="not trusted"):
                send(box.port, security=security)
            assert box.mails == []
            assert send(box.port, security=security, verify=False).code == 250


def test_without_starttls_nothing_is_sent(mailbox: Mailbox) -> None:
    with pytest.raises(UntrustedPeer, match="no STARTTLS"):
        send(mailbox.port, security="starttls")
    assert mailbox.mails == []


def test_plain_text_where_tls_is_expected(mailbox: Mailbox) -> None:
    with pytest.raises(ProtocolError, match="No TLS"):
        send(mailbox.port, security="tls")


HELLO = b"220 mail.test\r\n"
STALLS = {
    "black hole": silence,
    "banner": dripping(b"220 mail"),
    "banner of many lines": dripping(b"220-one\r\n220-two\r\n220-"),
    "after the banner": dripping(HELLO + b"250 mail"),
}


@pytest.mark.parametrize("talk", STALLS.values(), ids=STALLS.keys())
@pytest.mark.parametrize("security", ["none", "tls"])
def test_a_slow_server_ends_at_the_deadline(talk: Any, security: str) -> None:
    with talking(talk) as port:
        started = time.monotonic()
        with pytest.raises((DeadlineExceeded, ProtocolError)):
            send(port, security=security, seconds=0.6)
        assert time.monotonic() - started < 2


def endless(connection: socket.socket, over: Any) -> None:
    while not over.is_set():
        connection.sendall(b"220-" + b"x" * 200 + b"\r\n")


def test_an_endless_answer_is_cut_off() -> None:
    with talking(endless) as port, pytest.raises(ProtocolError):
        send(port)


def test_what_else_goes_wrong(mailbox: Mailbox) -> None:
    with talking(lambda connection, over: connection.sendall(b"554 go away\r\n")) as port, pytest.raises(Rejected):
        send(port)
    with talking(lambda connection, over: connection.sendall(b"421 busy\r\n")) as port, pytest.raises(Busy):
        send(port)
    with talking(lambda connection, over: None) as port, pytest.raises((Unreachable, ProtocolError)):
        send(port)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        send(port)


def test_a_refused_address_is_not_connected_to(mailbox: Mailbox) -> None:
    server = smtp.MailServer(host="localhost", port=mailbox.port, security="none")
    with pytest.raises(AddressRefused):
        smtp.send(
            server, EmailMessage(), sender="a@b.c", recipients=["d@e.f"], refuse=lambda a: "no", deadline_seconds=3
        )


def talk_until_the_dot(connection: socket.socket, over: Any) -> None:
    """Takes the whole message and hangs up without a word."""
    connection.sendall(HELLO)
    got = b""
    while b"\r\n.\r\n" not in got:
        chunk = connection.recv(65536)
        if not chunk:
            return
        got += chunk
        if got.endswith(b"DATA\r\n") or got.lower().endswith(b"data\r\n"):
            connection.sendall(b"354 go\r\n")
        elif b"\r\n.\r\n" not in got:
            connection.sendall(b"250 ok\r\n")


def test_a_server_that_dies_after_the_dot_may_have_taken_it() -> None:
    with talking(talk_until_the_dot) as port, pytest.raises(Unreachable) as failure:
        send(port)
    assert failure.value.is_unanswered and "may have taken" in failure.value.detail
