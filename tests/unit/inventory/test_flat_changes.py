"""Changes through the flat form: what is not asked for stays, and an answer may be sent back."""

from typing import Any

import pytest
from django.forms.models import model_to_dict
from rest_framework.test import APIClient

from inventory.models import Credential, Device, IPAddress, ManagementEndpoint
from netmon.common.secrets import open_secret
from tests import factories, people

pytestmark = pytest.mark.django_db

V3 = {"snmp_version": "3", "snmp_username": "u", "snmp_auth_password": "auth pass 123"}


def plain() -> Device:
    return factories.make_flat()


def no_address() -> Device:
    return factories.make_device()


def v3_without_auth() -> Device:
    return factories.make_flat(snmp_community=None, snmp_username="monitor")


def v3_with_all() -> Device:
    return factories.make_flat(snmp_community=None, **V3, snmp_priv_password="priv pass 123")


def shared(**over: Any) -> Device:
    device = factories.make_flat()
    device.endpoints.filter(protocol="snmp").update(credential=factories.make_credential(**over))
    Credential.objects.filter(device=device).delete()
    return device


def shared_v3() -> Device:
    device = shared(kind="snmp_usm", username="u", secret="auth pass 123", auth_protocol="SHA")
    device.endpoints.filter(protocol="snmp").update(options={"version": "3"})
    return device


def key() -> Device:
    secret = factories.make_credential(kind="ssh_key", username="root", secret="private", public_key="ssh-ed25519 A")
    return factories.make_flat(ssh_key=secret, ssh_port=2222, ssh_host="box", hostname="box.example.net", mac="0" * 12)


def password() -> Device:
    return factories.make_flat(snmp_community=None, ssh_username="root", ssh_password="word")


def two_endpoints() -> Device:
    device = factories.make_flat(snmp_port=5161)
    factories.make_endpoint(device, protocol="snmp", port=161, credential=factories.make_credential(), is_enabled=False)
    return device


def bare_endpoints() -> Device:
    device = factories.make_device()
    factories.make_endpoint(device, protocol="snmp")
    factories.make_endpoint(device, protocol="ssh")
    return device


SHAPES = (
    plain, no_address, v3_without_auth, v3_with_all, shared, shared_v3, key, password, two_endpoints, bare_endpoints,
)  # fmt: skip


def rows() -> list[dict[str, Any]]:
    models = (Device, IPAddress, Credential, ManagementEndpoint)
    return [model_to_dict(row) for model in models for row in model.objects.order_by("pk")]


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_an_answer_sent_back_changes_nothing(make: Any, api: APIClient) -> None:
    url = f"/api/v1/devices/{make().pk}/"
    shown, before = api.get(url).json(), rows()
    answer = api.put(url, shown, format="json")
    assert answer.status_code == 200, answer.json()
    assert rows() == before
    assert {**answer.json(), "updated_at": ""} == {**shown, "updated_at": ""}


@pytest.mark.parametrize("make", [shared, shared_v3, key], ids=lambda make: make.__name__)
def test_a_port_is_changed_without_touching_the_credential(make: Any, cast: people.Cast) -> None:
    api, device = people.client_for(cast.ada), make()
    before = set(device.endpoints.values_list("pk", "credential"))
    credentials = Credential.objects.count()
    body = {"snmp_port": 1161} if make is not key else {"ssh_port": 2022, "snmp_port": 1161}
    answer = api.patch(f"/api/v1/devices/{device.pk}/", body)
    assert answer.status_code == 200, answer.json()
    assert {name: answer.json()[name] for name in body} == body
    assert set(device.endpoints.values_list("pk", "credential")) == before
    assert Credential.objects.count() == credentials


def test_reading_and_writing_choose_the_first_endpoint_made(api: APIClient) -> None:
    device = two_endpoints()
    first = device.endpoints.filter(protocol="snmp").order_by("pk").first()
    url = f"/api/v1/devices/{device.pk}/"
    assert api.get(url).json()["snmp_port"] == 5161
    assert api.patch(url, {"snmp_port": 6161, "snmp_community": "mine"}).json()["snmp_port"] == 6161
    first.refresh_from_db()
    assert (first.port, open_secret(first.credential, "secret")) == (6161, "mine")


def test_versions_are_switched_to_and_fro(api: APIClient) -> None:
    pk = api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "one"}).json()["id"]
    url = f"/api/v1/routers/{pk}/"
    for body in (V3, {"snmp_version": "2c", "snmp_community": "two"}, V3, {"snmp_version": "1", "snmp_community": "x"}):
        answer = api.patch(url, body)
        assert answer.status_code == 200, answer.json()
        assert answer.json()["snmp_version"] == body["snmp_version"]
        assert Credential.objects.count() == 1, "no credential is left over"


def test_an_unused_credential_of_the_device_is_used_again(api: APIClient) -> None:
    device = plain()
    left = factories.make_credential(device=device, kind="snmp_usm", username="old")
    assert api.patch(f"/api/v1/devices/{device.pk}/", V3).status_code == 200
    assert list(Credential.objects.values_list("pk", "username")) == [(left.pk, "u")]


def test_names_of_credentials_are_numbered_until_one_is_free(api: APIClient) -> None:
    for name in ("core1 SNMP", "core1 SNMP 2", "core1 SNMP 3"):
        factories.make_credential(name=name)
    assert api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "a"}).status_code == 201
    assert Credential.objects.filter(name="core1 SNMP 4").exists()


def test_an_ssh_login_needs_a_user_name_and_an_endpoint_its_community(api: APIClient) -> None:
    for body, name in (({"ssh_port": 22}, "ssh_username"), ({"snmp_port": 161}, "snmp_community")):
        answer = api.post("/api/v1/computers/", {"name": "pc", "ip": "10.0.0.9", **body})
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == f"/{name}"
