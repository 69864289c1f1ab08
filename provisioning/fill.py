"""How full pools are, counted by the database for a whole list at once."""

from ipaddress import IPv4Address
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from provisioning.models import DhcpPool, DhcpReservation, PortClaim, PortForward, PortPool, Quota, Vm


def _count(rows: Any, column: str, outer: str = "pk", *, of: str = "pk") -> Any:
    """How many rows of another table point here by `column`, or how many different ones of `of`."""
    counted = Count(of, distinct=of != "pk")
    found = rows.order_by().filter(**{column: OuterRef(outer)}).values(column).annotate(n=counted).values("n")
    return Coalesce(Subquery(found), 0)


def with_addresses(pools: QuerySet[DhcpPool]) -> QuerySet[DhcpPool]:
    return pools.annotate(given=_count(DhcpReservation.objects, "pool"))


def with_ports(pools: QuerySet[PortPool]) -> QuerySet[PortPool]:
    return pools.annotate(given=_count(PortClaim.objects, "pool", of="port"))


def with_use(quotas: Any) -> Any:
    """Quotas with `used_vms` and `used_forwards`, of the person or the tenant that each is about."""
    return quotas.annotate(
        used_vms=_count(Vm.objects, "owner", "owner") + _count(Vm.objects, "device__tenant", "tenant"),
        used_forwards=_count(PortForward.objects, "vm__owner", "owner")
        + _count(PortForward.objects, "vm__device__tenant", "tenant"),
    )


def size_of(pool: DhcpPool | PortPool) -> int:
    """Addresses or ports from the first to the last."""
    if isinstance(pool, DhcpPool):
        return int(IPv4Address(pool.range_end)) - int(IPv4Address(pool.range_start)) + 1
    return pool.port_end - pool.port_start + 1


def given_of(pool: DhcpPool | PortPool) -> int:
    """Counted along with the list, else now: of a row that was just made."""
    counted = getattr(pool, "given", None)
    if counted is not None:
        return int(counted)
    if isinstance(pool, DhcpPool):
        return pool.reservations.count()
    return pool.claims.values("port").distinct().count()


def use_of(quota: Quota, what: str) -> int:
    """`used_vms` or `used_forwards`, counted along with the list, else now."""
    counted = getattr(quota, what, None)
    if counted is None:
        counted = getattr(with_use(Quota.objects.filter(pk=quota.pk)).get(), what)
    return int(counted)
