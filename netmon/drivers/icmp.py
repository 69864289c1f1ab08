"""ICMP echo over IPv4 and IPv6 (RFC 792, RFC 4443), any number of pings at once in one event loop.

All pings of a loop and family share one socket, which is closed when the last of them ends. An unprivileged ICMP
datagram socket is tried first, then a raw one.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import secrets
import socket
import statistics
import struct
import weakref
from dataclasses import dataclass, field

from netmon.drivers.errors import DeadlineExceeded, LocalFault, Unreachable
from netmon.drivers.targets import IcmpTarget

ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
ECHO_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
# errors that end a ping early: destination unreachable and time exceeded (packet too big cannot happen to 64 bytes)
ERRORS = {
    socket.AF_INET: {3: "destination unreachable", 11: "time to live exceeded on the way"},
    socket.AF_INET6: {1: "destination unreachable", 3: "hop limit exceeded on the way"},
}
PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
# linux/icmp.h and linux/icmpv6.h: not in the socket module
SOL_RAW, ICMP_FILTER, ICMPV6_FILTER = 255, 1, 1
TOKEN_BYTES = 16
PADDING = bytes(40)
DATAGRAMS_PER_TURN = 256
RECEIVE_BUFFER = 4 << 20
# An echo whose timer fired later than this fraction of its wait says more about our event loop than about the peer.
LATE_FRACTION = 0.25
EXTRA_TRIES = 2
REMEDY = (
    "This machine lets us open no ICMP socket: set sysctl net.ipv4.ping_group_range to include our group, "
    "or give the process CAP_NET_RAW."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rtt:
    """Round trip times in milliseconds (`rtt_ms` is the median) and the share of echoes that were lost."""

    rtt_ms: float
    min_ms: float
    max_ms: float
    loss_percent: float
    sent: int
    received: int


@dataclass(slots=True)
class _Echo:
    """One request on its way; `answer` becomes the loop's time of the reply, or an Unreachable."""

    address: bytes
    token: bytes
    answer: asyncio.Future[float]


@dataclass(slots=True)
class _Pinger:
    """The shared socket of one loop and family."""

    family: socket.AddressFamily
    sock: socket.socket
    is_raw: bool
    ident: int = field(default_factory=lambda: 1 + secrets.randbelow(0xFFFF))
    sequence: int = field(default_factory=lambda: secrets.randbelow(0x10000))
    users: int = 0
    pending: dict[int, _Echo] = field(default_factory=dict)

    def send(self, peer: tuple[object, ...], address: bytes) -> int:
        """Sends one echo request; gives its sequence number, the key in `pending`. Raises OSError."""
        if len(self.pending) > 0xF000:
            raise BlockingIOError("too many echo requests on their way")
        self.sequence = (self.sequence + 1) & 0xFFFF
        while self.sequence in self.pending:
            self.sequence = (self.sequence + 1) & 0xFFFF
        token = os.urandom(TOKEN_BYTES)
        head = struct.pack("!BBHHH", ECHO_REQUEST[self.family], 0, 0, self.ident, self.sequence)
        packet = head + token + PADDING
        if self.is_raw and self.family == socket.AF_INET:  # elsewhere the kernel does it
            packet = packet[:2] + struct.pack("!H", _checksum(packet)) + packet[4:]
        self.pending[self.sequence] = _Echo(address, token, asyncio.get_running_loop().create_future())
        try:
            self.sock.sendto(packet, peer)
        except OSError:
            del self.pending[self.sequence]
            raise
        return self.sequence

    def readable(self) -> None:
        for _ in range(DATAGRAMS_PER_TURN):
            try:
                packet, source = self.sock.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an error queued by an earlier send: it says nothing about which
            self._receive(packet, source[0])

    def _receive(self, packet: bytes, source: str) -> None:
        # raw IPv4 sockets, and datagram ones on macOS, hand over the IP header too
        if self.family == socket.AF_INET and len(packet) >= 20 and packet[0] >> 4 == 4:
            packet = packet[(packet[0] & 15) * 4 :]
        if len(packet) < 8:
            return
        # the kernel gives a raw IPv4 socket what it has not checked yet
        if self.is_raw and self.family == socket.AF_INET and _checksum(packet):
            return
        kind, _, _, ident, sequence = struct.unpack_from("!BBHHH", packet)
        if kind == ECHO_REPLY[self.family]:
            echo = self.pending.get(sequence)
            if echo is None or (self.is_raw and ident != self.ident):
                return
            if packet[8 : 8 + TOKEN_BYTES] == echo.token and _packed(source) == echo.address and not echo.answer.done():
                echo.answer.set_result(echo.answer.get_loop().time())
        elif kind in ERRORS[self.family]:
            self._receive_error(ERRORS[self.family][kind], packet[8:], source)

    def _receive_error(self, reason: str, quoted: bytes, source: str) -> None:
        """An error quotes the packet it is about: ours only if destination, ident and sequence fit."""
        if self.family == socket.AF_INET:
            start, destination = (quoted[0] & 15) * 4 if quoted else 0, quoted[16:20]
        else:
            start, destination = 40, quoted[24:40]
        head = quoted[start : start + 8]
        if len(head) < 8:
            return
        kind, _, _, ident, sequence = struct.unpack("!BBHHH", head)
        echo = self.pending.get(sequence)
        if echo is None or kind != ECHO_REQUEST[self.family] or ident != self.ident or destination != echo.address:
            return
        if not echo.answer.done():
            echo.answer.set_exception(Unreachable(f"ICMP from {source}: {reason}."))


_pingers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, _Pinger]] = weakref.WeakKeyDictionary()


async def ping(target: IcmpTarget) -> Rtt:
    """Sends `target.count` echo requests one after the other and measures them.

    Raises Unreachable (an ICMP error or no route), DeadlineExceeded (nothing came back), LocalFault (this machine
    allows no ICMP socket or has none left; the detail names the remedy).
    """
    loop = asyncio.get_running_loop()
    address = ipaddress.ip_address(target.address)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        peer = socket.getaddrinfo(target.address, 0, family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0][4]
    except OSError as error:  # a zone such as %eth9 that does not exist
        raise Unreachable(f"The address cannot be reached: {error.strerror}.") from None
    by_family = _pingers.setdefault(loop, {})
    pinger = by_family.get(family)
    if pinger is None:
        pinger = by_family[family] = _open(family)
        loop.add_reader(pinger.sock, pinger.readable)
    pinger.users += 1
    try:
        return await _measure(pinger, target, peer, address.packed)
    finally:
        pinger.users -= 1
        if not pinger.users:
            del by_family[family]
            loop.remove_reader(pinger.sock)
            pinger.sock.close()


async def _measure(pinger: _Pinger, target: IcmpTarget, peer: tuple[object, ...], address: bytes) -> Rtt:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + target.deadline_seconds
    times: list[float] = []
    sent, extra = 0, EXTRA_TRIES
    while sent < target.count and (wait := min(target.timeout_seconds, deadline - loop.time())) > 0:
        started = loop.time()
        try:
            sequence = pinger.send(peer, address)
        except (BlockingIOError, InterruptedError):
            # our own buffer is full: that is no verdict on the peer
            await asyncio.sleep(min(0.01, wait))
            continue
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else type(error).__name__
            raise Unreachable(f"The address cannot be reached: {reason}.") from None
        answer = pinger.pending[sequence].answer
        try:
            await asyncio.wait([answer], timeout=wait)
            if answer.done():
                times.append((answer.result() - started) * 1000)
            elif extra and loop.time() - started - wait > wait * LATE_FRACTION:
                extra -= 1
                continue
        finally:
            del pinger.pending[sequence]
            answer.cancel()
        sent += 1
    if not sent:
        raise LocalFault("This machine could not send an echo request in time.")
    if not times:
        raise DeadlineExceeded(f"No answer to {sent} echo requests within {target.timeout_seconds:g} s each.")
    return Rtt(
        rtt_ms=statistics.median(times),
        min_ms=min(times),
        max_ms=max(times),
        loss_percent=100.0 * (sent - len(times)) / sent,
        sent=sent,
        received=len(times),
    )


def _open(family: socket.AddressFamily) -> _Pinger:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            sock = socket.socket(family, kind, PROTOCOL[family])
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS):
                raise LocalFault(f"This machine has no socket left: {error.strerror}.") from None
            continue
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if kind == socket.SOCK_RAW:
            _filter(sock, family)
        return _Pinger(family, sock, kind == socket.SOCK_RAW)
    raise LocalFault(REMEDY)


def _filter(sock: socket.socket, family: socket.AddressFamily) -> None:
    """Keeps other people's ICMP away: a raw socket would get a copy of all of it. A set bit drops its type."""
    wanted = {ECHO_REPLY[family], *ERRORS[family]}
    try:
        if family == socket.AF_INET:
            mask = 0xFFFFFFFF
            for kind in wanted:
                mask &= ~(1 << kind)
            sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", mask))
        else:
            words = [0xFFFFFFFF] * 8
            for kind in wanted:
                words[kind >> 5] &= ~(1 << (kind & 31)) & 0xFFFFFFFF
            sock.setsockopt(socket.IPPROTO_ICMPV6, ICMPV6_FILTER, struct.pack("=8I", *words))
    except OSError:
        pass  # only a saving: what is not ours is dropped by `_receive` too


def _packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def _checksum(data: bytes) -> int:
    """RFC 1071; 0 over a packet that holds its right checksum."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
