"""Whoever may change an address must not get stored secrets sent to a host of his own."""

import pytest
from rest_framework.test import APIClient

from inventory.models import Credential, Device, ManagementEndpoint
from tests import factories, people

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(cast.ada)


@pytest.fixture
def device(db: None) -> Device:
    return factories.make_flat(ip="10.20.0.1", snmp_community="one", ssh_username="root", ssh_password="two two")


def pointer(answer: object) -> str:
    assert answer.status_code == 400, answer.json()  # type: ignore[attr-defined]
    return str(answer.json()["errors"][0]["pointer"])  # type: ignore[attr-defined]


def make_key() -> Credential:
    return factories.make_credential(kind="ssh_key", secret="private", public_key="ssh-ed25519 A")


def test_only_an_admin_attaches_a_shared_credential(api: APIClient, admin: APIClient) -> None:
    shared = factories.make_credential()
    body = {"device": factories.make_device().pk, "protocol": "snmp", "credential": shared.pk}
    assert pointer(api.post("/api/v1/endpoints/", body)) == "/credential"
    pk = api.post("/api/v1/endpoints/", {**body, "credential": None}).json()["id"]
    assert pointer(api.patch(f"/api/v1/endpoints/{pk}/", {"credential": shared.pk})) == "/credential"
    assert admin.patch(f"/api/v1/endpoints/{pk}/", {"credential": shared.pk}).status_code == 200
    answer = api.patch(f"/api/v1/endpoints/{pk}/", {"credential": shared.pk, "is_enabled": False})
    assert answer.status_code == 200, "what is attached already may be sent back"


def test_only_an_admin_attaches_a_shared_key(api: APIClient, admin: APIClient, device: Device) -> None:
    key, url = make_key().pk, f"/api/v1/routers/{device.pk}/"
    assert pointer(api.patch(url, {"ssh_key": key})) == "/ssh_key"
    assert pointer(api.post("/api/v1/routers/", {"name": "x", "ip": "10.1.1.1", "ssh_key": key})) == "/ssh_key"
    assert admin.patch(url, {"ssh_key": key}).status_code == 200
    assert api.patch(url, {"ssh_key": key}).status_code == 200


@pytest.mark.parametrize("name", ["device", "protocol"])
def test_an_endpoint_does_not_move(name: str, admin: APIClient, device: Device) -> None:
    endpoint = device.endpoints.get(protocol="snmp")
    body = {"device": factories.make_device().pk, "protocol": "vyos"}
    answer = admin.patch(f"/api/v1/endpoints/{endpoint.pk}/", {name: body[name]})
    assert pointer(answer) == f"/{name}" and "delete this endpoint" in answer.json()["detail"]
    same = {"device": device.pk, "protocol": "snmp"}
    assert admin.patch(f"/api/v1/endpoints/{endpoint.pk}/", {name: same[name]}).status_code == 200


def test_a_new_address_needs_the_secrets_anew(api: APIClient, device: Device) -> None:
    url = f"/api/v1/routers/{device.pk}/"
    answer = api.patch(url, {"ip": "10.66.6.6", "snmp_community": "one"})
    assert pointer(answer) == "/ip" and "ssh_password" in answer.json()["detail"]
    assert "snmp_community" not in answer.json()["detail"]
    assert api.get(url).json()["ip"] == "10.20.0.1"
    body = {"ip": "10.20.0.2", "snmp_community": "one", "ssh_password": "two two"}
    assert api.patch(url, body).status_code == 200
    assert api.patch(url, {"ip": "10.20.0.2", "name": "renamed"}).status_code == 200


def test_an_admin_changes_an_address_as_he_likes(admin: APIClient, device: Device) -> None:
    assert admin.patch(f"/api/v1/routers/{device.pk}/", {"ip": "10.20.0.2"}).status_code == 200


def test_without_the_old_address_it_is_the_same(api: APIClient, device: Device) -> None:
    assert api.delete(f"/api/v1/ip-addresses/{device.primary_ip_id}/").status_code == 204
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": "10.66.6.6"})) == "/ip"


def test_what_the_flat_form_cannot_enter_is_an_admins(api: APIClient, device: Device) -> None:
    second = factories.make_credential(device=device, secret="three")
    ManagementEndpoint.objects.create(device=device, protocol="snmp", port=1161, credential=second)
    body = {"ip": "10.66.6.6", "snmp_community": "one", "ssh_password": "two two"}
    answer = api.patch(f"/api/v1/routers/{device.pk}/", body)
    assert pointer(answer) == "/ip" and "only an admin" in answer.json()["detail"]


def test_a_device_without_secrets_moves_freely(api: APIClient) -> None:
    device = factories.make_flat(ip="10.20.0.1", snmp_community=None)
    assert api.patch(f"/api/v1/routers/{device.pk}/", {"ip": "10.20.0.2"}).status_code == 200
    device.refresh_from_db()
    assert api.patch(f"/api/v1/ip-addresses/{device.primary_ip_id}/", {"address": "10.20.0.3"}).status_code == 200


def test_the_address_row_is_no_way_around(api: APIClient, admin: APIClient, device: Device) -> None:
    url = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert pointer(api.patch(url, {"address": "10.66.6.6"})) == "/address"
    assert api.patch(url, {"address": "10.20.0.1", "dns_name": "r1"}).status_code == 200
    assert pointer(admin.patch(url, {"address": "169.254.169.254"})) == "/address"
    assert admin.patch(url, {"address": "10.20.0.2"}).status_code == 200


def test_what_holds_the_address_of_a_device_stays(admin: APIClient, device: Device) -> None:
    other = factories.make_device()
    interface = factories.make_interface(other)
    url = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert pointer(admin.patch(url, {"interface": interface.pk})) == "/interface"
    assert pointer(admin.patch(url, {"interface": ""})) == "/interface"
    held = device.interfaces.get()
    assert pointer(admin.patch(f"/api/v1/interfaces/{held.pk}/", {"device": other.pk})) == "/device"
    assert admin.patch(f"/api/v1/interfaces/{held.pk}/", {"device": device.pk, "if_alias": "x"}).status_code == 200


def test_addresses_go_with_the_device_to_another_tenant(api: APIClient, device: Device) -> None:
    tenant, url = factories.make_tenant(), f"/api/v1/routers/{device.pk}/"
    second = factories.make_address(device.interfaces.get())
    assert api.patch(url, {"tenant": tenant.pk}).status_code == 200
    device.primary_ip.refresh_from_db()
    second.refresh_from_db()
    assert (device.primary_ip.tenant, second.tenant) == (tenant, tenant)
    factories.make_address(address="10.20.0.1")
    answer = api.patch(url, {"tenant": None})
    assert answer.status_code == 409 and answer.json()["errors"][0]["pointer"] == "/tenant"
    assert api.get(url).json()["tenant"] == tenant.pk


def test_viewers_do_not_see_who_logs_in(cast: people.Cast, admin: APIClient, device: Device) -> None:
    viewer, operator = people.client_for(cast.vera), people.client_for(cast.omar)
    v3 = factories.make_flat(snmp_community=None, snmp_username="monitor", ssh_key=make_key())
    for pk, name in ((device.pk, "ssh_username"), (v3.pk, "snmp_username"), (v3.pk, "ssh_key")):
        assert operator.get(f"/api/v1/devices/{pk}/").json()[name]
        assert viewer.get(f"/api/v1/devices/{pk}/").json()[name] is None
        assert all(row[name] is None for row in viewer.get("/api/v1/devices/").json()["results"])
    assert any(row["credential"] for row in operator.get("/api/v1/endpoints/").json()["results"])
    assert all(row["credential"] is None for row in viewer.get("/api/v1/endpoints/").json()["results"])
    assert pointer(viewer.get("/api/v1/endpoints/?credential=1")) == "/credential"
