"""The pages of VyOS routers: how they stand, where they differ, what they have that could be taken over, and pools."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from monitoring import page_tools
from netmon.common.errors import NetmonError
from provisioning import router_pages as shown
from provisioning.models import DriftItem, Quota, RunningConfig, VyosRouter
from provisioning.services import capacity, drift, importing, routers

MOST_CHOSEN, ROUTERS_A_PAGE = 500, 20
VIA = "page"


def _context(request: HttpRequest, tab: str, **values: Any) -> dict[str, Any]:
    tabs = [("routers", reverse("vyos-routers"), "Routers", 0), ("pools", reverse("vyos-pools"), "Pools and quotas", 0)]
    return {"section": "vyos", "tabs": tabs, "tab": tab, **values}


def _router(request: HttpRequest, pk: int) -> VyosRouter:
    user = page_tools.need(request, "operator")
    row: VyosRouter = get_object_or_404(shown.rows(user), pk=pk)
    return row


def _of_router(request: HttpRequest, router: Any, tab: str, **values: Any) -> dict[str, Any]:
    """What the pages of one router share."""
    return {
        **_context(request, tab), "tabs": shown.tabs_of(router, router.drifting), "router": router,
        "stands": shown.standing(router, router.drifting), "saved": shown.saved_words(router), **values,
    }  # fmt: skip


@require_GET
@login_required
def router_list(request: HttpRequest) -> HttpResponse:
    user = page_tools.need(request, "operator")
    rows = list(shown.rows(user)[:200])
    entries = [
        {
            "router": row,
            "stands": shown.standing(row, row.drifting),
            "saved": shown.saved_words(row),
            "fullest": shown.fullest(row),
        }
        for row in rows
    ]
    return render(request, "provisioning/routers.html", _context(request, "routers", rows=entries))


@require_GET
@login_required
def router(request: HttpRequest, pk: int) -> HttpResponse:
    """One router; asked by htmx, only what changes while its queue is worked off."""
    row = _router(request, pk)
    context = _of_router(request, row, "router", **shown.queue_of(row, request.user))
    if request.headers.get("HX-Request"):
        response = render(request, "provisioning/_router_live.html", context)
    else:
        context["bars"] = shown.bars(capacity.outlooks([row]))
        response = render(request, "provisioning/router.html", context)
    response["Cache-Control"] = "private, no-store"
    response["Vary"] = "HX-Request, Cookie"
    return response


def _try(request: HttpRequest, act: Callable[[], str]) -> bool:
    """Do it and say what came of it, or why nothing did."""
    try:
        messages.success(request, act())
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        return True
    return False


@require_POST
@login_required
def read(request: HttpRequest, pk: int) -> HttpResponse:
    row = _router(request, pk)

    def act() -> str:
        routers.read(row)
        return f"{row} was read: it runs {row.version_text or 'a version that it does not tell'}."

    _try(request, act)
    return redirect("vyos-router", pk=pk)


# --- what differs


@require_GET
@login_required
def drift_page(request: HttpRequest, pk: int) -> HttpResponse:
    row = _router(request, pk)
    context = _of_router(request, row, "drift", rows=shown.drift_rows(row))
    return render(request, "provisioning/router_drift.html", context)


@require_POST
@login_required
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    row = _router(request, pk)

    def act() -> str:
        count = len(drift.compare(row))
        return f"{row} was compared: {count or 'nothing'} differ{'' if count > 1 else 's'}."

    _try(request, act)
    return redirect("vyos-drift", pk=pk)


@require_POST
@login_required
def reconcile(request: HttpRequest, pk: int) -> HttpResponse:
    """Heal or adopt what was chosen: the first time it is shown what that comes to, with `sure` it is done."""
    row = _router(request, pk)
    direction = request.POST.get("direction", "")
    chosen = page_tools.numbers(request.POST.getlist("item")[:MOST_CHOSEN])
    items = list(DriftItem.objects.filter(router=row, pk__in=chosen).select_related("vm__device"))
    if direction not in drift.DIRECTIONS or not items:
        messages.error(request, "Choose what differs, and whether it is to be healed or adopted.")
        return redirect("vyos-drift", pk=pk)
    stuck = [item for item in items if not (item.can_adopt if direction == "adopt" else item.kind != "foreign")]
    if "sure" not in request.POST or stuck:
        context = _of_router(request, row, "drift", direction=direction, items=items, stuck=stuck)
        return render(request, "provisioning/router_reconcile.html", context, status=409 if stuck else 200)

    def act() -> str:
        done = drift.reconcile(row, chosen, direction, user=request.user, via=VIA)
        if done.change is not None:
            return f"The router is told soon: change {done.change.pk} is queued."
        return f"Taken over, nothing was sent: {', '.join(done.adopted)[:300]}."

    is_done = _try(request, act)
    return redirect("vyos-router" if is_done and direction == "heal" else "vyos-drift", pk=pk)


# --- taking over


@require_http_methods(["GET", "POST"])
@login_required
def take_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Machines that the router knows and netmon does not. GET asks no router: it shows what was read last."""
    row = _router(request, pk)
    names = [name[:80] for name in request.POST.getlist("name")[:MOST_CHOSEN]]
    sure: list[Any] = []
    if request.method == "POST":
        verb = request.POST.get("do", "")
        if verb == "read":
            _try(request, lambda: f"{row} was read: {len(importing.find(row))} could be taken over, or tell why not.")
            return redirect("vyos-import", pk=pk)
        if not names:
            messages.error(request, "Choose what is to be taken over.")
            return redirect("vyos-import", pk=pk)
        if verb == "adopt":
            if _try(request, lambda: _adopted(request, row, names)):
                return redirect("vyos-router", pk=pk)
            return redirect("vyos-import", pk=pk)
        try:
            sure = importing.adopt(row, names, user=request.user, via=VIA, dry_run=True)
        except (NetmonError, ValidationError) as error:
            messages.error(request, error.detail if isinstance(error, NetmonError) else " ".join(error.messages))
            return redirect("vyos-import", pk=pk)
    running = RunningConfig.objects.filter(router=row).first()
    found = importing.found_in(row, running) if running is not None and not sure else []
    context = _of_router(request, row, "import", running=running, found=found, sure=sure)
    return render(request, "provisioning/router_import.html", context)


def _adopted(request: HttpRequest, row: VyosRouter, names: list[str]) -> str:
    taken = importing.adopt(row, names, user=request.user, via=VIA)
    return f"Taken over, nothing was sent: {', '.join(one.name for one in taken)[:300]}."


# --- pools


@require_GET
@login_required
def pools(request: HttpRequest) -> HttpResponse:
    """Addresses, ports and rule numbers of each router, and who may have how much."""
    user = page_tools.need(request, "operator")
    page = page_tools.paged(request, shown.rows(user), ROUTERS_A_PAGE)
    rows = list(page)
    groups: dict[int, dict[str, Any]] = {row.pk: {"router": row, "bars": []} for row in rows}
    for one in capacity.outlooks(rows):
        groups[one.router.pk]["bars"].append(shown.bar(one.fill, one.full_at))
    quotas = Quota.objects.visible_to(user).select_related("owner", "tenant")[:100]
    context = _context(
        request, "pools", groups=list(groups.values()), paging=page, kept=page_tools.kept(request),
        quotas=[{"quota": quota, "bars": shown.bars_of_quota(quota)} for quota in quotas],
    )  # fmt: skip
    return render(request, "provisioning/pools.html", context)
