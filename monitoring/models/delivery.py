"""Who is told, by what, and what became of each message."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email
from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models import Site, Tag, Tenant
from inventory.models.places import TenantMember
from monitoring.models.alerts import Alert, AlertChildQuerySet
from monitoring.models.rules import Severity, check_zone, kind_known, severity_known
from monitoring.models.scopes import NO_NUL, Scoped, SharedQuerySet
from netmon.common.constraints import unique
from netmon.common.fields import EncryptedTextField, FoldedField
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet

MAX_STEPS = 5
MAX_ADDRESSES = 20


class Channel(TimeStamped):
    """A way out: a mail server, a Slack webhook, a signed webhook, or another service.

    `config` is encrypted as a whole and never shown; `shown` says what may be seen of it. See `notifying.configs`.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        SLACK = "slack", "Slack"
        WEBHOOK = "webhook", "Signed webhook"
        APPRISE = "apprise", "Another service"

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: everybody's."
    )
    secret_ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    config = EncryptedTextField(blank=True, help_text="Address and secrets of this way, as JSON.")
    shown = models.CharField(max_length=200, blank=True, editable=False)
    min_severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.INFO)
    is_enabled = models.BooleanField(default=True)
    max_per_minute = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(1), MaxValueValidator(600)], help_text="Messages a minute; more wait."
    )
    late_minutes = models.PositiveSmallIntegerField(
        default=5,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="A message later than this says so; a fault that is over by then is told in one message.",
    )
    dead_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    last_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=500, blank=True, editable=False)
    last_error_at = models.DateTimeField(null=True, blank=True, editable=False)
    retry_after = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The other side asked for no message before this."
    )

    slow_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Its messages a minute are used up."
    )

    objects: ClassVar[models.Manager["Channel"]] = models.Manager.from_queryset(SharedQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique(
                "channel_name",
                ["tenant", "name_key"],
                nullable="tenant",
                error_field="name",
                message="A channel of this name exists.",
            ),
            models.CheckConstraint(
                name="channel_kind_known",
                condition=Q(kind__in=["email", "slack", "webhook", "apprise"]),
                violation_error_message="The kind is email, slack, webhook or apprise.",
            ),
            severity_known("channel", "min_severity"),
        ]

    def __str__(self) -> str:
        return self.name


class ContactQuerySet(SharedQuerySet):
    def visible_to(self, user: Any) -> Self:
        """Of the contacts of no tenant, somebody bound to tenants does not see those of other tenants' people."""
        rows = super().visible_to(user)
        if not getattr(user, "tenant_ids", None):
            return rows
        known = Q(user=None) | Q(user=user) | Q(user__in=TenantMember.objects.visible_to(user).values("user"))
        return rows.filter(Q(tenant__in=user.tenant_ids) | known)


class Contact(TimeStamped):
    """A person or a list of people: by which channels, of what, and when they want to be told."""

    class Digest(models.TextChoices):
        NONE = "none", "Every message at once"
        HOURLY = "hourly", "What is below high, once an hour"
        DAILY = "daily", "What is below high, with the daily summary"

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: everybody's."
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="contacts",
        help_text="Whose profile this is: they may change it, and are told only of what they may see.",
    )
    emails = models.JSONField(default=list, blank=True, help_text='Where mail goes, such as ["noc@example.com"].')
    channels = models.ManyToManyField(Channel, blank=True, related_name="contacts")
    is_enabled = models.BooleanField(default=True)
    min_severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.INFO)
    sites = models.ManyToManyField(Site, blank=True, related_name="+", help_text="Only of these. Empty: of all.")
    tags = models.ManyToManyField(Tag, blank=True, related_name="+", help_text="Only devices with one of these.")
    wants_resolved = models.BooleanField(default=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    quiet_from = models.TimeField(null=True, blank=True, help_text="Local time from which messages wait.")
    quiet_to = models.TimeField(null=True, blank=True)
    quiet_min_severity = models.CharField(
        max_length=16, choices=Severity.choices, default=Severity.CRITICAL, help_text="Comes through at quiet hours."
    )
    digest = models.CharField(max_length=8, choices=Digest.choices, default=Digest.NONE)
    repeat_seconds = models.PositiveIntegerField(
        default=4 * 3600,
        validators=[MaxValueValidator(7 * 86400)],
        help_text="Remind so often while nobody acknowledged; 0 never.",
    )
    repeat_min_severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.CRITICAL)
    summary_hour = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(23)],
        help_text="Daily summary at this hour of the time zone, 0 is midnight. Empty: none.",
    )
    summary_only_news = models.BooleanField(default=True, help_text="No summary on a day without news.")

    objects: ClassVar[models.Manager["Contact"]] = models.Manager.from_queryset(ContactQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique(
                "contact_name",
                ["tenant", "name_key"],
                nullable="tenant",
                error_field="name",
                message="A contact of this name exists.",
            ),
            models.CheckConstraint(
                name="contact_quiet_both",
                condition=Q(quiet_from__isnull=True, quiet_to__isnull=True)
                | Q(quiet_from__isnull=False, quiet_to__isnull=False),
                violation_error_message="Quiet hours have a begin and an end.",
            ),
            models.CheckConstraint(
                name="contact_digest_known",
                condition=Q(digest__in=["none", "hourly", "daily"]),
                violation_error_message="The digest is none, hourly or daily.",
            ),
            models.CheckConstraint(
                name="contact_summary_hour_range",
                condition=Q(summary_hour__isnull=True) | Q(summary_hour__lte=23),
                violation_error_message="An hour is 0 to 23.",
            ),
            severity_known("contact", "min_severity"),
            severity_known("contact", "quiet_min_severity"),
            severity_known("contact", "repeat_min_severity"),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        check_zone(self.time_zone)
        if not isinstance(self.emails, list) or len(self.emails) > MAX_ADDRESSES:
            raise ValidationError({"emails": f"Write a list of at most {MAX_ADDRESSES} addresses."})
        for address in self.emails:
            try:
                if not isinstance(address, str):
                    raise ValidationError("Not a text.")
                validate_email(address)
            except ValidationError:
                shown = str(address)[:60]
                raise ValidationError({"emails": f"{shown!r} is not an e-mail address."}) from None

    def audit_extra(self) -> dict[str, Any]:
        lists = (("channels", self.channels), ("sites", self.sites), ("tags", self.tags))
        return {name: sorted(rows.values_list("pk", flat=True)) for name, rows in lists}


class EscalationPolicy(Scoped):
    """Who is told first, and who when nobody acknowledges. Of the policies that fit, that with the lowest rank is used.

    A rule may name a policy, which then goes before all others.
    """

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    rank = models.PositiveSmallIntegerField(default=100, help_text="Lower goes first among the policies that fit.")
    is_enabled = models.BooleanField(default=True)

    objects: ClassVar[models.Manager["EscalationPolicy"]] = models.Manager.from_queryset(SharedQuerySet)()

    class Meta:
        ordering = ["rank", "name_key"]
        verbose_name_plural = "escalation policies"
        constraints = [
            *unique(
                "escalation_policy_name",
                ["tenant", "name_key"],
                nullable="tenant",
                error_field="name",
                message="A policy of this name exists.",
            ),
            kind_known("escalation_policy"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_extra(self) -> dict[str, Any]:
        rows = EscalationStep.objects.filter(policy=self).prefetch_related("contacts").order_by("number")
        return {"steps": [[row.after_seconds, sorted(one.pk for one in row.contacts.all())] for row in rows]}

    def write_steps(self, steps: Sequence[tuple[int, Sequence[Contact]]]) -> None:
        """Put these in the place of what was there. In the caller's transaction."""
        self.steps.all().delete()
        for number, (after_seconds, contacts) in enumerate(steps):
            step = EscalationStep.objects.create(policy=self, number=number, after_seconds=after_seconds)
            step.contacts.set(contacts)


class PolicyChildQuerySet(VisibleQuerySet):
    def visible_to(self, user: Any) -> Self:
        return self.filter(policy__in=EscalationPolicy.objects.visible_to(user))


class EscalationStep(models.Model):
    """Whom to tell, so long after the alert began to fire."""

    policy = models.ForeignKey(EscalationPolicy, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField(validators=[MaxValueValidator(MAX_STEPS - 1)])
    after_seconds = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(7 * 86400)])
    contacts = models.ManyToManyField(Contact, related_name="steps")

    objects: ClassVar[models.Manager["EscalationStep"]] = models.Manager.from_queryset(PolicyChildQuerySet)()

    class Meta:
        ordering = ["policy_id", "number"]
        constraints = [
            *unique("escalation_step_number", ["policy", "number"], error_field="number", message="Taken already."),
            models.CheckConstraint(
                name="escalation_step_number_range",
                condition=Q(number__lt=MAX_STEPS),
                violation_error_message="A policy has at most five steps.",
            ),
        ]

    def __str__(self) -> str:
        return f"step {self.number} of {self.policy}"

    def clean(self) -> None:
        super().clean()
        if self.number == 0 and self.after_seconds:
            raise ValidationError({"after_seconds": "The first step is told at once: write 0."})


class NotificationQuerySet(AlertChildQuerySet):
    """Of alerts that one sees; what is about none, such as a summary, is for people bound to no tenant."""

    def visible_to(self, user: Any) -> Self:
        rows = super().visible_to(user)
        return rows.filter(alert__isnull=False) if getattr(user, "tenant_ids", None) else rows


class Notification(models.Model):
    """The outbox: one message to one contact over one channel, written in the transaction that causes it."""

    class Kind(models.TextChoices):
        FIRING = "firing", "Firing"
        RESOLVED = "resolved", "Resolved"
        FLAPPING = "flapping", "Flapping"
        REMINDER = "reminder", "Reminder"
        ESCALATION = "escalation", "Escalation"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        COMBINED = "combined", "Began and ended"
        SUMMARY = "summary", "Daily summary"
        TEST = "test", "Test"

    class Status(models.TextChoices):
        PENDING = "pending", "Waits"
        LEASED = "leased", "Being sent"
        SENT = "sent", "Sent"
        RETRY = "retry", "Failed, will be tried again"
        UNCERTAIN = "uncertain", "Perhaps sent, will be repeated"
        SUPERSEDED = "superseded", "Not needed any more"
        DEAD = "dead", "Given up"

    OPEN: ClassVar[list[str]] = ["pending", "retry", "uncertain"]

    alert = models.ForeignKey(Alert, null=True, blank=True, on_delete=models.CASCADE, related_name="notifications")
    seq = models.PositiveIntegerField(default=0, help_text="The alert's event that caused it.")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    contact = models.ForeignKey(Contact, null=True, blank=True, on_delete=models.SET_NULL, related_name="notifications")
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.SET_NULL, related_name="notifications")
    to = models.CharField(max_length=250, blank=True, help_text="Contact and channel as they were named then.")
    repeat_no = models.PositiveIntegerField(default=0)
    dedupe_key = models.CharField(max_length=64, unique=True, editable=False)
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.MEDIUM)
    severity_rank = models.PositiveSmallIntegerField(default=2, editable=False)
    alert_version = models.PositiveIntegerField(default=0, help_text="Reminders and steps of an older one are dropped.")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_token = models.CharField(max_length=32, blank=True, editable=False)
    message_key = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="Of the message that carried it; several rows may share it.",
    )
    is_repeat = models.BooleanField(default=False, help_text="May have come once before: a worker died while sending.")
    last_code = models.CharField(max_length=16, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    log = models.JSONField(default=list, blank=True, help_text="Each try: at, code, error, seconds.")
    data = models.JSONField(default=dict, blank=True)

    objects: ClassVar[models.Manager["Notification"]] = models.Manager.from_queryset(NotificationQuerySet)()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="notification_status_known",
                condition=Q(status__in=["pending", "leased", "sent", "retry", "uncertain", "superseded", "dead"]),
            ),
            models.CheckConstraint(
                name="notification_sent_has_its_time", condition=~Q(status="sent") | Q(sent_at__isnull=False)
            ),
            severity_known("notification"),
        ]
        indexes = [
            # the claim of the outbox
            models.Index(
                fields=["next_at"],
                condition=Q(status__in=["pending", "retry", "uncertain"]),
                name="notification_due",
            ),
            models.Index(fields=["lease_until"], condition=Q(status="leased"), name="notification_leased"),
            models.Index(fields=["channel", "-sent_at"], name="notification_by_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.to}"

    @property
    def first_tried_at(self) -> datetime | None:
        """None while no try came to an end."""
        return datetime.fromisoformat(self.log[0]["at"]) if self.log else None

    @property
    def first_due_at(self) -> datetime:
        """From when it has waited against anybody's wish: quiet hours, digests and settling are wished for."""
        if (tried := self.first_tried_at) is not None:
            return tried
        # A lease that ran out moved `next_at` on, and left no word of when the message was due.
        is_planned = self.attempt <= 1 or "held" in self.data
        return max(self.next_at, self.created_at) if is_planned else self.created_at
