"""The admin keeps scopes and tenants as the API does."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from inventory.models import Credential, Device, IPAddress, ManagementEndpoint
from tests import factories as make
from tests import people
from tests.unit.inventory.scoped import shared_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(cast.ada)


@pytest.fixture
def device(db: None) -> Device:
    return make.make_flat(ip="10.20.0.1", snmp_community="one", ssh_username="root", ssh_password="two two")


def device_form(client: APIClient, device: Device, **over: Any) -> Any:
    """The change form of the admin as a browser sends it back, with changes."""
    url = f"/admin/inventory/device/{device.pk}/change/"
    page = client.get(url)
    assert page.status_code == 200
    data: dict[str, Any] = {}
    for form in (page.context["adminform"].form, *_inline_forms(page)):
        for field in form:
            value = field.value()
            if value is True:
                data[field.html_name] = "on"
            elif value not in (None, False):
                data[field.html_name] = value
    return client.post(url, {**data, **over})


def _inline_forms(page: Any) -> list[Any]:
    found = []
    for inline in page.context["inline_admin_formsets"]:
        found += [inline.formset.management_form, *inline.formset.initial_forms]
    return found


def test_a_tenant_changed_in_the_admin_takes_the_addresses_along(admin: APIClient, device: Device) -> None:
    tenant = make.make_tenant()
    answer = device_form(admin, device, tenant=tenant.pk)
    assert answer.status_code == 302, answer.context["errors"]
    assert set(IPAddress.objects.values_list("tenant", flat=True)) == {tenant.pk}


def test_the_admin_refuses_a_tenant_whose_addresses_clash(admin: APIClient, device: Device) -> None:
    tenant = make.make_tenant()
    make.make_address(address="10.20.0.1", tenant=tenant)
    answer = device_form(admin, device, tenant=tenant.pk)
    assert answer.status_code == 200 and "tenant" in answer.context["adminform"].form.errors
    device.refresh_from_db()
    assert device.tenant_id is None


def test_the_admin_gives_no_device_an_address_that_is_refused(admin: APIClient, device: Device) -> None:
    bad = make.make_address(device.interfaces.get(), address="169.254.169.254")
    answer = device_form(admin, device, primary_ip=bad.pk)
    assert answer.status_code == 200 and "primary_ip" in answer.context["adminform"].form.errors
    url = f"/admin/inventory/ipaddress/{device.primary_ip_id}/change/"
    data = {"address": "169.254.169.254", "interface": device.interfaces.get().pk, "dns_name": "", "tenant": ""}
    answer = admin.post(url, data)
    assert answer.status_code == 200 and "address" in answer.context["adminform"].form.errors
    assert admin.post(url, {**data, "address": "10.20.0.8"}).status_code == 302


def test_the_admin_attaches_nothing_outside_its_scope(admin: APIClient, device: Device) -> None:
    narrow = make.make_credential(allowed_prefixes=["192.0.2.0/24"])
    data = {"device": device.pk, "protocol": "snmp", "port": 1161, "credential": narrow.pk, "options": "{}"}
    answer = admin.post("/admin/inventory/managementendpoint/add/", data)
    assert answer.status_code == 200 and "credential" in answer.context["adminform"].form.errors


@pytest.mark.parametrize("door", ["api", "admin", "bulk", "inline"])
def test_a_devices_own_secret_goes_with_its_last_endpoint(door: str, admin: APIClient, device: Device) -> None:
    endpoint = device.endpoints.get(protocol="ssh")
    kept = device.endpoints.get(protocol="snmp").credential_id
    shared = shared_at(make.make_flat(ip="10.20.0.2")).credential_id
    if door == "api":
        assert admin.delete(f"/api/v1/endpoints/{endpoint.pk}/").status_code == 204
    elif door == "admin":
        url = f"/admin/inventory/managementendpoint/{endpoint.pk}/delete/"
        assert admin.post(url, {"post": "yes"}).status_code == 302
    elif door == "bulk":
        data = {"action": "delete_selected", "_selected_action": [endpoint.pk], "post": "yes"}
        assert admin.post("/admin/inventory/managementendpoint/", data).status_code == 302
    else:
        rows = list(ManagementEndpoint.objects.filter(device=device))
        position = [row.pk for row in rows].index(endpoint.pk)
        assert device_form(admin, device, **{f"endpoints-{position}-DELETE": "on"}).status_code == 302
    assert not ManagementEndpoint.objects.filter(pk=endpoint.pk).exists()
    assert set(Credential.objects.values_list("pk", flat=True)) == {kept, shared}


def test_a_secret_that_two_endpoints_use_stays_with_the_other(admin: APIClient, device: Device) -> None:
    first = device.endpoints.get(protocol="ssh")
    make.make_endpoint(device, protocol="rtsp", credential=first.credential)
    assert admin.delete(f"/api/v1/endpoints/{first.pk}/").status_code == 204
    assert Credential.objects.filter(pk=first.credential_id).exists()
