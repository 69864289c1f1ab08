"""What is watched, and what was seen."""

import uuid
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device, DeviceChildQuerySet, Interface, ManagementEndpoint
from monitoring import modules
from monitoring.metrics import MAX_COLUMNS
from netmon.common.addresses import parse_address
from netmon.common.constraints import unique
from netmon.common.fields import EncryptedTextField
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet

COLUMN_COUNT = MAX_COLUMNS  # value columns on a series: what is ranked must be a real column


class CheckQuerySet(VisibleQuerySet):
    tenant_path = "endpoint__device__tenant"


class Check(TimeStamped):
    """One module run against one endpoint, every so often. `next_run_at` says when it is due."""

    class Status(models.TextChoices):
        UNKNOWN = "unknown"
        UP = "up"
        DOWN = "down"
        PAUSED = "paused"

    endpoint = models.ForeignKey(ManagementEndpoint, on_delete=models.CASCADE, related_name="checks")
    module = models.CharField(max_length=64)
    interval_seconds = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(5), MaxValueValidator(86400)]
    )
    retries = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(5)],
        help_text="How many of the last five runs must fail before the check is down.",
    )
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.UNKNOWN)
    status_since = models.DateTimeField(default=timezone.now)
    next_run_at = models.DateTimeField(default=timezone.now)
    claimed_until = models.DateTimeField(null=True, blank=True)
    claim_token = models.CharField(max_length=32, blank=True)
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True, help_text="First failed run of the present series.")
    answering_since = models.DateTimeField(null=True, blank=True, help_text="First good run of the present series.")
    consecutive_failures = models.PositiveIntegerField(default=0)
    consecutive_successes = models.PositiveIntegerField(default=0)
    recent = models.PositiveSmallIntegerField(default=0, help_text="Last five runs, a bit each, 1 = failed.")
    last_error_code = models.CharField(max_length=64, blank=True)
    last_error_detail = models.CharField(max_length=500, blank=True)
    last_duration_ms = models.FloatField(null=True, blank=True)
    last_response_ms = models.FloatField(null=True, blank=True)
    skipped = models.PositiveBigIntegerField(default=0, help_text="Slots skipped because a run was late or under way.")
    memory = models.JSONField(default=dict, blank=True, help_text="What the module wants to know at its next run.")

    objects: ClassVar[models.Manager["Check"]] = models.Manager.from_queryset(CheckQuerySet)()

    class Meta:
        ordering = ["endpoint_id", "module"]
        constraints = [
            *unique(
                "check_module",
                ["endpoint", "module"],
                error_field="module",
                message="This endpoint has this check already.",
            ),
            models.CheckConstraint(
                name="check_status_known",
                condition=Q(status__in=["unknown", "up", "down", "paused"]),
                violation_error_message="The status is unknown, up, down or paused.",
            ),
            models.CheckConstraint(
                name="check_interval_range",
                condition=Q(interval_seconds__gte=5, interval_seconds__lte=86400),
                violation_error_message="An interval is 5 to 86400 seconds.",
            ),
            models.CheckConstraint(
                name="check_retries_range",
                condition=Q(retries__gte=1, retries__lte=5),
                violation_error_message="Retries are 1 to 5.",
            ),
        ]
        indexes = [
            # read by the dispatcher every few seconds
            models.Index(fields=["next_run_at"], condition=~Q(status="paused"), name="check_due")
        ]

    def __str__(self) -> str:
        return f"{self.module} of {self.endpoint}"

    def audit_parent(self) -> Device:
        return self.endpoint.device

    def clean(self) -> None:
        super().clean()
        protocol = self.endpoint.protocol if self.endpoint_id else None
        fitting = sorted(m.key for m in modules.MODULES.values() if protocol in (None, m.protocol))
        if self.module not in fitting:
            known = ", ".join(fitting) or "none"
            raise ValidationError({"module": f"No such module for this endpoint. Known are: {known}."})
        if self.endpoint_id and modules.MODULES[self.module].is_of_device:
            # Two writers of the same series and facts would take turns.
            others = Check.objects.filter(endpoint__device=self.endpoint.device_id, module=self.module)
            if others.exclude(pk=self.pk).exclude(endpoint=self.endpoint_id).exists():
                raise ValidationError(
                    {"module": "The device has this check at another endpoint: delete that one first."}
                )


class DeviceState(models.Model):
    """How a device is now: derived from its checks, kept on one row so that lists are one query."""

    class State(models.TextChoices):
        UNKNOWN = "unknown", "No data"
        UP = "up", "Up"
        DEGRADED = "degraded", "Degraded"
        DOWN = "down", "Down"

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="state")
    state = models.CharField(max_length=16, choices=State.choices, default=State.UNKNOWN)
    since = models.DateTimeField(default=timezone.now)
    cause = models.CharField(max_length=200, blank=True, help_text="Why it is not up.")
    watched_since = models.DateTimeField(null=True, blank=True, help_text="First run of an availability check.")
    last_poll_at = models.DateTimeField(null=True, blank=True)
    is_reachable = models.BooleanField(null=True, blank=True, help_text="Did it answer the last time it was asked.")
    response_time_ms = models.FloatField(null=True, blank=True)
    loss_percent = models.FloatField(null=True, blank=True)
    uptime_seconds = models.FloatField(null=True, blank=True)
    booted_at = models.DateTimeField(null=True, blank=True)
    expected_every_seconds = models.PositiveIntegerField(default=60, help_text="Silence beyond this is no data.")
    version = models.PositiveBigIntegerField(default=0, help_text="Grows with every change: the ETag of live pages.")

    objects: ClassVar[models.Manager["DeviceState"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="device_state_known", condition=Q(state__in=["unknown", "up", "degraded", "down"])
            )
        ]

    def __str__(self) -> str:
        return self.state


class Outage(models.Model):
    """A stretch of time in which a device was not up: down, or not measured at all. Stretches do not overlap."""

    class Kind(models.TextChoices):
        DOWN = "down", "Down"
        UNKNOWN = "unknown", "Nothing was measured"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="outages")
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.DOWN)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    cause = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager["Outage"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(ended_at__isnull=True),
                name="outage_one_open",
                violation_error_code="unique",
            ),
            models.CheckConstraint(
                name="outage_order", condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at"))
            ),
            models.CheckConstraint(name="outage_kind_known", condition=Q(kind__in=["down", "unknown"])),
        ]
        # availability of a window, of one device or of all
        indexes = [models.Index(fields=["device", "started_at"], name="outage_by_device")]

    def __str__(self) -> str:
        return f"{self.kind} since {self.started_at:%Y-%m-%d %H:%M:%S}"


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

    class Severity(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=16, choices=Source.choices)
    kind = models.CharField(max_length=32, help_text="Such as bgp_down, ospf_gone, key_changed.")
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.INFO)
    subject = models.CharField(max_length=255, blank=True, help_text="What it happened to: a peer, an interface.")
    detail = models.CharField(max_length=500, blank=True)
    data = models.JSONField(default=dict, blank=True)

    objects: ClassVar[models.Manager["DeviceEvent"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["device", "-at"], name="device_event_by_device")]
        constraints = [
            models.CheckConstraint(
                name="device_event_source_known",
                condition=Q(
                    source__in=["bgp", "ospf", "bfd", "interface", "routing", "ntp", "host", "host_key", "config"]
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


class Series(models.Model):
    """One measured object and one metric set: its identity, its present values, its last raw counters.

    `v0`, `v1`, ... are the present values in the order of the set's columns.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="series")
    interface = models.ForeignKey(Interface, null=True, blank=True, on_delete=models.CASCADE, related_name="series")
    metric_set = models.CharField(max_length=64)
    labels = models.CharField(max_length=255, blank=True, help_text="Canonical text: sorted key=value, comma between.")
    period_seconds = models.PositiveIntegerField(default=60)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_at = models.DateTimeField(null=True, blank=True)
    counters = models.BinaryField(null=True, blank=True, help_text="Last raw counters, packed; see rates.")
    v0 = models.FloatField(null=True, blank=True)
    v1 = models.FloatField(null=True, blank=True)
    v2 = models.FloatField(null=True, blank=True)
    v3 = models.FloatField(null=True, blank=True)
    v4 = models.FloatField(null=True, blank=True)
    v5 = models.FloatField(null=True, blank=True)
    v6 = models.FloatField(null=True, blank=True)
    v7 = models.FloatField(null=True, blank=True)
    v8 = models.FloatField(null=True, blank=True)
    v9 = models.FloatField(null=True, blank=True)
    v10 = models.FloatField(null=True, blank=True)
    v11 = models.FloatField(null=True, blank=True)

    objects: ClassVar[models.Manager["Series"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["device_id", "metric_set", "interface_id"]
        verbose_name_plural = "series"
        constraints = [
            models.UniqueConstraint(
                fields=["device", "interface", "metric_set", "labels"],
                condition=Q(interface__isnull=False),
                name="series_identity",
                violation_error_code="unique",
            ),
            models.UniqueConstraint(
                fields=["device", "metric_set", "labels"],
                condition=Q(interface__isnull=True),
                name="series_identity_null",
                violation_error_code="unique",
            ),
        ]
        # No index on a value: it would be written with every poll, and PostgreSQL could not update in place.
        indexes = [models.Index(fields=["metric_set"], name="series_by_metric_set")]

    def __str__(self) -> str:
        return f"{self.metric_set} of {self.device_id}" + (f"/{self.interface_id}" if self.interface_id else "")


class SampleRow(models.Model):
    """A hot row: one slot of one series, float64 values packed little-endian, NaN for a gap.

    The key begins with the slot: with the series first, inserts become eight times slower within a day.
    """

    pk = models.CompositePrimaryKey("slot", "series")
    slot = models.BigIntegerField(help_text="Start of the period, epoch seconds, a multiple of the period.")
    # No constraint: on SQLite the series stand in another file.
    series = models.ForeignKey(
        Series, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    payload = models.BinaryField()

    def __str__(self) -> str:
        return f"series {self.series_id} at {self.slot}"


class SampleChunk(models.Model):
    """Sealed time of one series; see `store/packing.py` for the format of `data`.

    Roll-ups of an open day or month are short chunks of their own, which the close of the day or month merges: a long
    chunk that is rewritten every hour would cost more than all the rest.
    """

    class Level(models.IntegerChoices):
        FULL = 0, "Every value of an hour"
        FIVE_MINUTES_OPEN = 1, "5-minute points of an hour; its day is open"
        FIVE_MINUTES = 2, "5-minute points of a day"
        HOURS_OPEN = 3, "Hourly points of a day; its month is open"
        HOURS = 4, "Hourly points of a month"

    pk = models.CompositePrimaryKey("series", "level", "start")
    series = models.ForeignKey(
        Series, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    level = models.PositiveSmallIntegerField(choices=Level.choices)
    start = models.BigIntegerField(help_text="Epoch seconds.")
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"series {self.series_id}, level {self.level}, from {self.start}"


class DeletedSeries(models.Model):
    """A series whose samples still take space. Written in the transaction that deletes the series."""

    series_id = models.BigIntegerField(primary_key=True)
    deleted_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.series_id)


class Heartbeat(models.Model):
    """When a background process was last seen alive."""

    process = models.CharField(max_length=32)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        constraints = unique(
            "heartbeat_process", ["process", "host", "pid"], error_field="pid", message="Known already."
        )

    def __str__(self) -> str:
        return f"{self.process} {self.host}:{self.pid}"
