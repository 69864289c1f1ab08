"""Observations written down, and taken away, on the page of a device."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from inventory.models import Device
from monitoring import page_tools
from monitoring.models import Indicator
from monitoring.services import indicators
from netmon.audit import services as audit

FIELDS = ("kind", "value", "severity", "note")


@require_POST
@login_required
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an indicator or delete one."""
    page_tools.need(request, "operator")
    device = get_object_or_404(Device.objects.visible_to(request.user), pk=pk)
    with transaction.atomic():
        if row_id := page_tools.number(request.POST.get("row", "")):
            _delete(request, device, row_id)
        else:
            _add(request, device)
    return redirect("device", pk=pk)


def _add(request: HttpRequest, device: Device) -> None:
    given = {name: request.POST.get(name, "").strip() for name in FIELDS}
    row = Indicator(device=device, source=indicators.who_says(request.user), **given)
    row.created_by_id = request.user.pk
    try:
        row.full_clean()
    except ValidationError as error:
        field, texts = next(iter(error.message_dict.items()))
        name = "" if field == "__all__" else f"{field.capitalize()}: "
        messages.error(request, f"{name}{texts[0]}")
        return
    indicators.keep(row)
    audit.record("create", row, after=audit.snapshot(row))
    messages.success(request, f"Noted at {device.name}: {row.value}")


def _delete(request: HttpRequest, device: Device, row_id: int) -> None:
    rows = Indicator.objects.visible_to(request.user).filter(device=device)
    row: Indicator = get_object_or_404(rows, pk=row_id)
    audit.record("delete", row, before=audit.snapshot(row))
    indicators.delete(row)
    messages.success(request, "The indicator is deleted.")
