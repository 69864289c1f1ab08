"""A look without a trace: the same drivers, nothing kept. And a kept scan in the same words."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from django.conf import settings

from netmon.drivers import banner, rdns, tcp
from netmon.drivers.sweep import SweepLimits, sweep
from scanning.guard import Plan
from scanning.models import Scan
from scanning.services import naming, running
from scanning.services.results import FoundHost, FoundPort


def look(planned: Plan, report: Callable[[int, int], None]) -> list[FoundHost]:
    """Sweep and ask ports as the plan says, at once and in this process. Raises DriverError."""
    addresses = [str(address) for span in planned.spans for address in span]
    hosts: dict[str, FoundHost] = {}
    limits = SweepLimits(packets_per_second=running.SWEEP_RATES[planned.profile])
    for swept in sweep(addresses, limits):
        for host in swept.hosts:
            if host.is_up or planned.kind == Scan.Kind.PORTS:
                hosts[host.address] = running.host_of(host)
        report(swept.progress.hosts_done, planned.hosts)
    if planned.ports and hosts:
        _ask_ports(planned, hosts, report)
    if settings.SCAN_REVERSE_DNS and hosts:
        for address, name in rdns.reverse_names(hosts, deadline_seconds=naming.NAMES_SECONDS).items():
            hosts[address] = replace(hosts[address], hostname=name)
    return [hosts[address] for address in addresses if address in hosts]


def _ask_ports(planned: Plan, hosts: dict[str, FoundHost], report: Callable[[int, int], None]) -> None:
    wanted = [tcp.ScanTarget(address=one.address, rtt_ms=one.rtt_ms, is_silent=not one.is_up) for one in hosts.values()]
    opened: dict[str, dict[int, FoundPort]] = {}
    for batch in tcp.scan(wanted, planned.ports, tcp.Limits.profile(planned.profile)):
        for found in running.hosts_of(batch):
            opened.setdefault(found.address, {}).update({port.port: port for port in found.ports})
            if found.closed is not None:
                hosts[found.address] = replace(
                    hosts[found.address],
                    closed=found.closed,
                    filtered=found.filtered,
                    reasons=found.reasons,
                    notes=found.notes,
                )
        report(planned.hosts + batch.progress.probes_done, planned.hosts + batch.progress.probes_total)
    places = [(address, port) for address, ports in opened.items() for port in ports]
    for one in banner.grab(places, timeout_seconds=naming.BANNER_SECONDS, parallel=naming.PARALLEL):
        port = opened[one.address][one.port]
        certificate = naming.certificate(one.certificate) if one.certificate else None
        opened[one.address][one.port] = replace(
            port, banner=one.text, service=one.protocol or port.service, certificate=certificate
        )
    for address, ports in opened.items():
        hosts[address] = replace(hosts[address], ports=tuple(ports[number] for number in sorted(ports)))


def stored(scan: Scan) -> list[FoundHost]:
    """What a scan found, as `look` gives it."""
    return [
        FoundHost(
            address=host.address,
            is_up=host.is_up,
            method=host.method,
            rtt_ms=host.rtt_ms,
            mac_address=host.mac_address,
            vendor=host.vendor,
            is_random_mac=host.is_random_mac,
            hostname=host.hostname,
            closed=host.closed,
            filtered=host.filtered,
            reasons=host.reasons,
            notes=host.notes,
            ports=tuple(
                FoundPort(
                    port=port.port,
                    protocol=port.protocol,
                    service=port.service,
                    rtt_ms=port.rtt_ms,
                    tries=port.tries,
                    banner=port.banner,
                    certificate=port.certificate,
                )
                for port in host.ports.all()
            ),
        )
        for host in scan.hosts.prefetch_related("ports").order_by("address_key")
    ]


def as_dict(host: FoundHost) -> dict[str, Any]:
    """A host in JSON's words."""
    found = asdict(host)
    found["open_ports"] = list(found.pop("ports"))
    return found
