"""Monitoring over HTTP."""

import csv
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from inventory.models import Device
from monitoring import metrics, parameters, reports, serializers
from monitoring.device_views import WORD, OfDeviceMixin, bounds, brief, query
from monitoring.filters import CheckFilter, SeriesFilter
from monitoring.models import Check, DeviceFact, DeviceState, Series
from monitoring.services import health, polling, scheduling, testing
from monitoring.store import read as store
from netmon.audit import services as audit
from netmon.common.filters import COMMON_PARAMETERS, refuse_unknown
from netmon.common.pagination import bounded_int
from netmon.common.permissions import has_role
from netmon.common.renderers import FastJSONRenderer
from netmon.common.schema import list_of
from netmon.common.throttling import MinuteThrottle, ScopedThrottle
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from netmon.jobs.serializers import JobStartedSerializer
from netmon.rest.viewsets import VisibleReadViewSet, VisibleViewSet

WAIT_SECONDS = 25
MAX_WAIT_SECONDS = 30


HOURS = query("hours", bounds(1 / 3600, parameters.MAX_HOURS, "number"), "The last so many hours (24).")
FROM = query("from", OpenApiTypes.DATETIME, "Begin of the period.")
TO = query("to", OpenApiTypes.DATETIME, "End of the period (now).")
STEP = query("step", bounds(1, parameters.MAX_STEP), "Seconds of one point; chosen by the period when left out.")
INTERFACE = query("interface", WORD, "Name or number of an interface.")


def _polled(device: Device, job: Job) -> dict[str, Any]:
    """How a device stands after a poll."""
    state = DeviceState.objects.filter(device=device).first() or DeviceState(device=device)
    return {"device": brief(device), "state": state.state, "excuse": state.excuse, "results": job.result}


class DeviceReportsMixin(OfDeviceMixin):
    """What is measured of a device: `devices/{id}/...` and the same under each kind."""

    @extend_schema(
        request=None,
        parameters=[query("wait", bounds(0, MAX_WAIT_SECONDS), "Seconds to wait for the results (25, at most 30).")],
        responses={200: serializers.PollSerializer, 202: JobStartedSerializer},
    )
    @action(detail=True, methods=["post"])
    def poll(self, request: Request, pk: str) -> Response:
        """Poll now, all enabled checks: 200 with the results, or 202 with the job that goes on."""
        wait = bounded_int(request, "wait", minimum=0, maximum=MAX_WAIT_SECONDS, default=WAIT_SECONDS)
        device = self.device_of(request, {"wait"})
        audit.record("poll", device)
        job = jobs.wait(polling.poll_now(device, user=request.user), float(wait or 0))
        if job.status != Job.Status.SUCCEEDED:
            return Response(
                {"job": job.as_dict()}, status=status.HTTP_202_ACCEPTED, headers={"Location": job.as_dict()["url"]}
            )
        return Response(_polled(device, job))

    @extend_schema(
        parameters=[
            HOURS,
            FROM,
            TO,
            STEP,
            query("limit", bounds(1, 1500), "At most so many entries (100)."),
            query(
                "metric",
                {"type": "string", "pattern": list_of(sorted(metrics.SETS))},
                "Only this metric set, such as if.counters or snmp.system.",
            ),
        ],
        responses=serializers.MetricsSerializer,
    )
    @action(detail=True, methods=["get"])
    def metrics(self, request: Request, pk: str) -> Response:
        """What was measured, newest first."""
        device = self.device_of(request, {"hours", "from", "to", "step", "limit", "metric"})
        limit = bounded_int(request, "limit", minimum=1, maximum=1500, default=100)
        text = request.query_params.get("metric")
        names = text.split(",") if text is not None else []
        if unknown := [name for name in names if name not in metrics.SETS]:
            raise parameters.refuse("metric", f"{unknown[0][:40]!r} is not one of {', '.join(sorted(metrics.SETS))}.")
        entries = reports.recent_metrics(
            device, parameters.period(request), limit=limit or 100, step=parameters.step(request), names=names
        )
        return Response({"device": brief(device), "count": len(entries), "metrics": entries})

    @extend_schema(parameters=[HOURS, FROM, TO], responses=serializers.AvailabilitySerializer)
    @action(detail=True, methods=["get"])
    def availability(self, request: Request, pk: str) -> Response:
        """How much of the measured time the device was up. Unknown time counts as neither."""
        device = self.device_of(request, {"hours", "from", "to"})
        period = parameters.period(request)
        report = reports.device_availability(device, period)
        return Response({"device": brief(device), "period_hours": period.hours, **report})

    @extend_schema(parameters=[HOURS, FROM, TO, INTERFACE], responses=serializers.BandwidthSerializer)
    @action(detail=True, methods=["get"])
    def bandwidth(self, request: Request, pk: str) -> Response:
        """Traffic per interface, with the 95th percentile."""
        device = self.device_of(request, {"hours", "from", "to", "interface"})
        period = parameters.period(request)
        report = reports.bandwidth(device, period, interface=request.query_params.get("interface"))
        return Response({"device": brief(device), "period_hours": period.hours, **report})

    @extend_schema(parameters=[HOURS, FROM, TO, INTERFACE], responses=serializers.ErrorsSerializer)
    @action(detail=True, methods=["get"])
    def errors(self, request: Request, pk: str) -> Response:
        """Errors and discards per interface, counted within each step."""
        device = self.device_of(request, {"hours", "from", "to", "interface"})
        period = parameters.period(request)
        data = reports.error_data(device, period, interface=request.query_params.get("interface"))
        body = {"period_hours": period.hours, "data_points": len(data), "error_data": data}
        return Response({"device": brief(device), **body})

    @extend_schema(responses=serializers.FactSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def facts(self, request: Request, pk: str) -> Response:
        """The last collected facts."""
        rows = DeviceFact.objects.filter(device=self.device_of(request, set())).order_by("kind")
        return Response([{"kind": row.kind, "collected_at": row.collected_at, "data": row.data} for row in rows])


TEST_WAIT = query("wait", bounds(0, MAX_WAIT_SECONDS), "Seconds to wait for the result (25, at most 30).")


def _tested(request: Request, job: Job) -> Response:
    wait = bounded_int(request, "wait", minimum=0, maximum=MAX_WAIT_SECONDS, default=WAIT_SECONDS)
    job = jobs.wait(job, float(wait or 0))
    if job.status == Job.Status.SUCCEEDED:
        return Response(job.result)
    location = job.as_dict()["url"]
    return Response({"job": job.as_dict()}, status=status.HTTP_202_ACCEPTED, headers={"Location": location})


class EndpointTestMixin(GenericViewSet[Any]):
    """`endpoints/{id}/test/`."""

    throttle_scope = "test"  # read by the throttle of this action only

    @extend_schema(
        request=None,
        parameters=[TEST_WAIT],
        responses={200: serializers.AccessTestSerializer, 202: JobStartedSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[MinuteThrottle, ScopedThrottle], filter_backends=[])
    def test(self, request: Request, pk: str) -> Response:
        """Connect now: 200 with what was found or the error's code, or 202 with the job that goes on."""
        refuse_unknown(request, {"wait", "format"})
        return _tested(request, testing.start_endpoint(self.get_object(), user=request.user))


class CredentialTestMixin(GenericViewSet[Any]):
    """`credentials/{id}/test/`."""

    throttle_scope = "test"

    @extend_schema(
        request=serializers.TestAtSerializer,
        parameters=[TEST_WAIT],
        responses={200: serializers.AccessTestSerializer, 202: JobStartedSerializer},
    )
    @action(detail=True, methods=["post"], throttle_classes=[MinuteThrottle, ScopedThrottle], filter_backends=[])
    def test(self, request: Request, pk: str) -> Response:
        """Try the credential at a device, within its scope; operators only where it may go by its scope or goes now."""
        refuse_unknown(request, {"wait", "format"})
        credential = self.get_object()
        asked = serializers.TestAtSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        job = testing.start_credential(
            credential,
            asked.validated_data["device"],
            user=request.user,
            may_redirect=has_role(request.user, "admin"),
        )
        return _tested(request, job)


class CheckViewSet(VisibleViewSet):
    model, related = Check, ("endpoint__device",)
    brief = {"id": "pk", "module": "module", "status": "status"}
    queryset = Check.objects.none()
    serializer_class = serializers.CheckSerializer
    filterset_class = CheckFilter
    ordering_fields = ["id", "module", "status", "next_run_at", "last_run_at"]

    def perform_create(self, serializer: Any) -> None:
        check = serializer.save()
        DeviceState.objects.get_or_create(device_id=check.endpoint.device_id)

    def perform_update(self, serializer: Any) -> None:
        scheduling.reschedule(serializer.save())

    def perform_destroy(self, instance: Check) -> None:
        scheduling.delete_checks([instance])

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Stop running it; what is known stays."""
        check = scheduling.pause(self.get_object())
        audit.record("pause", check)
        return Response(self.get_serializer(check).data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Run it again, from now."""
        check = scheduling.resume(self.get_object())
        audit.record("resume", check)
        return Response(self.get_serializer(check).data)

    @extend_schema(request=None, responses={200: serializers.PollSerializer, 202: JobStartedSerializer})
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: str) -> Response:
        """Run it now, with the other checks of its device: 200 with the results, or 202 with the job."""
        check = self.get_object()
        device = check.endpoint.device
        audit.record("run", check)
        job = jobs.wait(polling.poll_now(device, user=request.user), WAIT_SECONDS)
        if job.status != Job.Status.SUCCEEDED:
            location = job.as_dict()["url"]
            return Response({"job": job.as_dict()}, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
        return Response(_polled(device, job))


class SeriesViewSet(VisibleReadViewSet):
    model = Series
    brief = {"id": "pk", "device": "device_id", "metric_set": "metric_set"}
    queryset = Series.objects.none()
    serializer_class = serializers.SeriesSerializer
    filterset_class = SeriesFilter
    ordering_fields = ["id", "device", "metric_set", "last_at"]

    def get_queryset(self) -> Any:
        return Series.objects.visible_to(self.request.user).select_related("interface")

    @extend_schema(
        parameters=[FROM, TO, HOURS, STEP, query("columns", WORD, "Names, comma between; all of them.")],
        responses={(200, "application/json"): serializers.SeriesDataSerializer, (200, "text/csv"): OpenApiTypes.STR},
        filters=False,
    )
    @action(detail=True, methods=["get"], renderer_classes=[FastJSONRenderer])
    def data(self, request: Request, pk: str) -> Any:
        """The points of a series: `[[time, value, ...], ...]`, null for a gap. `format=csv` gives a table."""
        refuse_unknown(request, {"from", "to", "hours", "step", "columns", "format"})
        series: Series = get_object_or_404(self.get_queryset(), pk=pk)
        positions = parameters.columns(request, series.metric_set)
        period = parameters.period(request)
        step = parameters.step(request)
        if step and (period.end - period.start) // step > 50_000:
            raise parameters.refuse("step", "This step gives more than 50000 points: take a longer one.")
        frame = store.read(series, period.start, period.end, step=step)
        columns = metrics.get(series.metric_set).columns
        names = ["time", *(columns[position].name for position in positions)]
        rows = (
            [int(moment), *(reports.number(frame.average[line, position], 6) for position in positions)]
            for line, moment in enumerate(frame.times)
        )
        if request.query_params.get("format") == "csv":
            return _csv(f"series-{series.pk}.csv", names, rows)
        units = {columns[position].name: columns[position].unit for position in positions}
        body = {"series": series.pk, "metric_set": series.metric_set, "step": frame.step}
        return Response({**body, "columns": names, "units": units, "data": list(rows)})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # `format=csv` is ours: DRF would look for a renderer of that name and answer 404.
        if self.action in ("data", None):  # None: 405 goes before the format
            renderer = self.get_renderers()[0]
            return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)


class _Line:
    """A file-like object for csv.writer that hands each line on."""

    def write(self, text: str) -> str:
        return text


def _csv(name: str, header: list[str], rows: Iterator[list[Any]]) -> StreamingHttpResponse:
    writer = csv.writer(_Line())
    lines = (writer.writerow(row) for row in chain([header], rows))
    return StreamingHttpResponse(
        lines, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


class OverviewView(APIView):
    """All devices at a glance: totals by state and one line each."""

    @extend_schema(responses=serializers.OverviewSerializer, operation_id="monitoring_overview")
    def get(self, request: Request) -> Response:
        refuse_unknown(request, COMMON_PARAMETERS)
        devices = Device.objects.visible_to(request.user).filter(status=Device.Status.ACTIVE)
        return Response(reports.overview(devices))


class HealthView(APIView):
    """Is netmon itself well? Open, for load balancers: 200 when it is, 503 when something is missing."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []

    @extend_schema(responses={200: serializers.HealthSerializer, 503: serializers.HealthSerializer}, auth=[])
    def get(self, request: Request) -> Response:
        report = health.report()
        return Response(report, status=200 if report["status"] == "ok" else 503)
