"""What scans are repeated, and what ports devices are expected to have."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models import Device, Tenant
from inventory.models.devices import DeviceChildQuerySet
from inventory.models.places import NO_NUL
from netmon.common.constraints import unique
from netmon.common.fields import FoldedField
from netmon.common.models import TimeStamped
from scanning.models.scans import OfTenant, Scan


class ScanSchedule(TimeStamped):
    """A scan that is repeated. `next_run_at` says when; a beat every half minute starts what is due."""

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="scan_schedules")
    kind = models.CharField(max_length=16, choices=Scan.Kind.choices, default=Scan.Kind.NETWORK)
    target = models.TextField(max_length=4000, validators=NO_NUL)
    ports = models.CharField(max_length=1000, blank=True, validators=NO_NUL, help_text="Such as 22,80 or 1-1024.")
    profile = models.CharField(max_length=16, choices=Scan.Profile.choices, default=Scan.Profile.NORMAL)
    every_minutes = models.PositiveIntegerField(
        default=1440, validators=[MinValueValidator(5), MaxValueValidator(44640)]
    )
    jitter_minutes = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(720)], help_text="Up to so much later, by chance."
    )
    window_start = models.TimeField(null=True, blank=True, help_text="Only from this time of day ...")
    window_end = models.TimeField(null=True, blank=True, help_text="... to this one; it may be past midnight.")
    time_zone = models.CharField(max_length=64, default="UTC", help_text="Of the window, such as Europe/Paris.")
    is_enabled = models.BooleanField(default=True)
    reason = models.CharField(max_length=300, blank=True, validators=NO_NUL, help_text="Who allowed it, and why.")
    next_run_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=500, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects: ClassVar[models.Manager["ScanSchedule"]] = models.Manager.from_queryset(OfTenant)()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique(
                "scan_schedule_name",
                ["tenant", "name_key"],
                nullable="tenant",
                error_field="name",
                message="A schedule of this name exists.",
            ),
            models.CheckConstraint(
                name="scan_schedule_kind_known",
                condition=Q(kind__in=["ping", "ports", "network"]),
                violation_error_message="The kind is ping, ports or network.",
            ),
            models.CheckConstraint(
                name="scan_schedule_profile_known",
                condition=Q(profile__in=["gentle", "polite", "normal", "fast"]),
                violation_error_message="The profile is gentle, polite, normal or fast.",
            ),
        ]
        indexes = [models.Index(fields=["next_run_at"], condition=Q(is_enabled=True), name="scan_schedule_due")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        from scanning import guard, ports, targets
        from scanning.schedules import check_zone

        errors: dict[str, str] = {}
        for name, check in (("target", targets.parse), ("ports", ports.parse), ("time_zone", check_zone)):
            value = getattr(self, name)
            if name == "ports" and (self.kind == Scan.Kind.PING or not value):
                continue
            try:
                check(value)
            except ValidationError as error:
                errors[name] = " ".join(error.messages)
        if (self.window_start is None) != (self.window_end is None):
            errors["window_end" if self.window_end is None else "window_start"] = "A window has a start and an end."
        elif self.window_start is not None and self.window_start == self.window_end:
            errors["window_end"] = "The window ends when it begins: leave both empty for any time."
        if not errors:
            try:
                guard.plan(self.kind, self.target, self.ports, tenant=self.tenant, profile=self.profile, is_now=False)
            except ValidationError as error:
                errors |= {name: " ".join(texts) for name, texts in error.message_dict.items()}
        if errors:
            raise ValidationError(errors)


class ExpectedPort(TimeStamped):
    """A port that a device is expected to have open, or closed. With one open port of a device expected, others that
    are found open are unexpected."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="expected_ports")
    protocol = models.CharField(max_length=3, default="tcp", choices=[("tcp", "TCP")])
    port = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(65535)])
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    note = models.CharField(max_length=200, blank=True, validators=NO_NUL)

    objects: ClassVar[models.Manager["ExpectedPort"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["device_id", "protocol", "port"]
        constraints = [
            *unique(
                "expected_port",
                ["device", "protocol", "port"],
                error_field="port",
                message="This port of the device is in its baseline already.",
            ),
            models.CheckConstraint(
                name="expected_port_range",
                condition=Q(port__gte=1, port__lte=65535),
                violation_error_message="A port is 1 to 65535.",
            ),
            models.CheckConstraint(
                name="expected_port_state_known",
                condition=Q(state__in=["open", "closed"]),
                violation_error_message="A port is expected open or closed.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port} {self.state}"

    def audit_parent(self) -> Device:
        return self.device
