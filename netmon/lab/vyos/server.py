"""The web server before the API: TLS, its own HTML answers, and the faults that lie on the wire."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from netmon.lab.vyos.api import Reply, handle, is_change
from netmon.lab.vyos.certificates import Certificate, make_certificate
from netmon.lab.vyos.faults import Fault
from netmon.lab.vyos.router import LOCKED, Router

MOST_BYTES = 1 << 20
DOWN = {"error": "Start service in configuration mode: set service https api"}
TITLES = {
    400: "400 Bad Request", 404: "404 Not Found", 413: "413 Request Entity Too Large", 502: "502 Bad Gateway",
    504: "504 Gateway Time-out",
}  # fmt: skip


class Server:
    """A router that listens; a context manager. `ca_pem` and `fingerprint` are what a client may trust.

    `drip_seconds` is the time between two bytes of a dripping answer, `huge_bytes` the size of a huge one.
    """

    def __init__(
        self,
        router: Router,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: Certificate | None = None,
        drip_seconds: float = 0.1,
        huge_bytes: int = 16 << 20,
    ) -> None:
        self.router = router
        self.certificate = certificate or make_certificate()
        self.drip_seconds = drip_seconds
        self.huge_bytes = huge_bytes
        self._http = _Http((host, port), _Handler)
        self._http.owner = self
        self._http.tls = _tls(self.certificate)
        self.host, self.port = host, int(self._http.server_address[1])
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="vyos-lab", daemon=True)

    @property
    def ca_pem(self) -> str:
        return self.certificate.ca_pem

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the listener and whoever still waits."""
        self.router.close()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Server
    tls: ssl.SSLContext

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes in the middle, or does not trust us, is no error of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http
    server_version = "nginx"
    sys_version = ""
    disable_nagle_algorithm = True  # head and body are two writes

    def setup(self) -> None:
        self.request.settimeout(60)
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)  # in its own thread
        super().setup()

    def finish(self) -> None:
        super().finish()
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)
        self.request.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests carry keys: nothing is logged."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BYTES:
            self.close_connection = True
            self.rfile.read(min(length, 8 * MOST_BYTES))  # else the client meets a reset before the answer
            self._send(_html(413))
            return
        body = self.rfile.read(length)
        if len(body) == length:  # half a request goes no further
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        owner = self.server.owner
        router = owner.router
        fault = router.strike(is_change(self.path), self.path)
        if router.is_down or fault is Fault.API_DOWN:
            fault = Fault.API_DOWN
        if fault is not None and not fault.comes_after:
            self._instead(fault, body)
            return
        reply = handle(router, self.command, self.path, self.headers.get("Content-Type") or "", body)
        if fault is None:
            self._send(reply)
        else:
            self._spoil(fault, reply, body)

    def _instead(self, fault: Fault, body: bytes) -> None:
        """Answers without the API being asked."""
        behaviour = self.server.owner.router.behaviour
        match fault:
            case Fault.CLOSE_BEFORE:
                self.close_connection = True
            case Fault.API_DOWN if behaviour.json_when_down:
                self._send(Reply(200, json.dumps(DOWN).encode(), "application/json"))
            case Fault.API_DOWN | Fault.BAD_GATEWAY:
                self._send(_html(502))
            case Fault.GATEWAY_TIMEOUT:
                self._send(_html(504))
            case Fault.LOCKED:
                self._send(_refused(400, LOCKED))
            case Fault.INTERNAL_ERROR:
                self._send(_refused(500, "An internal error occured. Check the logs for details."))
            case Fault.GARBAGE:
                self._send(Reply(200, b'\xff\xfe{"success": tru'))
            case Fault.NESTED:
                self._send(Reply(200, b'{"success": true, "data": ' + b"[" * 900 + b"]" * 900 + b"}"))
            case Fault.REDIRECT:
                self._send(Reply(302, b"", location="https://198.51.100.1/elsewhere"))
            case Fault.HTML:
                self._send(Reply(200, b"<html><body><h1>Please log in</h1></body></html>"))
            case Fault.ECHO:
                self._send(_refused(400, f"[{{'type': 'odd', 'input': {body.decode(errors='replace')}}}]\x1b[31m"))

    def _spoil(self, fault: Fault, reply: Reply, body: bytes) -> None:
        """What the wire makes of a good answer."""
        owner = self.server.owner
        self.close_connection = True
        match fault:
            case Fault.GATEWAY_TIMEOUT_AFTER:
                self._send(_html(504))
            case Fault.NOT_HTTP:
                self.wfile.write(b"SSH-2.0-not what you think\r\n" * 20 + b"\r\n")
            case Fault.HUGE:
                self._head(200, owner.huge_bytes)
                with contextlib.suppress(OSError):
                    for _ in range(owner.huge_bytes >> 16):
                        self.wfile.write(b"x" * (1 << 16))
            case Fault.DRIP:
                self._head(200, len(reply.body))
                with contextlib.suppress(OSError):
                    for byte in reply.body:
                        self.wfile.write(bytes([byte]))
                        if owner.router.closing.wait(owner.drip_seconds):
                            return
            case Fault.SILENCE:
                owner.router.closing.wait(60)
            case Fault.HALF:
                self._head(200, len(reply.body) + 100)
                self.wfile.write(reply.body)
            case Fault.ECHO_HEADER:
                self._send(reply, {"X-Echo": body.decode("latin-1")[:500]})

    def _head(self, status: int, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, reply: Reply, more: dict[str, str] | None = None) -> None:
        with contextlib.suppress(OSError):
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            if reply.location:
                self.send_header("Location", reply.location)
            for name, value in (more or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)


def _html(status: int) -> Reply:
    title = TITLES[status]
    return Reply(status, f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode())


def _refused(status: int, text: str) -> Reply:
    return Reply(status, json.dumps({"success": False, "data": None, "error": text}).encode())


def _tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:  # the library reads keys from files only
        path = Path(directory) / "pair.pem"
        path.touch(mode=0o600)
        path.write_text(certificate.key_pem + certificate.pem)
        context.load_cert_chain(path)
    return context
