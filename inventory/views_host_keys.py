"""Pages of host keys: what a device's SSH servers showed, what waits for a decision, and how a device is made ready."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_POST

from inventory import host_keys, known_hosts, ssh_setup
from inventory.forms import EnterHostKeyForm, ImportKnownHostsForm
from inventory.models import Device, HostKey, ManagementEndpoint
from netmon.common.permissions import has_role

PER_PAGE = 50
DECISIONS = {"approve": host_keys.approve, "revoke": host_keys.revoke}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A key that waits, beside the trusted ones it would replace: those of its type, else all of its endpoint."""

    row: HostKey
    trusted: list[HostKey]


@dataclass(frozen=True, slots=True)
class Server:
    endpoint: ManagementEndpoint
    waiting: list[Waiting]
    decided: list[HostKey]
    form: EnterHostKeyForm


def _need(request: HttpRequest, role: str) -> Any:
    if not has_role(request.user, role):
        raise PermissionDenied
    return request.user


def _device(request: HttpRequest, pk: int) -> Device:
    device: Device = get_object_or_404(Device.objects.visible_to(request.user).select_related("tenant"), pk=pk)
    return device


def _waiting(row: HostKey, rows: Sequence[HostKey]) -> Waiting:
    trusted = [other for other in rows if other.state == HostKey.State.TRUSTED]
    return Waiting(row, [other for other in trusted if other.key_type == row.key_type] or trusted)


def _server(endpoint: ManagementEndpoint, form: EnterHostKeyForm | None) -> Server:
    rows = list(endpoint.host_keys.all())
    return Server(
        endpoint=endpoint,
        waiting=[_waiting(row, rows) for row in rows if row.state == HostKey.State.PENDING],
        decided=[row for row in rows if row.state != HostKey.State.PENDING],
        form=form or EnterHostKeyForm(prefix=f"e{endpoint.pk}"),
    )


def _endpoints(device: Device) -> Any:
    rows = device.endpoints.filter(protocol=ManagementEndpoint.Protocol.SSH).select_related("device__primary_ip")
    return rows.prefetch_related("host_keys__decided_by").order_by("pk")


def _shown(
    request: HttpRequest, device: Device, *, said: str = "", form: EnterHostKeyForm | None = None, of: int = 0
) -> HttpResponse:
    servers = [_server(endpoint, form if endpoint.pk == of else None) for endpoint in _endpoints(device)]
    context = {"device": device, "servers": servers, "said": said}
    # htmx puts no answer of 4xx into the page
    is_refused = form is not None and form.errors and not request.headers.get("HX-Request")
    return render(request, "inventory/_host_keys.html", context, status=400 if is_refused else 200)


@require_GET
@login_required
def device_host_keys(request: HttpRequest, pk: int) -> HttpResponse:
    """The tab of a device: each SSH server with its keys."""
    _need(request, "operator")
    return _shown(request, _device(request, pk))


@require_POST
@login_required
def host_key_decide(request: HttpRequest, pk: int, key: int, decision: str) -> HttpResponse:
    """Approve or revoke."""
    user, device = _need(request, "admin"), _device(request, pk)
    rows = HostKey.objects.filter(endpoint__device=device).select_related("endpoint__device__primary_ip")
    row = DECISIONS[decision](get_object_or_404(rows, pk=key), user=user)
    word = "is trusted from now on" if decision == "approve" else "is not believed"
    return _shown(request, device, said=f"The key {row.fingerprint} {word}.")


@require_POST
@login_required
def host_key_enter(request: HttpRequest, pk: int, endpoint: int) -> HttpResponse:
    """Trust a key that was read at the console."""
    user, device = _need(request, "admin"), _device(request, pk)
    row = get_object_or_404(_endpoints(device), pk=endpoint)
    form = EnterHostKeyForm(request.POST, prefix=f"e{row.pk}")
    if form.is_valid():
        try:
            entered = host_keys.enter(row, form.cleaned_data["line"], user=user)
        except ValidationError as error:
            form.add_error("line", error.messages)
        else:
            return _shown(request, device, said=f"The key {entered.fingerprint} is trusted from now on.")
    return _shown(request, device, form=form, of=row.pk)


@require_GET
@login_required
def waiting_host_keys(request: HttpRequest) -> HttpResponse:
    """Every key that waits for a decision, changed ones first."""
    return _all_waiting(request, _need(request, "operator"))


@require_POST
@login_required
def known_hosts_import(request: HttpRequest) -> HttpResponse:
    """Trust the keys of a known_hosts file, or say what would be done."""
    user = _need(request, "admin")
    form, dry_run, report = ImportKnownHostsForm(request.POST), "check" in request.POST, None
    if form.is_valid():
        rows = ManagementEndpoint.objects.visible_to(user)
        try:
            found = known_hosts.take(form.cleaned_data["text"], user=user, rows=rows, dry_run=dry_run)
        except known_hosts.TooMuch as error:
            form.add_error("text", str(error))
        else:
            report = known_hosts.report(found, dry_run=dry_run)
    return _all_waiting(request, user, form=form, report=report)


def _all_waiting(
    request: HttpRequest,
    user: Any,
    *,
    form: ImportKnownHostsForm | None = None,
    report: Mapping[str, Any] | None = None,
) -> HttpResponse:
    rows = host_keys.waiting(user).select_related("endpoint__device__site", "endpoint__device__primary_ip")
    page = Paginator(rows.prefetch_related("endpoint__host_keys"), PER_PAGE).get_page(request.GET.get("page", "")[:6])
    context = {
        "rows": [_waiting(row, list(row.endpoint.host_keys.all())) for row in page],
        "paging": page,
        "form": form or ImportKnownHostsForm(),
        "report": report,
        "section": "host-keys",
    }
    return render(request, "inventory/host_keys.html", context, status=400 if form is not None and form.errors else 200)


@require_GET
@login_required
def endpoint_setup(request: HttpRequest, pk: int) -> HttpResponse:
    """How to make the device ready, as text to copy."""
    user = _need(request, "operator")
    rows = ManagementEndpoint.objects.visible_to(user).filter(protocol=ManagementEndpoint.Protocol.SSH)
    endpoint = get_object_or_404(rows.select_related("device", "credential"), pk=pk)
    asked, refused, found = request.GET.get("platform", ""), "", None
    try:
        found = ssh_setup.setup_for(endpoint, asked)
    except ssh_setup.SetupUnknown as error:
        refused = error.detail
    context = {
        "endpoint": endpoint,
        "device": endpoint.device,
        "setup": found,
        "refused": refused,
        "chosen": found.platform if found else asked,
        "platforms": ssh_setup.PLATFORMS,
        "section": "devices",
    }
    return render(request, "inventory/ssh_setup.html", context, status=409 if refused else 200)
