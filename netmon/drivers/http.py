"""One HTTP POST to an address that a user wrote: no redirects, no proxies, nothing kept, one deadline over it all."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import httpcore2
import httpx2

from netmon.drivers.dialing import Deadline, Refuse, tls_context, tls_error
from netmon.drivers.errors import DriverError, ProtocolError, Unreachable
from netmon.drivers.httpwire import Wire

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
        wire = Wire(refuse, deadline, open_things)
        pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(verify=verify) if parsed.scheme == "https" else None,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=wire,
        )
        target = httpcore2.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
        sent = {"Host": parsed.netloc.decode("ascii"), "Content-Length": str(len(body)), **headers}
        try:
            with pool, pool.stream("POST", target, headers=list(sent.items()), content=body) as response:
                return Answer(
                    response.status,
                    {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers},
                    _first(response.iter_stream()),
                    str(wire.address),
                )
        except (httpcore2.ProtocolError, httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
            failure = _failure(parsed.host, error, deadline)
            failure.is_unanswered = wire.is_asked
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
