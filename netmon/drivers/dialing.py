"""Connections to names that users wrote: resolved once, every address judged, one deadline over everything.

What is checked is what is connected to: nobody can answer one address to the check and another to the connection.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from netmon.drivers.errors import (
    AddressRefused,
    DeadlineExceeded,
    DriverError,
    ProtocolError,
    Unreachable,
    UntrustedPeer,
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Refuse = Callable[[Address], str]
"""Says why an address must not be contacted; "" admits it."""

RESOLVE_SECONDS = 5.0
MOST_ADDRESSES = 4


class Deadline:
    """A moment after which nothing of a call goes on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        return max(0.0, self._ends - time.monotonic())

    @property
    def is_over(self) -> bool:
        return self.remaining <= 0

    def exceeded(self, what: str) -> DeadlineExceeded:
        return DeadlineExceeded(f"{what} within {self.seconds:g} s.")


def dial(host: str, port: int, *, refuse: Refuse, deadline: Deadline) -> tuple[socket.socket, Address]:
    """A connected socket, and the address it leads to.

    The name is asked for once, and `refuse` judges every address of the answer: one bad address refuses the name, for
    whoever answers so chooses which one is used. Raises AddressRefused, Unreachable or DeadlineExceeded.
    """
    places = resolve(host, port, deadline)
    for _, _, address in places:
        if reason := refuse(address):
            raise AddressRefused(f"{host} is not contacted ({address}). {reason}")
    failure: DriverError = Unreachable(f"The name {host} has no address.")
    places = places[:MOST_ADDRESSES]
    for position, (family, place, address) in enumerate(places):
        # An equal share each: an address that swallows everything leaves time for the next.
        share = deadline.remaining / (len(places) - position)
        if share <= 0:
            raise deadline.exceeded(f"No connection to {host}")
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(share)
            sock.connect(place)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            sock.close()
            failure = DeadlineExceeded(f"No connection to {host} port {port} within {share:.3g} s.")
        except OSError as error:
            sock.close()
            failure = Unreachable(
                f"No connection to {host} port {port}: {error.strerror or error}.",
                reason="refused" if isinstance(error, ConnectionRefusedError) else "",
            )
        else:
            sock.settimeout(max(deadline.remaining, 0.001))
            return sock, address
    raise failure


def resolve(host: str, port: int, deadline: Deadline) -> list[tuple[int, Any, Address]]:
    """Family, socket address and address of each answer for a host. Raises Unreachable."""
    found: list[Any] = []
    thread = threading.Thread(target=_look_up, args=(host, port, found), name="netmon-resolve", daemon=True)
    thread.start()
    thread.join(min(RESOLVE_SECONDS, deadline.remaining))
    if not found:
        raise Unreachable(f"The name {host} did not resolve in time.", reason="dns")
    (answer,) = found
    if isinstance(answer, (OSError, UnicodeError)):
        said = getattr(answer, "strerror", None) or answer
        raise Unreachable(f"The name {host} does not resolve: {said}.", reason="dns")
    places = {entry[4][:2]: (entry[0], entry[4], _address(entry[4][0])) for entry in answer}
    return list(places.values())


def _look_up(host: str, port: int, found: list[Any]) -> None:
    try:
        found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        found.append(error)


def _address(text: str) -> Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


@contextlib.contextmanager
def cut_at(deadline: Deadline, sock: socket.socket) -> Iterator[None]:
    """Ends the connection at the deadline, whatever is being done with it: a peer that sends a byte now and then never
    meets the timeout of a single read. The socket may be wrapped in TLS meanwhile."""
    twin = sock.dup()  # wrapping in TLS takes the original's descriptor away
    timer = threading.Timer(deadline.remaining, _cut, [twin])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        twin.close()


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the peer or we were faster
        sock.shutdown(socket.SHUT_RDWR)


def tls_context(*, verify: bool) -> ssl.SSLContext:
    """Trusts what the system trusts, or the file that SSL_CERT_FILE names; without `verify`, anybody."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def tls_error(host: str, error: ssl.SSLError) -> DriverError:
    """What a failed handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedPeer(f"The certificate of {host} is not trusted: {error.verify_message}", reason="certificate")
    return ProtocolError(f"No TLS with {host}: {(error.reason or 'handshake failed').replace('_', ' ').lower()}.")
