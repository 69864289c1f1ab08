"""The sweep: each address gets two echo requests, then the neighbour table is read, then TCP is tried.

On our own link the table decides alone: whoever is there answers ARP or neighbour discovery, whatever else he drops.
"""

from __future__ import annotations

import errno
import heapq
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path

from netmon.drivers.connects import (
    NO_ROUTE,
    OWN_LIMITS,
    RECVERR,
    RESET,
    STREAM,
    close_open,
    read_icmp_error,
    socket_window,
)
from netmon.drivers.neighbours import Neighbour, neighbours
from netmon.drivers.pacing import TokenBucket
from netmon.drivers.sweep.echo import Echo, open_echo
from netmon.drivers.sweep.hosts import Stage, SweptHost
from netmon.drivers.sweep.types import IcmpMode, SweepBatch, SweepHost, SweepLimits, SweepProgress

TICK_SECONDS = 0.25
NAP_SECONDS = 0.01
# After the first and the second request; a late answer still counts while the host is undecided. Together more than a
# second, so that the kernel asks for a neighbour twice.
ECHO_WAITS = (0.45, 0.7)
# long enough for the kernel's own second SYN and its answer
TCP_WAIT = 1.3
# delay_first_probe_time (5 s) and three unicast probes: then a neighbour that left is FAILED
LIMBO_SECONDS, LIMBO_LOOK_SECONDS = 8.5, 0.5
TABLE_SECONDS = 0.1
MOST_UNDECIDED, MOST_SOCKETS = 8192, 3000
STARVED_NAP = 0.05
# gc_thresh3 is how many neighbours the kernel keeps, for all namespaces together; unanswered ones stay three seconds
NEIGHBOUR_LIMIT = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")
DEFAULT_NEIGHBOUR_LIMIT = 1024


def sweep(
    addresses: Iterable[str],
    limits: SweepLimits | None = None,
    *,
    total: int | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Iterator[SweepBatch]:
    """Says of each address whether somebody is there. A generator: what is not iterated over does not run.

    `addresses` are literal, of both families, taken lazily: a /16 costs no more memory than a /20. `total` is for the
    progress alone (the length of `addresses` is used where it has one). A batch comes every quarter of a second, and
    `is_cancelled` is asked as often; when it says True, the last batch holds what was under way as not asked. So it is
    when `max_packets` is used up; addresses that were not taken yet are in no batch.

    IPv6 networks are not swept: give known addresses, or see `discover_link`. Raises ValueError while iterating for
    what is no address, and LocalFault if this machine has no socket left.
    """
    limits = limits or SweepLimits()
    if total is None:
        total = len(addresses) if isinstance(addresses, Sized) else None
    engine = _Sweep(iter(addresses), limits, total)
    try:
        yield from engine.run(is_cancelled or (lambda: False))
    finally:
        engine.close()


class _Sweep:
    def __init__(self, addresses: Iterator[str], limits: SweepLimits, total: int | None) -> None:
        now = time.monotonic()
        self.addresses = addresses
        self.limits = limits
        self.total = total
        self.bucket = TokenBucket(limits.packets_per_second, now)
        self.begun = now
        self.numbered = self.sent = self.done = self.up = self.pauses = 0
        self.undecided: dict[int, SweptHost] = {}
        self.verdicts: list[SweepHost] = []
        self._is_exhausted = False
        self._timers: list[tuple[float, int, SweptHost]] = []
        self._timer = 0
        self._for_tcp: deque[SweptHost] = deque()
        self._sockets: dict[int, tuple[socket.SocketType, SweptHost, int, float]] = {}
        self._echoes: dict[int, Echo | None] = {}
        self._by_fd: dict[int, Echo] = {}
        self._epoll = select.epoll()
        self._table: dict[str, Neighbour] = {}
        self._resolving = 0
        self._table_at = self._paused_until = 0.0
        self._window = socket_window(MOST_SOCKETS)
        self._most_unresolved = _neighbour_limit() * 3 // 8

    def close(self) -> None:
        for echo in self._by_fd.values():
            echo.close()
        for sock, *_ in self._sockets.values():
            sock.close()
        self._epoll.close()

    def run(self, is_cancelled: Callable[[], bool]) -> Iterator[SweepBatch]:
        next_tick = time.monotonic() + TICK_SECONDS
        while self.undecided or not self._is_exhausted:
            now = time.monotonic()
            self._send(now)
            self._listen()
            now = time.monotonic()
            if now >= next_tick:
                yield self._batch(now)
                next_tick = time.monotonic() + TICK_SECONDS
                reason = "cancelled" if is_cancelled() else "budget" if self._is_spent() else ""
                if reason:
                    for host in list(self.undecided.values()):
                        self._decide(host, False, reason=reason)
                    break
        yield self._batch(time.monotonic())

    def _is_spent(self) -> bool:
        return self.limits.max_packets is not None and self.sent >= self.limits.max_packets

    # sending

    def _send(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now and now >= self._paused_until:
            host = heapq.heappop(self._timers)[2]
            if host.number in self.undecided:
                self._step(host, now)
        if now < self._paused_until:
            return
        while self._for_tcp and len(self._sockets) + len(self.limits.tcp_ports) <= self._window:
            if self._for_tcp[0].number not in self.undecided:
                self._for_tcp.popleft()
                continue
            if not self._connect(self._for_tcp[0], now):
                return
        if self._unresolved(now) > self._most_unresolved:
            return
        while not self._is_exhausted and len(self.undecided) < MOST_UNDECIDED and not self._is_spent():
            if not self.bucket.take(1, now):
                return
            new = self._next()
            if new is None:
                self.bucket.put_back(1)
                return
            self.undecided[new.number] = new
            self._step(new, now, is_paid=True)
            if now < self._paused_until or self.numbered % 64 == 0:
                return  # answers are read in between

    def _next(self) -> SweptHost | None:
        address = next(self.addresses, None)
        if address is None:
            self._is_exhausted = True
            return None
        host = SweptHost(address, self.numbered)
        self.numbered += 1
        return host

    def _unresolved(self, now: float) -> int:
        """Addresses of our links that the kernel asks for in vain just now: they fill its table."""
        self._neighbours(now, 2 * TABLE_SECONDS)
        return self._resolving

    def _neighbours(self, now: float, age: float = TABLE_SECONDS) -> dict[str, Neighbour]:
        if now - self._table_at > age:
            self._table, self._table_at = neighbours(), now
            self._resolving = sum(1 for entry in self._table.values() if entry.is_resolving)
        return self._table

    def _later(self, host: SweptHost, due: float) -> None:
        self._timer += 1
        heapq.heappush(self._timers, (due, self._timer, host))

    def _step(self, host: SweptHost, now: float, *, is_paid: bool = False) -> None:
        """The next thing to do about a host that has not answered."""
        if host.stage is not Stage.ECHO:
            self._close_sockets(host)
            self._after_tcp(host, now)
            return
        echo = self._echo(host.family)
        is_asking = echo is not None and len(host.sent_at) < len(ECHO_WAITS)
        if is_asking and host.sent_at and self._is_resolving(host, now):
            # the first request still lies in the kernel, which asks for the neighbour again by itself
            host.sent_at.append(host.sent_at[0])
            self._later(host, now + ECHO_WAITS[len(host.sent_at) - 1])
            return
        # what a timer sends was let in before: it is paid afterwards
        if is_asking and not is_paid:
            self.bucket.spend(1)
        elif is_paid and not is_asking:
            self.bucket.put_back(1)
        if echo is not None and is_asking:
            self._request(host, echo, now)
        else:
            self._read_table(host, now)

    def _is_resolving(self, host: SweptHost, now: float) -> bool:
        entry = self._neighbours(now, 2 * TABLE_SECONDS).get(host.address)
        return entry is not None and entry.is_failed

    def _echo(self, family: int) -> Echo | None:
        if not self.limits.is_using_icmp:
            return None
        if family not in self._echoes:
            echo = self._echoes[family] = open_echo(socket.AddressFamily(family))
            if echo is not None:
                self._by_fd[echo.sock.fileno()] = echo
                self._epoll.register(echo.sock, select.EPOLLIN)
        return self._echoes[family]

    def _request(self, host: SweptHost, echo: Echo, now: float) -> None:
        try:
            echo.send(host.peer(0), host.number, len(host.sent_at))
        except OSError as error:
            self._send_failed(host, error.errno or errno.EINVAL, now)
            return
        self.sent += 1
        host.sent_at.append(time.monotonic())
        self._later(host, now + ECHO_WAITS[len(host.sent_at) - 1])

    def _send_failed(self, host: SweptHost, code: int, now: float) -> None:
        if code in OWN_LIMITS:
            self._pause(now)
            self._later(host, now + STARVED_NAP)
        elif code in NO_ROUTE:
            self._decide(host, False, reason="no route")
        else:  # a broadcast address, or a rule of this machine
            self._decide(host, False, reason="local")

    def _pause(self, now: float) -> None:
        self.pauses += 1
        self._paused_until = now + STARVED_NAP

    def _read_table(self, host: SweptHost, now: float) -> None:
        entry = self._neighbours(now).get(host.address)
        if entry is not None and entry.is_confirmed:
            self._decide(host, True, method=host.neighbour_method)
        elif entry is not None and entry.is_failed and host.sent_at:
            self._decide(host, False)
        elif self.limits.tcp_ports:
            host.stage = Stage.TCP
            self._for_tcp.append(host)
        else:
            self._after_tcp(host, now)

    def _connect(self, host: SweptHost, now: float) -> bool:
        """Knocks at all ports; says False when that must wait."""
        ports = self.limits.tcp_ports
        granted = self.bucket.take(len(ports), now)
        if granted < len(ports):
            self.bucket.put_back(granted)
            return False
        level, option = RECVERR[socket.AddressFamily(host.family)]
        for port in ports:
            sock = None
            try:
                sock = socket.SocketType(host.family, STREAM, socket.IPPROTO_TCP)
                sock.setsockopt(level, option, 1)
                code = sock.connect_ex(host.peer(port))
            except OSError as error:
                code = error.errno or errno.EINVAL
            if sock is None or code not in (0, errno.EINPROGRESS, *RESET):
                if sock is not None:
                    sock.close()
                self._close_sockets(host)
                if code in OWN_LIMITS:
                    self._pause(now)
                    return False
                self._for_tcp.popleft()
                self._send_failed(host, code, now)
                return True
            self.sent += 1
            fd = sock.fileno()
            host.sockets.append(fd)
            self._sockets[fd] = (sock, host, port, time.monotonic())
            # one that was refused at once is reported as well
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLOUT)
        self._for_tcp.popleft()
        self._later(host, now + TCP_WAIT)
        return True

    def _after_tcp(self, host: SweptHost, now: float) -> None:
        """Nothing answered: the table's last word, for which the kernel may need some seconds."""
        entry = self._neighbours(now).get(host.address)
        if entry is None or entry.is_failed or not entry.mac:
            self._decide(host, False)
        elif entry.is_confirmed:
            self._decide(host, True, method=host.neighbour_method)
        elif host.stage is not Stage.LIMBO:
            host.stage, host.limbo_ends = Stage.LIMBO, now + LIMBO_SECONDS
            self._later(host, now + LIMBO_LOOK_SECONDS)
        elif now < host.limbo_ends:
            self._later(host, now + LIMBO_LOOK_SECONDS)
        else:
            self._decide(host, False)

    # listening

    def _listen(self) -> None:
        is_busy = not self._is_exhausted and len(self.undecided) < MOST_UNDECIDED
        nap = min(NAP_SECONDS, self.bucket.seconds_until(16)) if is_busy else NAP_SECONDS
        for fd, flags in self._epoll.poll(nap, MOST_SOCKETS):
            echo = self._by_fd.get(fd)
            if echo is not None:
                self._hear_echo(echo)
            elif fd in self._sockets:
                self._hear_tcp(fd, flags)

    def _hear_echo(self, echo: Echo) -> None:
        now = time.monotonic()
        for source, number, attempt in echo.replies():
            host = self.undecided.get(number)
            if host is not None and attempt < len(host.sent_at) and host.is_from(source):
                self._decide(host, True, method="icmp", rtt=now - host.sent_at[attempt])

    def _hear_tcp(self, fd: int, flags: int) -> None:
        sock, host, port, sent_at = self._sockets[fd]
        record = read_icmp_error(sock, host.family) if flags & (select.EPOLLERR | select.EPOLLHUP) else None
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if record is not None:
            # a host that rejects with ICMP is there; a router that does so is not the host
            is_alive = host.is_from(record.sender)
        elif code == 0:
            try:
                sock.getpeername()
            except OSError:
                return
            is_alive = True
        else:
            is_alive = code in RESET
        del self._sockets[fd]
        host.sockets.remove(fd)
        close_open(sock, gracefully=False)
        if is_alive:
            self._decide(host, True, method=f"tcp-{port}", rtt=time.monotonic() - sent_at)

    def _close_sockets(self, host: SweptHost) -> None:
        for fd in host.sockets:
            self._sockets.pop(fd)[0].close()
        host.sockets.clear()

    # verdicts

    def _decide(
        self, host: SweptHost, is_up: bool, *, method: str = "", rtt: float | None = None, reason: str = ""
    ) -> None:
        del self.undecided[host.number]
        self._close_sockets(host)
        self.done += 1
        self.up += is_up
        milliseconds = None if rtt is None else rtt * 1000
        self.verdicts.append(SweepHost(host.address, is_up, method, milliseconds, is_asked=not reason, reason=reason))

    def _batch(self, now: float) -> SweepBatch:
        found, self.verdicts = self.verdicts, []
        if any(one.is_up for one in found):
            table = self._neighbours(now)
            found = [_with_mac(one, table) if one.is_up else one for one in found]
        elapsed = now - self.begun
        rate = self.done / elapsed if elapsed > 0 else 0.0
        left = None if self.total is None else max(0, self.total - self.done)
        names = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
        modes = {
            names[socket.AddressFamily(family)]: echo.mode if echo else IcmpMode.NONE
            for family, echo in self._echoes.items()
        }
        progress = SweepProgress(
            hosts_total=self.total,
            hosts_done=self.done,
            hosts_up=self.up,
            packets_sent=self.sent,
            hosts_per_second=rate,
            eta_seconds=left / rate if left is not None and rate else None,
            elapsed_seconds=elapsed,
            icmp_modes=modes,
            pauses=self.pauses,
        )
        return SweepBatch(tuple(found), progress)


def _with_mac(host: SweepHost, table: dict[str, Neighbour]) -> SweepHost:
    entry = table.get(host.address)
    if entry is None or not entry.mac:
        return host
    return SweepHost(host.address, host.is_up, host.method, host.rtt_ms, entry.mac)


def _neighbour_limit() -> int:
    try:
        return int(NEIGHBOUR_LIMIT.read_text())
    except (OSError, ValueError):
        return DEFAULT_NEIGHBOUR_LIMIT
