from typing import Any

from rest_framework import serializers

from inventory.models import Device
from monitoring import metrics
from monitoring.models import Check, Series
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField


class CheckSerializer(ValidatedModelSerializer):
    device = serializers.IntegerField(source="endpoint.device_id", read_only=True)
    device_name = serializers.CharField(source="endpoint.device.name", read_only=True)
    protocol = serializers.CharField(source="endpoint.protocol", read_only=True)

    class Meta:
        model = Check
        fields = [
            "id", "endpoint", "device", "device_name", "protocol", "module", "interval_seconds", "retries", "status",
            "status_since", "next_run_at", "last_run_at", "last_success_at", "consecutive_failures",
            "last_error_code", "last_error_detail", "last_response_ms", "last_duration_ms", "skipped", "created_at",
            "updated_at",
        ]  # fmt: skip
        read_only_fields = [
            "status", "status_since", "next_run_at", "last_run_at", "last_success_at", "consecutive_failures",
            "last_error_code", "last_error_detail", "last_response_ms", "last_duration_ms", "skipped",
        ]  # fmt: skip


class SeriesSerializer(serializers.ModelSerializer[Series]):
    interface_name = serializers.CharField(source="interface.name", default=None, read_only=True, allow_null=True)
    present = serializers.SerializerMethodField()

    class Meta:
        model = Series
        fields = [
            "id",
            "device",
            "interface",
            "interface_name",
            "metric_set",
            "labels",
            "period_seconds",
            "last_at",
            "present",
        ]
        read_only_fields = fields

    def get_present(self, series: Series) -> dict[str, float | None]:
        columns = metrics.get(series.metric_set).columns
        return {column.name: getattr(series, f"v{position}") for position, column in enumerate(columns)}


# --- Shapes of answers, for the schema -------------------------------------------------------------------------------


class DeviceBriefSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField()
    ip = serializers.CharField(allow_null=True)


class InterfaceMetricsSerializer(serializers.Serializer[Any]):
    interface = serializers.CharField()
    in_bps = serializers.FloatField(allow_null=True)
    out_bps = serializers.FloatField(allow_null=True)
    in_pps = serializers.FloatField(allow_null=True)
    out_pps = serializers.FloatField(allow_null=True)
    in_err = serializers.FloatField(allow_null=True)
    out_err = serializers.FloatField(allow_null=True)
    in_disc = serializers.FloatField(allow_null=True)
    out_disc = serializers.FloatField(allow_null=True)
    in_nucast_pps = serializers.FloatField(allow_null=True)
    out_nucast_pps = serializers.FloatField(allow_null=True)
    oper_status = serializers.FloatField(allow_null=True)


class MetricsEntrySerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    is_reachable = serializers.BooleanField()
    response_time_ms = serializers.FloatField(allow_null=True)
    uptime_seconds = serializers.FloatField(allow_null=True)
    interfaces = InterfaceMetricsSerializer(many=True)


class MetricsSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    count = serializers.IntegerField()
    metrics = MetricsEntrySerializer(many=True)


class OutageEntrySerializer(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    cause = serializers.CharField()


class AvailabilitySerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    period_hours = serializers.FloatField()
    availability_percent = serializers.FloatField(allow_null=True, help_text="Null when nothing was measured.")
    total_checks = serializers.IntegerField()
    successful_checks = serializers.IntegerField()
    failed_checks = serializers.IntegerField()
    average_response_time_ms = serializers.FloatField(allow_null=True)
    up_seconds = serializers.IntegerField()
    down_seconds = serializers.IntegerField()
    unknown_seconds = serializers.IntegerField()
    maintenance_seconds = serializers.IntegerField(help_text="Down in planned work; for and against nothing.")
    unreachable_seconds = serializers.IntegerField(help_text="Down with what it is reached through; likewise.")
    blind_seconds = serializers.IntegerField(help_text="The poller saw nothing; likewise.")
    outages = OutageEntrySerializer(many=True)


class BandwidthEntrySerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    interface = serializers.CharField()
    in_bps = serializers.FloatField(allow_null=True)
    out_bps = serializers.FloatField(allow_null=True)
    in_mbps = serializers.FloatField(allow_null=True)
    out_mbps = serializers.FloatField(allow_null=True)


class PercentileSerializer(serializers.Serializer[Any]):
    in_bps = serializers.FloatField(allow_null=True)
    out_bps = serializers.FloatField(allow_null=True)


class BandwidthSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    period_hours = serializers.FloatField()
    data_points = serializers.IntegerField()
    bandwidth_data = BandwidthEntrySerializer(many=True)
    p95 = PercentileSerializer(help_text="Of the busiest interface in each direction.")
    p95_by_interface = serializers.DictField(child=PercentileSerializer())


class ErrorEntrySerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    interface = serializers.CharField()
    in_errors = serializers.FloatField(allow_null=True)
    out_errors = serializers.FloatField(allow_null=True)
    in_discards = serializers.FloatField(allow_null=True)
    out_discards = serializers.FloatField(allow_null=True)
    oper_status = serializers.IntegerField(allow_null=True)
    status_text = serializers.CharField(allow_null=True)


class ErrorsSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    period_hours = serializers.FloatField()
    data_points = serializers.IntegerField()
    error_data = ErrorEntrySerializer(many=True)


class SeriesDataSerializer(serializers.Serializer[Any]):
    series = serializers.IntegerField()
    metric_set = serializers.CharField()
    step = serializers.IntegerField(help_text="Seconds of one point.")
    columns = serializers.ListField(child=serializers.CharField(), help_text="time, then the metrics asked for.")
    units = serializers.DictField(child=serializers.CharField())
    data = serializers.ListField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.FloatField(allow_null=True))
    )


class OverviewLineSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField()
    ip = serializers.CharField(allow_null=True)
    site = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True)
    cause = serializers.CharField(allow_blank=True)
    excuse = serializers.CharField(
        allow_blank=True, help_text="Of one that is down by no fault of its own: unreachable, maintenance or blind."
    )
    last_check = serializers.DateTimeField(allow_null=True)
    is_reachable = serializers.BooleanField(allow_null=True)
    response_time_ms = serializers.FloatField(allow_null=True)
    availability_24h_percent = serializers.FloatField(allow_null=True)
    uptime_seconds = serializers.FloatField(allow_null=True)


class OverviewSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    by_state = serializers.DictField(child=serializers.IntegerField())
    devices = OverviewLineSerializer(many=True)


class PollEntrySerializer(serializers.Serializer[Any]):
    check = serializers.IntegerField()
    module = serializers.CharField()
    protocol = serializers.CharField()
    status = serializers.CharField()
    ok = serializers.BooleanField()
    ran = serializers.BooleanField()
    error_code = serializers.CharField(allow_blank=True)
    error_detail = serializers.CharField(allow_blank=True)
    response_time_ms = serializers.FloatField(allow_null=True)
    duration_ms = serializers.FloatField(allow_null=True)
    at = serializers.DateTimeField(allow_null=True)


class PollSerializer(serializers.Serializer[Any]):
    device = DeviceBriefSerializer()
    state = serializers.CharField()
    excuse = serializers.CharField(allow_blank=True)
    results = PollEntrySerializer(many=True)


class FactSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    collected_at = serializers.DateTimeField()
    data = serializers.DictField()  # type: ignore[assignment]


class HealthSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ok", "degraded"])
    version = serializers.CharField()
    checks = serializers.DictField()


class TestAtSerializer(StrictSerializer):
    __test__ = False  # pytest takes the name for a test's

    device = VisibleRelatedField(queryset=Device.objects.all(), help_text="The device to try it at.")


class AccessTestSerializer(serializers.Serializer[Any]):
    """What a test of a way in came to."""

    device = serializers.IntegerField()
    protocol = serializers.CharField()
    address = serializers.CharField(allow_null=True, help_text="The address that was contacted.")
    port = serializers.IntegerField(allow_null=True)
    credential = serializers.IntegerField(allow_null=True)
    ok = serializers.BooleanField()
    found = serializers.DictField(help_text="Such as sys_name and sys_descr, or the times of a ping.")
    error_code = serializers.CharField(allow_blank=True)
    error_detail = serializers.CharField(allow_blank=True)
    duration_ms = serializers.FloatField(allow_null=True)
