"""How fast a host is asked and how long it is waited for. Pure arithmetic: every moment is given by the caller."""

from __future__ import annotations

from netmon.drivers.pacing import GRAIN, TokenBucket
from netmon.drivers.tcp.types import Limits

# RFC 6298 shapes: timeout = srtt + 4 * rttvar, gains of 1/8 and 1/4.
LEAST_TIMEOUT, MOST_TIMEOUT, FIRST_TIMEOUT = 0.1, 1.25, 1.0
# The kernel sends an unanswered SYN again after this long (RFC 6298, TCP_TIMEOUT_INIT).
KERNEL_RESEND_SECONDS = 1.0
LEAST_RATE = 100.0
# losses that slow a host down, and answers in a row that let it go faster again
STEP = 64
SLOWER, RECOVERING, GROWING = 0.7, 1.15, 1.3


class Pace:
    """One host's timeout, tries and rate, learned from its answers.

    A limit on RSTs (BSD, Windows and many appliances have one) looks like a firewall to whoever asks once. So every
    port is asked twice; a retry that is answered shows that packets get lost, and then this host gets more tries and
    fewer packets a second. The rate rises again step by step while answers come: a host must not stay at the floor for
    one bad second.
    """

    __slots__ = (
        "_ceiling",
        "_clean",
        "_grows",
        "_losses",
        "_most_tries",
        "answers",
        "bucket",
        "lowest_rate",
        "max_tries",
        "retries_answered",
        "rttvar",
        "srtt",
    )  # fmt: skip

    def __init__(self, limits: Limits, rtt_seconds: float | None, now: float) -> None:
        self._grows = limits.is_host_rate_growing
        self._ceiling = limits.packets_per_second if self._grows else limits.host_packets_per_second
        self._most_tries = limits.max_tries
        self.max_tries = min(2, limits.max_tries)
        self.bucket = TokenBucket(min(limits.host_packets_per_second, limits.packets_per_second), now)
        self.srtt = rtt_seconds
        self.rttvar = rtt_seconds / 2 if rtt_seconds is not None else 0.0
        self.answers = self.retries_answered = self._losses = self._clean = 0
        self.lowest_rate = self.bucket.rate

    def timeout(self, tries: int) -> float:
        """Seconds to wait for the answer to this try (1 is the first). Later tries wait twice as long.

        A first try ends before the kernel would send its SYN again, so that one try is one packet.
        """
        if self.srtt is None:
            first = FIRST_TIMEOUT
        else:
            first = min(max(self.srtt + 4 * self.rttvar, LEAST_TIMEOUT), MOST_TIMEOUT)
        if tries > 1:
            return 2 * first
        return min(first, 0.95 * KERNEL_RESEND_SECONDS) if self.srtt is None or self.srtt < 0.5 else first

    def answered(self, rtt: float | None, tries: int, in_flight: int) -> None:
        """An answer to the given try. `rtt` in seconds, None where our own delay is in it; `in_flight` what else is on
        its way to this host."""
        self.answers += 1
        # later than the kernel's own resend, it may be the answer to that: no sample (Karn's rule)
        if rtt is not None and rtt < KERNEL_RESEND_SECONDS:
            late = tries > 1 and self.srtt is not None and rtt > self.timeout(1)
            self._sample(rtt)
        else:
            late = False
        if tries == 1:
            self._clean += 1
            if self._clean >= STEP:
                self._clean = 0
                # unanswered ones piling up may be losses not yet known
                if in_flight <= 2 * GRAIN + 2 * self.bucket.rate * (self.srtt or 0.0):
                    self._faster()
            return
        self.retries_answered += 1
        self._clean = 0
        self.max_tries = max(self.max_tries, min(self._most_tries, tries + 1))
        if not late:  # a slow answer is no lost packet
            self._losses += tries - 1
            if self._losses >= STEP:
                self._losses = 0
                self._slower()

    def _sample(self, rtt: float) -> None:
        if self.srtt is None:
            self.srtt, self.rttvar = rtt, rtt / 2
            return
        self.rttvar += (abs(self.srtt - rtt) - self.rttvar) / 4
        self.srtt += (rtt - self.srtt) / 8

    def _slower(self) -> None:
        self._grows = False
        self.bucket.rate = max(self.bucket.rate * SLOWER, min(LEAST_RATE, self._ceiling))
        self.lowest_rate = min(self.lowest_rate, self.bucket.rate)

    def _faster(self) -> None:
        self.bucket.rate = min(self.bucket.rate * (GROWING if self._grows else RECOVERING), self._ceiling)

    def go_easy(self) -> None:
        """Half the rate, for a last look at what did not answer."""
        self.bucket.rate = max(self.bucket.rate / 2, min(LEAST_RATE, self._ceiling))
