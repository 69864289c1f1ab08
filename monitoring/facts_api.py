"""What was collected over SSH, and what happened there, over HTTP."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.models import Device
from monitoring.device_views import WORD, OfDeviceMixin, bounds, brief, query
from monitoring.models import DeviceEvent, DeviceFact, ExpectedNeighbour
from monitoring.parameters import refuse
from monitoring.serializers import DeviceBriefSerializer
from monitoring.services import facts, lookups, polling
from netmon.audit import services as audit
from netmon.common.filters import FieldFilterSet
from netmon.common.pagination import NewestFirst, bounded_int
from netmon.common.permissions import ScopeMissing, has_role
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from netmon.jobs.serializers import JobStartedSerializer
from netmon.rest.shapes import flag
from netmon.rest.viewsets import VisibleViewSet

REFRESH_SECONDS = 25.0
SWITCH = {"type": "boolean"}
REFRESH = query("refresh", SWITCH, "Ask the device now and wait for it (operators); an old answer comes back marked.")
RAW = query("raw", SWITCH, "With the device's own text.")
FAMILIES = ("ipv4", "ipv6")
MAX_WAIT_SECONDS = 30
PREFIX_WANTED = "Write a prefix such as 192.0.2.0/24, or an address."


class CollectedFactSerializer(serializers.Serializer[Any]):
    """The last collected answer. What routers say has `presence`, `reason` and `value` in its `data`."""

    device = DeviceBriefSerializer()
    kind = serializers.CharField()
    collected_at = serializers.DateTimeField()
    stale = serializers.BooleanField(help_text="Older than three intervals of its check.")
    error_code = serializers.CharField(help_text="Why the last run brought nothing new; empty when it did.")
    error_detail = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]
    raw = serializers.CharField(required=False, help_text="Only with `raw=1`.")


class RoutingTableSerializer(CollectedFactSerializer):
    """`data` holds the sizes by family and protocol, and whether the table was too big to be read whole."""

    count = serializers.IntegerField(help_text="Routes that fit, of which `routes` is a page.")
    routes = serializers.ListField(child=serializers.DictField())


class LookupSerializer(StrictSerializer):
    prefix = serializers.CharField(max_length=64, help_text="Such as 192.0.2.0/24, or an address: its longest match.")


class FactViewMixin(OfDeviceMixin):
    """One view behind every fact."""

    def _answer(self, request: Request, kind: str, also: set[str] | None = None) -> tuple[facts.Fact, dict[str, Any]]:
        device = self.device_of(request, {"refresh", "raw"} | (also or set()))
        self._refresh(request, device)
        fact = facts.get(device, kind)
        body = {
            "device": brief(device),
            "kind": kind,
            "collected_at": fact.collected_at,
            "stale": fact.is_stale,
            "error_code": fact.error_code,
            "error_detail": fact.error_detail,
            "data": fact.data,
        }
        return fact, body | ({"raw": fact.raw_text()} if flag(request, "raw") else {})

    def _refresh(self, request: Request, device: Device) -> None:
        if not flag(request, "refresh"):
            return
        if not has_role(request.user, "operator"):
            raise PermissionDenied("Only operators ask a device: leave refresh out.")
        scopes = getattr(request.auth, "scopes", None)
        if scopes is not None and not {"write", "monitoring:write"} & set(scopes):
            raise ScopeMissing("This API key lacks the scope: monitoring:write or write, which refresh needs.")
        audit.record("poll", device)
        jobs.wait(polling.poll_now(device, user=request.user), REFRESH_SECONDS)


def _fact_view(kind: str, path: str, text: str) -> Any:
    """An action that answers the last fact of a kind."""

    def view(self: FactViewMixin, request: Request, pk: str) -> Response:
        return Response(self._answer(request, kind)[1])

    view.__name__ = path.replace("-", "_")
    view.__doc__ = text
    view.__module__ = __name__
    made = action(detail=True, methods=["get"], url_path=path, url_name=path)(view)
    return extend_schema(parameters=[REFRESH, RAW], responses=CollectedFactSerializer)(made)


class HostFactsMixin(FactViewMixin):
    """How a computer is."""

    cpu_load = _fact_view("cpu", "cpu-load", "CPU in use since the run before, load averages, pressure.")
    memory = _fact_view("memory", "memory", "Memory and swap, in bytes.")
    os_release = _fact_view("os_release", "os-release", "The operating system, as /etc/os-release has it.")
    disks = _fact_view("disks", "disks", "Disks: space, inodes, and when they will be full.")
    uptime = _fact_view("uptime", "uptime", "Since when it runs.")
    ntp = _fact_view("ntp", "ntp", "Whether its clock is right, and who says so.")


class RoutingFactsMixin(FactViewMixin):
    """What a router thinks of the network."""

    bgp_summary = _fact_view("bgp_summary", "bgp-summary", "BGP peers of all families.")
    ospf_neighbors = _fact_view("ospf_neighbors", "ospf-neighbors", "OSPF adjacencies.")
    ospf6_neighbors = _fact_view("ospf6_neighbors", "ospf6-neighbors", "OSPFv3 adjacencies.")
    bfd_peers = _fact_view("bfd", "bfd-peers", "BFD sessions.")
    rip = _fact_view("rip", "rip", "RIP: gateways and routes.")
    interfaces = _fact_view("interfaces", "interfaces", "Interfaces as the router's own command names them.")
    routing_health = _fact_view("routing_health", "routing-health", "Expected neighbours missing, and silent cuts.")

    @extend_schema(
        parameters=[
            REFRESH,
            RAW,
            query("family", {"type": "string", "enum": list(FAMILIES)}, "Only this one."),
            query("prefix", WORD, "Routes within this prefix, or those that cover this address."),
            query("protocol", WORD, "Only routes of this protocol, such as bgp."),
            query("limit", bounds(1, 5000), "At most so many routes (200)."),
            query("offset", bounds(0, 10_000_000), "Begin behind so many."),
        ],
        responses=RoutingTableSerializer,
    )
    @action(detail=True, methods=["get"], url_path="routing-table")
    def routing_table(self, request: Request, pk: str) -> Response:
        """The routing table, a page at a time. A table of more than 20000 routes is read in part: see `is_partial`,
        and ask the router for one prefix with `routing-table/lookup/`.
        """
        for name in ("prefix", "protocol"):
            if request.query_params.get(name) == "":
                raise refuse(name, "Write a value, or leave it out.")
        family = request.query_params.get("family", "")
        if family and family not in FAMILIES:
            raise refuse("family", f"Write one of {', '.join(FAMILIES)}.")
        limit = bounded_int(request, "limit", minimum=1, maximum=5000, default=200) or 200
        offset = bounded_int(request, "offset", minimum=0, maximum=10_000_000, default=0) or 0
        fact, body = self._answer(request, "routing_table", {"family", "prefix", "protocol", "limit", "offset"})
        try:
            rows = facts.routes(
                fact.data,
                family=family,
                prefix=request.query_params.get("prefix", ""),
                protocol=request.query_params.get("protocol", ""),
            )
        except ValueError:
            raise refuse("prefix", PREFIX_WANTED) from None
        device = self.device_of(request, {"refresh", "raw", "family", "prefix", "protocol", "limit", "offset"})
        summary = DeviceFact.objects.filter(device=device, kind="routes_summary").first()
        body["data"] = {
            "presence": fact.data.get("presence"),
            "reason": fact.data.get("reason", ""),
            "is_partial": (fact.data.get("value") or {}).get("is_partial", False),
            "summary": (summary.data.get("value") if summary else None) or {},
        }
        return Response({**body, "count": len(rows), "routes": rows[offset : offset + limit]})

    @extend_schema(
        request=LookupSerializer,
        parameters=[query("wait", bounds(0, MAX_WAIT_SECONDS), "Seconds to wait for the result (25, at most 30).")],
        responses={200: RoutingTableSerializer, 202: JobStartedSerializer},
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="routing-table/lookup",
        url_name="routing-table-lookup",
        filter_backends=[],
        pagination_class=None,
    )
    def routing_table_lookup(self, request: Request, pk: str) -> Response:
        """Ask the router itself for exactly one prefix, or for the route that an address takes: FRR and VyOS.

        For tables that are too big to be read whole. 200 with what it said, or 202 with the job that goes on.
        """
        wait = bounded_int(request, "wait", minimum=0, maximum=MAX_WAIT_SECONDS, default=int(REFRESH_SECONDS))
        device = self.device_of(request, {"wait"})
        asked = LookupSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        try:
            job = lookups.start(device, asked.validated_data["prefix"], user=request.user)
        except ValueError:
            raise refuse("prefix", PREFIX_WANTED) from None
        audit.record("lookup", device, detail=str(job.arguments["prefix"]))
        job = jobs.wait(job, float(wait or 0))
        if job.status != Job.Status.SUCCEEDED or job.result is None:
            location = job.as_dict()["url"]
            return Response({"job": job.as_dict()}, status=status.HTTP_202_ACCEPTED, headers={"Location": location})
        result = {name: value for name, value in job.result.items() if name != "prefix"}
        return Response({"device": brief(device), "kind": "routing_table", "stale": False, **result})


class DeviceEventSerializer(serializers.ModelSerializer[DeviceEvent]):
    device_name = serializers.CharField(source="device.name", read_only=True)

    class Meta:
        model = DeviceEvent
        fields = ["id", "device", "device_name", "at", "source", "kind", "severity", "subject", "detail", "data"]
        read_only_fields = fields


class DeviceEventFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = DeviceEvent


class DeviceEventViewSet(ReadOnlyModelViewSet[DeviceEvent]):
    """What happened at devices between two looks, newest first."""

    queryset = DeviceEvent.objects.none()
    serializer_class = DeviceEventSerializer
    filterset_class = DeviceEventFilter
    pagination_class = NewestFirst
    ordering_fields: list[str] = []
    lookup_value_regex = r"\d{1,18}"

    def get_queryset(self) -> Any:
        return DeviceEvent.objects.visible_to(self.request.user).select_related("device")


class ExpectedNeighbourSerializer(ValidatedModelSerializer):
    class Meta:
        model = ExpectedNeighbour
        fields = ["id", "device", "protocol", "neighbour", "note", "created_at", "updated_at"]


class ExpectedNeighbourFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = ExpectedNeighbour


class AdoptSerializer(StrictSerializer):
    device = VisibleRelatedField(queryset=Device.objects.all())


class AdoptedSerializer(serializers.Serializer[Any]):
    added = serializers.IntegerField()
    neighbours = ExpectedNeighbourSerializer(many=True)


class ExpectedNeighbourViewSet(VisibleViewSet):
    """Neighbours that must be there: only such a list finds one that vanished without a trace."""

    model, queryset = ExpectedNeighbour, ExpectedNeighbour.objects.none()
    serializer_class = ExpectedNeighbourSerializer
    filterset_class = ExpectedNeighbourFilter
    ordering_fields = ["id", "device", "protocol", "created_at"]
    brief = {"id": "pk", "device": "device_id", "protocol": "protocol", "neighbour": "neighbour"}

    @extend_schema(request=AdoptSerializer, responses={200: AdoptedSerializer}, filters=False)
    @action(detail=False, methods=["post"])
    def adopt(self, request: Request) -> Response:
        """Expect from now on every neighbour that the device has at present."""
        asked = AdoptSerializer(data=request.data, context=self.get_serializer_context())
        asked.is_valid(raise_exception=True)
        device = asked.validated_data["device"]
        with transaction.atomic():
            added = facts.adopt_neighbours(device)
            audit.record("adopt", device, detail=f"{len(added)} neighbours are expected from now on")
        rows = ExpectedNeighbour.objects.filter(device=device)
        return Response({"added": len(added), "neighbours": self.get_serializer(rows, many=True).data})
