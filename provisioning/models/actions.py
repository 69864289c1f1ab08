"""Actions: scripts that admins define and operators run against a device, and what became of each run."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from inventory.models import Credential, Device, Tenant
from monitoring.alerting import sources
from monitoring.models import Alert, AlertRule
from monitoring.models.scopes import NO_NUL, Scoped, SharedQuerySet, kind_known
from netmon.common.constraints import unique
from netmon.common.fields import FoldedField
from netmon.common.querysets import VisibleQuerySet
from netmon.drivers.process import NAME
from netmon.jobs.models import Job
from provisioning import action_parameters

MAX_TIMEOUT_SECONDS, MAX_OUTPUT_BYTES = 1800, 1 << 20
# \Z, for $ would let a line break through.
BARE_NAME = RegexValidator(
    rf"\A{NAME.pattern}\Z",
    "Write the bare name of a file in the actions directory: letters, digits, dot, underscore and hyphen, no slash.",
)


class Action(Scoped):
    """A script in the actions directory, and how it may be run. It stands there by deployment, never by upload."""

    class RunOn(models.TextChoices):
        LOCAL = "local", "Here, with the device's address"
        SSH = "ssh", "On the device, over SSH"

    class Role(models.TextChoices):
        OPERATOR = "operator", "Operators"
        ADMIN = "admin", "Admins only"

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    executable = models.CharField(
        max_length=100, validators=[BARE_NAME], help_text="Its file in the actions directory."
    )
    description = models.TextField(max_length=2000, blank=True, validators=NO_NUL)
    parameters = models.JSONField(default=list, blank=True, help_text="What is asked for: a list of typed parameters.")
    run_on = models.CharField(max_length=8, choices=RunOn.choices, default=RunOn.LOCAL)
    timeout_seconds = models.PositiveSmallIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(MAX_TIMEOUT_SECONDS)]
    )
    output_limit_bytes = models.PositiveIntegerField(
        default=65536, validators=[MinValueValidator(1024), MaxValueValidator(MAX_OUTPUT_BYTES)]
    )
    parallel_limit = models.PositiveSmallIntegerField(
        default=2, validators=[MinValueValidator(1), MaxValueValidator(50)], help_text="Runs of it at once."
    )
    confirmation = models.CharField(
        max_length=300, blank=True, validators=NO_NUL, help_text="What must be confirmed before each run."
    )
    is_risky = models.BooleanField(default=False, help_text="A second person must approve each run.")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.OPERATOR, help_text="Who may run it.")
    remedies = models.ManyToManyField(
        AlertRule, blank=True, related_name="+", help_text="Proposed at alerts of these rules."
    )
    remedy_source = models.CharField(
        max_length=48, blank=True, help_text="Proposed at alerts of this source, such as device.down."
    )
    approved_sha256 = models.CharField(max_length=64, blank=True, editable=False)
    approved_at = models.DateTimeField(null=True, blank=True, editable=False)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    is_enabled = models.BooleanField(default=True)

    objects: ClassVar[models.Manager["Action"]] = models.Manager.from_queryset(SharedQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique(
                "action_name",
                ["tenant", "name_key"],
                nullable="tenant",
                error_field="name",
                message="An action of this name exists.",
            ),
            models.CheckConstraint(
                name="action_executable_bare",
                condition=~Q(executable="")
                & ~Q(executable__contains="/")
                & ~Q(executable__startswith=".")
                & ~Q(executable__startswith="-"),
                violation_error_message="The executable is the bare name of a file.",
            ),
            models.CheckConstraint(name="action_run_on_known", condition=Q(run_on__in=["local", "ssh"])),
            models.CheckConstraint(name="action_role_known", condition=Q(role__in=["operator", "admin"])),
            models.CheckConstraint(
                name="action_limits",
                condition=Q(timeout_seconds__gte=1, output_limit_bytes__gte=1, parallel_limit__gte=1),
            ),
            kind_known("action"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        errors: dict[str, Any] = {}
        try:
            schema = action_parameters.parse(self.parameters)
        except action_parameters.Wrong as error:
            errors["parameters"] = [f"{name}: {text}" if name else text for name, text in error.errors.items()]
        else:
            wanted = {one.credential for one in action_parameters.secrets(schema) if one.credential is not None}
            known = set(Credential.objects.filter(pk__in=wanted).values_list("pk", flat=True))
            if missing := wanted - known:
                errors["parameters"] = f"There is no credential {min(missing)}: choose another for this secret."
        if self.remedy_source and self.remedy_source not in sources.SOURCES:
            errors["remedy_source"] = f"No such source of alerts; known are {', '.join(sorted(sources.SOURCES))}."
        errors |= self._foreign()
        if errors:
            raise ValidationError(errors)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With it go the rows that hold its secrets' credentials."""
        with transaction.atomic():
            super().save(*args, **kwargs)
            self._hold_credentials()

    def _hold_credentials(self) -> None:
        try:
            wanted = {one.credential for one in action_parameters.secrets(self.schema) if one.credential is not None}
        except action_parameters.Wrong:  # written past the model: it cannot run either
            return
        held = set(self.secrets.values_list("credential_id", flat=True))
        if wanted != held:
            self.secrets.filter(credential__in=held - wanted).delete()
            known = Credential.objects.filter(pk__in=wanted - held)
            ActionSecret.objects.bulk_create(ActionSecret(action=self, credential=row) for row in known)

    def _foreign(self) -> dict[str, str]:
        """An action of a tenant speaks of that tenant's things only."""
        if self.tenant_id is None:
            return {}
        found = {"site": self.site, "device": self.device, "tag": self.tag}
        return {
            name: "This belongs to another tenant."
            for name, thing in found.items()
            if thing is not None and thing.tenant_id not in (self.tenant_id, *([None] if name == "tag" else []))
        }

    @property
    def schema(self) -> action_parameters.Schema:
        """Raises Wrong where the column was written past the model."""
        return action_parameters.parse(self.parameters)


class SecretQuerySet(VisibleQuerySet):
    tenant_path = "action__tenant"


class ActionSecret(models.Model):
    """A credential that an action's parameters name: as long as they do, it is not deleted."""

    action = models.ForeignKey(Action, on_delete=models.CASCADE, related_name="secrets")
    # A tenant is deleted with both.
    credential = models.ForeignKey(Credential, on_delete=models.RESTRICT, related_name="+")

    objects: ClassVar[models.Manager["ActionSecret"]] = models.Manager.from_queryset(SecretQuerySet)()

    class Meta:
        verbose_name = "action"  # so that who wants to delete the credential reads what holds it
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                name="action_secret_once",
                fields=["action", "credential"],
                violation_error_code="unique",
                violation_error_message="The action holds this credential already.",
            )
        ]

    def __str__(self) -> str:
        return str(self.action)


class RunQuerySet(VisibleQuerySet):
    tenant_path = "tenant"

    def active(self) -> Self:
        """Waiting for a second person, queued or running."""
        return self.filter(status__in=ActionRun.ACTIVE)


class ActionRun(models.Model):
    """Who ran what where, with what, and what came of it. It outlives its device, and its action's changes."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waits for approval"
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        TIMED_OUT = "timed_out", "Timed out"
        CANCELLED = "cancelled", "Cancelled"
        REFUSED = "refused", "Refused"
        LOST = "lost", "Lost"

    ACTIVE = (Status.WAITING, Status.QUEUED, Status.RUNNING)
    SHAPES: ClassVar[dict[str, str]] = {
        "waiting": "degraded", "timed_out": "down", "refused": "unknown", **Job.SHAPES,
    }  # fmt: skip

    action = models.ForeignKey(Action, on_delete=models.PROTECT, related_name="runs")
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL, related_name="action_runs")
    device_name = models.CharField(max_length=255)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    alert = models.ForeignKey(
        Alert, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="As whose remedy it ran."
    )
    arguments = models.JSONField(default=dict, blank=True)
    executable = models.CharField(max_length=100)
    run_on = models.CharField(max_length=8, choices=Action.RunOn.choices)
    argv = models.JSONField(default=list, blank=True, help_text="What the script got, its own name first.")
    sha256 = models.CharField(max_length=64, help_text="Of the script, as it was approved.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    decision = models.CharField(max_length=300, blank=True, validators=NO_NUL, help_text="What the second person said.")
    job = models.OneToOneField(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="action_run")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    exit_code = models.IntegerField(null=True, blank=True)
    output = models.TextField(blank=True)
    output_bytes = models.PositiveBigIntegerField(default=0, help_text="What it wrote in all.")
    is_truncated = models.BooleanField(default=False)
    killed_why = models.CharField(max_length=64, blank=True, help_text="timeout, cancelled, cpu, or a signal.")
    confinement = models.JSONField(default=list, blank=True, help_text="What was not as it should be, in sentences.")
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["ActionRun"]] = models.Manager.from_queryset(RunQuerySet)()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="action_run_one_active",
                fields=["action", "device"],
                condition=Q(status__in=["waiting", "queued", "running"]),
                violation_error_code="unique",
                violation_error_message="This action is under way at this device.",
            ),
            models.CheckConstraint(
                name="action_run_status_known",
                condition=Q(
                    status__in=[
                        "waiting",
                        "queued",
                        "running",
                        "succeeded",
                        "failed",
                        "timed_out",
                        "cancelled",
                        "refused",
                        "lost",
                    ]
                ),
            ),
            # A second person is another person.
            models.CheckConstraint(
                name="action_run_second_person",
                condition=Q(approved_by=None) | Q(requested_by=None) | ~Q(approved_by=models.F("requested_by")),
                violation_error_message="Who asked for a run cannot approve it.",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status"], condition=Q(status__in=["waiting", "queued", "running"]), name="action_run_active"
            ),
            models.Index(fields=["finished_at"], name="action_run_by_end"),  # what is forgotten
        ]

    def __str__(self) -> str:
        return f"{self.executable} on {self.device_name}"

    @property
    def shape(self) -> str:
        """Its status in the shapes that states of devices have."""
        return self.SHAPES.get(self.status, "unknown")

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    @property
    def seconds(self) -> float | None:
        """How long it took, or has taken by now."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def command_line(self) -> str:
        return action_parameters.shown(self.argv)

    def as_dict(self) -> dict[str, Any]:
        """What an answer 202 says of it."""
        return {"id": self.pk, "status": self.status, "url": f"/api/v1/action-runs/{self.pk}/"}
