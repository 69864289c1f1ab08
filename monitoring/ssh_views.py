"""The Routing tab: a part of the device's page, with a form that asks the router for one prefix."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Device
from monitoring import ssh_pages
from monitoring.services import lookups
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role
from netmon.jobs.models import Job


def _device(request: HttpRequest, pk: int) -> Device:
    device: Device = get_object_or_404(Device.objects.visible_to(request.user), pk=pk)
    return device


@require_GET
@login_required
def device_routing(request: HttpRequest, pk: int) -> HttpResponse:
    device = _device(request, pk)
    url = f"/api/v1/devices/{device.pk}/routing-table/?prefix="
    return render(
        request,
        "monitoring/_routing.html",
        {"device": device, "it": ssh_pages.routing(device), "api_url": url},
    )


def _render(request: HttpRequest, device: Device, *, job: Job | None, prefix: str, error: str = "") -> HttpResponse:
    context = {"device": device, "job": job, "prefix": prefix, "error": error, "found": ssh_pages.lookup(job)}
    response = render(request, "monitoring/_lookup.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@require_GET
@login_required
def lookup(request: HttpRequest, pk: int, job_id: int) -> HttpResponse:
    """How far a question is, and its answer."""
    device = _device(request, pk)
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=job_id, kind=lookups.KIND)
    if job.arguments.get("device") != device.pk:
        raise PermissionDenied
    return _render(request, device, job=job, prefix=str(job.arguments["prefix"]))


@require_POST
@login_required
def ask_lookup(request: HttpRequest, pk: int) -> HttpResponse:
    device = _device(request, pk)
    if not has_role(request.user, "operator"):
        raise PermissionDenied
    prefix = request.POST.get("prefix", "")[:64]
    try:
        job = lookups.start(device, prefix, user=request.user)
    except ValueError:
        shown = prefix if prefix.isprintable() else ""
        return _render(request, device, job=None, prefix=shown, error="Write a prefix or an address.")
    except NetmonError as error:
        return _render(request, device, job=None, prefix=prefix, error=error.detail)
    audit.record("lookup", device, detail=str(job.arguments["prefix"]))
    if request.headers.get("HX-Request"):
        return _render(request, device, job=job, prefix=str(job.arguments["prefix"]))
    return redirect(f"{reverse('device', args=[device.pk])}?panel=Routing")


@require_GET
@login_required
def device_setup(request: HttpRequest, pk: int) -> HttpResponse:
    """Where the form leads after SSH was entered: to what is to be run on the device."""
    device = _device(request, pk)
    endpoint = device.endpoints.filter(protocol="ssh").order_by("pk").first()
    return redirect("ssh-setup", endpoint.pk) if endpoint else redirect("device", device.pk)
