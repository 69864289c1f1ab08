"""Scans that ended, without a network."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from inventory.models import Prefix, Site, Tenant
from scanning import targets
from scanning.models import Scan
from scanning.services import ending, results
from scanning.services.results import FoundHost, FoundPort

EVIL = "<script>alert(1)</script>"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def prefix(cidr: str = "192.0.2.0/24", tenant: Tenant | None = None) -> Prefix:
    site = Site.objects.create(name=f"site of {cidr}", tenant=tenant) if tenant else None
    return Prefix.objects.create(cidr=cidr, site=site)


def host(address: str, *ports: int, mac: str = "", **over: Any) -> FoundHost:
    """A host that is up; `ports` are open, named web where they are 443."""
    found = [FoundPort(port=port, service="https" if port == 443 else "") for port in ports]
    return FoundHost(
        address=address, method="icmp", rtt_ms=1.0, mac_address=mac, ports=found, notes={"is_whole": True}, **over
    )


def ended(
    hosts: Sequence[FoundHost],
    *,
    target: str = "192.0.2.0/28",
    ports: str = "1-1024",
    hours: float = 0,
    outcome: str = Scan.Outcome.SUCCEEDED,
    **over: Any,
) -> Scan:
    """A scan that found these hosts and ended `hours` after START."""
    spans = targets.parse(target).spans
    scan = Scan.objects.create(
        kind=Scan.Kind.NETWORK if ports else Scan.Kind.PING,
        target=target,
        spans=[str(span) for span in spans],
        ports=ports,
        hosts_total=targets.count(spans),
        hosts_done=targets.count(spans),
        finished_at=START + timedelta(hours=hours),
        **over,
    )
    results.record(scan, hosts)
    assert ending.end(scan, outcome)
    return scan


def kinds(scan: Scan) -> Mapping[str, str]:
    """Kind of change -> its words."""
    return {change["kind"]: change["text"] for change in scan.notes["changes"]}
