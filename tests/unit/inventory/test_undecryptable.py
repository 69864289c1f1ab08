"""A secret whose key is lost: it is told of, breaks nothing around it, and is mended by entering it anew."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from inventory.models import Credential, ManagementEndpoint
from inventory.targets import target_of
from netmon import doctor
from netmon.common.errors import NoCredential
from netmon.common.secrets import open_secret
from tests import factories, people

pytestmark = pytest.mark.django_db


def stored(pk: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM inventory_credential WHERE id = %s", [pk])
        return str(cursor.fetchone()[0])


@pytest.fixture
def lost() -> Credential:
    """The community of a router, written with a key that is gone."""
    device = factories.make_flat(snmp_community="commun1ty")
    credential = Credential.objects.get(device=device)
    text = Fernet(Fernet.generate_key()).encrypt(b"commun1ty").decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inventory_credential SET secret = %s WHERE id = %s", [text, credential.pk])
    return Credential.objects.get(pk=credential.pk)


def test_lists_and_pages_go_on_and_say_that_it_is_set(lost: Credential, cast: people.Cast, _clean_cache: None) -> None:
    client = people.client_for(cast.ada)
    for name in ("devices", "endpoints", "credentials"):
        assert client.get(f"/api/v1/{name}/").status_code == 200
    assert client.get(f"/api/v1/devices/{lost.device_id}/").json()["snmp_community_set"] is True
    assert client.get(f"/api/v1/credentials/{lost.pk}/").json()["secret_set"] is True
    assert client.get(f"/admin/inventory/credential/{lost.pk}/change/").status_code == 200
    assert client.get("/admin/inventory/credential/").status_code == 200
    assert client.get(f"/devices/{lost.device_id}/").status_code == 200


def test_a_poll_names_the_remedy(lost: Credential) -> None:
    endpoint = ManagementEndpoint.objects.get(protocol="snmp")
    with pytest.raises(NoCredential, match="enter it anew or bring back the key"):
        target_of(endpoint)


def test_saving_something_else_keeps_the_ciphertext(lost: Credential, cast: people.Cast, _clean_cache: None) -> None:
    before = stored(lost.pk)
    answer = people.client_for(cast.ada).patch(f"/api/v1/credentials/{lost.pk}/", {"name": "renamed"})
    assert answer.status_code == 200, answer.json()
    assert stored(lost.pk) == before


def test_doctor_finds_it(lost: Credential) -> None:
    assert [finding.state for finding in doctor.encryption()] == ["fail"]


def test_an_export_of_it_can_be_loaded(lost: Credential, tmp_path: Any) -> None:
    before, path = stored(lost.pk), tmp_path / "dump.json"
    call_command("dumpdata", "inventory.credential", output=str(path))
    Credential.objects.update(name="other")
    call_command("loaddata", str(path), verbosity=0)
    assert stored(lost.pk) == before


def test_entering_it_anew_mends_it_by_the_flat_form(lost: Credential, api: APIClient) -> None:
    assert api.patch(f"/api/v1/routers/{lost.device_id}/", {"snmp_community": "new"}).status_code == 200
    lost.refresh_from_db()
    assert open_secret(lost, "secret") == "new"


def test_entering_it_anew_mends_it_by_api_and_admin(lost: Credential, cast: people.Cast, _clean_cache: None) -> None:
    client = people.client_for(cast.ada)
    data = {"name": "renamed", "kind": lost.kind, "username": "", "secret": "", "priv_secret": ""}
    data |= {"auth_protocol": "", "priv_protocol": "", "public_key": "", "device": lost.device_id}
    url, before = f"/admin/inventory/credential/{lost.pk}/change/", stored(lost.pk)
    assert client.post(url, data).status_code == 302
    assert stored(lost.pk) == before
    assert client.post(url, {**data, "secret": "by admin"}).status_code == 302
    lost.refresh_from_db()
    assert open_secret(lost, "secret") == "by admin"
    assert client.patch(f"/api/v1/credentials/{lost.pk}/", {"secret": "by api"}).status_code == 200
    lost.refresh_from_db()
    assert open_secret(lost, "secret") == "by api"


def test_an_exported_secret_is_no_secret_to_enter(cast: people.Cast, _clean_cache: None) -> None:
    body = {"name": "x", "kind": "snmp_community", "secret": "netmon-encrypted:public"}
    answer = people.client_for(cast.ada).post("/api/v1/credentials/", body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/secret"
