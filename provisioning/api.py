"""Actions over HTTP: defined by admins, run by operators."""

from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Device
from monitoring.shared_api import SharedViewSet
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.common.permissions import has_role
from netmon.common.throttling import MinuteThrottle, ScopedThrottle
from netmon.jobs import services as jobs
from netmon.rest.viewsets import VisibleReadViewSet
from provisioning import filters
from provisioning import serializers as shapes
from provisioning.models import Action, ActionRun
from provisioning.services import actions, scripts

OF_DEVICE = OpenApiParameter("device", {"type": "integer", "minimum": 1}, description="Those that may run at it.")
WAITS = OpenApiParameter(
    "wait", {"type": "integer", "minimum": 0, "maximum": 30}, description="Wait so many seconds for its end."
)
OFFSET = OpenApiParameter("offset", {"type": "integer", "minimum": 0}, description="From this character on.")


class ActionViewSet(SharedViewSet):
    """Scripts that may be run against devices. An admin defines them; the files stand there by deployment."""

    model, queryset = Action, Action.objects.none()
    serializer_class = shapes.ActionSerializer
    filterset_class = filters.ActionFilter
    ordering_fields = ["id", "name", "executable", "created_at"]
    related = ("approved_by",)
    brief = {"id": "pk", "name": "name", "executable": "executable", "is_enabled": "is_enabled"}
    required_roles = {"write": "admin", "run": "operator", "available": "operator", "script": "admin"}
    throttle_scope = "action"

    def get_queryset(self) -> Any:
        rows = Action.objects.visible_to(self.request.user).select_related(*self.related)
        return rows.prefetch_related("remedies")

    def get_throttles(self) -> list[Any]:
        return [MinuteThrottle(), ScopedThrottle()] if self.action == "run" else super().get_throttles()

    @extend_schema(parameters=[OF_DEVICE], responses=shapes.AvailableActionSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def available(self, request: Request) -> Response:
        """What you may run, at `device` where one is named."""
        refuse_unknown(request, {"device", "format"})
        scripts.directory()
        number = bounded_int(request, "device", minimum=1, maximum=2**63 - 1)
        device = None
        if number is not None:
            device = Device.objects.visible_to(request.user).filter(pk=number).first()
            if device is None:
                raise ValidationError({"device": f"There is no device {number}."}, code="invalid_parameter")
        found = actions.runnable(request.user, device)
        return Response(shapes.AvailableActionSerializer(found, many=True).data)

    @extend_schema(
        request=shapes.RunActionSerializer,
        parameters=[WAITS],
        responses={
            200: shapes.ActionPlanSerializer,
            201: shapes.ActionRunSerializer,
            202: shapes.ActionStartedSerializer,
        },
        filters=False,
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def run(self, request: Request, pk: str) -> Response:
        """Run it at a device: 202 with its job, or waiting for a second person; 201 when it ended within `wait`.

        With `dry_run` nothing runs: 200 with what would.
        """
        refuse_unknown(request, {"wait", "format"})
        row = self.get_object()
        if not has_role(request.user, row.role):
            raise PermissionDenied("This action is for admins.")
        asked = shapes.RunActionSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        wait = bounded_int(request, "wait", minimum=0, maximum=30, default=0)
        try:
            if given["dry_run"]:
                return Response(actions.prepare(row, given["device"], given["arguments"]).as_dict())
            run = actions.request(
                row,
                given["device"],
                given["arguments"],
                user=request.user,
                is_confirmed=given["confirm"],
                alert=given.get("alert"),
            )
        except ModelValidationError as error:
            raise ValidationError(error.message_dict) from None
        return _started(run, wait or 0)

    @extend_schema(responses=shapes.ScriptStateSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def script(self, request: Request, pk: str) -> Response:
        """The file behind it: whether it may run, and whether it is the one that was approved."""
        refuse_unknown(request, {"format"})
        return Response(scripts.state_of(self.get_object()))

    @extend_schema(request=shapes.ApproveScriptSerializer, responses=shapes.ActionSerializer)
    @action(detail=True, methods=["post"], url_path="approve-script", url_name="approve-script")
    def approve_script(self, request: Request, pk: str) -> Response:
        """Let the script run as it is now. A script that changes later is refused until it is approved again."""
        row = self.get_object()
        asked = shapes.ApproveScriptSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        scripts.approve(row, sha256=asked.validated_data["sha256"], user=request.user)
        return Response(self.get_serializer(self.get_queryset().get(pk=row.pk)).data)


def _started(run: ActionRun, wait: int) -> Response:
    location = {"Location": run.as_dict()["url"]}
    if run.job is not None and wait:
        jobs.wait(run.job, wait)
        run.refresh_from_db()
    if not run.is_active:
        return Response(shapes.ActionRunSerializer(run).data, status=201, headers=location)
    job = run.job.as_dict() if run.job else None
    return Response({"action_run": run.as_dict(), "job": job}, status=202, headers=location)


class ActionRunViewSet(VisibleReadViewSet):
    """Who ran what where, and what came of it."""

    model, queryset = ActionRun, ActionRun.objects.none()
    serializer_class = shapes.ActionRunSerializer
    filterset_class = filters.ActionRunFilter
    ordering_fields = ["id", "created_at", "finished_at"]
    related = ("action", "device", "requested_by", "approved_by", "job")
    brief = {"id": "pk", "action": "action_id", "device_name": "device_name", "status": "status"}
    required_roles = {"read": "operator", "write": "operator"}

    def get_queryset(self) -> Any:
        return ActionRun.objects.visible_to(self.request.user).select_related(*self.related).defer("output")

    @extend_schema(parameters=[OFFSET], responses=shapes.ActionOutputSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def output(self, request: Request, pk: str) -> Response:
        """What it has written by now; ask again with `next_offset` while it runs."""
        refuse_unknown(request, {"offset", "format"})
        run = self.get_object()
        offset = bounded_int(request, "offset", minimum=0, maximum=2**31) or 0
        text = run.output[offset:]
        return Response(
            {
                "status": run.status,
                "output": text,
                "offset": offset,
                "next_offset": offset + len(text),
                "is_truncated": run.is_truncated,
            }
        )

    @extend_schema(request=shapes.DecisionSerializer, responses=shapes.ActionRunSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Let a run go that waits for a second person, who is not the one that asked for it."""
        run = self.get_object()
        self._need_role(run)
        return self._shown(actions.approve(run, user=request.user, decision=self._decision()))

    @extend_schema(request=shapes.DecisionSerializer, responses=shapes.ActionRunSerializer)
    @action(detail=True, methods=["post"])
    def refuse(self, request: Request, pk: str) -> Response:
        """Say no to a run that waits; who asked for it takes it back."""
        return self._shown(actions.refuse(self.get_object(), user=request.user, decision=self._decision()))

    @extend_schema(request=None, responses=shapes.ActionRunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Ask it to stop: within a second or two. What it wrote by then stays."""
        return self._shown(actions.cancel(self.get_object(), user=request.user))

    def _need_role(self, run: ActionRun) -> None:
        if not has_role(self.request.user, run.action.role):
            raise PermissionDenied("This action is for admins.")

    def _decision(self) -> str:
        asked = shapes.DecisionSerializer(data=self.request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        return str(asked.validated_data["decision"])

    def _shown(self, run: ActionRun) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=run.pk)).data)
