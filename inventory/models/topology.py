"""What a device is reached through."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from inventory.models.devices import Device, DeviceChildQuerySet
from netmon.common.constraints import unique
from netmon.common.models import TimeStamped


class Dependency(TimeStamped):
    """`device` is reached through `parent`. Several parents are ways beside each other: one that stands is enough.

    Only confirmed ones count. A virtual machine needs its hypervisor without a row here.
    """

    class Source(models.TextChoices):
        MANUAL = "manual", "Entered by a person"
        GATEWAY = "gateway", "Gateway of its subnet"
        NEIGHBOUR = "neighbour", "Seen as a neighbour"

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="dependencies")
    parent = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="dependents")
    source = models.CharField(max_length=16, choices=Source.choices, default=Source.MANUAL)
    is_confirmed = models.BooleanField(default=True, help_text="A proposal counts only when somebody confirmed it.")
    note = models.CharField(max_length=200, blank=True)

    objects: ClassVar[models.Manager["Dependency"]] = models.Manager.from_queryset(DeviceChildQuerySet)()

    class Meta:
        ordering = ["device_id", "parent_id"]
        verbose_name_plural = "dependencies"
        constraints = [
            *unique(
                "dependency_once", ["device", "parent"], error_field="parent", message="This parent is known already."
            ),
            models.CheckConstraint(
                name="dependency_not_itself",
                condition=~Q(device=F("parent")),
                violation_error_message="A device is not reached through itself.",
            ),
            models.CheckConstraint(
                name="dependency_source_known",
                condition=Q(source__in=["manual", "gateway", "neighbour"]),
                violation_error_message="The source is manual, gateway or neighbour.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device} through {self.parent}"

    def audit_parent(self) -> Device:
        return self.device
