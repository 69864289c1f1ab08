"""Every trick to have a stored secret sent elsewhere."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from inventory.models import Credential, Device
from netmon.common.secrets import open_secret
from tests import factories as make
from tests import people
from tests.unit.inventory.scoped import EVIL, confined, pointer, shared_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(cast.ada)


@pytest.fixture
def device(db: None) -> Device:
    return make.make_flat(ip="10.20.0.1", snmp_community="one", ssh_username="root", ssh_password="two two")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ssh_host": EVIL}, "/ssh_host"),
        ({"ssh_host": "evil.example"}, "/ssh_host"),
        ({"ssh_port": 2222}, "/ssh_port"),
        ({"snmp_port": 1161}, "/snmp_port"),
        ({"ip": EVIL}, "/ip"),
        ({"ip": EVIL, "ssh_password": "x"}, "/ip"),
        ({"ssh_host": EVIL, "ssh_username": "root"}, "/ssh_host"),
        ({"ssh_host": EVIL, "snmp_community": "x"}, "/ssh_host"),
    ],
)
def test_the_flat_form_redirects_no_stored_secret(
    body: dict[str, Any], field: str, api: APIClient, device: Device
) -> None:
    url = f"/api/v1/routers/{device.pk}/"
    before = api.get(url).json()
    assert pointer(api.patch(url, body)) == field
    assert {**api.get(url).json(), "updated_at": 0} == {**before, "updated_at": 0}


@pytest.mark.parametrize("body", [{"ssh_host": EVIL}, {"ssh_port": 2222}, {"ssh_host": EVIL, "ssh_port": 2222}])
def test_with_the_secret_entered_anew_it_goes_where_he_says(
    body: dict[str, Any], api: APIClient, device: Device
) -> None:
    url = f"/api/v1/routers/{device.pk}/"
    assert api.patch(url, {**body, "ssh_password": "his own"}).status_code == 200
    assert open_secret(device.endpoints.get(protocol="ssh").credential, "secret") == "his own"  # type: ignore[arg-type]


def test_taking_a_host_away_is_a_redirection_too(api: APIClient, admin: APIClient, device: Device) -> None:
    url = f"/api/v1/routers/{device.pk}/"
    assert admin.patch(url, {"ssh_host": "10.20.0.77"}).status_code == 200
    assert pointer(api.patch(url, {"ssh_host": ""})) == "/ssh_host"
    assert api.patch(url, {"ssh_host": "10.20.0.77"}).status_code == 200, "what is there may be sent back"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"options": {"host": EVIL}}, "/options"),
        ({"port": 2222}, "/port"),
        ({"options": {"host": " evil"}}, "/options"),
    ],
)
def test_an_endpoint_redirects_no_stored_secret(
    body: dict[str, Any], field: str, api: APIClient, admin: APIClient, device: Device
) -> None:
    url = f"/api/v1/endpoints/{device.endpoints.get(protocol='ssh').pk}/"
    assert pointer(api.patch(url, body, format="json")) == field
    assert admin.patch(url, body, format="json").status_code == 200


@pytest.mark.parametrize("trust", [{"certificate_sha256": "ab" * 32}, {"server_name": "evil.example"}])
def test_whoever_has_another_certificate_gets_no_stored_key(
    trust: dict[str, str], api: APIClient, admin: APIClient
) -> None:
    router = make.make_vyos_router()
    url = f"/api/v1/endpoints/{router.endpoint_id}/"
    assert pointer(api.patch(url, {"options": trust}, format="json")) == "/options"
    assert admin.patch(url, {"options": trust}, format="json").status_code == 200
    assert api.patch(url, {"options": {**trust, "deadline_seconds": 60}}, format="json").status_code == 200
    another = {
        "device": router.device.pk,
        "protocol": "vyos",
        "port": 8443,
        "credential": router.endpoint.credential_id,
    }
    assert pointer(api.post("/api/v1/endpoints/", {**another, "options": trust}, format="json")) == "/options"


def test_a_second_endpoint_sends_the_devices_own_secret_nowhere_else(api: APIClient, device: Device) -> None:
    own = device.endpoints.get(protocol="ssh").credential
    assert own is not None
    body = {"device": device.pk, "protocol": "ssh", "credential": own.pk}
    for more in ({"port": 2222, "options": {"host": EVIL}}, {"port": 2222}):
        answer = api.post("/api/v1/endpoints/", {**body, **more}, format="json")
        assert answer.status_code == 400, more
    assert api.post("/api/v1/endpoints/", {**body, "protocol": "rtsp"}).status_code == 201, "to the device itself"


@pytest.mark.parametrize("protocol", ["rtsp", "postgresql"])
def test_an_own_secret_that_goes_to_a_host_of_its_own_is_not_sent_to_a_moved_address(
    protocol: str, api: APIClient, admin: APIClient
) -> None:
    device = make.make_flat(
        ip="10.20.0.5", snmp_community=None, ssh_username="root", ssh_password="own", ssh_host="10.9.9.9"
    )
    own = device.own_credentials.get()
    assert api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL}).status_code == 200, "nothing is sent there"
    body = {"device": device.pk, "protocol": protocol, "credential": own.pk}
    assert pointer(api.post("/api/v1/endpoints/", body)) == "/credential"
    assert admin.post("/api/v1/endpoints/", body).status_code == 201


def test_detaching_moving_and_attaching_again_gets_nothing(api: APIClient, device: Device) -> None:
    endpoint = device.endpoints.get(protocol="ssh")
    own = endpoint.credential_id
    assert api.patch(f"/api/v1/endpoints/{endpoint.pk}/", {"credential": None}).status_code == 200
    assert not Credential.objects.filter(pk=own).exists(), "a device's own secret goes when nothing uses it"


def test_a_secret_that_nothing_uses_does_not_move(api: APIClient) -> None:
    device = make.make_flat(ip="10.20.0.1", snmp_community=None)
    make.make_credential(device=device, kind="password", username="u", secret="left over")
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"
    assert pointer(api.patch(f"/api/v1/ip-addresses/{device.primary_ip_id}/", {"address": EVIL})) == "/address"


def test_moving_and_attaching_in_one_request_gets_nothing(api: APIClient) -> None:
    device = make.make_flat(ip="10.20.0.1", snmp_community=None)
    make.make_credential(device=device, kind="snmp_usm", username="u", secret="left over", auth_protocol="SHA")
    body = {"ip": EVIL, "snmp_version": "3", "snmp_username": "u"}
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", body)) == "/ip"


def test_deleting_the_address_and_giving_another_gets_nothing(api: APIClient, device: Device) -> None:
    assert api.delete(f"/api/v1/ip-addresses/{device.primary_ip_id}/").status_code == 204
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_deleting_the_interface_and_giving_another_address_gets_nothing(api: APIClient, device: Device) -> None:
    assert api.delete(f"/api/v1/interfaces/{device.interfaces.get().pk}/").status_code == 204
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_an_address_of_his_own_on_the_device_does_not_become_its_primary(api: APIClient, device: Device) -> None:
    body = {"address": EVIL, "interface": device.interfaces.get().pk}
    assert api.post("/api/v1/ip-addresses/", body).status_code == 201
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_neither_interface_nor_address_nor_endpoint_moves_to_another_device(api: APIClient, device: Device) -> None:
    other = make.make_flat(ip=EVIL, snmp_community=None)
    interface = device.interfaces.get()
    assert pointer(api.patch(f"/api/v1/interfaces/{interface.pk}/", {"device": other.pk})) == "/device"
    theirs = other.interfaces.get()
    url = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert pointer(api.patch(url, {"interface": theirs.pk})) == "/interface"
    url = f"/api/v1/endpoints/{device.endpoints.get(protocol='ssh').pk}/"
    assert pointer(api.patch(url, {"device": other.pk})) == "/device"
    assert pointer(api.patch(f"/api/v1/interfaces/{theirs.pk}/", {"device": device.pk})) == "/device"


def test_a_device_moved_to_a_tenant_gets_that_tenants_secrets_only_at_admitted_addresses(api: APIClient) -> None:
    tenant = confined("10.20.0.0/16")
    credential = make.make_credential(tenant=tenant)
    mine = make.make_flat(ip=EVIL, snmp_community=None)
    assert pointer(api.patch(f"/api/v1/routers/{mine.pk}/", {"tenant": tenant.pk})) == "/tenant"
    body = {"device": mine.pk, "protocol": "snmp", "credential": credential.pk}
    assert pointer(api.post("/api/v1/endpoints/", body)) == "/credential"


def test_a_device_does_not_leave_the_tenant_of_its_credential(admin: APIClient) -> None:
    tenant = make.make_tenant()
    device = make.make_flat(ip="10.20.0.1", tenant=tenant)
    shared_at(device, tenant=tenant)
    assert pointer(admin.patch(f"/api/v1/routers/{device.pk}/", {"tenant": ""})) == "/tenant"


def test_a_switched_off_endpoint_is_guarded_as_well(api: APIClient, device: Device) -> None:
    url = f"/api/v1/endpoints/{device.endpoints.get(protocol='ssh').pk}/"
    assert api.patch(url, {"is_enabled": False}, format="json").status_code == 200
    assert pointer(api.patch(url, {"options": {"host": EVIL}}, format="json")) == "/options"
    assert pointer(api.patch(f"/api/v1/routers/{device.pk}/", {"ip": EVIL})) == "/ip"


def test_within_the_scope_an_operator_changes_address_host_and_port(api: APIClient) -> None:
    key = make.make_credential(kind="ssh_key", secret="k", public_key="p", allowed_prefixes=["10.20.0.0/16"])
    device = make.make_flat(ip="10.20.0.1", snmp_community=None, ssh_key=key)
    url = f"/api/v1/routers/{device.pk}/"
    for body in ({"ip": "10.20.9.9"}, {"ssh_host": "10.20.8.8"}, {"ssh_port": 2222}):
        assert api.patch(url, body).status_code == 200, body
    assert pointer(api.patch(url, {"ssh_host": EVIL})) == "/ssh_key"
    device.refresh_from_db()
    address = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert api.patch(address, {"address": "10.20.9.10"}).status_code == 200


def test_a_tenants_credential_follows_its_device_within_the_allow_list(api: APIClient) -> None:
    tenant = confined()
    device = make.make_flat(ip="10.20.0.1", tenant=tenant)
    shared_at(device, tenant=tenant)
    url = f"/api/v1/routers/{device.pk}/"
    assert api.patch(url, {"ip": "10.20.0.2"}).status_code == 200
    assert pointer(api.patch(url, {"ip": EVIL})) == "/ip"
