"""The state of every run that a person started. Pages and API read this row, never a broker's result."""

import uuid
from datetime import datetime
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from netmon.common.fields import EncryptedTextField
from netmon.common.querysets import VisibleQuerySet


class JobQuerySet(VisibleQuerySet):
    def visible_to(self, user: Any) -> Self:
        """Everybody sees what they started; who is bound to tenants, only that: others' jobs name others' devices."""
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.filter(requested_by=user) if user.tenant_ids else self.all()

    def active(self) -> Self:
        return self.filter(status__in=Job.ACTIVE)


class Job(models.Model):
    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        LOST = "lost"

    ACTIVE = (Status.QUEUED, Status.RUNNING)

    kind = models.CharField(max_length=64, help_text="What runs, such as device.poll.")
    key = models.CharField(max_length=255, help_text="One job of a kind and key is active at a time.")
    task = models.CharField(max_length=128, help_text="The task that does it, called with this job's id.")
    arguments = models.JSONField(default=dict, blank=True)
    secret_ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    payload = EncryptedTextField(blank=True, help_text="What the job works on; may hold secrets, dropped at its end.")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    progress_done = models.PositiveIntegerField(default=0)
    progress_total = models.PositiveIntegerField(default=0)
    result = models.JSONField(null=True, blank=True)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(help_text="Past this the worker is taken for lost.")
    sends = models.PositiveSmallIntegerField(default=0, help_text="How often the message was sent.")
    lease_seconds = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Of a job that can be gone on with: how long a silent worker is waited for.",
    )
    attempt = models.PositiveSmallIntegerField(default=0, help_text="How many workers have taken it.")

    objects: ClassVar[models.Manager["Job"]] = models.Manager.from_queryset(JobQuerySet)()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=Q(status__in=["queued", "running"]),
                name="job_one_active",
                violation_error_code="unique",
                violation_error_message="Such a job is active already.",
            ),
            models.CheckConstraint(
                name="job_status_known",
                condition=Q(status__in=["queued", "running", "succeeded", "failed", "cancelled", "lost"]),
            ),
            models.CheckConstraint(
                name="job_progress_within_total", condition=Q(progress_done__lte=models.F("progress_total"))
            ),
        ]
        indexes = [
            # read by reconcile()
            models.Index(
                fields=["deadline_at"], condition=Q(status__in=["queued", "running"]), name="job_active_deadline"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key} ({self.status})"

    # A status in the words and shapes that states of devices have.
    SHAPES: ClassVar[dict[str, str]] = {
        "queued": "pending", "running": "maintenance", "succeeded": "up", "failed": "down", "cancelled": "unknown",
        "lost": "degraded",
    }  # fmt: skip

    @property
    def shape(self) -> str:
        return self.SHAPES.get(self.status, "unknown")

    @property
    def is_active(self) -> bool:
        return self.status in self.ACTIVE

    def seconds_left(self, now: datetime | None = None) -> float:
        return (self.deadline_at - (now or timezone.now())).total_seconds()

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.pk, "status": self.status, "url": f"/api/v1/jobs/{self.pk}/"}
