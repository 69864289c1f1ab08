"""What is true of machines now: leases and hits as their router tells them, and when they were last seen."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from monitoring.models import Check, DeviceState
from netmon.common.errors import NetmonError
from netmon.common.queue import REFRESH_ROUTER, send_after_commit
from netmon.drivers.errors import DriverError
from netmon.drivers.vyos import Lease, RuleCount, read_leases, read_statistics
from provisioning.models import DhcpReservation, PortForward, Vm, VyosRouter
from provisioning.services import routers

log = logging.getLogger(__name__)

BATCH = 200
EVERY_SECONDS = 300
NO_LEASE = "none"  # the router was asked and holds no lease of it
MOST_COUNT = (1 << 63) - 1
LEASES, STATISTICS = ("dhcp", "server", "leases"), ("nat", "destination", "statistics")
ACTIVE_LEASES = {"active"}
FRESH = timedelta(minutes=15)


@dataclass(slots=True)
class Refreshed:
    """What a router told. `unknown` says what it did not, a sentence each: then what was known stays as it was."""

    leases: int | None = None
    rules: int | None = None
    unknown: list[str] = field(default_factory=list)


def refresh(router: VyosRouter, *, wait_seconds: float = 5.0) -> Refreshed:
    """Read leases and hits of a router's machines and keep them.

    Raises RouterBusy, RouterFailed, and what makes its endpoint unusable (NetmonError).
    """
    found = Refreshed()
    has_leases = DhcpReservation.objects.filter(router=router).exclude(desired="absent").exists()
    has_rules = PortForward.objects.filter(vm__router=router).exclude(desired="absent").exists()
    if not has_leases and not has_rules:
        return found
    leases: list[Lease] | None = None
    counts: dict[int, RuleCount] | None = None
    try:
        with routers.session(router, wait_seconds=wait_seconds) as asked:
            if has_leases:
                leases = read_leases(asked.call(asked.client.show, LEASES))
            if has_rules:
                counts = read_statistics(asked.call(asked.client.show, STATISTICS))
    except DriverError as error:
        raise routers.failed(router, error) from None
    now = timezone.now()
    if leases is not None:
        found.leases = keep_leases(router, leases, now)
    elif has_leases:
        found.unknown.append("The router's table of leases is not understood: its version prints another layout.")
    if counts is not None:
        found.rules = keep_counts(router, counts, now)
    elif has_rules:
        found.unknown.append("The router's table of NAT statistics is not understood: its version prints another.")
    return found


def spread() -> int:
    """Have every router with machines refreshed, a task each: one that is slow keeps no other waiting."""
    rows = VyosRouter.objects.filter(vms__isnull=False, endpoint__is_enabled=True).distinct()
    numbers = list(rows.order_by("pk").values_list("pk", flat=True))
    for number in numbers:
        send_after_commit(REFRESH_ROUTER, number, expires=EVERY_SECONDS)
    return len(numbers)


def refresh_quietly(router_id: int) -> list[str]:
    """The worker's: what was not known, and why, a sentence each; also in the log. The next round asks again."""
    rows = VyosRouter.objects.select_related("endpoint__device__tenant", "endpoint__credential")
    if (router := rows.filter(pk=router_id).first()) is None:
        return []
    try:
        unknown = refresh(router, wait_seconds=1.0).unknown
    except NetmonError as error:
        unknown = [error.detail]
    except routers.LeaseLost:
        unknown = ["Another process is asking the router."]
    for words in unknown:
        log.warning("leases and hits of the router %s are not known: %s", router.pk, words)
    return unknown


@transaction.atomic
def keep_leases(router: VyosRouter, leases: Sequence[Lease], now: datetime) -> int:
    """Note at each reservation what the router holds for its MAC address, else for its address. Returns how many have
    a lease. A lease of the address that is somebody else's says so in its state."""
    by_mac = {lease.mac_address: lease for lease in leases if lease.mac_address}
    by_address = {lease.address: lease for lease in leases}
    rows = list(DhcpReservation.objects.select_for_update().filter(router=router).order_by("pk"))
    held = 0
    for row in rows:
        lease = by_mac.get(row.mac_address) or by_address.get(row.address)
        row.lease_state, row.lease_ends, row.lease_read_at = _said(row, lease), lease.ends[:64] if lease else "", now
        held += lease is not None
    DhcpReservation.objects.bulk_update(rows, ["lease_state", "lease_ends", "lease_read_at"], batch_size=BATCH)
    return held


def _said(row: DhcpReservation, lease: Lease | None) -> str:
    if lease is None:
        return NO_LEASE
    if lease.mac_address and lease.mac_address != row.mac_address:
        return f"held by {lease.mac_address}"
    state = lease.state.lower() or "unnamed"
    # A machine keeps the address that it had before its mapping until it renews.
    return (state if lease.address == row.address else f"{state} at {lease.address}")[:32]


@transaction.atomic
def keep_counts(router: VyosRouter, counts: dict[int, RuleCount], now: datetime) -> int:
    """Note at each forward what its rule counted. Returns how many were counted.

    A rule that is not in the table keeps its figures. A count that is lower than before started anew: with the router,
    or with the rule; what it has counted since is new, too.
    """
    rows = PortForward.objects.select_for_update(of=("self",)).filter(vm__router=router).exclude(desired="absent")
    changed = []
    for row in rows.order_by("pk"):
        count = counts.get(row.rule_number)
        if count is None:
            continue
        packets, size_bytes = min(count.packets, MOST_COUNT), min(count.size_bytes, MOST_COUNT)
        before = row.hit_packets
        # At the first look nobody knows when it was hit.
        if before is not None and (packets > before or 0 < packets < before):
            row.last_hit_at = now
        row.hit_packets, row.hit_bytes, row.hits_read_at = packets, size_bytes, now
        changed.append(row)
    PortForward.objects.bulk_update(
        changed, ["hit_packets", "hit_bytes", "hits_read_at", "last_hit_at"], batch_size=BATCH
    )
    return len(changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """When a machine was last seen, and by what: `checks`, `lease` or `hits`. Of a machine never seen `at` is None."""

    at: datetime | None
    by: str = ""
    words: str = "It was not seen yet."


def last_seen(vm: Vm) -> Seen:
    """The latest sign of a machine: an answer to netmon, traffic to one of its forwards, or its lease.

    Hits say that somebody came, not that it answered, so a later answer or lease goes before them.
    """
    return last_seen_of([vm])[vm.pk]


def last_seen_of(machines: Sequence[Vm]) -> dict[int, Seen]:
    """The same for many, by their id, in four queries."""
    ids = [vm.pk for vm in machines]
    devices = {vm.device_id: vm.pk for vm in machines}
    signs: dict[int, list[Seen]] = {pk: [] for pk in ids}
    states = dict(DeviceState.objects.filter(device__in=devices).values_list("device_id", "state"))
    answers = Check.objects.filter(endpoint__device__in=devices, last_success_at__isnull=False)
    for device_id, module, at in answers.values_list("endpoint__device_id", "module", "last_success_at"):
        is_up = states.get(device_id) in (DeviceState.State.UP, DeviceState.State.DEGRADED)
        words = f"It answers {'now' if is_up else 'no more; it did'} ({module})."
        signs[devices[device_id]].append(Seen(at=at, by="checks", words=words))
    rows = DhcpReservation.objects.filter(vm__in=ids, lease_state__in=ACTIVE_LEASES, lease_read_at__isnull=False)
    for vm_id, at in rows.values_list("vm_id", "lease_read_at"):
        signs[vm_id].append(Seen(at=at, by="lease", words="It has its lease from the router."))
    hits = PortForward.objects.filter(vm__in=ids, last_hit_at__isnull=False)
    for vm_id, name, at in hits.values_list("vm_id", "name", "last_hit_at"):
        signs[vm_id].append(Seen(at=at, by="hits", words=f"Somebody came by its forward {name}."))
    return {pk: max(its, key=_rank, default=Seen(at=None)) for pk, its in signs.items()}


def _rank(seen: Seen) -> tuple[datetime, bool]:
    """Signs of the same quarter of an hour count as one moment; an answer is the better one of these."""
    assert seen.at is not None
    seconds = int(FRESH.total_seconds())
    start = datetime.fromtimestamp(int(seen.at.timestamp()) // seconds * seconds, tz=seen.at.tzinfo)
    return start, seen.by != "hits"
