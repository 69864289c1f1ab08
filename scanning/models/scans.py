"""Scans and what they found."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device, Tenant
from inventory.models.places import NO_NUL, CidrModel
from netmon.common.constraints import unique
from netmon.common.fields import MACAddressField
from netmon.common.querysets import VisibleQuerySet
from netmon.jobs.models import Job


class OfTenant(VisibleQuerySet):
    tenant_path = "tenant"


class OfScan(VisibleQuerySet):
    tenant_path = "scan__tenant"


class OfHost(VisibleQuerySet):
    tenant_path = "host__scan__tenant"


class ScanExclusion(CidrModel):
    """Addresses that no scan touches: a fragile machine, a neighbour's range. Checks are not held back by it."""

    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="scan_exclusions",
        help_text="Empty: holds for everybody.",
    )
    note = models.CharField(max_length=200, blank=True, validators=NO_NUL, help_text="Why.")

    objects: ClassVar[models.Manager["ScanExclusion"]] = models.Manager.from_queryset(OfTenant)()

    class Meta:
        ordering = ["first_key", "-last_key"]
        constraints = unique(
            "scan_exclusion_cidr",
            ["tenant", "cidr"],
            nullable="tenant",
            error_field="cidr",
            message="This range is excluded already.",
        )


class ScanQuerySet(OfTenant):
    def active(self) -> Self:
        """Queued or running."""
        return self.filter(outcome="")

    def of_status(self, status: str) -> Self:
        """Those whose `status` is this: while a scan is active, its job's."""
        return self.filter(Q(outcome=status) | Q(outcome="", job__status=status))


class Scan(models.Model):
    """One look at a network. `spans` and `ports` are what is scanned; `target` is how somebody wrote it.

    While it is active its job has the status; `outcome` is how it ended, and outlives the job.
    """

    class Kind(models.TextChoices):
        PING = "ping", "Who answers"
        PORTS = "ports", "Ports of one host"
        NETWORK = "network", "Who answers, and their ports"

    class Profile(models.TextChoices):
        GENTLE = "gentle", "Gentle: for fragile and industrial devices"
        POLITE = "polite", "Polite: for busy links"
        NORMAL = "normal", "Normal"
        FAST = "fast", "Fast: as much as the network carries"

    class Outcome(models.TextChoices):
        SUCCEEDED = "succeeded"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELLED = "cancelled"
        LOST = "lost"

    class Source(models.TextChoices):
        NETMON = "netmon", "netmon"
        NMAP = "nmap", "nmap file"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    target = models.TextField(max_length=4000, validators=NO_NUL, help_text="As it was asked for.")
    spans = models.JSONField(default=list, editable=False)
    ports = models.TextField(blank=True, help_text="Ranges in order; empty where no port was asked.")
    profile = models.CharField(max_length=16, choices=Profile.choices, default=Profile.NORMAL)
    source = models.CharField(max_length=16, choices=Source.choices, default=Source.NETMON)
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="scans", help_text="Whose network it is."
    )
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL, related_name="scans")
    schedule = models.ForeignKey(
        "scanning.ScanSchedule", null=True, blank=True, on_delete=models.SET_NULL, related_name="scans"
    )
    reason = models.CharField(max_length=300, blank=True, validators=NO_NUL, help_text="Who allowed it, and why.")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    job = models.OneToOneField(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="scan")
    outcome = models.CharField(max_length=16, blank=True, choices=Outcome.choices)
    error_code = models.CharField(max_length=64, blank=True)
    error_detail = models.TextField(blank=True)

    hosts_total = models.PositiveIntegerField(default=0)
    hosts_done = models.PositiveIntegerField(default=0)
    hosts_up = models.PositiveIntegerField(default=0)
    probes_total = models.PositiveBigIntegerField(default=0, help_text="Hosts that are up, times ports.")
    probes_done = models.PositiveBigIntegerField(default=0)
    open_ports = models.PositiveIntegerField(default=0)
    packets_sent = models.PositiveBigIntegerField(default=0)
    packets_limit = models.PositiveBigIntegerField(null=True, blank=True, help_text="Stops after so many.")
    eta_seconds = models.FloatField(null=True, blank=True)
    notes = models.JSONField(default=dict, blank=True, help_text="How it was looked, and how sure the answers are.")
    checkpoint = models.JSONField(default=dict, blank=True, editable=False, help_text="Where a next worker goes on.")

    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["Scan"]] = models.Manager.from_queryset(ScanQuerySet)()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="scan_kind_known",
                condition=Q(kind__in=["ping", "ports", "network"]),
                violation_error_message="The kind is ping, ports or network.",
            ),
            models.CheckConstraint(
                name="scan_profile_known",
                condition=Q(profile__in=["gentle", "polite", "normal", "fast"]),
                violation_error_message="The profile is gentle, polite, normal or fast.",
            ),
            models.CheckConstraint(
                name="scan_outcome_known",
                condition=Q(outcome__in=["", "succeeded", "partial", "failed", "cancelled", "lost"]),
            ),
            models.CheckConstraint(name="scan_done_within_total", condition=Q(hosts_done__lte=F("hosts_total"))),
        ]
        indexes = [
            models.Index(fields=["outcome"], condition=Q(outcome=""), name="scan_active"),
            models.Index(fields=["finished_at"], name="scan_by_end"),  # what is forgotten
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.target[:80]}"

    @property
    def status(self) -> str:
        """queued, running, or how it ended; a job that is gone took its scan along."""
        return self.outcome or (self.job.status if self.job else self.Outcome.LOST)

    @property
    def is_active(self) -> bool:
        """Whether results may still come."""
        return not self.outcome

    @property
    def shape(self) -> str:
        """Its status in the shapes that states of devices have."""
        return "degraded" if self.status == self.Outcome.PARTIAL else Job.SHAPES.get(self.status, "unknown")

    @property
    def percent(self) -> int | None:
        """How far it is; None before anything is known."""
        total = self.hosts_total + self.probes_total
        return min(100, round(100 * (self.hosts_done + self.probes_done) / total)) if total else None

    def as_dict(self) -> dict[str, Any]:
        """What an answer 202 says of it."""
        return {"id": self.pk, "status": self.status, "url": f"/api/v1/scans/{self.pk}/"}


class HostColumns(models.Model):
    """What is known of a host on the network, whether it is in the inventory or not."""

    address = models.CharField(max_length=39)
    address_key = models.CharField(max_length=32, editable=False)
    mac_address = MACAddressField(blank=True)
    vendor = models.CharField(max_length=100, blank=True, help_text="Of the MAC address (IEEE registry).")
    is_random_mac = models.BooleanField(default=False, help_text="Made up by the host itself, and may change.")
    hostname = models.CharField(max_length=253, blank=True, help_text="By reverse DNS.")

    class Meta:
        abstract = True


class ScanHost(HostColumns):
    """A host that answered. Addresses that did not are those of the scan that have no row."""

    scan = models.ForeignKey(Scan, on_delete=models.CASCADE, related_name="hosts")
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.SET_NULL, related_name="scan_hosts")
    is_up = models.BooleanField(default=True, help_text="False: asked for its ports though nothing answered.")
    method = models.CharField(max_length=16, blank=True, help_text="What it answered: icmp, arp, tcp-443 ...")
    rtt_ms = models.FloatField(null=True, blank=True)
    closed = models.TextField(blank=True, help_text="Ports that refused, as ranges.")
    filtered = models.TextField(blank=True, help_text="Ports of which nothing, or an ICMP error, came back.")
    reasons = models.JSONField(default=dict, blank=True, help_text="Reason -> how many ports.")
    notes = models.JSONField(default=dict, blank=True, help_text="Packets, retries, estimated loss, slowing down.")

    objects: ClassVar[models.Manager["ScanHost"]] = models.Manager.from_queryset(OfScan)()

    class Meta:
        ordering = ["address_key"]
        constraints = unique("scan_host", ["scan", "address"], error_field="address", message="It is there already.")
        indexes = [models.Index(fields=["address_key"], name="scan_host_by_address")]

    def __str__(self) -> str:
        return self.address


class PortColumns(models.Model):
    """A port that accepted a connection, and what was heard there."""

    protocol = models.CharField(max_length=3, default="tcp")
    port = models.PositiveIntegerField()
    service = models.CharField(max_length=32, blank=True, help_text="By the banner, else what is usual there.")
    banner = models.CharField(max_length=500, blank=True)
    certificate = models.JSONField(
        null=True, blank=True, help_text="Subject, names, issuer, end: of a TLS server, not verified."
    )

    class Meta:
        abstract = True


class OpenPort(PortColumns):
    host = models.ForeignKey(ScanHost, on_delete=models.CASCADE, related_name="ports")
    rtt_ms = models.FloatField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=1)

    objects: ClassVar[models.Manager["OpenPort"]] = models.Manager.from_queryset(OfHost)()

    class Meta:
        ordering = ["host_id", "protocol", "port"]
        constraints = [
            *unique("open_port", ["host", "protocol", "port"], error_field="port", message="It is there already."),
            models.CheckConstraint(name="open_port_range", condition=Q(port__gte=1, port__lte=65535)),
        ]
        indexes = [models.Index(fields=["port"], name="open_port_by_number")]  # stats: top ports

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}"
