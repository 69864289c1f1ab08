"""One HTTP POST to an address that a user wrote: no redirects, no proxies, nothing kept, one deadline over it all."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpcore2
import httpx2

from netmon.drivers.dialing import Address, Deadline, Refuse, cut_at, dial, tls_context, tls_error
from netmon.drivers.errors import DriverError, ProtocolError, Unreachable

MOST_BYTES = 4096  # of an answer: enough for a word of the other side, too little to hurt


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and the first 4 kB of the body; `address` is where it came from."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    refuse: Refuse,
    deadline_seconds: float,
    verify: bool = True,
) -> Answer:
    """Post `body`; a redirect is an answer like any other.

    `refuse` judges every address of the host, which is resolved once. An answer whose body is cut by the deadline
    counts by its status: the other side has decided. Raises AddressRefused, Unreachable, DeadlineExceeded,
    UntrustedPeer or ProtocolError; no error holds the URL, whose path may be a secret.
    """
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise ProtocolError("The address is none that HTTP knows.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ProtocolError("The address is none that HTTP knows.")
    deadline = Deadline(deadline_seconds)
    with contextlib.ExitStack() as open_things:
        backend = _Backend(refuse, deadline, open_things)
        pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(verify=verify) if parsed.scheme == "https" else None,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=backend,
        )
        target = httpcore2.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
        sent = {"Host": parsed.netloc.decode("ascii"), "Content-Length": str(len(body)), **headers}
        try:
            with pool, pool.stream("POST", target, headers=list(sent.items()), content=body) as response:
                return Answer(
                    response.status,
                    {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers},
                    _first(response.iter_stream()),
                    str(backend.address),
                )
        except (httpcore2.ProtocolError, httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
            failure = _failure(parsed.host, error, deadline)
            failure.is_unanswered = backend.is_asked
            raise failure from None


def _failure(host: str, error: Exception, deadline: Deadline) -> DriverError:
    if deadline.is_over or isinstance(error, (TimeoutError, httpcore2.TimeoutException)):
        return deadline.exceeded(f"No answer of {host}")
    if isinstance(error, ssl.SSLError):
        return tls_error(host, error)
    if isinstance(error, httpcore2.ProtocolError) and "without sending" not in str(error):
        return ProtocolError(f"The answer of {host} is no HTTP.")
    return Unreachable(f"{host} closed the connection without an answer.", reason="closed")


def _first(chunks: Iterable[bytes]) -> bytes:
    """As much of a body as is kept. What breaks off is kept as far as it came."""
    found = bytearray()
    with contextlib.suppress(httpcore2.ProtocolError, httpcore2.NetworkError, OSError):
        for chunk in chunks:
            found += chunk
            if len(found) >= MOST_BYTES:
                break
    return bytes(found[:MOST_BYTES])


class _Backend(httpcore2.NetworkBackend):
    """Connects to addresses that were judged, and to no other."""

    def __init__(self, refuse: Refuse, deadline: Deadline, open_things: contextlib.ExitStack) -> None:
        self._refuse = refuse
        self._deadline = deadline
        self._open_things = open_things
        self.address: Address | None = None
        self.is_asked = False  # the whole request has left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        sock, self.address = dial(host, port, refuse=self._refuse, deadline=self._deadline)
        self._open_things.callback(sock.close)
        self._open_things.enter_context(cut_at(self._deadline, sock))
        return _Stream(sock, self)


class _Stream(httpcore2.NetworkStream):
    """A socket as httpcore2 wants it. The deadline stands outside: timeouts of single steps do not bound the whole."""

    def __init__(self, sock: socket.socket, backend: _Backend) -> None:
        self._sock = sock
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._backend.is_asked = True  # an answer is read only when everything was written
        return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._sock.sendall(buffer)
        except OSError as error:  # so known, the answer of a peer that reads no further is still looked for
            raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname), self._backend)
