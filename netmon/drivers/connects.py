"""What the kernel tells of a connection under way, and what it has of descriptors.

Linux's ip(7) and linux/errqueue.h: with IP_RECVERR an ICMP error lies in the socket's error queue, with its type, code
and sender. `connect` alone cannot tell "closed" (a RST) from "filtered" (ICMP port unreachable): both are ECONNREFUSED.
"""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import struct
from dataclasses import dataclass

STREAM = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
# linux/in.h, linux/in6.h: not in the socket module
IP_RECVERR, IPV6_RECVERR = 11, 25
RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, IP_RECVERR), socket.AF_INET6: (socket.IPPROTO_IPV6, IPV6_RECVERR)}
ORIGIN_ICMP, ORIGIN_ICMP6 = 2, 3
# address unreachable: what our own kernel says when ARP or neighbour discovery failed
NO_NEIGHBOUR = {socket.AF_INET: (3, 1), socket.AF_INET6: (1, 3)}
LINGER_RESET = struct.pack("ii", 1, 0)
SPARE_DESCRIPTORS = 200

# Our own machine's limits: never a verdict on the port.
OWN_LIMITS = frozenset(
    {errno.EAGAIN, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EADDRINUSE}
)
NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EAFNOSUPPORT, errno.EINVAL})
RESET = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})


@dataclass(frozen=True, slots=True)
class IcmpError:
    """The record of an ICMP or ICMPv6 error. `is_own`: this machine wrote it itself, about a neighbour that is not."""

    kind: int
    code: int
    sender: str
    is_own: bool

    @property
    def reason(self) -> str:
        return f"icmp {self.kind}/{self.code} from {self.sender}"


def read_icmp_error(sock: socket.SocketType, family: int) -> IcmpError | None:
    """The first ICMP error of the socket's error queue, or None where it is empty."""
    try:
        _, ancillary, _, _ = sock.recvmsg(1, 256, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in ancillary:
        if (level, kind) != RECVERR[socket.AddressFamily(family)] or len(data) < 16:
            continue
        _, origin, icmp_type, code, _, _, _ = struct.unpack_from("=IBBBBII", data)
        if origin not in (ORIGIN_ICMP, ORIGIN_ICMP6):
            continue
        # struct sockaddr_in has its address at byte 4, sockaddr_in6 at byte 8
        sender = data[20:24] if family == socket.AF_INET else data[24:40]
        try:
            text = socket.inet_ntop(family, sender)
            own = (icmp_type, code) == NO_NEIGHBOUR[socket.AddressFamily(family)] and sock.getsockname()[0] == text
        except (OSError, ValueError):
            text, own = "unknown", False
        return IcmpError(icmp_type, code, text, own)
    return None


def is_connected(sock: socket.SocketType) -> bool:
    """Whether the handshake is complete. SO_ERROR alone may read 0 for a moment while an ICMP error is coming in."""
    try:
        # on loopback a socket may by chance meet itself (simultaneous open, RFC 9293 3.5)
        return bool(sock.getpeername() != sock.getsockname())
    except OSError:
        return False


def close_open(sock: socket.SocketType, *, gracefully: bool) -> None:
    """Ends a complete connection: by RST, so that nothing of it stays on either side, or by FIN."""
    if not gracefully:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    sock.close()


def socket_window(wanted: int) -> int:
    """How many sockets may be open at once: `wanted`, or what the limit of descriptors leaves after raising it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, raised), hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(16, min(wanted, soft - SPARE_DESCRIPTORS))
