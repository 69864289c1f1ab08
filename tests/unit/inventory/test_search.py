"""One text, every kind of thing, at most eight of each, and only what the person may see."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import search
from inventory.models import Prefix, Tenant
from tests import factories, people

pytestmark = pytest.mark.django_db


def titles(client, text, key):
    answer = client.get("/api/v1/search/", {"q": text})
    assert answer.status_code == 200, answer.json()
    return [row["title"] for group in answer.json()["groups"] if group["key"] == key for row in group["results"]]


def test_names_are_found_whatever_their_case_and_the_beginning_comes_first(api):
    for name in ("core-évry", "Évry-core", "edge évry"):
        factories.make_device(name=name)
    assert titles(api, "ÉVRY", "devices") == ["Évry-core", "core-évry", "edge évry"]


def test_addresses_macs_sites_and_prefixes_are_found(api):
    device = factories.make_flat(name="r1", ip="10.77.3.4", mac="00:11:22:aa:bb:cc", hostname="r1.example.net")
    factories.make_site(name="Harbour")
    Prefix.objects.create(cidr="10.77.0.0/16", description="harbour lan")
    assert titles(api, "10.77.3", "addresses") == ["10.77.3.4"]
    assert titles(api, "r1.example", "addresses") == ["10.77.3.4"]
    for text in ("00:11:22:AA", "0011.22aa", "00-11-22-aa-bb-cc"):
        assert titles(api, text, "interfaces") == ["r1, mgmt"], text
    assert titles(api, "harb", "sites") == ["Harbour"]
    assert titles(api, "10.77.", "prefixes") == titles(api, "harbour l", "prefixes") == ["10.77.0.0/16"]
    (group,) = [group for group in search.search(people.make_person("x", "viewer"), "r1") if group["key"] == "devices"]
    assert group["results"][0]["url"] == f"/devices/{device.pk}/"


def test_a_group_has_eight_at_most_and_the_number_of_queries_is_constant(api):
    for _ in range(12):
        factories.make_flat()
    with CaptureQueriesContext(connection) as first:
        assert len(titles(api, "router", "devices")) == 8
    for _ in range(12):
        factories.make_flat()
    with CaptureQueriesContext(connection) as second:
        assert len(titles(api, "router", "devices")) == 8
    assert len(first) == len(second) <= 10


@pytest.mark.parametrize("text", ["'; DROP TABLE inventory_device; --", "%", "_", "\\", "é" * 100, "::", "zz:zz"])
def test_odd_text_finds_nothing_and_breaks_nothing(api, text):
    factories.make_flat()
    assert titles(api, text, "devices") == []


@pytest.mark.parametrize("query", ["", "q=", "q=%20", "q=" + "x" * 101, "q=a&nonsense=1", "q=%00"])
def test_a_search_for_nothing_is_refused(api, query):
    assert api.get(f"/api/v1/search/?{query}").status_code == 400


def test_ghsa_32w2_6gm2_7766_search_respects_what_a_person_may_see(cast, _clean_cache):
    """GHSA-32w2-6gm2-7766: a peer's global search forgot permissions. Ours asks visible_to in every group."""
    ours, foreign = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "foreign"))
    ours.members.add(cast.vera)
    site = factories.make_site(name="secret-place", tenant=foreign)
    factories.make_flat(name="secret-router", tenant=foreign, site=site, hostname="secret.example.net")
    Prefix.objects.create(cidr="10.66.0.0/16", site=site, description="secret net")
    client = people.client_for(cast.vera)
    for text in ("secret", "10.66", "127."):
        assert client.get("/api/v1/search/", {"q": text}).json()["groups"] == []
    assert people.client_for(cast.omar).get("/api/v1/search/", {"q": "secret"}).json()["groups"]
    assert people.client_for(None).get("/api/v1/search/", {"q": "secret"}).status_code == 401


def test_an_address_does_not_name_the_device_of_another_tenant(cast, _clean_cache):
    ours = Tenant.objects.create(name="ours", slug="ours")
    ours.members.add(cast.vera)
    device = factories.make_flat(name="secret-router", tenant=Tenant.objects.create(name="foreign", slug="foreign"))
    factories.make_address(device.interfaces.get(), address="10.66.0.1", tenant=ours)
    for person, extra, url in (
        (cast.vera, "", "/devices/?q=10.66.0.1"),
        (cast.ada, "secret-router", f"/devices/{device.pk}/"),
    ):
        (group,) = people.client_for(person).get("/api/v1/search/", {"q": "10.66.0"}).json()["groups"]
        (row,) = group["results"]
        assert (row["title"], row["extra"], row["url"]) == ("10.66.0.1", extra, url)


def test_a_group_has_one_owner():
    with pytest.raises(ValueError, match="twice"):
        search.register("devices", "Devices", search.devices)
