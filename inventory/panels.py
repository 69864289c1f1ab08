"""Tabs of the device page. An app above registers one with a URL name that takes the device's id."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inventory.models import Device


@dataclass(frozen=True, slots=True)
class Panel:
    label: str
    url_name: str
    role: str = "viewer"
    is_for: "Callable[[Device], bool] | None" = None


PANELS: list[Panel] = []


def register(
    label: str, url_name: str, *, role: str = "viewer", is_for: "Callable[[Device], bool] | None" = None
) -> None:
    """`role` is the least that sees the tab, `is_for(device)` says which devices have it; left out, all.

    Raises ValueError for a second owner of the label or the URL.
    """
    if any(panel.label == label or panel.url_name == url_name for panel in PANELS):
        raise ValueError(f"A panel {label!r} or the URL {url_name!r} is registered already.")
    PANELS.append(Panel(label, url_name, role, is_for))
