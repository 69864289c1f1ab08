"""What the navigation of every page shows: devices by kind, and whether the poller keeps up."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from inventory.models import Device
from monitoring.services import health


@dataclass(frozen=True, slots=True)
class Group:
    """Kinds of devices that people look for together."""

    key: str
    label: str
    singular: str
    icon: str
    kinds: tuple[str, ...]


GROUPS = (
    Group("router", "Routers", "router", "router", ("router", "firewall")),
    Group("switch", "Switches", "switch", "switch-horizontal", ("switch",)),
    Group("computer", "Computers", "computer", "device-desktop", ("computer", "server", "vm")),
    Group("other", "Other devices", "device", "plug", ("camera", "other")),
)
BY_KIND = {kind: group for group in GROUPS for kind in group.kinds}


def group_named(key: str) -> Group | None:
    return next((group for group in GROUPS if group.key == key), None)


def watched(devices: "QuerySet[Any]") -> "QuerySet[Any]":
    """Devices in service, which are those that polling asks: what is planned or switched off is nobody's problem."""
    return devices.filter(status=Device.Status.ACTIVE)


def listed(devices: "QuerySet[Any]") -> "QuerySet[Any]":
    """What the list of devices shows: also what is not in service now."""
    return devices.exclude(status=Device.Status.RETIRED)


def groups(user: Any) -> list[tuple[Group, int]]:
    counts = listed(Device.objects.visible_to(user)).aggregate(
        **{group.key: Count("pk", filter=Q(kind__in=group.kinds)) for group in GROUPS}
    )
    return [(group, counts[group.key]) for group in GROUPS]


@dataclass(frozen=True, slots=True)
class Poller:
    lag_seconds: float

    @property
    def is_late(self) -> bool:
        return self.lag_seconds > health.LAG_LIMIT_SECONDS


def poller() -> Poller:
    return Poller(health.poller_lag_seconds(timezone.now()))
