"""What hangs on a device, and a drill, as far as somebody may see it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from inventory.models import Device
from monitoring.alerting import drill, situation

SHOWN = 200


def around(device: Device, user: Any) -> dict[str, Any]:
    """The layers above a device, the nearest first, and what is reached only through it."""
    graph = situation.load_graph()
    layers, behind = graph.path(device.pk), graph.behind({device.pk})
    nodes = _nodes({pk for layer in layers for pk in layer} | behind, user)
    shown = [[nodes[pk] for pk in layer if pk in nodes] for layer in layers]
    cut = sorted((nodes[pk] for pk in behind if pk in nodes), key=lambda node: node["name"])
    return {"path": [layer for layer in shown if layer], "behind_count": len(cut), "behind": cut[:SHOWN]}


def _nodes(ids: Collection[int], user: Any) -> dict[int, dict[str, Any]]:
    rows = Device.objects.visible_to(user).filter(pk__in=ids).values_list("pk", "name", "kind", "state__state")
    return {pk: {"id": pk, "name": name, "kind": kind, "state": state or "unknown"} for pk, name, kind, state in rows}


def rehearsed(device_ids: Collection[int], user: Any, now: datetime) -> dict[str, Any]:
    """A drill of devices that the person sees; of what hangs on them, what they see too. None is who runs netmon."""
    found = drill.drill(device_ids, now)
    ids = {pk for pk, _, _ in found.behind}
    rows = Device.objects.all() if user is None else Device.objects.visible_to(user)
    visible = dict(rows.filter(pk__in={*ids, *device_ids}).values_list("pk", "tenant__name"))
    behind = [{"id": pk, "name": name, "kind": kind} for pk, name, kind in found.behind if pk in visible]
    return {
        "faults": [
            {
                "device": fault.device_id,
                "device_name": fault.device,
                "state": fault.state,
                "severity": fault.severity,
                "rule": fault.rule,
                "told": [
                    {
                        "step": told.step,
                        "after_seconds": told.after_seconds,
                        "contact": told.contact,
                        "channel": told.channel,
                        "held": told.held,
                        "at": told.at,
                    }
                    for told in fault.told
                ],
                "why_silent": fault.why_silent,
            }
            for fault in found.faults
        ],
        "behind_count": len(behind),
        "behind": behind[:SHOWN],
        "tenants": sorted({name for name in visible.values() if name}),
    }
