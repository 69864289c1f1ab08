"""An nmap file as a scan: kept beside netmon's own, comparable with them, and marked as what it is."""

from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory.models import Tenant
from netmon.audit import services as audit
from netmon.common.addresses import parse_address
from netmon.common.fields import normalise_mac
from scanning import nmap_xml, targets
from scanning import ports as port_lists
from scanning.models import Scan
from scanning.services import ending, results
from scanning.services.results import FoundHost, FoundPort

BATCH = 200
OPEN = "open"
CLOSED = "closed"


def import_nmap(file: BinaryIO, *, tenant: Tenant | None, user: Any, reason: str = "") -> Scan:
    """A scan of what the file holds; an interrupted run is partial. Raises ValidationError; nothing is written then."""
    now = timezone.now()
    with transaction.atomic():
        scan = Scan.objects.create(
            kind=Scan.Kind.NETWORK,
            target="nmap file",
            source=Scan.Source.NMAP,
            tenant=tenant,
            requested_by=user,
            reason=reason,
            created_at=now,
            started_at=now,
        )
        spans: list[targets.Span] = []
        batch: list[FoundHost] = []
        run = nmap_xml.XmlRun()
        skipped = 0
        for item in nmap_xml.read(file):
            if isinstance(item, nmap_xml.XmlRun):
                run = item
                continue
            try:
                address = parse_address(item.address)
            except ValidationError:
                skipped += 1
                continue
            spans.append(targets.Span.of(address))
            if item.is_up:
                batch.append(_found(item, str(address)))
            if len(batch) >= BATCH:
                results.record(scan, batch)
                batch = []
        if batch:
            results.record(scan, batch)
        if not spans:
            raise ValidationError("The file has no host with an address.", code="invalid_file")
        _complete(scan, run, spans, skipped)
        audit.record("import", scan, detail=f"nmap file, {scan.hosts_total} hosts")
        ending.end(scan, Scan.Outcome.SUCCEEDED if run.is_finished else Scan.Outcome.PARTIAL)
    return scan


def _found(host: nmap_xml.XmlHost, address: str) -> FoundHost:
    try:
        mac = normalise_mac(host.mac_address) if host.mac_address else ""
    except ValidationError:
        mac = ""
    tcp = [port for port in host.ports if port.protocol == "tcp"]
    counts = {f"nmap: {state}": count for state, (count, _) in host.extra.items()}
    return FoundHost(
        address=address,
        method=f"nmap {host.reason}"[:16].strip(),
        rtt_ms=host.rtt_ms,
        mac_address=mac,
        vendor=host.vendor,
        is_random_mac=bool(mac) and bool(int(mac[:2], 16) & 2),
        hostname=host.hostname,
        closed=_ranges(host, tcp, {CLOSED}),
        filtered=_ranges(host, tcp, {"filtered", "open|filtered", "closed|filtered"}),
        reasons=counts,
        ports=[
            FoundPort(port=port.port, protocol=port.protocol, service=port.service, banner=port.banner)
            for port in host.ports
            if port.state == OPEN and port.protocol in ("tcp", "udp")
        ],
    )


def _ranges(host: nmap_xml.XmlHost, ports: list[nmap_xml.XmlPort], states: set[str]) -> str:
    texts = [str(port.port) for port in ports if port.state in states]
    texts += [ranges for state, (_, ranges) in host.extra.items() if state in states and ranges]
    try:
        return str(port_lists.parse(",".join(texts))) if texts else ""
    except ValidationError:
        return ""


def _complete(scan: Scan, run: nmap_xml.XmlRun, spans: list[targets.Span], skipped: int) -> None:
    merged = targets.merged(spans)
    scan.spans = [str(span) for span in merged]
    scan.target = ", ".join(scan.spans)[:1000]
    try:
        scan.ports = str(port_lists.parse(run.tcp_services)) if run.tcp_services else ""
    except ValidationError:
        scan.ports = ""
    scan.hosts_total = scan.hosts_done = targets.count(merged)
    scan.kind = Scan.Kind.NETWORK if scan.ports else Scan.Kind.PING
    # A clock that was ahead would make netmon's own scans look older than the file until then.
    now = timezone.now()
    scan.started_at = min(run.started_at or now, now)
    scan.finished_at = min(run.finished_at, now) if run.finished_at else None
    scan.notes = {"nmap_arguments": run.arguments, "nmap_version": run.version, "skipped_hosts": skipped}
    scan.save()
