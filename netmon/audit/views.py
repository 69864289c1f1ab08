"""The page of the record, for admins."""

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from netmon.audit import reading
from netmon.audit.models import AuditEvent
from netmon.common.permissions import has_role

PER_PAGE = 50
PERIODS = {"24h": ("Last 24 hours", 1), "7d": ("Last 7 days", 7), "30d": ("Last 30 days", 30), "": ("All", None)}
FILTERS = ("person", "action", "type", "object", "period")
# Offered while typing; any other word may be written.
ACTIONS = (
    "create", "update", "delete", "import", "export", "login", "login_failed", "logout", "password_set", "revoke",
    "use",
)  # fmt: skip


def _narrowed(filters: dict[str, str]) -> Any:
    rows = AuditEvent.objects.order_by("-id")
    if filters["person"]:
        rows = rows.filter(username__icontains=filters["person"])
    if filters["action"]:
        rows = rows.filter(action=filters["action"])
    if filters["type"]:
        rows = rows.filter(object_type=filters["type"])
    if filters["object"]:
        rows = rows.filter(Q(object_name__icontains=filters["object"]) | Q(object_id=filters["object"]))
    days = PERIODS.get(filters["period"], ("", None))[1]
    return rows.filter(at__gte=timezone.now() - timedelta(days=days)) if days else rows


@require_GET
@login_required
def audit_page(request: HttpRequest) -> HttpResponse:
    """What was done, newest first; "Older" goes on where the page ends, so that new events shift nothing."""
    if not has_role(request.user, "admin"):
        raise PermissionDenied
    filters = {name: request.GET.get(name, "").replace("\x00", "").strip()[:100] for name in FILTERS}
    rows, before = _narrowed(filters), request.GET.get("before", "")
    if before.isascii() and before.isdigit():
        rows = rows.filter(pk__lt=int(before[:18]))
    found = list(rows[: PER_PAGE + 1])
    kept = {name: value for name, value in filters.items() if value}
    older = urlencode({**kept, "before": found[PER_PAGE - 1].pk}) if len(found) > PER_PAGE else ""
    context = {
        "lines": [reading.line(event) for event in found[:PER_PAGE]],
        "older": older,
        "newest": urlencode(kept),
        "is_first": not before,
        "filters": filters,
        "is_filtered": bool(kept),
        "periods": [(key, label) for key, (label, _) in PERIODS.items()],
        "actions": ACTIONS,
        "types": sorted(
            model._meta.label_lower for model in apps.get_models() if hasattr(model._default_manager, "visible_to")
        ),
        "section": "audit",
    }
    return render(request, "audit/list.html", context)
