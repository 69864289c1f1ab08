"""Scans over HTTP."""

from typing import Any, BinaryIO, cast

from django.core.exceptions import ValidationError as ModelValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import CreateModelMixin, DestroyModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from netmon.audit import services as audit
from netmon.common.errors import Conflict
from netmon.common.filters import refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.common.renderers import FastJSONRenderer
from netmon.common.throttling import MinuteThrottle, ScopedThrottle
from netmon.jobs import services as jobs
from netmon.rest import shapes
from netmon.rest.viewsets import VisibleReadViewSet, VisibleViewSet
from scanning import filters, guard, serializers
from scanning.models import Scan, ScanExclusion, ScanHost
from scanning.services import comparing, exporting, importing, starting, stats

PING_SECONDS = 15.0
WAITS = OpenApiParameter(
    "wait",
    {"type": "number", "minimum": 0, "maximum": 30},
    description="Wait so many seconds for its end (200 with the scan); else 202 at once. Small ones wait 10.",
)
EXPORTED = {"type": "object", "description": "The scan with its hosts, each with its open ports."}


class ScanViewSet(CreateModelMixin, DestroyModelMixin, VisibleReadViewSet):
    """Sweeps and port scans: asked for, followed, compared, exported."""

    model, queryset = Scan, Scan.objects.none()
    serializer_class = serializers.ScanSerializer
    filterset_class = filters.ScanFilter
    ordering_fields = ["id", "created_at", "finished_at"]
    related = ("job", "device", "requested_by", "tenant")
    brief = {"id": "pk", "kind": "kind", "target": "target", "outcome": "outcome", "hosts_up": "hosts_up"}
    throttle_scope = "scan"

    def get_queryset(self) -> Any:
        if self.action == "hosts":
            hosts = ScanHost.objects.visible_to(self.request.user).filter(scan=self.kwargs.get("pk"))
            return hosts.select_related("device").prefetch_related("ports")
        return Scan.objects.visible_to(self.request.user).select_related(*self.related).defer("checkpoint", "spans")

    def get_throttles(self) -> list[Any]:
        return [MinuteThrottle(), ScopedThrottle()] if self.action in ("create", "import_") else super().get_throttles()

    @extend_schema(
        request=serializers.StartScanSerializer,
        parameters=[WAITS],
        responses={
            200: serializers.PlanSerializer,
            201: serializers.ScanSerializer,
            202: serializers.ScanStartedSerializer,
        },
        filters=False,
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Start a scan: 202 with its job. A small one is waited for: 201 with what it is at its end.

        With `dry_run` nothing is sent: 200 with what would be touched.
        """
        refuse_unknown(request, {"wait", "format"})
        asked = serializers.StartScanSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        user: Any = request.user
        planned = guard.plan(
            given["kind"],
            given["target"],
            given["ports"],
            profile=given["profile"],
            tenant=starting.tenant_for(user, given.get("tenant")),
            user=user,
        )
        if given["dry_run"]:
            return Response(planned.as_dict())
        scan = starting.start(
            planned,
            target=given["target"],
            user=user,
            reason=given["reason"],
            packets_limit=given.get("packets_limit"),
        )
        is_small = planned.hosts + planned.probes <= starting.SMALL_PROBES
        seconds = _seconds(request, default=10.0 if is_small else 0.0)
        return self._answer(scan, seconds)

    def _answer(self, scan: Scan, seconds: float) -> Response:
        assert scan.job is not None
        if seconds:
            jobs.wait(scan.job, seconds)
        scan = self.get_queryset().get(pk=scan.pk)
        location = {"Location": scan.as_dict()["url"]}
        if not scan.is_active or scan.job is None:
            return Response(self.get_serializer(scan).data, status=201, headers=location)
        return Response({"scan": scan.as_dict(), "job": scan.job.as_dict()}, status=202, headers=location)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        scan = self.get_object()
        if scan.is_active:
            raise Conflict("The scan is under way: cancel it first.")
        audit.record("delete", scan, before=audit.snapshot(scan))
        scan.delete()
        return Response(status=204)

    @extend_schema(request=None, responses=serializers.ScanSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Ask it to stop: within a second. What it found by then stays."""
        scan = starting.cancel(self.get_object())
        return Response(self.get_serializer(self.get_queryset().get(pk=scan.pk)).data)

    @extend_schema(
        parameters=[OpenApiParameter("n", {"type": "integer", "minimum": 1, "maximum": 100}, description="So many.")],
        responses=serializers.ScanSerializer(many=True),
        filters=False,
    )
    @action(detail=False, methods=["get"], pagination_class=None)
    def recent(self, request: Request) -> Response:
        """The last scans, newest first."""
        refuse_unknown(request, {"n", "format"})
        n = bounded_int(request, "n", minimum=1, maximum=100, default=10)
        return Response(self.get_serializer(self.get_queryset().order_by("-id")[:n], many=True).data)

    @extend_schema(responses=serializers.StatsSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def stats(self, request: Request) -> Response:
        """Hosts, scans, and the ports that are open most often."""
        refuse_unknown(request, {"format"})
        return Response(stats.stats(request.user))

    @extend_schema(responses=serializers.ScanHostSerializer(many=True))
    @action(
        detail=True,
        methods=["get"],
        queryset=ScanHost.objects.none(),
        filterset_class=filters.ScanHostFilter,
        ordering_fields=["id", "address_key", "rtt_ms"],
        query_parameters=(),
    )
    def hosts(self, request: Request, pk: str) -> Response:
        """Who answered, with their ports. Addresses of the scan that are not here did not."""
        if not Scan.objects.visible_to(request.user).filter(pk=pk).exists():
            raise Http404
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(
            serializers.ScanHostSerializer(page, many=True, context=self.get_serializer_context()).data
        )

    @extend_schema(
        parameters=[
            OpenApiParameter("with", {"type": "integer", "minimum": 1}, required=True, description="The other scan."),
            OpenApiParameter("flaps", OpenApiTypes.BOOL, description="Also losses that one look alone saw."),
        ],
        responses=serializers.DifferenceSerializer,
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def diff(self, request: Request, pk: str) -> Response:
        """What this scan and another one disagree on, of what both looked at."""
        refuse_unknown(request, {"with", "flaps", "format"})
        rows = Scan.objects.visible_to(request.user)
        one = rows.filter(pk=pk).first()
        if one is None:
            raise Http404
        number = bounded_int(request, "with", minimum=1, maximum=2**63 - 1)
        if number is None:
            raise ValidationError({"with": "Name the other scan."}, code="required")
        other = rows.filter(pk=number).first()
        if other is None:
            raise ValidationError({"with": f"There is no scan {number}."}, code="invalid_parameter")
        found = comparing.compare(one, other, with_flaps=shapes.flag(request, "flaps"))
        return Response(serializers.DifferenceSerializer(found).data)

    @extend_schema(
        parameters=[OpenApiParameter("format", OpenApiTypes.STR, enum=["csv", "json"], description="json (default).")],
        responses={(200, "application/json"): EXPORTED, (200, "text/csv"): OpenApiTypes.STR},
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None, renderer_classes=[FastJSONRenderer])
    def export(self, request: Request, pk: str) -> StreamingHttpResponse:
        """The scan as a file: JSON, or CSV with a line per open port, safe in a spreadsheet."""
        refuse_unknown(request, {"format"})
        file_format = request.query_params.get("format", "json")
        if file_format not in ("csv", "json"):
            raise ValidationError({"format": "Write csv or json."}, code="invalid_parameter")
        scan = self.get_object()
        audit.record("export", scan, detail=file_format)
        if file_format == "csv":
            content: Any = exporting.as_csv(scan, request.user)
        else:
            content = exporting.as_json(scan, dict(self.get_serializer(scan).data), request.user)
        return StreamingHttpResponse(
            content,
            content_type="text/csv; charset=utf-8" if file_format == "csv" else "application/json",
            headers={"Content-Disposition": f'attachment; filename="{exporting.filename(scan, file_format)}"'},
        )

    @extend_schema(
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "tenant": {"type": "integer"},
                    "reason": {"type": "string", "maxLength": 300},
                },
                "required": ["file"],
            }
        },
        responses={201: serializers.ScanSerializer},
        filters=False,
    )
    @action(
        detail=False, methods=["post"], url_path="import-nmap", url_name="import-nmap", pagination_class=None,
        parser_classes=[MultiPartParser],
    )  # fmt: skip
    def import_(self, request: Request) -> Response:
        """An XML file of nmap (`nmap -oX`) as a scan, beside netmon's own."""
        refuse_unknown(request, {"format"})
        file = request.FILES.get("file")
        if not isinstance(file, UploadedFile):
            raise ValidationError({"file": "Send an XML file in the part `file`."}, code="required")
        given: Any = request.data
        asked = serializers.ImportScanSerializer(
            data={name: given[name] for name in ("tenant", "reason") if name in given},
            context=self.get_serializer_context(),
        )
        asked.is_valid(raise_exception=True)
        user: Any = request.user
        tenant = starting.tenant_for(user, asked.validated_data.get("tenant"))
        try:
            scan = importing.import_nmap(
                cast(BinaryIO, file),
                tenant=tenant,
                user=user,
                reason=asked.validated_data.get("reason", ""),
            )
        except ModelValidationError as error:
            raise ValidationError({"file": error.messages}) from None
        scan = self.get_queryset().get(pk=scan.pk)
        return Response(self.get_serializer(scan).data, status=201, headers={"Location": scan.as_dict()["url"]})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # `format=csv` is ours: DRF would look for a renderer of that name and answer 404.
        if self.action in ("export", None):
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)


def _seconds(request: Request, *, default: float) -> float:
    text = request.query_params.get("wait")
    if text is None:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 30:
        raise ValidationError({"wait": "Write seconds from 0 to 30."}, code="invalid_parameter")
    return seconds


class PingView(APIView):
    """One look whether somebody answers: ICMP, ARP, else TCP 443, 80 and 22. Kept as a scan."""

    throttle_classes = [MinuteThrottle]
    area = "scanning"

    @extend_schema(
        operation_id="ping",
        request=serializers.PingSerializer,
        responses={200: serializers.PingedSerializer, 202: serializers.ScanStartedSerializer},
    )
    def post(self, request: Request) -> Response:
        refuse_unknown(request, {"format"})
        asked = serializers.PingSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        user: Any = request.user
        target = asked.validated_data["target"]
        tenant = starting.tenant_for(user, asked.validated_data.get("tenant"))
        planned = guard.plan(Scan.Kind.PING, target, tenant=tenant, user=user)
        if planned.hosts != 1:
            raise ValidationError({"target": "A ping is of one host: start a scan of kind ping for several."})
        scan = starting.start(planned, target=target, user=user)
        assert scan.job is not None
        jobs.wait(scan.job, PING_SECONDS)
        scan = Scan.objects.select_related("job").get(pk=scan.pk)
        if scan.is_active and scan.job is not None:
            return Response({"scan": scan.as_dict(), "job": scan.job.as_dict()}, status=202)
        host = scan.hosts.first()
        return Response(
            {
                "target": target,
                "address": str(planned.spans[0]),
                "is_up": host is not None and host.is_up,
                "method": host.method if host else "",
                "rtt_ms": host.rtt_ms if host else None,
                "scan": scan.pk,
            }
        )


class ScanExclusionViewSet(VisibleViewSet):
    """Addresses that no scan touches. An admin's."""

    model, queryset = ScanExclusion, ScanExclusion.objects.none()
    serializer_class = serializers.ScanExclusionSerializer
    filterset_class = filters.ScanExclusionFilter
    ordering_fields = ["id", "cidr", "created_at"]
    brief = {"id": "pk", "cidr": "cidr", "note": "note"}
    required_roles = {"read": "operator", "write": "admin"}
