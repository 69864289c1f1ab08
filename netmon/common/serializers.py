"""Serializer bases."""

import copy
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import models
from django.db.models import Q
from rest_framework import serializers

from netmon.common.querysets import VisibleQuerySet


class StrictMixin:
    """Refuses fields it does not know: a misspelt field must not vanish silently.

    `shown_only` names what answers show beside the fields: it is passed over, so that an answer can be sent back.
    """

    shown_only: frozenset[str] = frozenset()

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            fields: Mapping[str, Any] = self.fields  # type: ignore[attr-defined]
            unknown = [
                name for name in data if name not in fields and name not in {"csrfmiddlewaretoken", *self.shown_only}
            ]
            if unknown:
                writable = ", ".join(sorted(name for name, field in fields.items() if not field.read_only))
                raise serializers.ValidationError(
                    {
                        str(name)[:60]: serializers.ErrorDetail(
                            f"Unknown field. Known are: {writable}.", "unknown_field"
                        )
                        for name in unknown
                    }
                )
            if _is_typed(self):
                wrong = {
                    name: [serializers.ErrorDetail(text, "invalid")]
                    for name, field in fields.items()
                    if not field.read_only and name in data and (text := wrong_type(field, data[name]))
                }
                if wrong:
                    raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)  # type: ignore[misc]


def _is_typed(serializer: Any) -> bool:
    """Whether the input came as JSON, which knows text from numbers; forms and files do not."""
    content_type = getattr(serializer.context.get("request"), "content_type", None) or ""
    return str(content_type).startswith("application/json")


def wrong_type(field: Any, value: Any) -> str:
    """What is wrong with the JSON type of a value; empty when nothing is. DRF would take 0 for a text or for false."""
    if value is None:
        return ""
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        return next((text for item in value if (text := wrong_type(field.child, item))), "")
    if isinstance(field, serializers.ManyRelatedField):
        if not isinstance(value, list):
            return "Write a list."
        return next((text for item in value if (text := wrong_type(field.child_relation, item))), "")
    if isinstance(field, serializers.BooleanField):
        return "" if isinstance(value, bool) else "Must be true or false."
    if isinstance(field, (serializers.IntegerField, serializers.FloatField, serializers.PrimaryKeyRelatedField)):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return "" if is_number else "Write a number, without quotes."
    if isinstance(field, (serializers.CharField, serializers.ChoiceField, serializers.DateTimeField)):
        return "" if isinstance(value, str) else "Not a valid string."
    return ""


class StrictSerializer(StrictMixin, serializers.Serializer[Any]):
    pass


def asker(serializer: serializers.BaseSerializer[Any]) -> Any:
    """The person who asks; None where there is no request."""
    return getattr(serializer.context.get("request"), "user", None)


class VisibleRelatedField(serializers.PrimaryKeyRelatedField):
    """A row by its number, among those that the person who asks may see; what is there already may be sent back."""

    def get_queryset(self) -> Any:
        rows = super().get_queryset()
        user = asker(self)  # type: ignore[arg-type]
        if user is None or not isinstance(rows, VisibleQuerySet):
            return rows
        visible = rows.visible_to(user)
        present = getattr(getattr(self.parent, "instance", None), f"{self.source}_id", None)
        return visible if present is None else rows.filter(Q(pk__in=visible.values("pk")) | Q(pk=present))

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, int) and not -(2**63) <= data < 2**63:  # no column holds it
            self.fail("does_not_exist", pk_value=data)
        return super().to_internal_value(data)


class ValidatedModelSerializer(StrictMixin, serializers.ModelSerializer[Any]):
    """A model serializer that runs the model's own rules.

    DRF's runs neither check constraints nor conditional unique rules: the save then ends in an IntegrityError. Here
    `full_clean()` runs on a copy of the instance, which stays clean when the input is refused.
    """

    serializer_related_field = VisibleRelatedField

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if self.instance is None:
            self._default_tenant(attrs)
        model: type[models.Model] = self.Meta.model
        # refresh-free copy: assigning to it must not touch the row that the view holds
        instance = copy.copy(self.instance) if isinstance(self.instance, models.Model) else model()
        if isinstance(self.instance, models.Model):
            instance._state = copy.copy(self.instance._state)
            instance._state.fields_cache = dict(self.instance._state.fields_cache)
        many = {field.name for field in model._meta.many_to_many}
        columns = {field.name for field in model._meta.concrete_fields}
        for name, value in attrs.items():
            if name in columns and name not in many:
                setattr(instance, name, value)
        try:
            instance.full_clean()
        except ModelValidationError as error:
            raise serializers.ValidationError(serializers.as_serializer_error(error)) from None
        return attrs

    def _default_tenant(self, attrs: dict[str, Any]) -> None:
        """What somebody bound to one tenant makes belongs to it."""
        tenant_ids = getattr(asker(self), "tenant_ids", None)
        field = self.fields.get("tenant")
        if (
            tenant_ids
            and len(tenant_ids) == 1
            and field is not None
            and not field.read_only
            and not attrs.get("tenant")
        ):
            attrs["tenant"] = field.get_queryset().first()  # type: ignore[attr-defined]

    def get_validators(self) -> list[Any]:
        # full_clean() has every unique rule, with our messages; DRF's own would report them first and differently.
        return []

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        field_class, kwargs = super().build_standard_field(field_name, model_field)
        validators = kwargs.get("validators")
        if validators:
            kwargs["validators"] = [v for v in validators if type(v).__name__ != "UniqueValidator"]
        return field_class, kwargs
