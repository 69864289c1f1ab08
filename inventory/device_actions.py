"""What an admin may do with devices chosen from the list. An app above registers its own, so that inventory need not
import it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    from inventory.models import Device

# Called with the admin class, the request and the chosen devices; a response replaces the list.
Function = Callable[[Any, HttpRequest, "QuerySet[Device]"], Any]


@dataclass(frozen=True, slots=True)
class DeviceAction:
    name: str
    label: str
    function: Function


ACTIONS: dict[str, DeviceAction] = {}


def register(name: str, label: str, function: Function) -> None:
    """Raises ValueError when `name` has an owner already."""
    if name in ACTIONS:
        raise ValueError(f"device action {name!r} is registered twice")
    ACTIONS[name] = DeviceAction(name, label, function)
