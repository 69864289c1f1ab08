"""One host of a scan: two bytes for each port, whatever becomes of it."""

from __future__ import annotations

import ipaddress
import re
import socket
from array import array
from collections.abc import Iterator, Sequence
from operator import itemgetter

from netmon.drivers.errors import Unreachable
from netmon.drivers.tcp.pace import Pace
from netmon.drivers.tcp.ports import runs
from netmon.drivers.tcp.types import Accuracy, HostReport, Limits, Outcome, PortRange, ScanTarget, State

# What a byte of `HostScan.states` means; from FIRST_ICMP on, an index into the host's own list of ICMP reasons.
UNKNOWN, ON_ITS_WAY, OPEN, CLOSED, SILENT, NO_ROUTE, NO_NEIGHBOUR, LOCAL, FIRST_ICMP = range(9)
MEANING: dict[int, tuple[State, str]] = {
    UNKNOWN: (State.UNKNOWN, ""),
    ON_ITS_WAY: (State.UNKNOWN, ""),
    OPEN: (State.OPEN, "syn-ack"),
    CLOSED: (State.CLOSED, "rst"),
    SILENT: (State.FILTERED, "timeout"),
    NO_ROUTE: (State.UNREACHABLE, "no route"),
    NO_NEIGHBOUR: (State.UNREACHABLE, "no ARP"),
    LOCAL: (State.ERROR, "local"),
}
MOST_ICMP_REASONS = 200
MOST_LOOKS, FEW_SILENT = 5, 32
# so many answers to retries only, in a host that sends RSTs: no ordinary loss
RST_LIMIT_SHARE = 0.15
RUNS = re.compile(rb"(?s)(.)\1*")


class PortList:
    """The ports of a scan, shared by all its hosts: `order` as they are asked, and the way back to sorted ones."""

    __slots__ = ("_pick", "order", "stretches")

    def __init__(self, order: array[int]) -> None:
        self.order = order
        by_port = sorted(range(len(order)), key=order.__getitem__)
        self._pick = itemgetter(*by_port) if len(by_port) > 1 else None
        # runs of neighbouring ports: a range of results never spans a port that was not asked
        self.stretches = list(runs(order[position] for position in by_port))

    def __len__(self) -> int:
        return len(self.order)

    def sorted(self, values: Sequence[int]) -> bytes:
        """Bytes given in asking order, in the order of the ports."""
        return bytes(self._pick(values)) if self._pick else bytes(values)


def socket_address(address: str) -> tuple[int, str, tuple[int, ...]]:
    """Family, address, and what follows the port in a socket address. Raises Unreachable for an unknown zone."""
    plain, _, zone = address.partition("%")
    if ipaddress.ip_address(plain).version == 4:
        return socket.AF_INET, plain, ()
    try:
        scope = int(zone) if zone.isdigit() else socket.if_nametoindex(zone) if zone else 0
    except OSError:
        raise Unreachable(f"The address cannot be reached: no interface {zone[:20]}.") from None
    return socket.AF_INET6, plain, (0, scope)


class HostScan:
    """The states, tries and pace of one host. Positions are indexes into the shared asking order."""

    __slots__ = (
        "address", "cursor", "family", "first_sent_at", "flow", "icmp_reasons", "in_flight", "is_queued",
        "is_silent", "look_answers", "looks", "neighbour", "opened", "outcome", "pace", "plain", "ports", "sent",
        "start_rate", "states", "to_ask", "tries",
    )  # fmt: skip

    def __init__(self, target: ScanTarget, ports: PortList, limits: Limits, now: float) -> None:
        self.address = target.address
        self.neighbour = str(ipaddress.ip_address(target.address))  # as the kernel writes it
        self.is_silent = target.is_silent
        self.family, self.plain, self.flow = socket_address(target.address)
        self.ports = ports
        self.states = bytearray(len(ports))
        self.tries = bytearray(len(ports))
        self.pace = Pace(limits, None if target.rtt_ms is None else target.rtt_ms / 1000, now)
        self.start_rate = self.pace.bucket.rate
        self.icmp_reasons: list[str] = []
        self.opened: dict[int, tuple[float, int]] = {}
        self.to_ask = len(ports)
        self.cursor = self.in_flight = self.sent = self.looks = self.look_answers = 0
        self.first_sent_at: float | None = None
        self.is_queued = False
        self.outcome = Outcome.FINISHED

    @property
    def undecided(self) -> int:
        return self.to_ask + self.in_flight

    @property
    def has_answered(self) -> bool:
        return self.pace.answers > 0

    def next_position(self) -> int:
        """A position to ask next, marked as on its way; -1 without any. Goes round: retries come after the others."""
        position = self.states.find(UNKNOWN, self.cursor)
        if position < 0:
            position = self.states.find(UNKNOWN)
            if position < 0:
                return -1
        self.cursor = position + 1
        self.states[position] = ON_ITS_WAY
        self.to_ask -= 1
        self.in_flight += 1
        return position

    def take_back(self, position: int) -> None:
        """It got no answer, or never left: it is to be asked (again)."""
        self.states[position] = UNKNOWN
        self.to_ask += 1
        self.in_flight -= 1

    def decide(self, position: int, state: int) -> None:
        self.states[position] = state
        self.in_flight -= 1

    def icmp_state(self, reason: str) -> int:
        """The state for an ICMP error with this reason."""
        if reason not in self.icmp_reasons:
            if len(self.icmp_reasons) >= MOST_ICMP_REASONS:  # hundreds of senders: somebody makes them up
                return FIRST_ICMP + MOST_ICMP_REASONS - 1
            self.icmp_reasons.append(reason)
        return FIRST_ICMP + self.icmp_reasons.index(reason)

    def wants_timeout_again(self, position: int) -> bool:
        """Whether a port that got no answer is to be asked once more now."""
        return not self.looks and self.tries[position] < self.pace.max_tries

    def look_again(self) -> bool:
        """Puts the silent ports back to be asked once more, where packets are known to get lost; says if it did.

        It goes on while a look finds answers, for a host that limits its RSTs needs several; and where few ports are
        left, for then each may be a lost packet, and asking costs next to nothing.
        """
        silent = self.states.count(SILENT)
        if not silent or not self.pace.retries_answered or self.looks >= MOST_LOOKS:
            return False
        if self.looks and not self.look_answers and silent > FEW_SILENT:
            return False
        self.states = self.states.replace(bytes([SILENT]), bytes([UNKNOWN]))
        self.to_ask = silent
        self.cursor = self.look_answers = 0
        if not self.looks:
            self.pace.go_easy()
        self.looks += 1
        return True

    def stop(self, state: int, outcome: Outcome) -> None:
        """Nothing more is asked: what is undecided gets `state`. Nothing may be on its way any more."""
        self.states = self.states.replace(bytes([UNKNOWN]), bytes([state]))
        self.to_ask = 0
        self.outcome = outcome

    def meaning(self, state: int) -> tuple[State, str]:
        if state < FIRST_ICMP:
            return MEANING[state]
        return State.FILTERED, self.icmp_reasons[state - FIRST_ICMP]

    def report(self) -> HostReport:
        # What was asked in a shuffled order and cut short is tens of thousands of ranges: too many for a quick end.
        is_cut_short = self.outcome in (Outcome.CANCELLED, Outcome.BUDGET)
        return HostReport(
            address=self.address,
            outcome=self.outcome,
            ranges=tuple(self._open_ranges() if is_cut_short else self._ranges()),
            counts=self._counts(),
            accuracy=self._accuracy(),
        )

    def _counts(self) -> dict[State, int]:
        counts = dict.fromkeys(State, 0)
        for code in range(FIRST_ICMP + len(self.icmp_reasons)):
            counts[self.meaning(code)[0]] += self.states.count(code)
        return {state: count for state, count in counts.items() if count}

    def _open_ranges(self) -> Iterator[PortRange]:
        for port, tries in sorted((self.ports.order[at], tries) for at, (_, tries) in self.opened.items()):
            yield PortRange(port, port, *MEANING[OPEN], tries)

    def _ranges(self) -> Iterator[PortRange]:
        # on its way and unknown read alike
        states = self.ports.sorted(self.states).replace(bytes([ON_ITS_WAY]), bytes([UNKNOWN]))
        tries = self.ports.sorted(self.tries)
        start = 0
        for first, last in self.ports.stretches:
            end = start + last - first + 1
            for run in RUNS.finditer(states, start, end):
                state, reason = self.meaning(states[run.start()])
                at = first + run.start() - start
                most = max(tries[run.start() : run.end()])
                yield PortRange(at, at + run.end() - run.start() - 1, state, reason, most)
            start = end

    def _accuracy(self) -> Accuracy:
        pace = self.pace
        share = pace.retries_answered / pace.answers if pace.answers else 0.0
        slowed = pace.lowest_rate < self.start_rate
        return Accuracy(
            packets_sent=self.sent,
            answers=pace.answers,
            retries_answered=pace.retries_answered,
            loss_percent=100 * share,
            slowed_to=pace.lowest_rate if slowed else None,
            looks=self.looks,
            rtt_ms=None if pace.srtt is None else pace.srtt * 1000,
            is_limiting_rsts=slowed and share > RST_LIMIT_SHARE and self.states.count(CLOSED) > len(self.opened),
        )
