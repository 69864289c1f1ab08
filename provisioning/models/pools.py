"""What may be given away: addresses of a subnet, ports of the outside, and how much of it to whom."""

from ipaddress import IPv4Network
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from inventory.models import Prefix, Tenant
from netmon.common.addresses import address_key, parse_prefix
from netmon.common.constraints import unique
from netmon.common.fields import FoldedField
from netmon.common.models import TimeStamped
from netmon.common.permissions import has_role
from netmon.common.querysets import VisibleQuerySet
from provisioning.models.owners import sees_own_only
from provisioning.models.routers import RouterChildQuerySet, VyosRouter, ports_valid
from provisioning.models.texts import NETWORK_NAME, check_ipv4, parse_ipv4, within

MAX_NAME_SERVERS = 8


def moved(pool: Any, place: str, rows: str, what: str) -> dict[str, str]:
    """What of a pool may not change while something is given from it: the router holds it where it was."""
    stored = type(pool)._default_manager.filter(pk=pool.pk).first() if pool.pk else None
    if stored is None or not getattr(stored, rows).exists():
        return {}
    names = (("router", "router_id"), (place, pool._meta.get_field(place).attname))
    reason = f"This pool has {what}: delete these first, or make another pool."
    return {name: reason for name, column in names if getattr(stored, column) != getattr(pool, column)}


class DhcpPool(TimeStamped):
    """The addresses of a subnet that netmon may give to machines. The router's own dynamic range lies elsewhere."""

    router = models.ForeignKey(VyosRouter, on_delete=models.CASCADE, related_name="dhcp_pools")
    name = models.CharField(max_length=63, validators=[NETWORK_NAME])
    name_key = FoldedField("name", max_length=63)
    shared_network = models.CharField(
        max_length=63, validators=[NETWORK_NAME], help_text="The router's shared-network-name."
    )
    prefix = models.ForeignKey(
        Prefix, on_delete=models.PROTECT, related_name="dhcp_pools", help_text="The subnet that the addresses lie in."
    )
    subnet_id = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(4_294_967_294)],
        help_text="The router's number of the subnet; VyOS 1.5 needs one.",
    )
    range_start = models.CharField(max_length=15, validators=[check_ipv4], help_text="The first address to give.")
    range_end = models.CharField(max_length=15, validators=[check_ipv4], help_text="The last one.")
    # Texts do not sort as addresses do, and the database is to hold the order.
    range_start_key = models.CharField(max_length=32, editable=False)
    range_end_key = models.CharField(max_length=32, editable=False)
    gateway = models.CharField(max_length=15, blank=True, validators=[check_ipv4], help_text="Never given away.")
    name_servers = models.JSONField(default=list, blank=True, help_text='Such as ["192.168.66.1"].')
    is_enabled = models.BooleanField(default=True)
    made_subnet = models.BooleanField(
        default=False, editable=False, help_text="netmon made the router's subnet, and takes it away when it is empty."
    )

    objects: ClassVar[models.Manager["DhcpPool"]] = models.Manager.from_queryset(RouterChildQuerySet)()

    class Meta:
        ordering = ["name_key", "pk"]
        verbose_name = "DHCP pool"
        constraints = [
            *unique(
                "dhcp_pool_name",
                ["router", "name_key"],
                error_field="name",
                message="This router has a DHCP pool of this name.",
            ),
            models.CheckConstraint(
                name="dhcp_pool_order",
                condition=Q(range_start_key__lte=F("range_end_key")),
                violation_error_message="The range is reversed: exchange its ends.",
            ),
            models.CheckConstraint(
                name="dhcp_pool_subnet_id",
                condition=Q(subnet_id__isnull=True) | Q(subnet_id__range=(1, 4_294_967_294)),
                violation_error_message="A subnet id is 1 to 4294967294.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def network(self) -> IPv4Network:
        return IPv4Network(self.prefix.cidr)

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude=exclude)
        self._fill_keys()

    def clean(self) -> None:
        errors: dict[str, str] = {}
        prefix = getattr(self, "prefix", None)
        network = parse_prefix(prefix.cidr) if prefix is not None else None
        if network is not None and not isinstance(network, IPv4Network):
            raise ValidationError({"prefix": "Choose an IPv4 prefix: mappings are for IPv4."})
        for name in ("range_start", "range_end", "gateway"):
            if network is not None and getattr(self, name) and parse_ipv4(getattr(self, name)) not in network:
                errors[name] = f"This lies outside of {network}: choose an address inside."
        if not isinstance(self.name_servers, list) or len(self.name_servers) > MAX_NAME_SERVERS:
            errors["name_servers"] = f"Write a list of at most {MAX_NAME_SERVERS} addresses."
        else:
            errors |= self._wrong_name_server()
        errors |= self._other_subnets() | moved(self, "prefix", "reservations", "machines")
        if errors:
            raise ValidationError(errors)

    def _wrong_name_server(self) -> dict[str, str]:
        for text in self.name_servers:
            try:
                check_ipv4(text if isinstance(text, str) else "")
            except ValidationError as error:
                return {"name_servers": f"{str(text)[:40]!r}: {' '.join(error.messages)}"}
        return {}

    def _other_subnets(self) -> dict[str, str]:
        """Two pools may share a subnet; then they agree on its number, and no other subnet of the router has that."""
        if self.subnet_id is None or self.router_id is None or self.prefix_id is None:
            return {}
        others = DhcpPool.objects.filter(router=self.router_id).exclude(pk=self.pk).exclude(subnet_id=None)
        for other in others.select_related("prefix"):
            if (other.subnet_id == self.subnet_id) != (other.prefix_id == self.prefix_id):
                return {"subnet_id": f"The pool {other} has {other.prefix.cidr} as {other.subnet_id}: they must agree."}
        return {}

    def _fill_keys(self) -> None:
        self.range_start_key = address_key(parse_ipv4(self.range_start))
        self.range_end_key = address_key(parse_ipv4(self.range_end))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._fill_keys()
        super().save(*args, **kwargs)


class PortPool(TimeStamped):
    """The ports of the outside that netmon may forward."""

    router = models.ForeignKey(VyosRouter, on_delete=models.CASCADE, related_name="port_pools")
    name = models.CharField(max_length=63, validators=[NETWORK_NAME])
    name_key = FoldedField("name", max_length=63)
    external_address = models.CharField(
        max_length=15, blank=True, validators=[check_ipv4], help_text="Empty: whatever address was asked for."
    )
    port_start = models.PositiveIntegerField(default=32000, validators=ports_valid())
    port_end = models.PositiveIntegerField(default=33000, validators=ports_valid())
    is_enabled = models.BooleanField(default=True)

    objects: ClassVar[models.Manager["PortPool"]] = models.Manager.from_queryset(RouterChildQuerySet)()

    class Meta:
        ordering = ["name_key", "pk"]
        constraints = [
            *unique(
                "port_pool_name",
                ["router", "name_key"],
                error_field="name",
                message="This router has a port pool of this name.",
            ),
            models.CheckConstraint(
                name="port_pool_order",
                condition=within("port_start", "port_end"),
                violation_error_message="The ports go from a lower to a higher number, within 1 to 65535.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def meets(self, other: "PortPool") -> bool:
        """Whether a port of both would be one and the same at the router."""
        return self.external_address == other.external_address or not (self.external_address and other.external_address)

    def clean(self) -> None:
        if errors := moved(self, "external_address", "forwards", "forwards"):
            raise ValidationError(errors)
        if self.router_id is None or self.port_start is None or self.port_end is None:
            return
        others = PortPool.objects.filter(router=self.router_id).exclude(pk=self.pk)
        for other in others.filter(port_start__lte=self.port_end, port_end__gte=self.port_start):
            if self.meets(other):
                raise ValidationError(
                    {"port_start": f"The pool {other} has {other.port_start} to {other.port_end}: choose others."}
                )


class QuotaQuerySet(VisibleQuerySet):
    tenant_path = "tenant"

    def visible_to(self, user: Any) -> Self:
        """Those of one's tenants, and one's own; other people's are for operators to see."""
        seen = super().visible_to(user)
        if not user.is_authenticated or not user.is_active:
            return seen
        if user.tenant_ids:
            return self.filter(Q(tenant__in=user.tenant_ids) | Q(owner=user))
        return self.filter(owner=user) if sees_own_only(user) or not has_role(user, "operator") else seen


class Quota(TimeStamped):
    """How many machines and forwards a person or a tenant may have. Without a row there is no limit."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="quota"
    )
    tenant = models.OneToOneField(Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="quota")
    max_vms = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: as many as there is room for.")
    max_forwards = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: as many as there is room for.")

    objects: ClassVar[models.Manager["Quota"]] = models.Manager.from_queryset(QuotaQuerySet)()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="quota_of_one",
                condition=Q(owner__isnull=True, tenant__isnull=False) | Q(owner__isnull=False, tenant__isnull=True),
                violation_error_message="A quota is a person's or a tenant's: choose one of them.",
            ),
            models.CheckConstraint(
                name="quota_limits_something",
                condition=Q(max_vms__isnull=False) | Q(max_forwards__isnull=False),
                violation_error_message="Say how many machines or how many forwards.",
            ),
        ]

    def __str__(self) -> str:
        return f"Quota of {self.owner or self.tenant}"
