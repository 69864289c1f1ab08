"""What a device is reached through, changed from its page; and the drill: what if it fails."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Dependency, Device
from monitoring import page_tools
from monitoring.alerting import drill as drills
from monitoring.presentation import state_class, state_word
from netmon.audit import services as audit
from netmon.common.fields import fold


def _device(request: HttpRequest, pk: int) -> Device:
    device: Device = get_object_or_404(Device.objects.visible_to(request.user), pk=pk)
    return device


@require_POST
@login_required
def parents(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a parent, take one away, confirm or refuse a proposal."""
    user, device = page_tools.need(request, "operator"), _device(request, pk)
    if user.tenant_ids and device.tenant_id not in user.tenant_ids:
        raise PermissionDenied
    verb = request.POST.get("do", "")
    with transaction.atomic():
        said = _add(request, device) if verb == "add" else _change(request, device, verb)
    is_refused, text = said
    (messages.error if is_refused else messages.success)(request, text)
    return redirect("device", pk=pk)


def _add(request: HttpRequest, device: Device) -> tuple[bool, str]:
    name = request.POST.get("parent", "").replace("\x00", "").strip()[:255]
    rows = Device.objects.visible_to(request.user).filter(name_key=fold(name))[:2] if name else []
    if len(rows) != 1:
        return True, "Several devices have this name." if rows else "There is no device of this name."
    [parent] = rows
    if parent.pk == device.pk:
        return True, "A device is not reached through itself."
    try:
        with transaction.atomic():
            row, is_new = Dependency.objects.get_or_create(device=device, parent=parent)
    except IntegrityError:  # somebody was faster
        return True, "This parent is known already."
    if not is_new and row.is_confirmed:
        return True, "This parent is known already."
    before = None if is_new else audit.snapshot(row)
    if not is_new:
        row.is_confirmed = True
        row.save(update_fields=["is_confirmed", "updated_at"])
    audit.record("create" if is_new else "update", row, before=before, after=audit.snapshot(row))
    return False, f"{device.name} is reached through {parent.name}."


def _change(request: HttpRequest, device: Device, verb: str) -> tuple[bool, str]:
    rows = Dependency.objects.visible_to(request.user).filter(device=device)
    rows = rows.filter(parent__in=Device.objects.visible_to(request.user)).select_related("parent")
    row: Any = get_object_or_404(rows, pk=page_tools.number(request.POST.get("row", "")) or 0)
    before = audit.snapshot(row)
    if verb == "confirm":
        row.is_confirmed = True
        row.save(update_fields=["is_confirmed", "updated_at"])
        audit.record("update", row, before=before, after=audit.snapshot(row))
        return False, f"{device.name} is reached through {row.parent.name}."
    if verb != "remove":
        return True, "Nothing was asked for."
    audit.record("delete", row, before=before)
    row.delete()
    return False, f"{row.parent.name} is no parent of {device.name} any more."


@require_GET
@login_required
def drill(request: HttpRequest, pk: int) -> HttpResponse:
    """Who would be told if this device failed now, and what would go with it. Nothing is touched or sent."""
    device = _device(request, pk)
    found = drills.drill([device.pk], timezone.now())
    visible = set(
        Device.objects.visible_to(request.user)
        .filter(pk__in=[one for one, _, _ in found.behind])
        .values_list("pk", flat=True)
    )
    fault = next((one for one in found.faults if one.device_id == device.pk), None)
    context = {
        "device": device,
        "fault": fault,
        "css": state_class(fault.state) if fault else "unknown",
        "word": state_word(fault.state) if fault else "",
        "behind": [(one, name, page_tools.KINDS.get(kind, kind)) for one, name, kind in found.behind if one in visible],
        "tenants": found.tenants if not getattr(request.user, "tenant_ids", None) else (),
        "section": "devices",
    }
    return render(request, "monitoring/alerts/drill.html", context)
