"""Configurations of devices over HTTP."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Device
from monitoring import config_serializers, parameters
from monitoring.device_views import OfDeviceMixin, bounds, brief, query
from monitoring.models import ConfigVersion
from monitoring.services import configs
from netmon.audit import services as audit
from netmon.common.pagination import bounded_int
from netmon.common.permissions import ScopeMissing, has_role
from netmon.common.renderers import FastJSONRenderer
from netmon.drivers.errors import NotSupported
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from netmon.jobs.serializers import JobStartedSerializer

VERSION = OpenApiParameter(
    "version", {"type": "integer", "minimum": 1}, OpenApiParameter.PATH, description="`id` of a version in the list."
)
WAIT_SECONDS = 25
MAX_WAIT_SECONDS = 30
WHICH = {"type": "string", "pattern": r"^(running|startup|[1-9][0-9]{0,17})$"}
WAIT = bounds(0, MAX_WAIT_SECONDS)
KINDS = ConfigVersion.Kind.values
REVEALING = {"write", "monitoring:write"}  # of an API key: reading whole configurations is reading secrets
SECRET = {"Cache-Control": "private, no-store"}


class DeviceConfigsMixin(OfDeviceMixin):
    """`devices/{id}/configs/...` and the same under each kind."""

    @extend_schema(
        parameters=[query("kind", {"type": "string", "enum": KINDS}, "Only running or only startup.")],
        responses=config_serializers.ConfigListSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def configs(self, request: Request, pk: str) -> Response:
        """The kept versions of the configuration, newest first, without their texts."""
        device = self.device_of(request, {"kind"})
        kind = request.query_params.get("kind")
        if kind is not None and kind not in KINDS:
            raise parameters.refuse("kind", "Give running or startup.")
        rows = device.config_versions.defer("content")
        found = list(rows.filter(kind=kind) if kind else rows)
        running = next((row for row in configs.newest(device) if row.kind == ConfigVersion.Kind.RUNNING), None)
        return Response(
            {
                "device": brief(device),
                "is_saved": running.is_saved if running else None,
                "count": len(found),
                "configs": config_serializers.ConfigVersionSerializer(found, many=True).data,
            }
        )

    @extend_schema(
        parameters=[
            VERSION,
            query("raw", {"type": "string", "enum": ["0", "1"]}, "1: whole, with its secrets; for operators."),
            query("format", {"type": "string", "enum": ["json", "text"]}, "text: a file to save."),
        ],
        responses={
            (200, "application/json"): config_serializers.ConfigTextSerializer,
            (200, "text/plain"): OpenApiTypes.STR,
        },
        filters=False,
    )
    @action(
        detail=True,
        methods=["get"],
        url_path=r"configs/(?P<version>[0-9]{1,18})",
        url_name="config",
        pagination_class=None,
        renderer_classes=[FastJSONRenderer],
    )
    def config(self, request: Request, pk: str, version: str) -> Any:
        """The text of a version, its secrets masked. `raw=1` gives it whole to operators, which is on record."""
        device = self.device_of(request, {"raw", "format"})
        is_raw = self._choice(request, "raw", ("0", "1")) == "1"
        is_file = self._choice(request, "format", ("json", "text")) == "text"
        if is_raw:
            self._check_may_reveal(request)
        row = get_object_or_404(device.config_versions, pk=version)
        text = configs.text_of(row, reveal_to=request.user if is_raw else None)
        if is_file:
            name = f"{configs.file_name(device.name)}-{row.kind}-{row.number}.txt"
            headers = {**SECRET, "Content-Disposition": f'attachment; filename="{name}"'}
            return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)
        shown = config_serializers.ConfigVersionSerializer(row).data
        body = {"device": brief(device), "version": shown, "is_masked": not is_raw, "text": text}
        return Response(body, headers=SECRET)

    @extend_schema(
        parameters=[
            query("from", WHICH, "`id` of the older version, or running or startup for the newest of that kind."),
            query("to", WHICH, "The newer one (the newest running one). Without `from`: against the one before it."),
        ],
        responses=config_serializers.ConfigDiffSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], url_path="configs/diff", url_name="config-diff", pagination_class=None)
    def config_diff(self, request: Request, pk: str) -> Response:
        """Two versions side by side, their secrets masked: a changed secret shows as a changed mask."""
        device = self.device_of(request, {"from", "to"})
        new = self._version(request, device, "to", request.query_params.get("to", "running"))
        given = request.query_params.get("from")
        old = self._version(request, device, "from", given) if given is not None else configs.before(new)
        if old is None:
            raise parameters.refuse("from", "No version before this one is kept: name another.")
        try:
            found = configs.compare(old, new)
        except NotSupported as error:
            raise parameters.refuse("from", error.detail) from None
        shown = [config_serializers.ConfigVersionSerializer(row).data for row in (old, new)]
        return Response({"device": brief(device), "before": shown[0], "after": shown[1], **found}, headers=SECRET)

    @extend_schema(
        request=None,
        parameters=[query("wait", WAIT, "Seconds to wait for the result (25, at most 30).")],
        responses={200: config_serializers.BackupSerializer, 202: JobStartedSerializer},
    )
    @action(detail=True, methods=["post"], url_path="configs/backup", url_name="config-backup", filter_backends=[])
    def config_backup(self, request: Request, pk: str) -> Response:
        """Back up now: 200 with what came of it, or 202 with the job that goes on."""
        wait = bounded_int(request, "wait", minimum=0, maximum=MAX_WAIT_SECONDS, default=WAIT_SECONDS)
        device = self.device_of(request, {"wait"})
        job = configs.backup_now(device, user=request.user)
        audit.record("backup", device)
        job = jobs.wait(job, float(wait or 0))
        if job.status != Job.Status.SUCCEEDED:
            location = job.as_dict()["url"]
            return Response({"job": job.as_dict()}, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
        return Response({**(job.result or {}), "device": brief(device)})

    @staticmethod
    def _choice(request: Request, name: str, known: tuple[str, ...]) -> str:
        value = request.query_params.get(name, known[0])
        if value not in known:
            raise parameters.refuse(name, f"Give {' or '.join(known)}.")
        return value

    @staticmethod
    def _check_may_reveal(request: Request) -> None:
        if not has_role(request.user, "operator"):
            raise PermissionDenied("Secrets of a configuration are for operators and admins.")
        scopes = getattr(request.auth, "scopes", None)
        if scopes is not None and not REVEALING & set(scopes):
            raise ScopeMissing("This API key lacks the scope: write or monitoring:write.")

    @staticmethod
    def _version(request: Request, device: Device, name: str, text: str) -> ConfigVersion:
        row = None
        if text in KINDS:
            row = configs.latest(device, text)
        elif text.isascii() and text.isdigit() and len(text) <= 18:
            row = device.config_versions.filter(pk=int(text)).first()
        if row is None:
            raise parameters.refuse(name, "No such version of this device: give an id of the list, running or startup.")
        return row

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # `format=text` is ours: DRF would look for a renderer of that name and answer 404.
        if self.action == "config":
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)
