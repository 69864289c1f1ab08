from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import panels
from inventory.models import Device, IPAddress
from monitoring import views
from monitoring.models import DeviceState, Outage
from tests import factories, people, scenes

pytestmark = pytest.mark.django_db

PAGES = ["/", "/monitoring/dashboard", "/live/", "/devices/", "/health/"]


def fill(number: int) -> list[Device]:
    """Devices with a state and an address each, every tenth of them down."""
    now = timezone.now()
    devices = []
    for n in range(number):
        device = factories.make_device(name=f"router-{n:04}.fra", kind="router" if n % 3 else "switch")
        port = factories.make_interface(device)
        device.primary_ip = IPAddress.objects.create(address=f"10.9.{n // 250}.{n % 250 + 1}", interface=port)
        device.save()
        DeviceState.objects.create(
            device=device, state="down" if n % 10 == 0 else "up", cause="No answer" if n % 10 == 0 else "", version=n,
            since=now - timedelta(hours=1), watched_since=now - timedelta(days=9), last_poll_at=now,
            response_time_ms=1.5, uptime_seconds=3_740_400,
        )  # fmt: skip
        if n % 10 == 0:
            Outage.objects.create(device=device, started_at=now - timedelta(hours=1), cause="No answer")
        devices.append(device)
    return devices


def queries_of(client, url: str) -> int:
    with CaptureQueriesContext(connections["default"]) as seen:
        assert client.get(url).status_code == 200
    return len(seen)


@pytest.mark.parametrize("url", [*PAGES, "/devices/add/", "/devices/1/", "/devices/1/chart.json?chart=traffic"])
def test_nobody_is_sent_to_the_login(url):
    answer = people.client_for(None).get(url)
    assert answer.status_code == 302 and answer["Location"].startswith("/login/?next=")


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_everybody_with_a_role_sees_every_page(cast, role):
    device = fill(1)[0]
    client = people.client_for(cast.by_role(role))
    tabs = [f"/devices/{device.pk}/{tab}" for tab in ("", "live/", "interfaces/", "checks/live/", "checks/", "facts/")]
    for url in [*PAGES, *tabs]:
        answer = client.get(url)
        assert answer.status_code == 200, url
        assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_only_operators_get_the_form_and_the_buttons(cast):
    device = fill(1)[0]
    for role, status in (("viewer", 403), ("operator", 200), ("admin", 200)):
        client = people.client_for(cast.by_role(role))
        assert client.get("/devices/add/").status_code == status
        page = client.get(f"/devices/{device.pk}/").content.decode()
        assert ("data-poll=" in page) is (role != "viewer")
        assert (f"/devices/{device.pk}/edit/" in page) is (role != "viewer")


def test_what_does_not_exist_is_not_found(cast):
    device = fill(1)[0]
    client = people.client_for(cast.vera)
    for url in ("/devices/999999/", "/devices/999999999999999999/interfaces/", f"/devices/{device.pk}/unknown/"):
        assert client.get(url).status_code == 404
    for query in ("chart=other", "chart=traffic&interface=77", "chart=traffic&interface=%00"):
        assert client.get(f"/devices/{device.pk}/chart.json?{query}").status_code == 404
    for query in ("?page=x", "?page=-1", "?page=99999999", "?kind=nonsense&site=x&state=%00&q=%00"):
        assert client.get(f"/devices/{query}").status_code == 200


def test_the_overview_has_a_bounded_number_of_queries(cast):
    client = people.client_for(cast.vera)
    fill(3)
    few = queries_of(client, "/")
    fill_more = [factories.make_device() for _ in range(40)]
    for device in fill_more:
        DeviceState.objects.create(device=device, state="down", last_poll_at=timezone.now())
    assert queries_of(client, "/") == few <= 11
    assert queries_of(client, "/live/") <= 10
    assert queries_of(client, "/devices/?kind=router&q=router") <= 11


def test_an_overview_of_200_devices_is_small(cast):
    fill(200)
    client = people.client_for(cast.vera)
    client.get("/")
    answer = client.get("/")
    assert len(answer.content) < 60_000
    assert b"1 of 2" in answer.content


def test_an_unchanged_overview_is_not_sent_again(cast, django_assert_num_queries):
    devices = fill(3)
    client = people.client_for(cast.vera)
    first = client.get("/live/")
    assert first["ETag"].startswith('W/"')
    with django_assert_num_queries(6):
        again = client.get("/live/", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    DeviceState.objects.filter(device=devices[1]).update(state="degraded", version=99)
    changed = client.get("/live/", headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200 and "1 degraded" in changed.content.decode()


def test_the_etag_of_a_device_follows_its_state_row(cast):
    device = fill(1)[0]
    client = people.client_for(cast.vera)
    url = f"/devices/{device.pk}/live/"
    etag = client.get(url)["ETag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    DeviceState.objects.filter(device=device).update(version=50)
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("interface", ["%0a", "%0d%0aX: 1", '"', "%C3%A9", "%ff", "%00", "%ed%a0%80"])
def test_an_etag_holds_whatever_the_address_says(cast, interface):
    device = fill(1)[0]
    client = people.client_for(cast.vera)
    url = f"/devices/{device.pk}/live/?interface={interface}"
    answer = client.get(url)
    assert answer.status_code == 200
    assert client.get(url, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_what_is_wrong_comes_first_and_says_why(cast):
    fill(11)
    page = people.client_for(cast.vera).get("/").content.decode()
    problems = page[: page.index('aria-label="By kind"')]
    assert problems.count("data-state=") == 2 and "No answer" in problems and "2 down." in problems


def test_a_state_that_nobody_refreshes_is_no_data(cast):
    device = fill(2)[1]
    DeviceState.objects.filter(device=device).update(last_poll_at=timezone.now() - timedelta(minutes=10))
    client = people.client_for(cast.vera)
    assert "1 without data" in client.get("/").content.decode()
    page = client.get(f"/devices/{device.pk}/").content.decode()
    assert 'class="st unknown pill">No data' in page


def test_a_device_without_any_state_is_pending(cast):
    device = factories.make_device()
    client = people.client_for(cast.vera)
    assert 'class="st pending">Pending' in client.get("/").content.decode()
    page = client.get(f"/devices/{device.pk}/")
    assert page.status_code == 200 and b"Pending" in page.content


def test_filters_narrow_the_list(cast):
    fill(21)
    client = people.client_for(cast.vera)
    for query, number in (
        ("", 21),
        ("kind=switch", 7),
        ("state=down", 3),
        ("q=router-0007", 1),
        ("q=10.9.0.3", 1),
        ("site=4", 0),
    ):
        assert f"{number} found" in client.get(f"/devices/?{query}").content.decode(), query


def test_text_from_devices_is_escaped_everywhere(cast):
    device = scenes.make_hostile_device()
    client = people.client_for(cast.ada)
    for url in (
        "/",
        "/devices/",
        f"/devices/{device.pk}/",
        f"/devices/{device.pk}/live/",
        f"/devices/{device.pk}/facts/",
    ):
        page = client.get(url).content.decode()
        assert "<script>alert" not in page and "<img src=x" not in page, url
        assert "&lt;script&gt;alert" in page, url


@pytest.fixture
def scene():
    return scenes.make_scene(hours=6)


def test_the_device_page_has_a_bounded_number_of_queries(cast, scene):
    client = people.client_for(cast.vera)
    small = queries_of(client, f"/devices/{scene['edge.par'].pk}/")
    large = queries_of(client, f"/devices/{scene['access-1.par'].pk}/")
    # On PostgreSQL those of the samples are among them: on SQLite these stand in a file of their own.
    assert large == small <= 30


def test_the_device_page_stays_small(cast, scene):
    answer = people.client_for(cast.vera).get(f"/devices/{scene['core1.fra'].pk}/")
    assert len(answer.content) < 45_000


def test_the_device_page_tells_what_was_measured(cast, scene):
    page = people.client_for(cast.omar).get(f"/devices/{scene['core1.fra'].pk}/").content.decode()
    for text in (
        "Degraded",
        "1 outage, 2 min",
        "polled every 1 min by",
        "SNMP v3",
        "fra-snmpv3",
        "since",
        "eth0",
        "Transit Cogent",
        "of 9",
    ):
        assert text in page, text
    assert page.index("Peering") < page.index("Transit Cogent, 1G</span>")  # what is down comes first


def test_a_chart_is_one_answer(cast, scene):
    device = scene["core1.fra"]
    client = people.client_for(cast.vera)
    data = client.get(f"/devices/{device.pk}/chart.json?chart=traffic&range=6h").json()
    assert data["title"] == "eth0" and len(data["times"]) == len(data["average"][0]) == len(data["maximum"][1])
    assert {"now", "average", "maximum", "p95", "total"} == set(data["totals"][0])
    assert data["totals"][0]["maximum"] >= data["totals"][0]["p95"] >= data["totals"][0]["average"]
    assert "/data/?format=csv&from=" in data["csv"]
    summed = client.get(f"/devices/{device.pk}/chart.json?chart=traffic&range=6h&interface=all").json()
    assert summed["totals"][0]["average"] > data["totals"][0]["average"] and summed["csv"] is None
    day = client.get(f"/devices/{device.pk}/chart.json?chart=response&range=24h").json()
    assert len(day["outages"]) == 1 and day["average"][0].count(None) > 0
    for span in ("1h", "7d", "30d", "1y", "nonsense"):
        assert client.get(f"/devices/{device.pk}/chart.json?chart=traffic&range={span}").status_code == 200


def test_a_device_without_series_has_an_empty_chart(cast):
    device = fill(1)[0]
    client = people.client_for(cast.vera)
    for name in ("traffic", "response"):
        assert client.get(f"/devices/{device.pk}/chart.json?chart={name}").json()["times"] == []


def test_another_app_can_hang_a_panel_into_the_page(cast, monkeypatch):
    monkeypatch.setattr(panels, "PANELS", [])
    monkeypatch.setattr(views, "PANELS", panels.PANELS)
    panels.register("Alerts & more", "device-live")
    device = fill(1)[0]
    client = people.client_for(cast.vera)
    page = client.get(f"/devices/{device.pk}/").content.decode()
    assert "?panel=Alerts%20%26%20more" in page
    page = client.get(f"/devices/{device.pk}/?panel=Alerts%20%26%20more").content.decode()
    assert f'hx-get="/devices/{device.pk}/live/" hx-trigger="load"' in page


@pytest.mark.parametrize(
    ("hours", "shown"), [(0.05, "1h"), (3, "6h"), (20, "24h"), (400, "24h")], ids=["new", "hours", "a day", "long"]
)
def test_a_device_is_first_shown_over_the_time_it_was_watched(cast, hours, shown):
    from tests import factories, people

    device = factories.make_flat()
    factories.watch(device, hours=hours)
    page = people.client_for(cast.vera).get(f"/devices/{device.pk}/").content.decode()
    assert f'data-range="{shown}" data-interface' in page
    asked = people.client_for(cast.vera).get(f"/devices/{device.pk}/?range=7d").content.decode()
    assert 'data-range="7d" data-interface' in asked


@pytest.mark.parametrize("status", ["planned", "offline", "retired"])
def test_what_is_out_of_service_alarms_nobody(cast, status):
    device = fill(1)[0]
    Device.objects.filter(pk=device.pk).update(status=status)
    client = people.client_for(cast.vera)
    for url in ("/", "/live/"):
        page = client.get(url).content.decode()
        assert device.name not in page and "1 down" not in page
    assert client.get("/api/v1/monitoring/overview/").json()["total"] == 0
    assert (device.name in client.get("/devices/").content.decode()) is (status != "retired")
    assert device.name not in client.get("/devices/?state=down").content.decode()
    page = client.get(f"/devices/{device.pk}/").content.decode()
    assert ">Paused" in page
    assert '<div class="banner' not in page


def test_only_operators_see_the_names_of_credentials(cast):
    device = factories.make_flat()
    name = device.endpoints.get(protocol="snmp").credential.name
    etags = {}
    for role in ("viewer", "operator", "admin"):
        client = people.client_for(cast.by_role(role))
        for tab in ("", "facts/"):
            page = client.get(f"/devices/{device.pk}/{tab}").content.decode()
            assert (name in page) is (role != "viewer"), (role, tab)
        etags[role] = client.get(f"/devices/{device.pk}/live/")["ETag"]
    assert etags["viewer"] != etags["operator"]
