"""Changes of a router's configuration: what was asked for, what was sent, and what became of it."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from inventory.models import Tenant
from netmon.common.querysets import VisibleQuerySet
from provisioning.models.owners import owned
from provisioning.models.routers import VyosRouter
from provisioning.models.vms import Vm


class ChangeQuerySet(VisibleQuerySet):
    tenant_path = "tenant"

    def visible_to(self, user: Any) -> Self:
        # One of several machines names none of them: its lines are about the others, too.
        return owned(super().visible_to(user), user, "vm__owner", "requested_by")


class ConfigChange(models.Model):
    """One request to a router, which is one commit. It outlives its router and its machine.

    It is no Job: a job whose worker is lost has ended, a change has not, for the router may hold it.
    """

    class Kind(models.TextChoices):
        PROVISION = "provision", "Provision"
        DECOMMISSION = "decommission", "Decommission"
        PORTS = "ports", "Ports"
        EXPIRY = "expiry", "Expiry"
        RECONCILE = "reconcile", "Reconcile"
        REVERT = "revert", "Revert"
        IMPORT = "import", "Import"
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
    kind = models.CharField(max_length=16, choices=Kind.choices)
    lines = models.JSONField(default=list, blank=True, help_text="What is sent: set and delete lines.")
    undo = models.JSONField(default=list, blank=True, help_text="What would take it back.")
    diff = models.JSONField(default=list, blank=True, help_text="What changes, as a person reads it.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the lines: what was approved is sent.")
    only = models.JSONField(
        default=list, blank=True, help_text="Of its machines only these rules and mappings; empty: all they have."
    )
    is_approved = models.BooleanField(
        default=False, help_text="Somebody saw the plan of this digest: nothing else may be sent."
    )
    confirm_minutes = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The router was asked to go back by itself unless confirmed in this time."
    )
    remark = models.TextField(blank=True, help_text="What the router remarked, and what netmon noticed.")
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
    due_at = models.DateTimeField(default=timezone.now, help_text="Not before this is it tried, or tried again.")
    tries = models.PositiveIntegerField(default=0)
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
                condition=Q(
                    kind__in=["provision", "decommission", "ports", "expiry", "reconcile", "revert", "import", "save"]
                ),
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
    def can_be_retried(self) -> bool:
        """What failed, what nobody knows the end of, and what some of its machines did not get."""
        is_partly = self.status == self.Status.APPLIED and self.error_code == "partly"
        return self.router_id is not None and (is_partly or self.status in (self.Status.FAILED, self.Status.UNKNOWN))

    @property
    def shape(self) -> str:
        """Its status in the shapes that states of devices have."""
        return self.SHAPES.get(self.status, "unknown")


class ChangeItemQuerySet(VisibleQuerySet):
    tenant_path = "change__tenant"

    def visible_to(self, user: Any) -> Self:
        return owned(super().visible_to(user), user, "vm__owner", "change__requested_by")


class ChangeItem(models.Model):
    """A machine that a change concerns, and what became of its part."""

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        APPLIED = "applied", "Applied"
        FAILED = "failed", "Failed"
        UNKNOWN = "unknown", "Unknown"
        REVERTED = "reverted", "Reverted"

    change = models.ForeignKey(ConfigChange, on_delete=models.CASCADE, related_name="items")
    vm = models.ForeignKey(Vm, null=True, blank=True, on_delete=models.SET_NULL, related_name="change_items")
    vm_name = models.CharField(max_length=100)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.PENDING)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)

    objects: ClassVar[models.Manager["ChangeItem"]] = models.Manager.from_queryset(ChangeItemQuerySet)()

    class Meta:
        ordering = ["change_id", "id"]
        constraints = [
            models.UniqueConstraint(
                name="change_item_once",
                fields=["change", "vm"],
                condition=Q(vm__isnull=False),
                violation_error_code="unique",
                violation_error_message="This machine is in this change already.",
            ),
            models.CheckConstraint(
                name="change_item_status_known",
                condition=Q(status__in=["pending", "applied", "failed", "unknown", "reverted"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vm_name}: {self.status}"
