"""Model fields that behave the same on SQLite and PostgreSQL."""

import re
import unicodedata
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

EXPORTED = "netmon-encrypted:"  # marks a secret in an export of dumpdata, for loaddata
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


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def fernet() -> MultiFernet:
    """The keys in force: the first encrypts, every one decrypts."""
    return _fernet(tuple(settings.FERNET_KEYS))


class Undecryptable(str):
    """A stored secret whose key is missing: an empty text that is true, for something is set, and keeps its ciphertext.

    One such row must not break a list of many; it is refused where the secret is needed.
    """

    ciphertext: str

    def __new__(cls, ciphertext: str) -> "Undecryptable":
        text = super().__new__(cls, "")
        text.ciphertext = ciphertext
        return text

    def __bool__(self) -> bool:
        return True


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database (Fernet: AES-128-CBC and HMAC-SHA256), clear on the instance.

    An empty value stays empty, so that "is a secret set" can be asked without a key. What does not decrypt is an
    `Undecryptable` on the instance and is saved as it was.
    """

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        if not value:
            return value
        try:
            return fernet().decrypt(value.encode()).decode()
        except InvalidToken:
            return Undecryptable(value)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        if isinstance(value, Undecryptable):
            return value.ciphertext
        return fernet().encrypt(value.encode()).decode() if value else value

    def value_to_string(self, obj: models.Model) -> str:
        """For dumpdata: an export must not hold the clear text either."""
        value = self.value_from_object(obj)
        return EXPORTED + self.get_prep_value(value) if value else ""

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        if isinstance(value, str) and value.startswith(EXPORTED):  # else it would be stored as it is, in clear
            raise ValidationError(f"A secret cannot begin with {EXPORTED}", code="invalid_secret")
        return super().clean(value, model_instance)

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        if isinstance(value, str) and value.startswith(EXPORTED):
            return self.from_db_value(value.removeprefix(EXPORTED), None, None)
        return value

    def get_lookup(self, lookup_name: str) -> Any:
        # Equal secrets have different ciphertexts: any comparison would silently find nothing.
        return super().get_lookup(lookup_name) if lookup_name in ("isnull", "exact_empty") else None
