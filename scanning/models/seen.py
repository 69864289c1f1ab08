"""What is known of the network over time: who is there, since when, with which ports."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from inventory.models import Device, Tenant
from inventory.models.places import NO_NUL
from netmon.common.constraints import unique
from netmon.common.querysets import VisibleQuerySet
from scanning.models.scans import HostColumns, PortColumns, Scan


class SeenHostQuerySet(VisibleQuerySet):
    tenant_path = "tenant"

    def discoveries(self) -> Self:
        """What is not in the inventory."""
        return self.filter(device=None)

    def waiting(self) -> Self:
        """What nobody has reviewed yet."""
        return self.filter(device=None, review="new")


class OfSeenHost(VisibleQuerySet):
    tenant_path = "host__tenant"


class SeenHost(HostColumns):
    """A host that scans have met: the same one by its MAC address, else by its address.

    Without a device it is a discovery, and waits for somebody's review.
    """

    class Review(models.TextChoices):
        NEW = "new", "Waits for review"
        ADOPTED = "adopted", "In the inventory"
        IGNORED = "ignored", "Ignored"

    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="seen_hosts")
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL, related_name="seen_hosts")
    review = models.CharField(max_length=16, choices=Review.choices, default=Review.NEW)
    review_reason = models.CharField(max_length=300, blank=True, validators=NO_NUL)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    kind_guess = models.CharField(max_length=16, blank=True, choices=Device.Kind.choices)
    evidence = models.JSONField(default=list, blank=True, help_text="Why this kind is guessed, in words.")
    system = models.JSONField(default=dict, blank=True, help_text="What its SNMP agent says: name, description, maker.")
    is_present = models.BooleanField(default=True)
    misses = models.PositiveSmallIntegerField(default=0, help_text="Looks in a row that it did not answer.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ports_looked_at = models.DateTimeField(null=True, blank=True, help_text="The last time its ports were asked.")
    last_scan = models.ForeignKey(Scan, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects: ClassVar[models.Manager["SeenHost"]] = models.Manager.from_queryset(SeenHostQuerySet)()

    class Meta:
        ordering = ["address_key"]
        constraints = [
            *unique(
                "seen_host",
                ["tenant", "address", "mac_address"],
                nullable="tenant",
                error_field="address",
                message="This host is known already.",
            ),
            models.CheckConstraint(
                name="seen_host_review_known", condition=Q(review__in=["new", "adopted", "ignored"])
            ),
        ]
        indexes = [
            models.Index(fields=["mac_address"], name="seen_host_by_mac"),
            models.Index(fields=["address_key"], name="seen_host_by_address"),  # the map of a prefix
            # how many wait: beside the way to them on every page
            models.Index(fields=["tenant"], condition=Q(review="new", device=None), name="seen_host_waiting"),
        ]

    def __str__(self) -> str:
        return self.hostname or self.address


class PresencePeriod(models.Model):
    """From when to when a host answered; open while it does."""

    host = models.ForeignKey(SeenHost, on_delete=models.CASCADE, related_name="periods")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["PresencePeriod"]] = models.Manager.from_queryset(OfSeenHost)()

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["host"], condition=Q(ended_at__isnull=True), name="presence_one_open_period"
            )
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} to {f'{self.ended_at:%Y-%m-%d %H:%M}' if self.ended_at else 'now'}"


class SeenPort(PortColumns):
    """A port that was open at some look. What two looks in a row agree on is `is_open`; one alone is a flap."""

    host = models.ForeignKey(SeenHost, on_delete=models.CASCADE, related_name="ports")
    is_open = models.BooleanField(default=True, help_text="As two looks in a row had it.")
    differs = models.PositiveSmallIntegerField(default=0, help_text="Looks in a row that had it otherwise.")
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    objects: ClassVar[models.Manager["SeenPort"]] = models.Manager.from_queryset(OfSeenHost)()

    class Meta:
        ordering = ["host_id", "protocol", "port"]
        constraints = [
            *unique("seen_port", ["host", "protocol", "port"], error_field="port", message="It is known already."),
            models.CheckConstraint(name="seen_port_range", condition=Q(port__gte=1, port__lte=65535)),
        ]

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"
