"""When an alert is raised, how grave it is, and when it stays silent."""

from collections.abc import Collection
from typing import Any, ClassVar, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device
from monitoring.models.scopes import NO_NUL, Scoped, SharedQuerySet, kind_known
from netmon.common.constraints import unique
from netmon.common.fields import FoldedField

DAY = 86400
MOST_LISTED = 500  # devices that a window names one by one


class Severity(models.TextChoices):
    """From least to worst."""

    INFO = "info", "Info"
    LOW = "low", "Low"
    MEDIUM = "medium", "Medium"
    HIGH = "high", "High"
    CRITICAL = "critical", "Critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)

    def shifted(self, steps: int) -> "Severity":
        """So many steps worse (or milder), within the ends."""
        ranked = list(Severity)
        return ranked[max(0, min(len(ranked) - 1, self.rank + steps))]


SEVERITIES = ["info", "low", "medium", "high", "critical"]


def severity_known(table: str, column: str = "severity") -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"{table}_{column}_known",
        condition=Q(**{f"{column}__in": SEVERITIES}),
        violation_error_message="The severity is info, low, medium, high or critical.",
    )


def check_zone(name: str, field: str = "time_zone") -> None:
    """Raises ValidationError when no such time zone is known."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError({field: "No such time zone: write a name such as Europe/Berlin or UTC."}) from None


class Revised(Scoped):
    """Counts its saves, so that who keeps rules compiled sees that one changed, whatever the clock does."""

    revision = models.PositiveIntegerField(default=0, editable=False)

    class Meta(Scoped.Meta):
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.revision += 1
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "revision"}
        super().save(*args, **kwargs)


class AlertRule(Revised):
    """When an alert is raised. `source` says what is looked at; see `monitoring.alerting.sources`."""

    class Comparator(models.TextChoices):
        GT = "gt", "above"
        GE = "ge", "at or above"
        LT = "lt", "below"
        LE = "le", "at or below"
        EQ = "eq", "equal to"
        NE = "ne", "not equal to"

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    source = models.CharField(max_length=48, help_text="What is looked at, such as metric or device.down.")
    metric = models.CharField(max_length=96, blank=True, help_text="Of source metric: set.column, as host.load5.")
    match = models.CharField(
        max_length=200,
        blank=True,
        validators=NO_NUL,
        help_text="Which of the source's objects: a pattern with * of modules, event kinds, disks or peers.",
    )
    interface_pattern = models.CharField(
        max_length=100, blank=True, validators=NO_NUL, help_text="Interfaces whose name or alias fits, such as eth*."
    )
    comparator = models.CharField(max_length=2, choices=Comparator.choices, default=Comparator.GT)
    raise_value = models.FloatField(null=True, blank=True, help_text="Bad when beyond this.")
    clear_value = models.FloatField(null=True, blank=True, help_text="Good again only beyond this. Empty: raise_value.")
    for_seconds = models.PositiveIntegerField(
        default=0, validators=[MaxValueValidator(7 * DAY)], help_text="Bad for so long before it is an alert."
    )
    for_checks = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="Seen bad so often in a row."
    )
    clear_checks = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="Seen good so often in a row."
    )
    clear_seconds = models.PositiveIntegerField(
        default=0,
        validators=[MaxValueValidator(30 * DAY)],
        help_text="Of events: resolved by itself after so long. Else: good for so long before it is resolved.",
    )
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.MEDIUM)
    policy = models.ForeignKey(
        "monitoring.EscalationPolicy", null=True, blank=True, on_delete=models.SET_NULL, related_name="rules"
    )
    template = models.CharField(
        max_length=48, blank=True, editable=False, help_text="The shipped rule that this is; empty for your own."
    )
    is_enabled = models.BooleanField(default=True)
    note = models.TextField(max_length=2000, blank=True, validators=NO_NUL, help_text="What to do; stands in messages.")

    objects: ClassVar[models.Manager["AlertRule"]] = models.Manager.from_queryset(SharedQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique(
                "alert_rule_name",
                ["tenant", "name_key"],
                nullable="tenant",
                error_field="name",
                message="A rule of this name exists.",
            ),
            models.UniqueConstraint(
                name="alert_rule_template",
                fields=["template"],
                condition=~Q(template=""),
                violation_error_code="unique",
                violation_error_message="This shipped rule exists already.",
            ),
            models.CheckConstraint(
                name="alert_rule_comparator_known",
                condition=Q(comparator__in=["gt", "ge", "lt", "le", "eq", "ne"]),
                violation_error_message="The comparator is gt, ge, lt, le, eq or ne.",
            ),
            severity_known("alert_rule"),
            kind_known("alert_rule"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        from monitoring.alerting import rulebook  # which knows the sources

        super().clean()
        rulebook.check(self)


class SeverityModifier(Revised):
    """Makes alerts of some devices graver or milder: a core router is worse than a lab machine."""

    name = models.CharField(max_length=100, validators=NO_NUL)
    delta = models.SmallIntegerField(
        default=1, validators=[MinValueValidator(-4), MaxValueValidator(4)], help_text="Steps; negative is milder."
    )

    objects: ClassVar[models.Manager["SeverityModifier"]] = models.Manager.from_queryset(SharedQuerySet)()

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            kind_known("severity_modifier"),
            models.CheckConstraint(
                name="severity_modifier_delta_range",
                condition=Q(delta__gte=-4, delta__lte=4) & ~Q(delta=0),
                violation_error_message="A modifier shifts by 1 to 4 steps, up or down.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.delta:+d})"


class SilenceQuerySet(SharedQuerySet):
    def now(self) -> Self:
        """Those in force."""
        moment = timezone.now()
        return self.filter(starts_at__lte=moment, ends_at__gt=moment)


class Silence(Scoped):
    """Alerts in its scope are raised but nobody is told, until it ends."""

    rule = models.ForeignKey(AlertRule, null=True, blank=True, on_delete=models.CASCADE, related_name="silences")
    fingerprint = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of one alert, and of it when it comes back."
    )
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True, validators=NO_NUL)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects: ClassVar[models.Manager["Silence"]] = models.Manager.from_queryset(SilenceQuerySet)()

    class Meta:
        ordering = ["-ends_at", "-pk"]
        indexes = [models.Index(fields=["ends_at"], name="silence_by_end")]
        constraints = [
            kind_known("silence"),
            models.CheckConstraint(
                name="silence_order",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="A silence ends after it begins.",
            ),
        ]

    def __str__(self) -> str:
        return self.reason or f"silence until {self.ends_at:%Y-%m-%d %H:%M}"


class MaintenanceWindow(Scoped):
    """Planned work: alerts of what it covers, and of what is reached only through that, are held back.

    A recurring window begins at the local time of `starts_at`, in `time_zone`, and lasts as long as the first does.
    """

    class Recurrence(models.TextChoices):
        ONCE = "once", "Once"
        DAILY = "daily", "Every day"
        WEEKLY = "weekly", "Every week"
        MONTHLY = "monthly", "Every month, on the same day"

    name = models.CharField(max_length=100, validators=NO_NUL)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="Of the first occurrence.")
    time_zone = models.CharField(max_length=64, default="UTC")
    recurrence = models.CharField(max_length=8, choices=Recurrence.choices, default=Recurrence.ONCE)
    weekdays = models.CharField(
        max_length=13, blank=True, help_text="Of a weekly window: 1 (Monday) to 7, such as 1,3,5. Empty: as the first."
    )
    until = models.DateTimeField(null=True, blank=True, help_text="No occurrence begins after this.")
    include_children = models.BooleanField(default=True, help_text="Also what is reached only through these devices.")
    ends_when_back = models.BooleanField(
        default=False, help_text="End the present occurrence as soon as all it covers has been down and is up again."
    )
    ended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The occurrence under way at this moment was ended early."
    )
    devices = models.ManyToManyField(
        Device, blank=True, related_name="+", help_text="Only these, one by one; none: all that the scope holds."
    )
    is_listed = models.BooleanField(
        default=False,
        editable=False,
        help_text="It is about its list of devices: when the last of them is deleted, about none.",
    )
    reason = models.CharField(max_length=500, blank=True, validators=NO_NUL)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )

    objects: ClassVar[models.Manager["MaintenanceWindow"]] = models.Manager.from_queryset(SharedQuerySet)()

    class Meta:
        ordering = ["starts_at", "pk"]
        constraints = [
            kind_known("maintenance_window"),
            models.CheckConstraint(
                name="maintenance_window_order",
                condition=Q(ends_at__gt=F("starts_at")),
                violation_error_message="A window ends after it begins.",
            ),
            models.CheckConstraint(
                name="maintenance_window_recurrence_known",
                condition=Q(recurrence__in=["once", "daily", "weekly", "monthly"]),
                violation_error_message="The recurrence is once, daily, weekly or monthly.",
            ),
            models.CheckConstraint(
                name="maintenance_window_list_or_device",
                condition=Q(is_listed=False) | Q(device__isnull=True),
                violation_error_message="A window has one device or a list of them: leave one of the two empty.",
            ),
        ]

    # Of a window that is not saved, or not yet with its list.
    planned: frozenset[int] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def listed(self) -> frozenset[int] | None:
        """The devices that it names one by one; None: its scope alone says which."""
        if not self.is_listed:
            return None
        if self.planned is not None:
            return self.planned
        return frozenset(device.pk for device in self.devices.all())

    def write_devices(self, devices: Collection[Device]) -> None:
        """Name these devices, and only these. In the caller's transaction, of a saved row with its `is_listed`."""
        self.devices.set(devices)
        self.planned = None

    def audit_extra(self) -> dict[str, Any]:
        return {"devices": sorted(self.devices.values_list("name", flat=True))} if self.is_listed and self.pk else {}

    def clean(self) -> None:
        from monitoring.alerting import windows

        super().clean()
        check_zone(self.time_zone)
        windows.check(self)
