"""Whose it is, where it stands, and which addresses belong there or may be contacted."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q

from netmon.common.addresses import address_key, parse_address, parse_prefix, prefix_range
from netmon.common.constraints import unique
from netmon.common.fields import FoldedField
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet

NO_NUL = [ProhibitNullCharactersValidator()]


class TenantQuerySet(VisibleQuerySet):
    tenant_path = "pk"


class SiteQuerySet(VisibleQuerySet):
    tenant_path = "tenant"


class Tenant(TimeStamped):
    """Whose equipment it is: a company, a school, a customer."""

    class HostKeyPolicy(models.TextChoices):
        APPROVE = "approve", "An admin approves every host key"
        FIRST_USE = "first_use", "The first host key of a server is trusted"

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        through="TenantMember",
        blank=True,
        related_name="tenants",
        help_text="People bound to this tenant: they see and touch only what belongs to their tenants.",
    )
    host_key_policy = models.CharField(
        max_length=16,
        choices=HostKeyPolicy.choices,
        default=HostKeyPolicy.APPROVE,
        help_text="Of SSH servers. A changed key is refused under both.",
    )

    objects: ClassVar[models.Manager["Tenant"]] = models.Manager.from_queryset(TenantQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique("tenant_name", ["name_key"], error_field="name", message="A tenant of this name exists."),
            models.CheckConstraint(
                name="tenant_host_key_policy_known",
                condition=Q(host_key_policy__in=["approve", "first_use"]),
                violation_error_message="The policy is approve or first_use.",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TenantMember(models.Model):
    """Somebody bound to a tenant. The tenant cannot go before: its people would be bound to none and see everything."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    objects: ClassVar[models.Manager["TenantMember"]] = models.Manager.from_queryset(SiteQuerySet)()

    class Meta:
        constraints = unique(
            "tenant_member", ["tenant", "user"], error_field="user", message="This person is bound to it already."
        )

    def __str__(self) -> str:
        return f"{self.user}"


class TagQuerySet(VisibleQuerySet):
    tenant_path = "tenant"

    def visible_to(self, user: Any) -> Self:
        """Tags of no tenant are everybody's words."""
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.filter(Q(tenant=None) | Q(tenant__in=user.tenant_ids)) if user.tenant_ids else self.all()


class Tag(TimeStamped):
    """A word that devices, sites and prefixes may share."""

    name = models.CharField(max_length=50, validators=NO_NUL)
    name_key = FoldedField("name", max_length=50)
    slug = models.SlugField(max_length=50)
    description = models.CharField(max_length=200, blank=True, validators=NO_NUL)
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="tags", help_text="Empty: everybody's."
    )

    objects: ClassVar[models.Manager["Tag"]] = models.Manager.from_queryset(TagQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = [
            *unique(
                "tag_name", ["tenant", "name_key"], nullable="tenant", error_field="name", message="This tag exists."
            ),
            *unique(
                "tag_slug", ["tenant", "slug"], nullable="tenant", error_field="slug", message="This slug is taken."
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Site(TimeStamped):
    """A place: a building, a data centre, a campus."""

    name = models.CharField(max_length=100, validators=NO_NUL)
    name_key = FoldedField("name", max_length=100)
    tenant = models.ForeignKey(Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="sites")
    tags = models.ManyToManyField(Tag, blank=True, related_name="sites")

    objects: ClassVar[models.Manager["Site"]] = models.Manager.from_queryset(SiteQuerySet)()

    class Meta:
        ordering = ["name_key"]
        constraints = unique(
            "site_name",
            ["tenant", "name_key"],
            nullable="tenant",
            error_field="name",
            message="This tenant has a site of this name.",
        )

    def __str__(self) -> str:
        return self.name


class CidrModel(TimeStamped):
    """A range of addresses in its canonical text, with keys that sort."""

    cidr = models.CharField(max_length=43, help_text="Such as 192.0.2.0/24 or 2001:db8::/32.")
    first_key = models.CharField(max_length=32, editable=False)
    last_key = models.CharField(max_length=32, editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.cidr

    def clean_fields(self, exclude: Any = None) -> None:
        super().clean_fields(exclude=exclude)
        try:
            self._canonicalise()
        except ValidationError as error:
            raise ValidationError({"cidr": error}) from None

    def _canonicalise(self) -> None:
        network = parse_prefix(self.cidr)
        self.cidr = str(network)
        self.first_key, self.last_key = prefix_range(network)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._canonicalise()
        super().save(*args, **kwargs)


class PrefixQuerySet(VisibleQuerySet):
    tenant_path = "site__tenant"

    def holding(self, address: str) -> Self:
        """Prefixes that hold an address, the narrowest first. Raises ValidationError."""
        key = address_key(parse_address(address))
        return self.filter(first_key__lte=key, last_key__gte=key).order_by("-first_key", "last_key")


class Prefix(CidrModel):
    """A range of addresses: what may be scanned, what DHCP pools lie in."""

    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.PROTECT, related_name="prefixes")
    description = models.CharField(max_length=200, blank=True, validators=NO_NUL)
    tags = models.ManyToManyField(Tag, blank=True, related_name="prefixes")

    objects: ClassVar[models.Manager["Prefix"]] = models.Manager.from_queryset(PrefixQuerySet)()

    class Meta:
        ordering = ["first_key", "-last_key"]
        verbose_name_plural = "prefixes"
        constraints = unique(
            "prefix_cidr", ["site", "cidr"], nullable="site", error_field="cidr", message="This site has this prefix."
        )


class TargetRule(CidrModel):
    """Which addresses netmon may contact, for the whole site or for one tenant's devices."""

    class Action(models.TextChoices):
        ALLOW = "allow", "Allow"
        REFUSE = "refuse", "Refuse"

    tenant = models.ForeignKey(
        Tenant,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="target_rules",
        help_text="Empty: the whole site.",
    )
    action = models.CharField(max_length=8, choices=Action.choices)
    note = models.CharField(max_length=200, blank=True, validators=NO_NUL)

    objects: ClassVar[models.Manager["TargetRule"]] = models.Manager.from_queryset(SiteQuerySet)()

    class Meta:
        ordering = ["first_key", "-last_key"]
        constraints = [
            *unique(
                "target_rule_cidr",
                ["tenant", "cidr"],
                nullable="tenant",
                error_field="cidr",
                message="There is a rule for this range: change that one.",
            ),
            models.CheckConstraint(
                name="target_rule_action_known",
                condition=Q(action__in=["allow", "refuse"]),
                violation_error_message="A rule allows or refuses.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.cidr}"
