"""The pages of scans that are repeated, and of addresses that no scan touches."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from monitoring import page_tools, presentation
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role
from scanning import pages
from scanning.forms import ExclusionForm, ScheduleForm, port_lists
from scanning.models import ScanExclusion, ScanSchedule
from scanning.services import repeating


def _schedule(request: HttpRequest, pk: int) -> ScanSchedule:
    rows = ScanSchedule.objects.visible_to(request.user).select_related("tenant")
    row: ScanSchedule = get_object_or_404(rows, pk=pk)
    return row


def _save(request: HttpRequest, form: Any, *, is_new: bool, before: Any) -> Any:
    with transaction.atomic():
        kept = form.save()
        audit.record("create" if is_new else "update", kept, before=before, after=audit.snapshot(kept))
    return kept


@require_GET
@login_required
def schedules(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    rows = ScanSchedule.objects.visible_to(user).select_related("tenant", "created_by")
    paging = page_tools.paged(request, rows.order_by("name_key", "pk"))
    lines = [
        {
            "row": row,
            "every": presentation.duration(row.every_minutes * 60),
            "last": row.scans.order_by("-pk").only("pk", "outcome", "finished_at", "job", "created_at").first(),
            "may_change": page_tools.may_change(user, row),
        }
        for row in paging
    ]
    context = pages.context(request, "scan-schedules", lines=lines, paging=paging, kept=page_tools.kept(request))
    return render(request, "scanning/schedules.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def schedule(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    user: Any = request.user
    row = _schedule(request, pk) if pk else None
    if row is None or request.method == "POST":
        page_tools.need(request, "operator")
    if row is not None and request.method == "POST":
        page_tools.need_change(user, row)
    before = audit.snapshot(row) if row else None
    initial = {name: text for name in ("target", "kind", "ports") if (text := page_tools.text_of(request, name, 4000))}
    form = ScheduleForm(request.POST if request.method == "POST" else None, instance=row, user=user, initial=initial)
    if request.method == "POST" and form.is_valid():
        if row is None:
            form.instance.created_by = user
        kept = _save(request, form, is_new=row is None, before=before)
        messages.success(request, f"{kept.name} is kept.")
        return redirect("scan-schedules")
    context = pages.context(
        request,
        "scan-schedules",
        form=form,
        row=row,
        port_lists=port_lists(),
        scans=row.scans.order_by("-pk").select_related("job").defer("checkpoint", "notes", "spans")[:10] if row else [],
        may_change=page_tools.may_change(user, row) if row else True,
    )
    return render(request, "scanning/schedule.html", context, status=400 if form.errors else 200)


@require_POST
@login_required
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """Start its scan now, whatever the time."""
    user = page_tools.need(request, "operator")
    row = _schedule(request, pk)
    page_tools.need_change(user, row)
    try:
        with transaction.atomic():
            scan = repeating.run(row)
            audit.record("run", row, detail=f"scan {scan.pk}")
    except NetmonError as error:
        messages.error(request, error.detail)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        return redirect("scan", pk=scan.pk)
    return redirect("scan-schedules")


@require_POST
@login_required
def schedule_delete(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = _schedule(request, pk)
    page_tools.need_change(user, row)
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
    messages.success(request, f"{row.name} is deleted; its scans stay.")
    return redirect("scan-schedules")


# --- exclusions: an admin's


def _exclusion(request: HttpRequest, pk: int) -> ScanExclusion:
    rows = ScanExclusion.objects.visible_to(request.user).select_related("tenant")
    row: ScanExclusion = get_object_or_404(rows, pk=pk)
    return row


@require_GET
@login_required
def exclusions(request: HttpRequest) -> HttpResponse:
    user = page_tools.need(request, "operator")
    rows = ScanExclusion.objects.visible_to(user).select_related("tenant")
    paging = page_tools.paged(request, rows)
    lines = [(row, page_tools.may_change(user, row, "admin")) for row in paging]
    context = pages.context(
        request,
        "scan-exclusions",
        lines=lines,
        paging=paging,
        kept=page_tools.kept(request),
        is_admin=has_role(user, "admin"),
    )
    return render(request, "scanning/exclusions.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def exclusion(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    user = page_tools.need(request, "admin")
    row = _exclusion(request, pk) if pk else None
    if row is not None:
        page_tools.need_change(user, row, "admin")
    before = audit.snapshot(row) if row else None
    initial = None if row else {"cidr": page_tools.text_of(request, "cidr")}
    sent = request.POST if request.method == "POST" else None
    form = ExclusionForm(sent, instance=row, user=user, initial=initial)
    if request.method == "POST" and form.is_valid():
        kept = _save(request, form, is_new=row is None, before=before)
        messages.success(request, f"No scan touches {kept.cidr} from now on.")
        return redirect("scan-exclusions")
    context = pages.context(request, "scan-exclusions", form=form, row=row)
    return render(request, "scanning/exclusion.html", context, status=400 if form.errors else 200)


@require_POST
@login_required
def exclusion_delete(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "admin")
    row = _exclusion(request, pk)
    page_tools.need_change(user, row, "admin")
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
    messages.success(request, f"{row.cidr} may be scanned again.")
    return redirect("scan-exclusions")
