"""What a driver may raise: one tree, named by what the operator must do about it.

Every class carries `code` (for programs: stored in rows, shown by the API) and `retryable` (whether the same
request may succeed later without anybody changing anything). `detail` is one sentence for people and never
holds a secret. `reason` is a short stable word below the code, such as "refused", where a driver tells them apart.
"""

from __future__ import annotations

from typing import ClassVar


class DriverError(Exception):
    """Base of all driver errors. `detail`: one sentence for people, without secrets; `reason`: a word or "".

    `jumps`: how many hosts before the target it happened, on the way there; 0 is the target itself.
    `is_unanswered`: the whole request had left, so the other side may have done what was asked.
    """

    code: ClassVar[str] = "driver_error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, reason: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason
        self.jumps = 0
        self.is_unanswered = False


class Unreachable(DriverError):
    """The way to the peer is closed: refused, no route, the name does not resolve."""

    code = "unreachable"
    retryable = True


class AddressRefused(DriverError):
    """The caller's rules do not let netmon contact the address."""

    code = "target_refused"


class DeadlineExceeded(DriverError):
    """Nothing came in time."""

    code = "timeout"
    retryable = True


class Busy(DriverError):
    """The peer is alive but will not serve us now: configuration locked, too many connections."""

    code = "busy"
    retryable = True


class AuthenticationFailed(DriverError):
    """The peer refused our credentials and said so."""

    code = "auth_failed"


class UntrustedPeer(DriverError):
    """The peer could not prove who it is: host key changed, certificate not verified."""

    code = "untrusted_peer"


class ProtocolError(DriverError):
    """The answer was malformed or broke the protocol's rules."""

    code = "protocol_error"


class NotSupported(DriverError):
    """The peer, or this machine, lacks what was asked for: an object, a command, a permission of the system."""

    code = "not_supported"


class LocalFault(NotSupported):
    """This machine could not ask: no permission, no socket left. It says nothing about the peer."""

    code = "local_fault"
    retryable = True


class Rejected(DriverError):
    """The peer understood and said no."""

    code = "rejected"
