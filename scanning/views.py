"""The pages of scans: the list with what is new, the form with its dry run, one scan, two of them compared."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from monitoring import page_tools
from netmon.audit import services as audit
from netmon.common.errors import AlreadyRunning, NetmonError
from scanning import guard, pages
from scanning.filters import STATUSES, ScanFilter, host_text
from scanning.forms import NmapForm, ScanForm, port_lists
from scanning.models import Scan
from scanning.services import comparing, importing, starting, stats
from scanning.visibility import visible_device

RELATED = ("job", "device", "requested_by", "tenant", "schedule")
HOSTS_A_PAGE = 100
SHOWN = 2000


def _rows(user: Any) -> Any:
    return Scan.objects.visible_to(user).select_related(*RELATED)


def _scan(request: HttpRequest, pk: int) -> Scan:
    row: Scan = get_object_or_404(_rows(request.user), pk=pk)
    return row


# --- the list


def _running(user: Any) -> list[pages.Progress]:
    return [pages.progress(scan) for scan in _rows(user).active().order_by("-id")[:10]]


@require_GET
@login_required
def scans(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    given = {name: page_tools.text_of(request, name) for name in ("status", "kind", "source", "q")}
    found = ScanFilter({name: text for name, text in given.items() if text}, queryset=_rows(user), request=request)
    rows = found.qs if found.is_valid() else _rows(user).none()
    paging = page_tools.paged(request, rows.defer("checkpoint", "spans", "ports").order_by("-id"))
    context = pages.context(
        request,
        "scans",
        news=pages.news(user),
        running=_running(user),
        figures=stats.stats(user),
        paging=paging,
        rows=[(scan, pages.status_word(scan.status)) for scan in paging],
        kept=page_tools.kept(request),
        filters=given,
        statuses=[(value, pages.status_word(value)) for value, _ in STATUSES],
        kinds=list(pages.KIND_WORDS.items()),
    )
    return render(request, "scanning/scans.html", context)


@require_GET
@login_required
def running(request: HttpRequest) -> HttpResponse:
    """The scans under way, once a second. When the last one has ended the whole page comes anew."""
    found = _running(request.user)
    response = render(request, "scanning/_running.html", {"running": found})
    response["Cache-Control"] = "private, no-store"
    if not found:
        response["HX-Refresh"] = "true"
    return response


# --- a new one


def _initial(request: HttpRequest) -> dict[str, Any]:
    """A form that was opened from another scan, a device or a prefix knows it."""
    given: dict[str, Any] = {}
    if pk := page_tools.number(request.GET.get("again", "")):
        scan = _rows(request.user).filter(pk=pk).first()
        if scan is not None:
            given = {name: getattr(scan, name) for name in ("kind", "target", "profile", "packets_limit")}
            given |= {"ports": scan.ports, "tenant": scan.tenant_id}
    for name in ("target", "kind", "prefix", "ports"):
        if text := page_tools.text_of(request, name, 4000):
            given[name] = text
    return given


def _plan(form: ScanForm) -> tuple[guard.Plan | None, str]:
    """What would be touched, or why it is refused: the words go to the form's fields too."""
    if not form.is_valid():
        return None, ""
    try:
        return form.planned(), ""
    except ValidationError as error:
        form.take(error)
        return None, ""
    except NetmonError as error:
        form.add_error("target", error.detail)
        return None, error.detail


def _form_context(request: HttpRequest, form: ScanForm, **values: Any) -> dict[str, Any]:
    return pages.context(request, "scans", form=form, port_lists=port_lists(), **values)


@require_http_methods(["GET", "POST"])
@login_required
def new(request: HttpRequest) -> HttpResponse:
    """The form; sent, it starts the scan and leads to it."""
    user = page_tools.need(request, "operator")
    initial = _initial(request)
    form = ScanForm(request.POST if request.method == "POST" else None, user=user, initial=initial)
    if request.method != "POST":
        return render(request, "scanning/new.html", _form_context(request, form))
    planned, _ = _plan(form)
    running_already = None
    if planned is not None:
        given = form.cleaned_data
        try:
            scan = starting.start(
                planned,
                target=given["target"],
                user=user,
                reason=given["reason"],
                packets_limit=given["packets_limit"],
            )
        except AlreadyRunning as error:
            running_already = error.data.get("scan")
            form.add_error("target", error.detail)
        else:
            return redirect("scan", pk=scan.pk)
    context = _form_context(request, form, running_already=running_already)
    return render(request, "scanning/new.html", context, status=400)


@require_POST
@login_required
def plan(request: HttpRequest) -> HttpResponse:
    """What the form's scan would touch; nothing is sent."""
    user = page_tools.need(request, "operator")
    form = ScanForm(request.POST, user=user)
    planned, _ = _plan(form)
    is_part = bool(request.headers.get("HX-Request"))
    context = _form_context(request, form, planned=planned, is_asked=True)
    status = 200 if is_part or planned else 400
    return render(request, f"scanning/{'_plan' if is_part else 'new'}.html", context, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def import_file(request: HttpRequest) -> HttpResponse:
    """A file of nmap as a scan."""
    user = page_tools.need(request, "operator")
    is_sent = request.method == "POST"
    form = NmapForm(request.POST if is_sent else None, request.FILES if is_sent else None, user=user)
    if is_sent and form.is_valid():
        given = form.cleaned_data
        try:
            tenant = starting.tenant_for(user, given.get("tenant"))
            scan = importing.import_nmap(given["file"], tenant=tenant, user=user, reason=given["reason"])
        except ValidationError as error:
            if hasattr(error, "error_dict"):
                form.take(error)
            else:
                form.add_error("file", error)
        else:
            messages.success(request, f"{scan.hosts_up} hosts were read.")
            return redirect("scan", pk=scan.pk)
    context = pages.context(request, "scans", form=form)
    return render(request, "scanning/import.html", context, status=400 if form.errors else 200)


# --- one


def _found(request: HttpRequest, scan: Scan) -> dict[str, Any]:
    """A page of its hosts. While it runs they stand as they were found, so that what is read stays where it is."""
    text, port = page_tools.text_of(request, "q"), page_tools.number(request.GET.get("port", ""))
    hosts = scan.hosts.select_related("device").prefetch_related("ports")
    hosts = hosts.order_by("pk") if scan.is_active else hosts.order_by("address_key", "pk")
    if text:
        hosts = hosts.filter(host_text(text))
    if port:
        hosts = hosts.filter(ports__port=port).distinct()
    paging = page_tools.paged(request, hosts, HOSTS_A_PAGE)
    rows = pages.host_rows(scan, paging, request.user)
    return {
        "paging": paging,
        "hosts": rows,
        "state": pages.state_of(rows, paging.paginator.count),
        "kept": page_tools.kept(request),
        "text": text,
        "port": port or "",
    }


@require_GET
@login_required
def scan(request: HttpRequest, pk: int) -> HttpResponse:
    user: Any = request.user
    row = _scan(request, pk)
    context = pages.context(
        request,
        "scans",
        scan=row,
        it=pages.progress(row),
        how=pages.how(row),
        changes=pages.changes_of(row, 200),
        changes_total=row.notes.get("changes_total", 0),
        **_found(request, row),
        others=pages.others_of(row, user) if not row.is_active else [],
        device=visible_device(row.device, user),
        kind=pages.KIND_WORDS[row.kind],
    )
    return render(request, "scanning/scan.html", context)


@require_GET
@login_required
def scan_live(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is, asked once a second; at its end the whole page comes anew."""
    row: Scan = get_object_or_404(_rows(request.user).defer("checkpoint", "spans", "ports"), pk=pk)
    response = render(request, "scanning/_live.html", {"scan": row, "it": pages.progress(row)})
    response["Cache-Control"] = "private, no-store"
    if not row.is_active:
        response["HX-Refresh"] = "true"
    return response


@require_GET
@login_required
def scan_found(request: HttpRequest, pk: int) -> HttpResponse:
    """The hosts found so far, asked every two seconds: an empty answer leaves the page as it is while nothing is new.

    At the scan's end `scan_live` brings the whole page anew.
    """
    row: Scan = get_object_or_404(_rows(request.user).defer("checkpoint", "spans"), pk=pk)
    context = _found(request, row) if row.is_active else {}
    if not context or context["state"] == request.GET.get("state"):
        response = HttpResponse(status=204)
    else:
        response = render(request, "scanning/_found.html", {"scan": row, **context})
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@login_required
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = _scan(request, pk)
    page_tools.need_change(user, row)
    row = starting.cancel(row)
    words = "It stops within seconds; what it found by then stays." if row.is_active else "The scan is cancelled."
    messages.info(request, words)
    return redirect(page_tools.back(request, reverse("scan", args=[pk])))


@require_POST
@login_required
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = _scan(request, pk)
    page_tools.need_change(user, row)
    if row.is_active:
        messages.error(request, "The scan is under way: cancel it first.")
        return redirect("scan", pk=pk)
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
    messages.success(request, "The scan is deleted; what is known of hosts stays.")
    return redirect("scans")


# --- two


@require_GET
@login_required
def choose_diff(request: HttpRequest) -> HttpResponse:
    """Where the two fields of "compare" lead."""
    one, other = (page_tools.number(request.GET.get(name, "")) for name in ("one", "other"))
    if one and other:
        return redirect("scan-compare", pk=one, other=other)
    messages.error(request, "Choose two scans to compare.")
    return redirect("scan", pk=one) if one else redirect("scans")


@require_GET
@login_required
def diff(request: HttpRequest, pk: int, other: int) -> HttpResponse:
    one, two = _scan(request, pk), _scan(request, other)
    with_flaps = request.GET.get("flaps") == "1"
    found = comparing.compare(one, two, with_flaps=with_flaps)
    context = pages.context(
        request,
        "scans",
        found=found,
        with_flaps=with_flaps,
        hosts=[(row, *pages.DIFFERENCES[row.change]) for row in found.hosts[:SHOWN]],
        ports=[(row, *pages.DIFFERENCES[row.change]) for row in found.ports[:SHOWN]],
        left=max(0, len(found.hosts) - SHOWN) + max(0, len(found.ports) - SHOWN),
        api=f"/api/v1/scans/{pk}/diff/?{urlencode({'with': other, **({'flaps': 1} if with_flaps else {})})}",
        others=pages.others_of(found.newer, request.user),
    )
    return render(request, "scanning/diff.html", context)
