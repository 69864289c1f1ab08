"""How full pools are, and when they will be.

Rows that were deleted are gone, so what was given over time cannot be counted from them: pools are measured once an
hour (`measure`, metric set "provisioning.pool" at the router's device), and the forecast follows what was in use in the
last fortnight, deletions included.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from monitoring import metrics
from monitoring.metrics import Column, MetricSet
from monitoring.models import Series
from monitoring.services.leaving import bury
from monitoring.store import read as store
from monitoring.store.write import CurrentWrite, SampleWrite, update_current, write_many
from netmon.drivers.platforms.linux import days_until_full
from provisioning.models import DhcpPool, PortClaim, PortForward, PortPool, Quota, RuleClaim, Vm, VyosRouter
from provisioning.services import allocation

HOUR = 3600
TREND = timedelta(days=14)
POOL = metrics.register(
    MetricSet(
        "provisioning.pool",
        "Pool",
        (
            Column("used", "", 1, label="In use"),
            Column("size", "", 1, label="Size"),
            Column("used_percent", "%", 0.1, label="Share in use"),
        ),
        period_seconds=HOUR,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How much of something is given away. `share` is 0 to 1; of what has no size at all it is 1."""

    kind: str  # dhcp, ports, rules, vms or forwards
    name: str
    used: int
    size: int
    pk: int = 0

    @property
    def free(self) -> int:
        return max(0, self.size - self.used)

    @property
    def share(self) -> float:
        return min(1.0, self.used / self.size) if self.size > 0 else 1.0

    @property
    def words(self) -> str:
        what = {"dhcp": "DHCP pool", "ports": "Port pool", "rules": "Rule numbers of"}.get(self.kind, self.kind)
        return f"{what} {self.name}"


def fill(pool: DhcpPool | PortPool | VyosRouter) -> Fill:
    """Of a pool, or of the rule numbers that netmon may use at a router.

    What others hold counts as used: inventory addresses in a pool, ports of another pool that are the same at the
    router. Of ports it is the protocol that has fewer left, of rules destination NAT, which forwards need.
    """
    if isinstance(pool, DhcpPool):
        size = _givable(pool)
        return Fill(kind="dhcp", name=pool.name, used=size - allocation.free_addresses(pool), size=size, pk=pool.pk)
    if isinstance(pool, PortPool):
        return _ports(pool)
    rows = RuleClaim.objects.filter(
        router=pool, chain="destination", number__range=(pool.rule_start, pool.rule_end)
    ).count()
    return Fill(kind="rules", name=str(pool), used=rows, size=pool.rule_end - pool.rule_start + 1, pk=pool.pk)


def fill_of_quota(quota: Quota) -> list[Fill]:
    """Of the limits that a quota sets. What is being removed counts until its router is clean, as in `check_quotas`."""
    vms = Vm.objects.filter(owner=quota.owner_id) if quota.owner_id else Vm.objects.filter(device__tenant=quota.tenant)
    name = str(quota.owner or quota.tenant)
    found = []
    if quota.max_vms is not None:
        found.append(Fill(kind="vms", name=name, used=vms.count(), size=quota.max_vms, pk=quota.pk))
    if quota.max_forwards is not None:
        used = PortForward.objects.filter(vm__in=vms).count()
        found.append(Fill(kind="forwards", name=name, used=used, size=quota.max_forwards, pk=quota.pk))
    return found


def _givable(pool: DhcpPool) -> int:
    first, last = IPv4Address(pool.range_start), IPv4Address(pool.range_end)
    never = {pool.network.network_address, pool.network.broadcast_address}
    never |= {IPv4Address(pool.gateway)} if pool.gateway else set()
    return int(last) - int(first) + 1 - sum(first <= address <= last for address in never)


def _ports(pool: PortPool) -> Fill:
    met = [other.pk for other in PortPool.objects.filter(router=pool.router_id) if pool.meets(other)]
    claims = PortClaim.objects.filter(pool__in=met, port__range=(pool.port_start, pool.port_end))
    rows = claims.order_by().values_list("protocol").annotate(n=Count("port", distinct=True))
    used = max((count for _, count in rows), default=0)
    return Fill(kind="ports", name=pool.name, used=used, size=pool.port_end - pool.port_start + 1, pk=pool.pk)


def full_at(pool: DhcpPool | PortPool | VyosRouter, now: datetime | None = None) -> datetime | None:
    """When it will be full if things go on as in the last fortnight. None when it does not fill, when that is years
    off, or when it was not measured for long enough (eight times) to tell."""
    now = now or timezone.now()
    held = fill(pool)
    frames = list(_frames(_series(pool), now).values())
    return _forecast(frames[0] if frames else None, held, now)


def _frames(rows: Iterable[Series], now: datetime) -> dict[int, store.Frame]:
    return store.read_many(rows, now - TREND, now, step=HOUR, now=now.timestamp())


def _forecast(frame: store.Frame | None, held: Fill, now: datetime) -> datetime | None:
    if not held.free:
        return now
    if frame is None:
        return None
    column = frame.columns.index("used")
    points = [
        (float(at), float(value))
        for at, value, count in zip(frame.times, frame.average[:, column], frame.count[:, column], strict=True)
        if count
    ]
    days = days_until_full(points, held.size)
    return None if days is None else now + timedelta(days=days)


def _labels(held: Fill) -> str:
    return f"kind={held.kind},pool={held.pk}"


def _series(pool: DhcpPool | PortPool | VyosRouter) -> QuerySet[Series]:
    kind = {DhcpPool: "dhcp", PortPool: "ports", VyosRouter: "rules"}[type(pool)]
    return Series.objects.filter(metric_set=POOL.key, labels=f"kind={kind},pool={pool.pk}", interface=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A pool of a router as it is, and when it will be full."""

    router: VyosRouter
    fill: Fill
    full_at: datetime | None


def outlooks(routers: Iterable[VyosRouter], now: datetime | None = None) -> list[Outlook]:
    """Of all pools that are switched on, and of the rule numbers."""
    now = now or timezone.now()
    routers = list(routers)
    devices = [router.device.pk for router in routers]
    rows = list(Series.objects.filter(device__in=devices, metric_set=POOL.key, interface=None))
    frames = _frames(rows, now)
    series = {(row.device_id, row.labels): frames[row.pk] for row in rows}
    found = []
    for router in routers:
        for held in _fills(router):
            at = _forecast(series.get((router.device.pk, _labels(held))), held, now)
            found.append(Outlook(router=router, fill=held, full_at=at))
    return found


def _fills(router: VyosRouter) -> Iterator[Fill]:
    for pool in router.dhcp_pools.filter(is_enabled=True).select_related("prefix", "router__endpoint__device__tenant"):
        yield fill(pool)
    for ports in router.port_pools.filter(is_enabled=True):
        yield fill(ports)
    yield fill(router)


def measure(now: datetime | None = None) -> int:
    """Note how full everything is, once an hour. Returns the number of pools.

    Series of pools that are gone or switched off go with them.
    """
    now = now or timezone.now()
    slot = int(now.timestamp()) // HOUR * HOUR
    wanted: dict[tuple[int, str], Fill] = {}
    for router in VyosRouter.objects.select_related("endpoint__device"):
        wanted |= {(router.endpoint.device_id, _labels(held)): held for held in _fills(router)}
    known = {(row.device_id, row.labels): row for row in Series.objects.filter(metric_set=POOL.key, interface=None)}
    gone = [row.pk for key, row in known.items() if key not in wanted]
    if gone:
        bury(Series.objects.filter(pk__in=gone))
    new = [
        Series(device_id=device_id, metric_set=POOL.key, labels=labels, period_seconds=HOUR)
        for device_id, labels in wanted
        if (device_id, labels) not in known
    ]
    Series.objects.bulk_create(new, batch_size=200, ignore_conflicts=True)
    ids = Series.objects.filter(Q(metric_set=POOL.key), interface=None).values_list("device_id", "labels", "pk")
    by_key = {(device_id, labels): pk for device_id, labels, pk in ids}
    rows = {by_key[key]: held for key, held in wanted.items()}
    values = {pk: [float(held.used), float(held.size), 100 * held.share] for pk, held in rows.items()}
    write_many([SampleWrite(pk, slot, its) for pk, its in values.items()])
    update_current([CurrentWrite(pk, now.timestamp(), its, None) for pk, its in values.items()])
    return len(values)
