"""Machines for callers that are programs of programs: `{context, input}` in, `{context, output}` out.

The tools of the MCP door ask here, and whoever has no MCP client.
"""

import time
from typing import Any, cast

from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import APIView

from netmon.audit import context
from netmon.common.errors import Conflict
from netmon.common.fields import fold
from netmon.common.filters import refuse_unknown
from netmon.rest.idempotency import IdempotentMixin
from provisioning import mcp_serializers as shapes
from provisioning.models import ConfigChange, Vm
from provisioning.planning import Plan
from provisioning.services import requests, wishes
from provisioning.services.requests import Asked

ANSWERS = {200: shapes.McpAnswerSerializer, 202: shapes.McpAnswerSerializer}


class AmbiguousMachine(Conflict):
    """Several machines have this name."""

    code = "ambiguous_machine"


class ChangingView(IdempotentMixin, APIView):
    """Plans a change of one machine, or queues it: 200 where nothing is under way any more, else 202."""

    area = "provisioning"
    takes: Any

    def ask(self, request: Request) -> Response:
        refuse_unknown(request, {"format"})
        asked = self.takes(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        wish = asked.validated_data.get("context", {})
        dry_run, confirm = wish.get("dry_run", False), wish.get("confirm", "")
        options = {"user": request.user, "via": context.current().via, "dry_run": dry_run, "digest": confirm}
        try:
            done = self.change(request, dict(cast(dict[str, Any], request.data)["input"]), options)
        except ModelValidationError as error:
            raise ValidationError({"input": as_serializer_error(error)}) from None
        change = _waited(done.change, wish.get("wait", 0)) if done.change is not None else None
        status = change.status if change is not None else "planned" if dry_run and _does(done) else "unchanged"
        is_under_way = change is not None and change.status in ConfigChange.ACTIVE
        answer = {"context": {"status": status}, "output": _output(done, change)}
        return Response(answer, status=202 if is_under_way else 200)

    def change(self, request: Request, given: dict[str, Any], options: dict[str, Any]) -> Asked:
        raise NotImplementedError


class ProvisionView(ChangingView):
    """A machine with its address and forwards."""

    takes = shapes.McpProvisionSerializer

    @extend_schema(operation_id="mcp_provision", request=shapes.McpProvisionSerializer, responses=ANSWERS)
    def post(self, request: Request) -> Response:
        """Make a machine. The same again changes nothing."""
        return self.ask(request)

    def change(self, request: Request, given: dict[str, Any], options: dict[str, Any]) -> Asked:
        return requests.provision(wishes.read_vm(given), **options)


class DecommissionView(ChangingView):
    """The end of a machine."""

    takes = shapes.McpDecommissionSerializer

    @extend_schema(operation_id="mcp_decommission", request=shapes.McpDecommissionSerializer, responses=ANSWERS)
    def post(self, request: Request) -> Response:
        """Take a machine off its router, with its address and forwards."""
        return self.ask(request)

    def change(self, request: Request, given: dict[str, Any], options: dict[str, Any]) -> Asked:
        return requests.decommission(_machine(request, given["vm_name"]), **options)


class SetPortView(ChangingView):
    """One forward of a machine."""

    takes = shapes.McpSetPortSerializer

    @extend_schema(operation_id="mcp_set_port", request=shapes.McpSetPortSerializer, responses=ANSWERS)
    def post(self, request: Request) -> Response:
        """Enable, disable, pause or delete one forward of a machine."""
        return self.ask(request)

    def change(self, request: Request, given: dict[str, Any], options: dict[str, Any]) -> Asked:
        vm = _machine(request, given["vm_name"])
        return requests.act_on_ports(vm, given["action"], [given["port"].lower()], **options)


def _machine(request: Request, text: str) -> Vm:
    """By name, else by number, among those that the person sees. Raises Http404 or AmbiguousMachine."""
    rows = Vm.objects.visible_to(request.user).select_related("device", "router__endpoint__device", "reservation")
    found = list(rows.filter(device__name_key=fold(text))[:2])
    if not found and text.isdigit() and int(text) < 2**63:
        found = list(rows.filter(pk=int(text)))
    if len(found) > 1:
        raise AmbiguousMachine(f"Several machines have the name {text}: give the number of one.")
    if not found:
        raise Http404
    return found[0]


def _does(done: Asked) -> bool:
    return done.plan is None or bool(done.plan.lines)


def _waited(change: ConfigChange, seconds: float) -> ConfigChange:
    """The change as it is when it has ended or `seconds` are over."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while change.status in ConfigChange.ACTIVE and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.5)
        change.refresh_from_db()
    return change


def _output(done: Asked, change: ConfigChange | None) -> dict[str, Any]:
    reservation = done.made.reservation if done.made else getattr(done.vm, "reservation", None)
    forwards = list(done.made.forwards) if done.made else [row for row in _forwards(done.vm) if row.desired != "absent"]
    error = f"{change.error_code}: {change.error_detail}" if change is not None and change.error_code else ""
    return {
        "machine_id": done.vm.name,
        "internal_ip": reservation.address if reservation else None,
        "mac_address": reservation.mac_address if reservation else None,
        "external_ports": {row.name: row.external_port for row in forwards},
        "nat_rule_base": min((row.rule_number for row in forwards), default=None),
        "change": change.pk if change is not None else None,
        "error": error,
        "plan": _plan(done.plan) if done.plan is not None else None,
    }


def _forwards(vm: Vm) -> list[Any]:
    return list(vm.forwards.all()) if vm.pk else []


def _plan(plan: Plan) -> dict[str, Any]:
    return {"lines": plan.lines, "diff": list(plan.diff), "remarks": list(plan.remarks), "digest": plan.digest}
