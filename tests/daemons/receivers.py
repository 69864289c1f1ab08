"""Receivers of messages on free loopback ports: HTTP with or without TLS, mail, and peers that misbehave."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Got:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Receiver:
    """What it got, and what it says next: the last of `replies` for ever."""

    port: int = 0
    scheme: str = "http"
    got: list[Got] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=lambda: [Reply()])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?x=1"

    def says(self, *replies: Reply) -> None:
        self.replies[:] = replies


@contextlib.contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A web server that records what is posted."""
    receiver = Receiver(scheme="https" if context else "http")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.got.append(Got(self.command, self.path, dict(self.headers.items()), body))
            reply = receiver.replies.pop(0) if len(receiver.replies) > 1 else receiver.replies[0]
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # peers that do not trust us hang up

    server = Server(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def talking(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A peer of raw bytes: `talk` gets each connection, and an event that is set when the test is over."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            talk(connection, over)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                thread = threading.Thread(target=one, args=[connection], daemon=True)
                threads.append(thread)
                thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [acceptor, *threads]:
            thread.join(5)


def silence(connection: socket.socket, over: threading.Event) -> None:
    """A black hole: it takes the connection and says nothing."""
    over.wait(30)


def dripping(text: bytes) -> Callable[[socket.socket, threading.Event], None]:
    """A byte now and then, for ever: no single read ever times out."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(text)
        while not over.wait(0.05):
            connection.sendall(b"x")

    return talk


@dataclass
class Mailbox:
    """A mail server: what it got, and how it answers. Codes of `recipients` by address; `data` one after the other."""

    port: int = 0
    mails: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    recipients: dict[str, str] = field(default_factory=dict)
    data: list[str] = field(default_factory=lambda: ["250 taken"])
    logins: list[str] = field(default_factory=list)

    async def handle_RCPT(self, _s: Any, _e: Session, envelope: Envelope, address: str, _options: list[str]) -> str:
        answer = self.recipients.get(address, "250 ok")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:
        answer = self.data.pop(0) if len(self.data) > 1 else self.data[0]
        if answer.startswith("2"):
            mail = cast(EmailMessage, message_from_bytes(cast(bytes, envelope.content), policy=default))
            self.mails.append((str(envelope.mail_from), list(envelope.rcpt_tos), mail))
        return answer

    def authenticate(self, _s: Any, _e: Any, _n: Any, _mechanism: str, given: Any) -> AuthResult:
        self.logins.append(given.login.decode())
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)


@contextlib.contextmanager
def mail_server(
    *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, auth: bool = False
) -> Iterator[Mailbox]:
    box = Mailbox()
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    def make() -> SMTP:
        return SMTP(
            box,
            hostname="mail.test",
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=box.authenticate if auth else None,
            auth_required=auth,
            auth_require_tls=starttls is not None,
        )

    async def serve() -> asyncio.Server:
        return await loop.create_server(make, "127.0.0.1", 0, ssl=tls)

    def run() -> None:
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(serve())
        box.port = server.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield box
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
