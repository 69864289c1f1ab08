"""Where a router differs from what netmon means it to be, as it was last found."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from provisioning.models.routers import RouterChildQuerySet, VyosRouter
from provisioning.models.vms import DhcpReservation, PortForward, RuleClaim, Vm


class DriftItem(models.Model):
    """One mapping or rule that is not as it should be. Rows are replaced by each comparison."""

    class Kind(models.TextChoices):
        MISSING = "missing", "Missing"
        DIFFERS = "differs", "Differs"
        LEFTOVER = "leftover", "Left over"
        FOREIGN = "foreign", "In the way"

    router = models.ForeignKey(VyosRouter, on_delete=models.CASCADE, related_name="drift_items")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    vm = models.ForeignKey(Vm, null=True, blank=True, on_delete=models.CASCADE, related_name="drift_items")
    reservation = models.ForeignKey(
        DhcpReservation, null=True, blank=True, on_delete=models.CASCADE, related_name="drift_items"
    )
    forward = models.ForeignKey(
        PortForward, null=True, blank=True, on_delete=models.CASCADE, related_name="drift_items"
    )
    claim = models.ForeignKey(RuleClaim, null=True, blank=True, on_delete=models.CASCADE, related_name="drift_items")
    label = models.CharField(max_length=200, help_text="What it is, such as destination rule 10000.")
    words = models.JSONField(default=list, help_text="What differs, a sentence each.")
    lines = models.JSONField(default=list, help_text="What would heal it.")
    can_adopt = models.BooleanField(default=False, help_text="Whether netmon can take over what the router has.")
    found_at = models.DateTimeField(default=timezone.now, help_text="When it was first seen to differ.")

    objects: ClassVar[models.Manager["DriftItem"]] = models.Manager.from_queryset(RouterChildQuerySet)()

    class Meta:
        ordering = ["router_id", "label"]
        constraints = [
            models.UniqueConstraint(
                name="drift_item_once",
                fields=["router", "label"],
                violation_error_code="unique",
                violation_error_message="This is noted already.",
            ),
            models.CheckConstraint(
                name="drift_item_kind_known", condition=Q(kind__in=["missing", "differs", "leftover", "foreign"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.kind}"
