"""One ICMP socket for many addresses (RFC 792, RFC 4443): requests out, answers told apart by what they carry."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import struct
from collections.abc import Iterator

from netmon.drivers.errors import LocalFault
from netmon.drivers.sweep.types import IcmpMode

PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
BUFFER_BYTES = 4 << 20
READS_PER_TURN = 512
# type, code, checksum, identifier, sequence; then our token, which host, which try
HEAD, BODY = struct.Struct("!BBHHH"), struct.Struct("!8sIB")
PADDING = bytes(32)
# linux/icmp.h, linux/icmpv6.h: a raw socket else gets a copy of everybody's ICMP. A set bit drops its type.
SOL_RAW, ICMP_FILTER, ICMPV6_FILTER = 255, 1, 1


class Echo:
    """Sends and reads echo messages of one family. `mode` is never NONE: without a right there is no Echo."""

    def __init__(self, family: socket.AddressFamily, sock: socket.socket, mode: IcmpMode) -> None:
        self.family = family
        self.sock = sock
        self.mode = mode
        self._ident = 1 + secrets.randbelow(0xFFFF)
        self._token = os.urandom(8)

    def send(self, peer: tuple[object, ...], number: int, attempt: int) -> None:
        """One request; `number` and `attempt` come back with the answer. Raises OSError."""
        body = BODY.pack(self._token, number, attempt) + PADDING
        # a datagram socket writes its own identifier
        head = HEAD.pack(REQUEST[self.family], 0, 0, self._ident, number & 0xFFFF)
        if self.mode is IcmpMode.RAW and self.family == socket.AF_INET:  # elsewhere the kernel does it
            head = HEAD.pack(REQUEST[self.family], 0, _checksum(head + body), self._ident, number & 0xFFFF)
        self.sock.sendto(head + body, peer)

    def replies(self) -> Iterator[tuple[str, int, int]]:
        """Source address (with its zone where link-local), number and attempt of each answer that is there now."""
        for _ in range(READS_PER_TURN):
            try:
                packet, source = self.sock.recvfrom(2048)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an error queued by an earlier send: it does not say by which
            if self.family == socket.AF_INET and len(packet) >= 20 and packet[0] >> 4 == 4:
                packet = packet[(packet[0] & 15) * 4 :]  # raw IPv4 sockets hand over the IP header
            if len(packet) < HEAD.size + BODY.size or packet[0] != REPLY[self.family]:
                continue
            token, number, attempt = BODY.unpack_from(packet, HEAD.size)
            if token == self._token:
                yield source[0], number, attempt

    def close(self) -> None:
        self.sock.close()


def open_echo(family: socket.AddressFamily) -> Echo | None:
    """A datagram socket, else a raw one, else None where neither is allowed. Raises LocalFault: no descriptor left."""
    for kind, mode in ((socket.SOCK_DGRAM, IcmpMode.DATAGRAM), (socket.SOCK_RAW, IcmpMode.RAW)):
        try:
            sock = socket.socket(family, kind, PROTOCOL[family])
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS):
                raise LocalFault(f"This machine has no socket left: {error.strerror}.") from None
            continue
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        # requests to neighbours that do not answer stay in it for three seconds
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
        if mode is IcmpMode.RAW:
            _filter(sock, family)
        return Echo(family, sock, mode)
    return None


def icmp_mode(version: int = 4) -> IcmpMode:
    """How this process may send echo requests over IP version 4 or 6, now."""
    echo = open_echo(socket.AF_INET if version == 4 else socket.AF_INET6)
    if echo is None:
        return IcmpMode.NONE
    echo.close()
    return echo.mode


def _filter(sock: socket.socket, family: socket.AddressFamily) -> None:
    words = [0xFFFFFFFF] * (1 if family == socket.AF_INET else 8)
    words[REPLY[family] >> 5] &= ~(1 << (REPLY[family] & 31)) & 0xFFFFFFFF
    level, name = (SOL_RAW, ICMP_FILTER) if family == socket.AF_INET else (socket.IPPROTO_ICMPV6, ICMPV6_FILTER)
    with contextlib.suppress(OSError):  # only a saving
        sock.setsockopt(level, name, struct.pack(f"={len(words)}I", *words))


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
