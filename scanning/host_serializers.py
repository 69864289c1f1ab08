"""What is known of hosts, what is expected of devices, and what is scanned again and again, as the API shows it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inventory.models import Device, Site
from inventory.models.places import NO_NUL
from netmon.common.serializers import StrictSerializer, ValidatedModelSerializer, VisibleRelatedField
from scanning.models import ExpectedPort, PresencePeriod, ScanSchedule, SeenHost, SeenPort
from scanning.serializers import BesideDevice
from scanning.services import identifying, reviewing


class SeenPortSerializer(serializers.ModelSerializer[SeenPort]):
    class Meta:
        model = SeenPort
        fields = [
            "protocol", "port", "service", "banner", "certificate", "is_open", "first_seen_at", "last_seen_at",
        ]  # fmt: skip


class ProposalSerializer(serializers.Serializer[Any]):
    protocol = serializers.CharField()
    port = serializers.IntegerField(allow_null=True)
    needs = serializers.CharField(allow_blank=True, help_text="What a person must still give.")


class DiscoverySerializer(BesideDevice, serializers.ModelSerializer[SeenHost]):
    """A host that scans met."""

    ports = SeenPortSerializer(many=True, read_only=True)
    kind_guess = serializers.CharField(read_only=True, help_text="A kind of device; empty where nothing points to one.")
    system = serializers.DictField(
        child=serializers.CharField(), read_only=True, help_text="What its SNMP agent says of it, once asked."
    )
    device_name = serializers.CharField(source="device.name", read_only=True, default=None, allow_null=True)
    reviewed_by = serializers.CharField(source="reviewed_by.username", read_only=True, default=None, allow_null=True)
    proposed_name = serializers.SerializerMethodField()
    proposals = serializers.SerializerMethodField(help_text="Ways of watching it that its open ports suggest.")

    class Meta:
        model = SeenHost
        fields = [
            "id", "address", "hostname", "mac_address", "vendor", "is_random_mac", "tenant", "device", "device_name",
            "review", "review_reason", "reviewed_by", "reviewed_at", "kind_guess", "evidence", "system",
            "proposed_name", "proposals", "ports", "is_present", "misses", "first_seen_at", "last_seen_at", "last_scan",
        ]  # fmt: skip
        read_only_fields = fields

    def get_proposed_name(self, host: SeenHost) -> str:
        return reviewing.proposed_name(host)

    @extend_schema_field(ProposalSerializer(many=True))
    def get_proposals(self, host: SeenHost) -> list[dict[str, Any]]:
        return reviewing.proposals(host)


class PeriodSerializer(serializers.ModelSerializer[PresencePeriod]):
    class Meta:
        model = PresencePeriod
        fields = ["started_at", "ended_at"]


class AdoptDiscoverySerializer(StrictSerializer):
    """The device that a discovery becomes; what is left out is as it was found."""

    name = serializers.CharField(max_length=100, required=False, validators=NO_NUL)
    kind = serializers.ChoiceField(choices=Device.Kind.choices, required=False)
    site = VisibleRelatedField(queryset=Site.objects.all(), required=False, allow_null=True)
    location = serializers.CharField(max_length=200, required=False, allow_blank=True, validators=NO_NUL)
    tcp_ports = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=65535),
        required=False,
        max_length=20,
        help_text="Ports that are watched from now on; left out, those that are proposed.",
    )
    device = VisibleRelatedField(
        queryset=Device.objects.all(),
        required=False,
        allow_null=True,
        help_text="It is this device, which is in the inventory already; nothing else may be given then.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("device") is not None and len(attrs) > 1:
            raise serializers.ValidationError({"device": "Give a device of the inventory, or what a new one is like."})
        return attrs


class AdoptedDiscoverySerializer(serializers.Serializer[Any]):
    device = serializers.IntegerField()
    url = serializers.CharField()


class IdentifySerializer(StrictSerializer):
    port = serializers.IntegerField(
        default=identifying.SNMP_PORT, min_value=1, max_value=65535, help_text="Where its SNMP agent listens."
    )


class IgnoreSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, validators=NO_NUL)


@extend_schema_field({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"})
class TimeOfDayField(serializers.TimeField):
    """A time of day; the format "time" of JSON Schema wants a zone, which stands in a field of its own here."""


class ScanScheduleSerializer(ValidatedModelSerializer):
    window_start = TimeOfDayField(required=False, allow_null=True, help_text="Only from this time of day ...")
    window_end = TimeOfDayField(required=False, allow_null=True, help_text="... to this one; it may be past midnight.")

    class Meta:
        model = ScanSchedule
        fields = [
            "id", "name", "tenant", "kind", "target", "ports", "profile", "every_minutes", "jitter_minutes",
            "window_start", "window_end", "time_zone", "is_enabled", "reason", "next_run_at", "last_error",
            "created_at", "updated_at",
        ]  # fmt: skip
        read_only_fields = ["last_error"]


class ExpectedPortSerializer(ValidatedModelSerializer):
    device_name = serializers.CharField(source="device.name", read_only=True)

    class Meta:
        model = ExpectedPort
        fields = ["id", "device", "device_name", "protocol", "port", "state", "note", "created_at", "updated_at"]


class BaselineSerializer(StrictSerializer):
    device = VisibleRelatedField(queryset=Device.objects.all())


class CellSerializer(serializers.Serializer[Any]):
    address = serializers.CharField()
    state = serializers.ChoiceField(choices=["used", "silent", "found", "gone", "free", "excluded", "unknown"])
    name = serializers.CharField(allow_blank=True)
    device = serializers.IntegerField(source="device_id", allow_null=True)
    host = serializers.IntegerField(source="host_id", allow_null=True)


class PrefixMapSerializer(serializers.Serializer[Any]):
    """What is known of the addresses of a prefix."""

    prefix = serializers.IntegerField(source="prefix.pk")
    cidr = serializers.CharField(source="prefix.cidr")
    total = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField())
    is_complete = serializers.BooleanField(help_text="False: a large prefix; addresses nobody knows of are left out.")
    looked_at = serializers.DateTimeField(allow_null=True, help_text="When the last scan of any of it ended.")
    cells = CellSerializer(many=True)
