"""The pages of changes of routers' configurations: the list, and one with its steps while it goes on."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from monitoring import page_tools
from netmon.common.errors import NetmonError
from provisioning.models import ChangeItem, ConfigChange, VyosRouter
from provisioning.services import changes
from provisioning.vm_pages import context, may_change

PER_PAGE, MOST_OFFERED = 50, 200
Status = ConfigChange.Status
ITEM_SHAPES = {"pending": "pending", "applied": "up", "failed": "down", "unknown": "degraded", "reverted": "unknown"}
CHECK_REACH = "Check that the router is up and that netmon reaches its HTTP API; it is tried again by itself."
REMEDIES = {
    "unreachable": CHECK_REACH,
    "timeout": CHECK_REACH,
    "busy": "Somebody else is in configuration mode at the router; it is tried again by itself.",
    "router_busy": "Somebody else is asking the router; it is tried again by itself.",
    "auth_failed": "The router does not take the API key: correct the credential of its endpoint, then try again.",
    "untrusted_peer": "The router's certificate is not the pinned one: find out why before you pin the new one.",
    "target_refused": "An admin's target rules keep netmon from this address: have it admitted, then try again.",
    "commit_failed": "The router refused the lines: read what it said, correct the cause there, then try again.",
    "rejected": "The router refused the lines: read what it said, correct the cause there, then try again.",
    "read_back": "Somebody changed it at the same time, perhaps: compare the router, and heal what differs.",
    "stale_plan": "Look at the machine and ask for it again: trying again sends what is right now, unseen.",
    "unknown_outcome": "netmon reads the router back by itself; nothing is sent again blindly.",
    "unsettled": "netmon reads the router back by itself; nothing is sent again blindly.",
    "partly": "See below which machines were refused and why; trying again is for those alone.",
    "in_the_way": "Take what stands in the way off the router, or choose another address or port.",
    "internal": "See netmon's log; then try again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step on the way of a change."""

    name: str
    shape: str
    word: str
    at: Any = None


def _seen(user: Any) -> Any:
    return ConfigChange.objects.visible_to(user).select_related(
        "requested_by", "vm__device", "router__endpoint__device", "tenant"
    )


@require_GET
@login_required
def change_list(request: HttpRequest) -> HttpResponse:
    user = page_tools.need(request, "viewer")
    filters = {name: page_tools.text_of(request, name) for name in ("q", "status", "kind", "router")}
    rows = _seen(user).defer("lines", "undo", "diff", "remark").order_by("-id")
    if filters["status"] == "unsaved":
        rows = rows.filter(status=Status.APPLIED, is_saved=False)
    elif filters["status"] in Status.values:
        rows = rows.filter(status=filters["status"])
    if filters["kind"] in ConfigChange.Kind.values:
        rows = rows.filter(kind=filters["kind"])
    if (router := page_tools.number(filters["router"])) is not None:
        rows = rows.filter(router=router)
    if text := filters["q"]:
        touched = ChangeItem.objects.visible_to(user).filter(vm_name__icontains=text).values("change")
        rows = rows.filter(
            Q(router_name__icontains=text) | Q(vm_name__icontains=text) | Q(digest__startswith=text) | Q(pk__in=touched)
        )
    page = page_tools.paged(request, rows.prefetch_related("items"), PER_PAGE)
    known = ConfigChange.objects.visible_to(user).exclude(router=None).values("router")
    values = context(
        request, "changes", rows=[{"change": row, "number": len(row.items.all())} for row in page], paging=page,
        filters=filters, kept=page_tools.kept(request), kinds=ConfigChange.Kind.choices,
        statuses=[*Status.choices, ("unsaved", "Not saved")],
        routers=VyosRouter.objects.filter(pk__in=known).select_related("endpoint__device")[:MOST_OFFERED],
    )  # fmt: skip
    return render(request, "provisioning/change_list.html", values)


@require_GET
@login_required
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """One change; asked by htmx, the part that moves."""
    user = page_tools.need(request, "viewer")
    row: ConfigChange = get_object_or_404(_seen(user), pk=pk)
    items = list(ChangeItem.objects.visible_to(user).filter(change=row).select_related("vm").order_by("pk"))
    failed = next((item for item in items if item.error_code and item.error_code in REMEDIES), None)
    values = context(
        request, "changes", change=row, steps=steps_of(row),
        items=[{"row": item, "shape": ITEM_SHAPES.get(item.status, "unknown")} for item in items],
        remedy=REMEDIES.get(row.error_code) or (REMEDIES[failed.error_code] if failed and row.error_code else ""),
        pause=1 if row.status in ConfigChange.ACTIVE else 10, is_going_on=is_going_on(row),
        may_retry=may_retry(user, row),
    )  # fmt: skip
    template = "_change_live" if request.headers.get("HX-Request") else "change"
    answer = render(request, f"provisioning/{template}.html", values)
    answer["Cache-Control"] = "private, no-store"
    answer["Vary"] = "HX-Request, Cookie"
    return answer


@require_POST
@login_required
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue one again that failed, or whose end is not known."""
    user = page_tools.need(request, "viewer")
    row: ConfigChange = get_object_or_404(_seen(user), pk=pk)
    if not may_change(user, row.vm):
        raise PermissionDenied
    try:
        changes.retry(row, user=user)
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, "It is queued again; what is sent is planned anew.")
    return redirect("change", pk=pk)


def may_retry(user: Any, row: ConfigChange) -> bool:
    return row.can_be_retried and may_change(user, row.vm)


def is_going_on(row: ConfigChange) -> bool:
    """Whether the page should look again by itself."""
    is_to_be_saved = row.status == Status.APPLIED and not row.is_saved
    return row.status in (*ConfigChange.ACTIVE, Status.UNKNOWN) or is_to_be_saved


def steps_of(row: ConfigChange) -> list[Step]:
    """Queued, sent, saved, read back: how far it is."""
    ended = row.status not in ConfigChange.ACTIVE
    is_waiting = row.status == Status.QUEUED
    return [
        Step(name="Queued", shape="up", word="waits for its turn" if is_waiting else "done", at=row.created_at),
        _sent(row, ended),
        _saved(row, ended),
        _read_back(row, ended),
    ]


def _step(name: str, shape: str, word: str, at: Any = None) -> Step:
    return Step(name=name, shape=shape, word=word, at=at)


def _sent(row: ConfigChange, ended: bool) -> Step:
    if row.sent_requests:
        return _step("Sent", "up", "once" if row.sent_requests == 1 else f"{row.sent_requests} times", row.started_at)
    if row.status in (Status.APPLIED, Status.REVERTED):
        return _step("Sent", "up", "nothing had to be sent")
    return _step("Sent", "down" if ended else "pending", "never" if ended else "not yet")


def _saved(row: ConfigChange, ended: bool) -> Step:
    if row.is_saved:
        return _step("Saved", "up", "survives a reboot")
    if row.status == Status.APPLIED:
        return _step("Saved", "degraded", "not saved; it is tried again")
    return _step("Saved", "unknown" if ended else "pending", "no" if ended else "not yet")


def _read_back(row: ConfigChange, ended: bool) -> Step:
    if row.status == Status.APPLIED:
        return _step("Read back", "up", "the router has it", row.finished_at)
    if row.status == Status.REVERTED:
        return _step("Read back", "unknown", "the router went back", row.finished_at)
    if row.status == Status.UNKNOWN:
        return _step("Read back", "degraded", "not known yet; netmon asks again")
    if row.status == Status.FAILED:
        return _step("Read back", "down", "the router has it not", row.finished_at)
    return _step("Read back", "pending", "not yet")
