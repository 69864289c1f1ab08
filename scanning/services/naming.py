"""What hosts and services are called: reverse DNS, banners, certificates."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

from django.conf import settings

from netmon.common.addresses import parse_address
from netmon.common.rows import update_rows
from netmon.drivers import banner, rdns
from netmon.drivers.banner import Banner, Certificate
from scanning.models import OpenPort, Scan
from scanning.targets import Span, contains

AT_ONCE = 256
NAMES_SECONDS = 10.0
BANNER_SECONDS = 3.0
PARALLEL = 32
# Beyond this, what is open is a trap or a proxy, and its banners are all the same.
MOST_PORTS_A_HOST = 64


def name(scan: Scan, spans: tuple[Span, ...], *, is_cancelled: Callable[[], bool]) -> None:
    """Ask for names, banners and certificates of what was found and has none yet. Banners of hosts in `spans` only."""
    if settings.SCAN_REVERSE_DNS:
        _name_hosts(scan, is_cancelled)
    if scan.ports:
        _read_banners(scan, spans, is_cancelled)


def _name_hosts(scan: Scan, is_cancelled: Callable[[], bool]) -> None:
    rows = scan.hosts.filter(is_up=True, hostname="").order_by("pk").iterator(chunk_size=AT_ONCE)
    while not is_cancelled() and (hosts := list(islice(rows, AT_ONCE))):
        found = rdns.reverse_names(
            [host.address for host in hosts], deadline_seconds=NAMES_SECONDS, is_cancelled=is_cancelled
        )
        named = [host for host in hosts if host.address in found]
        for host in named:
            host.hostname = found[host.address][:253]
        update_rows(named, ("hostname",))


def _read_banners(scan: Scan, spans: tuple[Span, ...], is_cancelled: Callable[[], bool]) -> None:
    rows = OpenPort.objects.filter(host__scan=scan, banner="", certificate__isnull=True, protocol="tcp").select_related(
        "host"
    )
    found = rows.order_by("host_id", "port").iterator(chunk_size=AT_ONCE)
    waiting = _first_of_each_host(port for port in found if contains(spans, parse_address(port.host.address)))
    while not is_cancelled() and (ports := list(islice(waiting, AT_ONCE))):
        by_place = {(port.host.address, port.port): port for port in ports}
        read = [
            _filled(by_place[one.address, one.port], one)
            for one in banner.grab(
                by_place, timeout_seconds=BANNER_SECONDS, parallel=PARALLEL, is_cancelled=is_cancelled
            )
        ]
        update_rows(read, ("banner", "service", "certificate"))


def _first_of_each_host(rows: Iterable[OpenPort]) -> Iterator[OpenPort]:
    for _, ports in groupby(rows, key=lambda port: port.host_id):
        yield from islice(ports, MOST_PORTS_A_HOST)


def _filled(port: OpenPort, found: Banner) -> OpenPort:
    port.banner = found.text[:500]
    port.service = (found.protocol or port.service)[:32]
    port.certificate = certificate(found.certificate) if found.certificate else None
    return port


def certificate(found: Certificate) -> dict[str, Any]:
    return {
        "subject": found.subject,
        "issuer": found.issuer,
        "names": list(found.names[:100]),
        "not_before": found.not_before.isoformat(),
        "not_after": found.not_after.isoformat(),
        "is_self_signed": found.is_self_signed,
    }
