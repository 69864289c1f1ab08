"""Reads of the inventory."""

from typing import Any, Self

from django.db.models import Count, Max, Q

from netmon.common.addresses import parse_address, parse_prefix, prefix_range
from netmon.common.fields import fold, normalise_mac
from netmon.common.querysets import VisibleQuerySet


class DeviceQuerySet(VisibleQuerySet):
    tenant_path = "tenant"

    def with_place(self) -> Self:
        """What a list shows, in one query."""
        return self.select_related("tenant", "site", "primary_ip", "hypervisor")

    def with_ip(self, address: str) -> Self:
        """Devices that have this address. Raises ValidationError."""
        return self.filter(interfaces__ip_addresses__address=str(parse_address(address))).distinct()

    def in_prefix(self, cidr: str) -> Self:
        """Devices that have an address within the prefix. Raises ValidationError."""
        first, last = prefix_range(parse_prefix(cidr))
        return self.filter(
            interfaces__ip_addresses__address_key__gte=first, interfaces__ip_addresses__address_key__lte=last
        ).distinct()

    def with_mac(self, mac: str) -> Self:
        """Devices that have this MAC address. Raises ValidationError."""
        return self.filter(interfaces__mac_address=normalise_mac(mac)).distinct()

    def matching(self, text: str) -> Self:
        """Free text: name, location, vendor, model, serial, address."""
        key = fold(text)
        return self.filter(
            Q(name_key__contains=key)
            | Q(location__icontains=text)
            | Q(vendor__icontains=text)
            | Q(model__icontains=text)
            | Q(serial__icontains=text)
            | Q(interfaces__ip_addresses__address__startswith=key)
        ).distinct()


class CredentialQuerySet(VisibleQuerySet):
    def visible_to(self, user: Any) -> Self:
        """Somebody bound to tenants sees what belongs to these, or to a device of theirs; nothing that is shared."""
        if not getattr(user, "is_authenticated", False) or not user.is_active:
            return self.none()
        if not user.tenant_ids:
            return self.all()
        own = Q(tenant__isnull=True, device__tenant__in=user.tenant_ids)
        return self.filter(own | Q(tenant__in=user.tenant_ids))

    def with_usage(self) -> Self:
        """`used_by` (endpoints), `last_used_at` and `last_ok_at`, in the same query."""
        return self.annotate(
            used_by=Count("endpoints", distinct=True),
            last_used_at=Max("uses__last_used_at"),
            last_ok_at=Max("uses__last_ok_at"),
        )
