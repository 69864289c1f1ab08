"""Token buckets: packets a second, whoever sends them. Every moment is given by the caller."""

from __future__ import annotations

GRAIN = 16
BURST_SECONDS = 0.05


class TokenBucket:
    """Lets `rate` a second through, and after a rest a burst of a twentieth of a second, or GRAIN if that is more."""

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._at = now
        self._tokens = float(min(GRAIN, self.burst))

    @property
    def burst(self) -> float:
        return max(float(GRAIN), self.rate * BURST_SECONDS)

    def take(self, wanted: int, now: float) -> int:
        """How many of `wanted` may go now; they are taken."""
        if now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
        given = min(wanted, int(self._tokens))
        self._tokens -= given
        return given

    def put_back(self, unused: int) -> None:
        self._tokens += unused

    def spend(self, count: int) -> None:
        """Takes what was sent without asking; the debt is waited for."""
        self._tokens -= count

    def seconds_until(self, wanted: int) -> float:
        """From the last `take` on, until `wanted` are there."""
        return max(0.0, (min(wanted, self.burst) - self._tokens) / self.rate)
