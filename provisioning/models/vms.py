"""Machines behind a router: their fixed addresses, their forwards, and the claims that keep these from colliding."""

import json
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from inventory.models import Device, DeviceChildQuerySet
from netmon.common.addresses import address_key
from netmon.common.constraints import unique
from netmon.common.fields import MACAddressField
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet
from provisioning.models.owners import owned
from provisioning.models.pools import DhcpPool, PortPool
from provisioning.models.routers import RouterChildQuerySet, VyosRouter, ports_valid
from provisioning.models.texts import RULE_RANGE, check_ipv4, check_label, check_mac, check_source, parse_ipv4, within

MAX_METADATA_BYTES = 4096


def check_metadata(value: Any) -> None:
    """Raises ValidationError."""
    if not isinstance(value, dict):
        raise ValidationError('Write an object, such as {"project": "web"}.')
    try:
        size = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError):
        raise ValidationError("This does not fit into JSON: write texts, numbers, lists and objects.") from None
    if size > MAX_METADATA_BYTES:
        raise ValidationError(f"This takes {size} bytes: at most {MAX_METADATA_BYTES} are kept.")
    if "\\u0000" in json.dumps(value):
        raise ValidationError("Null characters are not allowed.", code="null_characters")


class Desired(models.TextChoices):
    ENABLED = "enabled", "Enabled"
    DISABLED = "disabled", "Disabled"
    ABSENT = "absent", "Absent"


class Applied(models.TextChoices):
    PENDING = "pending", "Pending"
    APPLIED = "applied", "Applied"
    FAILED = "failed", "Failed"
    DRIFTED = "drifted", "Drifted"


class PortState(models.TextChoices):
    """How a forward stands, as people ask for it: what is wished, and why."""

    ENABLED = "enabled", "Enabled"
    DISABLED = "disabled", "Disabled"
    EXPIRED = "expired", "Expired"
    NOT_ACTIVE = "not_active", "Not active"


def applied_known(table: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        name=f"{table}_applied_known", condition=Q(applied__in=["pending", "applied", "failed", "drifted"])
    )


class VmQuerySet(DeviceChildQuerySet):
    def visible_to(self, user: Any) -> Self:
        return owned(super().visible_to(user), user, "owner")


class Vm(TimeStamped):
    """A machine that netmon gave an address and forwards. Its tenant is its device's."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        EXPIRED = "expired", "Expired"
        LEAVING = "leaving", "Leaving"

    # PROTECT: a machine whose device goes would leave its address and forwards on the router, with nobody knowing.
    device = models.OneToOneField(Device, on_delete=models.PROTECT, related_name="vm")
    router = models.ForeignKey(VyosRouter, on_delete=models.PROTECT, related_name="vms")
    hostname = models.CharField(
        max_length=63, validators=[check_label], help_text="In lower case; the router's name of its mapping."
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="vms"
    )
    metadata = models.JSONField(default=dict, blank=True, validators=[check_metadata])
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE)
    expires_at = models.DateTimeField(null=True, blank=True)
    expiry_told_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[models.Manager["Vm"]] = models.Manager.from_queryset(VmQuerySet)()

    class Meta:
        ordering = ["device__name_key"]
        verbose_name = "virtual machine"
        constraints = [
            *unique(
                "vm_hostname",
                ["router", "hostname"],
                error_field="hostname",
                message="Another machine of this router has this host name.",
            ),
            models.CheckConstraint(name="vm_state_known", condition=Q(state__in=["active", "expired", "leaving"])),
            models.CheckConstraint(
                name="vm_told_of_its_end",
                condition=Q(expiry_told_at__isnull=True) | Q(expires_at__isnull=False),
                violation_error_message="What does not expire is not told of.",
            ),
        ]
        indexes = [
            # What is due, and what will be soon.
            models.Index(fields=["expires_at"], condition=Q(state="active", expires_at__isnull=False), name="vm_by_end")
        ]

    def __str__(self) -> str:
        return self.device.name

    @property
    def name(self) -> str:
        return self.device.name

    def audit_parent(self) -> Device:
        return self.device


class VmChildQuerySet(VisibleQuerySet):
    tenant_path = "vm__device__tenant"

    def visible_to(self, user: Any) -> Self:
        return owned(super().visible_to(user), user, "vm__owner")


class DhcpReservation(TimeStamped):
    """The fixed address of a machine. No two of a router share an address or a MAC address, whatever their pools."""

    # The pool's router, once more: the rules are of the router as a whole.
    router = models.ForeignKey(VyosRouter, on_delete=models.PROTECT, related_name="reservations", editable=False)
    pool = models.ForeignKey(DhcpPool, on_delete=models.PROTECT, related_name="reservations")
    vm = models.OneToOneField(Vm, on_delete=models.CASCADE, related_name="reservation")
    mac_address = MACAddressField(validators=[check_mac])
    address = models.CharField(max_length=15, validators=[check_ipv4])
    address_key = models.CharField(max_length=32, editable=False)
    desired = models.CharField(max_length=8, choices=Desired.choices, default=Desired.ENABLED)
    applied = models.CharField(max_length=8, choices=Applied.choices, default=Applied.PENDING)
    lease_state = models.CharField(max_length=32, blank=True, editable=False, help_text="As the router says it.")
    lease_ends = models.CharField(max_length=64, blank=True, editable=False, help_text="As the router says it.")
    lease_read_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[models.Manager["DhcpReservation"]] = models.Manager.from_queryset(VmChildQuerySet)()

    class Meta:
        ordering = ["address_key"]
        verbose_name = "DHCP reservation"
        constraints = [
            *unique(
                "dhcp_reservation_mac",
                ["router", "mac_address"],
                error_field="mac_address",
                message="Another machine of this router has this MAC address.",
            ),
            *unique(
                "dhcp_reservation_address",
                ["router", "address"],
                error_field="address",
                message="Another machine of this router has this address.",
            ),
            models.CheckConstraint(
                name="dhcp_reservation_desired_known", condition=Q(desired__in=["enabled", "disabled", "absent"])
            ),
            applied_known("dhcp_reservation"),
        ]

    def __str__(self) -> str:
        return f"{self.address} for {self.mac_address}"

    def audit_parent(self) -> Device:
        return self.vm.device

    def _fill(self) -> None:
        if self.pool_id is not None:
            self.router_id = self.pool.router_id
        self.address_key = address_key(parse_ipv4(self.address))

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude={*(exclude or ()), "router"})
        self._fill()

    def clean(self) -> None:
        if self.vm_id is not None and self.pool_id is not None and self.vm.router_id != self.pool.router_id:
            raise ValidationError({"pool": "This pool is another router's: choose one of the machine's own."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._fill()
        super().save(*args, **kwargs)


class PortForward(TimeStamped):
    """A port of the outside, or a range of them, that leads to a machine."""

    class Protocol(models.TextChoices):
        TCP = "tcp", "TCP"
        UDP = "udp", "UDP"
        TCP_UDP = "tcp_udp", "TCP and UDP"

    class Why(models.TextChoices):
        PAUSED = "paused", "Paused"
        EXPIRED = "expired", "Expired"

    vm = models.ForeignKey(Vm, on_delete=models.CASCADE, related_name="forwards")
    pool = models.ForeignKey(PortPool, on_delete=models.PROTECT, related_name="forwards")
    name = models.CharField(max_length=63, validators=[check_label], help_text="In lower case, such as ssh.")
    protocol = models.CharField(max_length=8, choices=Protocol.choices, default=Protocol.TCP)
    external_port = models.PositiveIntegerField(validators=ports_valid())
    external_port_end = models.PositiveIntegerField(validators=ports_valid(), help_text="Of one port, the port itself.")
    internal_port = models.PositiveIntegerField(validators=ports_valid())
    internal_port_end = models.PositiveIntegerField(validators=ports_valid())
    source = models.CharField(
        max_length=40, blank=True, validators=[check_source], help_text="Who may come in; with a leading ! who may not."
    )
    rule_number = models.PositiveIntegerField(
        validators=[MinValueValidator(RULE_RANGE[0]), MaxValueValidator(RULE_RANGE[1])]
    )
    description = models.CharField(
        max_length=255,
        blank=True,
        editable=False,
        help_text="Of a rule taken over as it stood; else the mark.",
    )
    wants_hairpin = models.BooleanField(default=False, help_text="Also for those inside who ask for the outer address.")
    desired = models.CharField(max_length=8, choices=Desired.choices, default=Desired.ENABLED)
    why_disabled = models.CharField(max_length=8, blank=True, choices=Why.choices)
    applied = models.CharField(max_length=8, choices=Applied.choices, default=Applied.PENDING)
    expires_at = models.DateTimeField(null=True, blank=True)
    expiry_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    hit_packets = models.BigIntegerField(
        null=True, editable=False, help_text="New connections since the rule was made."
    )
    hit_bytes = models.BigIntegerField(null=True, editable=False)
    hits_read_at = models.DateTimeField(null=True, editable=False)
    last_hit_at = models.DateTimeField(null=True, editable=False, help_text="When the count was last seen to grow.")

    objects: ClassVar[models.Manager["PortForward"]] = models.Manager.from_queryset(VmChildQuerySet)()

    class Meta:
        ordering = ["vm_id", "rule_number"]
        constraints = [
            *unique(
                "port_forward_name",
                ["vm", "name"],
                error_field="name",
                message="This machine has a forward of this name.",
            ),
            models.CheckConstraint(
                name="port_forward_protocol_known", condition=Q(protocol__in=["tcp", "udp", "tcp_udp"])
            ),
            models.CheckConstraint(
                name="port_forward_external",
                condition=within("external_port", "external_port_end"),
                violation_error_message="External ports go from a lower to a higher one, within 1 to 65535.",
            ),
            models.CheckConstraint(
                name="port_forward_internal",
                condition=within("internal_port", "internal_port_end"),
                violation_error_message="Internal ports go from a lower to a higher one, within 1 to 65535.",
            ),
            models.CheckConstraint(
                name="port_forward_as_many",
                condition=Q(external_port_end=F("external_port") + F("internal_port_end") - F("internal_port")),
                violation_error_message="There are as many external as internal ports.",
            ),
            models.CheckConstraint(
                name="port_forward_rule_range",
                condition=Q(rule_number__range=RULE_RANGE),
                violation_error_message="A rule has a number of 1 to 999999.",
            ),
            models.CheckConstraint(
                name="port_forward_desired_known", condition=Q(desired__in=["enabled", "disabled", "absent"])
            ),
            models.CheckConstraint(
                name="port_forward_why_known", condition=Q(why_disabled__in=["", "paused", "expired"])
            ),
            models.CheckConstraint(
                name="port_forward_why_only_disabled",
                condition=Q(why_disabled="") | Q(desired="disabled"),
                violation_error_message="Only what is disabled is paused or expired.",
            ),
            applied_known("port_forward"),
            models.CheckConstraint(
                name="port_forward_told_of_its_end",
                condition=Q(expiry_told_at__isnull=True) | Q(expires_at__isnull=False),
                violation_error_message="What does not expire is not told of.",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=Q(desired="enabled", expires_at__isnull=False), name="forward_by_end"
            )
        ]

    def __str__(self) -> str:
        return f"{self.vm} {self.name}"

    def audit_parent(self) -> Device:
        return self.vm.device

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those whose ports it takes."""
        return ("tcp", "udp") if self.protocol == self.Protocol.TCP_UDP else (self.protocol,)

    def clean(self) -> None:
        if self.vm_id is not None and self.pool_id is not None and self.vm.router_id != self.pool.router_id:
            raise ValidationError({"pool": "This pool is another router's: choose one of the machine's own."})


class PortClaimQuerySet(VisibleQuerySet):
    tenant_path = "forward__vm__device__tenant"


class PortClaim(models.Model):
    """One port that is taken. Rows, for neither ranges nor tcp_udp can be compared by a unique rule."""

    pool = models.ForeignKey(PortPool, on_delete=models.PROTECT, related_name="claims")
    forward = models.ForeignKey(PortForward, on_delete=models.CASCADE, related_name="port_claims")
    protocol = models.CharField(max_length=3, choices=[("tcp", "TCP"), ("udp", "UDP")])
    port = models.PositiveIntegerField(validators=ports_valid())

    objects: ClassVar[models.Manager["PortClaim"]] = models.Manager.from_queryset(PortClaimQuerySet)()

    class Meta:
        ordering = ["pool_id", "protocol", "port"]
        constraints = [
            *unique("port_claim_once", ["pool", "protocol", "port"], error_field="port", message="This port is taken."),
            models.CheckConstraint(name="port_claim_protocol_known", condition=Q(protocol__in=["tcp", "udp"])),
            models.CheckConstraint(
                name="port_claim_port_range",
                condition=Q(port__range=(1, 65535)),
                violation_error_message="A port is 1 to 65535.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.protocol} {self.port}"


class RuleClaim(models.Model):
    """One rule number of a router that is taken, and for what: a forward, its hairpin, or what a whole LAN needs."""

    class Chain(models.TextChoices):
        DESTINATION = "destination", "Destination NAT"
        SOURCE = "source", "Source NAT"
        FIREWALL = "firewall", "Firewall"

    class Purpose(models.TextChoices):
        FORWARD = "forward", "A forward"
        HAIRPIN = "hairpin", "A forward for those inside"
        MASQUERADE = "masquerade", "Answers to those inside"
        OPENING = "opening", "What lets forwards through the firewall"

    router = models.ForeignKey(VyosRouter, on_delete=models.CASCADE, related_name="rule_claims")
    chain = models.CharField(max_length=16, choices=Chain.choices)
    number = models.PositiveIntegerField()
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    forward = models.ForeignKey(
        PortForward, null=True, blank=True, on_delete=models.CASCADE, related_name="rule_claims"
    )
    dhcp_pool = models.ForeignKey(DhcpPool, null=True, blank=True, on_delete=models.CASCADE, related_name="rule_claims")

    objects: ClassVar[models.Manager["RuleClaim"]] = models.Manager.from_queryset(RouterChildQuerySet)()

    class Meta:
        ordering = ["router_id", "chain", "number"]
        constraints = [
            *unique(
                "rule_claim_once",
                ["router", "chain", "number"],
                error_field="number",
                message="This rule number is taken.",
            ),
            models.UniqueConstraint(
                name="rule_claim_of_forward",
                fields=["forward", "purpose"],
                condition=Q(forward__isnull=False),
                violation_error_code="unique",
                violation_error_message="This forward has this rule already.",
            ),
            models.UniqueConstraint(
                name="rule_claim_of_lan",
                fields=["dhcp_pool"],
                condition=Q(dhcp_pool__isnull=False),
                violation_error_code="unique",
                violation_error_message="This subnet has its rule already.",
            ),
            models.UniqueConstraint(
                name="rule_claim_one_opening",
                fields=["router"],
                condition=Q(purpose="opening"),
                violation_error_code="unique",
                violation_error_message="This router has its firewall rule already.",
            ),
            models.CheckConstraint(
                name="rule_claim_range",
                condition=Q(number__range=RULE_RANGE),
                violation_error_message="A rule has a number of 1 to 999999.",
            ),
            models.CheckConstraint(
                name="rule_claim_purpose_fits",
                condition=Q(
                    chain="destination",
                    purpose__in=["forward", "hairpin"],
                    forward__isnull=False,
                    dhcp_pool__isnull=True,
                )
                | Q(chain="source", purpose="masquerade", forward__isnull=True, dhcp_pool__isnull=False)
                | Q(chain="firewall", purpose="opening", forward__isnull=True, dhcp_pool__isnull=True),
                violation_error_message="A rule stands in the chain of its purpose, and says whose it is.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chain} rule {self.number}"
