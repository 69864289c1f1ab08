"""A scan as JSON or CSV, a piece at a time: a /16 does not fit into an answer that is built first and sent then."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson

from inventory.transfer.reading import escape
from scanning.models import Scan, ScanHost
from scanning.visibility import visible_device

COLUMNS = (
    "scan_id", "host_id", "address", "hostname", "mac_address", "vendor", "device_id", "device_name", "protocol",
    "port", "service", "banner", "certificate_subject", "certificate_not_after", "date",
)  # fmt: skip
CHUNK = 200


def filename(scan: Scan, kind: str) -> str:
    """Such as netmon-scan-12.csv."""
    return f"netmon-scan-{scan.pk}.{kind}"


def as_csv(scan: Scan, user: Any) -> Iterator[str]:
    """One line per open port, a host without any once; no cell is read as a formula by a spreadsheet (CWE-1236)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for host in _hosts(scan, user):
        for row in _rows(scan, host):
            writer.writerow([escape(value) if isinstance(value, str) else value for value in row])
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _rows(scan: Scan, host: ScanHost) -> Iterator[list[Any]]:
    date = (scan.finished_at or scan.created_at).isoformat()
    start = [
        scan.pk, host.pk, host.address, host.hostname, host.mac_address, host.vendor,
        host.device.pk if host.device else "",
        host.device.name if host.device else "",
    ]  # fmt: skip
    ports = list(host.ports.all())
    if not ports:
        yield [*start, "", "", "", "", "", "", date]
    for port in ports:
        certificate = port.certificate or {}
        yield [
            *start, port.protocol, port.port, port.service, port.banner, certificate.get("subject", ""),
            certificate.get("not_after", ""), date,
        ]  # fmt: skip


def as_json(scan: Scan, head: dict[str, Any], user: Any) -> Iterator[bytes]:
    """`head` (the scan as the API shows it) with its `hosts`, each with its ports."""
    yield orjson.dumps(head)[:-1] + b',"hosts":['
    is_first = True
    for host in _hosts(scan, user):
        yield (b"" if is_first else b",") + orjson.dumps(host_dict(host))
        is_first = False
    yield b"]}"


def host_dict(host: ScanHost) -> dict[str, Any]:
    """A host with its ports, as JSON has it."""
    return {
        "id": host.pk,
        "address": host.address,
        "is_up": host.is_up,
        "method": host.method,
        "rtt_ms": host.rtt_ms,
        "hostname": host.hostname,
        "mac_address": host.mac_address,
        "vendor": host.vendor,
        "is_random_mac": host.is_random_mac,
        "device": host.device.pk if host.device else None,
        "device_name": host.device.name if host.device else None,
        "open_ports": [
            {
                "protocol": port.protocol,
                "port": port.port,
                "service": port.service,
                "rtt_ms": port.rtt_ms,
                "banner": port.banner,
                "certificate": port.certificate,
            }
            for port in host.ports.all()
        ],
        "closed": host.closed,
        "filtered": host.filtered,
        "reasons": host.reasons,
        "notes": host.notes,
    }


def _hosts(scan: Scan, user: Any) -> Iterator[ScanHost]:
    rows = scan.hosts.select_related("device").prefetch_related("ports").order_by("address_key", "pk")
    for host in rows.iterator(chunk_size=CHUNK):
        host.device = visible_device(host.device, user)
        yield host
