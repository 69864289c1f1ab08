"""Writing down what a scan finds, a batch of hosts at a time, so that nothing is lost and nothing doubled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q

from inventory.models import Device, Interface, IPAddress, Tenant
from netmon.common.addresses import address_key, parse_address
from scanning.models import OpenPort, Scan, ScanHost


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPort:
    """An open port as a scan found it, by whichever engine."""

    port: int
    protocol: str = "tcp"
    service: str = ""
    rtt_ms: float | None = None
    tries: int = 1
    banner: str = ""
    certificate: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHost:
    """A host as a scan found it. `closed` and `filtered` are port ranges as text; None leaves what is written."""

    address: str
    is_up: bool = True
    method: str = ""
    rtt_ms: float | None = None
    mac_address: str = ""
    vendor: str = ""
    is_random_mac: bool = False
    hostname: str = ""
    closed: str | None = None
    filtered: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    ports: Sequence[FoundPort] = ()


HOST_COLUMNS = (
    "is_up", "method", "rtt_ms", "mac_address", "vendor", "is_random_mac", "hostname", "device", "closed", "filtered",
    "reasons", "notes",
)  # fmt: skip
PORT_COLUMNS = ("service", "rtt_ms", "tries", "banner", "certificate")


@transaction.atomic
def record(scan: Scan, found: Iterable[FoundHost]) -> int:
    """Write hosts and their open ports; what a worker before this one wrote of the same host is written over.

    A host or port that is given twice counts as it was given last. Returns how many open ports the hosts have.
    """
    given = list(found)
    hosts = list({host.address: host for host in given}.values())
    devices = match([(host.address, host.mac_address) for host in hosts], scan.tenant)
    known = {row.address: row for row in ScanHost.objects.filter(scan=scan, address__in=[one.address for one in hosts])}
    rows = []
    for host in hosts:
        row = known.get(host.address) or ScanHost(scan=scan, address=host.address)
        row.address_key = address_key(parse_address(host.address))
        row.device = devices.get(host.address)
        for name in ("is_up", "method", "rtt_ms", "mac_address", "vendor", "is_random_mac", "hostname"):
            if (value := getattr(host, name)) not in ("", None) or row.pk is None:
                setattr(row, name, value)
        for name in ("closed", "filtered"):
            if getattr(host, name) is not None:
                setattr(row, name, getattr(host, name))
        row.reasons, row.notes = {**row.reasons, **host.reasons}, {**row.notes, **host.notes}
        rows.append(row)
    ScanHost.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["scan", "address"], update_fields=HOST_COLUMNS, batch_size=200
    )
    ids = dict(
        ScanHost.objects.filter(scan=scan, address__in=[host.address for host in hosts]).values_list("address", "pk")
    )
    ports = {
        (host.address, port.protocol, port.port): OpenPort(
            host_id=ids[host.address],
            protocol=port.protocol,
            port=port.port,
            **{name: getattr(port, name) for name in PORT_COLUMNS},
        )
        for host in given
        for port in host.ports
    }
    OpenPort.objects.bulk_create(
        ports.values(),
        update_conflicts=True,
        unique_fields=["host", "protocol", "port"],
        update_fields=PORT_COLUMNS,
        batch_size=500,
    )
    return len(ports)


def match(hosts: Sequence[tuple[str, str]], tenant: Tenant | None) -> dict[str, Device]:
    """Address -> device, for (address, MAC or "") pairs: by the address, else by the MAC when one device has it.

    A scan of a tenant meets that tenant's devices only; one of no tenant all, where the address is unambiguous.
    """
    addresses = [address for address, _ in hosts]
    rows = IPAddress.objects.filter(address__in=addresses, interface__isnull=False).select_related("interface__device")
    interfaces = Interface.objects.filter(mac_address__in={mac for _, mac in hosts if mac}).select_related("device")
    if tenant is not None:
        rows = rows.filter(interface__device__tenant=tenant)
        interfaces = interfaces.filter(device__tenant=tenant)
    by_address: dict[str, set[Device]] = {}
    by_mac: dict[str, set[Device]] = {}
    for row in rows:
        if row.interface is not None:
            by_address.setdefault(row.address, set()).add(row.interface.device)
    for interface in interfaces.filter(~Q(mac_address="")):
        by_mac.setdefault(interface.mac_address, set()).add(interface.device)
    found = {}
    for address, mac in hosts:
        candidates = by_address.get(address) or by_mac.get(mac, set())
        if len(candidates) == 1:
            found[address] = next(iter(candidates))
    return found
