"""Names of addresses by reverse DNS (RFC 1035, RFC 3596): many at once over UDP, within one deadline.

The system's resolver functions cannot be stopped when a server is silent, and take one address at a time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
HEAD = struct.Struct("!HHHHHH")
PTR, CNAME, IN = 12, 5, 1
RECURSION_DESIRED, IS_ANSWER, REFUSED_BITS = 0x0100, 0x8000, 0x000F
TRY_SECONDS, TRIES, MOST_AT_ONCE = 1.0, 3, 128
MOST_JUMPS = 32
NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}\.)*[A-Za-z0-9_.-]{0,253}")


def reverse_names(
    addresses: Iterable[str],
    *,
    deadline_seconds: float = 5.0,
    servers: Iterable[tuple[str, int]] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> dict[str, str]:
    """The PTR name of each literal address that has one; the others are missing.

    Ends after `deadline_seconds` with what it has, whatever the servers do. `servers` are (address, port), by default
    the first three of /etc/resolv.conf. Names that are no host names are left out: they are written by strangers.
    """
    places = list(servers) if servers is not None else system_servers()
    found: dict[str, str] = {}
    ends = time.monotonic() + deadline_seconds
    waiting = deque((address, 0) for address in dict.fromkeys(addresses))
    asked: dict[int, tuple[str, int, bytes, float]] = {}
    sockets: list[socket.socket] = []
    try:
        sockets = _open(places)
        poll = select.poll()
        by_fd = {sock.fileno(): sock for sock in sockets}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while sockets and (waiting or asked) and (now := time.monotonic()) < ends:
            if is_cancelled is not None and is_cancelled():
                break
            while waiting and len(asked) < MOST_AT_ONCE:
                address, tries = waiting.popleft()
                _ask(sockets[tries % len(sockets)], address, tries, asked, now)
            for fd, _ in poll.poll(min(50.0, max(0.0, (ends - now) * 1000))):
                _hear(by_fd[fd], asked, found)
            late = [ident for ident, entry in asked.items() if time.monotonic() - entry[3] > TRY_SECONDS]
            for ident in late:
                address, tries, _, _ = asked.pop(ident)
                if tries + 1 < TRIES:
                    waiting.append((address, tries + 1))
    finally:
        for sock in sockets:
            sock.close()
    return found


def system_servers(path: Path = RESOLV_CONF) -> list[tuple[str, int]]:
    """The servers of a resolv.conf(5), at most three; the local host where it names none."""
    servers = []
    with contextlib.suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] == "nameserver":
                with contextlib.suppress(ValueError):
                    servers.append((str(ipaddress.ip_address(words[1])), 53))
    return servers[:3] or [("127.0.0.1", 53)]


def _open(places: list[tuple[str, int]]) -> list[socket.socket]:
    """Connected sockets: the kernel drops what comes from elsewhere, and each has a random port of its own."""
    sockets = []
    for place in places:
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError:
            continue
        try:
            sock.connect(place)
        except OSError:
            sock.close()
            continue
        sockets.append(sock)
    return sockets


def _ask(
    sock: socket.socket, address: str, tries: int, asked: dict[int, tuple[str, int, bytes, float]], now: float
) -> None:
    ident = secrets.randbelow(0x10000)
    while ident in asked:
        ident = secrets.randbelow(0x10000)
    pointer = ipaddress.ip_address(address.partition("%")[0]).reverse_pointer
    labels = b"".join(bytes([len(label)]) + label.encode() for label in pointer.split("."))
    question = labels + b"\0" + struct.pack("!HH", PTR, IN)
    asked[ident] = (address, tries, question, now)
    with contextlib.suppress(OSError):  # refused, or our buffer is full: the next try comes
        sock.send(HEAD.pack(ident, RECURSION_DESIRED, 1, 0, 0, 0) + question)


def _hear(sock: socket.socket, asked: dict[int, tuple[str, int, bytes, float]], found: dict[str, str]) -> None:
    for _ in range(MOST_AT_ONCE):
        try:
            data = sock.recv(4096)
        except OSError:
            return
        if len(data) < HEAD.size:
            continue
        ident, flags, *_ = HEAD.unpack_from(data)
        entry = asked.get(ident)
        if entry is None or not flags & IS_ANSWER or data[HEAD.size : HEAD.size + len(entry[2])].lower() != entry[2]:
            continue
        del asked[ident]
        if name := read_answer(data, HEAD.size + len(entry[2])):
            found[entry[0]] = name


def read_answer(data: bytes, at: int) -> str:
    """The first PTR name of a DNS message whose answers begin at `at`; "" without a usable one."""
    _, flags, _, count, _, _ = HEAD.unpack_from(data)
    if flags & REFUSED_BITS:
        return ""
    try:
        for _ in range(min(count, 20)):
            _, at = _name(data, at)
            kind, klass, _, length = struct.unpack_from("!HHIH", data, at)
            at += 10
            if kind == PTR and klass == IN:
                name = _name(data, at)[0]
                return name if NAME.fullmatch(name) else ""
            at += length
    except (IndexError, struct.error, ValueError):
        pass
    return ""


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name at `at` and where it ends. Raises IndexError or ValueError for a broken one; pointers may form a ring."""
    labels: list[str] = []
    end = -1
    for _ in range(MOST_JUMPS + 128):
        length = data[at]
        if length == 0:
            return ".".join(labels), end if end >= 0 else at + 1
        if length & 0xC0 == 0xC0:
            end = end if end >= 0 else at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
            continue
        if length & 0xC0 or len(labels) > 127:
            break
        label = data[at + 1 : at + 1 + length]
        if len(label) < length:
            break
        labels.append(label.decode("ascii"))
        at += 1 + length
    raise ValueError("broken name")
