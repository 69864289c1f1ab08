"""The demonstration's share of scans: some that have ended, with changes; discoveries, a schedule, what is excluded.

The school's range is on loopback, so that scans started by hand meet the simulated hosts.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from inventory.models import Device, Prefix, Site, Tenant
from netmon.accounts.models import User
from scanning import targets
from scanning.models import ExpectedPort, Scan, ScanExclusion, ScanSchedule, SeenHost
from scanning.services import ending, results, reviewing
from scanning.services.results import FoundHost, FoundPort

RANGE = "127.20.0.0/26"
EXCLUDED, EXCLUDED_SPAN = "127.20.0.48/29", "127.20.0.48-127.20.0.55"
SWITCHES = tuple(f"127.20.0.{number}" for number in range(1, 9))
CERTIFICATE = {
    "subject": "CN=printer-2nd-floor",
    "issuer": "CN=printer-2nd-floor",
    "names": ["printer-2nd-floor.school.example"],
    "not_before": "2024-02-01T00:00:00+00:00",
    "not_after": "2027-02-01T00:00:00+00:00",
    "is_self_signed": True,
}


def _port(number: int, service: str, banner: str = "", certificate: dict[str, object] | None = None) -> FoundPort:
    return FoundPort(port=number, service=service, banner=banner, certificate=certificate, rtt_ms=0.4)


SSH = _port(22, "ssh", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3")
CAMERA = FoundHost(
    address="127.20.0.41",
    hostname="cam-yard.school.example",
    mac_address="44:19:b6:20:00:41",
    vendor="Hangzhou Hikvision Digital Technology Co.,Ltd.",
    method="icmp",
    rtt_ms=2.1,
    ports=(_port(80, "http", "HTTP/1.1 401 Unauthorized"), _port(554, "rtsp", "RTSP/1.0 200 OK")),
)
PRINTER = FoundHost(
    address="127.20.0.42",
    hostname="printer-2nd-floor.school.example",
    mac_address="00:1b:a9:20:00:42",
    vendor="Brother industries, LTD.",
    method="icmp",
    rtt_ms=1.4,
    ports=(_port(443, "https", "", CERTIFICATE), _port(631, "ipp"), _port(9100, "jetdirect")),
)
TELEPHONE = FoundHost(
    address="127.20.0.57", mac_address="da:a1:19:20:00:57", is_random_mac=True, method="arp", rtt_ms=31.0
)
LAPTOP = FoundHost(
    address="127.20.0.58", hostname="laptop-17.school.example", method="icmp", rtt_ms=3.9, ports=(_port(445, "smb"),)
)


def _known(number: int, *ports: FoundPort) -> FoundHost:
    return FoundHost(address=f"127.20.0.{number}", method="icmp", rtt_ms=0.3, ports=ports)


def _switches(*more: FoundPort) -> list[FoundHost]:
    return [_known(number, SSH, *(more if number == 3 else ())) for number in range(1, 9)]


@transaction.atomic
def populate() -> None:
    """At the first start only: what somebody deletes stays deleted."""
    site = Site.objects.filter(name="Lycée Jean Moulin").first()
    if site is None or Scan.objects.exists() or ScanSchedule.objects.exists():
        return
    admin = User.objects.filter(is_active=True, role=User.Role.ADMIN).order_by("pk").first()
    tenant, now = site.tenant, timezone.now()
    Prefix.objects.get_or_create(cidr=RANGE, site=site, defaults={"description": "the school's network"})
    ScanExclusion.objects.create(cidr=EXCLUDED, tenant=tenant, note="controllers of the lifts: never touched")
    _scan(_switches(), tenant, now - timedelta(days=3), admin)
    _scan([*_switches(), PRINTER, LAPTOP], tenant, now - timedelta(days=2), admin)
    telnet = _port(23, "telnet", "Password:")
    _scan([*_switches(telnet), PRINTER, CAMERA, TELEPHONE], tenant, now - timedelta(hours=26), admin)
    _scan([*_switches(telnet), PRINTER, CAMERA, TELEPHONE], tenant, now - timedelta(hours=2), admin)
    guest = SeenHost.objects.filter(address=TELEPHONE.address, device=None).first()
    if guest is not None:
        reviewing.ignore(guest, user=admin, reason="a visitor's telephone")
    schedule = ScanSchedule(
        name="School, every night",
        tenant=tenant,
        target=RANGE,
        ports="common",
        profile="polite",
        window_start="01:00",
        window_end="05:00",
        reason="agreed with the headmaster",
        created_by=admin,
        next_run_at=now + timedelta(hours=10),
    )
    schedule.save()
    Scan.objects.filter(tenant=tenant).update(schedule=schedule)
    device = Device.objects.filter(primary_ip__address=SWITCHES[2]).first()
    if device is not None:
        ExpectedPort.objects.create(device=device, port=22, note="management")


def _scan(hosts: Sequence[FoundHost], tenant: Tenant | None, at: datetime, user: User | None) -> Scan:
    spans = targets.without(targets.parse(RANGE).spans, [targets.Span.parse(EXCLUDED_SPAN)])
    total, seconds = targets.count(spans), 9
    scan = Scan.objects.create(
        kind=Scan.Kind.NETWORK,
        target=RANGE,
        spans=[str(span) for span in spans],
        ports="1-1024,9100",
        profile="polite",
        tenant=tenant,
        reason="agreed with the headmaster",
        requested_by=user,
        hosts_total=total,
        hosts_done=total,
        probes_total=len(hosts) * 1025,
        probes_done=len(hosts) * 1025,
        packets_sent=total * 3 + len(hosts) * 1060,
        notes={"icmp": {"ipv4": "datagram"}},
        created_at=at - timedelta(seconds=seconds + 1),
        started_at=at - timedelta(seconds=seconds),
        finished_at=at,
    )
    results.record(scan, hosts)
    ending.end(scan, Scan.Outcome.SUCCEEDED)
    return scan
