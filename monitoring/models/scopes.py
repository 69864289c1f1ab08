"""Which devices something is about: shared by rules, silences, windows and policies."""

from typing import Any, Self

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q

from inventory.models import Device, Site, Tag, Tenant
from netmon.common.models import TimeStamped
from netmon.common.querysets import VisibleQuerySet

NO_NUL = [ProhibitNullCharactersValidator()]


class SharedQuerySet(VisibleQuerySet):
    """Rows of a tenant, and rows of none, which everybody sees and only people bound to no tenant change."""

    tenant_path = "tenant"

    def visible_to(self, user: Any) -> Self:
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        return self.filter(Q(tenant=None) | Q(tenant__in=user.tenant_ids)) if user.tenant_ids else self.all()


class Scoped(TimeStamped):
    """Every column that is set narrows the scope; with none set it is about every device."""

    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: every tenant's."
    )
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(
        max_length=16, blank=True, choices=Device.Kind.choices, help_text="Only devices of this kind."
    )
    tag = models.ForeignKey(Tag, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.CASCADE, related_name="+")

    class Meta(TimeStamped.Meta):
        abstract = True


KIND_KNOWN = Q(kind__in=["", "router", "switch", "firewall", "server", "computer", "camera", "vm", "other"])


def kind_known(table: str) -> models.CheckConstraint:
    """The check that belongs to `Scoped.kind`."""
    return models.CheckConstraint(
        name=f"{table}_kind_known", condition=KIND_KNOWN, violation_error_message="This kind of device is not known."
    )
