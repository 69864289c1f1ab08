"""The wire below an HTTP client: connections to judged addresses only, under a deadline, and whether a request left."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterable

import httpcore2

from netmon.drivers.dialing import Address, Deadline, Refuse, cut_at, dial

CheckPeer = Callable[[ssl.SSLSocket], None]
"""Looks at the peer after the handshake and before the first byte of the request; raises a DriverError."""


class Wire(httpcore2.NetworkBackend):
    """Connects to addresses that were judged, and to no other.

    `connecting` bounds TCP and TLS, `deadline` everything, `silence_seconds` each wait for the next bytes.
    """

    def __init__(
        self,
        refuse: Refuse,
        deadline: Deadline,
        open_things: contextlib.ExitStack,
        *,
        connecting: Deadline | None = None,
        silence_seconds: float | None = None,
        check_peer: CheckPeer | None = None,
    ) -> None:
        self.refuse = refuse
        self.deadline = deadline
        self.open_things = open_things
        self.connecting = connecting or deadline
        self.silence_seconds = silence_seconds
        self.check_peer = check_peer
        self.address: Address | None = None
        self.is_asked = False
        """The whole request has left."""
        self.is_cut = False
        """A part of the request did not leave: no peer can have all of it."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        sock, self.address = dial(host, port, refuse=self.refuse, deadline=self.connecting)
        self.open_things.callback(sock.close)
        self.open_things.enter_context(cut_at(self.deadline, sock))
        return _Stream(sock, self)


class _Stream(httpcore2.NetworkStream):
    """A socket as httpcore2 wants it. The deadline stands outside: timeouts of single steps do not bound the whole."""

    def __init__(self, sock: socket.socket, wire: Wire) -> None:
        self._sock = sock
        self._wire = wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._wire.is_asked = not self._wire.is_cut  # an answer is read only when everything was written
        return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._sock.sendall(buffer)
        except OSError as error:  # so known, the answer of a peer that reads no further is still looked for
            self._wire.is_cut = True
            raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        wire = self._wire
        with contextlib.nullcontext() if wire.connecting is wire.deadline else cut_at(wire.connecting, self._sock):
            tls = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        wire.open_things.callback(tls.close)
        if wire.check_peer is not None:
            wire.check_peer(tls)
        tls.settimeout(min(wire.silence_seconds or wire.deadline.seconds, max(wire.deadline.remaining, 0.001)))
        return _Stream(tls, wire)


def _tells_no_answer(record: logging.LogRecord) -> bool:
    return "receive_response" not in record.getMessage()


# The library logs the headers of answers, and a peer may echo there the secret that it was sent.
logging.getLogger("httpcore2.http11").addFilter(_tells_no_answer)
