"""Dependencies: proposals from subnets, what people do with them."""

from typing import Any

import pytest

from inventory import topology
from inventory.models import Dependency, Device, Prefix
from tests import factories, people

pytestmark = pytest.mark.django_db


def placed(name: str, kind: str, *addresses: str, **over: Any) -> Device:
    device = factories.make_device(name=name, kind=kind, **over)
    for address in addresses:
        factories.make_address(factories.make_interface(device), address=address, tenant=device.tenant)
    return device


def proposed(user: Any) -> set[tuple[str, str]]:
    return {(row.device.name, row.parent.name) for row in topology.propose_gateways(user)}


def test_the_gateways_of_a_subnet_are_proposed(cast: people.Cast) -> None:
    Prefix.objects.create(cidr="10.0.0.0/8")
    Prefix.objects.create(cidr="10.1.0.0/24")
    Prefix.objects.create(cidr="10.2.0.0/24")
    placed("r1", "router", "10.1.0.1", "10.2.0.1")
    placed("r2", "router", "10.1.0.2")
    placed("sw1", "switch", "10.1.0.5")
    placed("sw2", "switch", "10.2.0.5")
    placed("host", "server", "10.1.0.10")
    placed("lone", "server", "10.3.0.10")  # only the wide prefix holds it, and no gateway is in it
    placed("old", "server", "10.1.0.11", status="retired")
    known = placed("known", "server", "10.1.0.12")
    Dependency.objects.create(device=known, parent=Device.objects.get(name="sw1"))
    expected = {("host", "r1"), ("host", "r2"), ("sw1", "r1"), ("sw1", "r2"), ("sw2", "r1")}
    assert proposed(cast.omar) == expected
    assert set(Dependency.objects.filter(source="gateway").values_list("is_confirmed", flat=True)) == {False}
    assert proposed(cast.omar) == set()  # what has a row gets no other


def test_where_many_might_be_the_gateway_none_is_proposed(cast: people.Cast) -> None:
    Prefix.objects.create(cidr="10.1.0.0/24")
    for number in range(1, 5):
        placed(f"r{number}", "router", f"10.1.0.{number}")
    placed("host", "server", "10.1.0.10")
    assert proposed(cast.omar) == set()


def test_a_switch_is_the_gateway_where_there_is_no_router(cast: people.Cast) -> None:
    Prefix.objects.create(cidr="2001:db8::/64")
    placed("sw", "switch", "2001:db8::1")
    placed("cam", "camera", "2001:db8::2")
    assert proposed(cast.omar) == {("cam", "sw")}


def test_nobody_is_proposed_to_another_tenant_or_site(cast: people.Cast) -> None:
    ours, theirs = factories.make_tenant(), factories.make_tenant()
    here, there = factories.make_site(), factories.make_site()
    for site in (here, there):
        Prefix.objects.create(cidr="10.1.0.0/24", site=site)
    placed("their router", "router", "10.1.0.1", tenant=theirs, site=here)
    placed("far router", "router", "10.1.0.2", tenant=ours, site=there)
    placed("host", "server", "10.1.0.3", tenant=ours, site=here)
    assert proposed(cast.omar) == set()
    ours.members.add(cast.omar)
    placed("our router", "router", "10.1.0.4", tenant=ours, site=here)
    bound = type(cast.omar).objects.get(pk=cast.omar.pk)
    assert proposed(bound) == set()  # the prefixes belong to sites that they do not see
    type(here).objects.update(tenant=ours)
    assert proposed(bound) == {("host", "our router")}


def test_a_proposal_is_confirmed_and_a_twin_refused(api: Any) -> None:
    Prefix.objects.create(cidr="10.1.0.0/24")
    router, host = placed("r1", "router", "10.1.0.1"), placed("host", "server", "10.1.0.10")
    found = api.post("/api/v1/dependencies/propose/").json()
    assert (found["added"], found["proposals"][0]["parent_name"]) == (1, "r1")
    (row,) = api.get("/api/v1/dependencies/?is_confirmed=false").json()["results"]
    assert api.post(f"/api/v1/dependencies/{row['id']}/confirm/").json()["is_confirmed"] is True
    body = {"device": host.pk, "parent": router.pk}
    assert api.post("/api/v1/dependencies/", body).status_code == 409
    assert api.post("/api/v1/dependencies/", {"device": host.pk, "parent": host.pk}).status_code == 400
    assert api.get(f"/api/v1/dependencies/?parent={router.pk}").json()["count"] == 1
