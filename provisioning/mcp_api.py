"""Machines for programs that call tools but are no MCP clients: `{context, input}` in, `{context, output}` out."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from netmon.common.filters import refuse_unknown
from netmon.rest.idempotency import IdempotentMixin
from provisioning import mcp_serializers as forms
from provisioning import vm_answers as answers
from provisioning.models import Vm
from provisioning.models.owners import changes_own_only
from provisioning.services import requests
from provisioning.services.requests import Asked
from provisioning.vm_api import find_vm


class ToolView(IdempotentMixin, APIView):
    """One call that changes a machine."""

    area, narrow_area = "provisioning", "vms"

    def given(self, request: Request, shape: Any) -> tuple[dict[str, Any], bool, int]:
        """The input, whether it is a dry run, how long to wait. Raises ValidationError."""
        refuse_unknown(request, {"format"})
        asked = shape(data=request.data, context={"request": request, "view": self})
        asked.is_valid(raise_exception=True)
        context = asked.validated_data.get("context", {})
        return asked.validated_data["input"], context.get("dry_run", False), context.get("wait", 0)

    def told(self, asked: Asked, body: dict[str, Any], shape: Any, wait: int) -> Response:
        """As `vms/` answers, in the two parts of this call."""
        done = answers.answer(asked, body, shape, wait=wait)
        done.data = {"context": {"status": done.data["status"]}, "output": done.data}
        return done


class ProvisionView(ToolView):
    @extend_schema(
        operation_id="mcp_provision",
        request=forms.McpProvisionSerializer,
        responses={200: forms.McpProvisionedSerializer, 202: forms.McpProvisionedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make a machine, as `vms/provision/` does; asked for again, the answer is the same and nothing is sent."""
        given, dry_run, wait = self.given(request, forms.McpProvisionSerializer)
        user: Any = request.user
        owner = given["owner"]
        if changes_own_only(user) and owner is not None and owner.pk != user.pk:
            raise PermissionDenied("Your API key makes machines that you own.")
        asked = requests.provision(
            given["wish"], user=user, owner=owner, tenant=given["tenant"], dry_run=dry_run, digest=given["digest"]
        )
        body = answers.provisioned(asked, dry_run=dry_run)
        return self.told(asked, body, forms.shapes.ProvisionedSerializer, wait)


class DecommissionView(ToolView):
    tells_missing = True  # the machine is named in the body
    required_roles = {"write": "viewer"}  # of their own machines: `must_change`

    @extend_schema(
        operation_id="mcp_decommission",
        request=forms.McpDecommissionSerializer,
        responses={200: forms.McpDecommissionedSerializer, 202: forms.McpDecommissionedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Take a machine off its router, as `vms/{name}/decommission/` does."""
        given, dry_run, wait = self.given(request, forms.McpDecommissionSerializer)
        rows = Vm.objects.visible_to(request.user).select_related("device", "router__endpoint__device")
        vm = find_vm(rows, given["vm_name"])
        if vm is None:
            raise Http404
        answers.must_change(request.user, vm)
        asked = requests.decommission(vm, user=request.user, dry_run=dry_run, digest=given["digest"])
        return self.told(asked, answers.shown(asked, dry_run=dry_run), forms.shapes.AskedSerializer, wait)
