"""The devices that a command is to work on: those named, or with --all every one that fits."""

from typing import Any

from django.core.management.base import CommandError

from inventory.models import Device
from netmon.common.fields import fold

USAGE, NOT_FOUND = 2, 4


def require_names_or_all(options: dict[str, Any]) -> None:
    if bool(options["names"]) == options["all"]:
        raise CommandError("Name devices, or write --all.", returncode=USAGE)


def devices(names: list[str], *, nothing: str, **fitting: Any) -> list[Device]:
    """By name; without names all active ones to which `fitting` applies, and if there is none, `nothing` is said."""
    rows = Device.objects.select_related("primary_ip").order_by("name_key", "pk")
    if not names:
        found = list(rows.filter(status=Device.Status.ACTIVE, **fitting).distinct())
        if not found:
            raise CommandError(nothing, returncode=NOT_FOUND)
        return found
    found = list(rows.filter(name_key__in={fold(name) for name in names}))
    known = {device.name_key for device in found}
    if missing := [name for name in names if fold(name) not in known]:
        raise CommandError(f"No such device: {', '.join(missing)}.", returncode=NOT_FOUND)
    return found
