"""What the pages of VyOS routers show: figures in words, and what to do about the last error."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Prefetch, Q
from django.urls import reverse
from django.utils import timezone

from provisioning import fill as counted
from provisioning.models import ConfigChange, DhcpPool, DriftItem, PortPool, Quota, VyosRouter
from provisioning.services import capacity
from provisioning.services.capacity import Fill, Outlook

RELATED = ("endpoint__device__tenant", "endpoint__credential")
NEARLY, SOON = 0.9, timedelta(days=7)
QUEUE, LATEST = 20, 10
REMEDIES = {
    "unreachable": "Check that the router is up, that its HTTPS API is switched on, and the port of its endpoint.",
    "target_refused": "The target rules do not let netmon contact this address: an admin allows it, or corrects it.",
    "timeout": "The router is slow or hangs: look at its load; some builds hang until their web service is restarted.",
    "busy": "Somebody is at the router's configuration. netmon tries again by itself.",
    "auth_failed": "The API key is not the router's: enter the right one at the endpoint's credential.",
    "untrusted_peer": "Its certificate is not the one netmon trusts: if that is known, enter its new fingerprint.",
    "protocol_error": "What answers there is no VyOS API: check address and port.",
    "not_supported": "This version of VyOS cannot do what was asked: the error says what.",
    "rejected": "The router refused it and says why; what it refuses changes nothing.",
    "local_fault": "netmon itself could not ask: see its health page.",
}
KINDS = {"missing": "down", "differs": "degraded", "leftover": "maintenance", "foreign": "unknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How full something is, as a bar, numbers and words."""

    name: str
    about: str
    used: int
    size: int
    percent: int
    shape: str
    words: str

    @property
    def free(self) -> int:
        return max(0, self.size - self.used)


ABOUT = {"dhcp": "addresses", "ports": "ports", "rules": "rule numbers", "vms": "machines", "forwards": "forwards"}

NAMES = {"rules": "Rule numbers", "vms": "Machines", "forwards": "Forwards"}


def bar(fill: Fill, full_at: datetime | None = None, *, has_forecast: bool = True) -> Bar:
    """Of a quota nothing is foretold: who it limits decides."""
    now = timezone.now()
    if not fill.free:
        shape, words = "down", "Full: nothing can be given."
    elif full_at is not None and full_at - now <= SOON:
        shape, words = "degraded", f"Full in {_days(full_at - now)}, if it goes on as in the last fortnight."
    elif fill.share >= NEARLY:
        shape, words = "degraded", "Nearly full."
    elif full_at is not None:
        shape, words = "up", f"Full in {_days(full_at - now)}, if it goes on as in the last fortnight."
    else:
        shape, words = "up", "Not foreseen to fill." if has_forecast else "There is room."
    return Bar(
        name=NAMES.get(fill.kind, fill.name),
        about=ABOUT[fill.kind],
        used=fill.used,
        size=fill.size,
        percent=round(100 * fill.share),
        shape=shape,
        words=words,
    )


def _days(left: timedelta) -> str:
    if left < timedelta(days=1):
        return "less than a day"
    return f"{left.days} day{'' if left.days == 1 else 's'}"


def bars(outlooks: Sequence[Outlook]) -> list[Bar]:
    return [bar(one.fill, one.full_at) for one in outlooks]


def fullest(router: VyosRouter) -> Bar | None:
    """Of the pools of a router from `rows`, whose numbers came along."""
    pools: list[DhcpPool | PortPool] = [*router.dhcp_pools.all(), *router.port_pools.all()]
    fills = [
        Fill(kind="dhcp" if isinstance(pool, DhcpPool) else "ports", name=pool.name, used=counted.given_of(pool),
             size=counted.size_of(pool))
        for pool in pools
        if pool.is_enabled
    ]  # fmt: skip
    return bar(max(fills, key=lambda one: one.share)) if fills else None


def bars_of_quota(quota: Quota) -> list[Bar]:
    return [bar(one, has_forecast=False) for one in capacity.fill_of_quota(quota)]


def rows(user: Any) -> Any:
    """Routers that somebody sees, with what waits and differs there."""
    waiting = Count("changes", filter=Q(changes__status__in=ConfigChange.ACTIVE), distinct=True)
    return (
        VyosRouter.objects.visible_to(user)
        .select_related(*RELATED)
        .prefetch_related(
            Prefetch("dhcp_pools", counted.with_addresses(DhcpPool.objects.all())),
            Prefetch("port_pools", counted.with_ports(PortPool.objects.all())),
        )
        .annotate(waiting=waiting, drifting=Count("drift_items", distinct=True), machines=Count("vms", distinct=True))
        .order_by("endpoint__device__name_key", "pk")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a router stands, in a word and a shape; `remedy` is empty where there is nothing to do."""

    shape: str
    word: str
    remedy: str = ""


def standing(router: VyosRouter, drifting: int = 0) -> Standing:
    if router.last_error_code:
        remedy = REMEDIES.get(router.last_error_code, "")
        return Standing(shape="down", word="Last request failed", remedy=remedy)
    if router.last_read_at is None:
        return Standing(shape="unknown", word="Never read", remedy="Read it: netmon then knows its version.")
    if router.is_saved is False:
        return Standing(shape="degraded", word="Not saved", remedy="netmon saves it again each minute.")
    if drifting:
        return Standing(shape="degraded", word="Differs", remedy="Look at what differs: heal or adopt it.")
    return Standing(shape="up", word="As wished")


def saved_words(router: VyosRouter) -> tuple[str, str]:
    """Shape and words."""
    if router.is_saved is None:
        return "unknown", "Not known"
    return ("up", "Saved") if router.is_saved else ("degraded", "Not saved")


def tabs_of(router: VyosRouter, drifting: int) -> list[tuple[str, str, str, int]]:
    return [
        ("router", reverse("vyos-router", args=[router.pk]), "Router", 0),
        ("drift", reverse("vyos-drift", args=[router.pk]), "What differs", drifting),
        ("import", reverse("vyos-import", args=[router.pk]), "Take over", 0),
    ]


def queue_of(router: VyosRouter, user: Any) -> dict[str, Any]:
    """What waits, oldest first, and what ended last."""
    seen = ConfigChange.objects.visible_to(user).filter(router=router).select_related("requested_by")
    seen = seen.defer("lines", "undo", "diff")
    active = seen.filter(status__in=ConfigChange.ACTIVE)
    return {
        "waiting": list(active.order_by("pk")[:QUEUE]),
        "latest": list(seen.exclude(status__in=ConfigChange.ACTIVE).order_by("-pk")[:LATEST]),
    }


def drift_rows(router: VyosRouter) -> list[dict[str, Any]]:
    items = DriftItem.objects.filter(router=router).select_related("vm__device", "forward")
    return [{"item": item, "shape": KINDS[item.kind], "can_heal": item.kind != "foreign"} for item in items[:500]]
