"""`ssh-keys/`: keys are made, taken, described and put on record; the private part never comes out."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from rest_framework.test import APIClient

from inventory import keys
from inventory.models import Credential
from netmon.audit.models import AuditEvent
from netmon.common.secrets import Sealed, open_secret
from tests import factories, people

pytestmark = pytest.mark.django_db

URL = "/api/v1/ssh-keys/"


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(cast.ada)


@pytest.fixture
def pair() -> keys.KeyPair:
    return keys.generate(type="ed25519", comment="from a file")


def private_key(folder: Path, *arguments: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-C", "ada", *arguments, "-f", str(folder / "key")], check=True, timeout=60)
    return (folder / "key").read_text()


def error(answer: Any, status: int = 400) -> tuple[str, str]:
    """Pointer and code of the first error."""
    body = answer.json()
    assert answer.status_code == status and answer["Content-Type"] == "application/problem+json", body
    return body["errors"][0]["pointer"], body["errors"][0]["code"]


def events() -> list[tuple[str, str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "object_name", "username"))


# --- making and taking ------------------------------------------------------------------------------------------------


def test_a_key_is_made_and_only_its_public_part_shown(admin: APIClient) -> None:
    body = {"name": "backup", "type": "ed25519", "comment": "netmon backup", "username": "backup"}
    answer = admin.post(f"{URL}generate/", body)
    shown = answer.json()
    assert answer.status_code == 201, shown
    row = Credential.objects.get(pk=shown["id"])
    private = open_secret(row, "secret")
    assert (row.kind, row.username) == ("ssh_key", "backup") and "OPENSSH PRIVATE KEY" in private
    assert shown == {
        "id": row.pk, "name": "backup", "username": "backup", "type": "ed25519", "bits": 256,
        "fingerprint": keys.load(private).fingerprint, "fingerprint_md5": keys.load(private).fingerprint_md5,
        "public_key": f"{keys.load(private).public_key} netmon backup", "comment": "netmon backup", "warnings": [],
        "devices_count": 0, "secret_changed_at": shown["secret_changed_at"], "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }  # fmt: skip
    assert shown["secret_changed_at"] and private.splitlines()[1] not in answer.content.decode()
    assert events() == [("create", "backup", "ada")]


def test_rsa_takes_the_bits_that_were_asked_for(admin: APIClient) -> None:
    shown = admin.post(f"{URL}generate/", {"name": "r", "type": "rsa", "bits": 3072}).json()
    assert (shown["type"], shown["bits"]) == ("rsa", 3072)


@pytest.mark.parametrize(
    ("over", "pointer"),
    [
        ({"type": "dsa"}, "/type"),
        ({"type": None}, "/type"),
        ({"bits": 2048, "type": "rsa"}, "/bits"),
        ({"bits": 4097, "type": "rsa"}, "/bits"),
        ({"bits": 10**9, "type": "rsa"}, "/bits"),
        ({"bits": 4096}, "/bits"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"comment": "two\nlines"}, "/comment"),
        ({"comment": "c" * 256}, "/comment"),
        ({"passphrase": "would protect nothing"}, "/passphrase"),
        ({"private_key": "x"}, "/private_key"),
    ],
    ids=str,
)
def test_a_wrong_wish_is_refused_by_name(over: dict[str, Any], pointer: str, admin: APIClient) -> None:
    answer = admin.post(f"{URL}generate/", {"name": "k", "type": "ed25519", **over}, format="json")
    assert error(answer)[0] == pointer
    assert not Credential.objects.exists() and not events()


def test_a_name_is_unique_among_all_credentials(admin: APIClient) -> None:
    factories.make_credential(name="taken")
    assert error(admin.post(f"{URL}generate/", {"name": "taken", "type": "ed25519"}), 409)[0] == "/name"


@pytest.mark.parametrize("passphrase", ["", "of the file"])
def test_a_pasted_key_is_kept_without_its_passphrase(passphrase: str, admin: APIClient, tmp_path: Path) -> None:
    text = private_key(tmp_path, "-t", "ed25519", "-N", passphrase)
    body = {"name": "pasted", "private_key": text.replace("\n", "\r\n"), "passphrase": passphrase}
    answer = admin.post(f"{URL}import/", body, format="json")
    assert answer.status_code == 201, answer.json()
    row = Credential.objects.get()
    public = (tmp_path / "key.pub").read_text().split()
    assert row.public_key.split()[:2] == public[:2] and row.priv_secret == ""
    assert keys.load(open_secret(row, "secret")).fingerprint == answer.json()["fingerprint"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM inventory_credential")
        stored = repr(cursor.fetchall())
    assert text.splitlines()[2] not in stored and (not passphrase or passphrase not in stored)


def test_a_key_comes_as_a_file(admin: APIClient, pair: keys.KeyPair) -> None:
    file = SimpleUploadedFile("id_ed25519", pair.private.encode())
    answer = admin.post(f"{URL}import-file/", {"name": "file", "file": file, "passphrase": ""}, format="multipart")
    assert answer.status_code == 201, answer.json()
    assert answer.json()["fingerprint"] == pair.fingerprint
    assert events() == [("create", "file", "ada")]


def test_the_same_key_is_refused_the_second_time_naming_the_first(admin: APIClient, pair: keys.KeyPair) -> None:
    admin.post(f"{URL}import/", {"name": "first", "private_key": str(pair.private)}, format="json")
    again = admin.post(f"{URL}import/", {"name": "second", "private_key": str(pair.private)}, format="json")
    assert error(again, 409) == ("/private_key", "unique") and "as first" in again.json()["detail"]
    file = SimpleUploadedFile("k", pair.private.encode())
    again = admin.post(f"{URL}import-file/", {"name": "third", "file": file}, format="multipart")
    assert error(again, 409) == ("/file", "unique")
    body = {"name": "fourth", "kind": "ssh_key", "secret": str(pair.private)}
    assert error(admin.post("/api/v1/credentials/", body, format="json"), 409) == ("/secret", "unique")
    assert Credential.objects.count() == 1


def test_a_refused_key_is_explained_and_not_repeated(
    admin: APIClient, pair: keys.KeyPair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    locked = private_key(tmp_path, "-t", "ed25519", "-N", "secret words")
    tries = [
        ({"private_key": "hello"}, "/private_key", "invalid_key"),
        ({"private_key": pair.public_key}, "/private_key", "invalid_key"),
        ({"private_key": "x" * 20_000}, "/private_key", "max_length"),
        ({"private_key": ""}, "/private_key", "blank"),
        ({}, "/private_key", "required"),
        ({"private_key": locked}, "/passphrase", "passphrase_missing"),
        ({"private_key": locked, "passphrase": "wrong words"}, "/passphrase", "passphrase_wrong"),
        ({"private_key": "PuTTY-User-Key-File-3: x"}, "/private_key", "unsupported_key"),
    ]
    for body, pointer, code in tries:
        answer = admin.post(f"{URL}import/", {"name": "k", **body}, format="json")
        assert error(answer) == (pointer, code)
        assert locked.splitlines()[2] not in answer.content.decode() and "wrong words" not in answer.content.decode()
    assert "wrong words" not in caplog.text and not Credential.objects.exists()
    file = SimpleUploadedFile("big", b"x" * 16_385)
    assert error(admin.post(f"{URL}import-file/", {"name": "k", "file": file}, format="multipart"))[0] == "/file"
    file = SimpleUploadedFile("empty", b"")
    assert error(admin.post(f"{URL}import-file/", {"name": "k", "file": file}, format="multipart"))[0] == "/file"


# --- reading ----------------------------------------------------------------------------------------------------------


def test_operators_read_and_admins_write(cast: people.Cast, _clean_cache: None) -> None:
    key = factories.make_ssh_key(name="shared")
    omar, vera = people.client_for(cast.omar), people.client_for(cast.vera)
    for path in ("", f"{key.pk}/", f"{key.pk}/public/", f"{key.pk}/devices/"):
        assert omar.get(URL + path).status_code == 200, path
        assert vera.get(URL + path).status_code == 403, path
    for method, path in [
        ("post", "generate/"), ("post", "import/"), ("patch", f"{key.pk}/"), ("delete", f"{key.pk}/"),
    ]:  # fmt: skip
        assert getattr(omar, method)(URL + path, {}).status_code == 403, (method, path)
    file = SimpleUploadedFile("k", b"x")
    assert omar.post(f"{URL}import-file/", {"file": file}, format="multipart").status_code == 403


def test_only_keys_are_listed_and_they_are_found_by_fingerprint(admin: APIClient) -> None:
    factories.make_credential(name="community")
    first, _ = factories.make_ssh_key(name="a"), factories.make_ssh_key(name="b")
    assert [row["name"] for row in admin.get(URL).json()["results"]] == ["a", "b"]
    assert admin.get(URL, {"fingerprint": first.fingerprint}).json()["count"] == 1
    assert admin.get(URL, {"type": "rsa"}).json()["count"] == 0
    community = Credential.objects.get(name="community")
    assert admin.get(f"{URL}{community.pk}/").status_code == 404
    assert admin.get(f"{URL}{community.pk}/public/").status_code == 404


def test_the_public_part_is_a_file_and_its_download_is_on_record(admin: APIClient) -> None:
    key = factories.make_ssh_key(name='../we"ird\nÜ name', comment="c")
    for accept in ("text/plain", "application/json", "*/*"):
        answer = admin.get(f"{URL}{key.pk}/public/", HTTP_ACCEPT=accept)
        assert answer.status_code == 200 and answer["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.content.decode() == f"{key.public_key}\n"
        assert answer["Content-Disposition"] == 'attachment; filename="we_ird_name.pub"'
    assert [row[0] for row in events()][-3:] == ["download"] * 3


def test_devices_are_counted_and_listed_once_and_only_the_visible(
    admin: APIClient, cast: people.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = factories.make_ssh_key()
    seen = factories.make_flat(name="seen", ip="10.1.2.3")
    factories.make_endpoint(seen, protocol="ssh", credential=key)
    factories.make_endpoint(seen, protocol="ssh", port=2222, credential=key)
    tenant = factories.make_tenant()
    hidden = factories.make_device(name="other", tenant=tenant)
    factories.make_endpoint(hidden, protocol="ssh", credential=key)
    assert admin.get(f"{URL}{key.pk}/").json()["devices_count"] == 2
    body = admin.get(f"{URL}{key.pk}/devices/").json()
    assert body["count"] == 2 and [row["name"] for row in body["results"]] == ["other", "seen"]
    assert body["results"][1] == {
        "id": seen.pk, "name": "seen", "kind": "router", "status": "active", "ip": "10.1.2.3"
    }  # fmt: skip
    assert len(admin.get(f"{URL}{key.pk}/devices/?limit=1").json()["results"]) == 1
    tenant.members.add(cast.omar)
    monkeypatch.setattr(Credential.objects, "visible_to", lambda user: Credential.objects.all(), raising=False)
    bound = people.client_for(cast.omar)
    assert bound.get(f"{URL}{key.pk}/").json()["devices_count"] == 1
    assert [row["name"] for row in bound.get(f"{URL}{key.pk}/devices/").json()["results"]] == ["other"]


def test_no_answer_holds_the_private_key(admin: APIClient, pair: keys.KeyPair) -> None:
    admin.post(f"{URL}import/", {"name": "k", "private_key": str(pair.private)}, format="json")
    pk = Credential.objects.get().pk
    lines = [line for line in pair.private.splitlines()[3:-1] if len(line) > 20]
    pages = [URL, f"{URL}{pk}/", f"{URL}{pk}/public/", f"{URL}{pk}/devices/", f"/api/v1/credentials/{pk}/"]
    pages += [f"/admin/inventory/credential/{pk}/change/", "/admin/inventory/credential/"]
    for page in pages:
        for accept in ("application/json", "text/html"):
            text = admin.get(page, HTTP_ACCEPT=accept).content.decode()
            assert not [line for line in lines if line in text], page
    assert not [line for line in lines if line in repr(list(AuditEvent.objects.values()))]


# --- changing and deleting --------------------------------------------------------------------------------------------


def test_a_new_comment_goes_into_the_public_line(admin: APIClient) -> None:
    key = factories.make_ssh_key(name="old", comment="old")
    before = open_secret(key, "secret")
    body = {"name": "new", "comment": "new words", "username": "root"}
    shown = admin.patch(f"{URL}{key.pk}/", body).json()
    assert (shown["name"], shown["comment"], shown["username"]) == ("new", "new words", "root")
    assert shown["public_key"].split(" ", 2)[2] == "new words"
    key.refresh_from_db()
    assert open_secret(key, "secret") == before
    event = AuditEvent.objects.get(action="update")
    assert event.after["name"] == "new" and event.before["name"] == "old"
    assert error(admin.patch(f"{URL}{key.pk}/", {"comment": "a\nb"}))[0] == "/comment"
    assert error(admin.patch(f"{URL}{key.pk}/", {"private_key": "x"}))[0] == "/private_key"
    assert admin.put(f"{URL}{key.pk}/", body).status_code == 405


def test_a_key_in_use_stays_and_says_who_uses_it(admin: APIClient) -> None:
    key = factories.make_ssh_key(name="k")
    device = factories.make_device(name="core-1")
    endpoint = factories.make_endpoint(device, protocol="ssh", credential=key)
    answer = admin.delete(f"{URL}{key.pk}/")
    assert answer.status_code == 409 and answer.json()["code"] == "in_use" and "core-1" in answer.json()["detail"]
    endpoint.delete()
    assert admin.delete(f"{URL}{key.pk}/").status_code == 204
    assert [row[:2] for row in events()] == [("create", "k"), ("delete", "k")]


# --- the same through credentials/ and the admin site -----------------------------------------------------------------


def test_a_key_pasted_as_a_credential_is_read_too(admin: APIClient, tmp_path: Path) -> None:
    text = private_key(tmp_path, "-t", "ecdsa", "-m", "PKCS8", "-N", "pass words")
    body = {"name": "c", "kind": "ssh_key", "secret": text, "username": "root"}
    assert error(admin.post("/api/v1/credentials/", body, format="json")) == ("/priv_secret", "passphrase_missing")
    answer = admin.post("/api/v1/credentials/", {**body, "priv_secret": "pass words"}, format="json")
    shown = answer.json()
    assert answer.status_code == 201, shown
    assert shown["fingerprint"].startswith("SHA256:") and shown["public_key"].startswith("ecdsa-sha2-nistp256 ")
    assert shown["priv_secret_set"] is False, "the passphrase is not kept"
    assert admin.get(f"{URL}{shown['id']}/").json()["type"] == "ecdsa"
    other = keys.generate(type="ed25519")
    url = f"/api/v1/credentials/{shown['id']}/"
    assert error(admin.patch(url, {"public_key": other.public_key}, format="json"))[0] == "/public_key"
    assert error(admin.patch(url, {"secret": "no key"}, format="json")) == ("/secret", "invalid_key")
    both = {"secret": str(other.private), "public_key": shown["public_key"]}
    assert error(admin.patch(url, both, format="json"))[0] == "/public_key"
    changed = admin.patch(url, {"secret": str(other.private)}, format="json").json()
    assert changed["fingerprint"] == other.fingerprint and changed["public_key"].startswith(other.public_key.strip())
    renamed = admin.patch(url, {"name": "renamed", "comment": "c"}, format="json")
    assert renamed.status_code == 200 and renamed.json()["fingerprint"] == other.fingerprint
    assert renamed.json()["public_key"].endswith(" c")
    assert renamed.json()["secret_changed_at"] == changed["secret_changed_at"] != shown["secret_changed_at"]


def test_a_credential_that_becomes_or_ceases_to_be_a_key(admin: APIClient, pair: keys.KeyPair) -> None:
    row = factories.make_credential(kind="password", username="u", secret="a password")
    url = f"/api/v1/credentials/{row.pk}/"
    assert error(admin.patch(url, {"kind": "ssh_key"}, format="json"))[0] == "/secret"
    body = {"kind": "ssh_key", "secret": str(pair.private)}
    assert admin.patch(url, body, format="json").json()["fingerprint"] == pair.fingerprint
    back = admin.patch(url, {"kind": "password", "secret": "again"}, format="json").json()
    assert (back["fingerprint"], back["public_key"]) == ("", "")
    row.refresh_from_db()
    assert (row.key_type, row.key_bits, open_secret(row, "secret")) == ("", None, "again")


def test_the_admin_form_reads_a_pasted_key_and_shows_its_public_part(
    admin: APIClient, pair: keys.KeyPair, tmp_path: Path
) -> None:
    data = {"name": "by form", "kind": "ssh_key", "username": "", "secret": "", "priv_secret": "", "comment": ""}
    data |= {"auth_protocol": "", "priv_protocol": "", "device": "", "private_key": str(pair.private)}
    wrong = admin.post("/admin/inventory/credential/add/", {**data, "private_key": pair.private[:-40]})
    assert wrong.status_code == 200 and "end is missing" in wrong.content.decode()
    assert pair.private.splitlines()[3] not in wrong.content.decode(), "a refused form does not give it back"
    assert admin.post("/admin/inventory/credential/add/", data).status_code == 302
    row = Credential.objects.get(name="by form")
    assert (row.fingerprint, row.key_type, row.comment) == (pair.fingerprint, "ed25519", "")
    page = admin.get(f"/admin/inventory/credential/{row.pk}/change/").content.decode()
    assert row.fingerprint in page.replace("&#x2B;", "+") and row.public_key.split()[1] in page.replace("&#x2B;", "+")
    one_line = pair.private.replace("\n", "")  # what a single-line box makes of it
    other = {**data, "name": "again", "private_key": "", "secret": one_line}
    again = admin.post("/admin/inventory/credential/add/", other)
    assert again.status_code == 200 and "in netmon already, as by form" in again.content.decode()
    edit = {**data, "name": "renamed", "private_key": "", "comment": "c"}
    assert admin.post(f"/admin/inventory/credential/{row.pk}/change/", edit).status_code == 302
    row.refresh_from_db()
    assert (row.name, row.comment) == ("renamed", "c") and row.public_key.endswith(" c")
    assert isinstance(row.secret, Sealed) and keys.load(open_secret(row, "secret")).fingerprint == pair.fingerprint
    gone = {**edit, "kind": "password", "secret": "word"}
    assert admin.post(f"/admin/inventory/credential/{row.pk}/change/", gone).status_code == 302
    row.refresh_from_db()
    assert (row.fingerprint, row.key_type, row.key_bits, row.public_key) == ("", "", None, "")


# --- many at once


def test_many_keys_are_made_brought_in_renamed_and_deleted(admin: APIClient, pair: keys.KeyPair) -> None:
    items = [{"name": "made", "type": "ed25519"}, {"name": "taken", "private_key": pair.private, "username": "root"}]
    answer = admin.post(f"{URL}bulk/", items, format="json")
    assert answer.status_code == 201, answer.json()
    made, taken = answer.json()
    assert (made["name"], made["type"], taken["fingerprint"]) == ("made", "ed25519", pair.fingerprint)
    assert "PRIVATE" not in answer.content.decode()
    changes = [{"id": made["id"], "comment": "first"}, {"id": taken["id"], "name": "brought"}]
    answer = admin.patch(f"{URL}bulk/", changes, format="json")
    assert [row["name"] for row in answer.json()] == ["made", "brought"]
    assert answer.json()[0]["public_key"].endswith(" first")
    assert admin.delete(f"{URL}bulk/", [made["id"], taken["id"]], format="json").status_code == 204
    assert not Credential.objects.exists()
    assert [action for action, _, _ in events()] == ["create", "create", "update", "update", "delete", "delete"]


def test_errors_of_many_name_the_item_and_nothing_is_kept(admin: APIClient, pair: keys.KeyPair) -> None:
    wrong = [
        {"name": "a", "type": "ed25519"},
        {"name": "b"},
        {"name": "c", "private_key": "no key"},
        {"name": "d", "type": "rsa"},
        {"name": "e", "type": "ed25519", "passphrase": "word"},
        {"name": "f", "type": "ed25519", "private_key": pair.private},
        {"type": "ed25519"},
        {"name": "a", "type": "ed25519"},
    ]
    answer = admin.post(f"{URL}bulk/", wrong, format="json")
    assert answer.status_code in (400, 409) and answer.json()["code"] == "bulk_failed"
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "/1", "/2/private_key", "/3/bits", "/4/passphrase", "/5/private_key", "/6/name", "/7/name",
    ]  # fmt: skip
    assert not Credential.objects.exists()
    answer = admin.post(f"{URL}bulk/?atomic=false", wrong, format="json")
    assert [row["status"] for row in answer.json()["results"]][:2] == [201, 400] and Credential.objects.count() == 1


def test_a_key_in_use_stops_a_deletion_of_many(admin: APIClient) -> None:
    used, free = factories.make_ssh_key(name="used"), factories.make_ssh_key(name="free")
    factories.make_endpoint(factories.make_flat(), protocol="ssh", credential=used)
    answer = admin.delete(f"{URL}bulk/", [free.pk, used.pk], format="json")
    assert answer.status_code == 409 and answer.json()["errors"][0]["pointer"] == "/1"
    assert Credential.objects.filter(kind="ssh_key").count() == 2
