"""The map of a prefix: which of its addresses are used, free, silent or unknown."""

from dataclasses import dataclass
from typing import Any

from inventory.models import Device, IPAddress, Prefix
from netmon.common.addresses import address_key, parse_address, parse_prefix
from scanning import guard, targets
from scanning.models import Scan, SeenHost
from scanning.targets import Span
from scanning.visibility import visible_device

MAX_CELLS = 4096
# used: in the inventory and answering; silent: in the inventory and not; found: answering, not in the inventory;
# gone: answered once; free: looked at, and nobody there; excluded: never looked at; unknown: nobody has looked.
STATES = ("used", "silent", "found", "gone", "free", "excluded", "unknown")


@dataclass(frozen=True, slots=True)
class Cell:
    """One address."""

    address: str
    state: str
    name: str = ""
    device_id: int | None = None
    host_id: int | None = None


@dataclass(frozen=True, slots=True)
class PrefixMap:
    """`cells` are all addresses of a small prefix, of a large one only those of which something is known."""

    prefix: Prefix
    total: int
    counts: dict[str, int]
    cells: list[Cell]
    is_complete: bool
    looked_at: Any = None


def prefix_map(prefix: Prefix, user: Any) -> PrefixMap:
    """What is known of each address of a prefix, of what the person may see. At most 4,096 cells."""
    network = parse_prefix(prefix.cidr)
    whole = Span.of_network(network)
    tenant = prefix.site.tenant if prefix.site else None
    first, last = targets.key_of(whole, whole.first), targets.key_of(whole, whole.last)
    addresses = IPAddress.objects.visible_to(user).filter(address_key__gte=first, address_key__lte=last)
    # An address and its device may be of different tenants.
    theirs = Device.objects.visible_to(user)
    addresses = addresses.filter(interface__device__in=theirs) if user.tenant_ids else addresses
    used = {
        row[0]: row
        for row in addresses.filter(interface__isnull=False).values_list(
            "address", "interface__device_id", "interface__device__name"
        )[: MAX_CELLS + 1]
    }
    hosts = SeenHost.objects.visible_to(user).filter(address_key__gte=first, address_key__lte=last)
    if tenant is not None:
        hosts = hosts.filter(tenant=tenant)
    seen: dict[str, SeenHost] = {}
    # The first one of an address counts: who is present, and met last.
    for host in hosts.order_by("-is_present", "-last_seen_at").select_related("device")[: MAX_CELLS * 2]:
        host.device = visible_device(host.device, user)
        seen.setdefault(host.address, host)
    looked, looked_at = _looked_at(user, whole)
    excluded = [span for span, _ in guard.excluded_spans((whole,), tenant)]
    is_complete = whole.count <= MAX_CELLS
    if is_complete:
        wanted = [str(address) for address in whole]
    else:
        known = {text: address_key(parse_address(text)) for text in (*used, *seen)}
        wanted = sorted(known, key=lambda text: known[text])[:MAX_CELLS]
    cells = [_cell(text, used, seen, looked, excluded) for text in wanted]
    counts = dict.fromkeys(STATES, 0)
    for cell in cells:
        counts[cell.state] += 1
    if not is_complete:
        free = targets.count(targets.without(targets.within([whole], looked), excluded))
        counts["free"] = max(0, free - counts["used"] - counts["found"] - counts["silent"] - counts["gone"])
        counts["excluded"] = targets.count(targets.within([whole], excluded))
        counts["unknown"] = max(0, whole.count - sum(counts.values()))
    return PrefixMap(prefix, whole.count, counts, cells, is_complete, looked_at)


def _looked_at(user: Any, whole: Span) -> tuple[tuple[Span, ...], Any]:
    """The addresses that finished scans have looked at, and when the last of these ended."""
    scans = Scan.objects.visible_to(user).filter(outcome=Scan.Outcome.SUCCEEDED).exclude(kind=Scan.Kind.PORTS)
    found: tuple[Span, ...] = ()
    latest = None
    columns = ("spans", "notes__not_asked", "finished_at")
    for spans, not_asked, finished_at in scans.order_by("-finished_at").values_list(*columns)[:500]:
        touched = targets.within([whole], targets.looked_at(spans, not_asked))
        if touched:
            found = targets.merged([*found, *touched])
            latest = latest or finished_at
        if targets.count(found) == whole.count:
            break
    return found, latest


def _cell(
    text: str, used: dict[str, Any], seen: dict[str, SeenHost], looked: tuple[Span, ...], excluded: list[Span]
) -> Cell:
    address, host = parse_address(text), seen.get(text)
    is_present = host is not None and host.is_present
    if text in used or (host is not None and host.device is not None and is_present):
        _, device_id, name = used.get(text) or (text, host.device_id, host.device.name)  # type: ignore[union-attr]
        was_looked_at = targets.contains(looked, address)
        state = "used" if is_present or not was_looked_at else "silent"
        return Cell(text, state, name, device_id, host.pk if host else None)
    if host is not None:
        return Cell(text, "found" if is_present else "gone", host.hostname or host.vendor, None, host.pk)
    if targets.contains(excluded, address):
        return Cell(text, "excluded")
    return Cell(text, "free" if targets.contains(looked, address) else "unknown")
