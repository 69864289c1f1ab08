from typing import Any

import django_filters
from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework.exceptions import ValidationError

from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Prefix, Site
from netmon.common.permissions import has_role


def refusing(name: str, method: Any, value: str) -> Any:
    """`method(value)`, with a model's ValidationError as one that names the query parameter."""
    try:
        return method(value)
    except ModelValidationError as error:
        raise ValidationError({name: error.messages}, code="invalid_parameter") from None


class NumberFilter(django_filters.NumberFilter):
    """A foreign key by number: an unknown one gives an empty list, one that no key can be is refused."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"min_value": 0, "max_value": 2**63 - 1, "decimal_places": 0, **kwargs})


class DeviceFilter(django_filters.FilterSet):
    kind = django_filters.MultipleChoiceFilter(choices=Device.Kind.choices)
    status = django_filters.MultipleChoiceFilter(choices=Device.Status.choices)
    site = NumberFilter(field_name="site_id")
    tenant = NumberFilter(field_name="tenant_id")
    name = django_filters.CharFilter(field_name="name", lookup_expr="exact")
    ip = django_filters.CharFilter(method="by_ip", help_text="A device's address.")
    ip__in = django_filters.CharFilter(method="by_prefix", help_text="Devices within a prefix such as 10.0.0.0/24.")
    mac = django_filters.CharFilter(method="by_mac")
    q = django_filters.CharFilter(method="by_text", max_length=100, help_text="Name, place, vendor, serial, address.")
    has_protocol = django_filters.ChoiceFilter(method="by_protocol", choices=ManagementEndpoint.Protocol.choices)

    class Meta:
        model = Device
        fields: list[str] = []

    def by_ip(self, queryset: Any, name: str, value: str) -> Any:
        return refusing(name, queryset.with_ip, value)

    def by_prefix(self, queryset: Any, name: str, value: str) -> Any:
        return refusing(name, queryset.in_prefix, value)

    def by_mac(self, queryset: Any, name: str, value: str) -> Any:
        return refusing(name, queryset.with_mac, value)

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.matching(value)

    def by_protocol(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(endpoints__protocol=value, endpoints__is_enabled=True).distinct()


class SiteFilter(django_filters.FilterSet):
    tenant = NumberFilter(field_name="tenant_id")

    class Meta:
        model = Site
        fields = ["name"]


class PrefixFilter(django_filters.FilterSet):
    site = NumberFilter(field_name="site_id")

    class Meta:
        model = Prefix
        fields = ["cidr"]


class InterfaceFilter(django_filters.FilterSet):
    device = NumberFilter(field_name="device_id")

    class Meta:
        model = Interface
        fields = ["name", "mac_address", "if_oper_status", "if_admin_status"]


class IPAddressFilter(django_filters.FilterSet):
    interface = NumberFilter(field_name="interface_id")
    tenant = NumberFilter(field_name="tenant_id")

    class Meta:
        model = IPAddress
        fields = ["address", "dns_name"]


class CredentialFilter(django_filters.FilterSet):
    device = NumberFilter(field_name="device_id")

    class Meta:
        model = Credential
        fields = ["name", "kind", "username"]


class SSHKeyFilter(django_filters.FilterSet):
    type = django_filters.CharFilter(field_name="key_type")

    class Meta:
        model = Credential
        fields = ["name", "username", "fingerprint"]


class EndpointFilter(django_filters.FilterSet):
    device = NumberFilter(field_name="device_id")
    credential = NumberFilter(method="by_credential", help_text="For operators and admins.")

    class Meta:
        model = ManagementEndpoint
        fields = ["protocol", "port", "is_enabled"]

    def by_credential(self, queryset: Any, name: str, value: Any) -> Any:
        if not has_role(self.request.user, "operator"):  # what answers hide, a filter must not tell
            raise ValidationError({name: "Only operators see which credential is used."}, code="invalid_parameter")
        return queryset.filter(credential_id=value)
