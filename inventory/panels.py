"""Tabs of the device page. An app above registers one with a URL name that takes the device's id."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    label: str
    url_name: str
    role: str = "viewer"


PANELS: list[Panel] = []


def register(label: str, url_name: str, *, role: str = "viewer") -> None:
    """`role` is the least that sees the tab. Raises ValueError for a second owner of the label or the URL."""
    if any(panel.label == label or panel.url_name == url_name for panel in PANELS):
        raise ValueError(f"A panel {label!r} or the URL {url_name!r} is registered already.")
    PANELS.append(Panel(label, url_name, role))
