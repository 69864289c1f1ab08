"""Model fields that behave the same on SQLite and PostgreSQL."""

import re
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from netmon.common.secrets import EncryptedTextField

__all__ = ["Counter64Field", "EncryptedTextField", "FoldedField", "MACAddressField", "fold", "normalise_mac"]

MAC = re.compile(r"[0-9a-f]{12}")
MAC_SEPARATORS = re.compile(r"[:\-.\s]")


def fold(value: str) -> str:
    """The form in which names are compared: Unicode NFC, case-folded, outer blanks removed.

    SQLite's lower() folds A to Z only, so "Évry" and "ÉVRY" would be two names there and one on PostgreSQL.
    """
    return unicodedata.normalize("NFC", value.strip()).casefold()


def normalise_mac(value: str) -> str:
    """Six lower-case octets with colons, from any common notation. Raises ValidationError."""
    digits = MAC_SEPARATORS.sub("", value).lower()
    if not MAC.fullmatch(digits):
        raise ValidationError("Not a MAC address: write six octets, such as 00:11:22:aa:bb:cc.", code="invalid_mac")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


class MACAddressField(models.CharField):
    """A MAC address, kept as lower-case octets with colons."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 17
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return normalise_mac(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))


class FoldedField(models.CharField):
    """A key folded from another field, filled before validation and before every save, bulk_create included.

    `QuerySet.update()` walks past it: renaming goes through a service that saves the row.
    """

    def __init__(self, source: str, *args: Any, **kwargs: Any) -> None:
        self.source = source
        kwargs.setdefault("max_length", 255)
        kwargs["editable"] = False
        kwargs["blank"] = True
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        kwargs["source"] = self.source
        kwargs.pop("editable", None)
        kwargs.pop("blank", None)
        return name, path, args, kwargs

    def key_of(self, instance: models.Model) -> str:
        return fold(getattr(instance, self.source) or "")[: self.max_length]

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        key = self.key_of(model_instance)
        setattr(model_instance, self.attname, key)
        return key


class Counter64Field(models.BigIntegerField):
    """0 to 2^64-1 in a signed 64-bit column: decimal(20) is rounded by SQLite, bigint overflows at 2^63."""

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def from_db_value(self, value: int | None, expression: Any, connection: Any) -> int | None:
        return value if value is None else value & 0xFFFF_FFFF_FFFF_FFFF

    def to_python(self, value: Any) -> int | None:
        return super().to_python(value)

    def get_prep_value(self, value: Any) -> int | None:
        value = super().get_prep_value(value)
        if value is None:
            return None
        if not 0 <= value < 1 << 64:
            raise ValidationError("A 64-bit counter holds 0 to 18446744073709551615.", code="invalid_counter")
        return value - (1 << 64) if value >= 1 << 63 else value

    @property
    def validators(self) -> list[Any]:  # the column's signed range is not the field's
        return []
