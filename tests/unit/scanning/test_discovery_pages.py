"""The pages of discoveries and of prefixes: review one by one and many at once, the map."""

import re
from datetime import timedelta
from typing import Any

import pytest

from inventory import search
from inventory.models import Device, Tenant
from scanning.models import (
    PresencePeriod,
    SeenHost,
)
from scanning.templatetags.scans import waiting_discoveries
from tests import people, scans
from tests.unit.scanning import scenes

pytestmark = pytest.mark.django_db


def test_a_discovery_is_adopted_with_the_ports_to_watch(cast: people.Cast, made: dict[str, Any]) -> None:
    client, host = people.client_for(cast.omar), made["host"]
    page = client.get(f"/discoveries/{host.pk}/").content.decode()
    assert 'value="80"' in page
    form = {"name": "printer", "kind": "other", "location": "hall", "tcp_ports": "80, 443"}
    answer = client.post(f"/discoveries/{host.pk}/adopt/", form)
    device = Device.objects.get(name="printer")
    assert answer["Location"] == f"/devices/{device.pk}/"
    assert sorted(device.endpoints.filter(protocol="tcp").values_list("port", flat=True)) == [80, 443]
    again = client.post(f"/discoveries/{host.pk}/adopt/", form)
    assert again.status_code == 400
    assert Device.objects.filter(name="printer").count() == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "core"}, "exists"),
        ({"kind": "toaster"}, "Select a valid choice"),
        ({"tcp_ports": "0"}, "a port is 1 to 65535"),
        ({"tcp_ports": "1-100"}, "At most 20"),
        ({"site": "999"}, "Select a valid choice"),
    ],
)
def test_a_wrong_adoption_is_refused_at_its_field(
    cast: people.Cast, made: dict[str, Any], change: dict[str, str], words: str
) -> None:
    form = {"name": "printer", "kind": "other", "tcp_ports": ""} | change
    answer = people.client_for(cast.omar).post(f"/discoveries/{made['host'].pk}/adopt/", form)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert Device.objects.count() == 1


def test_a_discovery_is_a_device_that_is_there(cast: people.Cast, made: dict[str, Any]) -> None:
    client, host = people.client_for(cast.omar), made["host"]
    wrong = client.post(f"/discoveries/{host.pk}/attach/", {"attach-device": "nobody"})
    assert "There is no device of this name." in wrong.content.decode()
    assert client.post(f"/discoveries/{host.pk}/attach/", {"attach-device": "core"}).status_code == 302
    host.refresh_from_db()
    assert host.device == made["device"]


def test_a_discovery_is_ignored_with_a_reason_and_reviewed_again(cast: people.Cast, made: dict[str, Any]) -> None:
    client, host = people.client_for(cast.omar), made["host"]
    assert client.post(f"/discoveries/{host.pk}/ignore/", {"ignore-reason": ""}).status_code == 400
    assert client.post(f"/discoveries/{host.pk}/ignore/", {"ignore-reason": "a guest"}).status_code == 302
    assert "a guest" in client.get("/discoveries/?view=ignored").content.decode()
    client.post(f"/discoveries/{host.pk}/reopen/")
    host.refresh_from_db()
    assert host.review == "new"


def test_many_are_ignored_or_adopted_at_once(cast: people.Cast, made: dict[str, Any]) -> None:
    scenes.ended([scenes.host(f"192.0.2.{number}", 443) for number in (10, 11, 12)], hours=3)
    client = people.client_for(cast.omar)
    rows = {host.address: host.pk for host in SeenHost.objects.all()}

    def send(verb: str, *addresses: str, **over: str) -> str:
        data = {"verb": verb, "host": [rows[address] for address in addresses], "next": "/discoveries/", **over}
        return client.post("/discoveries/bulk/", data, follow=True).content.decode()

    assert "Say why they are ignored." in send("ignore", "192.0.2.10")
    assert "1 host is ignored." in send("ignore", "192.0.2.10", reason="a guest")
    assert "1 host is to be reviewed again." in send("reopen", "192.0.2.10")
    text = send("adopt", "192.0.2.1", "192.0.2.11", "192.0.2.12")
    assert "2 hosts are in the inventory now." in text
    assert "192.0.2.1 is in the inventory already." in text
    assert "Choose hosts first." in send("adopt")
    assert "Choose what is to be done." in send("shoot", "192.0.2.10")
    assert set(Device.objects.values_list("name", flat=True)) == {"core", "192.0.2.11", "192.0.2.12"}


def test_a_host_shows_when_it_was_there(cast: people.Cast, made: dict[str, Any]) -> None:
    host = made["host"]
    PresencePeriod.objects.create(host=host, started_at=scenes.START - timedelta(days=9), ended_at=scenes.START)
    text = people.client_for(cast.vera).get(f"/discoveries/{host.pk}/").content.decode()
    assert "20 Feb 2026, 12:00 to 1 Mar 2026, 12:00" in text
    assert "to now" in text


def test_the_search_finds_discoveries_by_any_name(cast: people.Cast, made: dict[str, Any]) -> None:
    scenes.ended([scenes.host("192.0.2.12", mac="00:00:5e:00:53:07", vendor="Icann")], hours=2)
    host = SeenHost.objects.get(address="192.0.2.12")
    for text in ("192.0.2.12", "0000.5e00.5307", "00:00:5E", "icann"):
        groups = {group["key"]: group["results"] for group in search.search(cast.vera, text)}
        assert groups["discoveries"][0]["url"] == f"/discoveries/{host.pk}/", text


# --- prefixes
def test_the_map_tells_each_address_in_words_too(cast: people.Cast, made: dict[str, Any]) -> None:
    text = people.client_for(cast.vera).get(f"/prefixes/{made['prefix'].pk}/map/").content.decode()
    assert "192.0.2.1 Used, core" in text
    assert "192.0.2.9 Found" in text
    assert "192.0.2.2 Free" in text
    assert "192.0.2.100 Unknown" in text
    assert "192.0.2.200 Excluded" in text


def test_a_large_prefix_lists_what_is_known(cast: people.Cast, made: dict[str, Any]) -> None:
    large = scenes.prefix("192.0.0.0/16")
    text = people.client_for(cast.vera).get(f"/prefixes/{large.pk}/map/").content.decode()
    assert 'class="map"' not in text
    assert "192.0.2.9" in text


# --- how many wait
def test_the_navigation_counts_what_waits_for_review(
    cast: people.Cast, made: dict[str, Any], django_assert_num_queries: Any
) -> None:
    def shown(client: Any) -> str:
        text = client.get("/maintenance/").content.decode()
        found = re.search(r'Scans<span class="n">(\d+)<span class="sr"> (.*?)</span>', text)
        return f"{found[1]} {found[2]}" if found else ""

    ada = people.client_for(cast.ada)
    assert shown(ada) == "1 discovery to review", "not the host that is a device"
    tenant = Tenant.objects.create(name="Elsewhere", slug="elsewhere")
    for number in range(3):
        scans.make_seen(tenant=tenant, hostname=f"h{number}")
    assert shown(ada) == "4 discoveries to review"
    tina = people.make_person("tina", "viewer")
    tina.tenants.set([tenant])
    assert shown(people.client_for(tina)) == "3 discoveries to review"
    SeenHost.objects.filter(tenant=tenant).update(review="ignored")
    assert shown(people.client_for(tina)) == ""
    assert waiting_discoveries(cast.ada) == 1, "and now she knows her tenants"
    with django_assert_num_queries(1):
        assert waiting_discoveries(cast.ada) == 1
