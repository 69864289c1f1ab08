"""Machines over HTTP: shown to whoever may see them, changed by operators and by their owners."""

from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.generics import ListAPIView, get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from netmon.common.errors import Conflict
from netmon.common.fields import fold
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.common.parsers import BoundedJSONParser
from netmon.common.schema import IF_MATCH
from netmon.rest import etags
from netmon.rest.viewsets import VisibleReadViewSet
from provisioning import timeline, vm_filters
from provisioning import vm_answers as answers
from provisioning import vm_requests as bodies
from provisioning import vm_serializers as shapes
from provisioning.models import PortForward, Vm
from provisioning.models.owners import changes_own_only
from provisioning.services import diagnosis, requests, wishes
from provisioning.vm_answers import must_change

NAME = "[A-Za-z0-9][A-Za-z0-9-]{0,62}"
MOST_NAMED = 10
DRY_RUN = OpenApiParameter(
    "dry_run", OpenApiTypes.BOOL, OpenApiParameter.QUERY, description="Say what would be sent; write and send nothing."
)
WAIT = OpenApiParameter(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": 30},
    description="Wait so many seconds for the end of the change: 200 when it ended.",
)
PORT = OpenApiParameter(
    "port", {"type": "string", "pattern": f"^{NAME}$"}, description="One port by name; else all of them."
)
LIMIT = OpenApiParameter(
    "limit", {"type": "integer", "minimum": 1, "maximum": 500}, description="At most so many entries (100)."
)


class AmbiguousName(Conflict):
    """Several machines answer to this: `data["numbers"]` are theirs."""

    code = "ambiguous_name"


def find_vm(rows: Any, text: str) -> Vm | None:
    """Of the machines that somebody sees the one of this name, or of this number. Raises AmbiguousName."""
    found = list(rows.filter(device__name_key=fold(text)).order_by("pk")[: MOST_NAMED + 1])
    if text.isdigit() and int(text) < 2**63:
        # By its own number a machine is found whatever others are called; by a name only where there is one of it.
        numbered = rows.filter(pk=int(text)).first()
        if numbered is not None and numbered not in found:
            found.append(numbered)
    if len(found) > 1:
        known = ", ".join(f"{vm.pk} at the router {vm.router}" for vm in found[:MOST_NAMED])
        raise AmbiguousName(
            f"{text} stands for several machines: give a number, or another's name. They are {known}.",
            numbers=[vm.pk for vm in found[:MOST_NAMED]],
        )
    return found[0] if found else None


class VmsMixin(VisibleReadViewSet):
    """Machines by name or number."""

    model, queryset = Vm, Vm.objects.none()
    lookup_url_kwarg = "name"
    lookup_value_regex = NAME
    tells_conflicts = True  # two machines of one name
    narrow_area = "vms"
    related = ("device", "router__endpoint__device", "reservation__pool", "owner")

    def get_queryset(self) -> Any:
        rows = Vm.objects.visible_to(self.request.user).select_related(*self.related)
        return rows.prefetch_related("forwards")

    def get_object(self) -> Any:
        vm = find_vm(self.get_queryset(), self.kwargs["name"])
        if vm is None:
            raise Http404
        self.check_object_permissions(self.request, vm)
        return vm


def writing(body: Any, answer: Any) -> Any:
    """The schema of a request that may change a router's configuration."""
    return extend_schema(
        request=body, parameters=[DRY_RUN, WAIT, IF_MATCH], responses={200: answer, 202: answer}, filters=False
    )


class VmViewSet(VmsMixin):
    """Machines that netmon gave an address and forwards. Operators change them, and those who own them."""

    serializer_class = shapes.VmSerializer
    filterset_class = vm_filters.VmFilter
    ordering_fields = ["id", "hostname", "state", "expires_at", "created_at"]
    brief = {"id": "pk", "name": "device__name", "internal_ip": "reservation__address", "state": "state"}
    parser_classes = [BoundedJSONParser]
    # Who changes their own machines only is told so by `must_change`.
    required_roles = {"write": "viewer", "provision": "operator", "provision_many": "operator"}

    def body(self, shape: Any, **context: Any) -> dict[str, Any]:
        """The checked body of a request. Raises ValidationError."""
        asked = shape(data=self.request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    def machine(self) -> Vm:
        """The machine of the address, which the person may change and which is as `If-Match` says."""
        vm: Vm = self.get_object()
        must_change(self.request.user, vm)
        if "If-Match" in self.request.headers:
            etags.check(self.request, etags.of(self.get_serializer(vm).data))
        return vm

    @extend_schema(
        request=bodies.ProvisionSerializer,
        parameters=[DRY_RUN, WAIT],
        responses={200: shapes.ProvisionedSerializer, 202: shapes.ProvisionedSerializer},
        filters=False,
    )
    @action(detail=False, methods=["post"], pagination_class=None)
    def provision(self, request: Request) -> Response:
        """Make a machine: 202 with its address, ports and the change; asked for again, 200 with the same."""
        dry_run, wait = answers.options(request)
        given = self.body(bodies.ProvisionSerializer)
        user: Any = request.user
        owner = given["owner"]
        if changes_own_only(user) and owner is not None and owner.pk != user.pk:
            raise PermissionDenied("Your API key makes machines that you own.")
        asked = requests.provision(
            given["wish"], user=user, owner=owner, tenant=given["tenant"], dry_run=dry_run, digest=given["digest"]
        )
        body = answers.provisioned(asked, dry_run=dry_run)
        return answers.answer(asked, body, shapes.ProvisionedSerializer, wait=wait)

    @extend_schema(
        request=bodies.VmBodySerializer(many=True),
        responses={207: shapes.ProvisionedManySerializer},
        filters=False,
        operation_id="vms_provision_many",
    )
    @action(detail=False, methods=["post"], url_path="bulk", url_name="bulk", pagination_class=None)
    def provision_many(self, request: Request) -> Response:
        """Make many machines, at most 500, in few commits: a result for each; one that is refused hinders no other."""
        refuse_unknown(request, {"format"})
        items = request.data
        if not isinstance(items, list) or not 1 <= len(items) <= requests.MOST_AT_ONCE:
            raise ValidationError(f"Write a list of 1 to {requests.MOST_AT_ONCE} machines.")
        results: list[dict[str, Any]] = []
        good: list[tuple[int, Any]] = []
        for index, item in enumerate(items):
            asked = bodies.VmBodySerializer(data=item, context=self.get_serializer_context())
            try:
                asked.is_valid(raise_exception=True)
            except ValidationError as error:
                results.append(answers.result(index, error))
            else:
                good.append((index, asked.validated_data["wish"]))
        made = requests.provision_many([wish for _, wish in good], user=request.user)
        results += [answers.result(index, found) for (index, _), found in zip(good, made, strict=True)]
        results.sort(key=lambda entry: entry["index"])
        return Response(shapes.ProvisionedManySerializer({"results": results}).data, status=207)

    @writing(None, shapes.AskedSerializer)
    def destroy(self, request: Request, name: str) -> Response:
        """Take a machine off its router; its rows go when the router holds nothing of it any more."""
        return self._leave(request, "")

    @writing(bodies.ApprovalSerializer, shapes.AskedSerializer)
    @action(detail=True, methods=["post"], pagination_class=None)
    def decommission(self, request: Request, name: str) -> Response:
        """Take it off its router; as DELETE does, with the digest of a plan that was seen."""
        return self._leave(request, None)

    def _leave(self, request: Request, digest: str | None) -> Response:
        dry_run, wait = answers.options(request)
        vm = self.machine()
        if digest is None:
            digest = self.body(bodies.ApprovalSerializer)["digest"]
        asked = requests.decommission(vm, user=request.user, dry_run=dry_run, digest=digest)
        return answers.answer(asked, answers.shown(asked, dry_run=dry_run), shapes.AskedSerializer, wait=wait)

    @writing(bodies.TemplateSerializer, shapes.PortsAskedSerializer)
    @action(detail=True, methods=["post"], url_path="ports/template", pagination_class=None)
    def ports_template(self, request: Request, name: str) -> Response:
        """Create, enable, disable, pause or delete all ports or the named ones, in one commit."""
        dry_run, wait = answers.options(request)
        vm = self.machine()
        given = self.body(bodies.TemplateSerializer)
        more: dict[str, Any] = {"user": request.user, "dry_run": dry_run, "digest": given["digest"]}
        if given["action"] == "create":
            asked = requests.create_ports(vm, given["ports"], **more)
            wanted = given["ports"] if given["ports"] is not None else wishes.template()
            names: tuple[str, ...] | None = tuple(wish.name for wish in wanted)
        else:
            asked = requests.act_on_ports(vm, given["action"], given["ports"], **more)
            names = given["ports"]
        body = {
            **answers.shown(asked, dry_run=dry_run),
            "action": given["action"],
            "action_results": answers.port_results(asked, names),
        }
        return answers.answer(asked, body, shapes.PortsAskedSerializer, wait=wait)

    @writing(bodies.OnePortSerializer, shapes.PortAskedSerializer)
    @action(detail=True, methods=["post"], url_path=f"ports/(?P<port>{NAME})", pagination_class=None)
    def single_port(self, request: Request, name: str, port: str) -> Response:
        """Enable, disable, pause or delete one port."""
        dry_run, wait = answers.options(request)
        vm = self.machine()
        given = self.body(bodies.OnePortSerializer)
        names = (port.lower(),)
        asked = requests.act_on_ports(
            vm, given["action"], names, user=request.user, dry_run=dry_run, digest=given["digest"]
        )
        (one,) = answers.port_results(asked, names)
        body = {
            **answers.shown(asked, dry_run=dry_run),
            "action": given["action"],
            "port": one["port"],
            "port_status": one["status"],
        }
        return answers.answer(asked, body, shapes.PortAskedSerializer, wait=wait)

    @writing(bodies.ExpirySerializer, shapes.ExpiryAskedSerializer)
    @action(detail=True, methods=["post"], pagination_class=None)
    def expiry(self, request: Request, name: str) -> Response:
        """Give it, or the named ports, another end or none. What had expired is enabled again."""
        dry_run, wait = answers.options(request)
        vm = self.machine()
        given = self.body(bodies.ExpirySerializer)
        asked = requests.set_end(
            vm, given["expires_at"], given["ports"], user=request.user, dry_run=dry_run, digest=given["digest"]
        )
        body = {**answers.shown(asked, dry_run=dry_run), "expires_at": given["expires_at"]}
        return answers.answer(asked, body, shapes.ExpiryAskedSerializer, wait=wait)

    @extend_schema(responses=shapes.PortsStatusSerializer, filters=False)
    @action(detail=True, methods=["get"], url_path="ports/status", pagination_class=None)
    def ports_status(self, request: Request, name: str) -> Response:
        """Each port: as it is wished, and whether the router has it so."""
        refuse_unknown(request, {"format"})
        return Response(shapes.PortsStatusSerializer(self.get_object()).data)

    @extend_schema(parameters=[PORT], responses=shapes.DiagnosisSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def diagnose(self, request: Request, name: str) -> Response:
        """Why nobody gets in: router, mapping, rule, lease, host and ports, asked now; within ten seconds."""
        refuse_unknown(request, {"port", "format"})
        port = request.query_params.get("port")
        found = diagnosis.diagnose(self.get_object(), port=port.lower() if port else None)
        return Response(shapes.DiagnosisSerializer(found.as_dict()).data)

    @extend_schema(parameters=[LIMIT], responses=shapes.TimelineEntrySerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def timeline(self, request: Request, name: str) -> Response:
        """What was done to it and by whom, and what was told to its router; newest first."""
        refuse_unknown(request, {"limit", "format"})
        limit = bounded_int(request, "limit", minimum=1, maximum=500, default=100) or 100
        vm = self.get_object()
        found = timeline.of_vm(vm, request.user, limit=limit)
        return Response(shapes.TimelineEntrySerializer(found, many=True).data)


class PortsStatusView(ListAPIView[Any]):
    """The ports of every machine that you see."""

    serializer_class = shapes.PortsStatusSerializer
    filterset_class = vm_filters.VmFilter
    ordering_fields = ["id", "hostname", "created_at"]
    narrow_area = "vms"

    def get_queryset(self) -> Any:
        rows = Vm.objects.visible_to(self.request.user).select_related("device", "reservation", "router")
        return rows.prefetch_related("forwards")


class PortForwardViewSet(VisibleReadViewSet):
    """Ports of the outside that lead to machines. Making, changing and deleting one is a change of its router."""

    model, queryset = PortForward, PortForward.objects.none()
    serializer_class = shapes.PortForwardSerializer
    filterset_class = vm_filters.PortForwardFilter
    ordering_fields = ["id", "name", "external_port", "internal_port", "rule_number", "expires_at", "created_at"]
    related = ("vm__device", "vm__reservation", "vm__router__endpoint__device", "pool")
    brief = {"id": "pk", "vm": "vm_id", "name": "name", "external_port": "external_port", "applied": "applied"}
    narrow_area = "vms"
    parser_classes = [BoundedJSONParser]
    required_roles = {"write": "viewer"}

    def body(self, shape: Any) -> dict[str, Any]:
        asked = shape(data=self.request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        return dict(asked.validated_data)

    @extend_schema(
        request=bodies.NewForwardSerializer,
        parameters=[DRY_RUN, WAIT],
        responses={200: shapes.ForwardAskedSerializer, 202: shapes.ForwardAskedSerializer},
        filters=False,
    )
    def create(self, request: Request) -> Response:
        """Open a port of a machine: 202 with it and the change; one that is there just so: 200."""
        dry_run, wait = answers.options(request)
        user: Any = request.user
        if changes_own_only(user) and not Vm.objects.visible_to(user).filter(owner=user).exists():
            must_change(user, None)
        given = self.body(bodies.NewForwardSerializer)
        vm = find_vm(Vm.objects.visible_to(user).select_related("router__endpoint__device"), given["vm"])
        if vm is None:
            raise ValidationError({"vm": "There is no such machine: write its number or its name."}, "does_not_exist")
        must_change(user, vm)
        asked = requests.create_ports(vm, [given["wish"]], user=user, dry_run=dry_run, digest=given["digest"])
        return self._answer(asked, given["wish"].name, dry_run, wait)

    @writing(bodies.AmendForwardSerializer, shapes.ForwardAskedSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Switch it on or off, or give it another end."""
        dry_run, wait = answers.options(request)
        forward = self._forward()
        given = self.body(bodies.AmendForwardSerializer)
        more: dict[str, Any] = {"user": request.user, "dry_run": dry_run, "digest": given["digest"]}
        if "desired" in given:
            verb = {"enabled": "enable", "disabled": "disable"}[given["desired"]]
            asked = requests.act_on_ports(forward.vm, verb, (forward.name,), **more)
        else:
            asked = requests.set_end(forward.vm, given["expires_at"], (forward.name,), **more)
        return self._answer(asked, forward.name, dry_run, wait)

    @writing(None, shapes.ForwardAskedSerializer)
    def destroy(self, request: Request, pk: str) -> Response:
        """Close it; its port and rule number are free when the router holds nothing of it any more."""
        dry_run, wait = answers.options(request)
        forward = self._forward()
        asked = requests.act_on_ports(forward.vm, "delete", (forward.name,), user=request.user, dry_run=dry_run)
        return self._answer(asked, forward.name, dry_run, wait)

    def _forward(self) -> PortForward:
        # Past the filters of the list, which know nothing of dry_run and wait.
        forward: PortForward = get_object_or_404(self.get_queryset(), pk=self.kwargs["pk"])
        must_change(self.request.user, forward.vm)
        if "If-Match" in self.request.headers:
            etags.check(self.request, etags.of(self.get_serializer(forward).data))
        return forward

    def _answer(self, asked: requests.Asked, name: str, dry_run: bool, wait: int) -> Response:
        body: dict[str, Any] = answers.shown(asked, dry_run=dry_run)
        body["port_forward"] = self.get_queryset().filter(vm=asked.vm.pk, name=name).first()
        return answers.answer(asked, body, shapes.ForwardAskedSerializer, wait=wait)
