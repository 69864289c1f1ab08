"""What scans found, as alerts: the sources that rules can look at, and the looks that they get.

A change happens once and ends when its counterpart comes (a host that is back, a port that closed). The baseline of a
device is a state: bad as long as scans see it violated.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime

from monitoring.alerting import observing, sources, templates
from monitoring.alerting.sources import Observation, Source
from monitoring.models import Alert
from netmon.common.addresses import parse_address
from scanning import targets
from scanning.models import ExpectedPort, Scan, ScanHost
from scanning.ports import parse as parse_ports
from scanning.ports import service_name
from scanning.services.seeing import Change

EXPIRY_WARNING = timedelta(days=14)
DAY = 86400
LOOKED = (Scan.Outcome.SUCCEEDED, Scan.Outcome.PARTIAL)
EARLIER = 500  # scans that are asked whether they looked at a place
# A change's kind -> what it ends
ENDS = {"host_back": "host_gone", "port_back": "port_gone", "port_gone": "new_port", "new_port": "port_gone"}

CHANGE = Source(
    key="scan.change",
    label="A scan found a change",
    shape="event",
    matches="new_host, host_gone, new_port, port_gone, mac_changed, host_moved",
    help="What two scans of the same network disagree on; it is over when its counterpart comes, or after a while.",
    ends=ENDS,
)
BASELINE = Source(
    key="scan.baseline",
    label="A port is not as expected",
    matches="expected_closed, unexpected_open",
    help="Held against the ports that a device is expected to have.",
)
SUMMARIES = {
    "new_host": "New host {text}",
    "host_back": "{text} is back",
    "host_gone": "Host gone: {text}",
    "mac_changed": "Other hardware: {text}",
    "host_moved": "Address changed: {text}",
    "new_port": "New open port {text}",
    "port_back": "Open again: {text}",
    "port_gone": "Port no longer open: {text}",
}


def register() -> None:
    """Make the sources known, and the rules that netmon ships for them."""
    sources.register(CHANGE)
    sources.register(BASELINE)
    for key, name, match, severity, clear, note in (
        ("scan.new_host", "New host on the network", "new_host", "low", DAY, "Adopt it, or ignore it with a reason."),
        ("scan.mac_changed", "Other hardware at a known address", "mac_changed", "medium", DAY, ""),
        ("scan.new_port", "New open port", "new_port, port_back", "medium", DAY, "Expected? Add it to the baseline."),
        ("scan.port_gone", "Port no longer open", "port_gone", "low", DAY, ""),
    ):
        templates.register(
            key, name=name, source="scan.change", match=match, severity=severity, clear_seconds=clear, note=note
        )
    templates.register(
        "scan.unexpected_open",
        name="Open port that is not in the baseline",
        source="scan.baseline",
        match="unexpected_open",
        severity="high",
        note="Close it, or add it to the device's expected ports.",
    )
    templates.register(
        "scan.expected_closed",
        name="Expected port closed",
        source="scan.baseline",
        match="expected_closed",
        severity="high",
        for_checks=2,
    )


def tell(scan: Scan, changes: Iterable[Change], at: datetime) -> None:
    """Hold a finished scan against the rules. In the caller's transaction."""
    looks = [look for change in _news(scan, changes) for look in _looks_of(scan, change, at)]
    hosts = list(scan.hosts.filter(device__isnull=False).prefetch_related("ports"))
    looks += _baseline_looks(scan, hosts, at)
    looks += _certificate_looks(hosts, at)
    if looks:
        observing.observe(looks)


def _news(scan: Scan, changes: Iterable[Change]) -> list[Change]:
    """Without new hosts that surprise nobody: those of the inventory, and those where nobody looked before.

    The first look at a network finds all of it: that waits for review, and would be hundreds of alerts.
    """
    found = list(changes)
    if not any(change.kind == "new_host" for change in found):
        return found
    earlier = Scan.objects.filter(tenant=scan.tenant, outcome__in=LOOKED).exclude(pk=scan.pk)
    spans: set[targets.Span] = set()
    for given, notes in earlier.order_by("-pk").values_list("spans", "notes")[:EARLIER]:
        spans.update(targets.looked_at(given, notes.get("not_asked")))
    return [
        change
        for change in found
        if change.kind != "new_host"
        or (change.host.device_id is None and targets.contains(spans, parse_address(change.host.address)))
    ]


def _looks_of(scan: Scan, change: Change, at: datetime) -> list[Observation]:
    common: dict[str, Any] = {
        "source": CHANGE.key,
        "at": at,
        "device_id": change.host.device_id,
        "tenant_id": scan.tenant_id,
        "subject": f"{change.host.address} tcp/{change.port}" if change.port else change.host.address,
        "summary": SUMMARIES[change.kind].format(text=change.text),
        "detail": f"Scan {scan.pk} of {scan.target[:200]}.",
        "data": {"scan": scan.pk, "host": change.host.pk, "address": change.host.address, "port": change.port},
    }
    looks = [Observation(is_bad=True, match=change.kind, **common)]
    if ended := ENDS.get(change.kind):
        looks.append(Observation(is_bad=False, match=ended, **common))
    return looks


def _baseline_looks(scan: Scan, hosts: Sequence[ScanHost], at: datetime) -> list[Observation]:
    if not scan.ports:
        return []
    asked = parse_ports(scan.ports)
    expected: dict[int, dict[int, str]] = {}
    for device_id, port, state in ExpectedPort.objects.filter(
        device__in=[host.device_id for host in hosts], protocol="tcp"
    ).values_list("device_id", "port", "state"):
        expected.setdefault(device_id, {})[port] = state
    # An alert of a port that was taken out of the baseline since must hear that it is over.
    told: dict[int, set[int]] = {}
    alerts = Alert.objects.open().filter(source=BASELINE.key, device__in=[host.device_id for host in hosts])
    for device_id, data in alerts.values_list("device_id", "data"):
        told.setdefault(device_id or 0, set()).add(int(data.get("port") or 0))
    looks = []
    # The baseline is the device's: it holds for all addresses of it that the scan met, together.
    for device_id, its in _by_device(host for host in hosts if host.is_up).items():
        baseline = expected.get(device_id, {})
        opened: dict[int, str] = {}
        for host in its:
            opened |= {port.port: host.address for port in host.ports.all() if port.protocol == "tcp"}
        is_whole = scan.outcome == Scan.Outcome.SUCCEEDED or all(host.notes.get("is_whole") for host in its)
        speaks_of_all = ExpectedPort.State.OPEN in baseline.values()
        for port in sorted((set(opened) if baseline else set()) | set(baseline) | told.get(device_id, set())):
            if port not in asked or not (is_whole or port in opened):
                continue
            wanted = baseline.get(port, ExpectedPort.State.CLOSED if speaks_of_all else "")
            name = f"tcp/{port} {service_name(port)}".strip()
            for match, is_bad, words in (
                ("unexpected_open", port in opened and wanted == ExpectedPort.State.CLOSED, "is open"),
                ("expected_closed", port not in opened and wanted == ExpectedPort.State.OPEN, "is not open"),
            ):
                looks.append(
                    Observation(
                        source=BASELINE.key,
                        at=at,
                        device_id=device_id,
                        subject=f"tcp/{port} {match}",
                        match=match,
                        is_bad=is_bad,
                        summary=f"{name} {words} on {opened.get(port, ', '.join(host.address for host in its[:3]))}",
                        detail=f"Scan {scan.pk}; expected: {wanted or 'nothing said'}.",
                        data={"scan": scan.pk, "port": port},
                    )
                )
    return looks


def _by_device(hosts: Iterable[ScanHost]) -> dict[int, list[ScanHost]]:
    found: dict[int, list[ScanHost]] = {}
    for host in hosts:
        found.setdefault(host.device_id or 0, []).append(host)
    return found


def _certificate_looks(hosts: Sequence[ScanHost], at: datetime) -> list[Observation]:
    # A device may have several addresses: of one port the certificate that ends first is told.
    first: dict[tuple[int, int], tuple[datetime, ScanHost, Any]] = {}
    for host in hosts:
        for port in host.ports.all():
            ends = parse_datetime(str((port.certificate or {}).get("not_after") or ""))
            place = (host.device_id or 0, port.port)
            if ends is not None and (place not in first or ends < first[place][0]):
                first[place] = (ends, host, port)
    return [
        Observation(
            source="expiry",
            at=at,
            device_id=host.device_id,
            subject=f"certificate of tcp/{port.port}",
            match="certificate",
            is_bad=ends <= at + EXPIRY_WARNING,
            summary=f"Certificate of {host.address}:{port.port} {'expired' if ends <= at else 'expires'} on "
            f"{ends:%Y-%m-%d}",
            detail=f"For {str((port.certificate or {}).get('subject') or 'nobody')[:200]}.",
            data={"port": port.port},
        )
        for ends, host, port in first.values()
    ]
