"""One message to one mail server: STARTTLS, TLS or neither, and every failure by whether trying again may help."""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from netmon.drivers.dialing import Deadline, Refuse, cut_at, dial, tls_context, tls_error
from netmon.drivers.errors import (
    AuthenticationFailed,
    Busy,
    DriverError,
    ProtocolError,
    Rejected,
    Unreachable,
    UntrustedPeer,
)
from netmon.drivers.targets import Secret

MOST_BYTES = 65_536  # of all answers of a server
CLOSING = 421
WIRE: dict[str, Any] = {"linesep": "\r\n", "cte_type": "7bit", "utf8": False}  # every server takes 7 bit


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """`security`: "starttls" (and nothing without it), "tls" from the first byte, or "none"."""

    host: str
    port: int
    security: str = "starttls"
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the message. `refused` are the recipients it did not take, each with its reason; `deferred` are
    those of them that it may take later (4xx)."""

    code: int
    reply: str
    refused: Mapping[str, str]
    deferred: Sequence[str]
    address: str


def send(
    server: MailServer,
    message: EmailMessage,
    *,
    sender: str,
    recipients: Sequence[str],
    refuse: Refuse,
    deadline_seconds: float,
) -> Accepted:
    """Hand the message over for those recipients that the server takes; one it refuses costs the others nothing.

    Raises Busy for what may pass (4xx) and Rejected for what will not (5xx), their `reason` being the code;
    AuthenticationFailed, UntrustedPeer, AddressRefused, Unreachable, DeadlineExceeded or ProtocolError.
    """
    deadline = Deadline(deadline_seconds)
    context = tls_context(verify=server.verify) if server.security != "none" else None
    sock, address = dial(server.host, server.port, refuse=refuse, deadline=deadline)
    with contextlib.closing(sock), cut_at(deadline, sock):
        clients: list[_Client] = []
        try:
            with contextlib.closing(_open(server, sock, context)) as client:
                clients.append(client)
                code, reply, refused = _hand_over(client, message, sender, recipients)
                # The message is theirs: how they take the farewell changes nothing.
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    client.putcmd("quit")
                said = {name: f"{number} {_text(words)}" for name, (number, words) in refused.items()}
                deferred = [name for name, (number, _) in refused.items() if 400 <= number < 500]
                return Accepted(code, reply, said, deferred, str(address))
        except (smtplib.SMTPException, OSError) as error:
            failure = _failure(server, error, deadline)
            is_answer = isinstance(error, smtplib.SMTPResponseException)
            if clients and clients[0].is_handed_over and not is_answer:
                failure.is_unanswered = True
                failure.detail += " It may have taken the message."
            raise failure from None


class _Client(smtplib.SMTP):
    """smtplib on a socket that is connected already, reading no more than it should."""

    def __init__(self, host: str, port: int, sock: socket.socket) -> None:
        self._given = sock
        self.is_handed_over = False  # the whole message has left
        self._read = 0
        name = socket.gethostname()
        own = sock.getsockname()[0]
        literal = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
        super().__init__(host, port, local_hostname=name if "." in name and name.isascii() else literal)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._given

    def send(self, s: Any) -> None:
        super().send(s)
        self.is_handed_over = self.is_handed_over or bytes(s[-5:] if isinstance(s, bytes) else b"") == b"\r\n.\r\n"

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = _Bounded(self.sock.makefile("rb"))  # type: ignore[union-attr]
        return super().getreply()


class _Bounded:
    """The lines of a server, until they are too many: an answer that never ends must not fill the memory."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = MOST_BYTES

    def readline(self, size: int) -> bytes:
        line: bytes = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise ProtocolError("The mail server's answer has no end.")
        return line

    def close(self) -> None:
        self._file.close()


def _open(server: MailServer, sock: socket.socket, context: ssl.SSLContext | None) -> _Client:
    if server.security == "tls" and context is not None:
        sock = context.wrap_socket(sock, server_hostname=server.host)
    with contextlib.ExitStack() as unless_open:
        unless_open.callback(sock.close)
        client = _Client(server.host, server.port, sock)
        unless_open.callback(client.close)
        client.ehlo_or_helo_if_needed()
        if server.security == "starttls" and context is not None:
            if not client.has_extn("starttls"):
                raise UntrustedPeer(
                    f"{server.host} offers no STARTTLS; nothing is sent unencrypted. Choose none for a server without.",
                    reason="no-starttls",
                )
            client.starttls(context=context)
            client.ehlo_or_helo_if_needed()
        if server.username:
            client.login(server.username, server.password.reveal())
        unless_open.pop_all()
    return client


def _hand_over(
    client: _Client, message: EmailMessage, sender: str, recipients: Sequence[str]
) -> tuple[int, str, dict[str, tuple[int, bytes]]]:
    data = message.as_bytes(policy=message.policy.clone(**WIRE))
    options = [f"size={len(data)}"] if client.has_extn("size") else []
    _expect(client.mail(sender, options))
    refused: dict[str, tuple[int, bytes]] = {}
    for recipient in recipients:
        code, reply = client.rcpt(recipient)
        if code == CLOSING:
            raise smtplib.SMTPResponseException(code, reply)
        if not 200 <= code < 300:
            refused[recipient] = (code, reply)
    if len(refused) == len(recipients):
        # One that may be taken later is worth another try of all: nobody has got it.
        raise smtplib.SMTPResponseException(*min(refused.values()))
    code, reply = client.data(data)
    _expect((code, reply))
    return code, _text(reply), refused


def _expect(answer: tuple[int, bytes]) -> None:
    if not 200 <= answer[0] < 300:
        raise smtplib.SMTPResponseException(*answer)


def _failure(server: MailServer, error: Exception, deadline: Deadline) -> DriverError:
    host = server.host
    if deadline.is_over or isinstance(error, TimeoutError):
        return deadline.exceeded(f"No answer of {host}")
    if isinstance(error, smtplib.SMTPResponseException):
        code = error.smtp_code
        if not 400 <= code < 600:
            return ProtocolError(f"The answer of {host} is no SMTP.")
        if isinstance(error, smtplib.SMTPAuthenticationError):  # its text may repeat what it was given
            said = f"{host} refused user and password ({code})."
            return Busy(said, reason=str(code)) if code < 500 else AuthenticationFailed(said, reason=str(code))
        said = f"{host} said {code} {_text(error.smtp_error)}".strip()
        return Busy(said, reason=str(code)) if code < 500 else Rejected(said, reason=str(code))
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return Unreachable(f"{host} closed the connection.", reason="closed")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return AuthenticationFailed(f"{host} offers no login; leave user and password empty.", reason="no-login")
    if isinstance(error, ssl.SSLError):
        return tls_error(host, error)
    if isinstance(error, smtplib.SMTPException):
        if "authentication method" in str(error):
            return AuthenticationFailed(f"{host} offers no way to log in that is known here.", reason="no-method")
        return ProtocolError(f"The answer of {host} is no SMTP.")
    return Unreachable(f"The connection to {host} broke: {getattr(error, 'strerror', None) or error}.")


def _text(reply: bytes | str) -> str:
    """What a server said, as one short line."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:200].strip()
