"""What two scans disagree on, of what both of them looked at."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netmon.common.addresses import Address, parse_address
from scanning import targets
from scanning.models import Scan
from scanning.ports import Ports
from scanning.ports import parse as parse_ports

OTHERS = 20  # further looks that are asked whether a loss was a flap
SHOWN = 2000


@dataclass(frozen=True, slots=True)
class PortChange:
    """A port of a host that both scans met."""

    address: str
    protocol: str
    port: int
    service: str
    change: str  # opened, closed, service
    is_confirmed: bool
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class HostChange:
    """A host that one of the scans met only, or that has other hardware or another name."""

    address: str
    hostname: str
    change: str  # appeared, gone, mac, hostname
    is_confirmed: bool
    before: str = ""
    after: str = ""


@dataclass(slots=True)
class Difference:
    """`left_out`: how many losses one look alone saw, which were taken for flaps and not listed."""

    older: Scan
    newer: Scan
    hosts: list[HostChange] = field(default_factory=list)
    ports: list[PortChange] = field(default_factory=list)
    left_out: int = 0
    is_comparable: bool = True


@dataclass(frozen=True, slots=True)
class _Look:
    """One scan, read."""

    scan: Scan
    spans: tuple[targets.Span, ...]
    asked: Ports
    hosts: Mapping[str, Any]
    ports: Mapping[str, Mapping[int, Any]]

    @property
    def is_whole(self) -> bool:
        """Whether who is not among the hosts did not answer: a scan that ended early cannot say so."""
        return self.scan.outcome == Scan.Outcome.SUCCEEDED

    def knows_ports_of(self, host: Any) -> bool:
        """Whether a port that is not among the host's is not open."""
        return self.is_whole or bool(host.notes.get("is_whole"))


def compare(one: Scan, other: Scan, *, with_flaps: bool = False) -> Difference:
    """The older of two scans against the newer, whichever way round they are given.

    What is new counts at once: it answered. What is missing counts when another scan after the older one, of the same
    addresses and ports, misses it too; otherwise one lost packet would be a change. `with_flaps` lists those as well,
    with `is_confirmed` false.
    """
    older, newer = sorted((one, other), key=lambda scan: (scan.finished_at or scan.created_at, scan.pk))
    before, after = _read(older), _read(newer)
    both = targets.within(before.spans, after.spans)
    found = Difference(older, newer, is_comparable=bool(both))
    witnesses = [_read(scan) for scan in _witnesses(older, newer)]
    for address in sorted(before.hosts.keys() | after.hosts.keys(), key=_sorted_by(before, after)):
        if not targets.contains(both, _address(address)):
            continue
        _compare_host(address, before, after, witnesses, found)
    if not with_flaps:
        total = len(found.hosts) + len(found.ports)
        found.hosts = [one for one in found.hosts if one.is_confirmed]
        found.ports = [one for one in found.ports if one.is_confirmed]
        found.left_out = total - len(found.hosts) - len(found.ports)
    return found


def _address(text: str) -> Address:
    return parse_address(text)


def _sorted_by(before: _Look, after: _Look) -> Any:
    return lambda address: (after.hosts.get(address) or before.hosts[address]).address_key


def _read(scan: Scan) -> _Look:
    hosts = {row.address: row for row in scan.hosts.filter(is_up=True).prefetch_related("ports")}
    ports = {address: {port.port: port for port in row.ports.all()} for address, row in hosts.items()}
    asked = parse_ports(scan.ports) if scan.ports else Ports()
    return _Look(scan, _spans(scan), asked, hosts, ports)


def _witnesses(older: Scan, newer: Scan) -> Iterable[Scan]:
    """Scans besides the newer one that ended after the older one and may have seen the same."""
    rows = Scan.objects.filter(
        tenant=newer.tenant, finished_at__gt=older.finished_at or older.created_at, outcome=Scan.Outcome.SUCCEEDED
    )
    wanted = targets.within(_spans(older), _spans(newer))
    found = []
    for scan in rows.exclude(pk__in=[older.pk, newer.pk]).order_by("-finished_at")[: OTHERS * 5]:
        if targets.within(wanted, _spans(scan)):
            found.append(scan)
        if len(found) == OTHERS:
            break
    return found


def _spans(scan: Scan) -> tuple[targets.Span, ...]:
    return targets.looked_at(scan.spans, scan.notes.get("not_asked"))


def _compare_host(address: str, before: _Look, after: _Look, witnesses: list[_Look], found: Difference) -> None:
    old, new = before.hosts.get(address), after.hosts.get(address)
    name = (new or old).hostname  # type: ignore[union-attr]
    if old is None:
        if not before.is_whole:  # it ended early, and may not have come to this host
            return
        found.hosts.append(HostChange(address, name, "appeared", True, "", new.mac_address if new else ""))
    elif new is None:
        if not after.is_whole:
            return
        is_gone = any(
            targets.contains(look.spans, _address(address)) and address not in look.hosts for look in witnesses
        )
        found.hosts.append(HostChange(address, name, "gone", is_gone, old.mac_address, ""))
        return
    else:
        for what, was, now in (("mac", old.mac_address, new.mac_address), ("hostname", old.hostname, new.hostname)):
            if was and now and was != now:
                found.hosts.append(HostChange(address, name, what, True, was, now))
    was_open, is_open = before.ports.get(address, {}), after.ports.get(address, {})
    for number in sorted(was_open.keys() | is_open.keys()):
        if number not in before.asked or number not in after.asked:
            continue
        was, now = was_open.get(number), is_open.get(number)
        if was is None and now is not None:
            if old is not None and not before.knows_ports_of(old):
                continue
            found.ports.append(PortChange(address, "tcp", number, now.service, "opened", True, "", now.banner))
        elif was is not None and now is None:
            if not after.knows_ports_of(new):
                continue
            is_closed = any(
                number in look.asked and address in look.hosts and number not in look.ports[address]
                for look in witnesses
            )
            found.ports.append(PortChange(address, "tcp", number, was.service, "closed", is_closed, was.banner, ""))
        elif was is not None and now is not None and was.banner and now.banner and was.banner != now.banner:
            found.ports.append(PortChange(address, "tcp", number, now.service, "service", True, was.banner, now.banner))
