"""What a finished scan says of the network over time: who came, who went, which ports opened or closed.

A host or port that was there is gone when two looks in a row say so: one lost packet must not wake anybody. What is
new was met twice already (a SYN-ACK and the banner's connection), and is told at once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from inventory.models import Tenant
from netmon.common.addresses import address_key, parse_address
from netmon.common.rows import update_rows
from scanning import guessing, targets
from scanning.models import OpenPort, PresencePeriod, Scan, ScanHost, SeenHost, SeenPort
from scanning.ports import Ports
from scanning.ports import parse as parse_ports

GONE_AFTER = 2
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference from what was known. `kind`: new_host, host_back, host_gone, mac_changed, host_moved, new_port,
    port_gone, port_back."""

    kind: str
    text: str
    host: SeenHost
    port: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For the notes of a scan."""
        return {
            "kind": self.kind,
            "address": self.host.address,
            "text": self.text,
            "host": self.host.pk,
            "device": self.host.device_id,
            "port": self.port,
        }


@dataclass(slots=True)
class _Book:
    """The known hosts that a scan speaks of."""

    by_place: dict[tuple[str, str], SeenHost] = field(default_factory=dict)  # (address, MAC or "")
    by_mac: dict[str, list[SeenHost]] = field(default_factory=dict)
    present: dict[str, SeenHost] = field(default_factory=dict)  # address -> who is there

    def add(self, host: SeenHost) -> None:
        self.by_place[host.address, host.mac_address] = host
        if host.mac_address:
            self.by_mac.setdefault(host.mac_address, []).append(host)
        if host.is_present:
            self.present[host.address] = host


@transaction.atomic
def look_back(scan: Scan, *, is_whole: bool) -> list[Change]:
    """Bring what is known up to what the scan found. With `is_whole` false, silence says nothing: it ended early."""
    at = scan.finished_at or timezone.now()
    spans = targets.looked_at(scan.spans, scan.notes.get("not_asked"))
    rows = list(scan.hosts.filter(is_up=True).select_related("device").prefetch_related("ports").order_by("pk"))
    book = _load(scan.tenant, rows, spans)
    macs = Counter(row.mac_address for row in rows if row.mac_address and not row.is_random_mac)
    up = {row.address for row in rows}
    changes: list[Change] = []
    met: list[tuple[ScanHost, SeenHost]] = []
    for row in rows:
        present = book.present.get(row.address)
        if present is not None and present.last_seen_at > at:
            continue  # an old file tells nothing of a host that was met since
        seen = _recognise(row, book, macs, up, spans, scan, at, changes)
        met.append((row, seen))
    _write_hosts(met, at)
    if scan.ports:
        changes += _look_at_ports(met, parse_ports(scan.ports), at, is_whole=is_whole)
    if is_whole:
        changes += _miss(scan, spans, up, at)
    return changes


def _load(tenant: Tenant | None, rows: Sequence[ScanHost], spans: Iterable[targets.Span]) -> _Book:
    book = _Book()
    known = SeenHost.objects.filter(tenant=tenant).select_related("device")
    addresses, macs = [row.address for row in rows], list({row.mac_address for row in rows if row.mac_address})
    found: dict[int, SeenHost] = {}
    for first in range(0, len(addresses), CHUNK):
        found |= {one.pk: one for one in known.filter(address__in=addresses[first : first + CHUNK])}
    for first in range(0, len(macs), CHUNK):
        found |= {one.pk: one for one in known.filter(mac_address__in=macs[first : first + CHUNK])}
    for one in found.values():
        book.add(one)
    return book


def _recognise(
    row: ScanHost,
    book: _Book,
    macs: Counter[str],
    up: set[str],
    spans: Sequence[targets.Span],
    scan: Scan,
    at: datetime,
    changes: list[Change],
) -> SeenHost:
    """The known host that this one is: at its place, else by a MAC address that moved, else a new one."""
    # A relay, or a router that answers ARP for others, lends many addresses one MAC: then it tells nobody apart.
    mac = row.mac_address if macs[row.mac_address] == 1 else ""
    before = book.present.get(row.address)
    seen = book.by_place.get((row.address, mac)) or (book.by_place.get((row.address, "")) if mac else before)
    if seen is None and mac:
        moved = [
            one
            for one in book.by_mac.get(mac, ())
            if one.address not in up and targets.contains(spans, parse_address(one.address))
        ]
        if len(moved) == 1:
            seen = moved[0]
            changes.append(_change("host_moved", seen, f"{mac} moved from {seen.address} to {row.address}"))
    is_new = seen is None
    if seen is None:
        seen = SeenHost(tenant=scan.tenant, address=row.address, mac_address=mac, first_seen_at=at, last_seen_at=at)
        seen.is_present = False
        if before is None or not mac or not before.mac_address:
            changes.append(_change("new_host", seen, _described(row)))
    if before is not None and before is not seen and mac and before.mac_address and before.mac_address != mac:
        text = f"{row.address} was {before.mac_address}, and is {mac} now"
        changes.append(_change("mac_changed", seen, text))
        before.is_present = False
        _close(before)
    if not is_new and not seen.is_present and seen.pk:
        changes.append(_change("host_back", seen, _described(row)))
    _fill(seen, row, mac, scan, at)
    book.add(seen)
    return seen


def _described(row: ScanHost) -> str:
    about = [row.hostname, row.vendor or ("made-up MAC address" if row.is_random_mac else "")]
    return f"{row.address} ({', '.join(part for part in about if part)})" if any(about) else row.address


def _change(kind: str, seen: SeenHost, text: str, port: int | None = None) -> Change:
    return Change(kind=kind, text=text, host=seen, port=port)


def _fill(seen: SeenHost, row: ScanHost, mac: str, scan: Scan, at: datetime) -> None:
    seen.address, seen.address_key = row.address, address_key(parse_address(row.address))
    seen.mac_address = mac or seen.mac_address
    for name in ("vendor", "hostname"):
        setattr(seen, name, getattr(row, name) or getattr(seen, name))
    seen.is_random_mac = row.is_random_mac
    seen.last_seen_at, seen.last_scan, seen.misses = at, scan, 0
    if seen.device is not None and scan.tenant_id and seen.device.tenant_id != scan.tenant_id:
        seen.device = None  # it has gone to another tenant, whose business this network is not
    if row.device is not None:
        seen.device = row.device
        if seen.review == SeenHost.Review.NEW:
            seen.review = SeenHost.Review.ADOPTED
    elif seen.device is None and seen.review == SeenHost.Review.ADOPTED:
        seen.review = SeenHost.Review.NEW  # its device is gone, and it is not
    guess = guessing.guess(row, list(row.ports.all()), system=seen.system)
    if guess.evidence:
        seen.kind_guess, seen.evidence = guess.kind, guess.evidence


SEEN_COLUMNS = (
    "address", "address_key", "mac_address", "vendor", "is_random_mac", "hostname", "device", "review", "kind_guess",
    "evidence", "is_present", "misses", "last_seen_at", "last_scan",
)  # fmt: skip


def _write_hosts(met: Sequence[tuple[ScanHost, SeenHost]], at: datetime) -> None:
    came = [seen for _, seen in met if not seen.is_present]
    for _, seen in met:
        seen.is_present = True
    SeenHost.objects.bulk_create([seen for _, seen in met if seen.pk is None], batch_size=200)
    known = {seen.pk: seen for _, seen in met}
    update_rows(known.values(), SEEN_COLUMNS)
    PresencePeriod.objects.bulk_create(
        [PresencePeriod(host=seen, started_at=at) for seen in dict.fromkeys(came)],
        batch_size=200,
        ignore_conflicts=True,
    )


def _close(host: SeenHost) -> None:
    SeenHost.objects.filter(pk=host.pk).update(is_present=False)
    host.periods.filter(ended_at=None).update(ended_at=host.last_seen_at)


def _miss(scan: Scan, spans: Sequence[targets.Span], up: set[str], at: datetime) -> list[Change]:
    """Count a miss for who should have answered; two in a row, and they are gone since they last did."""
    changes = []
    for span in spans:
        first, last = (targets.key_of(span, number) for number in (span.first, span.last))
        rows = SeenHost.objects.filter(
            tenant=scan.tenant, is_present=True, address_key__gte=first, address_key__lte=last, last_seen_at__lt=at
        ).exclude(last_scan=scan)
        missed = [row for row in rows if row.address not in up]
        for row in missed:
            row.misses += 1
            if row.misses >= GONE_AFTER:
                row.is_present = False
                name = f"{row.hostname} ({row.address})" if row.hostname else row.address
                text = f"{name} answered last on {row.last_seen_at:%Y-%m-%d %H:%M} UTC"
                changes.append(_change("host_gone", row, text))
                row.periods.filter(ended_at=None).update(ended_at=row.last_seen_at)
        update_rows(missed, ("misses", "is_present"))
    return changes


def _look_at_ports(
    met: Sequence[tuple[ScanHost, SeenHost]], asked: Ports, at: datetime, *, is_whole: bool
) -> list[Change]:
    changes: list[Change] = []
    known: dict[int, dict[int, SeenPort]] = {}
    ids = [seen.pk for _, seen in met]
    for first in range(0, len(ids), CHUNK):
        for port in SeenPort.objects.filter(host__in=ids[first : first + CHUNK], protocol="tcp"):
            known.setdefault(port.host_id, {})[port.port] = port
    new: list[SeenPort] = []
    changed: list[SeenPort] = []
    for row, seen in met:
        ports = known.get(seen.pk, {})
        is_first_look = not ports and not seen.ports_looked_at
        found = {port.port: port for port in row.ports.all() if port.protocol == "tcp"}
        for number, port in found.items():
            _meet(port, ports.get(number), seen, at, new, changed, changes, is_first_look=is_first_look)
        if not is_whole and not row.notes.get("is_whole"):
            continue
        for number, old in ports.items():
            if old.is_open and number not in found and number in asked:
                old.differs += 1
                changed.append(old)
                if old.differs >= GONE_AFTER:
                    old.is_open, old.differs = False, 0
                    changes.append(_change("port_gone", seen, f"tcp/{number} {old.service}".strip(), number))
        seen.ports_looked_at = at
    SeenPort.objects.bulk_create(new, batch_size=500, ignore_conflicts=True)
    update_rows(changed, ("is_open", "differs", "service", "banner", "certificate", "last_seen_at"))
    update_rows([seen for _, seen in met], ("ports_looked_at",))
    return changes


def _meet(
    port: OpenPort,
    old: SeenPort | None,
    seen: SeenHost,
    at: datetime,
    new: list[SeenPort],
    changed: list[SeenPort],
    changes: list[Change],
    *,
    is_first_look: bool,
) -> None:
    text = f"tcp/{port.port} {port.service}".strip()
    if old is None:
        old = SeenPort(host=seen, protocol="tcp", port=port.port, first_seen_at=at, last_seen_at=at)
        new.append(old)
        if not is_first_look:  # the ports of a host that nobody looked at before are not news
            changes.append(_change("new_port", seen, text, port.port))
    else:
        changed.append(old)
        if not old.is_open:
            changes.append(_change("port_back", seen, text, port.port))
    old.is_open, old.differs, old.last_seen_at = True, 0, at
    old.service = port.service or old.service
    old.banner, old.certificate = port.banner or old.banner, port.certificate or old.certificate
