"""The Configuration tab: a part of the device's page, and a page of its own that can be linked."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Device
from monitoring import config_pages
from monitoring.navigation import BY_KIND
from monitoring.services import config_search, configs
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role

NAMES = ("version", "old", "new", "view")


def _device(request: HttpRequest, pk: int) -> Device:
    rows = Device.objects.visible_to(request.user).select_related("site")
    device: Device = get_object_or_404(rows, pk=pk)
    return device


def _render(request: HttpRequest, device: Device, error: str = "") -> HttpResponse:
    chosen = {name: request.GET.get(name, "")[:20] for name in NAMES}
    group = BY_KIND.get(device.kind)
    context = {
        "device": device,
        "view": config_pages.config_page(device, **chosen),
        "views": config_pages.VIEWS,
        "error": error,
        "section": "devices",
        "group": group,
        "kind_group": group.key if group else "",
    }
    template = "_configuration" if request.headers.get("HX-Request") else "configuration"
    response = render(request, f"monitoring/{template}.html", context)
    response["Cache-Control"] = "private, no-store"
    response["Vary"] = "HX-Request, Cookie"
    return response


@require_GET
@login_required
def configuration(request: HttpRequest, pk: int) -> HttpResponse:
    return _render(request, _device(request, pk))


@require_GET
@login_required
def configurations(request: HttpRequest) -> HttpResponse:
    """Which devices' configuration holds a text."""
    text = request.GET.get("q", "").replace("\x00", "")[: config_search.MAX_CHARS]
    start = request.GET.get("offset", "")
    offset = int(start[:7]) if start.isascii() and start.isdigit() else 0
    is_asked = len(text) >= config_search.MIN_CHARS and bool(text.strip())
    context = {
        "q": text,
        "found": config_pages.found(request.user, text, offset) if is_asked else None,
        "is_short": bool(text) and not is_asked,
        "section": "configurations",
    }
    response = render(request, "monitoring/configurations.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@login_required
def backup(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a backup; the page asks how far it is."""
    device = _device(request, pk)
    if not has_role(request.user, "operator"):
        raise PermissionDenied
    try:
        configs.backup_now(device, user=request.user)
    except NetmonError as error:
        return _render(request, device, error.detail)
    audit.record("backup", device)
    if request.headers.get("HX-Request"):
        return _render(request, device)
    return redirect("device-configuration", pk=device.pk)
