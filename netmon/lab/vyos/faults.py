"""What may go wrong once: a test arms a fault, the next request that it concerns meets it."""

from __future__ import annotations

from enum import Enum, auto


class Fault(Enum):
    """The first four concern changes only (configure, save, configure-section), the others every request."""

    CLOSE_BEFORE = auto()  # the connection breaks, nothing is committed
    LOSE_ANSWER = auto()  # committed, then the connection breaks
    GATEWAY_TIMEOUT_AFTER = auto()  # committed, but the web server gave up waiting
    LOCKED = auto()
    GATEWAY_TIMEOUT = auto()
    BAD_GATEWAY = auto()
    INTERNAL_ERROR = auto()
    API_DOWN = auto()
    GARBAGE = auto()
    NESTED = auto()
    NOT_HTTP = auto()
    HUGE = auto()
    DRIP = auto()
    SILENCE = auto()
    REDIRECT = auto()
    HTML = auto()
    HALF = auto()  # less than Content-Length promises
    ECHO = auto()  # refuses, and repeats the whole request in its error
    ECHO_HEADER = auto()

    def concerns(self, is_change: bool) -> bool:
        """Whether a request meets it."""
        return is_change or self.value > Fault.LOCKED.value

    @property
    def comes_after(self) -> bool:
        """Whether the request is carried out all the same."""
        return self in _COMES_AFTER


_COMES_AFTER = frozenset({
    Fault.LOSE_ANSWER, Fault.GATEWAY_TIMEOUT_AFTER, Fault.NOT_HTTP, Fault.HUGE, Fault.DRIP, Fault.SILENCE, Fault.HALF,
    Fault.ECHO_HEADER,
})  # fmt: skip
