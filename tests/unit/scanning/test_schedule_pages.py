"""The pages of schedules, of exclusions, and of a device's ports."""

from typing import Any

import pytest

from netmon.audit.models import AuditEvent
from scanning.models import (
    ExpectedPort,
    Scan,
    ScanExclusion,
    ScanSchedule,
)
from tests import factories, people

pytestmark = pytest.mark.django_db


SCHEDULE = {
    "name": "weekly", "kind": "network", "target": "192.0.2.0/28", "ports": "web", "profile": "polite",
    "every_minutes": "10080", "jitter_minutes": "30", "time_zone": "Europe/Paris", "window_start": "22:00",
    "window_end": "05:00", "is_enabled": "on", "reason": "agreed",
}  # fmt: skip


def test_a_schedule_is_added_changed_run_and_deleted(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.omar)
    assert client.post("/scans/schedules/add/", SCHEDULE)["Location"] == "/scans/schedules/"
    row = ScanSchedule.objects.get(name="weekly")
    assert (row.created_by, row.every_minutes, str(row.window_end)) == (cast.omar, 10080, "05:00:00")
    client.post(f"/scans/schedules/{row.pk}/", {**SCHEDULE, "name": "weekly, gentle", "profile": "gentle"})
    answer = client.post(f"/scans/schedules/{row.pk}/run/")
    scan = Scan.objects.latest("pk")
    assert answer["Location"] == f"/scans/{scan.pk}/"
    assert (scan.schedule, scan.profile) == (row, "gentle")
    again = client.post(f"/scans/schedules/{row.pk}/run/", follow=True)
    assert "is under way" in again.content.decode()
    client.post(f"/scans/schedules/{row.pk}/delete/")
    actions = list(AuditEvent.objects.filter(object_type="scanning.scanschedule").values_list("action", flat=True))
    assert sorted(actions) == ["create", "delete", "run", "update"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "198.51.100.0/24"}, "add its prefix to the inventory"),
        ({"window_end": ""}, "A window has a start and an end."),
        ({"every_minutes": "1"}, "greater than or equal to 5"),
        ({"ports": "nonsense"}, "no such service or list"),
        ({"name": ""}, "required"),
    ],
)
def test_a_wrong_schedule_is_refused_at_its_field(
    cast: people.Cast, made: dict[str, Any], change: dict[str, str], words: str
) -> None:
    answer = people.client_for(cast.omar).post("/scans/schedules/add/", SCHEDULE | change)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert ScanSchedule.objects.count() == 1


def test_an_admin_keeps_exclusions(cast: people.Cast, made: dict[str, Any]) -> None:
    client = people.client_for(cast.ada)
    assert client.post("/scans/exclusions/add/", {"cidr": "192.0.2.7", "note": "a plc"}).status_code == 302
    row = ScanExclusion.objects.get(note="a plc")
    assert client.post(f"/scans/exclusions/{row.pk}/", {"cidr": "192.0.2.8", "note": "a plc"}).status_code == 302
    assert client.post("/scans/exclusions/add/", {"cidr": "300.1.1.1"}).status_code == 400
    assert client.post("/scans/exclusions/add/", {"cidr": "192.0.2.8/32"}).status_code == 400  # it is there
    assert client.post(f"/scans/exclusions/{row.pk}/delete/").status_code == 302
    assert ScanExclusion.objects.count() == 1
    assert AuditEvent.objects.filter(object_type="scanning.scanexclusion").count() == 3


# --- a device's ports
def test_the_tab_holds_ports_against_the_baseline(cast: people.Cast, made: dict[str, Any]) -> None:
    url = f"/devices/{made['device'].pk}/ports/"
    text = people.client_for(cast.omar).get(url, HTTP_HX_REQUEST="true").content.decode()
    assert "<html" not in text
    assert "Open, as expected" in text
    assert "Open, not expected" in text


def test_a_baseline_is_taken_added_to_and_taken_from(cast: people.Cast, made: dict[str, Any]) -> None:
    client, device = people.client_for(cast.omar), made["device"]
    url = f"/devices/{device.pk}/ports/"
    assert client.post(f"{url}baseline/")["Location"] == f"/devices/{device.pk}/?panel=Ports"
    assert set(ExpectedPort.objects.values_list("port", flat=True)) == {22, 443}
    client.post(f"{url}expect/", {"port": "23", "state": "closed", "note": "never telnet"})
    row = ExpectedPort.objects.get(port=23)
    assert row.state == "closed"
    for data, words in (({"port": "23", "state": "open"}, "in its baseline already"), ({"port": "0"}, "equal to 1")):
        assert words in client.post(f"{url}expect/", data, follow=True).content.decode()
    client.post(f"{url}{row.pk}/forget/")
    assert not ExpectedPort.objects.filter(port=23).exists()
    other = factories.make_flat(name="edge", ip="192.0.2.5")
    text = client.post(f"/devices/{other.pk}/ports/baseline/", follow=True).content.decode()
    assert "scan it first" in text


def test_a_device_is_scanned_by_one_click(cast: people.Cast, made: dict[str, Any]) -> None:
    client, device = people.client_for(cast.omar), made["device"]
    client.post(f"/devices/{device.pk}/ports/scan/")
    scan = Scan.objects.latest("pk")
    assert (scan.device, scan.kind) == (device, "ports")
    text = client.post(f"/devices/{device.pk}/ports/scan/", follow=True).content.decode()
    assert "is under way" in text
