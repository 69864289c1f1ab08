"""The pages. Thin: who may see what, then one read function, then a template."""

from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, TextChoices
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import parse_etags
from django.views.decorators.http import require_GET

from inventory import ssh_setup
from inventory.models import Credential, Device, ManagementEndpoint, Site, Tag, Tenant
from inventory.panels import PANELS
from monitoring import charts, device_pages, pages, topology_pages
from monitoring.indicator_forms import IndicatorForm
from monitoring.navigation import BY_KIND, GROUPS
from netmon.common.permissions import has_role, rank
from netmon.drivers.targets import SSH_PLATFORMS

FILTERS = ("kind", "state", "site", "q")
# What the form may add, and the resource of the API that takes it.
RESOURCES = {"router": "routers", "switch": "switches", "computer": "computers"}


def _page(request: HttpRequest) -> int:
    text = request.GET.get("page", "")
    return int(text[:6]) if text.isascii() and text.isdigit() else 1


def _unchanged(request: HttpRequest, etag: str) -> bool:
    return etag in parse_etags(request.headers.get("If-None-Match", ""))


def _live(response: HttpResponse, etag: str) -> HttpResponse:
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


@require_GET
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    page = _page(request)
    return render(
        request, "monitoring/overview.html", {"view": pages.overview(request.user, page), "section": "overview"}
    )


@require_GET
@login_required
def overview_live(request: HttpRequest) -> HttpResponse:
    page = _page(request)
    etag = f'W/"{pages.overview_version(request.user, page)}"'
    if _unchanged(request, etag):
        return _live(HttpResponseNotModified(), etag)
    return _live(render(request, "monitoring/_overview.html", {"view": pages.overview(request.user, page)}), etag)


@require_GET
@login_required
def device_list(request: HttpRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").replace("\x00", "").strip()[:100] for name in FILTERS}
    view = pages.device_list(request.user, {name: value for name, value in filters.items() if value}, _page(request))
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        "view": view,
        "filters": filters,
        "groups": GROUPS,
        "states": pages.STATE_FILTERS,
        "kept": kept.urlencode(),
        "section": "devices",
        "kind_group": view.group.key if view.group else "",
    }
    return render(request, "monitoring/device_list.html", context)


@require_GET
@login_required
def device_add(request: HttpRequest) -> HttpResponse:
    if not has_role(request.user, "operator"):
        raise PermissionDenied
    chosen = request.GET.get("kind", "router")
    context = {
        "kinds": [(group, RESOURCES[group.key]) for group in GROUPS if group.key in RESOURCES],
        "chosen": chosen if chosen in RESOURCES else "router",
        "sites": Site.objects.visible_to(request.user)[:500],
        "ssh_keys": _ssh_keys(request),
        "platforms": _ssh_platforms(),
        "jumps": _jumps(request, tenants=getattr(request.user, "tenant_ids", None) or None)[:200],
        "auth_protocols": _protocols(Credential.AuthProtocol),
        "priv_protocols": _protocols(Credential.PrivProtocol),
        "section": "devices",
    }
    return render(request, "monitoring/device_add.html", context)


@require_GET
@login_required
def device_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The flat form of a device. Its values come from the API with their ETag, and go back with it."""
    if not has_role(request.user, "operator"):
        raise PermissionDenied
    found = _device(request, pk)
    ssh_endpoint = found.endpoints.filter(protocol="ssh").select_related("device", "credential").order_by("pk").first()
    context = {
        "device": found,
        "ssh_endpoint": ssh_endpoint,
        "setup": _setup(ssh_endpoint),
        "kinds": Device.Kind.choices,
        "statuses": Device.Status.choices,
        "tenants": Tenant.objects.visible_to(request.user)[:500],
        "sites": Site.objects.visible_to(request.user)[:500],
        "tags": Tag.objects.visible_to(request.user)[:100],
        "ssh_keys": _ssh_keys(request),
        "platforms": _ssh_platforms(),
        "jumps": _jumps(request, tenants={found.tenant_id} if found.tenant_id else None).exclude(device=found)[:200],
        "auth_protocols": _protocols(Credential.AuthProtocol),
        "priv_protocols": _protocols(Credential.PrivProtocol),
        "section": "devices",
    }
    return render(request, "monitoring/device_edit.html", context)


def _setup(endpoint: ManagementEndpoint | None) -> ssh_setup.Setup | None:
    try:
        return ssh_setup.setup_for(endpoint) if endpoint else None
    except ssh_setup.SetupUnknown:
        return None


def _ssh_keys(request: HttpRequest) -> QuerySet[Credential]:
    return Credential.objects.visible_to(request.user).filter(kind=Credential.Kind.SSH_KEY)[:200]


def _ssh_platforms() -> list[str]:
    return [name for name in SSH_PLATFORMS if name != "auto"]


def _jumps(request: HttpRequest, *, tenants: Collection[int] | None) -> QuerySet[ManagementEndpoint]:
    """What a device of these tenants may be reached through; None is one without a tenant."""
    rows = ManagementEndpoint.objects.visible_to(request.user).filter(protocol="ssh", is_enabled=True)
    belonging = {"device__tenant__in": tenants} if tenants else {"device__tenant__isnull": True}
    return rows.filter(**belonging).select_related("device").order_by("device__name_key", "pk")


def _protocols(choices: type[TextChoices]) -> list[tuple[str, str]]:
    """Names made by machine ("Sha256") give way to the value ("SHA-256")."""
    return [(one.value, one.value if one.label == one.name.title() else str(one.label)) for one in choices]


def _device(request: HttpRequest, pk: int) -> Device:
    devices = Device.objects.visible_to(request.user).with_place().select_related("state")
    device: Device = get_object_or_404(devices, pk=pk)
    return device


def _context(request: HttpRequest, device: Device, tab: str) -> dict[str, Any]:
    group = BY_KIND.get(device.kind)
    return {
        "view": device_pages.device_page(
            device,
            tab=tab,
            interface=request.GET.get("interface", ""),
            shows_credentials=has_role(request.user, "operator"),
        ),
        "device": device,
        "tab": tab,
        "section": "devices",
        "kind_group": group.key if group else "",
        "group": group,
        "indicator_form": IndicatorForm(),
    }


def _names(request: HttpRequest) -> Any:
    """Suggestions of parents; whoever has more devices writes the name."""
    return Device.objects.visible_to(request.user).order_by("name_key").values_list("name", flat=True)[:200]


@require_GET
@login_required
def device(request: HttpRequest, pk: int, tab: str = "overview") -> HttpResponse:
    found = _device(request, pk)
    panels = [
        entry
        for entry in PANELS
        if has_role(request.user, entry.role) and (entry.is_for is None or entry.is_for(found))
    ]
    panel = next((entry for entry in panels if entry.label == request.GET.get("panel")), None)
    context = {
        **_context(request, found, tab),
        "panels": panels,
        "way": topology_pages.way(request.user, found) if tab == "overview" and panel is None else None,
        "parent_names": _names(request) if has_role(request.user, "operator") else (),
        "panel": panel,
        "panel_url": reverse(panel.url_name, args=[found.pk]) if panel else "",
        "ranges": charts.RANGES,
        "range": charts.range_named(
            request.GET.get("range") or charts.fitting_range(getattr(found, "state", None), timezone.now())
        ),
    }
    return render(request, "monitoring/device.html", context)


@require_GET
@login_required
def device_live(request: HttpRequest, pk: int, tab: str = "overview") -> HttpResponse:
    found = _device(request, pk)
    # Quoted: an address must not end the header. The rank: what an operator was shown is not a viewer's copy.
    interface = quote(request.GET.get("interface", "")[:20], safe="")
    etag = f'W/"{device_pages.version(found)}-{tab}-{rank(request.user)}-{interface}"'
    if _unchanged(request, etag):
        return _live(HttpResponseNotModified(), etag)
    return _live(render(request, "monitoring/_device_live.html", _context(request, found, tab)), etag)


@require_GET
@login_required
def device_chart(request: HttpRequest, pk: int) -> JsonResponse:
    found = _device(request, pk)
    try:
        data = charts.chart(
            found,
            request.GET.get("chart", ""),
            span=request.GET.get("range", ""),
            interface=request.GET.get("interface", ""),
        )
    except LookupError as error:
        raise Http404(str(error)) from None
    response = JsonResponse(data)
    response["Cache-Control"] = "private, no-cache"
    return response


@require_GET
@login_required
def health(request: HttpRequest) -> HttpResponse:
    template = "monitoring/_health.html" if request.headers.get("HX-Request") else "monitoring/health.html"
    return render(request, template, {"view": pages.health(), "section": "health"})
