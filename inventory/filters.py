from typing import Any

import django_filters
from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework.exceptions import ValidationError

from inventory.models import Device, ManagementEndpoint


def refusing(name: str, method: Any, value: str) -> Any:
    """`method(value)`, with a model's ValidationError as one that names the query parameter."""
    try:
        return method(value)
    except ModelValidationError as error:
        raise ValidationError({name: error.messages}, code="invalid_parameter") from None


class NumberFilter(django_filters.NumberFilter):
    """A foreign key by number: an unknown one gives an empty list."""

    def get_max_validator(self) -> Any:
        from django.core.validators import MaxValueValidator

        return MaxValueValidator(2**63 - 1)


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
