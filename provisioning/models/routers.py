"""VyOS routers: where netmon hands out addresses and forwards ports."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from inventory.models import Device, ManagementEndpoint
from inventory.models.access import EndpointChildQuerySet
from netmon.common.models import TimeStamped
from provisioning.models.texts import NETWORK_NAME, PORT_RANGE, RULE_RANGE, check_ipv4

INTERFACE = RegexValidator(
    r"\A[A-Za-z][A-Za-z0-9._-]{0,14}\Z", "Write the name of an interface of the router, such as eth0 or eth1.20."
)
MOST_RULE = RULE_RANGE[1]


class VyosRouter(TimeStamped):
    """A router that netmon configures through its HTTP API, and what is known of it.

    `claimed_until` and `claim_token` are a lease: one request for a change is under way at a router at a time, in
    whatever process, for some versions of the router hang for ever on two.
    """

    endpoint = models.OneToOneField(ManagementEndpoint, on_delete=models.CASCADE, related_name="vyos_router")
    version_text = models.CharField(max_length=200, blank=True, editable=False, help_text="As the router says it.")
    version_family = models.CharField(
        max_length=8, blank=True, editable=False, help_text="Whose paths it takes: 1.3, 1.4 or 1.5. Found, not chosen."
    )
    capabilities = models.JSONField(default=dict, blank=True, editable=False)
    inbound_interface = models.CharField(
        max_length=15, validators=[INTERFACE], help_text="Where the outside comes in, such as eth0."
    )
    lan_interface = models.CharField(
        max_length=15, blank=True, validators=[INTERFACE], help_text="Where the machines are; needed for hairpin NAT."
    )
    external_address = models.CharField(
        max_length=15, blank=True, validators=[check_ipv4], help_text="The address by which the outside reaches it."
    )
    rule_start = models.PositiveIntegerField(
        default=10000, validators=[MinValueValidator(1), MaxValueValidator(MOST_RULE)]
    )
    rule_end = models.PositiveIntegerField(
        default=19999, validators=[MinValueValidator(1), MaxValueValidator(MOST_RULE)]
    )
    allow_firewall_rule = models.BooleanField(
        default=False, help_text="netmon may add the one firewall rule that lets its forwards through."
    )
    firewall_rule_number = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_RULE)]
    )
    firewall_ruleset = models.CharField(
        max_length=63,
        blank=True,
        validators=[NETWORK_NAME],
        help_text="VyOS 1.3 only: the rule set, bound to an interface, that gets the rule.",
    )
    confirm_minutes = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="The router goes back by itself unless netmon confirms within so many minutes, which it does when "
        "the checks of the touched machines are not worse than before. VyOS 1.5 of 2025-05 or later; empty: at once.",
    )
    is_saved = models.BooleanField(
        null=True, editable=False, help_text="Whether what runs survives a reboot; empty: not known."
    )
    last_error_code = models.CharField(max_length=64, blank=True, editable=False)
    last_error_detail = models.TextField(blank=True, editable=False, help_text="Of the last request, when it failed.")
    compared_at = models.DateTimeField(null=True, editable=False, help_text="When drift was last looked for.")
    last_read_at = models.DateTimeField(null=True, editable=False)
    claimed_until = models.DateTimeField(null=True, editable=False)
    claim_token = models.UUIDField(null=True, editable=False)

    objects: ClassVar[models.Manager["VyosRouter"]] = models.Manager.from_queryset(EndpointChildQuerySet)()

    class Meta:
        ordering = ["endpoint__device__name_key"]
        verbose_name = "VyOS router"
        constraints = [
            models.CheckConstraint(
                name="vyos_router_rules",
                condition=Q(rule_start__gte=1, rule_start__lte=F("rule_end"), rule_end__lte=MOST_RULE),
                violation_error_message="The rules go from a lower to a higher number, within 1 to 999999.",
            ),
            models.CheckConstraint(
                name="vyos_router_firewall_rule",
                # Without the first half a NULL is neither in the range nor out of it, and passes.
                condition=Q(firewall_rule_number__isnull=False, firewall_rule_number__range=RULE_RANGE)
                | Q(allow_firewall_rule=False, firewall_rule_number__isnull=True),
                violation_error_message="Say which firewall rule netmon may add: a number of 1 to 999999.",
            ),
            models.CheckConstraint(
                name="vyos_router_family_known",
                condition=Q(version_family__in=["", "1.3", "1.4", "1.5"]),
                violation_error_message="The paths are those of 1.3, 1.4 or 1.5.",
            ),
            models.CheckConstraint(
                name="vyos_router_confirm_minutes",
                condition=Q(confirm_minutes__isnull=True) | Q(confirm_minutes__range=(1, 60)),
                violation_error_message="Give 1 to 60 minutes, or none.",
            ),
            models.CheckConstraint(
                name="vyos_router_claim_whole",
                condition=Q(claimed_until__isnull=True, claim_token__isnull=True)
                | Q(claimed_until__isnull=False, claim_token__isnull=False),
                violation_error_message="A claim has its holder and its end.",
            ),
        ]

    def __str__(self) -> str:
        return self.device.name

    @property
    def device(self) -> Device:
        return self.endpoint.device

    def audit_parent(self) -> Device:
        return self.device

    def clean(self) -> None:
        endpoint = getattr(self, "endpoint", None)
        if endpoint is not None and endpoint.protocol != ManagementEndpoint.Protocol.VYOS:
            raise ValidationError({"endpoint": "Choose an endpoint of the protocol vyos: this one speaks another."})


class RouterChildQuerySet(EndpointChildQuerySet):
    tenant_path = "router__endpoint__device__tenant"


class RunningConfig(models.Model):
    """What netmon needs of a router's running configuration, as it was last read.

    Parts only: the whole holds the hashes of passwords and private keys. `interfaces` are names and addresses.
    """

    router = models.OneToOneField(VyosRouter, on_delete=models.CASCADE, related_name="running")
    read_at = models.DateTimeField()
    dhcp = models.JSONField(default=dict, help_text="Below service dhcp-server.")
    nat = models.JSONField(default=dict)
    firewall = models.JSONField(default=dict, help_text="The rule sets that forwards pass.")
    interfaces = models.JSONField(default=list)

    objects: ClassVar[models.Manager["RunningConfig"]] = models.Manager.from_queryset(RouterChildQuerySet)()

    class Meta:
        ordering = ["router_id"]
        verbose_name = "running configuration"

    def __str__(self) -> str:
        return f"Running configuration of {self.router}"


def ports_valid() -> list[Any]:
    """The validators of a port's column."""
    return [MinValueValidator(PORT_RANGE[0]), MaxValueValidator(PORT_RANGE[1])]
