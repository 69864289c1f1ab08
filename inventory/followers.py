"""Who acts when the inventory changes, inside the same transaction: upper apps register here, so that inventory need
not import them (monitoring makes default checks for a new endpoint and marks the samples of a deleted device)."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inventory.models import ManagementEndpoint

EndpointsSaved = Callable[[Sequence["ManagementEndpoint"]], None]
EndpointsMade = Callable[[Sequence["ManagementEndpoint"]], None]
DevicesLeaving = Callable[[Iterable[int]], None]
InterfacesLeaving = Callable[[Iterable[int]], None]
EndpointsLeaving = Callable[[Iterable[int]], None]  # ids of their devices
EndpointLeft = Callable[[int], None]

ENDPOINTS_SAVED: dict[str, EndpointsSaved] = {}
ENDPOINTS_MADE: dict[str, EndpointsMade] = {}
DEVICES_LEAVING: dict[str, DevicesLeaving] = {}
INTERFACES_LEAVING: dict[str, InterfacesLeaving] = {}
ENDPOINTS_LEAVING: dict[str, EndpointsLeaving] = {}
ENDPOINT_LEFT: dict[str, EndpointLeft] = {}


def register(
    name: str,
    *,
    endpoints_saved: EndpointsSaved,
    endpoints_made: EndpointsMade,
    endpoints_leaving: EndpointsLeaving,
    endpoint_left: EndpointLeft,
    interfaces_leaving: InterfacesLeaving,
    devices_leaving: DevicesLeaving,
) -> None:
    """Raises ValueError when `name` follows already."""
    if name in ENDPOINTS_SAVED:
        raise ValueError(f"follower {name!r} is registered twice")
    ENDPOINTS_SAVED[name] = endpoints_saved
    ENDPOINTS_MADE[name] = endpoints_made
    ENDPOINTS_LEAVING[name] = endpoints_leaving
    ENDPOINT_LEFT[name] = endpoint_left
    INTERFACES_LEAVING[name] = interfaces_leaving
    DEVICES_LEAVING[name] = devices_leaving


def announce_endpoints(endpoints: "Sequence[ManagementEndpoint]") -> None:
    """Endpoints that are new or changed."""
    for follower in ENDPOINTS_SAVED.values():
        follower(endpoints)


def announce_new_endpoints(endpoints: "Sequence[ManagementEndpoint]") -> None:
    """Many endpoints of devices that are new themselves: what followers make for them they make in bulk."""
    for follower in ENDPOINTS_MADE.values():
        follower(endpoints)


def announce_leaving(device_ids: Iterable[int]) -> None:
    for follower in DEVICES_LEAVING.values():
        follower(device_ids)


def announce_interfaces_leaving(interface_ids: Iterable[int]) -> None:
    for follower in INTERFACES_LEAVING.values():
        follower(interface_ids)


def announce_endpoints_leaving(device_ids: Iterable[int]) -> None:
    for follower in ENDPOINTS_LEAVING.values():
        follower(device_ids)


def announce_endpoint_left(device_id: int) -> None:
    for follower in ENDPOINT_LEFT.values():
        follower(device_id)
