"""One POST makes a device with everything that belongs to it."""

import pytest
from rest_framework.test import APIClient

from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint
from monitoring.models import Check, DeviceState
from netmon.common.secrets import open_secret

pytestmark = pytest.mark.django_db

V3 = {
    "snmp_version": "3",
    "snmp_username": "netmon",
    "snmp_auth_protocol": "SHA-256",
    "snmp_auth_password": "auth pass 123",
    "snmp_priv_protocol": "AES",
    "snmp_priv_password": "priv pass 123",
}


def test_one_post_makes_device_interface_address_credential_endpoints_and_checks(api: APIClient) -> None:
    answer = api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "s3cret"})
    assert answer.status_code == 201, answer.json()
    device = Device.objects.get(pk=answer.json()["id"])
    assert device.kind == "router" and str(device.primary_ip) == "10.20.0.1"
    assert device.primary_ip.interface.name == "mgmt"
    endpoints = {row.protocol: row for row in device.endpoints.all()}
    assert set(endpoints) == {"icmp", "snmp"}
    assert open_secret(endpoints["snmp"].credential, "secret") == "s3cret"
    modules = set(Check.objects.filter(endpoint__device=device).values_list("module", flat=True))
    assert modules == {"icmp", "snmp.system", "snmp.interfaces"}
    assert DeviceState.objects.get(device=device).state == "unknown"


def test_no_secret_comes_back(api: APIClient) -> None:
    answer = api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "s3cret-community"})
    body = answer.json()
    assert body["snmp_community_set"] is True
    listed = api.get(f"/api/v1/routers/{body['id']}/").content + api.get("/api/v1/routers/").content
    assert b"s3cret-community" not in answer.content + listed


def test_version_3_makes_a_user_with_both_passphrases(api: APIClient) -> None:
    answer = api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", **V3})
    assert answer.status_code == 201, answer.json()
    assert answer.json()["snmp_priv_protocol"] == "AES"
    credential = Credential.objects.get()
    assert (credential.kind, credential.username) == ("snmp_usm", "netmon")
    assert open_secret(credential, "secret") == "auth pass 123"
    assert open_secret(credential, "priv_secret") == "priv pass 123"
    assert credential.device_id == answer.json()["id"]


def test_loopback_is_not_pinged(api: APIClient) -> None:
    answer = api.post("/api/v1/routers/", {"name": "lo", "ip": "127.0.0.9", "snmp_community": "public"})
    assert not ManagementEndpoint.objects.filter(device_id=answer.json()["id"], protocol="icmp").exists()


def test_the_name_is_the_host_name_or_the_address_when_none_is_given(api: APIClient) -> None:
    assert api.post("/api/v1/computers/", {"ip": "10.0.0.9", "hostname": "pc9.example.net"}).json()["name"] == (
        "pc9.example.net"
    )
    assert api.post("/api/v1/computers/", {"ip": "10.0.0.10"}).json()["name"] == "10.0.0.10"


def test_patch_changes_community_and_address_and_keeps_the_rest(api: APIClient) -> None:
    pk = api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "one"}).json()["id"]
    answer = api.patch(f"/api/v1/routers/{pk}/", {"snmp_community": "two", "ip": "10.20.0.2", "snmp_port": 1161})
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["ip"], answer.json()["snmp_port"]) == ("10.20.0.2", 1161)
    assert open_secret(Credential.objects.get(), "secret") == "two"
    assert IPAddress.objects.count() == 1 and Check.objects.count() == 3


def test_patch_from_v2c_to_v3_replaces_the_credential(api: APIClient) -> None:
    pk = api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "snmp_community": "one"}).json()["id"]
    assert api.patch(f"/api/v1/routers/{pk}/", V3).json()["snmp_version"] == "3"
    endpoint = ManagementEndpoint.objects.get(protocol="snmp")
    assert endpoint.credential.kind == "snmp_usm"


def test_ssh_login_makes_an_endpoint(api: APIClient) -> None:
    body = {"name": "pc", "ip": "10.0.0.9", "ssh_username": "root", "ssh_password": "hunter22", "ssh_port": 2222}
    answer = api.post("/api/v1/computers/", body).json()
    assert (answer["ssh_username"], answer["ssh_password_set"], answer["ssh_port"]) == ("root", True, 2222)


def test_deleting_a_device_leaves_nothing_of_it(api: APIClient) -> None:
    body = {"name": "core1", "ip": "10.20.0.1", "snmp_community": "one", "ssh_username": "a", "ssh_password": "b"}
    pk = api.post("/api/v1/routers/", body).json()["id"]
    assert api.delete(f"/api/v1/routers/{pk}/").status_code == 204
    for model in (Device, Interface, IPAddress, Credential, ManagementEndpoint, Check, DeviceState):
        assert not model.objects.exists(), model


def test_a_failed_post_writes_nothing(api: APIClient) -> None:
    api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1"})
    answer = api.post("/api/v1/routers/", {"name": "core2", "ip": "10.20.0.1", "snmp_community": "x"})
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/ip"
    assert Device.objects.count() == 1 and not Credential.objects.exists()


@pytest.mark.parametrize("query", ["ip=10.20.0.1", "ip__in=10.20.0.0/24", "mac=00-11-22-33-44-AA", "q=CORE", "q=10.20"])
def test_search_finds_the_device(api: APIClient, query: str) -> None:
    api.post("/api/v1/routers/", {"name": "core1", "ip": "10.20.0.1", "mac": "0011.2233.44aa"})
    api.post("/api/v1/routers/", {"name": "other", "ip": "10.99.0.1"})
    assert [row["name"] for row in api.get(f"/api/v1/devices/?{query}").json()["results"]] == ["core1"]


def test_a_kind_lists_and_makes_only_its_own(api: APIClient) -> None:
    pk = api.post("/api/v1/switches/", {"name": "sw1"}).json()["id"]
    assert api.get(f"/api/v1/routers/{pk}/").status_code == 404
    assert api.get("/api/v1/routers/").json()["count"] == 0
    assert api.post("/api/v1/routers/", {"name": "sw2", "kind": "switch"}).status_code == 400
