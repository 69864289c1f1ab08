"""What lists of routers, machines and changes can be narrowed by."""

from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import Q

from netmon.common.fields import normalise_mac
from netmon.common.filters import FieldFilterSet, MomentFilter, NumberFilter, TextFilter
from provisioning.models import (
    ConfigChange,
    DhcpPool,
    DhcpReservation,
    DriftItem,
    PortForward,
    PortPool,
    Quota,
    Vm,
    VyosRouter,
)


def mac_is(path: str, text: str) -> Q:
    """A whole MAC address in any form; nothing else is compared with the column."""
    try:
        return Q(**{path: normalise_mac(text)})
    except ValidationError:
        return Q(pk__in=[])


class VyosRouterFilter(FieldFilterSet):
    device = NumberFilter(field_name="endpoint__device", help_text="The device's number.")
    tenant = NumberFilter(field_name="endpoint__device__tenant", help_text="The device's tenant.")
    q = TextFilter(method="by_text", max_length=100, help_text="Name, outer address.")

    class Meta(FieldFilterSet.Meta):
        model = VyosRouter
        shown = (
            "id", "endpoint", "version_family", "inbound_interface", "lan_interface", "external_address",
            "allow_firewall_rule", "is_saved", "last_error_code", "last_read_at", "compared_at", "created_at",
        )  # fmt: skip

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(
            Q(endpoint__device__name__icontains=value) | Q(external_address__icontains=value),
        )


class DhcpPoolFilter(FieldFilterSet):
    q = TextFilter(method="by_text", max_length=100, help_text="Name, shared network, prefix.")

    class Meta(FieldFilterSet.Meta):
        model = DhcpPool
        shown = (
            "id", "router", "name", "shared_network", "prefix", "subnet_id", "range_start", "range_end", "gateway",
            "is_enabled", "made_subnet", "created_at", "updated_at",
        )  # fmt: skip

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(
            Q(name__icontains=value) | Q(shared_network__icontains=value) | Q(prefix__cidr__icontains=value)
        )


class PortPoolFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = PortPool
        shown = (
            "id", "router", "name", "external_address", "port_start", "port_end", "is_enabled", "created_at",
            "updated_at",
        )  # fmt: skip


class QuotaFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Quota
        shown = ("id", "owner", "tenant", "max_vms", "max_forwards", "created_at", "updated_at")


class VmFilter(FieldFilterSet):
    name = TextFilter(field_name="device__name", lookup_expr="iexact", help_text="The machine's name.")
    tenant = NumberFilter(field_name="device__tenant", help_text="The machine's tenant.")
    dhcp_pool = NumberFilter(field_name="reservation__pool", help_text="The pool of its address.")
    ip = TextFilter(field_name="reservation__address", max_length=15, help_text="Its address inside.")
    external_port = NumberFilter(method="by_port", min_value=1, max_value=65535, help_text="A port that leads to it.")
    q = TextFilter(method="by_text", max_length=100, help_text="Name, host name, address, MAC address.")

    class Meta(FieldFilterSet.Meta):
        model = Vm
        shown = ("id", "device", "router", "hostname", "owner", "state", "expires_at", "created_at", "updated_at")

    def by_port(self, queryset: Any, name: str, value: Any) -> Any:
        leading = PortForward.objects.filter(external_port__lte=value, external_port_end__gte=value)
        return queryset.filter(pk__in=leading.values("vm"))

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(
            Q(device__name__icontains=value)
            | Q(hostname__icontains=value)
            | Q(reservation__address__icontains=value)
            | mac_is("reservation__mac_address", value)
        )


class DhcpReservationFilter(FieldFilterSet):
    tenant = NumberFilter(field_name="vm__device__tenant", help_text="The machine's tenant.")
    q = TextFilter(method="by_text", max_length=100, help_text="Name, address, MAC address.")

    class Meta(FieldFilterSet.Meta):
        model = DhcpReservation
        shown = (
            "id", "router", "pool", "vm", "mac_address", "address", "desired", "applied", "lease_state", "created_at",
            "updated_at",
        )  # fmt: skip

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(
            Q(vm__device__name__icontains=value) | Q(address__icontains=value) | mac_is("mac_address", value)
        )


class PortForwardFilter(FieldFilterSet):
    router = NumberFilter(field_name="vm__router", help_text="The router's number.")
    tenant = NumberFilter(field_name="vm__device__tenant", help_text="The machine's tenant.")
    port = NumberFilter(method="by_port", min_value=1, max_value=65535, help_text="An external port within it.")

    class Meta(FieldFilterSet.Meta):
        model = PortForward
        shown = (
            "id", "vm", "pool", "name", "protocol", "external_port", "internal_port", "source", "rule_number",
            "desired", "why_disabled", "applied", "expires_at", "last_hit_at", "created_at", "updated_at",
        )  # fmt: skip

    def by_port(self, queryset: Any, name: str, value: Any) -> Any:
        return queryset.filter(external_port__lte=value, external_port_end__gte=value)


class ConfigChangeFilter(FieldFilterSet):
    active = django_filters.BooleanFilter(method="by_active", help_text="Queued, or being applied.")
    since = MomentFilter(field_name="created_at", lookup_expr="gte", help_text="Asked for at this moment or later.")
    q = TextFilter(method="by_text", max_length=100, help_text="Router, machine, start of the digest.")

    class Meta(FieldFilterSet.Meta):
        model = ConfigChange
        shown = (
            "id", "router", "router_name", "tenant", "vm", "vm_name", "kind", "status", "is_saved", "is_approved",
            "requested_by", "error_code", "created_at", "finished_at",
        )  # fmt: skip

    def by_active(self, queryset: Any, name: str, value: bool) -> Any:
        active = Q(status__in=ConfigChange.ACTIVE)
        return queryset.filter(active if value else ~active)

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        touched = Q(items__vm_name__icontains=value)
        found = Q(router_name__icontains=value) | Q(vm_name__icontains=value) | Q(digest__startswith=value) | touched
        return queryset.filter(pk__in=ConfigChange.objects.filter(found).values("pk"))


class DriftItemFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = DriftItem
        shown = ("id", "router", "kind", "vm", "label", "can_adopt", "found_at")
