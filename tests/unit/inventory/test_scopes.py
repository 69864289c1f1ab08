"""Where a stored secret may go: its scope, and who may attach it."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from inventory import targets
from inventory.models import Credential, Device, IPAddress, ManagementEndpoint, TargetRule
from inventory.policy import Policy
from inventory.scopes import OutOfScope
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


# --- the scope itself -------------------------------------------------------------------------------------------------


def test_a_secret_is_sent_within_its_prefixes_only(device: Device) -> None:
    endpoint = shared_at(device, allowed_prefixes=["10.20.0.0/24"])
    assert targets.target_of(endpoint).address == "10.20.0.1"
    IPAddress.objects.filter(pk=device.primary_ip_id).update(address="10.21.0.1")
    with pytest.raises(OutOfScope, match=r"10\.20\.0\.0/24, not 10\.21\.0\.1"):
        targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_a_secret_is_sent_to_its_tenants_devices_only(device: Device) -> None:
    endpoint = shared_at(device, tenant=make.make_tenant())
    with pytest.raises(OutOfScope, match="another tenant"):
        targets.target_of(endpoint)
    Device.objects.update(tenant=endpoint.credential.tenant)  # type: ignore[union-attr]
    assert targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_all_that_a_scope_names_must_hold(device: Device) -> None:
    tenant = make.make_tenant()
    Device.objects.update(tenant=tenant)
    endpoint = shared_at(device, tenant=tenant, allowed_prefixes=["192.0.2.0/24"])
    with pytest.raises(OutOfScope):
        targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_what_stands_unreadable_in_a_scope_admits_nothing(device: Device) -> None:
    endpoint = shared_at(device)
    Credential.objects.filter(pk=endpoint.credential_id).update(allowed_prefixes=["everywhere"])
    with pytest.raises(OutOfScope):
        targets.target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))


def test_the_scope_holds_for_the_host_that_is_contacted(device: Device) -> None:
    key = make.make_credential(
        kind="ssh_key", secret="k", public_key="ssh-ed25519 A", allowed_prefixes=["10.20.0.0/24"]
    )
    endpoint = make.make_endpoint(device, protocol="ssh", port=2022, credential=key, options={"host": EVIL})
    with pytest.raises(OutOfScope):
        targets.contact_address(endpoint, Policy.load())


def test_a_refusal_shows_at_the_check(device: Device) -> None:
    from monitoring.models import Check
    from monitoring.services import polling

    shared_at(device, allowed_prefixes=["192.0.2.0/24"])
    results = polling.poll_device(device)
    assert {entry["error_code"] for entry in results if entry["protocol"] == "snmp"} == {"credential_scope"}
    assert Check.objects.filter(module="snmp.system", last_error_code="credential_scope").exists()


@pytest.mark.parametrize("wrong", [["10.0.0.1/8"], ["lan"], [""], ["10.0.0.0/33"], [5], "10.0.0.0/8", {"a": 1}, [None]])
def test_a_scope_is_a_list_of_prefixes(wrong: Any, admin: APIClient) -> None:
    body = {"name": "c", "kind": "snmp_community", "secret": "s", "allowed_prefixes": wrong}
    assert pointer(admin.post("/api/v1/credentials/", body, format="json")).startswith("/allowed_prefixes")
    with pytest.raises(ValidationError):
        Credential(name="c", kind="snmp_community", secret="s", allowed_prefixes=wrong).full_clean()


def test_a_scope_is_kept_canonical(admin: APIClient) -> None:
    body = {"name": "c", "kind": "snmp_community", "secret": "s"}
    prefixes = ["2001:0DB8::/32", "10.0.0.0/8", "10.0.0.0/8"]
    answer = admin.post("/api/v1/credentials/", {**body, "allowed_prefixes": prefixes}, format="json")
    assert answer.status_code == 201 and answer.json()["allowed_prefixes"] == ["2001:db8::/32", "10.0.0.0/8"]


def test_nobody_attaches_a_credential_outside_its_scope(admin: APIClient, device: Device) -> None:
    narrow = make.make_credential(allowed_prefixes=["192.0.2.0/24"])
    foreign = make.make_credential(tenant=make.make_tenant())
    other = make.make_flat(ip="10.20.0.9").own_credentials.get()
    for credential in (narrow, foreign, other):
        body = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": credential.pk}
        assert pointer(admin.post("/api/v1/endpoints/", body)) == "/credential", credential
    key = make.make_credential(kind="ssh_key", secret="k", public_key="p", allowed_prefixes=["192.0.2.0/24"])
    assert pointer(admin.patch(f"/api/v1/routers/{device.pk}/", {"ssh_key": key.pk})) == "/ssh_key"


def test_an_admin_does_not_move_a_device_out_of_the_scope_unawares(admin: APIClient, device: Device) -> None:
    shared_at(device, allowed_prefixes=["10.20.0.0/24"])
    url = f"/api/v1/routers/{device.pk}/"
    assert pointer(admin.patch(url, {"ip": "10.21.0.1"})) == "/ip"
    address = f"/api/v1/ip-addresses/{device.primary_ip_id}/"
    assert pointer(admin.patch(address, {"address": "10.21.0.1"})) == "/address"
    assert admin.patch(url, {"ip": "10.20.0.2"}).status_code == 200


# --- who attaches -----------------------------------------------------------------------------------------------------


def test_an_operator_attaches_what_its_prefixes_keep_from_his_own_host(api: APIClient, device: Device) -> None:
    narrow = make.make_credential(allowed_prefixes=["10.20.0.0/16"])
    body = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": narrow.pk}
    assert api.post("/api/v1/endpoints/", body).status_code == 201
    key = make.make_credential(kind="ssh_key", secret="k", public_key="p", allowed_prefixes=["10.20.0.0/16"])
    assert api.patch(f"/api/v1/routers/{device.pk}/", {"ssh_key": key.pk}).status_code == 200
    far = make.make_flat(ip="10.99.0.1")
    assert pointer(api.post("/api/v1/endpoints/", {**body, "device": far.pk})) == "/credential"


def test_an_operator_attaches_a_tenants_credential_where_an_allow_list_binds_the_tenant(api: APIClient) -> None:
    bound, free = confined(), make.make_tenant()
    for tenant, status in ((bound, 201), (free, 400)):
        device = make.make_flat(ip="10.20.3.1", snmp_community=None, tenant=tenant)
        credential = make.make_credential(tenant=tenant)
        body = {"device": device.pk, "protocol": "snmp", "credential": credential.pk}
        assert api.post("/api/v1/endpoints/", body).status_code == status


def test_a_rule_of_the_site_is_no_allow_list_of_the_tenant(api: APIClient) -> None:
    tenant = make.make_tenant()
    TargetRule.objects.create(cidr="10.0.0.0/8", action="allow")
    device = make.make_flat(ip="10.20.3.1", snmp_community=None, tenant=tenant)
    body = {"device": device.pk, "protocol": "snmp", "credential": make.make_credential(tenant=tenant).pk}
    assert pointer(api.post("/api/v1/endpoints/", body)) == "/credential"


def test_the_refusal_names_the_remedy(api: APIClient, device: Device) -> None:
    body = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": make.make_credential().pk}
    answer = api.post("/api/v1/endpoints/", body)
    assert "only an admin" in answer.json()["detail"] and "prefixes" in answer.json()["detail"]


def test_a_viewer_attaches_and_changes_nothing(cast: people.Cast, _clean_cache: None, device: Device) -> None:
    viewer = people.client_for(cast.vera)
    endpoint = device.endpoints.get(protocol="ssh")
    credential = endpoint.credential_id
    for method, path in (
        ("patch", f"endpoints/{endpoint.pk}/"), ("post", "endpoints/"), ("patch", f"routers/{device.pk}/"),
        ("post", f"endpoints/{endpoint.pk}/test/"), ("post", f"credentials/{credential}/test/"),
        ("get", f"credentials/{credential}/usage/"), ("get", "target-rules/"), ("post", "target-rules/check/"),
        ("patch", f"ip-addresses/{device.primary_ip_id}/"),
    ):  # fmt: skip
        assert getattr(viewer, method)(f"/api/v1/{path}", {}).status_code == 403, path
