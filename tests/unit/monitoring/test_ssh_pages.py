"""The Facts and Routing tabs: what was read, how old it is, what is missing; hostile text stays text."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring import retention
from monitoring.models import DeviceEvent
from netmon.drivers.platforms import frr_routing
from netmon.drivers.ssh.answers import Answer
from tests import factories, people
from tests.unit.drivers.platforms.captures import capture

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def router(db: Any) -> Any:
    device = factories.make_device(kind="router", name="core-r1")
    endpoint = factories.make_endpoint(device, protocol="ssh")
    factories.make_check(endpoint, module="ssh.routing", interval_seconds=300)
    return device


def fact(reading: Any) -> dict[str, Any]:
    return dict(reading.as_dict())


def test_the_facts_of_a_computer(cast: people.Cast) -> None:
    device = factories.make_device(kind="computer", name="web-1")
    endpoint = factories.make_endpoint(device, protocol="ssh")
    factories.make_check(endpoint, module="ssh.host")
    factories.make_fact(device, "os_release", {"PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"})
    factories.make_fact(device, "memory", {"used_bytes": 4e9, "total_bytes": 16e9, "swap_total_bytes": 0})
    disk = {
        "device": "/dev/vda1", "type": "ext4", "mount_point": f"/srv/{HOSTILE}", "total_bytes": 100e9,
        "used_bytes": 90e9, "available_bytes": 10e9, "used_percent": 90, "inodes_used_percent": 3,
        "days_until_full": 4.5,
    }  # fmt: skip
    factories.make_fact(device, "disks", {"disks": [disk]})
    factories.make_fact(
        device, "units", {"has_systemd": True, "failed": [{"unit": "nginx.service", "description": "x"}]}
    )
    page = people.client_for(cast.vera).get(f"/devices/{device.pk}/facts/").content.decode()
    assert "Debian GNU/Linux 12 (bookworm)" in page
    assert "4.0 GB of 16.0 GB, 25 %" in page
    assert "full in 4d 12h" in page or "full in 4 d 12 h" in page, page[page.find("full in") :][:40]
    assert "nginx.service" in page
    assert HOSTILE not in page and "&lt;script&gt;" in page


def test_the_routing_tab_shows_peers_neighbours_and_what_is_missing(router: Any, cast: people.Cast) -> None:
    bgp = frr_routing.bgp_summary(capture("converged/r1/show_bgp_vrf_all_summary.json"))
    ospf = frr_routing.ospf_neighbors(capture("converged/r1/show_ip_ospf_neighbor.json"), 2)
    dead = frr_routing.bfd_peers(Answer("", "bfdd is not running\n", 1))
    factories.make_fact(router, "bgp_summary", fact(bgp))
    factories.make_fact(router, "ospf_neighbors", fact(ospf))
    factories.make_fact(router, "bfd", fact(dead))
    health = {
        "neighbours": {"ospf": {"missing": ["10.9.9.9"], "down": [], "unexpected": []}},
        "silent_cuts": [{"peer": "10.1.1.1", "interface": "to-r3", "reasons": ["OSPF lost its neighbours on to-r3."]}],
    }
    factories.make_fact(router, "routing_health", health)
    factories.make_event(router, subject=HOSTILE)
    page = people.client_for(cast.vera).get(f"/devices/{router.pk}/routing/").content.decode()
    assert bgp.value is not None and all(peer["address"] in page for peer in bgp.value["peers"])
    assert "Not running: bfdd is not running." in page
    assert "OSPF neighbour 10.9.9.9" in page
    assert "Traffic over to-r3 is lost" in page
    assert HOSTILE not in page and "&lt;script&gt;" in page


def test_a_router_that_was_never_read_says_what_it_needs(router: Any, cast: people.Cast) -> None:
    page = people.client_for(cast.vera).get(f"/devices/{router.pk}/routing/").content.decode()
    assert "SSH endpoint" in page


def test_only_network_equipment_has_the_tab(router: Any, cast: people.Cast) -> None:
    client = people.client_for(cast.vera)
    camera = factories.make_device(kind="camera")
    assert "panel=Routing" in client.get(f"/devices/{router.pk}/").content.decode()
    assert "panel=Routing" not in client.get(f"/devices/{camera.pk}/").content.decode()


def test_the_charts_of_a_host(cast: people.Cast) -> None:
    device = factories.make_device(kind="computer")
    client = people.client_for(cast.vera)
    for name in ("host", "disks"):
        assert client.get(f"/devices/{device.pk}/chart.json?chart={name}").json()["times"] == []
    factories.make_series(device, metric_set="host")
    factories.make_series(device, metric_set="host.disk", labels="mount=/", v0=40.0)
    factories.make_series(device, metric_set="host.disk", labels="mount=/srv", v0=90.0)
    assert [one["label"] for one in client.get(f"/devices/{device.pk}/chart.json?chart=host").json()["columns"]] == [
        "CPU", "Memory in use",
    ]  # fmt: skip
    disks = client.get(f"/devices/{device.pk}/chart.json?chart=disks").json()
    assert [one["label"] for one in disks["columns"]] == ["/srv", "/"], "the fullest first"


def test_events_are_read_newest_first_and_by_device(router: Any, cast: people.Cast) -> None:
    other = factories.make_event(factories.make_device())
    first, second = factories.make_event(router), factories.make_event(router, kind="bgp_up", severity="info")
    client = people.client_for(cast.vera)
    found = client.get("/api/v1/device-events/", {"device": router.pk}).json()["results"]
    assert [row["id"] for row in found] == [second.pk, first.pk]
    assert client.get("/api/v1/device-events/", {"severity": "info"}).json()["results"][0]["kind"] == "bgp_up"
    assert DeviceEvent.objects.filter(pk=other.pk).exists()


def test_present_neighbours_are_adopted(router: Any, cast: people.Cast) -> None:
    bgp = frr_routing.bgp_summary(capture("converged/r1/show_bgp_vrf_all_summary.json"))
    factories.make_fact(router, "bgp_summary", fact(bgp))
    client = people.client_for(cast.omar)
    answer = client.post("/api/v1/expected-neighbours/adopt/", {"device": router.pk}).json()
    assert bgp.value is not None
    up = {peer["address"] for peer in bgp.value["peers"] if peer["is_established"]}
    assert {row["neighbour"] for row in answer["neighbours"]} == up, "one that is down is not what is expected"
    assert client.post("/api/v1/expected-neighbours/adopt/", {"device": router.pk}).json()["added"] == 0
    wrong = client.post("/api/v1/expected-neighbours/", {"device": router.pk, "protocol": "bgp", "neighbour": "r2"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/neighbour")


def test_old_events_are_forgotten_and_new_ones_kept(router: Any, settings: Any) -> None:
    settings.EVENTS_DAYS = 30
    now = timezone.now()
    factories.make_event(router, at=now - timedelta(days=31))
    kept = factories.make_event(router, at=now - timedelta(days=29))
    assert retention.prune_events() == 1
    assert list(DeviceEvent.objects.values_list("pk", flat=True)) == [kept.pk]
