"""One question, one answer over UDP.

Each exchange has a socket of its own: nothing is shared between event loops, the source port is new and random, and
the kernel drops what does not come from the address and port that were asked.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import TypeVar

from netmon.drivers.errors import Busy, DeadlineExceeded, DriverError, ProtocolError, Unreachable

T = TypeVar("T")

# A try whose timer fired later than this fraction of its wait says more about our event loop than about the peer.
LATE_FRACTION = 0.25
EXTRA_TRIES = 2
MAX_DATAGRAM = 65_535
# Bounds the work one peer can cause in one turn of the event loop, and in one exchange.
DATAGRAMS_PER_TURN = 8
MAX_STRAY_DATAGRAMS = 200


class _Exchange:
    """The receiving side: hands datagrams to `accept` until one is the answer."""

    def __init__(self, sock: socket.socket, accept: Callable[[bytes], object | None]) -> None:
        self._sock = sock
        self._accept = accept
        self._stray = 0
        self.malformed: ProtocolError | None = None
        self.answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def readable(self) -> None:
        for _ in range(DATAGRAMS_PER_TURN):
            if self.answer.done():
                return
            try:
                datagram = self._sock.recv(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.answer.set_exception(unreachable(error))
                return
            try:
                found = self._accept(datagram)
            except ProtocolError as error:
                self.malformed, found = error, None
            except DriverError as error:
                self.answer.set_exception(error)
                return
            if found is not None:
                self.answer.set_result(found)
                return
            self._stray += 1
            if self._stray > MAX_STRAY_DATAGRAMS:
                self.answer.set_exception(ProtocolError("The device floods us with answers nobody asked for."))
                return


def unreachable(error: OSError) -> Unreachable:
    """The error of a socket in our words."""
    if error.errno == errno.ECONNREFUSED:
        return Unreachable("The port is closed: the device answered with ICMP port unreachable.")
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return Unreachable(f"The device cannot be reached: {reason}.")


def _open(address: str, port: int) -> tuple[socket.socket, tuple[object, ...]]:
    try:
        family, kind, proto, _, peer = socket.getaddrinfo(
            address, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
    except OSError as error:  # a zone such as %eth9 that does not exist
        raise unreachable(error) from None
    try:
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        raise Busy(f"This machine has no socket left: {error.strerror}.") from None
    sock.setblocking(False)
    return sock, peer


async def exchange(
    address: str,
    port: int,
    payload: bytes,
    accept: Callable[[bytes], T | None],
    waits: Sequence[float],
    *,
    any_source: bool = False,
) -> tuple[T, float]:
    """Sends `payload` until `accept(datagram)` returns something; gives that and the seconds since the first try.

    `waits` holds the seconds to wait after each try. `accept` returns None for what is not the answer, raises
    ProtocolError for what cannot be read (the wait goes on) and another DriverError to end the exchange.
    Raises DeadlineExceeded, Unreachable, ProtocolError when nothing but malformed datagrams came, or what `accept`
    raised.
    """
    loop = asyncio.get_running_loop()
    sock, peer = _open(address, port)
    with sock:
        try:
            if not any_source:
                sock.connect(peer)
        except OSError as error:
            raise unreachable(error) from None
        state = _Exchange(sock, accept)
        loop.add_reader(sock, state.readable)
        try:
            started = loop.time()
            tries, extra = list(reversed(waits)), EXTRA_TRIES
            while tries:
                wait = tries.pop()
                try:
                    # on an unconnected socket the address is needed, on a connected one it is refused by some kernels
                    sock.sendto(payload, peer) if any_source else sock.send(payload)
                except (BlockingIOError, InterruptedError):
                    pass  # a full buffer is like a lost datagram: the next try follows
                except OSError as error:
                    raise unreachable(error) from None
                sent = loop.time()
                await asyncio.wait([state.answer], timeout=wait)
                if state.answer.done():
                    return state.answer.result(), loop.time() - started  # type: ignore[return-value]
                if extra and loop.time() - sent - wait > wait * LATE_FRACTION:
                    tries.append(wait)
                    extra -= 1
        finally:
            loop.remove_reader(sock)
            state.answer.cancel()
    if state.malformed is not None:
        raise state.malformed
    raise DeadlineExceeded(f"No answer to {len(waits)} tries within {sum(waits):g} s.")
