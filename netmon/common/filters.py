"""Filters that refuse what they do not know: a misspelt filter must not answer with everything."""

from typing import Any

from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter
from rest_framework.request import Request

COMMON_PARAMETERS = {"limit", "offset", "ordering", "format", "cursor"}


class StrictFilterBackend(DjangoFilterBackend):
    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> Any:
        filterset = self.get_filterset(request, queryset, view)
        known = COMMON_PARAMETERS | set(getattr(view, "query_parameters", ()))
        if filterset is not None:
            known |= set(filterset.filters)
        refuse_unknown(request, known)
        return super().filter_queryset(request, queryset, view)


class StrictOrdering(OrderingFilter):
    def get_ordering(self, request: Request, queryset: Any, view: Any) -> Any:
        asked = [term.strip().lstrip("-") for term in request.query_params.get(self.ordering_param, "").split(",")]
        valid = {name for name, _ in self.get_valid_fields(queryset, view, {"request": request})}
        if unknown := [name for name in asked if name and name not in valid]:
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
