"""The pages of discoveries: what scans met and nobody entered, its review, and one host over time."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from inventory.models import Device
from monitoring import page_tools
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role
from scanning import pages
from scanning.filters import host_text
from scanning.forms import AdoptForm, AttachForm, IgnoreForm, device_names
from scanning.models import SeenHost
from scanning.services import identifying, reviewing
from scanning.visibility import visible_device

VIEWS = (("new", "Wait for review"), ("ignored", "Ignored"), ("known", "In the inventory"), ("all", "All"))
PERIODS = 100
MOST_AT_ONCE = 200


def _rows(user: Any) -> Any:
    return SeenHost.objects.visible_to(user).select_related("device", "reviewed_by", "tenant", "last_scan")


def _host(request: HttpRequest, pk: int) -> SeenHost:
    row: SeenHost = get_object_or_404(_rows(request.user), pk=pk)
    return row


def _of_view(rows: Any, view: str) -> Any:
    if view == "known":
        return rows.exclude(device=None)
    if view in ("new", "ignored"):
        return rows.filter(device=None, review=view)
    return rows


@require_GET
@login_required
def discoveries(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    view = page_tools.text_of(request, "view")
    view = view if view in dict(VIEWS) else "new"
    text, kind = page_tools.text_of(request, "q"), page_tools.text_of(request, "kind")
    port = page_tools.number(request.GET.get("port", ""))
    rows = _of_view(_rows(user), view).prefetch_related("ports")
    if text:
        rows = rows.filter(host_text(text))
    if kind in Device.Kind.values:
        rows = rows.filter(kind_guess=kind)
    if port:
        rows = rows.filter(ports__port=port, ports__is_open=True).distinct()
    if request.GET.get("present") == "1":
        rows = rows.filter(is_present=True)
    order = ("-first_seen_at", "address_key") if view == "new" else ("address_key", "pk")
    paging = page_tools.paged(request, rows.order_by(*order))
    seen = SeenHost.objects.visible_to(user)
    context = pages.context(
        request,
        "discoveries",
        views=[(key, label, _of_view(seen, key).count()) for key, label in VIEWS],
        view=view,
        paging=paging,
        rows=[_line(host, user) for host in paging],
        kept=page_tools.kept(request),
        text=text,
        kind_chosen=kind,
        port=port or "",
        is_present=request.GET.get("present") == "1",
        kinds=Device.Kind.choices,
        may_act=has_role(user, "operator") and view in ("new", "ignored"),
    )
    return render(request, "scanning/discoveries.html", context)


def _line(host: SeenHost, user: Any) -> dict[str, Any]:
    css, word = pages.REVIEWS[host.review]
    return {
        "host": host,
        "ports": [port for port in host.ports.all() if port.is_open],
        "device": visible_device(host.device, user),
        "css": css,
        "word": word,
    }


@require_POST
@login_required
def bulk(request: HttpRequest) -> HttpResponse:
    """Many at once. What one of them refuses is said, the others are done."""
    user = page_tools.need(request, "operator")
    back = page_tools.back(request, reverse("discoveries"))
    chosen = page_tools.numbers(request.POST.getlist("host"))[:MOST_AT_ONCE]
    rows = list(_rows(user).filter(pk__in=chosen).prefetch_related("ports").order_by("address_key"))
    if not rows:
        messages.error(request, "Choose hosts first.")
        return redirect(back)
    verb = request.POST.get("verb", "")
    act: Callable[[SeenHost], Any]
    if verb == "adopt":
        act, done = lambda host: reviewing.adopt(host, user=user, fields={}), "in the inventory now"
    elif verb == "ignore":
        form = IgnoreForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Say why they are ignored.")
            return redirect(back)
        reason = form.cleaned_data["reason"]
        act, done = lambda host: reviewing.ignore(host, user=user, reason=reason), "ignored"
    elif verb == "reopen":
        act, done = lambda host: reviewing.reopen(host, user=user), "to be reviewed again"
    else:
        messages.error(request, "Choose what is to be done.")
        return redirect(back)
    _each(request, rows, act, done)
    return redirect(back)


def _each(request: HttpRequest, rows: list[SeenHost], act: Callable[[SeenHost], Any], done: str) -> None:
    refused = []
    for host in rows:
        try:
            with transaction.atomic():
                act(host)
        except NetmonError as error:
            refused.append(error.detail)
        except ValidationError as error:
            refused.append(f"{host.address}: {' '.join(error.messages)}")
    if count := len(rows) - len(refused):
        messages.success(request, f"{count} host{'' if count == 1 else 's'} {'is' if count == 1 else 'are'} {done}.")
    for text in refused[:5]:
        messages.error(request, text)
    if len(refused) > 5:
        messages.error(request, f"And {len(refused) - 5} more were refused.")


# --- one host


def _page(request: HttpRequest, host: SeenHost, status: int = 200, **forms: Any) -> HttpResponse:
    user: Any = request.user
    css, word = pages.REVIEWS[host.review]
    proposals = reviewing.proposals(host)
    initial = {
        "name": reviewing.proposed_name(host),
        "kind": host.kind_guess or Device.Kind.OTHER,
        "tcp_ports": ", ".join(str(one["port"]) for one in proposals if one["protocol"] == "tcp"),
    }
    may_act = has_role(user, "operator")
    defaults: dict[str, Any] = {}
    if may_act:
        defaults = {
            "adopt_form": AdoptForm(user=user, initial=initial),
            "attach_form": AttachForm(user=user, prefix="attach"),
            "ignore_form": IgnoreForm(prefix="ignore"),
            "device_names": device_names(user) if host.device_id is None else [],
            "askable": host.device_id is None and bool(identifying.permitted(host, user=user)),
        }
    context = pages.context(
        request,
        "discoveries",
        host=host,
        css=css,
        word=word,
        device=visible_device(host.device, user),
        ports=host.ports.order_by("-is_open", "protocol", "port"),
        periods=host.periods.all()[:PERIODS],
        needs=[one for one in proposals if one["needs"]],
        may_act=may_act,
        **(defaults | forms),
    )
    return render(request, "scanning/discovery.html", context, status=status)


@require_GET
@login_required
def discovery(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _host(request, pk))


@require_POST
@login_required
def adopt(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    host = _host(request, pk)
    form = AdoptForm(request.POST, user=user)
    if form.is_valid():
        try:
            with transaction.atomic():
                device = reviewing.adopt(
                    host, user=user, fields=form.fields_of_device(), tcp_ports=form.cleaned_data["tcp_ports"]
                )
        except ValidationError as error:
            form.take(error)
        except NetmonError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, f"{device.name} is in the inventory, and watched from now on.")
            return redirect("device", pk=device.pk)
    return _page(request, host, 400, adopt_form=form)


@require_POST
@login_required
def attach(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    host = _host(request, pk)
    form = AttachForm(request.POST, user=user, prefix="attach")
    if form.is_valid():
        device = form.cleaned_data["device"]
        try:
            reviewing.attach(host, device, user=user)
        except ValidationError as error:
            form.take(error)
        except NetmonError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, f"{host.address} is {device.name}.")
            return redirect("discovery", pk=pk)
    return _page(request, host, 400, attach_form=form)


@require_POST
@login_required
def identify(request: HttpRequest, pk: int) -> HttpResponse:
    """Its SNMP agent is asked what it is, at the usual port."""
    user = page_tools.need(request, "operator")
    host = _host(request, pk)
    try:
        identifying.identify(host, user=user)
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, "Its SNMP agent answered.")
    return redirect("discovery", pk=pk)


@require_POST
@login_required
def ignore(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    host = _host(request, pk)
    form = IgnoreForm(request.POST, prefix="ignore")
    if form.is_valid():
        try:
            reviewing.ignore(host, user=user, reason=form.cleaned_data["reason"])
        except NetmonError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, f"{host.address} is ignored. It stays known.")
            return redirect(page_tools.back(request, reverse("discoveries")))
    return _page(request, host, 400, ignore_form=form)


@require_POST
@login_required
def reopen(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    host = _host(request, pk)
    try:
        reviewing.reopen(host, user=user)
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"{host.address} waits for review again.")
    return redirect("discovery", pk=pk)
