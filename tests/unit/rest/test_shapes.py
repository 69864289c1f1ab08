"""`fields`, `brief` and filters on every column."""

import pytest

from inventory.models import Prefix, Tag
from tests import factories

pytestmark = pytest.mark.django_db


def names(answer):
    assert answer.status_code == 200, answer.json()
    return [row["name"] for row in answer.json()["results"]]


def test_fields_cut_an_answer_down(api):
    device = factories.make_flat()
    row = api.get("/api/v1/devices/?fields=id,name,ip").json()["results"][0]
    assert row == {"id": device.pk, "name": device.name, "ip": device.primary_ip.address}
    assert set(api.get(f"/api/v1/devices/{device.pk}/?fields=name").json()) == {"name"}
    refused = api.get("/api/v1/devices/?fields=nmae")
    assert refused.status_code == 400 and "nmae" in refused.json()["detail"]


def test_brief_is_short_and_a_list_row_is_what_the_object_is(api):
    device = factories.make_flat(site=factories.make_site())
    assert api.get("/api/v1/devices/?brief=1").json()["results"] == [
        {
            "id": device.pk,
            "name": device.name,
            "kind": "router",
            "status": "active",
            "ip": device.primary_ip.address,
        }
    ]
    assert api.get("/api/v1/devices/").json()["results"] == [api.get(f"/api/v1/devices/{device.pk}/").json()]


def test_every_column_can_be_asked(api):
    for name, vendor in (("alpha", "Acme"), ("beta", "Bolt"), ("gamma", "")):
        factories.make_device(name=name, vendor=vendor)
    url = "/api/v1/devices/"
    assert names(api.get(f"{url}?name__in=alpha,gamma")) == ["alpha", "gamma"]
    assert names(api.get(f"{url}?name__contains=et")) == ["beta"]
    assert names(api.get(f"{url}?vendor__icontains=ACM")) == ["alpha"]
    assert names(api.get(f"{url}?site__isnull=true&vendor=Bolt")) == ["beta"]
    assert names(api.get(f"{url}?created_at__gte=2200-01-01T00:00:00Z")) == []
    assert names(api.get(f"{url}?tenant=999999")) == []
    for query in ("nmae=x", "tenant=x", "created_at__gte=yesterday", "kind=nonsense", "id__in=1,x"):
        answer = api.get(f"{url}?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["errors"][0]["location"] == "query" or "nmae" not in query


def test_secrets_and_hashes_are_no_columns_to_ask(api):
    for query in ("secret=x", "secret__contains=x", "priv_secret__isnull=1", "name_key=x"):
        assert api.get(f"/api/v1/credentials/?{query}").status_code == 400


def test_tags_are_given_by_slug_and_filter_devices(api):
    Tag.objects.create(name="Core network", slug="core")
    device = factories.make_flat()
    factories.make_flat()
    changed = api.patch(f"/api/v1/devices/{device.pk}/", {"tags": ["core"]}, format="json")
    assert changed.status_code == 200 and changed.json()["tags"] == ["core"]
    assert names(api.get("/api/v1/devices/?tag=core")) == [device.name]
    refused = api.patch(f"/api/v1/devices/{device.pk}/", {"tags": ["edge"]}, format="json")
    assert refused.status_code == 400 and "edge" in refused.json()["detail"]
    made = api.post("/api/v1/tags/", {"name": "École Nord"}, format="json")
    assert made.json()["slug"] == "ecole-nord"
    assert api.post("/api/v1/tags/", {"name": "ÉCOLE nord"}, format="json").status_code == 409


def test_prefixes_are_found_by_an_address_in_them(api):
    for cidr in ("10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/16"):
        Prefix.objects.create(cidr=cidr)
    answer = api.get("/api/v1/prefixes/?contains=10.1.2.3")
    assert [row["cidr"] for row in answer.json()["results"]] == ["10.1.0.0/16", "10.0.0.0/8"]
    assert api.get("/api/v1/prefixes/?contains=10.1.2").status_code == 400
