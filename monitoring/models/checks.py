"""What is watched, and how it stands."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device, DeviceChildQuerySet, ManagementEndpoint
from monitoring import modules
from netmon.common.constraints import unique
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet


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


class DeclinedCheck(models.Model):
    """A check that somebody deleted: the endpoint does not get it by default again, whatever is changed or approved."""

    endpoint = models.ForeignKey(ManagementEndpoint, on_delete=models.CASCADE, related_name="declined_checks")
    module = models.CharField(max_length=64)

    objects: ClassVar[models.Manager["DeclinedCheck"]] = models.Manager.from_queryset(CheckQuerySet)()

    class Meta:
        constraints = unique(
            "declined_check_once", ["endpoint", "module"], error_field="module", message="It is declined already."
        )

    def __str__(self) -> str:
        return f"{self.module} of {self.endpoint}"


class DeviceState(models.Model):
    """How a device is now: derived from its checks, kept on one row so that lists are one query."""

    class State(models.TextChoices):
        UNKNOWN = "unknown", "No data"
        UP = "up", "Up"
        DEGRADED = "degraded", "Degraded"
        DOWN = "down", "Down"

    class Excuse(models.TextChoices):
        """Decided by the alert engine, which knows the neighbours."""

        UNREACHABLE = "unreachable", "Unreachable"
        MAINTENANCE = "maintenance", "Maintenance"
        BLIND = "blind", "Poller blind"

    device = models.OneToOneField(Device, on_delete=models.CASCADE, primary_key=True, related_name="state")
    state = models.CharField(max_length=16, choices=State.choices, default=State.UNKNOWN)
    since = models.DateTimeField(default=timezone.now)
    cause = models.CharField(max_length=200, blank=True, help_text="Why it is not up.")
    excuse = models.CharField(
        max_length=16, choices=Excuse.choices, blank=True, help_text="Why its being down is not its own fault."
    )
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
            ),
            models.CheckConstraint(
                name="device_state_excuse_known", condition=Q(excuse__in=["", "unreachable", "maintenance", "blind"])
            ),
        ]

    def __str__(self) -> str:
        return self.state


class Outage(models.Model):
    """A stretch of time in which a device was not up: down, or not measured at all. Stretches do not overlap."""

    class Kind(models.TextChoices):
        DOWN = "down", "Down"
        UNKNOWN = "unknown", "Nothing was measured"
        UNREACHABLE = "unreachable", "Down with what it is reached through"
        MAINTENANCE = "maintenance", "Down in maintenance"
        BLIND = "blind", "Nothing is known: the poller saw nothing"

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
            models.CheckConstraint(
                name="outage_kind_known",
                condition=Q(kind__in=["down", "unknown", "unreachable", "maintenance", "blind"]),
            ),
        ]
        # availability of a window, of one device or of all
        indexes = [models.Index(fields=["device", "started_at"], name="outage_by_device")]

    def __str__(self) -> str:
        return f"{self.kind} since {self.started_at:%Y-%m-%d %H:%M:%S}"
