"""Filters that refuse what they do not know: a misspelt filter must not answer with everything."""

from datetime import UTC
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from django.utils.datastructures import MultiValueDict
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request

from netmon.common.fields import EncryptedTextField, FoldedField, MACAddressField, normalise_mac

MAX_TEXT = 255
COMMON_PARAMETERS = {"limit", "offset", "ordering", "format", "cursor"}


class StrictFilterBackend(DjangoFilterBackend):
    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        known = COMMON_PARAMETERS | set(getattr(view, "query_parameters", ()))
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class is not None:
            known |= set(filterset_class.base_filters)
        refuse_unknown(request, known)
        if filterset_class is not None and not _is_page(request):
            refuse_vague(request, filterset_class.base_filters)
        return super().filter_queryset(request, queryset, view)

    def get_filterset_kwargs(self, request: Request, queryset: Any, view: Any) -> Any:
        kwargs = super().get_filterset_kwargs(request, queryset, view)
        asked = {name for name, values in request.query_params.lists() if any(values)}
        if _is_page(request):  # its form sends what was left empty, too
            kwargs["data"] = MultiValueDict({name: request.query_params.getlist(name) for name in asked})
        # Copying a hundred filters for a list that asks for one would cost more than its rows.
        if issubclass(self.get_filterset_class(view, queryset) or object, FieldFilterSet):
            kwargs["only"] = asked
        return kwargs


def _is_page(request: Request) -> bool:
    """Whether a person asked by the browsable API, whose form sends what was left empty."""
    return getattr(getattr(request, "accepted_renderer", None), "format", "") == "api"


def refuse_vague(request: Request, filters: Any) -> None:
    """Raises ValidationError for a filter that would be passed over: an empty one, a switch that is neither."""
    for name, values in request.query_params.lists():
        if name not in filters:
            continue
        if not all(values):
            raise ValidationError({name: "Write a value, or leave the parameter out."}, code="invalid_parameter")
        if isinstance(filters[name], django_filters.BooleanFilter) and any(
            value.lower() not in ("true", "false", "1", "0") for value in values
        ):
            raise ValidationError({name: "Write true or false."}, code="invalid_parameter")
        if isinstance(filters[name], django_filters.BaseCSVFilter) and any(
            not part for value in values for part in value.split(",")
        ):
            raise ValidationError({name: "Write values, a comma between."}, code="invalid_parameter")


class StrictOrdering(OrderingFilter):
    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """`ordering` as the view knows it."""
        names = "|".join(getattr(view, "ordering_fields", None) or [])
        if not names:
            return []
        schema = {"type": "string", "pattern": f"^-?(?:{names})(?:,-?(?:{names}))*$"}
        text = "Order by these fields, comma between; `-` turns one round."
        return [{"name": "ordering", "required": False, "in": "query", "description": text, "schema": schema}]

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Any:
        text = request.query_params.get(self.ordering_param)
        asked = [term.strip().removeprefix("-") for term in text.split(",")] if text is not None else []
        if text == "" and _is_page(request):
            asked = []
        valid = {name for name, _ in self.get_valid_fields(queryset, view, {"request": request})}
        if unknown := [name for name in asked if name not in valid]:
            raise ValidationError(
                {"ordering": f"Cannot order by {unknown[0][:60]!r}: use one of {', '.join(sorted(valid))}."},
                code="invalid_parameter",
            )
        return super().get_ordering(request, queryset, view)


def refuse_unknown(request: Request, known: set[str]) -> None:
    """Raises ValidationError for a query parameter that nobody reads, and for text that PostgreSQL cannot compare."""
    for name, values in request.query_params.lists():
        if name not in known:
            raise ValidationError(
                {name[:60]: f"Unknown parameter: use one of {', '.join(sorted(known))}."}, code="unknown_parameter"
            )
        if any("\x00" in value for value in values):
            raise ValidationError({name: "Null characters are not allowed."}, code="null_characters")


class NumberFilter(django_filters.NumberFilter):
    """A foreign key by number: an unknown one gives an empty list, one that no key can be is refused."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"min_value": 0, "max_value": 2**63 - 1, "decimal_places": 0, **kwargs})


class IntegerFilter(django_filters.NumberFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        bounds = {"min_value": -(2**63), "max_value": 2**63 - 1, "decimal_places": 0}
        super().__init__(*args, **{**bounds, **kwargs})


class TextFilter(django_filters.CharFilter):
    """A text as it is written: blanks are no reason to answer with everything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": MAX_TEXT, "strip": False, **kwargs})


class MomentField(IsoDateTimeField):
    """A moment in UTC: PostgreSQL takes neither its farthest years in other zones nor zones of sixteen hours."""

    def to_python(self, value: Any) -> Any:
        moment = super().to_python(value)
        try:
            return moment.astimezone(UTC) if moment is not None else None
        except (OverflowError, ValueError):
            raise DjangoValidationError("Write a moment between the years 1 and 9999.", code="invalid") from None


class MomentFilter(django_filters.IsoDateTimeFilter):
    field_class = MomentField


class MACField(forms.CharField):
    """One MAC address in any of the usual forms."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return normalise_mac(text) if text else text


class MACFilter(django_filters.CharFilter):
    field_class = MACField


TEXT = ["exact", "in", "contains", "icontains", "startswith"]
NUMBER = ["exact", "in", "gt", "gte", "lt", "lte"]
KEY = ["exact", "in"]
CHOICE = ["exact", "in"]
TIME = ["gt", "gte", "lt", "lte"]


class FieldFilterSet(django_filters.FilterSet):
    """A filter for every column: `name`, `name__in`, `name__contains`, `created_at__gte`, `site__isnull` ...

    Columns that are derived, encrypted or JSON are left out; so is what `Meta.hidden` names, and what `Meta.shown`,
    where it is given, does not.
    """

    class Meta:
        hidden: tuple[str, ...] = ()
        shown: tuple[str, ...] = ()
        filter_overrides = {
            models.ForeignKey: {"filter_class": NumberFilter},
            models.OneToOneField: {"filter_class": NumberFilter},
            models.ManyToManyField: {"filter_class": NumberFilter},
            models.AutoField: {"filter_class": NumberFilter},
            models.BigAutoField: {"filter_class": NumberFilter},
            models.IntegerField: {"filter_class": IntegerFilter},
            models.BigIntegerField: {"filter_class": IntegerFilter},
            models.PositiveIntegerField: {"filter_class": IntegerFilter},
            models.PositiveBigIntegerField: {"filter_class": IntegerFilter},
            models.SmallIntegerField: {"filter_class": IntegerFilter},
            models.PositiveSmallIntegerField: {"filter_class": IntegerFilter},
            models.FloatField: {"filter_class": django_filters.NumberFilter},
            models.DateTimeField: {"filter_class": MomentFilter},
            MACAddressField: {"filter_class": MACFilter},
            models.CharField: {"filter_class": TextFilter},
            models.SlugField: {"filter_class": TextFilter},
            models.TextField: {"filter_class": TextFilter},
        }

    def __init__(self, *args: Any, only: set[str] | None = None, **kwargs: Any) -> None:
        """`only` names the filters wanted: copying a hundred for each request would cost more than its rows."""
        if only is not None:
            every: dict[str, Any] = getattr(type(self), "base_filters", {})
            self.base_filters = {name: found for name, found in every.items() if name in only}
        super().__init__(*args, **kwargs)

    @classmethod
    def get_fields(cls) -> Any:
        model = cls._meta.model
        if model is None:
            return {}
        names = [field.name for field in model._meta.concrete_fields if field.name not in cls.Meta.hidden]
        names = [name for name in names if not cls.Meta.shown or name in cls.Meta.shown]
        fields = {name: lookups(model._meta.get_field(name)) for name in names}
        return {name: found for name, found in fields.items() if found}


def lookups(field: "models.Field[Any, Any]") -> list[str]:
    """The comparisons that a column's type allows."""
    if isinstance(field, (EncryptedTextField, FoldedField, models.JSONField, models.UUIDField, models.BinaryField)):
        return []
    if field.name == "password" or field.name.endswith(("_hash", "_token")):  # comparing tells what is in it
        return []
    if isinstance(field, models.BooleanField):
        return ["exact"]
    nullable = ["isnull"] if field.null else []
    if isinstance(field, models.ForeignKey):
        return KEY + nullable
    if isinstance(field, models.DateTimeField):
        return TIME + nullable
    if isinstance(field, (models.IntegerField, models.FloatField)):
        return NUMBER + nullable
    if isinstance(field, MACAddressField):
        return ["exact"]
    if field.choices:
        return CHOICE
    return TEXT + nullable
