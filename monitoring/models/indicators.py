"""What people and other systems say of a device."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device, DeviceChildQuerySet
from monitoring.models.facts import DeviceEvent
from monitoring.models.scopes import NO_NUL
from netmon.common.constraints import FieldUniqueConstraint
from netmon.common.models import TimeStamped

CLOCK = timedelta(minutes=5)  # by which another system's clock may be ahead
KIND = RegexValidator(
    r"^[a-z0-9]+(?:[_-][a-z0-9]+)*\Z", "Write one word such as smell or disk_temperature: a-z, 0-9, _ and -."
)


class IndicatorQuerySet(DeviceChildQuerySet):
    def current(self, now: datetime) -> "IndicatorQuerySet":
        """Those that neither were cleared nor expired."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), cleared_at=None)


class Indicator(TimeStamped):
    """An observation attached to a device by a person or another system: "disk smells burnt", a scanner's finding.

    Write and delete through `monitoring.services.indicators`: grave ones are also events, which rules look at.
    """

    Severity = DeviceEvent.Severity

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="indicators")
    kind = models.CharField(max_length=48, validators=[KIND], help_text="One word, such as smell or vulnerability.")
    value = models.CharField(max_length=500, validators=NO_NUL, help_text="What was observed.")
    severity = models.CharField(max_length=16, choices=DeviceEvent.Severity.choices, default=DeviceEvent.Severity.INFO)
    source = models.CharField(max_length=150, validators=NO_NUL, help_text="Who or what says so.")
    note = models.TextField(max_length=2000, blank=True, validators=NO_NUL)
    observed_at = models.DateTimeField(default=timezone.now, help_text="When it was observed; not in the future.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Holds until then; empty: until it is deleted.")
    external_id = models.CharField(
        max_length=200,
        blank=True,
        validators=NO_NUL,
        help_text="The source's own number of it: sent again, the indicator is changed and not doubled.",
    )
    cleared_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When netmon saw it expire.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, editable=False, related_name="+"
    )

    objects: ClassVar[models.Manager["Indicator"]] = models.Manager.from_queryset(IndicatorQuerySet)()

    class Meta:
        ordering = ["-observed_at", "-pk"]
        indexes = [
            models.Index(fields=["device", "-observed_at"], name="indicator_by_device"),
            models.Index(fields=["observed_at"], name="indicator_by_age"),  # retention
            # what has still to expire
            models.Index(fields=["expires_at"], condition=Q(cleared_at=None), name="indicator_to_expire"),
        ]
        constraints = [
            FieldUniqueConstraint(
                name="indicator_external_id",
                fields=["device", "source", "external_id"],
                condition=~Q(external_id=""),
                error_field="external_id",
                violation_error_code="unique",
                violation_error_message="This source has said this of the device already.",
            ),
            models.CheckConstraint(
                name="indicator_severity_known",
                condition=Q(severity__in=["info", "warning", "critical"]),
                violation_error_message="The severity is info, warning or critical.",
            ),
            models.CheckConstraint(
                name="indicator_kind_free",  # indicator_cleared is the event that ends others
                condition=~Q(kind__in=["", "cleared"]),
                violation_error_message="Choose another kind: this word is netmon's own.",
            ),
            models.CheckConstraint(
                name="indicator_is_said",
                condition=~Q(value="") & ~Q(source=""),
                violation_error_message="Say what was observed, and by whom.",
            ),
            models.CheckConstraint(
                name="indicator_order",
                condition=Q(expires_at=None) | Q(expires_at__gt=F("observed_at")),
                violation_error_message="It expires after it was observed.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.value}"[:200]

    def audit_parent(self) -> Device:
        return self.device

    def is_over(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def clean(self) -> None:
        if self.observed_at and self.observed_at > timezone.now() + CLOCK:
            raise ValidationError({"observed_at": "This is in the future: write when it was observed."})
        if self.value and not any(char.isprintable() and not char.isspace() for char in self.value):
            raise ValidationError({"value": "Write what was observed."})

    @property
    def words(self) -> str:
        """The kind as people say it."""
        return self.kind.replace("_", " ").replace("-", " ").capitalize()
