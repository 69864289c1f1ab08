"""The verb: a scan as an iterator of batches, so that whoever stores them may do it as they come."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from netmon.drivers.errors import DriverError, LocalFault
from netmon.drivers.tcp import hosts as states
from netmon.drivers.tcp import resume
from netmon.drivers.tcp.engine import Engine
from netmon.drivers.tcp.hosts import HostScan, PortList
from netmon.drivers.tcp.ports import asking_order, format_ports
from netmon.drivers.tcp.types import Batch, HostReport, Limits, Outcome, Progress, ScanTarget

TICK_SECONDS = 0.25
# Hosts under way at once: two bytes for each of their ports is all the memory a scan needs.
MOST_ACTIVE = 256
# how quickly the rate shown follows the real one
RATE_GAIN = 0.15
# In a batch; more hosts that end at once wait for the next one, which comes right after.
HOSTS_PER_BATCH = 64


def scan(
    targets: Iterable[ScanTarget],
    ports: Iterable[int],
    limits: Limits | None = None,
    *,
    done: dict[str, Any] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> PortScan:
    """Starts a TCP connect scan; iterate over it to run it.

        run = scan(targets, parse_ports("1-1024"), Limits.profile("polite"), is_cancelled=asked_to_stop)
        for batch in run:
            store(batch.open_ports, batch.hosts, batch.progress, run.snapshot())

    A batch comes at least every quarter of a second, and `is_cancelled` is asked as often. When it says True, or
    `cancel()` was called, the last batch holds the hosts that were under way as they stand (outcome CANCELLED), and the
    iteration ends. Time spent in the loop's body is no silence of the hosts, but stops the scan meanwhile.

    `done` is a `snapshot()` of an earlier run over the same targets and ports: finished hosts are left out, begun ones
    go on. Open ports are handed out once, in the batch after they were found; a host's report holds them again. What
    was handed out after the last stored snapshot comes once more: store by (address, port).

    Addresses given twice are scanned once. Raises ValueError (no port), and LocalFault while iterating if this machine
    has no descriptor for an epoll.
    """
    return PortScan(targets, ports, limits or Limits(), done=done, is_cancelled=is_cancelled)


class PortScan:
    """A scan under way; made by `scan`."""

    def __init__(
        self,
        targets: Iterable[ScanTarget],
        ports: Iterable[int],
        limits: Limits,
        *,
        done: dict[str, Any] | None,
        is_cancelled: Callable[[], bool] | None,
    ) -> None:
        saved = done or {}
        wanted = set(ports)
        fits = saved.get("version") == resume.VERSION and saved.get("ports") == format_ports(wanted)
        self._seed = int(saved["seed"]) if fits else secrets.randbelow(1 << 31)
        self._ports = PortList(asking_order(wanted, self._seed))
        self._saved: dict[str, Any] = dict(saved.get("hosts", {})) if fits else {}
        self._finished: dict[str, None] = dict.fromkeys(saved.get("finished", ()) if fits else ())
        unique = {target.address: target for target in targets}
        self._total = len(unique)
        self._waiting = deque(target for target in unique.values() if target.address not in self._finished)
        self._limits = limits
        self._is_cancelled = is_cancelled or (lambda: False)
        self._was_cancelled = False
        self._engine: Engine | None = None
        self._begun = self._measured_at = 0.0
        self._rate, self._measured = 0.0, 0
        self._decided_before = len(self._ports) * (self._total - len(self._waiting))
        self._batches = self._run()

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        return next(self._batches)

    def cancel(self) -> None:
        """Ends the scan at the next batch."""
        self._was_cancelled = True

    def close(self) -> None:
        """Ends it at once and without a last batch; sockets are closed."""
        self._batches.close()

    def snapshot(self) -> dict[str, Any]:
        """What to give as `done` to go on later: a value for JSON. It counts every batch handed out as stored.

        It takes some tenths of a millisecond for each host under way with all ports: save it every few seconds.
        """
        active = self._engine.active.values() if self._engine else ()
        saved = resume.save(self._seed, format_ports(self._ports.order), self._finished, active)
        # begun in an earlier run and not yet come round in this one
        saved["hosts"] |= {address: state for address, state in self._saved.items() if address not in self._finished}
        return saved

    def _run(self) -> Generator[Batch, None, None]:
        try:
            engine = self._engine = Engine(self._limits)
        except OSError as error:
            raise LocalFault(f"This machine has no descriptor left: {error.strerror}.") from None
        try:
            self._begun = self._measured_at = engine.clock()
            yield from self._rounds(engine)
        finally:
            engine.close()

    def _rounds(self, engine: Engine) -> Generator[Batch, None, None]:
        next_tick = engine.clock() + TICK_SECONDS
        ends = self._begun + (self._limits.deadline_seconds or float("inf"))
        outcome: Outcome | None = None
        while engine.active or self._waiting:
            self._admit(engine)
            engine.turn(next_tick)
            now = engine.clock()
            if now >= next_tick or len(engine.ended) >= HOSTS_PER_BATCH:
                engine.look_after(now)
                yield self._batch(engine)
                now = engine.clock()
                next_tick = now + TICK_SECONDS
                if self._was_cancelled or self._is_cancelled():
                    outcome = Outcome.CANCELLED
                elif now >= ends or (engine.is_spent and engine.is_quiet):
                    outcome = Outcome.BUDGET
                if outcome:
                    engine.give_up(outcome)
                    break
        while True:
            batch = self._batch(engine)
            yield batch
            if not engine.ended:
                return

    def _admit(self, engine: Engine) -> None:
        while self._waiting and len(engine.active) < MOST_ACTIVE:
            target = self._waiting.popleft()
            try:
                host = HostScan(target, self._ports, self._limits, engine.clock())
            except DriverError:  # a zone that does not exist
                host = HostScan(ScanTarget(address=target.address.partition("%")[0]), self._ports, self._limits, 0.0)
                host.address = target.address
                engine.active[host.address] = host
                engine.refuse(host, states.NO_ROUTE)
                continue
            saved = self._saved.pop(target.address, None)
            if saved is not None and resume.restore(host, saved):
                self._decided_before += len(self._ports) - host.undecided
            engine.add(host)

    def _batch(self, engine: Engine) -> Batch:
        opened, engine.opened = tuple(engine.opened), []
        ended, engine.ended = engine.ended[:HOSTS_PER_BATCH], engine.ended[HOSTS_PER_BATCH:]
        reports: list[HostReport] = []
        for host in ended:
            reports.append(host.report())
            if host.outcome in (Outcome.CANCELLED, Outcome.BUDGET):
                self._saved[host.address] = resume.save_host(host)
            else:
                self._finished[host.address] = None
        return Batch(opened, tuple(reports), self._progress(engine))

    def _progress(self, engine: Engine) -> Progress:
        now = engine.clock()
        total = self._total * len(self._ports)
        done = self._decided_before + engine.decided
        span = now - self._measured_at
        if span > TICK_SECONDS / 2:
            recent = (engine.decided - self._measured) / span
            self._rate = recent if not self._rate else self._rate + (recent - self._rate) * RATE_GAIN
            self._measured_at, self._measured = now, engine.decided
        rate = max(0.0, self._rate)
        return Progress(
            hosts_total=self._total,
            hosts_done=len(self._finished),
            probes_total=total,
            probes_done=done,
            packets_sent=engine.sent,
            verdicts_per_second=rate,
            eta_seconds=(total - done) / rate if rate else None,
            elapsed_seconds=now - self._begun,
            pauses=engine.pauses,
        )
