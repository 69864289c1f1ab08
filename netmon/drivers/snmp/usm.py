"""SNMPv3 messages under the User-based Security Model: discovery, time, sealing and opening (RFC 3412, RFC 3414)."""

from __future__ import annotations

import hmac
import os
import random
import time
from dataclasses import dataclass
from typing import Any

from pyasn1.type import univ  # type: ignore[import-untyped]
from pysnmp.proto.mpmod.rfc3412 import HeaderData, ScopedPDU, SNMPv3Message  # type: ignore[import-untyped]
from pysnmp.proto.secmod.rfc3414.service import UsmSecurityParameters  # type: ignore[import-untyped]

from netmon.drivers.errors import AuthenticationFailed, DriverError, ProtocolError
from netmon.drivers.snmp import usm_crypto
from netmon.drivers.snmp.messages import MALFORMED, V2C, build_pdu, decode, encode, is_report, read_pdu
from netmon.drivers.snmp.types import Kind, Request, Response
from netmon.drivers.targets import SnmpTarget

AUTH_FLAG, PRIV_FLAG, REPORTABLE_FLAG = 1, 2, 4
MAX_MESSAGE = 65_507
# RFC 3414 section 2.2.3
TIME_WINDOW_SECONDS = 150
# usmStats (RFC 3414 section 5): 1.3.6.1.6.3.15.1.1.N.0
USM_STATS = (1, 3, 6, 1, 6, 3, 15, 1, 1)
NOT_IN_TIME_WINDOWS, UNKNOWN_ENGINE_IDS = 2, 4
REASONS = {
    1: "the user does not allow this security level (unsupported security level)",
    3: "the device does not know this user (unknown user name)",
    5: "the authentication passphrase or algorithm is wrong (wrong digest)",
    6: "the privacy passphrase or algorithm is wrong (decryption error)",
}

# secrets never come from here: only message numbers, which are to be unguessable for those not on the path
_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of an agent's engine. `at` is our monotonic time when `time` was read.

    `is_authentic` is False for what a discovery said: good enough to try with, never to judge an answer by.
    """

    engine_id: bytes
    boots: int
    time: int
    at: float
    is_authentic: bool

    def now(self) -> int:
        """The engine's time in seconds, now."""
        return min(self.time + int(time.monotonic() - self.at), 2_147_483_647)


@dataclass(frozen=True, slots=True)
class Report:
    """The agent's refusal: N of usmStats, and the clock it told."""

    number: int
    clock: Clock


class Sealed:
    """One request as a message, and the judge of what comes back for it."""

    def __init__(self, target: SnmpTarget, clock: Clock | None, request: Request) -> None:
        self._target = target
        self._clock = clock
        self._message_id = _random.randrange(1, 2**31)
        self._request_id = _random.randrange(1, 2**31)
        self._flags = 0
        if clock is not None:
            self._flags |= AUTH_FLAG if target.auth_protocol else 0
            self._flags |= PRIV_FLAG if target.priv_protocol else 0
        self.payload = self._seal(request)

    def _seal(self, request: Request) -> bytes:
        clock = self._clock or Clock(b"", 0, 0, 0.0, False)
        boots, engine_time = clock.boots, clock.now() if self._clock else 0
        scoped = ScopedPDU()
        scoped[0], scoped[1] = clock.engine_id, self._target.context_name.encode() if self._clock else b""
        scoped[2].setComponentByType(
            (pdu := build_pdu(V2C, request, self._request_id)).tagSet, pdu, matchTags=False, matchConstraints=False
        )
        data, salt = scoped, b""
        if self._flags & PRIV_FLAG:
            ciphertext, salt = usm_crypto.encrypt(
                self._priv_protocol, self._priv_key(clock.engine_id), boots, engine_time, encode(scoped)
            )
            data = univ.OctetString(ciphertext)
        header = HeaderData()
        header[0], header[1], header[2], header[3] = (
            self._message_id,
            MAX_MESSAGE,
            bytes((self._flags | REPORTABLE_FLAG,)),
            3,
        )
        # stands for the MAC until it is known; random, so that it is found at one place only
        mark = os.urandom(usm_crypto.AUTH[self._auth_protocol][1]) if self._flags & AUTH_FLAG else b""
        security = UsmSecurityParameters()
        for position, value in enumerate(
            (clock.engine_id, boots, engine_time, self._target.username if self._clock else "", mark, salt)
        ):
            security[position] = value.encode() if isinstance(value, str) else value
        message = SNMPv3Message()
        message[0], message[1], message[2] = 3, header, encode(security)
        message[3].setComponentByType(data.tagSet, data, matchTags=False, matchConstraints=False)
        whole = encode(message)
        if mark:
            start = whole.index(mark)
            blank = whole[:start] + bytes(len(mark)) + whole[start + len(mark) :]
            digest = usm_crypto.mac(self._auth_protocol, self._auth_key(clock.engine_id), blank)
            whole = whole[:start] + digest + whole[start + len(mark) :]
        return whole

    @property
    def _auth_protocol(self) -> str:
        return self._target.auth_protocol or ""

    @property
    def _priv_protocol(self) -> str:
        return self._target.priv_protocol or ""

    def _auth_key(self, engine_id: bytes) -> bytes:
        assert self._target.auth_key is not None  # the target's own check
        return usm_crypto.auth_key(self._auth_protocol, self._target.auth_key, engine_id)

    def _priv_key(self, engine_id: bytes) -> bytes:
        assert self._target.priv_key is not None  # the target's own check
        return usm_crypto.priv_key(self._auth_protocol, self._priv_protocol, self._target.priv_key, engine_id)

    def open(self, datagram: bytes) -> tuple[Response | Report, Clock] | None:
        """The answer and the clock in it; None for a message that is not ours. Raises ProtocolError."""
        try:
            return self._open(datagram)
        except DriverError:
            raise
        except MALFORMED as error:
            raise ProtocolError(f"The answer cannot be read ({type(error).__name__}).") from None

    def _open(self, datagram: bytes) -> tuple[Response | Report, Clock] | None:
        message = decode(datagram, SNMPv3Message())
        header = message[1]
        if int(message[0]) != 3 or int(header[3]) != 3 or int(header[0]) != self._message_id:
            return None
        flags = bytes(header[2])[0]
        security = decode(bytes(message[2]), UsmSecurityParameters())
        engine_id = bytes(security[0])
        is_authentic = bool(flags & AUTH_FLAG)
        clock = Clock(engine_id, int(security[1]), int(security[2]), time.monotonic(), is_authentic)
        if is_authentic:
            self._verify(datagram, bytes(security[4]), bytes(security[3]), engine_id)
        scoped = self._scoped(message[3], flags, clock, bytes(security[5]))
        pdu = scoped[2].getComponent()
        if is_report(pdu):
            return self._report(pdu, clock), clock
        if self._clock is None:
            raise ProtocolError("The device answered a discovery with a response.")
        # RFC 3412 7.2.12: an answer weaker than its question proves nothing
        if flags & self._flags != self._flags or engine_id != self._clock.engine_id:
            raise ProtocolError("The answer is less protected than the question, or from another engine.")
        if bytes(security[3]) != self._target.username.encode():
            raise ProtocolError("The answer is for another user.")
        if is_authentic and self._is_stale(clock):
            raise ProtocolError("The answer is outside the time window.")
        response = read_pdu(pdu, self._request_id)
        return None if response is None else (response, clock)

    def _verify(self, datagram: bytes, digest: bytes, username: bytes, engine_id: bytes) -> None:
        """Raises ProtocolError unless the MAC is right (RFC 3414 section 3.2.6)."""
        if self._clock is None or not self._target.auth_protocol or username != self._target.username.encode():
            raise ProtocolError("The answer is authenticated for somebody else.")
        length = usm_crypto.AUTH[self._auth_protocol][1]
        start = datagram.find(digest)
        if len(digest) != length or start < 0:
            raise ProtocolError("The answer's authentication code has a wrong length.")
        blank = datagram[:start] + bytes(length) + datagram[start + length :]
        expected = usm_crypto.mac(self._auth_protocol, self._auth_key(engine_id), blank)
        if not hmac.compare_digest(expected, digest):
            raise ProtocolError("The answer's authentication code is wrong.")

    def _scoped(self, data: Any, flags: int, clock: Clock, salt: bytes) -> Any:
        body = data.getComponent()
        if not flags & PRIV_FLAG:
            if not isinstance(body, ScopedPDU):
                raise ProtocolError("The answer is encrypted and says it is not.")
            return body
        if not flags & AUTH_FLAG or not self._target.priv_protocol or isinstance(body, ScopedPDU):
            raise ProtocolError("The answer's protection contradicts itself.")
        plain = usm_crypto.decrypt(
            self._priv_protocol, self._priv_key(clock.engine_id), clock.boots, clock.time, salt, bytes(body)
        )
        return decode(plain, ScopedPDU(), padded=True)

    def _report(self, pdu: Any, clock: Clock) -> Report:
        name = tuple(map(int, pdu[3][0][0])) if len(pdu[3]) else ()
        if name[:-2] != USM_STATS:
            raise ProtocolError("The device reported something unknown.")
        return Report(name[-2], clock)

    def _is_stale(self, clock: Clock) -> bool:
        known = self._clock
        if known is None or not known.is_authentic:
            return False
        return clock.boots < known.boots or (
            clock.boots == known.boots and clock.time < known.now() - TIME_WINDOW_SECONDS
        )


DISCOVERY = Request(Kind.GET, ())


def refusal(report: Report) -> DriverError:
    """The error a report amounts to when nothing can be done about it."""
    reason = REASONS.get(report.number)
    if reason is not None:
        return AuthenticationFailed(f"The device refused the SNMPv3 credentials: {reason}.")
    if report.number == NOT_IN_TIME_WINDOWS:
        return ProtocolError("The device keeps saying that our clock is outside its time window.")
    return ProtocolError("The device keeps saying that its engine ID is another.")
