"""What is wrong, and what became of it."""

from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device, Interface, Tenant
from monitoring.models.rules import AlertRule, Severity, severity_known
from netmon.common.querysets import VisibleQuerySet


def _of_tenants(prefix: str, tenant_ids: Collection[int]) -> Q:
    """An alert belongs to its device's tenant, which may change; only one without a device has a tenant of its own."""
    return Q(**{f"{prefix}device__tenant__in": tenant_ids}) | Q(
        **{f"{prefix}device__isnull": True, f"{prefix}tenant__in": tenant_ids}
    )


class AlertQuerySet(VisibleQuerySet):
    prefix: ClassVar[str] = ""

    def visible_to(self, user: Any) -> Self:
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.filter(_of_tenants(self.prefix, user.tenant_ids)) if user.tenant_ids else self.all()

    def open(self) -> Self:
        return self.filter(resolved_at__isnull=True)

    def told(self) -> Self:
        """Open and people's business: fires or flaps, neither pending nor held back."""
        return self.filter(resolved_at__isnull=True, state__in=[Alert.State.FIRING, Alert.State.FLAPPING])


class AlertChildQuerySet(AlertQuerySet):
    prefix = "alert__"


class Alert(models.Model):
    """One fault, from its first sign to its end. `fingerprint` (rule or source, device, object) is open only once.

    `version` grows with every transition and every decision of a person: what was planned for an older one is dropped.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Not yet confirmed"
        FIRING = "firing", "Firing"
        FLAPPING = "flapping", "Flapping"
        UNREACHABLE = "unreachable", "Unreachable: what it is reached through is down"
        MAINTENANCE = "maintenance", "Maintenance"
        BLIND = "blind", "Unknown: the poller sees nothing"
        RESOLVED = "resolved", "Resolved"

    rule = models.ForeignKey(AlertRule, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    source = models.CharField(max_length=48)
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    interface = models.ForeignKey(Interface, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Of an alert without a device.",
    )
    subject = models.CharField(max_length=255, blank=True, help_text="The object of the device: an interface, a peer.")
    fingerprint = models.CharField(max_length=64, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.MEDIUM)
    summary = models.CharField(max_length=300)
    detail = models.CharField(max_length=1000, blank=True)
    value = models.FloatField(null=True, blank=True, help_text="The last measured value, in the metric's unit.")
    data = models.JSONField(default=dict, blank=True)

    started_at = models.DateTimeField(default=timezone.now, help_text="First sign of the fault.")
    fired_at = models.DateTimeField(null=True, blank=True, help_text="When it was confirmed and people were told.")
    state_since = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    cleared_at = models.DateTimeField(null=True, blank=True, help_text="First sign that the fault is over.")

    is_bad = models.BooleanField(default=True, help_text="What was seen last.")
    bad_checks = models.PositiveIntegerField(default=1)
    good_checks = models.PositiveIntegerField(default=0)
    last_seen_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, blank=True, help_text="When the engine looks at it next.")
    hold_until = models.DateTimeField(null=True, blank=True, help_text="Ancestors are being asked until then.")

    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    comment = models.CharField(max_length=1000, blank=True, help_text="Of who acknowledged it.")
    silenced_until = models.DateTimeField(null=True, blank=True)
    is_told = models.BooleanField(default=False, help_text="Whether messages were planned for it.")
    was_in_maintenance = models.BooleanField(default=False)
    cause = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="consequences", help_text="What cut it."
    )
    transitions = models.JSONField(default=list, blank=True, help_text="Epoch seconds of late raises and clears.")
    escalation_step = models.PositiveSmallIntegerField(default=0)
    escalate_at = models.DateTimeField(null=True, blank=True)
    remind_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)
    seq = models.PositiveIntegerField(default=0, help_text="Number of its last event.")

    objects: ClassVar[models.Manager["Alert"]] = models.Manager.from_queryset(AlertQuerySet)()

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                name="alert_open_once",
                fields=["fingerprint"],
                condition=Q(resolved_at__isnull=True),
                violation_error_code="unique",
                violation_error_message="This alert is open already.",
            ),
            models.CheckConstraint(
                name="alert_state_known",
                condition=Q(
                    state__in=["pending", "firing", "flapping", "unreachable", "maintenance", "blind", "resolved"]
                ),
            ),
            models.CheckConstraint(
                name="alert_resolved_has_its_time",
                condition=Q(state="resolved", resolved_at__isnull=False)
                | (~Q(state="resolved") & Q(resolved_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="alert_order", condition=Q(resolved_at__isnull=True) | Q(resolved_at__gte=F("started_at"))
            ),
            severity_known("alert"),
        ]
        indexes = [
            # the engine's sweep, every few seconds
            models.Index(fields=["due_at"], condition=Q(resolved_at__isnull=True), name="alert_due"),
            # the open ones of a device, with every poll
            models.Index(fields=["device"], condition=Q(resolved_at__isnull=True), name="alert_open_by_device"),
            models.Index(fields=["-started_at"], name="alert_by_start"),
            models.Index(fields=["fingerprint", "-resolved_at"], name="alert_by_fingerprint"),
        ]

    def __str__(self) -> str:
        return self.summary

    def audit_parent(self) -> Device | None:
        return self.device

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None


class AlertEvent(models.Model):
    """One thing that happened to an alert. Only ever added to; `seq` counts from 1 within the alert."""

    class Kind(models.TextChoices):
        OPENED = "opened", "First sign"
        FIRING = "firing", "Confirmed"
        RESOLVED = "resolved", "Resolved"
        FLAPPING = "flapping", "Flapping"
        UNREACHABLE = "unreachable", "Cut off by another fault"
        MAINTENANCE = "maintenance", "In maintenance"
        BLIND = "blind", "Nothing is known"
        PENDING = "pending", "Being confirmed again"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        UNACKNOWLEDGED = "unacknowledged", "No longer acknowledged"
        SILENCED = "silenced", "Silenced"
        UNSILENCED = "unsilenced", "No longer silenced"
        ESCALATED = "escalated", "Escalated"
        REMINDED = "reminded", "Reminder"
        CHANGED = "changed", "Changed"
        COMMENT = "comment", "Comment"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    severity = models.CharField(max_length=16, choices=Severity.choices, default=Severity.MEDIUM)
    text = models.CharField(max_length=1000, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    data = models.JSONField(default=dict, blank=True)

    objects: ClassVar[models.Manager["AlertEvent"]] = models.Manager.from_queryset(AlertChildQuerySet)()

    class Meta:
        ordering = ["alert_id", "seq"]
        constraints = [
            models.UniqueConstraint(name="alert_event_seq", fields=["alert", "seq"], violation_error_code="unique"),
            severity_known("alert_event"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of alert {self.alert_id}"

    def audit_extra(self) -> dict[str, Any]:
        return {}
