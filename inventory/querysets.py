"""Reads of the inventory."""

from typing import Self

from django.db.models import Q

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
