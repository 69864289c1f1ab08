"""The pages of actions: what there is, what it asks, what it wrote, and who must say yes."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inventory.models import Device
from monitoring import page_tools
from monitoring.models import Alert
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role
from provisioning.action_forms import ActionForm, RunForm
from provisioning.models import Action, ActionRun
from provisioning.services import actions, scripts

SHAPES = {"approved": "up", "changed": "down", "unapproved": "pending", "refused": "down"}
WORDS = {"approved": "Approved", "changed": "Changed", "unapproved": "Not approved", "refused": "Refused"}
RUN_RELATED = ("action", "device", "requested_by", "approved_by", "job", "alert")
AT_DEVICE = 20


def _context(request: HttpRequest, tab: str, **values: Any) -> dict[str, Any]:
    waiting = _runs(request.user).filter(status=ActionRun.Status.WAITING).count()
    tabs = [
        ("actions", reverse("actions"), "Actions", 0),
        ("runs", reverse("action-runs"), "Runs", 0),
        ("waiting", reverse("actions-waiting"), "To approve", waiting),
    ]
    return {"section": "actions", "tabs": tabs, "tab": tab, "is_on": scripts.is_on(), **values}


def _runs(user: Any) -> Any:
    return ActionRun.objects.visible_to(user).select_related(*RUN_RELATED)


def _script(row: Action) -> dict[str, Any]:
    found = scripts.state_of(row)
    return {**found, "shape": SHAPES[found["state"]], "word": WORDS[found["state"]]}


def _action(user: Any, pk: int) -> Action:
    row: Action = get_object_or_404(page_tools.rows_of(Action, user), pk=pk)
    return row


# --- what there is


@require_GET
@login_required
def action_list(request: HttpRequest) -> HttpResponse:
    user = page_tools.need(request, "operator")
    shown = [
        {
            "row": row,
            "scope": page_tools.scope_words(row),
            "script": _script(row) if scripts.is_on() else None,
            "may_run": row.is_enabled and has_role(user, row.role),
            "may_change": page_tools.may_change(user, row, "admin"),
        }
        for row in page_tools.rows_of(Action, user)[:500]
    ]
    return render(request, "provisioning/actions.html", _context(request, "actions", rows=shown))


@require_http_methods(["GET", "POST"])
@login_required
def action(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """The form of an action, and beside it the script as it is, to be approved."""
    user = page_tools.need(request, "admin")
    row = _action(user, pk) if pk else None
    if row is not None:
        page_tools.need_change(user, row, "admin")
    before = audit.snapshot(row) if row else None
    form = ActionForm(request.POST or None, instance=row, user=user)
    if request.method == "POST" and _kept(form, before):
        messages.success(request, f"The action {form.instance.name} is kept.")
        return redirect("action-edit", pk=form.instance.pk)
    context = _context(
        request, "actions", form=form, row=row, device_names=form.names_of_devices(), script_names=scripts.names(),
        **_source(row),
    )  # fmt: skip
    return render(request, "provisioning/action.html", context, status=400 if form.errors else 200)


def _source(row: Action | None) -> dict[str, Any]:
    if row is None or not scripts.is_on():
        return {}
    # A form that was refused has written what was typed into its row.
    stored = Action.objects.get(pk=row.pk)
    found = _script(stored)
    text = scripts.text_of(stored.executable) if found["state"] != "refused" else ""
    return {"script": found, "text": text, "stored": stored}


def _kept(form: ActionForm, before: dict[str, Any] | None) -> bool:
    if not form.is_valid():
        return False
    try:
        with transaction.atomic():
            row = form.save()
            audit.record("update" if before is not None else "create", row, before=before, after=audit.snapshot(row))
    except IntegrityError:  # somebody was faster with the same name
        form.add_error(None, "Somebody has just kept one of this name: look at the list.")
    return not form.errors


@require_POST
@login_required
def approve_script(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "admin")
    row = _action(user, pk)
    page_tools.need_change(user, row, "admin")
    try:
        scripts.approve(row, sha256=request.POST.get("sha256", "")[:64], user=user)
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"{row.executable} may run as it is now.")
    return redirect("action-edit", pk=pk)


@require_POST
@login_required
def action_delete(request: HttpRequest, pk: int) -> HttpResponse:
    user = page_tools.need(request, "admin")
    row = _action(user, pk)
    page_tools.need_change(user, row, "admin")
    if row.runs.exists():
        messages.error(request, "It has been run, and its runs are kept: switch it off instead.")
        return redirect("action-edit", pk=pk)
    with transaction.atomic():
        audit.record("delete", row, before=audit.snapshot(row))
        row.delete()
    messages.success(request, f"{row} is deleted.")
    return redirect("actions")


# --- running


@require_http_methods(["GET", "POST"])
@login_required
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """What is asked before a run."""
    user = page_tools.need(request, "operator")
    row = _action(user, pk)
    if not has_role(user, row.role):
        raise PermissionDenied
    device, alert = _asked_about(request, user)
    form = RunForm(
        request.POST or None, action=row, user=user, device=device, initial={"alert": alert.pk if alert else None}
    )
    if request.method == "POST" and form.is_valid():
        run = _start(form, row, user)
        if run is not None:
            if run.status == ActionRun.Status.WAITING:
                messages.success(request, "It waits for a second person to approve it.")
            return redirect("action-outcome", pk=run.pk)
    context = _context(
        request, "actions", form=form, row=row, device=device, alert=alert, scope=page_tools.scope_words(row),
        script=_script(row) if scripts.is_on() else None, notes=scripts.notes() if row.run_on == "local" else (),
        device_names=list(Device.objects.visible_to(user).order_by("name_key").values_list("name", flat=True)[:300]),
    )  # fmt: skip
    return render(request, "provisioning/start.html", context, status=400 if form.errors else 200)


def _asked_about(request: HttpRequest, user: Any) -> tuple[Device | None, Alert | None]:
    numbers = {name: page_tools.number(request.GET.get(name, "")) for name in ("device", "alert")}
    device = Device.objects.visible_to(user).filter(pk=numbers["device"]).first() if numbers["device"] else None
    alert = Alert.objects.visible_to(user).filter(pk=numbers["alert"]).first() if numbers["alert"] else None
    return device, alert


def _start(form: RunForm, row: Action, user: Any) -> ActionRun | None:
    given = form.cleaned_data
    alert = Alert.objects.visible_to(user).filter(pk=given["alert"]).first() if given.get("alert") else None
    try:
        return actions.request(
            row, given["device"], form.values(), user=user, is_confirmed=bool(given.get("confirm")), alert=alert
        )
    except ValidationError as error:
        form.take(error)
    except NetmonError as error:
        form.add_error(None, error.detail)
    return None


def _run(request: HttpRequest, pk: int) -> ActionRun:
    page_tools.need(request, "operator")
    row: ActionRun = get_object_or_404(_runs(request.user), pk=pk)
    return row


@require_GET
@login_required
def outcome(request: HttpRequest, pk: int) -> HttpResponse:
    """One run; asked by htmx, its state and what it has written by now."""
    run = _run(request, pk)
    context = _context(
        request,
        "runs",
        run=run,
        may_decide=run.status == ActionRun.Status.WAITING and actions.may_decide(run, request.user),
    )
    template = "_outcome" if request.headers.get("HX-Request") else "outcome"
    response = render(request, f"provisioning/{template}.html", context)
    response["Cache-Control"] = "private, no-store"
    response["Vary"] = "HX-Request, Cookie"
    return response


@require_POST
@login_required
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    run = actions.cancel(_run(request, pk), user=request.user)
    messages.success(request, "It is being stopped." if run.is_active else "It has ended.")
    return redirect("action-outcome", pk=pk)


@require_POST
@login_required
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """The second person's yes or no."""
    run = _run(request, pk)
    text = request.POST.get("decision", "").replace("\x00", "").strip()[:300]
    is_yes = request.POST.get("do") == "approve"
    try:
        (actions.approve if is_yes else actions.refuse)(run, user=request.user, decision=text)
    except NetmonError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, "Approved: it runs." if is_yes else "It will not run.")
    return redirect(page_tools.back(request, reverse("action-outcome", args=[pk])))


# --- lists of runs


@require_GET
@login_required
def run_list(request: HttpRequest) -> HttpResponse:
    user = page_tools.need(request, "operator")
    rows = _runs(user).defer("output")
    filters = {name: page_tools.text_of(request, name) for name in ("status", "action", "q")}
    if filters["status"] in ActionRun.Status.values:
        rows = rows.filter(status=filters["status"])
    if (chosen := page_tools.number(filters["action"])) is not None:
        rows = rows.filter(action=chosen)
    if filters["q"]:
        rows = rows.filter(device_name__icontains=filters["q"])
    page = page_tools.paged(request, rows, 50)
    context = _context(
        request, "runs", rows=page, paging=page, filters=filters, kept=page_tools.kept(request),
        statuses=ActionRun.Status.choices, actions=Action.objects.visible_to(user)[:200],
    )  # fmt: skip
    return render(request, "provisioning/runs.html", context)


@require_GET
@login_required
def waiting(request: HttpRequest) -> HttpResponse:
    """What waits for a second person, and whether that could be you."""
    user = page_tools.need(request, "operator")
    actions.settle()
    rows = _runs(user).filter(status=ActionRun.Status.WAITING).order_by("pk")[:200]
    shown = [{"run": run, "may_decide": actions.may_decide(run, user)} for run in rows]
    return render(request, "provisioning/waiting.html", _context(request, "waiting", rows=shown))


@require_GET
@login_required
def device_actions(request: HttpRequest, pk: int) -> HttpResponse:
    """The tab of a device."""
    user = page_tools.need(request, "operator")
    device = get_object_or_404(Device.objects.visible_to(user), pk=pk)
    context = {
        "section": "devices",
        "device": device,
        "is_on": scripts.is_on(),
        "rows": [{"row": row, "script": _script(row)} for row in actions.runnable(user, device)]
        if scripts.is_on()
        else [],
        "runs": _runs(user).filter(device=device).defer("output")[:AT_DEVICE],
    }
    template = "_device" if request.headers.get("HX-Request") else "device"
    response = render(request, f"provisioning/{template}.html", context)
    response["Vary"] = "HX-Request, Cookie"
    return response
