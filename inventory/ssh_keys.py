"""The verbs of SSH keys: credentials of kind ssh_key. Each is one transaction, and leaves an event in the record."""

import copy
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory import keys
from inventory.flat import Names
from inventory.models import Credential
from netmon.audit.services import record, snapshot
from netmon.common.errors import InUse
from netmon.common.secrets import Sealed, Undecryptable, open_secret

DERIVED = ("secret", "priv_secret", "public_key", "fingerprint", "key_type", "key_bits", "comment")
NO_KEY: dict[str, Any] = {"public_key": "", "fingerprint": "", "key_type": "", "key_bits": None, "comment": ""}


def complete(credential: Credential) -> None:
    """Read the private key just put on a credential and fill the columns that follow from it.

    The key is kept without its passphrase (the column encrypts it, and what is stored beside it would protect
    nothing); the passphrase is forgotten. Raises ValidationError for `secret`, `priv_secret` and `public_key`.
    """
    if isinstance(credential.secret, Sealed) and credential.fingerprint:
        _check_public_key(credential)
        return
    if isinstance(credential.secret, keys.PrivateText) and credential.fingerprint:
        return
    try:
        text, passphrase = open_secret(credential, "secret"), open_secret(credential, "priv_secret")
    except Undecryptable:
        return  # the row must still be editable
    try:
        pair = keys.load(text, passphrase=passphrase, comment=credential.comment)
    except keys.KeyRefused as error:
        field = "priv_secret" if error.part == "passphrase" else "secret"
        raise ValidationError({field: ValidationError(str(error), code=error.code)}) from None
    _fill(credential, pair)


def forget(credential: Credential) -> None:
    """Empty the columns of an SSH key on a credential that is one no more."""
    for name, value in NO_KEY.items():
        setattr(credential, name, value)


def _fill(credential: Credential, pair: keys.KeyPair) -> None:
    twins = Credential.objects.filter(kind=Credential.Kind.SSH_KEY, fingerprint=pair.fingerprint)
    if twin := twins.exclude(pk=credential.pk).first():
        text = f"This key is in netmon already, as {twin}: use that one."
        raise ValidationError({"secret": ValidationError(text, code="unique")})
    credential.secret, credential.priv_secret = pair.private, ""
    credential.public_key, credential.fingerprint = pair.public_key, pair.fingerprint
    credential.key_type, credential.key_bits, credential.comment = pair.type, pair.bits, pair.comment


def _check_public_key(credential: Credential) -> None:
    try:
        is_own = keys.fingerprint_of(credential.public_key) == credential.fingerprint
    except keys.KeyRefused as error:
        raise ValidationError({"public_key": ValidationError(str(error), code=error.code)}) from None
    if not is_own:
        raise ValidationError({"public_key": "Not the public part of the private key that is stored: leave it out."})
    credential.comment = keys.clean_comment(credential.comment)
    credential.public_key = keys.with_comment(credential.public_key, credential.comment)


def completed(values: dict[str, Any], credential: Credential | None) -> dict[str, Any]:
    """`values` for a credential (None: a new one), with all that follows from an SSH key among them.

    Raises ValidationError.
    """
    draft = copy.copy(credential) if credential else Credential()
    was_key = bool(credential) and draft.kind == Credential.Kind.SSH_KEY
    for name in ("kind", "secret", "priv_secret", "public_key", "comment"):  # no relation: the copy shares its cache
        if name in values:
            setattr(draft, name, values[name])
    if draft.kind != Credential.Kind.SSH_KEY:
        return {**values, **NO_KEY} if was_key else values
    if not draft.secret:
        return values
    if not values.get("secret") and not was_key:
        raise ValidationError({"secret": "Send the private key in the same request."})
    if values.get("secret"):
        draft.fingerprint = ""
        if "priv_secret" not in values:
            draft.priv_secret = ""
    complete(draft)
    given = values.get("public_key")
    if given and _other_key(given, draft.fingerprint):
        raise ValidationError({"public_key": "Not the public part of this private key: leave it out."})
    derived = {name: getattr(draft, name) for name in DERIVED}
    return {**values, **{name: value for name, value in derived.items() if value != getattr(credential, name, None)}}


def _other_key(public_key: str, fingerprint: str) -> bool:
    try:
        return keys.fingerprint_of(public_key) != fingerprint
    except keys.KeyRefused:
        return True


def generate_key(*, name: str, type: str, bits: int | None = None, comment: str = "", username: str = "") -> Credential:
    """Make a key pair and keep it. Raises ValidationError with the API's field names."""
    try:
        pair = keys.generate(type=type, bits=bits, comment=comment)
    except ValueError as error:
        field, _, text = str(error).partition(": ")
        raise ValidationError({field: text[:1].upper() + text[1:] + "."}) from None
    return _keep(pair, name=name, username=username, detail=f"generated, {pair.type} {pair.bits}", key_field="type")


def import_key(
    *,
    name: str,
    data: str | bytes,
    passphrase: str = "",
    comment: str = "",
    username: str = "",
    key_field: str = "private_key",
) -> Credential:
    """Read a private key and keep it. Raises ValidationError; what is wrong with the key stands under `key_field`."""
    try:
        pair = keys.load(data, passphrase=passphrase, comment=comment)
    except keys.KeyRefused as error:
        field = "passphrase" if error.part == "passphrase" else key_field
        raise ValidationError({field: ValidationError(str(error), code=error.code)}) from None
    return _keep(pair, name=name, username=username, detail=f"imported, {pair.type} {pair.bits}", key_field=key_field)


@transaction.atomic  # reading or making a key takes seconds at worst: that is over when the transaction begins
def _keep(pair: keys.KeyPair, *, name: str, username: str, detail: str, key_field: str) -> Credential:
    credential = Credential(name=name, kind=Credential.Kind.SSH_KEY, username=username)
    credential.secret_changed_at = timezone.now()
    try:
        _fill(credential, pair)
        credential.full_clean()
    except ValidationError as error:
        own = {"name": "name", "username": "username", "comment": "comment"}
        raise Names(own, key_field).translate(error) from None
    credential.save()
    record("create", credential, after=snapshot(credential), detail=detail)
    return credential


@transaction.atomic
def update_key(credential: Credential, *, fields: dict[str, str]) -> Credential:
    """Change name, user name or comment; the public line follows the comment. Raises ValidationError."""
    credential = Credential.objects.select_for_update().get(pk=credential.pk)
    before = snapshot(credential)
    for name, value in fields.items():
        setattr(credential, name, value)
    credential.full_clean()
    credential.save()
    record("update", credential, before=before, after=snapshot(credential))
    return credential


@transaction.atomic
def delete_key(credential: Credential) -> None:
    """Delete a key. Raises InUse while an endpoint logs in with it."""
    count = credential.endpoints.count()
    if count:
        named = ", ".join(sorted({str(row.device) for row in credential.endpoints.select_related("device")[:5]}))
        raise InUse(f"{count} endpoints log in with this key, those of {named}: give them another login first.")
    before = snapshot(credential)
    record("delete", credential, before=before)
    credential.delete()


def public_file(credential: Credential) -> str:
    """The text of the `.pub` file; the download is put on record."""
    record("download", credential, detail="public key")
    return credential.public_key + "\n"
