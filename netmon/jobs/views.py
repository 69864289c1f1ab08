"""The pages of jobs: what people started, and how far it is."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import select_template
from django.views.decorators.http import require_GET, require_POST

from netmon.audit import services as audit
from netmon.common.permissions import has_role
from netmon.jobs import services
from netmon.jobs.models import Job

PER_PAGE = 50


def _context(job: Job) -> dict[str, Any]:
    # A template named after the kind shows its result; the app whose kind it is owns that template.
    template = select_template([f"jobs/results/{job.kind}.html", "jobs/results/default.html"])
    percent = round(100 * job.progress_done / job.progress_total) if job.progress_total else None
    return {"job": job, "state": job.shape, "percent": percent, "result_template": template, "section": "jobs"}


@require_GET
@login_required
def job_list(request: HttpRequest) -> HttpResponse:
    rows = Job.objects.visible_to(request.user).select_related("requested_by").defer("payload", "result")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page", "")[:6])
    jobs = [(job, job.shape) for job in page]
    return render(request, "jobs/list.html", {"jobs": jobs, "paging": page, "section": "jobs"})


@require_GET
@login_required
def job_detail(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job.objects.visible_to(request.user).select_related("requested_by"), pk=pk)
    # htmx asks for the part that changes; the whole page is for people.
    template = "jobs/_job.html" if request.headers.get("HX-Request") else "jobs/detail.html"
    may_see = job.requested_by_id == request.user.pk or has_role(request.user, "admin")
    return render(request, template, {**_context(job), "may_see_result": may_see})


@require_POST
@login_required
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    if not has_role(request.user, "operator"):
        raise PermissionDenied
    job = get_object_or_404(Job.objects.visible_to(request.user), pk=pk)
    job = services.cancel(job)
    audit.record("cancel", job)
    messages.info(request, "Cancelled." if not job.is_active else "It stops as soon as its worker looks.")
    return redirect("job", pk=pk)
