"""What changed near an alert just before it began: the question that everybody asks first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from inventory.models import Device
from monitoring.alerting import wording
from monitoring.alerting.graph import Graph
from monitoring.alerting.rulebook import Scope
from monitoring.alerting.situation import devices_in
from monitoring.alerting.windows import present
from monitoring.models.alerts import Alert
from monitoring.models.facts import DeviceEvent
from monitoring.models.rules import MaintenanceWindow
from monitoring.notifying.messages import Change
from netmon.audit.models import AuditEvent

HOUR = timedelta(minutes=60)
MOST = 10
READ = 50  # of each kind, the newest
VERBS = {"create": "added", "update": "changed", "delete": "deleted"}
DEVICE = "inventory.device"
# The alert's own story is no change of the network.
NOT_CHANGES = ("monitoring.alert", "monitoring.alertevent", "monitoring.notification")


@dataclass(frozen=True, slots=True)
class Near:
    """The device of an alert or one on the way to it. Of a foreign tenant's only its name and the kind are told."""

    name: str
    distance: int
    is_foreign: bool


def before(alert: Alert, graph: Graph) -> tuple[Change, ...]:
    """The changes in the hour before the alert on its device and on the way there, nearest first, newest first."""
    if alert.device_id is None or alert.device is None:
        return ()
    near = _near(alert.device, graph)
    since, until = alert.started_at - HOUR, alert.started_at
    found = [
        *_events(near, since, until),
        *_written(near, since, until),
        *_maintenance(alert.device_id, near, graph, since, until),
    ]
    found.sort(key=lambda pair: (near[pair[0]].distance, -pair[1].at.timestamp()))
    return tuple(change for _, change in found[:MOST])


def _near(device: Device, graph: Graph) -> dict[int, Near]:
    distances = {device.pk: 0}
    for number, layer in enumerate(graph.path(device.pk), start=1):
        distances |= dict.fromkeys(layer, number)
    rows = Device.objects.filter(pk__in=distances).values_list("pk", "name", "tenant_id")
    return {
        pk: Near(wording.clean(name, 100), distances[pk], tenant_id is not None and tenant_id != device.tenant_id)
        for pk, name, tenant_id in rows
    }


def _events(near: Mapping[int, Near], since: datetime, until: datetime) -> Iterable[tuple[int, Change]]:
    """Changed configurations are among them."""
    for row in DeviceEvent.objects.filter(device__in=near, at__gte=since, at__lt=until).order_by("-at", "-pk")[:READ]:
        one = near[row.device_id]
        if one.is_foreign:
            yield row.device_id, Change(row.at, one.name, wording.clean(row.words, 60))
            continue
        about = f"{row.words} {row.subject}" + (f": {row.detail}" if row.detail else "")
        who = row.data.get("who") if isinstance(row.data, dict) else ""
        yield row.device_id, Change(row.at, one.name, wording.clean(about, 200), wording.clean(who or "", 100))


def _written(near: Mapping[int, Near], since: datetime, until: datetime) -> Iterable[tuple[int, Change]]:
    """What people and programs changed in netmon: names of columns, never their values."""
    ids = [str(pk) for pk in near]
    rows = (
        AuditEvent.objects.filter(
            Q(object_type=DEVICE, object_id__in=ids) | Q(parent_type=DEVICE, parent_id__in=ids),
            action__in=VERBS,
            at__gte=since,
            at__lt=until,
        )
        .exclude(object_type__in=NOT_CHANGES)
        .exclude(username="")
        .order_by("-pk")[:READ]
    )
    for row in rows:
        pk = int(row.object_id if row.object_type == DEVICE else row.parent_id)
        if near[pk].is_foreign:
            yield pk, Change(row.at, near[pk].name, "Settings changed")
            continue
        kind = row.object_type.rpartition(".")[2]
        columns = ", ".join(sorted(row.after)) if row.action == "update" and isinstance(row.after, dict) else ""
        about = f"{kind} {row.object_name} {VERBS[row.action]}" + (f": {columns}" if columns else "")
        yield pk, Change(row.at, near[pk].name, wording.clean(about, 200), wording.clean(row.username, 100))


def _maintenance(
    device_id: int, near: Mapping[int, Near], graph: Graph, since: datetime, until: datetime
) -> Iterable[tuple[int, Change]]:
    for window in MaintenanceWindow.objects.filter(starts_at__lte=until):
        open_then = present(window, until)
        if open_then is None or open_then.starts_at < since:
            continue
        own = devices_in(Scope.of(window))
        touched = sorted(own & near.keys(), key=lambda pk: near[pk].distance)
        if not touched and window.include_children and device_id in graph.behind(own):
            touched = [device_id]
        for pk in touched[:1]:
            name = "" if near[pk].is_foreign else f": {window.name}"
            yield pk, Change(open_then.starts_at, near[pk].name, wording.clean(f"Maintenance began{name}", 200))
