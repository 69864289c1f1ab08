"""Secrets at rest: each is bound to its row and column, and opened where it is needed.

A key of its own is derived for every value: HKDF-SHA256 (RFC 5869) of each of `settings.FERNET_KEYS`, with the context
`<table>.<column>:<secret_ref>` as `info`. A ciphertext moved to another row or column meets another key there and does
not decrypt. Stored is `v1:<key id>:<Fernet token>`; the key id names the key without telling anything of it.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.models.expressions import F
from django.db.models.lookups import Exact
from django.db.models.query_utils import DeferredAttribute

from netmon.common.errors import NoCredential

EXPORTED = "netmon-encrypted:"  # marks a secret in an export of dumpdata, for loaddata
REF = "secret_ref"
STORED = re.compile(r"v1:([0-9a-f]{8}):([\w\-=]+)", re.ASCII)
HIDDEN = "***"


class Undecryptable(NoCredential):
    """A stored secret that no key in force opens: its key is missing, or it stands where it was not written."""


class UnboundSecret(TypeError):
    """A secret was to be written where its row is not known, or one that belongs to another row."""


class Ciphertext(str):
    """A stored text, ready for the database: `seal` and the field make it, and only it is written."""

    __slots__ = ()


def key_id(key: str) -> str:
    """Names a key of NETMON_FERNET_KEYS in ciphertexts and reports: 8 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def _bound(key: str, context: str) -> Fernet:
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=context.encode())
    return Fernet(base64.urlsafe_b64encode(derived.derive(base64.urlsafe_b64decode(key))))


def keyed(purpose: str) -> bytes:
    """32 bytes for one purpose, such as a keyed hash, from the first key: they change when that key does."""
    key: str = settings.FERNET_KEYS[0]
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"purpose:{purpose}".encode())
    return derived.derive(base64.urlsafe_b64decode(key))


def seal(text: str, context: str) -> Ciphertext:
    """`text` encrypted under the first key, for this context alone."""
    key: str = settings.FERNET_KEYS[0]
    return Ciphertext(f"v1:{key_id(key)}:{_bound(key, context).encrypt(text.encode()).decode()}")


def unseal(ciphertext: str, context: str) -> str:
    """The text of a ciphertext, by any of the keys in force. Raises Undecryptable."""
    if found := STORED.fullmatch(ciphertext):
        for key in settings.FERNET_KEYS:
            if key_id(key) == found[1]:
                try:
                    return _bound(key, context).decrypt(found[2]).decode()
                except InvalidToken:
                    continue
    raise Undecryptable("A stored secret does not decrypt: enter it anew or bring back the key.")


class Sealed:
    """A stored secret as it stands on a loaded row: true, for something is set, and only `open_secret` tells what.

    Its str, repr and format are "***"; JSON and pickle refuse it.
    """

    __slots__ = ("_ciphertext", "is_imported")

    def __init__(self, ciphertext: str, *, is_imported: bool = False) -> None:
        self._ciphertext = str(ciphertext)
        self.is_imported = is_imported

    @property
    def ciphertext(self) -> str:
        return self._ciphertext

    @property
    def key_id(self) -> str:
        """Of the key it was written with; empty when it is no ciphertext of this format."""
        found = STORED.fullmatch(self._ciphertext)
        return found[1] if found else ""

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self._ciphertext == other._ciphertext if isinstance(other, Sealed) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._ciphertext)

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Sealed: refuses to be pickled; pass the number of the row instead")

    def __copy__(self) -> "Sealed":
        return self

    def __deepcopy__(self, memo: object) -> "Sealed":
        return self


class CiphertextIs(Exact):
    """`<column>__ciphertext=sealed`: the column still holds this very ciphertext."""

    lookup_name = "ciphertext"

    def get_prep_lookup(self) -> str:
        if not isinstance(self.rhs, Sealed):
            raise FieldError("Compare with what was read: a Sealed.")
        return self.rhs.ciphertext

    def get_db_prep_lookup(self, value: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        return "%s", (value,)

    def get_rhs_op(self, connection: Any, rhs: str) -> str:
        return f"= {rhs}"


class EmptyOnly(Exact):
    """`<column>=""` and nothing else: equal secrets have different ciphertexts, so a comparison would find nothing."""

    def get_prep_lookup(self) -> str:
        if self.rhs != "":
            raise FieldError('An encrypted column is compared with "" only.')
        return ""


class SecretAttribute(DeferredAttribute):
    """Remembers that somebody put another value on the row, so that a save leaves an untouched column alone."""

    def __set__(self, instance: models.Model, value: Any) -> None:
        name, data = self.field.attname, instance.__dict__
        if name in data and data[name] is not value:
            data[f"_{name}_is_assigned"] = True
        data[name] = value


class EncryptedTextField(models.TextField):
    """Text that is encrypted in the database (Fernet: AES-128-CBC and HMAC-SHA256) and bound to its row and column.

    The model needs `secret_ref = UUIDField(default=uuid.uuid4, unique=True, editable=False)` (check netmon.E005). A
    loaded row has a `Sealed`, which `open_secret` opens. Assign a text to set a secret; a save leaves a `Sealed`
    that nobody assigned as it is in the database, so that no stale copy overwrites a rotation or somebody's new
    secret. An empty value stays empty: "is a secret set" can be asked without a key.
    """

    descriptor_class = SecretAttribute

    def context_of(self, instance: models.Model) -> str:
        """What a value of this column in this row is bound to."""
        return self.context(getattr(instance, REF))

    def context(self, ref: Any) -> str:
        return f"{self.model._meta.db_table}.{self.column}:{ref}"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return Sealed(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = getattr(model_instance, self.attname)
        if not value:
            return value
        flag = f"_{self.attname}_is_assigned"
        if isinstance(value, Sealed):
            is_untouched = not model_instance._state.adding and not model_instance.__dict__.get(flag)
            if not add and (is_untouched or self._stands_in_the_row(model_instance, value)):
                return F(self.attname)
            try:
                unseal(value.ciphertext, self.context_of(model_instance))
            except Undecryptable:
                raise UnboundSecret(
                    f"{self.name}: this sealed value belongs to another row or column: open it there, assign the text."
                ) from None
            return Ciphertext(value.ciphertext)
        if not isinstance(value, str):
            raise UnboundSecret(f"{self.name}: {type(value).__name__} given; assign the text itself.")
        sealed = seal(value, self.context_of(model_instance))
        setattr(model_instance, self.attname, Sealed(sealed))
        model_instance.__dict__.pop(flag, None)
        return sealed

    def _stands_in_the_row(self, instance: models.Model, value: Sealed) -> bool:
        rows = type(instance)._base_manager.filter(pk=instance.pk, **{f"{self.attname}__ciphertext": value})
        return rows.exists()

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Sealed) and value.is_imported:  # loaddata writes what was exported, as it is
            return value.ciphertext
        if value is None or value == "" or isinstance(value, Ciphertext):
            return value
        raise UnboundSecret(f"{self.name}: a secret is written by saving its row; here the row is not known.")

    def value_to_string(self, obj: models.Model) -> str:
        """For dumpdata: an export must not hold the clear text either."""
        value: Any = self.value_from_object(obj)
        if not value:
            return ""
        ciphertext = value.ciphertext if isinstance(value, Sealed) else seal(value, self.context_of(obj))
        return EXPORTED + ciphertext

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        if isinstance(value, Sealed):
            return value
        if isinstance(value, str) and value.startswith(EXPORTED):  # else loaddata could not tell it from an export
            raise ValidationError(f"A secret cannot begin with {EXPORTED}", code="invalid_secret")
        return super().clean(value, model_instance)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, Sealed):
            return value
        value = super().to_python(value)
        if isinstance(value, str) and value.startswith(EXPORTED):
            return Sealed(value.removeprefix(EXPORTED), is_imported=True)
        return value

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name == "exact":
            return EmptyOnly
        if lookup_name == "ciphertext":
            return CiphertextIs
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


def open_secret(instance: models.Model, name: str) -> str:
    """The clear text of the encrypted field `name` of a row; "" when none is set.

    Raises Undecryptable when no key in force opens it, and TypeError for a field that is not encrypted.
    """
    field = instance._meta.get_field(name)
    if not isinstance(field, EncryptedTextField):
        raise TypeError(f"{name} is not encrypted.")
    value = getattr(instance, name)
    if not isinstance(value, Sealed):
        return value or ""
    try:
        return unseal(value.ciphertext, field.context_of(instance))
    except Undecryptable:
        raise Undecryptable(
            f"The {name} of {instance} does not decrypt: enter it anew or bring back the key."
        ) from None


def encrypted_fields(model: type[models.Model]) -> list[EncryptedTextField]:
    return [field for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]


def models_with_secrets() -> Iterator[type[models.Model]]:
    """Every installed model that has an encrypted column."""
    return (model for model in apps.get_models(include_auto_created=True) if encrypted_fields(model))


def has_bound_ref(model: type[models.Model]) -> bool:
    """Whether the model has the `secret_ref` that its ciphertexts are bound to."""
    names = {field.name: field for field in model._meta.concrete_fields}
    ref = names.get(REF)
    return isinstance(ref, models.UUIDField) and ref.unique and not ref.null and ref.has_default()
