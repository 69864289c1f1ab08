"""The loop: one thread, one epoll, connections that never block.

Sockets are opened a few ports at a time, round the hosts; answers are judged before timers are, so that a moment in
which we slept (a caller storing a batch) is never taken for the silence of a host.
"""

from __future__ import annotations

import errno
import heapq
import select
import socket
import time
from collections import deque
from collections.abc import Callable

from netmon.drivers.connects import (
    NO_ROUTE,
    OWN_LIMITS,
    RECVERR,
    RESET,
    STREAM,
    close_open,
    is_connected,
    read_icmp_error,
    socket_window,
)
from netmon.drivers.neighbours import Neighbour, neighbours
from netmon.drivers.pacing import GRAIN, TokenBucket
from netmon.drivers.tcp import hosts as states
from netmon.drivers.tcp.hosts import HostScan
from netmon.drivers.tcp.pace import KERNEL_RESEND_SECONDS
from netmon.drivers.tcp.types import Limits, OpenPort, Outcome
from netmon.drivers.tcp.wheel import Wheel

NEAR_SECONDS = 0.002  # nearer than this, the answer is there when `connect` returns
LEAST_NAP, MOST_NAP = 0.001, 0.02
STARVED_NAP, STARVED_SECONDS = 0.05, 30.0
LATE_SECONDS = 0.03
# Three ARP requests a second apart, and then some (mcast_solicit, retrans_time_ms).
ARP_SECONDS = 3.2

Clock = Callable[[], float]
# socket, host, position, when sent, which try
Probe = tuple[socket.SocketType, HostScan, int, float, int]


class Engine:
    """Sends, listens and judges. `turn` is one round; who calls it hands out what `opened` and `ended` collect."""

    def __init__(self, limits: Limits, clock: Clock = time.monotonic) -> None:
        self.limits = limits
        self.clock = clock
        self.window = socket_window(limits.max_sockets)
        self.bucket = TokenBucket(limits.packets_per_second, clock())
        self.sent = self.decided = self.pauses = 0
        self.opened: list[OpenPort] = []
        self.ended: list[HostScan] = []
        self.active: dict[str, HostScan] = {}
        self._ready: deque[HostScan] = deque()
        self._asleep: list[tuple[float, int, HostScan]] = []
        self._naps = 0
        self._epoll = select.epoll()
        self._on_their_way: dict[int, Probe] = {}
        self._wheel: Wheel[Probe] = Wheel(clock())
        self._paused_until = 0.0
        self._starved_since: float | None = None
        self._late_since = clock()
        self._last_round = clock()

    def close(self) -> None:
        """Lets go of every socket."""
        for sock, *_ in self._on_their_way.values():
            sock.close()
        self._on_their_way.clear()
        self._wheel.clear()
        self._epoll.close()

    def add(self, host: HostScan) -> None:
        self.active[host.address] = host
        if host.undecided:
            self._wake(host)
        else:
            self._end(host)

    @property
    def is_spent(self) -> bool:
        """Whether the budget of packets is used up."""
        return self.limits.max_packets is not None and self.sent >= self.limits.max_packets

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way."""
        return not self._on_their_way

    def refuse(self, host: HostScan, state: int) -> None:
        """Ends a host of `active` that cannot even be asked."""
        self._stop(host, state, Outcome.UNREACHABLE)

    def turn(self, until: float) -> None:
        """Sends what may be sent, then waits for answers, not beyond `until`, and judges."""
        now = self.clock()
        if now - self._last_round > LATE_SECONDS:
            self._late_since = now  # what was under way meanwhile gives no round trip times
        self._send(now)
        now = self.clock()
        events = self._epoll.poll(self._nap(now, until), self.window + 1)
        now = self._last_round = self.clock()
        for fd, flags in events:
            probe = self._on_their_way.get(fd)
            if probe is not None:
                self._hear(fd, probe, flags, now)
        self._expire(now)

    # sending

    def _wake(self, host: HostScan) -> None:
        if not host.is_queued and host.to_ask:
            host.is_queued = True
            self._ready.append(host)

    def _send(self, now: float) -> None:
        while self._asleep and self._asleep[0][0] <= now:
            self._ready.append(heapq.heappop(self._asleep)[2])
        if now < self._paused_until or self.is_spent:
            return
        ready, turns = self._ready, 0
        while ready:
            room = min(GRAIN, self.window - len(self._on_their_way))
            if self.limits.max_packets is not None:
                room = min(room, self.limits.max_packets - self.sent)
            allowed = self.bucket.take(room, now) if room > 0 else 0
            if not allowed:
                return
            host = ready.popleft()
            given = host.pace.bucket.take(min(allowed, host.to_ask), now)
            used = self._ask(host, given, now) if given else 0
            self.bucket.put_back(allowed - used)
            if given > used:
                host.pace.bucket.put_back(given - used)
            self._requeue(host, now)
            if now < self._paused_until:
                return
            turns += 1
            if turns & 15 == 0:
                now = self.clock()
                # answers must not wait for ever behind a queue of questions
                if now - self._last_round > MOST_NAP:
                    return

    def _requeue(self, host: HostScan, now: float) -> None:
        host.is_queued = False
        if not host.to_ask or host.address not in self.active:
            return
        host.is_queued = True
        nap = host.pace.bucket.seconds_until(min(GRAIN, host.to_ask))
        if nap <= 0:
            self._ready.append(host)
        else:
            self._naps += 1
            heapq.heappush(self._asleep, (now + nap, self._naps, host))

    def _ask(self, host: HostScan, count: int, now: float) -> int:
        """Opens up to `count` connections; gives how many packets that took."""
        family, plain, flow, order, tries = host.family, host.plain, host.flow, host.ports.order, host.tries
        level, option = RECVERR[socket.AddressFamily(family)]
        clock = self.clock
        made: list[Probe] = []
        failure = used = 0
        for _ in range(count):
            position = host.next_position()
            if position < 0:
                break
            sock = None
            sent_at = clock()
            try:
                sock = socket.SocketType(family, STREAM, socket.IPPROTO_TCP)
                sock.setsockopt(level, option, 1)
                code = sock.connect_ex((plain, order[position], *flow))
            except OSError as error:
                code = error.errno or errno.EINVAL
            if sock is None or (code not in RESET and code not in (0, errno.EINPROGRESS)):
                if sock is not None:
                    sock.close()
                host.take_back(position)
                failure = code
                break
            tries[position] = min(255, tries[position] + 1)
            probe = (sock, host, position, sent_at, tries[position])
            self._on_their_way[sock.fileno()] = probe
            used += 1
            if code in RESET:
                self._judge(sock.fileno(), probe, code, sent_at)
            else:
                made.append(probe)
        host.sent += used
        self.sent += used
        if used and host.first_sent_at is None:
            host.first_sent_at = now
        self._watch(host, made)
        if failure:
            self._failed(host, failure, now)
        elif used:
            self._starved_since = None
        return used

    def _watch(self, host: HostScan, made: list[Probe]) -> None:
        """Waits for the answers; those of a near host are there already, which spares them the epoll."""
        srtt = host.pace.srtt
        is_near = srtt is not None and srtt < NEAR_SECONDS
        register = self._epoll.register
        for probe in made:
            sock = probe[0]
            fd = sock.fileno()
            if fd < 0:  # the host was given up meanwhile
                continue
            if is_near and (code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                # SO_ERROR is set after the error queue is filled, so what `_judge` reads there is complete
                self._judge(fd, probe, code, self.clock())
                continue
            register(fd, select.EPOLLIN | select.EPOLLOUT)
            self._wheel.add(probe[3] + host.pace.timeout(probe[4]), probe)

    def _failed(self, host: HostScan, code: int, now: float) -> None:
        """`socket` or `connect` itself failed."""
        if code in OWN_LIMITS:
            self.pauses += 1
            self._paused_until = now + STARVED_NAP
            if self._starved_since is None:
                self._starved_since = now
            elif now - self._starved_since > STARVED_SECONDS and not self._on_their_way:
                self._starved_since = None
                self._stop(host, states.LOCAL, Outcome.FINISHED)
        elif code in NO_ROUTE:
            self._stop(host, states.NO_ROUTE, Outcome.UNREACHABLE)
        else:  # EPERM, EACCES: a rule of this machine forbids it
            self._stop(host, states.LOCAL, Outcome.FINISHED)

    # hearing

    def _nap(self, now: float, until: float) -> float:
        """How long to wait for answers when nothing else may be done."""
        nap = min(MOST_NAP, until - now)
        if now < self._paused_until:
            nap = min(nap, self._paused_until - now)
        elif self._ready:
            is_full = len(self._on_their_way) >= self.window
            nap = min(nap, LEAST_NAP if is_full else self.bucket.seconds_until(GRAIN))
        elif self._asleep:
            nap = min(nap, max(LEAST_NAP, self._asleep[0][0] - now))
        return max(0.0, nap)

    def _hear(self, fd: int, probe: Probe, flags: int, now: float) -> None:
        sock = probe[0]
        if flags & select.EPOLLERR or flags & select.EPOLLHUP:
            self._judge(fd, probe, None, now)
        elif is_connected(sock) and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._open(fd, probe, now)

    def _judge(self, fd: int, probe: Probe, code: int | None, now: float) -> None:
        """What an error means. The error queue comes first: ECONNREFUSED may be an ICMP error, too."""
        sock, host, position, _, _ = probe
        record = read_icmp_error(sock, host.family)
        if code is None:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if record is not None and record.is_own:
            self._drop(fd, sock)
            host.take_back(position)
            if not host.has_answered:
                self._stop(host, states.NO_NEIGHBOUR, Outcome.UNREACHABLE)
            else:
                self._wake(host)
            return
        if record is not None:
            self._decide(fd, probe, host.icmp_state(record.reason), now)
        elif code in RESET:
            self._decide(fd, probe, states.CLOSED, now)
        elif code == 0:
            if is_connected(sock):
                self._open(fd, probe, now)
            # else the record is on its way in: the next round finds it, or the timer
        elif code in OWN_LIMITS or code == errno.ETIMEDOUT:
            self._drop(fd, sock)
            self._unanswered(host, position)
        else:  # an ICMP error whose record found no room in the queue
            self._decide(fd, probe, host.icmp_state("icmp"), now)

    def _open(self, fd: int, probe: Probe, now: float) -> None:
        sock, host, position, sent_at, tries = probe
        self._on_their_way.pop(fd, None)
        # closing takes it out of the epoll
        close_open(sock, gracefully=self.limits.is_closing_gracefully)
        host.decide(position, states.OPEN)
        host.opened[position] = (now - sent_at, tries)
        self.opened.append(OpenPort(host.address, host.ports.order[position], (now - sent_at) * 1000, tries))
        self._answered(probe, now)

    def _decide(self, fd: int, probe: Probe, state: int, now: float) -> None:
        self._drop(fd, probe[0])
        probe[1].decide(probe[2], state)
        self._answered(probe, now)

    def _answered(self, probe: Probe, now: float) -> None:
        _, host, position, sent_at, tries = probe
        self.decided += 1
        if host.states[position] >= states.FIRST_ICMP:
            # Systems limit their ICMP errors to one a second or so: a retry that got one is no sign of loss, and the
            # port is filtered with it as well as without.
            tries = 1
        elif host.looks:
            host.look_answers += 1
        host.pace.answered(None if sent_at < self._late_since else now - sent_at, tries, host.in_flight)
        if not host.undecided:
            self._end(host)

    def _drop(self, fd: int, sock: socket.SocketType) -> None:
        self._on_their_way.pop(fd, None)
        sock.close()

    # silence

    def _expire(self, now: float) -> None:
        for probe in self._wheel.due(now):
            sock = probe[0]
            fd = sock.fileno()
            if fd < 0 or self._on_their_way.get(fd) is not probe:
                continue
            self._drop(fd, sock)
            host = probe[1]
            if now - probe[3] > KERNEL_RESEND_SECONDS:  # the kernel's second SYN counts, too
                host.sent += 1
                self.sent += 1
                self.bucket.spend(1)
                host.pace.bucket.spend(1)
            self._unanswered(host, probe[2])

    def _unanswered(self, host: HostScan, position: int) -> None:
        host.take_back(position)
        if host.wants_timeout_again(position):
            self._wake(host)
            return
        host.states[position] = states.SILENT
        host.to_ask -= 1
        self.decided += 1
        if not host.undecided:
            self._end(host)

    def _end(self, host: HostScan) -> None:
        """All ports have a verdict: once more to the silent ones where packets get lost, or the report."""
        if host.address not in self.active:
            return
        before = host.states.count(states.SILENT)
        if host.look_again():
            self.decided -= before
            self._wake(host)
            return
        if not host.has_answered and before and is_absent(host):
            host.states = host.states.replace(bytes([states.SILENT]), bytes([states.NO_NEIGHBOUR]))
            host.outcome = Outcome.UNREACHABLE
        self._finish(host)

    def _stop(self, host: HostScan, state: int, outcome: Outcome) -> None:
        if host.address not in self.active:
            return
        self._recall(host)
        self.decided += host.to_ask
        host.stop(state, outcome)
        self._finish(host)

    def _recall(self, host: HostScan) -> None:
        """Closes what is on its way to one host."""
        for fd, probe in [item for item in self._on_their_way.items() if item[1][1] is host]:
            self._drop(fd, probe[0])
            host.take_back(probe[2])

    def _finish(self, host: HostScan) -> None:
        del self.active[host.address]
        self.ended.append(host)

    def give_up(self, outcome: Outcome) -> None:
        """Ends all hosts under way where they stand."""
        for host in list(self.active.values()):
            self._recall(host)
            host.outcome = outcome
            self._finish(host)

    def look_after(self, now: float) -> None:
        """Twice a second: hosts that do not answer at all, are they there?"""
        mute = [
            host
            for host in self.active.values()
            if not host.has_answered and host.first_sent_at is not None and not host.opened
        ]
        for host in mute:
            limit = self.limits.silent_after
            asked = len(host.ports) - host.states.count(states.UNKNOWN) - host.in_flight
            if host.is_silent and limit is not None and asked >= min(limit, len(host.ports)):
                self._recall(host)
                self._stop(host, states.UNKNOWN, Outcome.SILENT)
        mute = [
            host for host in mute if host.address in self.active and now - (host.first_sent_at or now) > ARP_SECONDS
        ]
        if mute:
            table = neighbours()
            for host in mute:
                if is_absent(host, table):
                    self._stop(host, states.NO_NEIGHBOUR, Outcome.UNREACHABLE)


def is_absent(host: HostScan, table: dict[str, Neighbour] | None = None) -> bool:
    """Whether the kernel asked our link for this host in vain."""
    entry = (neighbours(host.family) if table is None else table).get(host.neighbour)
    return entry is not None and entry.is_failed
