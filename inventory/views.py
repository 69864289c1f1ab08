"""Pages of the inventory: files in, and what happened to a device."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inventory.models import Device
from inventory.transfer import importing, reading
from netmon.audit import reading as audit
from netmon.audit.models import AuditEvent
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role
from netmon.jobs.models import Job

HISTORY = 100


class ImportForm(forms.Form):
    file = forms.FileField(label="File", widget=forms.FileInput(attrs={"accept": ".csv,.json,.txt"}))
    existing = forms.ChoiceField(
        label="Devices that are here already",
        choices=[
            ("refuse", "are an error"),
            ("skip", "stay as they are"),
            ("update", "are changed to what the file says"),
        ],
    )

    def clean_file(self) -> dict[str, str]:
        file = self.cleaned_data["file"]
        try:
            text = reading.decode(file.read())
        except reading.Unreadable as error:
            raise forms.ValidationError(f"Line {error.fault.line}: {error}") from None
        name = file.name or ""
        return {"text": text, "name": name, "file_format": "json" if name.lower().endswith(".json") else "csv"}


def _operator(request: HttpRequest) -> Any:
    if not has_role(request.user, "operator"):
        raise PermissionDenied
    return request.user


@require_http_methods(["GET", "POST"])
@login_required
def import_devices(request: HttpRequest) -> HttpResponse:
    """Choose a file; a job checks it and shows what it would do."""
    user = _operator(request)
    form = ImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        existing = form.cleaned_data["existing"]
        job = importing.start(**form.cleaned_data["file"], user=user, existing=existing, atomic=True, dry_run=True)
        return redirect("job", pk=job.pk)
    context = {"form": form, "columns": reading.COLUMNS, "section": "import"}
    return render(request, "inventory/import.html", context, status=400 if form.errors else 200)


@require_POST
@login_required
def import_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    user = _operator(request)
    preview = get_object_or_404(Job.objects.visible_to(user).filter(kind=importing.KIND), pk=pk)
    try:
        job = importing.confirm(preview, user=user)
    except NetmonError as error:
        messages.error(request, error.detail)
        return redirect("import")
    return redirect("job", pk=job.pk)


def _events(device: Device, user: Any) -> list[AuditEvent]:
    """What the person may know, newest first: of a device that came from another tenant only what was done since."""
    events = audit.history(device)
    if not user.tenant_ids:
        return list(events[:HISTORY])
    of_device = {"object_type": device._meta.label_lower, "object_id": str(device.pk)}
    came = events.filter(**of_device, before__has_key="tenant", after__has_key="tenant").first()
    if came is None:
        return list(events[:HISTORY])
    came.before = None
    return [*events.filter(pk__gt=came.pk)[:HISTORY], came]


@require_GET
@login_required
def device_history(request: HttpRequest, pk: int) -> HttpResponse:
    """The History tab of a device: what was done to it and to what belongs to it."""
    user = _operator(request)
    device = get_object_or_404(Device.objects.visible_to(user), pk=pk)
    events = [audit.line(event) for event in _events(device, user)[:HISTORY]]
    return render(request, "inventory/_history.html", {"device": device, "events": events})
