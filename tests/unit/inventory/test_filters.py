"""The rows behind a device are found by what they belong to."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from inventory.models import Device, Interface, Prefix
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> dict[str, int]:
    """A device with everything, and another one that no filter below finds."""
    tenant = factories.make_tenant()
    site = factories.make_site(tenant=tenant)
    Prefix.objects.create(cidr="10.0.0.0/24", site=site)
    device: Device = factories.make_flat(tenant=tenant)
    factories.make_flat()
    factories.make_site()
    Prefix.objects.create(cidr="10.0.0.0/24")
    return {
        "tenant": tenant.pk,
        "site": site.pk,
        "device": device.pk,
        "interface": device.interfaces.get().pk,
        "credential": device.own_credentials.get().pk,
    }


FILTERS = (
    ("interfaces", "device"),
    ("ip-addresses", "interface"),
    ("ip-addresses", "tenant"),
    ("endpoints", "device"),
    ("endpoints", "credential"),
    ("sites", "tenant"),
    ("prefixes", "site"),
    ("credentials", "device"),
)


@pytest.mark.parametrize(("resource", "name"), FILTERS)
def test_rows_are_found_by_number(resource: str, name: str, world: dict[str, int], api: APIClient) -> None:
    url = f"/api/v1/{resource}/"
    everything = api.get(url).json()["count"]
    found = api.get(url, {name: world[name]}).json()
    assert 0 < found["count"] < everything
    assert {row[name] for row in found["results"]} == {world[name]}
    assert api.get(url, {name: 2**63 - 1}).json()["count"] == 0


@pytest.mark.parametrize(("resource", "name"), FILTERS)
@pytest.mark.parametrize("value", [2**63, 10**40, -1, "1.5", "x", "NaN", "1e30"])
def test_what_no_key_can_be_is_refused(resource: str, name: str, value: object, api: APIClient) -> None:
    answer = api.get(f"/api/v1/{resource}/", {name: value})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["location"], error["pointer"]) == ("query", f"/{name}")


@pytest.mark.parametrize("text", ["02:00:5E:10:00:01", "02-00-5e-10-00-01", "0200.5e10.0001"])
def test_an_interface_is_found_by_its_mac_however_it_is_written(
    text: str, world: dict[str, int], api: APIClient
) -> None:
    Interface.objects.filter(pk=world["interface"]).update(mac_address="02:00:5e:10:00:01")
    found = api.get("/api/v1/interfaces/", {"mac_address": text}).json()
    assert [row["id"] for row in found["results"]] == [world["interface"]]


def test_what_is_no_mac_is_refused_by_name(api: APIClient) -> None:
    answer = api.get("/api/v1/interfaces/", {"mac_address": "02:00"})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["location"], error["pointer"]) == (400, "query", "/mac_address")
    assert "six octets" in error["detail"]


@pytest.mark.parametrize(
    ("body", "enabled"), [({}, True), ({"is_enabled": True}, True), ({"is_enabled": False}, False)]
)
def test_a_new_endpoint_is_enabled_unless_said_otherwise(body: dict[str, Any], enabled: bool, api: APIClient) -> None:
    body = {"device": factories.make_device().pk, "protocol": "icmp", **body}
    answer = api.post("/api/v1/endpoints/", body, format="json")
    assert answer.status_code == 201, answer.json()
    assert answer.json()["is_enabled"] is enabled
