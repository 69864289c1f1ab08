"""The pages of maintenance: a calendar, a form that shows what it touches, and one click from a device."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inventory.models import Device
from monitoring import maintenance_pages, page_tools
from monitoring.alerting import windows
from monitoring.maintenance_forms import WindowForm
from monitoring.models import MaintenanceWindow
from monitoring.models.rules import MOST_LISTED
from netmon.audit import services as audit
from netmon.common.queue import ADVANCE_ALERTS, send_after_commit

LONGEST_CLICK = 24 * 60


def _context(**values: Any) -> dict[str, Any]:
    return {"section": "maintenance", "zone": settings.TIME_ZONE, **values}


@require_GET
@login_required
def maintenance(request: HttpRequest) -> HttpResponse:
    month = maintenance_pages.month_named(request.GET.get("month", ""))
    view = maintenance_pages.page(request.user, month)
    return render(request, "monitoring/alerts/maintenance.html", _context(view=view))


def _window(user: Any, pk: int) -> MaintenanceWindow:
    row: MaintenanceWindow = get_object_or_404(maintenance_pages.windows_of(user), pk=pk)
    return row


def _initial(request: HttpRequest) -> dict[str, Any]:
    """A form that was opened from a device, or from several chosen in the list, knows them."""
    chosen = page_tools.numbers(request.GET.getlist("device")[:MOST_LISTED])
    devices = list(Device.objects.visible_to(request.user).filter(pk__in=chosen).order_by("name_key"))
    if not devices:
        return {}
    tenants = {device.tenant_id for device in devices}
    found: dict[str, Any] = {"tenant": tenants.pop() if len(tenants) == 1 else None, "chosen": devices}
    if len(devices) == 1:
        return {**found, "device": devices[0].name, "name": f"Work on {devices[0].name}"[:100]}
    return {**found, "devices": "\n".join(device.name for device in devices), "name": f"Work on {len(devices)} devices"}


def _unsaved(devices: list[Device]) -> MaintenanceWindow:
    if len(devices) == 1:
        return MaintenanceWindow(device=devices[0])
    window = MaintenanceWindow(is_listed=True)
    window.planned = frozenset(device.pk for device in devices)
    return window


@require_http_methods(["GET", "POST"])
@login_required
def window(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form. "Show what it touches" says so before anything is kept."""
    user = request.user
    row = _window(user, pk) if pk else None
    if row is None or request.method == "POST":
        page_tools.need(request, "operator")
    if row is not None and request.method == "POST":
        page_tools.need_change(user, row)
    before = audit.snapshot(row) if row else None
    initial = _initial(request)
    form = WindowForm(request.POST or None, instance=row, user=user, initial=initial)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if before is None:
                form.instance.created_by = user
            kept = form.save()
            audit.record("update" if before else "create", kept, before=before, after=audit.snapshot(kept))
            windows.look_again(timezone.now())  # it may cover less than before
        messages.success(request, f"{kept.name} is planned.")
        return redirect("maintenance")
    shown = row or (_unsaved(initial["chosen"]) if initial and not form.is_bound else None)
    view = maintenance_pages.touched(user, shown) if shown else None
    context = _form_context(request, form, row, touched=view)
    return render(request, "monitoring/alerts/window.html", context, status=400 if form.errors else 200)


def _form_context(
    request: HttpRequest, form: WindowForm, row: MaintenanceWindow | None, **values: Any
) -> dict[str, Any]:
    now = timezone.now()
    return _context(
        form=form,
        row=row,
        device_names=form.names_of_devices(),
        is_running=bool(row and windows.present(row, now)),
        may_change=page_tools.may_change(request.user, row) if row else True,
        **values,
    )


@require_POST
@login_required
def preview(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """What the form's window, kept or not, would touch."""
    user = page_tools.need(request, "operator")
    row = _window(user, pk) if pk else None
    form = WindowForm(request.POST, instance=row, user=user)
    view = maintenance_pages.touched(user, form.instance) if form.is_valid() else None
    is_part = bool(request.headers.get("HX-Request"))
    template = "_touched" if is_part else "window"
    context = _form_context(request, form, row, touched=view, is_asked=True)
    status = 200 if is_part or not form.errors else 400
    return render(request, f"monitoring/alerts/{template}.html", context, status=status)


@require_POST
@login_required
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """End what is under way; a recurring window begins again at its next time."""
    user, now = page_tools.need(request, "operator"), timezone.now()
    row = _window(user, pk)
    page_tools.need_change(user, row)
    if windows.present(row, now) is None:
        messages.error(request, f"{row.name} is not under way.")
    else:
        with transaction.atomic():
            before = audit.snapshot(row)
            windows.end(row, now)
            audit.record("update", row, before=before, after=audit.snapshot(row), detail="ended now")
        messages.success(request, f"{row.name} has ended.")
    return redirect(page_tools.back(request, "/maintenance/"))


@require_POST
@login_required
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = _window(user, pk)
    page_tools.need_change(user, row)
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
        windows.look_again(timezone.now())
    messages.success(request, f"{row.name} is deleted.")
    return redirect("maintenance")


@require_POST
@login_required
def device_maintenance(request: HttpRequest, pk: int) -> HttpResponse:
    """One click: this device and what is behind it, from now."""
    user, now = page_tools.need(request, "operator"), timezone.now()
    device = get_object_or_404(Device.objects.visible_to(user), pk=pk)
    if user.tenant_ids and device.tenant_id not in user.tenant_ids:
        raise PermissionDenied
    minutes = min(page_tools.number(request.POST.get("minutes", ""), 60) or 60, LONGEST_CLICK)
    with transaction.atomic():
        row = MaintenanceWindow.objects.create(
            name=f"Work on {device.name}"[:100],
            device=device,
            tenant=device.tenant,
            starts_at=now,
            ends_at=now + timedelta(minutes=minutes),
            time_zone=settings.TIME_ZONE,
            created_by=user,
        )
        audit.record("create", row, after=audit.snapshot(row))
        send_after_commit(ADVANCE_ALERTS)
    words = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    messages.success(request, f"{device.name} is in maintenance for {words}.")
    return redirect("device", pk=pk)
