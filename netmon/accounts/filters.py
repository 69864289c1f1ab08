from typing import Any

import django_filters
from django.db.models import Q

from netmon.accounts.models import ApiKey, Invite, User
from netmon.common.filters import MomentFilter, NumberFilter, TextFilter


def times(name: str) -> dict[str, Any]:
    """`name__gte`, `name__lt` and `name__isnull`."""
    return {
        f"{name}__gte": MomentFilter(field_name=name, lookup_expr="gte"),
        f"{name}__lt": MomentFilter(field_name=name, lookup_expr="lt"),
        f"{name}__isnull": django_filters.BooleanFilter(field_name=name, lookup_expr="isnull"),
    }


class UserFilter(django_filters.FilterSet):
    id = NumberFilter()
    username = TextFilter()
    email = TextFilter(lookup_expr="iexact")
    first_name = TextFilter()
    last_name = TextFilter()
    role = django_filters.MultipleChoiceFilter(choices=User.Role.choices)
    is_active = django_filters.BooleanFilter()
    tenants = NumberFilter(field_name="tenants__id", distinct=True)
    totp_enabled = django_filters.BooleanFilter(method="by_totp")
    q = TextFilter(method="by_text", help_text="A part of user name, name or e-mail address.")
    locals().update(times("last_login") | times("date_joined"))

    class Meta:
        model = User
        fields: list[str] = []

    def by_totp(self, queryset: Any, name: str, value: bool) -> Any:
        return queryset.filter(totp__confirmed_at__isnull=not value)

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        found = Q()
        for column in ("username", "first_name", "last_name", "email"):
            found |= Q(**{f"{column}__icontains": value})
        return queryset.filter(found)


class ApiKeyFilter(django_filters.FilterSet):
    user = NumberFilter(field_name="user_id")
    name = TextFilter()
    prefix = TextFilter()
    role = django_filters.MultipleChoiceFilter(choices=User.Role.choices)
    revoked = django_filters.BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)
    q = TextFilter(method="by_text", help_text="A part of name or prefix.")
    locals().update(times("expires_at") | times("last_used_at") | times("created_at"))

    class Meta:
        model = ApiKey
        fields: list[str] = []

    def by_text(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(Q(name__icontains=value) | Q(prefix__icontains=value))


class InviteFilter(django_filters.FilterSet):
    email = TextFilter(lookup_expr="iexact")
    role = django_filters.MultipleChoiceFilter(choices=User.Role.choices)
    created_by = NumberFilter(field_name="created_by_id")
    locals().update(times("expires_at") | times("used_at") | times("created_at"))

    class Meta:
        model = Invite
        fields: list[str] = []
