"""The last collected facts of a device: how old they are, why there is nothing newer, and what the device said."""

import ipaddress
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory.models import Device
from monitoring.models import Check, DeviceFact, ExpectedNeighbour
from netmon.common.errors import NetmonError

# Intervals of its check after which a fact is old.
STALE_AFTER = 3
MAX_RAW = 4 << 20


class NotCollected(NetmonError):
    """Nothing of this kind was ever read from the device."""

    code = "not_collected"
    http_status = 404


@dataclass(frozen=True, slots=True)
class Fact:
    """The last answer of one kind; `error_code` is why its check's last run brought nothing, if it did not."""

    kind: str
    data: dict[str, Any]
    collected_at: datetime
    is_stale: bool
    error_code: str
    error_detail: str
    raw: bytes | None

    def raw_text(self) -> str:
        """The device's own text, as it was kept; "" when none was."""
        return zlib.decompressobj().decompress(self.raw, MAX_RAW).decode(errors="replace") if self.raw else ""


# Which check brings which facts; of the others nothing but their age is known.
HOST_KINDS = (
    "cpu", "memory", "os_release", "disks", "uptime", "users", "units", "kernel", "processor", "device",
)  # fmt: skip
ROUTING_KINDS = (
    "bgp_summary", "ospf_neighbors", "ospf6_neighbors", "bfd", "rip", "interfaces", "routes_summary", "routing_table",
    "daemons", "routing_health",
)  # fmt: skip
MODULES = {**dict.fromkeys(HOST_KINDS, "ssh.host"), **dict.fromkeys(ROUTING_KINDS, "ssh.routing")}
# What is asked once an hour.
SLOW_KINDS = {"os_release", "kernel", "processor"}
SLOW_SECONDS = 3600


def get(device: Device, kind: str) -> Fact:
    """Raises NotCollected, which says why as far as it is known."""
    found = of(device, [kind])
    if kind in found:
        return found[kind]
    check = _checks(device).get(MODULES.get(kind, "ssh.host"))
    if check is None:
        detail = "No check of this device reads it: give it an SSH endpoint with a credential."
    elif check.last_error_code:
        detail = f"Nothing was read yet. {check.last_error_detail or check.last_error_code}"
    else:
        detail = "Nothing was read yet: ask with refresh=1, or wait for the next run."
    raise NotCollected(detail)


def of(device: Device, kinds: Iterable[str], *, with_raw: bool = True) -> dict[str, Fact]:
    """Those of the kinds that were ever read, by kind."""
    rows = DeviceFact.objects.filter(device=device, kind__in=list(kinds))
    checks = _checks(device)
    now = timezone.now()
    return {
        row.kind: _fact(row, checks.get(_module(row.kind, checks)), now)
        for row in (rows if with_raw else rows.defer("raw"))
    }


def _module(kind: str, checks: Mapping[str, Check]) -> str:
    if kind == "ntp":  # a host's clock comes with the host, a vendor's with its routing
        return "ssh.host" if "ssh.host" in checks else "ssh.routing"
    return MODULES.get(kind, "")


def _checks(device: Device) -> dict[str, Check]:
    return {check.module: check for check in Check.objects.filter(endpoint__device=device, endpoint__protocol="ssh")}


def _fact(row: DeviceFact, check: Check | None, now: datetime) -> Fact:
    every = max(check.interval_seconds, SLOW_SECONDS if row.kind in SLOW_KINDS else 0) if check else 0
    is_stale = check is None or now - row.collected_at > timedelta(seconds=STALE_AFTER * every)
    raw = row.__dict__.get("raw")
    return Fact(
        kind=row.kind,
        data=row.data,
        collected_at=row.collected_at,
        is_stale=is_stale,
        error_code=check.last_error_code if check else "",
        error_detail=check.last_error_detail if check else "",
        raw=bytes(raw) if raw is not None else None,
    )


def routes(table: Mapping[str, Any], *, family: str = "", prefix: str = "", protocol: str = "") -> list[dict[str, Any]]:
    """The routes of a fact "routing_table" that fit.

    A prefix finds itself and what lies within; an address, or a prefix that no route is within, finds the routes that
    cover it, the most exact first. Raises ValueError for what is neither.
    """
    value = table.get("value") or {}
    rows = [row for row in value.get("routes", []) if not family or row["family"] == family]
    if protocol:
        rows = [row for row in rows if row["protocol"] == protocol]
    if not prefix:
        return rows
    wanted = ipaddress.ip_network(prefix.strip(), strict=False)
    same = [
        (network, row) for row in rows if (network := _network(row)) is not None and network.version == wanted.version
    ]
    within = [row for network, row in same if network.subnet_of(wanted)]  # type: ignore[arg-type]
    if within:
        return within
    covering = [(network, row) for network, row in same if wanted.subnet_of(network)]  # type: ignore[arg-type]
    return [row for _, row in sorted(covering, key=lambda pair: -pair[0].prefixlen)]


def _network(row: Mapping[str, Any]) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(row["prefix"], strict=False)
    except ValueError:
        return None


def adopt_neighbours(device: Device) -> list[ExpectedNeighbour]:
    """Expect what the last readings had: established BGP peers, OSPF neighbours that are well. Returns the new ones."""
    found: set[tuple[str, str]] = set()
    for kind, protocol in (("bgp_summary", "bgp"), ("ospf_neighbors", "ospf"), ("ospf6_neighbors", "ospf6")):
        row = DeviceFact.objects.filter(device=device, kind=kind).first()
        value = (row.data.get("value") if row else None) or {}
        found |= {(protocol, peer["address"]) for peer in value.get("peers", []) if peer["is_established"]}
        found |= {(protocol, one["router_id"]) for one in value.get("neighbors", []) if one["is_normal"]}
    known = set(ExpectedNeighbour.objects.filter(device=device).values_list("protocol", "neighbour"))
    added = []
    for protocol, neighbour in sorted(found - known):
        row_ = ExpectedNeighbour(device=device, protocol=protocol, neighbour=neighbour)
        try:
            row_.full_clean()
        except ValidationError:  # an unnumbered peer is named by its interface, which is no address
            continue
        row_.save()
        added.append(row_)
    return added
