"""What the pages of alerting share: who may change what, where a form leads back to, and scopes in words."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Page, Paginator
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from inventory.models import Device, Site
from monitoring.models.scopes import Scoped
from netmon.audit import services as audit
from netmon.common.permissions import has_role

KINDS: dict[str, str] = {value: str(label) for value, label in Device.Kind.choices}


def need(request: HttpRequest, role: str) -> Any:
    """The person, who has this role. Raises PermissionDenied."""
    if not has_role(request.user, role):
        raise PermissionDenied
    return request.user


def may_change(user: Any, row: Any, role: str = "operator") -> bool:
    """Rows of no tenant are everybody's: only people bound to no tenant change them."""
    return has_role(user, role) and (not user.tenant_ids or row.tenant_id in user.tenant_ids)


def need_change(user: Any, row: Any, role: str = "operator") -> None:
    if not may_change(user, row, role):
        raise PermissionDenied


def save(form: Any, before: dict[str, Any] | None) -> bool:
    """Whether the form's row could be kept, and was, with its line in the record. `before`: None of a new one."""
    if not form.is_valid():
        return False
    try:
        with transaction.atomic():
            row = form.save()
            audit.record("update" if before is not None else "create", row, before=before, after=audit.snapshot(row))
    except ValidationError as error:
        form.take(error)
    except IntegrityError:  # somebody was faster with the same name
        form.add_error(None, "Somebody has just kept one of this name: look at the list.")
    return not form.errors


def status_of(form: Any) -> int:
    return 400 if form.is_bound and form.errors else 200


def back(request: HttpRequest, default: str) -> str:
    """Where a form leads: `next`, when it stays on this site."""
    given = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(given, {request.get_host()}, require_https=request.is_secure())
    return given if given.startswith("/") and is_ours else default


def number(text: str, default: int | None = None) -> int | None:
    """A whole number as addresses and forms carry it."""
    text = text.strip()
    return int(text[:18]) if text.isascii() and text.isdigit() else default


def numbers(texts: Iterable[str]) -> list[int]:
    return [found for text in texts if (found := number(text)) is not None]


def text_of(request: HttpRequest, name: str, limit: int = 100) -> str:
    return request.GET.get(name, "").replace("\x00", "").strip()[:limit]


def paged(request: HttpRequest, rows: Any, per_page: int = 50) -> "Page[Any]":
    return Paginator(rows, per_page).get_page(request.GET.get("page", "")[:6])


def kept(request: HttpRequest) -> str:
    """The query of this page without its page number, for links to others: empty or "a=b&"."""
    pairs = [(name, value) for name, values in request.GET.lists() if name != "page" for value in values]
    return f"{urlencode(pairs)}&" if pairs else ""


def scope_words(row: Scoped) -> str:
    """What a row is about: "routers in Berlin", "core-1", "every device"."""
    if row.device_id is not None and row.device is not None:
        return row.device.name
    words = KINDS.get(row.kind, row.kind) if row.kind else ""
    parts = [f"every {words.lower()}" if words else "every device"]
    if row.site is not None:
        parts.append(f"in {row.site.name}")
    if row.tag is not None:
        parts.append(f"tagged {row.tag.name}")
    if row.tenant is not None:
        parts.append(f"of {row.tenant.name}")
    return " ".join(parts)


def rows_of(model: Any, user: Any) -> Any:
    """Scoped rows that a person sees, with their scope: none that names a device or site they do not see."""
    rows = model.objects.visible_to(user).select_related(*SCOPE_RELATIONS)
    if user.tenant_ids:
        rows = rows.filter(
            Q(device=None) | Q(device__in=Device.objects.visible_to(user)),
            Q(site=None) | Q(site__in=Site.objects.visible_to(user)),
        )
    return rows


SCOPE_RELATIONS = ("device", "site", "tag", "tenant")
TABS = (
    ("alerts", "Problems", "viewer"),
    ("alert-rules", "Rules", "viewer"),
    ("alert-severity", "Severity", "viewer"),
    ("alert-silences", "Silences", "viewer"),
    ("alert-contacts", "Contacts", "viewer"),
    ("alert-policies", "Escalation", "viewer"),
    ("alert-channels", "Channels", "operator"),
    ("alert-log", "Delivery log", "viewer"),
)


def context(request: HttpRequest, tab: str, **values: Any) -> dict[str, Any]:
    """What every page of alerting needs."""
    tabs = [(name, reverse(name), label) for name, label, role in TABS if has_role(request.user, role)]
    return {"section": "alerts", "tabs": tabs, "tab": tab, "here": request.get_full_path(), **values}
