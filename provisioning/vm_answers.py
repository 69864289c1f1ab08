"""What became of a request, as the API answers it."""

import time
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.urls import reverse
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from netmon.common.errors import NetmonError
from netmon.common.exception_handler import problem_of
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.rest import shapes
from provisioning.models import ConfigChange, Vm
from provisioning.models.owners import changes_own_only
from provisioning.services import ports
from provisioning.services.requests import Asked
from provisioning.vm_serializers import NO_PORT

MESSAGES = {
    "queued": "The router is told soon: follow the change.",
    "unchanged": "It is so already: nothing is sent.",
    "planned": "Nothing was written and nothing is sent: this is what would be.",
    "applying": "The router is being told: follow the change.",
    "applied": "The router has it.",
    "failed": "The router was told and has it not: the change says why.",
    "unknown": "Whether the router has it is not known yet: netmon reads it back.",
    "reverted": "The router took it and went back: the change says why.",
}


def must_change(user: Any, vm: Vm | None) -> None:
    """Raises PermissionDenied for who changes their own machines only, and this is none of them."""
    if changes_own_only(user) and (vm is None or vm.owner_id != user.pk):
        raise PermissionDenied("Your role, or your API key, changes the machines that you own, and this is none.")


def options(request: Request) -> tuple[bool, int]:
    """`dry_run` and `wait` of the query string. Raises ValidationError."""
    refuse_unknown(request, {"dry_run", "wait", "format"})
    wait = bounded_int(request, "wait", minimum=0, maximum=30, default=0)
    return shapes.flag(request, "dry_run"), wait or 0


def pointed(change: ConfigChange | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {"id": change.pk, "status": change.status, "url": reverse("config-change-detail", args=[change.pk])}


def waited(change: ConfigChange, seconds: float) -> ConfigChange:
    """The change as it is when it has ended or `seconds` are over."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while change.status in ConfigChange.ACTIVE and time.monotonic() < deadline:
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, 0.25)
        change.refresh_from_db(fields=["status"])
    return change


def shown(asked: Asked, *, dry_run: bool) -> dict[str, Any]:
    """What every answer says."""
    status = "planned" if dry_run else asked.change.status if asked.change is not None else "unchanged"
    plan = asked.plan
    return {
        "status": status,
        "machine_id": asked.vm.name,
        "message": MESSAGES[status],
        "change": pointed(asked.change),
        "lines": plan.lines if plan is not None else None,
        "undo": plan.undo_lines if plan is not None else None,
        "diff": list(plan.diff) if plan is not None else None,
        "remarks": list(plan.remarks) if plan is not None else None,
        "digest": plan.digest if plan is not None else "",
    }


def provisioned(asked: Asked, *, dry_run: bool) -> dict[str, Any]:
    made = asked.made
    assert made is not None
    vm, reservation = made.vm, made.reservation
    return {
        **shown(asked, dry_run=dry_run),
        "id": None if dry_run and made.is_new else vm.pk,
        "hostname": vm.hostname,
        "internal_ip": reservation.address,
        "mac_address": reservation.mac_address,
        "external_ports": made.external_ports,
        "nat_rule_base": made.nat_rule_base,
        "router": vm.router_id,
        "router_name": vm.router.device.name,
        "dhcp_pool": reservation.pool_id,
        "dhcp_pool_name": reservation.pool.name,
        "expires_at": vm.expires_at,
    }


def port_results(asked: Asked, names: tuple[str, ...] | None) -> list[dict[str, Any]]:
    """How each port stands now, or of a dry run would: the named ones, else all."""
    changed = {forward.name for forward in asked.rows.forwards} if asked.rows is not None else set()
    held = {forward.name: forward for forward in asked.vm.forwards.all()}
    found = []
    for name in names if names is not None else held:
        forward = held.get(name)
        found.append(
            {
                "port": name,
                "status": ports.status_of(forward) if forward is not None else NO_PORT["status"],
                "external_port": forward.external_port if forward is not None else None,
                "nat_rule_number": forward.rule_number if forward is not None else None,
                "is_changed": name in changed,
            }
        )
    return found


def answer(asked: Asked, body: Mapping[str, Any], shape: Any, *, wait: int) -> Response:
    """202 with where to follow the change; 200 where nothing goes on any more."""
    data = dict(body)
    change = asked.change
    if change is None:
        return Response(shape(data).data)
    if wait:
        change = waited(change, wait)
        data |= {"status": change.status, "message": MESSAGES[change.status], "change": pointed(change)}
    is_over = change.status not in ConfigChange.ACTIVE
    location = reverse("config-change-detail", args=[change.pk])
    return Response(shape(data).data, status=200 if is_over else 202, headers={"Location": location})


def result(index: int, found: Asked | NetmonError | ValidationError | Exception) -> dict[str, Any]:
    """What became of one of many."""
    if isinstance(found, Asked):
        status = 202 if found.change is not None else 200
        return {
            "index": index,
            "status": status,
            "vm": provisioned(found, dry_run=False),
            "code": "",
            "errors": [],
        }
    body = problem_of(found, {})[0]
    if body is None:
        raise found
    errors = body["errors"] or [
        {"location": "body", "pointer": _pointer(body), "code": body["code"], "detail": body["detail"]}
    ]
    return {"index": index, "status": body["status"], "vm": None, "code": body["code"], "errors": errors}


def _pointer(body: Mapping[str, Any]) -> str:
    return f"/{body['field']}" if body.get("field") else ""
