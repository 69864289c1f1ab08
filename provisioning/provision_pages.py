"""The pages that make machines and ports: what is asked for, what would be given, and the plan that is then applied."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from monitoring import page_tools
from provisioning.services import requests
from provisioning.services.refusals import StalePlan
from provisioning.services.requests import Asked
from provisioning.vm_forms import ProvisionForm, port_rows, wanted_ports, with_more
from provisioning.vm_pages import REFUSALS, context, followed, machine_of

STALE = "Nothing was sent: what would be sent now is not the plan that you saw. This is what it is now; look again."


@require_http_methods(["GET", "POST"])
@login_required
def provision(request: HttpRequest) -> HttpResponse:
    """The form; sent with `do=plan` (or by htmx) what it would be given, with `do=apply` exactly the seen plan."""
    user = page_tools.need(request, "operator")
    data = _data(request)
    form, rows = ProvisionForm(data, user=user, initial=_initial(request)), port_rows(data)

    def ask(**how: Any) -> Asked | None:
        entries = rows.entries()
        if not form.is_valid() or not rows.is_right():
            return None
        wish = form.wish(entries)
        return requests.provision(wish, user=user, via="page", **how) if wish is not None else None

    return _answer(request, ask, form.take, {"form": form, "rows": rows}, "provisioning/vm_provision.html")


@require_http_methods(["GET", "POST"])
@login_required
def add_ports(request: HttpRequest, pk: int) -> HttpResponse:
    """Further ports of a machine, in the same way."""
    vm = machine_of(request, pk, to_change=True)
    data = _data(request)
    rows = port_rows(data, template=False)
    wrong: list[str] = []

    def ask(**how: Any) -> Asked | None:
        entries = rows.entries()
        if not rows.is_right():
            return None
        return requests.create_ports(vm, wanted_ports(rows, entries), user=request.user, via="page", **how)

    def take(error: Exception) -> None:
        wrong.extend(getattr(error, "messages", None) or [str(getattr(error, "detail", error))])

    values = {"vm": vm, "rows": rows, "wrong": wrong}
    return _answer(request, ask, take, values, "provisioning/vm_ports.html")


def _data(request: HttpRequest) -> Any:
    if request.method != "POST":
        return None
    return with_more(request.POST) if request.POST.get("do") == "more" else request.POST


def _initial(request: HttpRequest) -> dict[str, Any]:
    return {"router": page_tools.number(request.GET.get("router", ""))}


def _answer(
    request: HttpRequest,
    ask: Callable[..., Asked | None],
    take: Callable[[Exception], None],
    values: dict[str, Any],
    template: str,
) -> HttpResponse:
    """Show the form, what it would come to, or where to follow what was begun."""
    asked, stale, is_asked = None, "", False
    if request.method == "POST" and request.POST.get("do") != "more":
        is_asked = True
        digest = request.POST.get("digest", "")[:64]
        try:
            if request.POST.get("do") == "apply" and digest:
                done = ask(digest=digest)
                if done is not None:
                    return followed(request, done, "It is done when the router has it: follow the change here.")
            else:
                asked = ask(dry_run=True)
        except StalePlan:
            stale = STALE
            try:
                asked = ask(dry_run=True)
            except REFUSALS as error:
                take(error)
        except REFUSALS as error:
            take(error)
    is_part = request.headers.get("HX-Request") == "true"
    values = context(request, "machines", asked=asked, stale=stale, is_asked=is_asked, **_given(asked), **values)
    # htmx swaps in what was found whatever it is: a form that is half filled in is no fault.
    status = 200 if is_part or not is_asked else 409 if stale else 200 if asked is not None else 400
    return render(request, "provisioning/_vm_plan.html" if is_part else template, values, status=status)


def _given(asked: Asked | None) -> dict[str, Any]:
    """What would be given: of a dry run, whose rows do not stay."""
    if asked is None:
        return {}
    made = asked.made
    forwards = made.forwards if made is not None else asked.rows.forwards if asked.rows is not None else ()
    return {"plan": asked.plan, "made": made, "forwards": forwards}
