"""What only the API of a router can get wrong, and the one question that matters after a failed change.

Every error of a change but `UnknownOutcome` says for sure that nothing was applied.
"""

from __future__ import annotations

from netmon.drivers.errors import Busy, DriverError, ProtocolError, Rejected


class UnknownOutcome(DriverError):
    """A change was sent and no trustworthy answer came: it may be applied. Read the router back before anything else.

    `reason` is "timeout", "closed", "gateway", "api_down", "internal_error", "garbage", "redirect", "too_large", or
    "confirm_pending": applied, but without a timer of its own.
    """

    code = "unknown_outcome"

    def __init__(self, detail: str, *, reason: str = "") -> None:
        super().__init__(detail, reason=reason)
        self.is_unanswered = True


class CommitFailed(Rejected):
    """The router tried the change and discarded it. `detail` holds what it said."""

    code = "commit_failed"


class Locked(Busy):
    """Somebody else commits on the router; nothing of ours was applied. Try again after a while."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, reason="locked")


class OddConfiguration(ProtocolError):
    """Configuration that was read has a shape which no known version gives."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, reason="shape")


def may_have_applied(error: DriverError) -> bool:
    """Whether a change that ended with `error` may stand in the router's configuration. False is certain."""
    return isinstance(error, UnknownOutcome)
