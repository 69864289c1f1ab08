"""What a tenant's people see of a device that has gone to another tenant."""

import json
from typing import Any

import pytest

from inventory.models import Device, Tenant
from scanning.models import Scan
from tests import factories, people
from tests.unit.scanning.scenes import ended, host, prefix

pytestmark = pytest.mark.django_db


@pytest.fixture
def moved(cast: people.Cast) -> dict[str, Any]:
    """A device of ours that a scan met, and that is theirs now; the person is bound to us."""
    ours, theirs = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    ours.members.add(cast.omar)
    device = factories.make_flat(name="secret-name", ip="192.0.2.7", tenant=ours)
    row = prefix("192.0.2.0/28", ours)
    scan = ended([host("192.0.2.7", 22), host("192.0.2.8")], tenant=ours)
    Scan.objects.filter(pk=scan.pk).update(device=device)
    Device.objects.filter(pk=device.pk).update(tenant=theirs)
    omar = type(cast.omar).objects.get(pk=cast.omar.pk)
    return {"scan": scan, "device": device, "prefix": row, "client": people.client_for(omar)}


def test_its_name_is_in_no_answer(moved: dict[str, Any]) -> None:
    client, scan = moved["client"], moved["scan"].pk
    for path in (
        f"/api/v1/scans/{scan}/", "/api/v1/scans/", "/api/v1/scans/recent/", f"/api/v1/scans/{scan}/hosts/",
        "/api/v1/discoveries/", f"/api/v1/scans/{scan}/export/?format=json",
        f"/api/v1/scans/{scan}/export/?format=csv", f"/api/v1/prefixes/{moved['prefix'].pk}/map/",
        f"/scans/{scan}/", "/discoveries/?view=all", f"/prefixes/{moved['prefix'].pk}/map/",
    ):  # fmt: skip
        answer = client.get(path)
        assert answer.status_code == 200, path
        text = (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()
        assert "192.0.2.7" in text or path.endswith(("/", "recent/")), path
        assert "secret-name" not in text, path


def test_its_number_is_in_no_answer_either(moved: dict[str, Any]) -> None:
    client, scan = moved["client"], moved["scan"].pk
    assert client.get(f"/api/v1/scans/{scan}/").json()["device"] is None
    exported = json.loads(b"".join(client.get(f"/api/v1/scans/{scan}/export/").streaming_content))
    for rows in (
        client.get(f"/api/v1/scans/{scan}/hosts/").json()["results"],
        client.get("/api/v1/discoveries/").json()["results"],
        exported["hosts"],
    ):
        assert [(row["device"], row["device_name"]) for row in rows] == [(None, None)] * 2


def test_the_map_of_a_prefix_says_that_somebody_answers_and_not_who(moved: dict[str, Any]) -> None:
    cells = moved["client"].get(f"/api/v1/prefixes/{moved['prefix'].pk}/map/").json()["cells"]
    (cell,) = [cell for cell in cells if cell["address"] == "192.0.2.7"]
    assert (cell["state"], cell["name"], cell["device"]) == ("found", "", None)


def test_who_may_see_it_does(moved: dict[str, Any], cast: people.Cast) -> None:
    rows = people.client_for(cast.ada).get("/api/v1/discoveries/").json()["results"]
    assert {row["device_name"] for row in rows} == {"secret-name", None}
