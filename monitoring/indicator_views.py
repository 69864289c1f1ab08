"""Observations written down, and taken away, on the page of a device."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from inventory.models import Device
from monitoring import page_tools
from monitoring.indicator_forms import IndicatorForm
from monitoring.models import Indicator
from monitoring.services import indicators
from netmon.audit import services as audit


@require_POST
@login_required
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an indicator or delete one. A form that is refused is shown again with what was typed."""
    page_tools.need(request, "operator")
    device = get_object_or_404(Device.objects.visible_to(request.user), pk=pk)
    with transaction.atomic():
        if row_id := page_tools.number(request.POST.get("row", "")):
            _delete(request, device, row_id)
            return redirect("device", pk=pk)
        row = Indicator(device=device, source=indicators.who_says(request.user), created_by_id=request.user.pk)
        form = IndicatorForm(request.POST, instance=row)
        if _is_kept(form, row):
            messages.success(request, f"Noted at {device.name}: {row.value}")
            return redirect("device", pk=pk)
    context = {"section": "devices", "device": device, "form": form}
    return render(request, "monitoring/indicator.html", context, status=400)


def _is_kept(form: IndicatorForm, row: Indicator) -> bool:
    if form.is_valid():
        try:
            row.full_clean()  # all of it: a form looks at its own columns only
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            indicators.keep(row)
            audit.record("create", row, after=audit.snapshot(row))
            return True
    return False


def _delete(request: HttpRequest, device: Device, row_id: int) -> None:
    rows = Indicator.objects.visible_to(request.user).filter(device=device)
    row: Indicator = get_object_or_404(rows, pk=row_id)
    audit.record("delete", row, before=audit.snapshot(row))
    indicators.delete(row)
    messages.success(request, "The indicator is deleted.")
