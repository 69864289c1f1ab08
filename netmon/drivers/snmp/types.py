"""The words every SNMP engine and the session share. No type of a third-party library crosses this border."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

Oid = tuple[int, ...]


class SnmpType(Enum):
    """The type of a value as it stood on the wire; the value of a member is its BER tag (RFC 2578, RFC 3416)."""

    Integer = 0x02
    OctetString = 0x04
    Null = 0x05
    Oid = 0x06
    IpAddress = 0x40
    Counter32 = 0x41
    Gauge32 = 0x42
    TimeTicks = 0x43
    Opaque = 0x44
    Counter64 = 0x46
    NoSuchObject = 0x80
    NoSuchInstance = 0x81
    EndOfMibView = 0x82

    @property
    def is_exception(self) -> bool:
        """True for the three that say there is no value."""
        return self.value >= 0x80


@dataclass(frozen=True, slots=True)
class VarBind:
    """One variable. `value` is int, bytes (OctetString, Opaque), a tuple (Oid), a dotted str (IpAddress) or None."""

    oid: Oid
    type: SnmpType
    value: int | bytes | Oid | str | None


class Kind(Enum):
    """What to ask."""

    GET = "get"
    GETNEXT = "getnext"
    GETBULK = "getbulk"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; the last two fields count for GETBULK only."""

    kind: Kind
    oids: tuple[Oid, ...]
    non_repeaters: int = 0
    max_repetitions: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """One answer as it came: nothing is checked but its form. `rtt_seconds` counts from the first try."""

    error_status: int
    error_index: int
    var_binds: tuple[VarBind, ...]
    rtt_seconds: float = 0.0


class Engine(Protocol):
    """What a session needs below it: encoding, security and the wire, for one target."""

    def slot(self) -> AbstractAsyncContextManager[Any]:
        """Held while a request is in flight; bounds how many are so at once."""
        ...

    async def request(self, request: Request, waits: Sequence[float]) -> Response:
        """Sends the request once for each of `waits` (seconds to wait after it) until an answer comes.

        All tries belong together: a late answer to the first still counts. Raises a DriverError.
        """
        ...
