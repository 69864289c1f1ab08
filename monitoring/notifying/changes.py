"""What changed near an alert just before it began: the question that everybody asks first.

`distances`, `happened` and `written` look it up, for a message as for a page; who asks says what may be told of it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

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


def distances(device_id: int, graph: Graph) -> dict[int, int]:
    """The device, 0, and those on the way to it, the next one being 1."""
    found = {device_id: 0}
    for number, layer in enumerate(graph.path(device_id), start=1):
        found |= dict.fromkeys(layer, number)
    return found


def happened(device_ids: Collection[int], since: datetime, until: datetime) -> QuerySet[DeviceEvent]:
    """What these devices told, the newest first; changed configurations are among it."""
    return DeviceEvent.objects.filter(device__in=device_ids, at__gte=since, at__lt=until).order_by("-at", "-pk")


def written(
    device_ids: Collection[int], since: datetime, until: datetime, rows: QuerySet[AuditEvent] | None = None
) -> Iterable[tuple[int, AuditEvent]]:
    """What people and programs changed of these devices in netmon, with the device's number, the newest first.

    `rows`: what of the record may be read; all of it, if nothing is said.
    """
    ids = [str(pk) for pk in device_ids]
    record = AuditEvent.objects.all() if rows is None else rows
    found = record.filter(
        Q(object_type=DEVICE, object_id__in=ids) | Q(parent_type=DEVICE, parent_id__in=ids),
        action__in=VERBS,
        at__gte=since,
        at__lt=until,
    )
    for row in found.exclude(object_type__in=NOT_CHANGES).exclude(username="").order_by("-pk")[:READ]:
        yield int(row.object_id if row.object_type == DEVICE else row.parent_id), row


def _near(device: Device, graph: Graph) -> dict[int, Near]:
    far = distances(device.pk, graph)
    rows = Device.objects.filter(pk__in=far).values_list("pk", "name", "tenant_id")
    return {
        pk: Near(wording.clean(name, 100), far[pk], tenant_id is not None and tenant_id != device.tenant_id)
        for pk, name, tenant_id in rows
    }


def _events(near: Mapping[int, Near], since: datetime, until: datetime) -> Iterable[tuple[int, Change]]:
    for row in happened(near, since, until)[:READ]:
        one = near[row.device_id]
        if one.is_foreign:
            yield row.device_id, Change(row.at, one.name, wording.clean(row.words, 60))
            continue
        about = f"{row.words} {row.subject}" + (f": {row.detail}" if row.detail else "")
        who = row.data.get("who") if isinstance(row.data, dict) else ""
        yield row.device_id, Change(row.at, one.name, wording.clean(about, 200), wording.clean(who or "", 100))


def _written(near: Mapping[int, Near], since: datetime, until: datetime) -> Iterable[tuple[int, Change]]:
    """Names of columns, never their values."""
    for pk, row in written(near, since, until):
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
