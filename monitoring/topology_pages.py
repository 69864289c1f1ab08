"""What a device is reached through and what is behind it, as its page shows it. Reads only."""

from dataclasses import dataclass
from typing import Any

from inventory.models import Dependency, Device
from monitoring import alert_story
from monitoring.alerting import situation

LAYERS = 4
PER_LAYER = 3


@dataclass(frozen=True, slots=True)
class Way:
    """The path to a device, farthest first, and what it is told by."""

    layers: list[list[tuple[int, str]]]
    is_longer: bool
    parents: list[Dependency]
    proposals: list[Dependency]
    hypervisor: Device | None
    behind: alert_story.Behind


def way(user: Any, device: Device) -> Way:
    graph = situation.load_graph()
    layers = graph.path(device.pk) if device.pk in graph.nodes else []
    names = dict(
        Device.objects.visible_to(user)
        .filter(pk__in={pk for layer in layers[:LAYERS] for pk in layer})
        .values_list("pk", "name")
    )
    shown = [[(pk, names[pk]) for pk in layer if pk in names][:PER_LAYER] for layer in layers[:LAYERS]]
    rows = (
        Dependency.objects.filter(device=device, parent__in=Device.objects.visible_to(user))
        .select_related("parent")
        .order_by("parent__name_key")
    )
    found = list(rows[:200])
    hypervisor = Device.objects.visible_to(user).filter(pk=device.hypervisor_id).first()
    return Way(
        layers=[layer for layer in reversed(shown) if layer],
        is_longer=len(layers) > LAYERS,
        parents=[row for row in found if row.is_confirmed],
        proposals=[row for row in found if not row.is_confirmed],
        hypervisor=hypervisor,
        behind=alert_story.behind(user, device.pk, graph),
    )
