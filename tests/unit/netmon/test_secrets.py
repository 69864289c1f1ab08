"""A known secret is in no answer, page, log, message, error page or history."""

import logging
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from inventory.models import Credential
from monitoring.models import Check
from netmon.common.secrets import open_secret
from netmon.jobs.models import Job
from tests import factories, people

pytestmark = pytest.mark.django_db

COMMUNITY, AUTH, PRIV, SSH = "commun1ty-secret", "auth-passphrase-secret", "priv-passphrase-secret", "ssh-word-secret"
SECRETS = (COMMUNITY, AUTH, PRIV, SSH)


@pytest.fixture
def world(cast: people.Cast, _clean_cache: None) -> dict[str, Any]:
    v2 = factories.make_flat(snmp_community=COMMUNITY, ssh_username="root", ssh_password=SSH)
    v3 = factories.make_flat(
        snmp_community=None,
        snmp_username="u",
        snmp_auth_protocol="SHA-256",
        snmp_auth_password=AUTH,
        snmp_priv_protocol="AES",
        snmp_priv_password=PRIV,
    )
    return {"v2": v2, "v3": v3, "cast": cast}


def opened() -> dict[int, tuple[str, str]]:
    return {row.pk: (open_secret(row, "secret"), open_secret(row, "priv_secret")) for row in Credential.objects.all()}


def secrets_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def test_no_api_answer_shows_one(world: dict[str, Any]) -> None:
    client = people.client_for(world["cast"].ada)
    for name in ("devices", "routers", "credentials", "endpoints", "checks", "series", "jobs", "monitoring/overview"):
        for accept in ("application/json", "text/html"):
            text = client.get(f"/api/v1/{name}/", HTTP_ACCEPT=accept).content.decode()
            assert not secrets_in(text), (name, accept)
    for pk in Credential.objects.values_list("pk", flat=True):
        assert not secrets_in(client.get(f"/api/v1/credentials/{pk}/").content.decode())


def test_no_page_of_the_admin_shows_one_and_an_empty_field_keeps_it(world: dict[str, Any]) -> None:
    client = people.client_for(world["cast"].ada)
    pages = ["/admin/inventory/credential/", "/admin/inventory/managementendpoint/", "/admin/inventory/device/"]
    pages += [f"/admin/inventory/credential/{pk}/change/" for pk in Credential.objects.values_list("pk", flat=True)]
    pages += [f"/admin/inventory/device/{world[name].pk}/change/" for name in ("v2", "v3")]
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert not secrets_in(answer.content.decode()), page
    credential = Credential.objects.get(kind="snmp_community")
    data = {"name": "renamed", "kind": credential.kind, "username": "", "secret": "", "priv_secret": ""}
    data |= {"auth_protocol": "", "priv_protocol": "", "public_key": "", "device": credential.device_id}
    answer = client.post(f"/admin/inventory/credential/{credential.pk}/change/", data)
    assert answer.status_code == 302, answer.content
    credential.refresh_from_db()
    assert (credential.name, open_secret(credential, "secret")) == ("renamed", COMMUNITY)
    assert not secrets_in(client.get(f"/admin/inventory/credential/{credential.pk}/history/").content.decode())


def test_a_refused_request_does_not_repeat_one(world: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    client = people.client_for(world["cast"].omar)
    with caplog.at_level(logging.DEBUG):
        body = {"name": "x", "ip": "nowhere", "snmp_community": COMMUNITY, "ssh_password": SSH, "snmp_port": 0}
        text = client.post("/api/v1/routers/", body).content.decode()
        body = {"name": "x", "ip": "10.0.0.1", "snmp_username": "u", "snmp_auth_password": AUTH, "snmp_version": "2c"}
        text += client.post("/api/v1/routers/", body).content.decode()
    assert not secrets_in(text)
    assert not secrets_in("\n".join(record.getMessage() for record in caplog.records))


def test_what_goes_to_the_broker_is_ids(world: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import current_app

    from monitoring.services import scheduling

    sent: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda *args, **kwargs: sent.append(repr((args, kwargs))))
    Check.objects.update(next_run_at="2020-01-01T00:00:00Z")
    from django.test import TestCase

    with TestCase.captureOnCommitCallbacks(execute=True):
        scheduling.dispatch()
    assert sent and not secrets_in("\n".join(sent))
    assert not Job.objects.exists()


def test_the_database_holds_no_clear_text(world: dict[str, Any], tmp_path: Any) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT * FROM inventory_credential")
        assert not secrets_in(repr(cursor.fetchall()))


def test_an_export_holds_none_and_can_be_loaded(world: dict[str, Any], tmp_path: Any) -> None:
    path = tmp_path / "dump.json"
    call_command("dumpdata", "inventory.credential", output=str(path))
    assert not secrets_in(path.read_text())
    before = opened()
    call_command("loaddata", str(path), verbosity=0)
    assert opened() == before


def test_viewers_do_not_even_see_the_list(world: dict[str, Any]) -> None:
    assert people.client_for(world["cast"].vera).get("/api/v1/credentials/").status_code == 403
    assert people.client_for(world["cast"].omar).post("/api/v1/credentials/", {}).status_code == 403


def test_a_shared_credential_is_not_changed_through_one_device(world: dict[str, Any]) -> None:
    shared = factories.make_credential(secret="shared-secret")
    endpoint = world["v2"].endpoints.get(protocol="snmp")
    endpoint.credential = shared
    endpoint.save()
    client = people.client_for(world["cast"].omar)
    assert client.patch(f"/api/v1/routers/{world['v2'].pk}/", {"snmp_community": "mine"}).status_code == 200
    shared.refresh_from_db()
    assert open_secret(shared, "secret") == "shared-secret"
    endpoint.refresh_from_db()
    assert endpoint.credential_id != shared.pk and open_secret(endpoint.credential, "secret") == "mine"


def test_check_command_passes(world: dict[str, Any]) -> None:
    call_command("check")
