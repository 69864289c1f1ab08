"""Scans as the API shows them, and what people say when they ask for one."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inventory.models import Tenant
from inventory.models.places import NO_NUL
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField
from scanning.models import OpenPort, Scan, ScanExclusion, ScanHost
from scanning.visibility import visible_device

TARGET_HELP = (
    "An address, a prefix (192.0.2.0/24), a range (192.0.2.10-20), a name, device:7 or prefix:3; several with commas."
)
PORTS_HELP = (
    "Such as 22,80 or 1-1024 (default), a service (ssh), or a list: common, web, mail, remote, databases, network, "
    "cameras, system, all."
)


class ScanProgressSerializer(serializers.Serializer[Any]):
    hosts_done = serializers.IntegerField()
    hosts_total = serializers.IntegerField()
    probes_done = serializers.IntegerField()
    probes_total = serializers.IntegerField()
    percent = serializers.IntegerField(allow_null=True)
    eta_seconds = serializers.FloatField(allow_null=True)


class BesideDevice(serializers.BaseSerializer[Any]):
    """`device` and `device_name` are null for who may not see that device: it may be another tenant's by now."""

    def to_representation(self, instance: Any) -> Any:
        shown = super().to_representation(instance)
        if visible_device(instance.device, self.context["request"].user) is None:
            shown |= {"device": None, "device_name": None}
        return shown


class ScanSerializer(BesideDevice, ValidatedModelSerializer):
    status = serializers.CharField(
        read_only=True, help_text="queued, running, succeeded, partial, failed, cancelled or lost."
    )
    progress = serializers.SerializerMethodField()
    device_name = serializers.CharField(source="device.name", read_only=True, default=None, allow_null=True)
    requested_by = serializers.CharField(source="requested_by.username", read_only=True, default=None, allow_null=True)
    notes = serializers.SerializerMethodField(help_text="How it was looked, how sure the answers are, what changed.")

    class Meta:
        model = Scan
        fields = [
            "id", "kind", "target", "ports", "profile", "source", "status", "progress", "hosts_up", "open_ports",
            "packets_sent", "packets_limit", "tenant", "device", "device_name", "schedule", "reason", "requested_by",
            "job", "error_code", "error_detail", "notes", "created_at", "started_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(ScanProgressSerializer)
    def get_progress(self, scan: Scan) -> dict[str, Any]:
        return {
            "hosts_done": scan.hosts_done,
            "hosts_total": scan.hosts_total,
            "probes_done": scan.probes_done,
            "probes_total": scan.probes_total,
            "percent": scan.percent,
            "eta_seconds": scan.eta_seconds,
        }

    def get_notes(self, scan: Scan) -> dict[str, Any]:
        return dict(scan.notes)


class StartScanSerializer(StrictSerializer):
    """A scan to be made."""

    target = serializers.CharField(max_length=4000, validators=NO_NUL, help_text=TARGET_HELP)
    kind = serializers.ChoiceField(choices=Scan.Kind.choices, default=Scan.Kind.NETWORK)
    ports = serializers.CharField(
        max_length=4000, required=False, allow_blank=True, default="", validators=NO_NUL, help_text=PORTS_HELP
    )
    profile = serializers.ChoiceField(choices=Scan.Profile.choices, default=Scan.Profile.NORMAL)
    tenant = VisibleRelatedField(queryset=Tenant.objects.all(), required=False, allow_null=True)
    reason = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        default="",
        validators=NO_NUL,
        help_text="Who allowed it, why.",
    )
    packets_limit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=1 << 40, help_text="Stop after so many packets."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Say what would be touched, send nothing.")


class ExcludedSerializer(serializers.Serializer[Any]):
    range = serializers.CharField()
    reason = serializers.CharField()


class PlanSerializer(serializers.Serializer[Any]):
    """What a scan would touch."""

    kind = serializers.CharField()
    targets = serializers.ListField(child=serializers.CharField(), help_text="The first twenty ranges.")
    hosts = serializers.IntegerField()
    ports = serializers.CharField(allow_blank=True)
    probes = serializers.IntegerField()
    profile = serializers.CharField()
    estimated_seconds = serializers.FloatField()
    resolved = serializers.DictField(child=serializers.CharField())
    excluded = ExcludedSerializer(many=True)
    host_probes_today = serializers.IntegerField(help_text="Most that one of these addresses got within 24 hours.")
    host_probes_limit = serializers.IntegerField(allow_null=True, help_text="That it may get; null: no limit.")


class PointerSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.CharField()
    url = serializers.CharField()


class ScanStartedSerializer(serializers.Serializer[Any]):
    """A scan that goes on in the background."""

    scan = PointerSerializer()
    job = PointerSerializer()


class PingSerializer(StrictSerializer):
    target = serializers.CharField(max_length=255, validators=NO_NUL, help_text="An address, a name or device:7.")
    tenant = VisibleRelatedField(queryset=Tenant.objects.all(), required=False, allow_null=True)


class PingedSerializer(serializers.Serializer[Any]):
    target = serializers.CharField()
    address = serializers.CharField()
    is_up = serializers.BooleanField()
    method = serializers.CharField(allow_blank=True, help_text="What it answered: icmp, arp, tcp-443 ...")
    rtt_ms = serializers.FloatField(allow_null=True)
    scan = serializers.IntegerField()


class OpenPortSerializer(serializers.ModelSerializer[OpenPort]):
    class Meta:
        model = OpenPort
        fields = ["protocol", "port", "service", "rtt_ms", "tries", "banner", "certificate"]


class ScanHostSerializer(BesideDevice, serializers.ModelSerializer[ScanHost]):
    open_ports = OpenPortSerializer(source="ports", many=True, read_only=True)
    device_name = serializers.CharField(source="device.name", read_only=True, default=None, allow_null=True)

    class Meta:
        model = ScanHost
        fields = [
            "id", "address", "is_up", "method", "rtt_ms", "hostname", "mac_address", "vendor", "is_random_mac",
            "device", "device_name", "open_ports", "closed", "filtered", "reasons", "notes",
        ]  # fmt: skip
        read_only_fields = fields


class HostChangeSerializer(serializers.Serializer[Any]):
    address = serializers.CharField()
    hostname = serializers.CharField(allow_blank=True)
    change = serializers.ChoiceField(choices=["appeared", "gone", "mac", "hostname"])
    is_confirmed = serializers.BooleanField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class PortChangeSerializer(serializers.Serializer[Any]):
    address = serializers.CharField()
    protocol = serializers.CharField()
    port = serializers.IntegerField()
    service = serializers.CharField(allow_blank=True)
    change = serializers.ChoiceField(choices=["opened", "closed", "service"])
    is_confirmed = serializers.BooleanField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)


class DifferenceSerializer(serializers.Serializer[Any]):
    """The older of two scans against the newer."""

    older = serializers.IntegerField(source="older.pk")
    newer = serializers.IntegerField(source="newer.pk")
    is_comparable = serializers.BooleanField(help_text="False: they have no address in common.")
    left_out = serializers.IntegerField(help_text="Losses that one look alone saw: taken for flaps.")
    hosts = HostChangeSerializer(many=True)
    ports = PortChangeSerializer(many=True)


class TopPortSerializer(serializers.Serializer[Any]):
    protocol = serializers.CharField()
    port = serializers.IntegerField()
    hosts = serializers.IntegerField()


class StatsSerializer(serializers.Serializer[Any]):
    hosts_total = serializers.IntegerField()
    hosts_present = serializers.IntegerField()
    hosts_new_7_days = serializers.IntegerField()
    discoveries = serializers.IntegerField()
    ignored = serializers.IntegerField()
    scans_total = serializers.IntegerField()
    scans_active = serializers.IntegerField()
    scans_7_days = serializers.IntegerField()
    open_ports = serializers.IntegerField()
    top_ports = TopPortSerializer(many=True)


class ImportScanSerializer(StrictSerializer):
    """What goes beside a file."""

    tenant = VisibleRelatedField(queryset=Tenant.objects.all(), required=False, allow_null=True)
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True, default="", validators=NO_NUL)


class ScanExclusionSerializer(ValidatedModelSerializer):
    class Meta:
        model = ScanExclusion
        fields = ["id", "tenant", "cidr", "note", "created_at", "updated_at"]
