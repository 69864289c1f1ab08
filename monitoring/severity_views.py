"""The pages of severity modifiers: where alerts are graver or milder than their rule says."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from monitoring import page_tools
from monitoring.forms import ModifierForm
from monitoring.models import SeverityModifier
from monitoring.models.rules import Severity
from monitoring.presentation import count
from netmon.audit import services as audit

SHOWN = 500


def shift_words(delta: int) -> str:
    """ "2 steps graver"."""
    return f"{count(abs(delta), 'step')} {'graver' if delta > 0 else 'milder'}"


def ladder(delta: int) -> list[tuple[str, str]]:
    """What each severity becomes, worst first."""
    return [(one.value, one.shifted(delta).value) for one in reversed(Severity)]


@require_GET
@login_required
def modifiers(request: HttpRequest) -> HttpResponse:
    user = request.user
    shown = [
        {
            "row": row,
            "scope": page_tools.scope_words(row),
            "words": shift_words(row.delta),
            "ladder": [(before, after) for before, after in ladder(row.delta) if before != after],
            "may_change": page_tools.may_change(user, row),
        }
        for row in page_tools.rows_of(SeverityModifier, user)[:SHOWN]
    ]
    return render(
        request, "monitoring/alerts/severities.html", page_tools.context(request, "alert-severity", rows=shown)
    )


def _modifier(user: Any, pk: int) -> SeverityModifier:
    row: SeverityModifier = get_object_or_404(page_tools.rows_of(SeverityModifier, user), pk=pk)
    page_tools.need_change(user, row)
    return row


@require_http_methods(["GET", "POST"])
@login_required
def modifier(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    user = page_tools.need(request, "operator")
    row = _modifier(user, pk) if pk else None
    before = audit.snapshot(row) if row else None
    form = ModifierForm(request.POST or None, instance=row, user=user)
    if request.method == "POST" and page_tools.save(form, before):
        messages.success(request, f"{form.instance.name} is kept. It counts for alerts that are raised from now on.")
        return redirect("alert-severity")
    context = page_tools.context(request, "alert-severity", form=form, row=row, device_names=form.names_of_devices())
    return render(request, "monitoring/alerts/severity.html", context, status=page_tools.status_of(form))


@require_POST
@login_required
def modifier_delete(request: HttpRequest, pk: int) -> HttpResponse:
    row = _modifier(page_tools.need(request, "operator"), pk)
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
    messages.success(request, f"{row.name} is deleted.")
    return redirect("alert-severity")
