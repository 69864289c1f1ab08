"""Gives every credential its secret_ref and binds its secrets to it. Here, and only here, plain Fernet is read."""

import sys
import uuid

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import migrations

from netmon.common.secrets import Ciphertext, Undecryptable, seal, unseal

COLUMNS = ("secret", "priv_secret")
BATCH = 200


def _rows(model, alias):
    last = 0
    while rows := list(
        model.objects.using(alias).filter(pk__gt=last).order_by("pk").only("pk", "name", "secret_ref", *COLUMNS)[:BATCH]
    ):
        yield from rows
        last = rows[-1].pk


def _context(model, column, ref):
    return f"{model._meta.db_table}.{column}:{ref}"


def bind(apps, schema_editor):
    model, alias = apps.get_model("inventory", "Credential"), schema_editor.connection.alias
    plain = MultiFernet([Fernet(key) for key in settings.FERNET_KEYS])
    lost = []
    for row in _rows(model, alias):
        values = {"secret_ref": row.secret_ref or uuid.uuid4()}
        for column in COLUMNS:
            sealed = getattr(row, column)
            if not sealed or sealed.ciphertext.startswith("v1:"):
                continue
            try:
                text = plain.decrypt(sealed.ciphertext.encode()).decode()
            except InvalidToken:
                lost.append(f"{column} of {row.name!r} (number {row.pk})")
                continue
            values[column] = seal(text, _context(model, column, values["secret_ref"]))
        model.objects.using(alias).filter(pk=row.pk).update(**values)
    if lost:
        print(
            f"\nThese secrets do not decrypt and stay as they are: {', '.join(lost)}.\n"
            "Enter them anew; or bring back their key and run "
            f"`manage.py migrate inventory {Migration.dependencies[0][1]}` and `manage.py migrate`.",
            file=sys.stderr,
        )


def unbind(apps, schema_editor):
    model, alias = apps.get_model("inventory", "Credential"), schema_editor.connection.alias
    first = Fernet(settings.FERNET_KEYS[0])
    for row in _rows(model, alias):
        values = {}
        for column in COLUMNS:
            sealed = getattr(row, column)
            try:
                text = unseal(sealed.ciphertext, _context(model, column, row.secret_ref)) if sealed else ""
            except Undecryptable:
                continue
            if text:
                values[column] = Ciphertext(first.encrypt(text.encode()).decode())
        if values:
            model.objects.using(alias).filter(pk=row.pk).update(**values)


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0004_secret_columns'),
    ]

    operations = [
        migrations.RunPython(bind, unbind),
    ]
