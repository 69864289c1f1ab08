"""What happened to a machine: what people did in netmon, and what its router was told."""

from datetime import datetime
from typing import Any

from django.db.models import Q

from netmon.audit import reading
from netmon.audit.models import AuditEvent
from provisioning.models import ChangeItem, ConfigChange, Vm

OURS = ("provisioning.vm", "provisioning.portforward", "provisioning.dhcpreservation")


def of_vm(vm: Vm, user: Any, *, limit: int) -> list[dict[str, Any]]:
    """Newest first. What it was before it came to its tenant is not told to people of tenants."""
    events = reading.history(vm.device).filter(object_type__in=OURS)
    if user.tenant_ids:
        moved = reading.history(vm.device).filter(object_type="inventory.device", object_id=str(vm.device_id))
        came = moved.filter(before__has_key="tenant", after__has_key="tenant").first()
        if came is not None:
            events = events.filter(id__gt=came.pk)
    touched = ChangeItem.objects.filter(vm=vm).values("change")
    seen = ConfigChange.objects.visible_to(user).filter(Q(vm=vm) | Q(pk__in=touched))
    changes = seen.select_related("requested_by").prefetch_related("items").order_by("-id")
    entries = [_event(event) for event in events[:limit]] + [_change(change, vm) for change in changes[:limit]]
    return sorted(entries, key=_when, reverse=True)[:limit]


def _when(entry: dict[str, Any]) -> tuple[datetime, str]:
    return entry["at"], entry["kind"]


def _event(event: AuditEvent) -> dict[str, Any]:
    names = ", ".join(name for name, _, _ in reading.line(event).changes) if event.action == "update" else ""
    what = event.object_name if event.object_type != "provisioning.vm" else ""
    return {
        "at": event.at,
        "kind": "record",
        "action": event.action,
        "user": event.username,
        "via": event.via,
        "text": " ".join(part for part in (what, event.detail, names) if part),
        "change": None,
        "status": "",
    }


def _change(change: ConfigChange, vm: Vm) -> dict[str, Any]:
    part = next((item for item in change.items.all() if item.vm_id == vm.pk), None)
    error = (part.error_detail if part is not None else "") or change.error_detail
    return {
        "at": change.created_at,
        "kind": "change",
        "action": change.kind,
        "user": change.requested_by.get_username() if change.requested_by is not None else "",
        "via": change.via,
        "text": error or f"{len(change.lines)} lines to the router {change.router_name}",
        "change": change.pk,
        "status": part.status if part is not None else change.status,
    }
