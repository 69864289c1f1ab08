"""Which router and which pools a machine is made in."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from netmon.common.fields import fold
from provisioning.models import DhcpPool, PortPool, VyosRouter
from provisioning.services.wishes import VmWish

MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a machine goes. Without forwards no port pool is needed."""

    router: VyosRouter
    dhcp_pool: DhcpPool
    port_pool: PortPool | None


def choose(wish: VmWish, *, user: Any = None) -> Place:
    """What the wish names, else the only one that the person sees. Raises ValidationError, with what there is."""
    router = find_router(wish.router, user=user) if wish.router is not None else None
    dhcp_pool: DhcpPool = _pool("dhcp_pool", seen(DhcpPool, user), wish.dhcp_pool, router)
    router = dhcp_pool.router
    port_pool: PortPool | None = None
    if wish.wanted_ports or wish.port_pool is not None or wish.port_range is not None:
        port_pool = _pool("port_pool", seen(PortPool, user), wish.port_pool, router)
    return Place(router=router, dhcp_pool=dhcp_pool, port_pool=port_pool)


def seen(model: Any, user: Any) -> Any:
    """A command has no person and sees everything."""
    return model.objects.all() if user is None else model.objects.visible_to(user)


def find_router(reference: int | str, *, user: Any = None) -> VyosRouter:
    """By its number or its device's name. Raises ValidationError."""
    rows = seen(VyosRouter, user).select_related("endpoint__device__tenant")
    found = [row for row in rows if names(row.pk, row.device.name, reference)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{row} ({row.pk})" for row in list(rows)[:MOST_NAMED]) or "none"
    if found:
        raise ValidationError({"router": f"Several routers have this name: give a number; known are {known}."})
    raise ValidationError({"router": f"There is no router {str(reference)[:40]!r}; known are {known}."})


def names(number: int, name: str, reference: int | str) -> bool:
    """Whether a row's number or name is what was asked for."""
    return number == reference if isinstance(reference, int) else fold(name) == fold(reference)


def default_port_pool(router: VyosRouter) -> PortPool:
    """Of a machine that has no forward yet. Raises ValidationError."""
    pool: PortPool = _pool("port_pool", PortPool.objects.all(), None, router)
    return pool


def _pool(field: str, rows: Any, reference: int | str | None, router: VyosRouter | None) -> Any:
    rows = rows.select_related("router__endpoint__device__tenant")
    if field == "dhcp_pool":
        rows = rows.select_related("prefix")
    if router is not None:
        rows = rows.filter(router=router)
    rows = list(rows)
    where = f" at the router {router}" if router is not None else ""
    if reference is not None:
        found = [row for row in rows if names(row.pk, row.name, reference)]
        if len(found) == 1 and not found[0].is_enabled:
            raise ValidationError({field: f"The pool {found[0]} is switched off: choose another, or switch it on."})
    else:
        found = [row for row in rows if row.is_enabled]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{row} ({row.pk})" for row in rows[:MOST_NAMED] if row.is_enabled)
    if not known:
        raise ValidationError({field: f"There is no such pool{where}: an admin makes one first."})
    if found:
        raise ValidationError({field: f"Choose one of {known}."})
    raise ValidationError({field: f"There is no pool {str(reference)[:40]!r}{where}; known are {known}."})
