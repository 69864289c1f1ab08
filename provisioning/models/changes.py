"""Changes of a router's configuration: what was asked for, what was sent, and what became of it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models import Tenant
from netmon.common.querysets import VisibleQuerySet
from netmon.jobs.models import Job
from provisioning.models.routers import VyosRouter
from provisioning.models.vms import Vm


class ChangeQuerySet(VisibleQuerySet):
    tenant_path = "tenant"


class ConfigChange(models.Model):
    """One request to a router, which is one commit. It outlives its router and its machine."""

    class Kind(models.TextChoices):
        PROVISION = "provision", "Provision"
        DECOMMISSION = "decommission", "Decommission"
        PORTS = "ports", "Ports"
        EXPIRY = "expiry", "Expiry"
        RECONCILE = "reconcile", "Reconcile"
        REVERT = "revert", "Revert"
        SAVE = "save", "Save"

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        APPLYING = "applying", "Applying"
        APPLIED = "applied", "Applied"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Unknown"
        REVERTED = "reverted", "Reverted"

    ACTIVE = (Status.QUEUED, Status.APPLYING)
    SHAPES: ClassVar[dict[str, str]] = {
        "queued": "pending", "applying": "maintenance", "applied": "up", "failed": "down", "unknown": "degraded",
        "reverted": "unknown",
    }  # fmt: skip

    router = models.ForeignKey(VyosRouter, null=True, blank=True, on_delete=models.SET_NULL, related_name="changes")
    router_name = models.CharField(max_length=100)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    vm = models.ForeignKey(Vm, null=True, blank=True, on_delete=models.SET_NULL, related_name="changes")
    vm_name = models.CharField(max_length=100, blank=True)
    job = models.OneToOneField(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="config_change")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    lines = models.JSONField(default=list, blank=True, help_text="What is sent: set and delete lines.")
    undo = models.JSONField(default=list, blank=True, help_text="What would take it back.")
    diff = models.JSONField(default=list, blank=True, help_text="What changes, as a person reads it.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the lines: what was approved is sent.")
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    is_saved = models.BooleanField(default=False, help_text="Whether it survives a reboot of the router.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    via = models.CharField(max_length=200, blank=True, help_text="Page, API, key or command.")
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)
    sent_requests = models.PositiveIntegerField(default=0, help_text="How often a request left for the router.")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["ConfigChange"]] = models.Manager.from_queryset(ChangeQuerySet)()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                name="config_change_one_applying",
                fields=["router"],
                condition=Q(status="applying"),
                violation_error_code="unique",
                violation_error_message="A change of this router is under way.",
            ),
            models.CheckConstraint(
                name="config_change_kind_known",
                condition=Q(kind__in=["provision", "decommission", "ports", "expiry", "reconcile", "revert", "save"]),
            ),
            models.CheckConstraint(
                name="config_change_status_known",
                condition=Q(status__in=["queued", "applying", "applied", "failed", "unknown", "reverted"]),
            ),
            models.CheckConstraint(
                name="config_change_end",
                condition=Q(status__in=["queued", "applying"], finished_at__isnull=True)
                | (~Q(status__in=["queued", "applying"]) & Q(finished_at__isnull=False)),
                violation_error_message="A change has its end when it ended.",
            ),
            models.CheckConstraint(
                name="config_change_saved_after_applied",
                condition=Q(is_saved=False) | Q(status__in=["applied", "reverted"]),
                violation_error_message="Only what was applied is saved.",
            ),
        ]
        indexes = [
            models.Index(
                fields=["router", "id"], condition=Q(status__in=["queued", "applying"]), name="config_change_active"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.vm_name or self.router_name}"

    @property
    def shape(self) -> str:
        """Its status in the shapes that states of devices have."""
        return self.SHAPES.get(self.status, "unknown")
