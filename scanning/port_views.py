"""The Ports tab of a device: what scans found of it, and what is expected of it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Device
from monitoring import page_tools
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from scanning import guard, pages
from scanning.forms import ExpectForm
from scanning.models import ExpectedPort, Scan, SeenHost
from scanning.services import expecting, starting

SCANS = 5


def _device(request: HttpRequest, pk: int) -> Device:
    device: Device = get_object_or_404(Device.objects.visible_to(request.user).select_related("primary_ip"), pk=pk)
    return device


def _changed(request: HttpRequest, pk: int) -> Device:
    """The device, for somebody who may change it."""
    user = page_tools.need(request, "operator")
    device = _device(request, pk)
    page_tools.need_change(user, device)
    return device


def _back(device: Device) -> HttpResponseRedirect:
    return redirect(f"{reverse('device', args=[device.pk])}?panel=Ports")


@require_GET
@login_required
def device_ports(request: HttpRequest, pk: int) -> HttpResponse:
    user: Any = request.user
    device = _device(request, pk)
    hosts = SeenHost.objects.visible_to(user).filter(device=device).prefetch_related("ports").order_by("address_key")
    expected = list(ExpectedPort.objects.filter(device=device).order_by("port"))
    states = {row.port: row.state for row in expected}
    has_baseline = any(row.state == ExpectedPort.State.OPEN for row in expected)
    opened = {port.port for host in hosts for port in host.ports.all() if port.is_open and port.protocol == "tcp"}
    context = {
        "device": device,
        "hosts": [(host, _ports(host, states, has_baseline)) for host in hosts],
        "expected": [(row, _verdict(row, opened, bool(hosts))) for row in expected],
        "form": ExpectForm(device=device),
        "may_act": page_tools.may_change(user, device),
        "scans": Scan.objects.visible_to(user)
        .filter(device=device)
        .select_related("job")
        .defer("checkpoint", "spans", "notes")
        .order_by("-pk")[:SCANS],
    }
    # The tab asks for the part; without a script it is a page of its own.
    template = "scanning/_device_ports.html" if request.headers.get("HX-Request") else "scanning/device_ports.html"
    return render(request, template, context)


def _ports(host: SeenHost, states: dict[int, str], has_baseline: bool) -> list[tuple[Any, str, str, str]]:
    """Each port with its shape, its word, and its certificate in words."""
    found = []
    for port in sorted(host.ports.all(), key=lambda one: (not one.is_open, one.protocol, one.port)):
        if not port.is_open:
            css, word = "unknown", "Not open any more"
        elif states.get(port.port) == ExpectedPort.State.CLOSED:
            css, word = "down", "Open, expected closed"
        elif has_baseline and port.port not in states:
            css, word = "degraded", "Open, not expected"
        elif port.port in states:
            css, word = "up", "Open, as expected"
        else:
            css, word = "up", "Open"
        found.append((port, css, word, pages.certificate_words(port.certificate)))
    return found


def _verdict(row: ExpectedPort, opened: set[int], is_known: bool) -> tuple[str, str]:
    if not is_known:
        return "pending", "No scan has looked"
    is_open = row.port in opened
    if row.state == ExpectedPort.State.OPEN:
        return ("up", "Open") if is_open else ("down", "Not open")
    return ("down", "Open") if is_open else ("up", "Closed")


@require_POST
@login_required
def scan_device(request: HttpRequest, pk: int) -> HttpResponse:
    """One click: its address, the ports that are usual."""
    device = _changed(request, pk)
    user: Any = request.user
    target = f"device:{device.pk}"
    try:
        tenant = device.tenant or starting.tenant_for(user, None)
        planned = guard.plan(Scan.Kind.PORTS, target, tenant=tenant, user=user)
        scan = starting.start(planned, target=target, user=user, reason="from the device's page")
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        return redirect("scan", pk=scan.pk)
    return _back(device)


@require_POST
@login_required
def take_baseline(request: HttpRequest, pk: int) -> HttpResponse:
    device = _changed(request, pk)
    try:
        rows = expecting.take_as_baseline(device)
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"{len(rows)} open ports are expected of {device.name} from now on.")
    return _back(device)


@require_POST
@login_required
def expect(request: HttpRequest, pk: int) -> HttpResponse:
    device = _changed(request, pk)
    form = ExpectForm(request.POST, device=device)
    if form.is_valid():
        with transaction.atomic():
            row = form.save()
            audit.record("create", row, after=audit.snapshot(row))
        messages.success(request, f"tcp/{row.port} is expected {row.get_state_display().lower()}.")
    else:
        for errors in form.errors.values():
            messages.error(request, " ".join(str(error) for error in errors))
    return _back(device)


@require_POST
@login_required
def forget(request: HttpRequest, pk: int, row: int) -> HttpResponse:
    device = _changed(request, pk)
    port = get_object_or_404(ExpectedPort, device=device, pk=row)
    with transaction.atomic():
        audit.record("delete", port, before=audit.snapshot(port))
        port.delete()
    messages.success(request, f"tcp/{port.port} is not in the baseline any more.")
    return _back(device)
