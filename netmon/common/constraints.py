"""Unique rules that hold on both databases, NULLs included, and say which field they speak of."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BaseConstraint, Q, UniqueConstraint

from netmon.common.fields import FoldedField


class FieldUniqueConstraint(UniqueConstraint):
    """A unique rule whose message belongs to one field, for forms and the API. In migrations it is Django's own."""

    def __init__(self, *args: Any, error_field: str, **kwargs: Any) -> None:
        self.error_field = error_field
        super().__init__(*args, **kwargs)

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: str = DEFAULT_DB_ALIAS) -> None:
        left_out = set(exclude or ())
        for field in (model._meta.get_field(name) for name in self.fields):
            if isinstance(field, FoldedField):
                # The key follows its source: no form shows it, and it is filled only now.
                setattr(instance, field.attname, field.key_of(instance))
                if field.source not in left_out:
                    left_out.discard(field.name)
        try:
            super().validate(model, instance, exclude=left_out, using=using)
        except ValidationError as error:
            if self.error_field in left_out:  # a form without this field may not speak of it
                raise
            raise ValidationError({self.error_field: error.error_list}) from None

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        _, args, kwargs = super().deconstruct()
        return "django.db.models.UniqueConstraint", args, kwargs

    def clone(self) -> "FieldUniqueConstraint":
        _, args, kwargs = self.deconstruct()
        return FieldUniqueConstraint(*args, error_field=self.error_field, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UniqueConstraint) and self.deconstruct() == other.deconstruct()

    __hash__ = UniqueConstraint.__hash__


def unique(
    name: str, fields: list[str], *, error_field: str, message: str, nullable: str | None = None
) -> list[BaseConstraint]:
    """A unique rule; with `nullable`, the pair of rules that also catches rows where that column is NULL.

    Both databases hold NULLs for distinct, so a plain rule lets two tenant-less twins pass.
    """
    common: dict[str, Any] = {
        "violation_error_code": "unique",
        "violation_error_message": message,
        "error_field": error_field,
    }
    if nullable is None:
        return [FieldUniqueConstraint(fields=fields, name=name, **common)]
    others = [field for field in fields if field != nullable]
    given, absent = Q(**{f"{nullable}__isnull": False}), Q(**{f"{nullable}__isnull": True})
    return [
        FieldUniqueConstraint(fields=fields, name=name, condition=given, **common),
        FieldUniqueConstraint(fields=others, name=f"{name}_null", condition=absent, **common),
    ]
