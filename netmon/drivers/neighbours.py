"""The kernel's neighbour tables (ARP and IPv6 neighbour discovery), asked by netlink: no right is needed to read.

rtnetlink(7): RTM_GETNEIGH. Who answered ARP is there, whatever else he drops.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass

NLM_F_REQUEST, NLM_F_DUMP, NLMSG_ERROR, NLMSG_DONE = 0x1, 0x300, 2, 3
RTM_NEWNEIGH, RTM_GETNEIGH = 28, 30
NDA_DST, NDA_LLADDR = 1, 2
INCOMPLETE, REACHABLE, STALE, DELAY, PROBE, FAILED, NOARP, PERMANENT = 1, 2, 4, 8, 16, 32, 64, 128
HEADER, NDMSG, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BxxxiHBB"), struct.Struct("=HH")
NTF_PROXY = 8
WAIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One entry. `mac` is "" where the address never answered; `is_resolved` where it did lately or is set by hand.

    `is_failed`: it was asked and did not answer. `is_confirmed`: it answered within the last half minute or so.
    """

    address: str
    interface: int
    mac: str
    state: int

    @property
    def is_resolved(self) -> bool:
        return bool(self.mac) and not self.state & (INCOMPLETE | FAILED | NOARP)

    @property
    def is_confirmed(self) -> bool:
        return bool(self.mac) and bool(self.state & (REACHABLE | PERMANENT))

    @property
    def is_resolving(self) -> bool:
        """The kernel is asking for it just now, for the first time."""
        return self.state & INCOMPLETE != 0

    @property
    def is_failed(self) -> bool:
        return not self.mac and bool(self.state & (INCOMPLETE | FAILED))


def neighbours(family: int = socket.AF_UNSPEC) -> dict[str, Neighbour]:
    """All entries by address, of one family or of both. Empty where the kernel does not answer (it is no verdict)."""
    found: dict[str, Neighbour] = {}
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(WAIT_SECONDS)
            sequence = int.from_bytes(os.urandom(4), "little")
            body = NDMSG.pack(family, 0, 0, 0, 0)
            head = HEADER.pack(HEADER.size + len(body), RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0)
            sock.sendto(head + body, (0, 0))
            while not _read(sock.recv(1 << 17), sequence, found):
                pass
    except (OSError, struct.error):
        return found
    return found


def _read(data: bytes, sequence: int, found: dict[str, Neighbour]) -> bool:
    """Adds the entries of one datagram; says whether it was the last."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, _, answers, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return True
        if answers == sequence:
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                return True
            if kind == RTM_NEWNEIGH and (entry := _entry(data[at + HEADER.size : at + length])):
                found[entry.address] = entry
        at += (length + 3) & ~3
    return False


def _entry(message: bytes) -> Neighbour | None:
    family, interface, state, flags, _ = NDMSG.unpack_from(message)
    if family not in (socket.AF_INET, socket.AF_INET6) or flags & NTF_PROXY or state & NOARP:
        return None
    address, mac, at = "", "", NDMSG.size
    while at + ATTRIBUTE.size <= len(message):
        length, kind = ATTRIBUTE.unpack_from(message, at)
        if length < ATTRIBUTE.size:
            break
        value = message[at + ATTRIBUTE.size : at + length]
        if kind == NDA_DST:
            address = socket.inet_ntop(family, value)
        elif kind == NDA_LLADDR and len(value) == 6:
            mac = value.hex(":")
        at += (length + 3) & ~3
    if address.startswith("fe80:"):  # the same on every link: only the zone tells them apart
        try:
            address = f"{address}%{socket.if_indextoname(interface)}"
        except OSError:
            return None
    return Neighbour(address, interface, mac, state) if address else None
