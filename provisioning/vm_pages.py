"""The pages of machines behind VyOS routers: the list, one machine, and what is done to it."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from monitoring import page_tools
from netmon.accounts.models import User
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role
from netmon.drivers.errors import DriverError
from provisioning import timeline
from provisioning.models import ChangeItem, ConfigChange, DriftItem, PortForward, Vm, VyosRouter
from provisioning.models.owners import changes_own_only
from provisioning.models.vms import Applied
from provisioning.services import diagnosis, live, ports, requests
from provisioning.services.requests import Asked
from provisioning.vm_filters import mac_is
from provisioning.vm_forms import EndForm

PER_PAGE, MOST_OFFERED, ENTRIES = 50, 200, 30
RELATED = ("device__tenant", "router__endpoint__device", "reservation__pool", "owner")
# What the router has, gravest first: the shape, and the word that a whole machine gets.
APPLIED = {
    "failed": ("down", "Failed"),
    "drifted": ("degraded", "Drifted"),
    "pending": ("pending", "Pending"),
    "applied": ("up", "Applied"),
}
WISHED = {
    "enabled": ("up", "Enabled"),
    "disabled": ("unknown", "Disabled"),
    "paused": ("maintenance", "Paused"),
    "expired": ("degraded", "Expired"),
    "absent": ("unknown", "Deleted"),
}
STEPS = {"ok": "up", "failed": "down", "unknown": "unknown", "skipped": "pending"}
DONE = {
    "enable": "enabled again", "disable": "disabled", "pause": "paused", "delete": "deleted",
}  # fmt: skip


def context(request: HttpRequest, tab: str, **values: Any) -> dict[str, Any]:
    """What every page of machines needs."""
    tabs = [("machines", reverse("machines"), "Machines"), ("changes", reverse("changes"), "Changes")]
    return {"section": "machines", "tabs": tabs, "tab": tab, **values}


def seen(user: Any) -> Any:
    return Vm.objects.visible_to(user).select_related(*RELATED)


def may_change(user: Any, vm: Vm | None) -> bool:
    """Operators change every machine that they see, others those that they own."""
    return not changes_own_only(user) or (vm is not None and vm.owner_id == user.pk)


def machine_of(request: HttpRequest, pk: int, *, to_change: bool = False) -> Vm:
    """Raises Http404 or PermissionDenied."""
    page_tools.need(request, "viewer")
    vm: Vm = get_object_or_404(seen(request.user), pk=pk)
    if to_change and not may_change(request.user, vm):
        raise PermissionDenied
    return vm


def sentence(error: Exception) -> str:
    """A refusal in words."""
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    return str(getattr(error, "detail", error))


REFUSALS = (ValidationError, NetmonError, DriverError)


def followed(request: HttpRequest, asked: Asked, words: str) -> HttpResponse:
    """Where to look next: the change, or the machine where nothing has to be sent."""
    if asked.change is None:
        messages.success(request, "It is so already: nothing is sent to the router.")
        return redirect("machine", pk=asked.vm.pk)
    messages.success(request, words)
    return redirect("change", pk=asked.change.pk)


# --- all of them


@require_GET
@login_required
def machines(request: HttpRequest) -> HttpResponse:
    user = page_tools.need(request, "viewer")
    all_rows = Vm.objects.visible_to(user)
    filters = {name: page_tools.text_of(request, name) for name in ("q", "router", "state", "owner")}
    page = page_tools.paged(request, _narrowed(seen(user), filters).prefetch_related("forwards"), PER_PAGE)
    routers = VyosRouter.objects.filter(pk__in=all_rows.values("router")).select_related("endpoint__device")
    values = context(
        request, "machines", rows=_rows(list(page)), paging=page, filters=filters, kept=page_tools.kept(request),
        routers=routers[:MOST_OFFERED], states=[*Vm.State.choices, *Applied.choices[2:], Applied.choices[0]],
        owners=User.objects.filter(pk__in=all_rows.exclude(owner=None).values("owner")).order_by("username")[
            :MOST_OFFERED
        ],
        may_provision=has_role(user, "operator"),
    )  # fmt: skip
    return render(request, "provisioning/vm_list.html", values)


def _narrowed(rows: Any, filters: dict[str, str]) -> Any:
    text, state = filters["q"], filters["state"]
    if (router := page_tools.number(filters["router"])) is not None:
        rows = rows.filter(router=router)
    if (owner := page_tools.number(filters["owner"])) is not None:
        rows = rows.filter(owner=owner)
    if state in Vm.State.values:
        rows = rows.filter(state=state)
    elif state in Applied.values:
        leading = PortForward.objects.filter(applied=state)
        rows = rows.filter(Q(reservation__applied=state) | Q(pk__in=leading.values("vm")))
    if text:
        wanted = (
            Q(device__name__icontains=text)
            | Q(hostname__icontains=text)
            | Q(reservation__address__icontains=text)
            | mac_is("reservation__mac_address", text)
        )
        if (port := page_tools.number(text)) is not None and port <= 65535:
            leading = PortForward.objects.filter(external_port__lte=port, external_port_end__gte=port)
            wanted |= Q(pk__in=leading.values("vm"))
        rows = rows.filter(wanted)
    return rows


def _rows(found: Sequence[Vm]) -> list[dict[str, Any]]:
    when, saved = live.last_seen_of(found), saved_of(found)
    return [
        {
            "vm": vm,
            "state": state_of(vm),
            "forwards": [row for row in vm.forwards.all() if row.desired != "absent"],
            "seen": when[vm.pk],
            "saved": saved[vm.pk],
        }
        for vm in found
    ]


def state_of(vm: Vm) -> tuple[str, str]:
    """Shape and word: what is wrong goes before what is wished."""
    found = {vm.reservation.applied, *(row.applied for row in vm.forwards.all())}
    if "failed" in found or "drifted" in found:
        return APPLIED["failed" if "failed" in found else "drifted"]
    if vm.state != Vm.State.ACTIVE:
        return ("maintenance" if vm.state == Vm.State.LEAVING else "degraded"), vm.get_state_display()
    return APPLIED["pending"] if "pending" in found else ("up", "Active")


def saved_of(found: Sequence[Vm]) -> dict[int, tuple[str, str]]:
    """By machine, shape and word: whether what the router has of it survives a reboot."""
    items = ChangeItem.objects.filter(vm__in=found, status="applied").values("vm")
    counted = items.annotate(missing=Count("pk", filter=Q(change__status="applied", change__is_saved=False)))
    unsaved = {row["vm"]: bool(row["missing"]) for row in counted.order_by()}
    words = {None: ("unknown", "Not known"), True: ("up", "Saved"), False: ("degraded", "Not saved")}
    result = {}
    for vm in found:
        is_there = any(row.applied == "applied" for row in (vm.reservation, *vm.forwards.all()))
        is_saved = not unsaved[vm.pk] if vm.pk in unsaved else vm.router.is_saved
        result[vm.pk] = words[is_saved] if is_there else ("pending", "Not yet")
    return result


# --- one


@require_GET
@login_required
def machine(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, machine_of(request, pk))


def _page(request: HttpRequest, vm: Vm, **more: Any) -> HttpResponse:
    user: Any = request.user
    is_own = may_change(user, vm)
    drift = DriftItem.objects.visible_to(user).filter(vm=vm) if has_role(user, "operator") else DriftItem.objects.none()
    form = more.pop("form", None) or EndForm(initial={"expires_at": vm.expires_at})
    status = 400 if form.is_bound and form.errors else 200
    values = context(
        request, "machines", vm=vm, state=state_of(vm), saved=saved_of([vm])[vm.pk], seen=live.last_seen(vm),
        rows=[_forward(row) for row in vm.forwards.select_related("pool").order_by("rule_number")],
        mapping=APPLIED[vm.reservation.applied], drift=drift[:ENTRIES], is_own=is_own, form=form,
        is_leaving=vm.state == Vm.State.LEAVING, entries=timeline.of_vm(vm, user, limit=ENTRIES),
        waiting=_changes(user, vm), **more,
    )  # fmt: skip
    return render(request, "provisioning/vm.html", values, status=status)


def _changes(user: Any, vm: Vm) -> Any:
    """What of it is not over."""
    rows = ConfigChange.objects.visible_to(user).filter(Q(vm=vm) | Q(pk__in=vm.change_items.values("change")))
    return rows.filter(status__in=[*ConfigChange.ACTIVE, ConfigChange.Status.UNKNOWN]).order_by("-pk")[:5]


def _forward(row: PortForward) -> dict[str, Any]:
    return {
        "row": row,
        "wished": WISHED[row.why_disabled or row.desired],
        "applied": APPLIED[row.applied],
        "is_gone": row.desired == "absent",
        "place": row.pool.external_address or "",
        "is_range": row.internal_port_end != row.internal_port,
    }


@require_POST
@login_required
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """Enable, disable or pause forwards at once; deleting is asked for once more, with the plan."""
    vm = machine_of(request, pk, to_change=True)
    action, name = request.POST.get("do", ""), request.POST.get("port", "")[:63]
    names = (name,) if name else None
    if action not in ports.ACTIONS:
        messages.error(request, f"Choose one of {', '.join(ports.ACTIONS)}.")
        return redirect("machine", pk=pk)
    if action == "delete" and "sure" not in request.POST:
        what = f"Delete the forward {name} of {vm}" if name else f"Delete every forward of {vm}"
        return _confirm(
            request, vm, lambda **how: requests.act_on_ports(vm, action, names, **how), what=what,
            url=reverse("machine-ports", args=[pk]), fields={"do": action, "port": name}, button="Delete",
        )  # fmt: skip
    try:
        asked = requests.act_on_ports(vm, action, names, user=request.user, via="page", digest=_digest(request))
    except REFUSALS as error:
        messages.error(request, sentence(error))
        return redirect("machine", pk=pk)
    what = f"{name} is" if name else "All forwards are"
    return followed(request, asked, f"{what} {DONE[action]} when the router has it: follow the change here.")


def _digest(request: HttpRequest) -> str:
    return request.POST.get("digest", "")[:64]


def _confirm(
    request: HttpRequest, vm: Vm, plan: Any, *, what: str, url: str, fields: dict[str, str], button: str,
    stale: str = "", **more: Any,
) -> HttpResponse:  # fmt: skip
    """The page that shows what would be sent, and asks. Without a plan the worker makes one when the router answers."""
    asked, why = None, ""
    try:
        asked = plan(user=request.user, via="page", dry_run=True)
    except REFUSALS as error:
        why = sentence(error)
    values = context(
        request, "machines", vm=vm, asked=asked, plan=asked.plan if asked else None, why=why, what=what, url=url,
        fields=fields, button=button, stale=stale, **more,
    )  # fmt: skip
    return render(request, "provisioning/vm_confirm.html", values, status=409 if stale else 200)


@require_http_methods(["GET", "POST"])
@login_required
def decommission(request: HttpRequest, pk: int) -> HttpResponse:
    """The plan first; then, with the machine's name typed, exactly that."""
    vm = machine_of(request, pk, to_change=True)
    stale = wrong = ""
    if request.method == "POST":
        typed = request.POST.get("name", "").strip()[:100]
        if typed.casefold() != vm.name.casefold():
            wrong = f"Not done: type {vm.name}, the machine's name."
        else:
            try:
                asked = requests.decommission(vm, user=request.user, via="page", digest=_digest(request))
            except REFUSALS as error:
                stale = sentence(error)
            else:
                return followed(request, asked, f"{vm} is being taken off its router: follow the change here.")
    answer = _confirm(
        request, vm, lambda **how: requests.decommission(vm, **how), what=f"Decommission {vm}",
        url=reverse("machine-decommission", args=[pk]), fields={}, button="Decommission", stale=stale, wrong=wrong,
        wants_name=True,
    )  # fmt: skip
    if wrong:
        answer.status_code = 400
    return answer


@require_POST
@login_required
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """Another end of the machine, or of one forward, or none."""
    vm = machine_of(request, pk, to_change=True)
    form = EndForm(request.POST)
    if form.is_valid():
        name = form.cleaned_data["port"]
        try:
            asked = requests.set_end(
                vm, form.moment(vm), (name,) if name else None, user=request.user, via="page"
            )  # fmt: skip
        except REFUSALS as error:
            form.add_error("expires_at", sentence(error))
        else:
            if asked.change is None:
                messages.success(request, "The end is kept; the router need not be told.")
                return redirect("machine", pk=pk)
            return followed(request, asked, "The end is kept; what had expired is enabled again.")
    return _page(request, vm, form=form)


@require_POST
@login_required
def diagnose(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks now, which takes up to ten seconds: asked by htmx a part of the page, else the whole page.

    It holds the router meanwhile and sends to the machine, so it is for those who may act.
    """
    vm = machine_of(request, pk, to_change=True)
    found, why = None, ""
    try:
        found = diagnosis.diagnose(vm, port=request.POST.get("port", "")[:63] or None)
    except REFUSALS as error:
        why = sentence(error)
    more = {"found": found, "why": why, "steps": [(step, STEPS[step.status]) for step in found.steps] if found else []}
    if request.headers.get("HX-Request"):
        answer = render(request, "provisioning/_vm_diagnosis.html", {"vm": vm, **more})
        answer["Cache-Control"] = "private, no-store"
        return answer
    return _page(request, vm, **more)
