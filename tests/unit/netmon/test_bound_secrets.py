"""A stored secret opens in its own row and column only, and shows itself nowhere before it is opened."""

import copy
import json
import pickle
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.models import F
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from inventory.models import Credential
from netmon import checks
from netmon.common import secrets
from netmon.common.fields import EncryptedTextField
from netmon.common.secrets import Sealed, UnboundSecret, Undecryptable, key_id, open_secret, seal, unseal
from tests import factories

pytestmark = pytest.mark.django_db

CLEAR = "commun1ty-secret"


def stored(pk: int, column: str = "secret") -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM inventory_credential WHERE id = %s", [pk])
        return str(cursor.fetchone()[0])


def put(pk: int, text: str, column: str = "secret") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE inventory_credential SET {column} = %s WHERE id = %s", [text, pk])


def fresh(row: Credential) -> Credential:
    return Credential.objects.get(pk=row.pk)


@pytest.fixture
def row() -> Credential:
    return fresh(factories.make_credential(secret=CLEAR, priv_secret="another-secret"))


# --- where it opens ---------------------------------------------------------------------------------------------------


def test_it_opens_in_its_own_row_and_column(row: Credential, settings: Any) -> None:
    assert open_secret(row, "secret") == CLEAR and open_secret(row, "priv_secret") == "another-secret"
    version, name, token = stored(row.pk).split(":")
    assert version == "v1" and name == key_id(settings.FERNET_KEYS[0]) and token.startswith("gAAAA")


def test_moved_to_another_row_it_does_not_open(row: Credential) -> None:
    thief = factories.make_credential(secret="x")
    put(thief.pk, stored(row.pk))
    with pytest.raises(Undecryptable, match="enter it anew or bring back the key"):
        open_secret(fresh(thief), "secret")


def test_moved_to_another_column_it_does_not_open(row: Credential) -> None:
    put(row.pk, stored(row.pk, "priv_secret"))
    with pytest.raises(Undecryptable):
        open_secret(fresh(row), "secret")
    Credential.objects.filter(pk=row.pk).update(priv_secret=F("secret"))
    assert open_secret(fresh(row), "priv_secret") == "another-secret"
    with pytest.raises(Undecryptable):
        open_secret(fresh(row), "secret")


def test_a_ciphertext_of_the_plain_key_is_not_accepted(row: Credential, settings: Any) -> None:
    for text in (Fernet(settings.FERNET_KEYS[0]).encrypt(b"moved").decode(), "clear text", "v1:00000000:gAAAA", "v1::"):
        put(row.pk, text)
        with pytest.raises(Undecryptable):
            open_secret(fresh(row), "secret")


@given(st.text(min_size=1), st.text(max_size=40), st.text(max_size=40))
def test_only_the_context_it_was_sealed_for_opens_it(text: str, context: str, other: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    context, other = (value.encode("utf-8", "ignore").decode() for value in (context, other))
    sealed = seal(text, context)
    assert unseal(sealed, context) == text
    if other != context:
        with pytest.raises(Undecryptable):
            unseal(sealed, other)


def test_every_key_opens_and_the_first_one_seals(row: Credential, settings: Any) -> None:
    old = settings.FERNET_KEYS
    settings.FERNET_KEYS = [Fernet.generate_key().decode(), *old]
    assert open_secret(fresh(row), "secret") == CLEAR
    again = fresh(row)
    again.secret = "new"
    again.save()
    assert stored(row.pk).split(":")[1] == key_id(settings.FERNET_KEYS[0])
    assert stored(row.pk, "priv_secret").split(":")[1] == key_id(old[0])
    settings.FERNET_KEYS = old
    with pytest.raises(Undecryptable):
        open_secret(fresh(row), "secret")


def test_only_encrypted_fields_are_opened(row: Credential) -> None:
    with pytest.raises(TypeError, match="name is not encrypted"):
        open_secret(row, "name")
    assert open_secret(Credential(secret="given"), "secret") == "given"
    assert open_secret(Credential(), "secret") == ""


# --- where it shows ---------------------------------------------------------------------------------------------------


def test_a_loaded_secret_shows_itself_nowhere(row: Credential) -> None:
    sealed = row.secret
    assert isinstance(sealed, Sealed) and sealed
    texts = [str(sealed), repr(sealed), f"{sealed}", f"{sealed:>5}", f"{sealed!r}", repr([sealed])]
    texts += [
        "%s" % (sealed,),  # noqa: UP031
        str(row.__dict__),
        repr(vars(row)),
    ]
    for text in texts:
        assert "***" in text and CLEAR not in text and stored(row.pk) not in text
    assert CLEAR not in repr(vars(row)) and not hasattr(sealed, "__dict__")


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, orjson.dumps], ids=["pickle", "json", "orjson"])
def test_a_loaded_secret_cannot_be_written_down(write: Callable[[Any], Any], row: Credential) -> None:
    with pytest.raises(TypeError):
        write(row.secret)
    with pytest.raises(TypeError):
        write({"row": row.secret})


def test_a_row_with_a_secret_is_not_pickled_but_copied(row: Credential) -> None:
    with pytest.raises(TypeError, match="refuses to be pickled"):
        pickle.dumps(row)
    for twin in (copy.copy(row), copy.deepcopy(row)):
        assert twin.secret is row.secret and open_secret(twin, "secret") == CLEAR


def test_a_saved_row_holds_the_clear_text_no_longer() -> None:
    made = Credential(name="n", kind="snmp_community", secret=CLEAR)
    made.save()
    assert isinstance(made.secret, Sealed) and CLEAR not in repr(vars(made))
    assert open_secret(made, "secret") == CLEAR and made.secret == fresh(made).secret


def test_sealed_ones_are_equal_when_their_ciphertexts_are(row: Credential) -> None:
    assert row.secret == fresh(row).secret and row.secret != row.priv_secret and row.secret != CLEAR
    assert len({row.secret, fresh(row).secret}) == 1


# --- saving -----------------------------------------------------------------------------------------------------------


def test_saving_something_else_leaves_the_column_alone(row: Credential) -> None:
    before = stored(row.pk)
    row.name = "renamed"
    row.save()
    assert stored(row.pk) == before and fresh(row).name == "renamed"


def test_a_stale_copy_overwrites_no_newer_secret(row: Credential) -> None:
    stale, newer = fresh(row), fresh(row)
    newer.secret = "newer"
    newer.save()
    stale.name = "renamed"
    stale.save()
    assert open_secret(fresh(row), "secret") == "newer" and fresh(row).name == "renamed"


def test_a_secret_of_another_row_is_refused(row: Credential) -> None:
    other = fresh(factories.make_credential(secret="of another"))
    before = stored(row.pk)
    row.secret = other.secret
    with pytest.raises(UnboundSecret, match="belongs to another row"), transaction.atomic():
        row.save()
    row.secret = row.priv_secret
    with pytest.raises(UnboundSecret), transaction.atomic():
        row.save()
    assert stored(row.pk) == before
    for made in (
        lambda: Credential.objects.create(name="n", kind="password", secret=other.secret),
        lambda: Credential.objects.bulk_create([Credential(name="n", kind="password", secret=other.secret)]),
        lambda: Credential(pk=row.pk, name="n", kind="password", secret=other.secret).save(),
    ):
        with pytest.raises(UnboundSecret), transaction.atomic():
            made()
    assert not Credential.objects.filter(name="n").exists()
    row.secret = open_secret(other, "secret")
    row.save()
    assert open_secret(fresh(row), "secret") == "of another"


def test_an_earlier_secret_of_the_same_row_may_come_back(row: Credential) -> None:
    earlier = row.secret
    row.secret = "other"
    row.save()
    row.secret = earlier
    row.save()
    assert open_secret(fresh(row), "secret") == CLEAR


def test_reading_a_row_again_and_saving_it_keeps_even_a_broken_secret(row: Credential) -> None:
    put(row.pk, "v1:00000000:lost")
    row.refresh_from_db()
    row.name = "renamed"
    row.save()
    assert stored(row.pk) == "v1:00000000:lost" and fresh(row).name == "renamed"


def test_rows_made_in_bulk_are_bound_each_to_itself() -> None:
    rows = [Credential(name=f"n{n}", kind="password", secret="same") for n in range(5)]
    Credential.objects.bulk_create(rows)
    found = list(Credential.objects.order_by("name"))
    assert [open_secret(row, "secret") for row in found] == ["same"] * 5
    assert len({row.secret for row in found}) == 5 == len({row.secret_ref for row in found})


def test_deferred_and_partly_saved_rows_keep_theirs(row: Credential) -> None:
    part = Credential.objects.defer("secret").get(pk=row.pk)
    part.name = "renamed"
    part.save()
    assert open_secret(part, "secret") == CLEAR
    part.secret = "new"
    part.save(update_fields=["name"])
    assert open_secret(fresh(row), "secret") == CLEAR
    part.save(update_fields=["secret"])
    assert open_secret(fresh(row), "secret") == "new"


def test_emptying_a_secret_needs_no_key(row: Credential) -> None:
    row.priv_secret = ""
    row.save()
    assert stored(row.pk, "priv_secret") == "" == fresh(row).priv_secret


@pytest.mark.parametrize("value", ["clear text", "v1:00000000:gAAAA", 5], ids=str)
def test_an_update_without_the_row_never_stores_clear_text(value: Any, row: Credential) -> None:
    before = stored(row.pk)
    with pytest.raises(UnboundSecret, match="saving its row"), transaction.atomic():
        Credential.objects.update(secret=value)
    row.secret = value
    with pytest.raises(UnboundSecret), transaction.atomic():
        Credential.objects.bulk_update([row], ["secret"])
    other = factories.make_credential()
    with pytest.raises(UnboundSecret), transaction.atomic():
        Credential.objects.update(secret=other.secret)
    assert stored(row.pk) == before and open_secret(fresh(other), "secret") == "public"
    Credential.objects.update(secret="")
    assert stored(row.pk) == ""


def test_what_is_no_text_is_refused(row: Credential) -> None:
    row.secret = 12345  # type: ignore[assignment]
    with pytest.raises(UnboundSecret, match="int given"), transaction.atomic():
        row.save()


def test_lookups_find_whether_one_is_set_and_nothing_else(row: Credential) -> None:
    without = factories.make_credential(kind="password", secret="")
    assert list(Credential.objects.filter(secret="")) == [without]
    assert list(Credential.objects.exclude(secret="")) == [row]
    assert Credential.objects.filter(secret__isnull=False).count() == 2
    assert list(Credential.objects.filter(secret__ciphertext=row.secret)) == [row]
    for lookup in ({"secret": CLEAR}, {"secret": row.secret}, {"secret__ciphertext": stored(row.pk)}):
        with pytest.raises(FieldError):
            Credential.objects.filter(**lookup).exists()
    for name in ("contains", "startswith", "in", "gt", "regex", "iexact"):
        with pytest.raises(FieldError):
            Credential.objects.filter(**{f"secret__{name}": "x"}).exists()


# --- exports ----------------------------------------------------------------------------------------------------------


def test_an_export_is_sealed_and_loads_into_an_empty_table(row: Credential, tmp_path: Path) -> None:
    path, before = tmp_path / "dump.json", stored(row.pk)
    call_command("dumpdata", "inventory.credential", output=str(path))
    text = path.read_text()
    assert CLEAR not in text and before in text and str(row.secret_ref) in text
    Credential.objects.all().delete()
    call_command("loaddata", str(path), verbosity=0)
    assert stored(row.pk) == before and open_secret(fresh(row), "secret") == CLEAR


def test_clear_text_in_a_fixture_is_refused(row: Credential, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    call_command("dumpdata", "inventory.credential", output=str(path))
    document = json.loads(path.read_text())
    document[0]["fields"]["secret"] = "clear text"
    path.write_text(json.dumps(document))
    before = stored(row.pk)
    with pytest.raises(UnboundSecret), transaction.atomic():
        call_command("loaddata", str(path), verbosity=0)
    assert stored(row.pk) == before


# --- the rule for models ----------------------------------------------------------------------------------------------


@isolate_apps("django.contrib.contenttypes")  # an app that registers nothing
def test_a_model_without_secret_ref_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unbound(models.Model):  # noqa: DJ008
        text = EncryptedTextField(blank=True)

        class Meta:
            app_label = "contenttypes"

    class Shared(models.Model):  # noqa: DJ008
        text = EncryptedTextField(blank=True)
        secret_ref = models.UUIDField(default=uuid.uuid4, editable=False)

        class Meta:
            app_label = "contenttypes"

    class Bound(models.Model):  # noqa: DJ008
        text = EncryptedTextField(blank=True)
        secret_ref = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

        class Meta:
            app_label = "contenttypes"

    monkeypatch.setattr(secrets, "models_with_secrets", lambda: iter([Unbound, Shared, Bound]))
    found = checks.bound_secrets(None)
    assert [(message.id, message.msg.split()[0]) for message in found] == [
        ("netmon.E005", "contenttypes.Unbound"),
        ("netmon.E005", "contenttypes.Shared"),
    ]
    assert all(message.hint for message in found)


def test_every_model_of_the_product_passes_the_check() -> None:
    assert Credential in list(secrets.models_with_secrets())
    assert checks.bound_secrets(None) == []


# --- existing installations -------------------------------------------------------------------------------------------


class _Editor:
    connection = connection


def migration_named(suffix: str) -> tuple[str, str]:
    (name,) = [node for node in MigrationLoader(connection).graph.nodes if node[1].endswith(suffix)]
    return name


def binding() -> Any:
    return import_module(f"inventory.migrations.{migration_named('_secret_bind')[1]}")


@pytest.mark.django_db(transaction=True)
def test_an_earlier_installation_is_migrated_with_its_rows(settings: Any) -> None:
    first = MigrationExecutor(connection)
    leaves = first.loader.graph.leaf_nodes()
    parents = first.loader.graph.node_map[migration_named("_secret_columns")].parents
    (before,) = [node.key for node in parents if node.key[0] == "inventory"]
    try:
        first.migrate([before])
        earlier = MigrationExecutor(connection).loader.project_state(before).apps.get_model("inventory", "Credential")
        for n in range(3):
            earlier.objects.create(name=f"c{n}", kind="password")
        token = Fernet(settings.FERNET_KEYS[0]).encrypt(b"from before").decode()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE inventory_credential SET secret = %s WHERE name <> 'c2'", [token])
    finally:
        MigrationExecutor(connection).migrate(leaves)
    rows = list(Credential.objects.order_by("name"))
    assert [open_secret(row, "secret") for row in rows] == ["from before", "from before", ""]
    assert len({row.secret_ref for row in rows}) == 3 and len({stored(row.pk) for row in rows}) == 3
    assert (rows[0].comment, rows[0].key_type, rows[0].key_bits) == ("", "", None)


def test_secrets_of_earlier_versions_are_bound_by_the_migration(
    row: Credential, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    migration = binding()
    older = Fernet.generate_key().decode()
    settings.FERNET_KEYS = [*settings.FERNET_KEYS, older]
    lost = factories.make_credential(name="lost", secret="x")
    put(row.pk, Fernet(settings.FERNET_KEYS[0]).encrypt(b"first").decode())
    put(row.pk, Fernet(older).encrypt(b"second").decode(), "priv_secret")
    broken = Fernet(Fernet.generate_key()).encrypt(b"gone").decode()
    put(lost.pk, broken)
    migration.bind(apps, _Editor)
    assert (open_secret(fresh(row), "secret"), open_secret(fresh(row), "priv_secret")) == ("first", "second")
    assert {stored(row.pk, name).split(":")[1] for name in ("secret", "priv_secret")} == {
        key_id(settings.FERNET_KEYS[0])
    }
    assert stored(lost.pk) == broken
    told = capsys.readouterr().err
    assert (
        "secret of 'lost'" in told
        and f"migrate inventory {migration_named('_secret_columns')[1]}" in told
        and "first" not in told
    )
    once = stored(row.pk)
    migration.bind(apps, _Editor)
    assert stored(row.pk) == once, "what is bound is left alone"


def test_the_migration_goes_back_and_forth(row: Credential, settings: Any) -> None:
    migration = binding()
    migration.unbind(apps, _Editor)
    assert Fernet(settings.FERNET_KEYS[0]).decrypt(stored(row.pk)) == CLEAR.encode()
    migration.bind(apps, _Editor)
    assert open_secret(fresh(row), "secret") == CLEAR
