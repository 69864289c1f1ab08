"""Running a scan: sweep, ports, names. The drivers find, this writes down, and says how far it is.

Everything is written as it comes, by (scan, address) and (host, port), so that a worker that goes on after another one
died writes the same rows again. Where it was stands in `Scan.checkpoint`.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from django.db.models.functions import Coalesce
from django.utils import timezone

from netmon.audit.context import acting
from netmon.common.addresses import parse_address
from netmon.drivers import oui, tcp
from netmon.drivers.errors import DriverError
from netmon.drivers.sweep import SweepHost, SweepLimits, sweep
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from scanning import guard, targets
from scanning.models import OpenPort, Scan
from scanning.ports import Ports, service_name
from scanning.ports import parse as parse_ports
from scanning.services import ending, naming, results
from scanning.services.results import FoundHost, FoundPort

CHECKPOINT_SECONDS = 5.0
PROGRESS_SECONDS = 0.5
# Why a sweep could not ask: this machine has no way there, or a rule of its own forbids it.
OWN_REASONS = ("no route", "local")
SWEEP_RATES = {"gentle": 200.0, "polite": 1000.0, "normal": 2000.0, "fast": 5000.0}


class Stopped(Exception):
    """The scan is to end: somebody cancelled it, or another worker has it."""


# Called with what is done and what there is to do.
Report = Callable[[int, int], None]


def run_job(job_id: int, report: Report | None = None) -> None:
    """The task behind `starting.start`; a command gives `report` to show how far it is."""
    job = jobs.claim(job_id)
    if job is None:
        return
    scan = Scan.objects.select_related("tenant", "job", "requested_by").filter(job=job).first()
    if scan is None:
        jobs.finish(job, error_code="not_found", error_detail="The scan is gone.")
        return
    if not scan.is_active:  # who had it was slow at the very end, and taken for lost
        jobs.finish(job, result=_result(scan))
        return
    with jobs.ending(job), acting(job.requested_by, "job"):
        _run(_Run(job, scan, report))


class _Run:
    """One worker's run of a scan: its progress, and what it writes along the way."""

    def __init__(self, job: Job, scan: Scan, report: Report | None = None) -> None:
        self.job, self.scan, self.report = job, scan, report
        self.is_stopped = False
        self.notes: dict[str, Any] = dict(scan.notes)
        self._said_at, self._saved_at = 0.0, time.monotonic()
        self.packets_before = scan.packets_sent
        self.packets = 0

    def tick(self, *, force: bool = False, **columns: Any) -> bool:
        """Write the progress, at most twice a second. False when the scan is to stop."""
        for name, value in columns.items():
            setattr(self.scan, name, value)
        now = time.monotonic()
        if not force and now - self._said_at < PROGRESS_SECONDS:
            return not self.is_stopped
        self._said_at = now
        scan = self.scan
        scan.packets_sent = self.packets_before + self.packets
        names = (
            "hosts_done", "hosts_total", "hosts_up", "probes_done", "probes_total", "open_ports", "packets_sent",
            "eta_seconds",
        )  # fmt: skip
        try:
            done, total = scan.hosts_done + scan.probes_done, scan.hosts_total + scan.probes_total
            if self.report is not None:
                self.report(done, total)
            jobs.progress(self.job, done, total)
        except jobs.Cancelled:
            self.is_stopped = True
        else:
            Scan.objects.filter(pk=scan.pk, outcome="").update(**{name: getattr(scan, name) for name in names})
        return not self.is_stopped

    def is_time_to_save(self) -> bool:
        """Whether the last checkpoint is some seconds old."""
        return not self.is_stopped and time.monotonic() - self._saved_at >= CHECKPOINT_SECONDS

    def save(self, **places: Any) -> None:
        """Remember where it is."""
        if self.is_stopped:
            return
        self._saved_at = time.monotonic()
        self.scan.checkpoint = {**self.scan.checkpoint, **places}
        Scan.objects.filter(pk=self.scan.pk, outcome="").update(checkpoint=self.scan.checkpoint)

    def budget(self) -> int | None:
        """How many packets may still be sent; None without a limit."""
        limit = self.scan.packets_limit
        return None if limit is None else max(1, limit - self.packets_before)

    def close_phase(self) -> None:
        """Count the packets of a phase to the scan. Raises Stopped."""
        self.tick(force=True)
        self.packets_before, self.packets = self.packets_before + self.packets, 0
        if self.is_stopped:
            raise Stopped

    def is_held(self) -> bool:
        """Whether the job is still this worker's: else what it would write is another's to write."""
        return Job.objects.filter(pk=self.job.pk, attempt=self.job.attempt, status=Job.Status.RUNNING).exists()


def _run(run: _Run) -> None:
    scan = run.scan
    Scan.objects.filter(pk=scan.pk).update(started_at=Coalesce("started_at", timezone.now()))
    if run.job.attempt > 1:
        run.notes["resumed"] = run.job.attempt - 1
    try:
        spans = guard.recheck(scan, tuple(targets.Span.parse(text) for text in scan.spans))
        asked = parse_ports(scan.ports) if scan.ports else Ports()
        if scan.checkpoint.get("phase", "sweep") == "sweep":
            _sweep(run, spans)
            run.save(phase="ports")
        if asked and scan.checkpoint.get("phase") == "ports":
            _ports(run, asked, spans)
            run.save(phase="names")
        naming.name(scan, spans, is_cancelled=lambda: not run.tick())
        if not run.tick(force=True):
            raise Stopped
    except Stopped:
        _stop(run)
        return
    except (DriverError, guard.ScanRefused) as error:
        _end(run, Scan.Outcome.FAILED, error_code=error.code, error_detail=error.detail)
        jobs.finish(run.job, error_code=error.code, error_detail=error.detail)
        return
    is_spent = bool(run.notes.get("is_budget_spent"))
    _end(run, Scan.Outcome.PARTIAL if is_spent else Scan.Outcome.SUCCEEDED)
    jobs.finish(run.job, result=_result(scan))


def _sweep(run: _Run, spans: tuple[targets.Span, ...]) -> None:
    """Find who is there. Of a scan of one host's ports this only measures the way: silence does not end it."""
    scan = run.scan
    done = targets.merged(targets.Span.parse(text) for text in scan.checkpoint.get("swept", ()))
    left = targets.without(spans, done)
    counted = targets.count(done)
    # Exclusions made since it was asked for are nobody's to look at.
    # Who was found after the last checkpoint is found once more.
    up = scan.hosts.filter(is_up=True).values_list("address", flat=True)
    hosts_up = sum(targets.contains(done, parse_address(address)) for address in up) if done else 0
    run.tick(force=True, hosts_total=counted + targets.count(left), hosts_done=counted, hosts_up=hosts_up)
    seen: list[targets.Span] = []
    unasked: list[targets.Span] = []
    limits = SweepLimits(packets_per_second=SWEEP_RATES[scan.profile], max_packets=run.budget())
    addresses = (str(address) for span in left for address in span)
    for batch in sweep(addresses, limits, total=targets.count(left), is_cancelled=lambda: run.is_stopped):
        asked = [host for host in batch.hosts if host.is_asked]
        unasked += [targets.Span.of(parse_address(host.address)) for host in batch.hosts if host.reason in OWN_REASONS]
        seen += [targets.Span.of(parse_address(host.address)) for host in asked]
        wanted = [host for host in asked if host.is_up or scan.kind == Scan.Kind.PORTS]
        if wanted and run.is_held():
            results.record(scan, [host_of(host) for host in wanted])
        modes = {family: str(mode) for family, mode in batch.progress.icmp_modes.items()}
        run.notes |= {"icmp": modes} if modes else {}
        run.packets = batch.progress.packets_sent
        run.tick(
            hosts_done=counted + batch.progress.hosts_done,
            hosts_up=scan.hosts_up + sum(host.is_up for host in wanted),
            eta_seconds=batch.progress.eta_seconds,
        )
        if seen and run.is_time_to_save():
            done, seen = targets.merged([*done, *seen]), []
            run.save(swept=[str(span) for span in done])
        if any(host.reason == "budget" for host in batch.hosts):
            run.notes["is_budget_spent"] = True
    if not run.is_stopped and scan.hosts_done < scan.hosts_total:
        run.notes["is_budget_spent"] = True  # all that were asked had answered by then, the others were never taken up
    if unasked:
        run.notes["not_asked"] = [str(span) for span in targets.merged(unasked)]
    run.close_phase()


def host_of(host: SweepHost) -> FoundHost:
    return FoundHost(
        address=host.address,
        is_up=host.is_up,
        method=host.method,
        rtt_ms=None if host.rtt_ms is None else round(host.rtt_ms, 3),
        mac_address=host.mac,
        vendor=oui.vendor_of(host.mac),
        is_random_mac=oui.is_randomised(host.mac),
    )


def _ports(run: _Run, asked: Ports, spans: tuple[targets.Span, ...]) -> None:
    """Ask the ports of who is there, and of `spans`: somebody may have excluded a host since it was found."""
    scan = run.scan
    rows = [row for row in scan.hosts.values_list("address", "rtt_ms", "is_up") if _may_ask(row[0], spans)]
    if scan.kind == Scan.Kind.NETWORK:
        rows = [row for row in rows if row[2]]
    if not rows or run.notes.get("is_budget_spent"):
        return
    run.tick(force=True, probes_total=len(rows) * len(asked))
    wanted = [tcp.ScanTarget(address=address, rtt_ms=rtt, is_silent=not is_up) for address, rtt, is_up in rows]
    limits = dataclasses.replace(tcp.Limits.profile(scan.profile), max_packets=run.budget())
    # What was handed out after the last checkpoint comes once more.
    opened = set(OpenPort.objects.filter(host__scan=scan, protocol="tcp").values_list("host__address", "port"))
    ports = tcp.scan(wanted, asked, limits, done=scan.checkpoint.get("tcp"), is_cancelled=lambda: run.is_stopped)
    for batch in ports:
        if (batch.open_ports or batch.hosts) and run.is_held():
            results.record(scan, hosts_of(batch))
        opened |= {(port.address, port.port) for port in batch.open_ports}
        run.packets = batch.progress.packets_sent
        run.tick(
            probes_total=batch.progress.probes_total,
            probes_done=batch.progress.probes_done,
            open_ports=len(opened),
            eta_seconds=batch.progress.eta_seconds,
        )
        if run.is_time_to_save():
            run.save(tcp=ports.snapshot())
        if any(host.outcome == tcp.Outcome.BUDGET for host in batch.hosts):
            run.notes["is_budget_spent"] = True
    if not run.is_stopped and batch.progress.hosts_done < batch.progress.hosts_total:
        run.notes["is_budget_spent"] = True
    run.close_phase()


def _may_ask(address: str, spans: tuple[targets.Span, ...]) -> bool:
    return targets.contains(spans, parse_address(address))


def hosts_of(batch: tcp.Batch) -> list[FoundHost]:
    """The open ports of a batch, and the reports of the hosts that ended in it."""
    opened: dict[str, dict[int, FoundPort]] = {}
    for port in batch.open_ports:
        found = FoundPort(
            port=port.port, rtt_ms=round(port.rtt_ms, 3), tries=port.tries, service=service_name(port.port)
        )
        opened.setdefault(port.address, {})[port.port] = found
    ended = {report.address: report for report in batch.hosts}
    return [
        _reported(address, ended.get(address), list(opened.get(address, {}).values()))
        for address in dict.fromkeys((*opened, *ended))
    ]


def _reported(address: str, report: tcp.HostReport | None, ports: list[FoundPort]) -> FoundHost:
    if report is None:
        return FoundHost(address=address, ports=ports)
    ranges: dict[str, list[tuple[int, int]]] = {}
    reasons: dict[str, int] = {}
    for one in report.ranges:
        ranges.setdefault(str(one.state), []).append((one.first, one.last))
        if one.reason:
            key = f"{one.state}: {one.reason}"
            reasons[key] = reasons.get(key, 0) + one.last - one.first + 1
    texts = {state: str(Ports.of_ranges(pairs)) for state, pairs in ranges.items()}
    notes: dict[str, Any] = {
        "outcome": str(report.outcome),
        "is_whole": report.outcome == tcp.Outcome.FINISHED,
        "packets_sent": report.accuracy.packets_sent,
        "retries_answered": report.accuracy.retries_answered,
        "loss_percent": round(report.accuracy.loss_percent, 3),
    }
    if report.accuracy.note:
        notes["accuracy"] = report.accuracy.note
    # "closed" and "filtered" have columns of their own; what is left is rare, and says something of netmon.
    notes |= {state: text for state, text in texts.items() if state in ("unreachable", "error", "unknown")}
    return FoundHost(
        address=address,
        ports=ports,
        closed=texts.get("closed", ""),
        filtered=texts.get("filtered", ""),
        reasons=dict(sorted(reasons.items(), key=lambda item: -item[1])[:20]),
        notes=notes,
    )


def _end(run: _Run, outcome: str, **error: Any) -> None:
    run.tick(force=True)
    if run.is_held():
        ending.end(run.scan, outcome, notes=run.notes, **error)


def _stop(run: _Run) -> None:
    if not run.is_held():
        return
    ending.end(run.scan, Scan.Outcome.CANCELLED, notes=run.notes)
    jobs.finish_cancelled(run.job, result=_result(run.scan))


def _result(scan: Scan) -> dict[str, Any]:
    return {"scan": scan.pk, "hosts_up": scan.hosts_up, "open_ports": scan.open_ports}
