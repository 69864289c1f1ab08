from typing import Any

import django_filters
from django.core.exceptions import ValidationError as ModelValidationError
from rest_framework.exceptions import ValidationError

from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Prefix, Site, Tag, Tenant
from netmon.common.filters import FieldFilterSet, NumberFilter, TextFilter
from netmon.common.permissions import has_role


def refusing(name: str, method: Any, value: str) -> Any:
    """`method(value)`, with a model's ValidationError as one that names the query parameter."""
    try:
        return method(value)
    except ModelValidationError as error:
        raise ValidationError({name: error.messages}, code="invalid_parameter") from None


class DeviceFilter(FieldFilterSet):
    kind = django_filters.MultipleChoiceFilter(choices=Device.Kind.choices)
    status = django_filters.MultipleChoiceFilter(choices=Device.Status.choices)
    tag = TextFilter(field_name="tags__slug", help_text="The slug of a tag.")
    ip = TextFilter(method="by_ip", help_text="A device's address.")
    ip__in = TextFilter(method="by_prefix", help_text="Devices within a prefix such as 10.0.0.0/24.")
    mac = TextFilter(method="by_mac")
    q = TextFilter(method="by_text", max_length=100, help_text="Name, place, vendor, serial, address.")
    has_protocol = django_filters.ChoiceFilter(method="by_protocol", choices=ManagementEndpoint.Protocol.choices)

    class Meta(FieldFilterSet.Meta):
        model = Device

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


class TagFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Tag


class TenantFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Tenant


class SiteFilter(FieldFilterSet):
    tag = TextFilter(field_name="tags__slug", help_text="The slug of a tag.")

    class Meta(FieldFilterSet.Meta):
        model = Site


class PrefixFilter(FieldFilterSet):
    tenant = NumberFilter(field_name="site__tenant_id")
    tag = TextFilter(field_name="tags__slug", help_text="The slug of a tag.")
    contains = TextFilter(method="by_address", help_text="Prefixes that hold this address.")

    class Meta(FieldFilterSet.Meta):
        model = Prefix

    def by_address(self, queryset: Any, name: str, value: str) -> Any:
        return refusing(name, queryset.holding, value)


class InterfaceFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Interface


class IPAddressFilter(FieldFilterSet):
    device = NumberFilter(field_name="interface__device_id")

    class Meta(FieldFilterSet.Meta):
        model = IPAddress


class CredentialFilter(FieldFilterSet):
    class Meta(FieldFilterSet.Meta):
        model = Credential


class SSHKeyFilter(FieldFilterSet):
    type = TextFilter(field_name="key_type")
    bits = NumberFilter(field_name="key_bits")

    class Meta(FieldFilterSet.Meta):
        model = Credential
        shown = ("name", "username", "fingerprint", "comment", "secret_changed_at", "created_at", "updated_at")


class EndpointFilter(FieldFilterSet):
    credential = NumberFilter(method="by_credential", help_text="For operators and admins.")

    class Meta(FieldFilterSet.Meta):
        model = ManagementEndpoint
        hidden = ("credential",)

    def by_credential(self, queryset: Any, name: str, value: Any) -> Any:
        if not has_role(self.request.user, "operator"):  # what answers hide, a filter must not tell
            raise ValidationError({name: "Only operators see which credential is used."}, code="invalid_parameter")
        return queryset.filter(credential_id=value)
