"""What a device said of itself: facts, events, configurations, and the neighbours it should have."""

import uuid
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device, DeviceChildQuerySet
from netmon.common.addresses import parse_address
from netmon.common.constraints import unique
from netmon.common.fields import EncryptedTextField
from netmon.common.models import TimeStamped


class DeviceFact(models.Model):
    """The last collected structured answer of one kind, such as the system group or a BGP summary."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="facts")
    kind = models.CharField(max_length=32)
    data = models.JSONField(default=dict)
    raw = models.BinaryField(
        null=True, blank=True, help_text="What the device said, zlib: what was read of it may be wrong."
    )
    collected_at = models.DateTimeField()

    objects: ClassVar[models.Manager["DeviceFact"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        constraints = unique(
            "device_fact_kind", ["device", "kind"], error_field="kind", message="This device has this fact already."
        )

    def __str__(self) -> str:
        return self.kind


class DeviceEvent(models.Model):
    """Something that happened at a device between two looks: a session fell, a neighbour came, a setting changed.

    `data` holds what a program may want: the values before and after.
    """

    class Source(models.TextChoices):
        BGP = "bgp", "BGP"
        OSPF = "ospf", "OSPF"
        BFD = "bfd", "BFD"
        INTERFACE = "interface", "Interface"
        ROUTING = "routing", "Routing"
        NTP = "ntp", "NTP"
        HOST = "host", "Host"
        HOST_KEY = "host_key", "Host key"
        CONFIG = "config", "Configuration"
        INDICATOR = "indicator", "Indicator"

    class Severity(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=16, choices=Source.choices)
    kind = models.CharField(max_length=64, help_text="Such as bgp_down, ospf_gone, key_changed.")
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.INFO)
    subject = models.CharField(max_length=255, blank=True, help_text="What it happened to: a peer, an interface.")
    detail = models.CharField(max_length=500, blank=True)
    data = models.JSONField(default=dict, blank=True)
    is_noted = models.BooleanField(default=False, editable=False, help_text="Alert rules have looked at it.")

    objects: ClassVar[models.Manager["DeviceEvent"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["device", "-at"], name="device_event_by_device"),
            # what the alert engine has still to look at
            models.Index(fields=["id"], condition=Q(is_noted=False), name="device_event_to_note"),
        ]
        constraints = [
            models.CheckConstraint(
                name="device_event_source_known",
                condition=Q(
                    source__in=[
                        "bgp",
                        "ospf",
                        "bfd",
                        "interface",
                        "routing",
                        "ntp",
                        "host",
                        "host_key",
                        "config",
                        "indicator",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="device_event_severity_known", condition=Q(severity__in=["info", "warning", "critical"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}".strip()

    @property
    def words(self) -> str:
        """The kind as people say it."""
        first, *rest = self.kind.split("_")
        return " ".join([first.upper() if first in ("bgp", "ospf", "bfd") else first.capitalize(), *rest])


class ConfigVersion(models.Model):
    """One text of a device's configuration, from when it was first seen to when it was last seen unchanged."""

    class Kind(models.TextChoices):
        RUNNING = "running", "Running"
        STARTUP = "startup", "Startup"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="config_versions")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    number = models.PositiveIntegerField(help_text="1, 2, 3 ... of this device and kind.")
    platform = models.CharField(max_length=32)
    secret_ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    content = EncryptedTextField(help_text="The text as the device gave it, compressed. It holds its secrets.")
    content_hash = models.CharField(max_length=64, editable=False, help_text="Keyed hash of the normalised text.")
    lines = models.PositiveIntegerField()
    size_bytes = models.PositiveIntegerField()
    collected_at = models.DateTimeField(help_text="When it was first seen.")
    last_seen_at = models.DateTimeField(help_text="When it was last seen unchanged.")
    summary = models.CharField(max_length=1000, blank=True, help_text="What changed since the version before.")
    changed_by = models.CharField(max_length=150, blank=True, help_text="Who changed it, as far as anybody said.")
    is_saved = models.BooleanField(
        null=True, blank=True, help_text="Whether the running configuration is that of the next start."
    )

    objects: ClassVar[models.Manager["ConfigVersion"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["-collected_at", "-pk"]
        constraints = [
            *unique(
                "config_version_number",
                ["device", "kind", "number"],
                error_field="number",
                message="This device has this version already.",
            ),
            models.CheckConstraint(
                name="config_version_kind_known",
                condition=Q(kind__in=["running", "startup"]),
                violation_error_message="The kind is running or startup.",
            ),
            models.CheckConstraint(
                name="config_version_number_positive",
                condition=Q(number__gte=1),
                violation_error_message="Versions are numbered from 1.",
            ),
            models.CheckConstraint(
                name="config_version_seen_in_order",
                condition=Q(last_seen_at__gte=F("collected_at")),
                violation_error_message="A version is last seen when it was first seen, or later.",
            ),
        ]
        indexes = [models.Index(fields=["device", "-collected_at"], name="config_version_by_device")]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.device}"

    def audit_parent(self) -> Device:
        return self.device


class ExpectedNeighbour(TimeStamped):
    """A routing neighbour that must be there. Only such a list tells that one has vanished without a trace."""

    class Protocol(models.TextChoices):
        BGP = "bgp", "BGP"
        OSPF = "ospf", "OSPF"
        OSPF6 = "ospf6", "OSPFv3"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="expected_neighbours")
    protocol = models.CharField(max_length=8, choices=Protocol.choices)
    neighbour = models.CharField(max_length=45, help_text="BGP: the peer's address. OSPF: its router id or address.")
    note = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager["ExpectedNeighbour"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["device_id", "protocol", "neighbour"]
        constraints = [
            *unique(
                "expected_neighbour_once",
                ["device", "protocol", "neighbour"],
                error_field="neighbour",
                message="This neighbour is expected already.",
            ),
            models.CheckConstraint(
                name="expected_neighbour_protocol_known",
                condition=Q(protocol__in=["bgp", "ospf", "ospf6"]),
                violation_error_message="The protocol is bgp, ospf or ospf6.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.protocol} {self.neighbour}"

    def audit_parent(self) -> Device:
        return self.device

    def clean(self) -> None:
        try:
            self.neighbour = str(parse_address(self.neighbour.strip()))
        except ValidationError as error:
            raise ValidationError({"neighbour": error}) from None
