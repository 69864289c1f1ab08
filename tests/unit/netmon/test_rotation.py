"""`manage.py rotate_secrets`: every secret comes under the first key while it is read and changed, and none is lost."""

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from inventory.models import Credential
from netmon import doctor, rotation
from netmon.audit.models import AuditEvent
from netmon.common.progress import ProgressBar
from netmon.common.secrets import Undecryptable, key_id, open_secret
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def new_key(settings: Any) -> Iterator[str]:
    """A key put before the present one once the rows are made."""
    key = Fernet.generate_key().decode()
    before = settings.FERNET_KEYS
    settings.FERNET_KEYS = list(before)
    yield key
    settings.FERNET_KEYS = before


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("rotate_secrets", "--json", *arguments, stdout=out)
    document = json.loads(out.getvalue())
    document["models"].sort(key=lambda one: one["model"] != "inventory.Credential")
    return int(str(ended.value.code)), document


def credentials(report: rotation.Report) -> rotation.ModelReport:
    return next(one for one in report.models if one.model == "inventory.Credential")


def told(*arguments: str) -> str:
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("rotate_secrets", *arguments, stdout=out)
    return out.getvalue()


def make_many(count: int) -> list[Credential]:
    return Credential.objects.bulk_create(
        [Credential(name=f"c{n}", kind="password", secret=f"secret {n}", priv_secret=f"priv {n}") for n in range(count)]
    )


def test_all_come_under_the_first_key_and_the_old_one_may_go(settings: Any, new_key: str) -> None:
    make_many(25)
    factories.make_credential(kind="password", secret="")
    old = settings.FERNET_KEYS[0]
    settings.FERNET_KEYS = [new_key, old]
    code, document = run("--batch", "10")
    assert code == 0 and document["removable_keys"] == [key_id(old)]
    assert document["models"][0] == {
        "model": "inventory.Credential", "rotated": 50, "current": 0, "changed_meanwhile": 0, "waiting": 0,
        "undecryptable": [],
    }  # fmt: skip
    assert {"jobs.Job", "rest.IdempotentRequest"} < {one["model"] for one in document["models"]}
    assert document["keys"] == {key_id(new_key): 50, key_id(old): 0}
    settings.FERNET_KEYS = [new_key]
    for n, row in enumerate(Credential.objects.exclude(secret="").order_by("pk")):
        assert (open_secret(row, "secret"), open_secret(row, "priv_secret")) == (f"secret {n}", f"priv {n}")
    event = AuditEvent.objects.get()
    assert (event.action, event.object_type, event.via) == ("rotate", "inventory.credential", "command")
    assert event.after == {"rotated": 50}


def test_a_second_run_finds_nothing_to_do(settings: Any, new_key: str) -> None:
    make_many(3)
    settings.FERNET_KEYS = [new_key, *settings.FERNET_KEYS]
    run()
    code, document = run()
    assert code == 0
    assert (document["models"][0]["rotated"], document["models"][0]["current"]) == (0, 6)
    assert AuditEvent.objects.count() == 1


def test_a_dry_run_writes_nothing(settings: Any, new_key: str) -> None:
    make_many(3)
    settings.FERNET_KEYS = [new_key, *settings.FERNET_KEYS]
    before = list(Credential.objects.values_list("secret", "priv_secret"))
    code, document = run("--dry-run")
    assert code == 0 and document["dry_run"] and document["models"][0]["waiting"] == 6
    assert document["removable_keys"] == [] and not AuditEvent.objects.exists()
    assert list(Credential.objects.values_list("secret", "priv_secret")) == before
    assert "6 to do" in told("--dry-run")


def test_an_interrupted_run_goes_on_where_it_stopped(
    settings: Any, new_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_many(30)
    settings.FERNET_KEYS = [new_key, *settings.FERNET_KEYS]
    write, pages = rotation._write, []

    def stop(*arguments: Any) -> None:
        if pages:
            raise KeyboardInterrupt
        pages.append(write(*arguments))

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "_write", stop)
        with pytest.raises(KeyboardInterrupt):
            rotation.rotate(batch=10)
    assert AuditEvent.objects.get().after == {"rotated": 20}
    _, document = run()
    assert (document["models"][0]["rotated"], document["models"][0]["current"]) == (40, 20)


def test_what_does_not_decrypt_is_listed_and_left_alone(settings: Any, new_key: str) -> None:
    rows = make_many(3)
    old = settings.FERNET_KEYS[0]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inventory_credential SET secret = 'lost' WHERE id = %s", [rows[1].pk])
    settings.FERNET_KEYS = [new_key, old]
    code, document = run()
    assert code == 3
    assert document["models"][0]["undecryptable"] == [{"id": rows[1].pk, "fields": ["secret"]}]
    assert document["models"][0]["rotated"] == 5 and document["keys"][""] == 1
    text = told()
    assert f"Credential {rows[1].pk}: secret does not decrypt" in text
    assert f"Key 2 ({key_id(old)}) is no longer used: it may be removed." in text
    assert "A key not in NETMON_FERNET_KEYS" in text and "secret 0" not in text
    found = {finding.state: finding.detail for finding in doctor.encryption()}
    assert found == {"fail": "1 of 6 secrets do not decrypt: credential c1"}


def test_a_key_that_a_lost_value_names_is_not_called_removable(settings: Any, new_key: str) -> None:
    (row,) = make_many(1)
    old = settings.FERNET_KEYS[0]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inventory_credential SET secret = %s WHERE id = %s", [f"v1:{key_id(old)}:x", row.pk])
    settings.FERNET_KEYS = [new_key, old]
    assert run()[1]["removable_keys"] == []


def test_an_edit_between_reading_and_writing_wins(settings: Any, new_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_many(5)
    settings.FERNET_KEYS = [new_key, *settings.FERNET_KEYS]
    write, edited = rotation._write, []

    def edit_first(*arguments: Any) -> None:
        if not edited:
            edited.append(rows[2])
            row = Credential.objects.get(pk=rows[2].pk)
            row.secret = "edited meanwhile"
            row.save()
        write(*arguments)

    monkeypatch.setattr(rotation, "_write", edit_first)
    monkeypatch.setattr(rotation, "PAUSE_SECONDS", 0)
    report = rotation.rotate()
    assert report.is_complete and (credentials(report).rotated, credentials(report).changed) == (9, 1)
    assert credentials(report).current == 0
    assert open_secret(Credential.objects.get(pk=rows[2].pk), "secret") == "edited meanwhile"


def test_doctor_tells_of_older_keys_and_the_command(settings: Any, new_key: str) -> None:
    make_many(2)
    settings.FERNET_KEYS = [new_key, *settings.FERNET_KEYS]
    (finding,) = doctor.encryption()
    assert finding.state == "warn" and finding.detail.startswith("4 of 4") and "rotate_secrets" in finding.remedy
    rotation.rotate()
    (finding,) = doctor.encryption()
    assert (finding.state, finding.detail) == ("ok", "4 secrets decrypt")


@pytest.mark.parametrize("batch", ["0", "-1", "10001"])
def test_a_wrong_batch_is_wrong_usage(batch: str) -> None:
    with pytest.raises(CommandError, match="give 1 to 10000") as error:
        call_command("rotate_secrets", "--batch", batch)
    assert error.value.returncode == 2


def test_the_bar_shows_on_a_terminal_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    make_many(2)
    run()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run()
    text = capsys.readouterr().err
    assert "Rotating [##############################] 2/2" in text and text.endswith("\n")
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    bar = ProgressBar("x", stream)
    bar(0, 0)
    bar.close()
    assert "0/0" in stream.getvalue()


# --- side by side -----------------------------------------------------------------------------------------------------

ROWS = 600


def in_threads(works: list[Callable[[], None]]) -> tuple[list[threading.Thread], list[BaseException]]:
    errors: list[BaseException] = []

    def one(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    return threads, errors


@pytest.mark.django_db(transaction=True)
def test_rotation_while_pollers_read_and_people_edit(settings: Any, new_key: str) -> None:
    """Every read opens to what was written last, every edit survives, and at the end nothing needs the old key."""
    rows = make_many(ROWS)
    old = settings.FERNET_KEYS[0]
    settings.FERNET_KEYS = [new_key, old]
    numbers = {row.pk: n for n, row in enumerate(rows)}
    edited_pks, renamed_pks = [row.pk for row in rows[::20]], [row.pk for row in rows[7::20]]
    stop = threading.Event()
    reads = [0, 0]

    def read(reader: int) -> None:
        while not stop.is_set():
            for row in Credential.objects.order_by("pk" if reader else "-pk").iterator(chunk_size=50):
                text = open_secret(row, "secret")
                assert text in (f"secret {numbers[row.pk]}", f"edited {row.pk}"), row.pk
                assert open_secret(row, "priv_secret") == f"priv {numbers[row.pk]}"
                reads[reader] += 1

    def edit() -> None:
        for pk in edited_pks:
            row = Credential.objects.get(pk=pk)
            row.secret = f"edited {pk}"
            row.save()
            time.sleep(0.002)

    def rename() -> None:
        """Loads a row, lets rotation pass, and saves all of it: the stale ciphertext must not come back."""
        for pk in renamed_pks:
            row = Credential.objects.get(pk=pk)
            time.sleep(0.005)
            row.username = "renamed"
            row.save()

    threads, errors = in_threads([lambda: read(0), lambda: read(1), edit, rename])
    try:
        while not all(reads):
            time.sleep(0.01)
        report = rotation.rotate(batch=50)
        for thread in threads[2:]:
            thread.join(60)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert not errors, errors
    assert credentials(report).rotated >= 2 * ROWS - len(edited_pks) and not credentials(report).undecryptable
    rotation.rotate()
    settings.FERNET_KEYS = [new_key]
    for row in Credential.objects.all():
        n = numbers[row.pk]
        wanted = f"edited {row.pk}" if row.pk in edited_pks else f"secret {n}"
        assert (open_secret(row, "secret"), open_secret(row, "priv_secret")) == (wanted, f"priv {n}")
    assert Credential.objects.filter(username="renamed").count() == len(renamed_pks)


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_left_and_told(
    settings: Any, new_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer: nobody holds a single row")
    rows = make_many(4)
    settings.FERNET_KEYS = [new_key, *settings.FERNET_KEYS]
    monkeypatch.setattr(rotation, "PAUSE_SECONDS", 0)
    reports: list[rotation.Report] = []
    with transaction.atomic():
        Credential.objects.select_for_update().get(pk=rows[1].pk)
        threads, errors = in_threads([lambda: reports.append(rotation.rotate())])
        threads[0].join(30)
        assert not threads[0].is_alive(), "it waits for nobody"
    assert not errors, errors
    assert (credentials(reports[0]).rotated, credentials(reports[0]).waiting) == (6, 2) and not reports[0].is_complete
    assert rotation.rotate().is_complete


def test_without_the_key_nothing_opens(settings: Any, new_key: str) -> None:
    (row,) = make_many(1)
    settings.FERNET_KEYS = [new_key]
    with pytest.raises(Undecryptable, match="The secret of c0 does not decrypt"):
        open_secret(row, "secret")
