"""From raw counters to rates: either right or a gap, never a spike.

Pure functions. A pair of samples gives a rate only when nothing between them can have reset a counter unseen; whatever
is refused, the new sample becomes the base of the next pair (else a device that was reset once would never recover).
Sources: RFC 2863 (counters, discontinuity), RFC 3418 (sysUpTime).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitoring.modules import Counter, Reading

TICKS = 2**32
# sysUpTime may differ from what our clock expects by this much: retries, tables read over seconds, a poor crystal
TOLERANCE_SECONDS = 10.0
TOLERANCE_SHARE = 0.02
MAX_INTERVALS = 3
# ifSpeed is nominal, and counters are cached by agents for some seconds
PLAUSIBLE_SHARE = 1.2
# the shortest Ethernet frame takes 84 octets of the line: 64 itself, 8 preamble, 12 gap
BITS_PER_PACKET = 672
OCTET_SUFFIX = "_bps"

FIRST, OK = "first", "ok"
RESTART, DISCONTINUITY, GAP, RESET = "restart", "discontinuity", "gap", "reset"
WIDTH, AMBIGUOUS, IMPLAUSIBLE = "width", "ambiguous", "implausible"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowState:
    """The last sample of one row, the base of its next rates.

    `at` is seconds since the epoch, which steps when the clock is set; `monotonic_at` does not, but means something
    only to processes with the same `clock` (the boot of one machine): it is used where both samples have the same one.
    """

    at: float
    counters: Mapping[str, Counter]
    uptime_ticks: int | None = None
    discontinuity_ticks: int | None = None
    monotonic_at: float | None = None
    clock: str = ""

    def to_json(self) -> dict[str, Any]:
        """A compact form for a JSON column; counters are exact integers up to 2^64 - 1."""
        packed: dict[str, Any] = {"at": self.at, "c": {k: [v.value, v.bits] for k, v in self.counters.items()}}
        for key, value in (
            ("up", self.uptime_ticks),
            ("disc", self.discontinuity_ticks),
            ("mono", self.monotonic_at),
            ("clock", self.clock or None),
        ):
            if value is not None:
                packed[key] = value
        return packed

    @classmethod
    def from_json(cls, packed: Mapping[str, Any]) -> RowState:
        """The state that `to_json` packed. Raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            at=float(packed["at"]),
            counters={k: Counter(int(value), int(bits)) for k, (value, bits) in packed["c"].items()},
            uptime_ticks=packed.get("up"),
            discontinuity_ticks=packed.get("disc"),
            monotonic_at=packed.get("mono"),
            clock=packed.get("clock", ""),
        )


@dataclass(frozen=True, slots=True)
class RateResult:
    """Units a second, or None and the reason why not."""

    value: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRates:
    """`values` holds the gauges of the reading and a rate or None for each counter; `state` goes into the next call.

    `reason` speaks for the row; `refused` names single columns without a rate in a row that has others.
    """

    values: dict[str, float | None]
    state: RowState
    reason: str
    refused: dict[str, str] = field(default_factory=dict)


def rate(
    previous: Counter | None,
    current: Counter,
    *,
    seconds: float,
    may_wrap: bool,
    highest: float | None = None,
    needs_bound: bool = False,
) -> RateResult:
    """The rate between two samples of one counter, `seconds` apart.

    `may_wrap`: a 32-bit counter that went down has wrapped (the device is known not to have restarted); 64-bit ones
    never wrap. `highest` is what the line can do in units a second; `needs_bound` refuses a 32-bit counter that
    could have wrapped more than once at that pace, or whose pace is unknown.
    """
    if previous is None:
        return RateResult(None, FIRST)
    if previous.bits != current.bits:
        return RateResult(None, WIDTH)
    if seconds <= 0:
        return RateResult(None, GAP)
    delta = current.value - previous.value
    if current.bits == 64:
        if delta < 0:
            return RateResult(None, RESET)
    else:
        if needs_bound and (highest is None or highest * PLAUSIBLE_SHARE * seconds >= 2**32):
            return RateResult(None, AMBIGUOUS)
        if delta < 0 and not may_wrap:
            return RateResult(None, AMBIGUOUS)
        delta %= 2**32
    value = delta / seconds
    if highest is not None and value > highest * PLAUSIBLE_SHARE:
        return RateResult(None, IMPLAUSIBLE)
    return RateResult(value, OK)


def rates_for(
    previous: RowState | None,
    reading: Reading,
    *,
    at: float,
    interval_seconds: float,
    monotonic_at: float | None = None,
    clock: str = "",
) -> RowRates:
    """The rates of a whole row against its last sample, and the state to keep for the next.

    `at`, `monotonic_at` are those of the Collected; `clock` names the machine and its boot, "" where that is unknown.
    Columns whose name ends in _bps count octets and give bits; all others give units a second.
    """
    state = RowState(
        at=at,
        counters=dict(reading.counters),
        uptime_ticks=reading.uptime_ticks,
        discontinuity_ticks=reading.discontinuity_ticks,
        monotonic_at=monotonic_at,
        clock=clock,
    )
    values: dict[str, float | None] = {**reading.values, **dict.fromkeys(reading.counters)}
    reason, seconds, may_wrap = _between(previous, state, interval_seconds)
    if previous is None or reason != OK:
        return RowRates(values=values, state=state, reason=reason)
    results = {
        name: _column_rate(name, previous.counters.get(name), counter, seconds, may_wrap, reading.speed_bps)
        for name, counter in reading.counters.items()
    }
    # What shows in one column happened to the whole row: a cleared 64-bit counter tells that the 32-bit ones beside it
    # were cleared, not wrapped.
    for telling in (RESET, IMPLAUSIBLE):
        if any(result.reason == telling for result in results.values()):
            return RowRates(values=values, state=state, reason=telling)
    for name, result in results.items():
        scale = 8 if name.endswith(OCTET_SUFFIX) else 1
        values[name] = None if result.value is None else result.value * scale
    refused = {name: result.reason for name, result in results.items() if result.value is None}
    everything_refused = len(refused) == len(results) and refused
    reason = next(iter(refused.values())) if everything_refused else OK
    return RowRates(values=values, state=state, reason=reason, refused=refused)


def _column_rate(
    name: str, previous: Counter | None, current: Counter, seconds: float, may_wrap: bool, speed_bps: int | None
) -> RateResult:
    is_octets = name.endswith(OCTET_SUFFIX)
    highest = speed_bps / (8 if is_octets else BITS_PER_PACKET) if speed_bps else None
    # Packets wrap 84 times more slowly than octets, and errors and discards exist in 32 bits only: a bound would
    # silence them on every fast line for the sake of a line with nothing but errors.
    return rate(previous, current, seconds=seconds, may_wrap=may_wrap, highest=highest, needs_bound=is_octets)


def _between(previous: RowState | None, current: RowState, interval_seconds: float) -> tuple[str, float, bool]:
    """What happened between two samples: the reason, the seconds (by the device's clock if it has one), may_wrap."""
    if previous is None:
        return FIRST, 0.0, False
    elapsed = _elapsed(previous, current)
    if elapsed <= 0:
        return GAP, 0.0, False
    seconds, may_wrap = elapsed, False
    old, new = previous.uptime_ticks, current.uptime_ticks
    if (old is None) != (new is None):
        return GAP, 0.0, False
    if old is not None and new is not None:
        reason = _life(old, new, elapsed)
        if reason != OK:
            return reason, 0.0, False
        seconds = ((new - old) % TICKS) / 100
        # where sysUpTime itself wrapped, a restart at that very moment would look the same
        may_wrap = new >= old
    if previous.discontinuity_ticks != current.discontinuity_ticks:
        return DISCONTINUITY, 0.0, False
    if seconds <= 0 or seconds > MAX_INTERVALS * interval_seconds:
        return GAP, 0.0, False
    return OK, seconds, may_wrap


def _elapsed(previous: RowState, current: RowState) -> float:
    if not previous.clock or previous.clock != current.clock:
        return current.at - previous.at
    if previous.monotonic_at is not None and current.monotonic_at is not None:
        return current.monotonic_at - previous.monotonic_at
    return current.at - previous.at


def _life(old: int, new: int, elapsed: float) -> str:
    """OK if sysUpTime went on as our clock did (also across its wrap after 497 days), else why not."""
    tolerance = max(TOLERANCE_SECONDS, elapsed * TOLERANCE_SHARE) * 100
    ahead = (new - old - round(elapsed * 100)) % TICKS
    if min(ahead, TICKS - ahead) <= tolerance:
        # So soon after its start another restart would stay within the tolerance.
        return GAP if old <= tolerance and elapsed > 0 else OK
    # A device that restarted since the last sample cannot be up for longer than since the last sample.
    return RESTART if new <= elapsed * 100 + tolerance else GAP
