"""One address of a sweep, while it is undecided."""

from __future__ import annotations

import enum
import ipaddress
import socket


class Stage(enum.Enum):
    ECHO = "echo"
    TCP = "tcp"
    LIMBO = "limbo"
    """The neighbour table holds an old answer, and the kernel is checking it."""


class SweptHost:
    __slots__ = ("_flow", "_plain", "address", "family", "limbo_ends", "number", "sent_at", "sockets", "stage")

    def __init__(self, address: str, number: int) -> None:
        """Raises ValueError for what is no literal address."""
        parsed = ipaddress.ip_address(address)
        self.address = str(parsed)
        self.number = number
        self._plain, _, zone = self.address.partition("%")
        self._flow: tuple[int, ...] = ()
        self.family: int = socket.AF_INET
        if parsed.version == 6:
            self.family = socket.AF_INET6
            self._flow = (0, _scope(zone))
        self.stage = Stage.ECHO
        self.sent_at: list[float] = []
        self.sockets: list[int] = []
        self.limbo_ends = 0.0

    def peer(self, port: int) -> tuple[object, ...]:
        """The socket address of a port."""
        return (self._plain, port, *self._flow)

    def is_from(self, source: str) -> bool:
        """Whether a packet from this address, as sockets write it, is from this host."""
        return source.partition("%")[0] == self._plain

    @property
    def neighbour_method(self) -> str:
        return "arp" if self.family == socket.AF_INET else "ndp"


def _scope(zone: str) -> int:
    if not zone:
        return 0
    try:
        return int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    except OSError:
        return 0  # no such interface: sending will say so
