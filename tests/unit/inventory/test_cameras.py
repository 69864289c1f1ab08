"""A camera in one POST: its stream's address, user and password; and devices by their names."""

import pytest

from inventory.models import Device
from netmon.common.secrets import open_secret
from tests import factories, people

pytestmark = pytest.mark.django_db


def test_one_post_makes_a_camera_and_the_address_shows_no_password(api, cast):
    answer = api.post("/api/v1/cameras/", {"name": "gate", "rtsp_url": "rtsp://root:w%40rd@10.0.0.7:8554/live?ch=1"},
                      format="json")  # fmt: skip
    assert answer.status_code == 201, answer.json()
    row = answer.json()
    assert (row["kind"], row["ip"], row["rtsp_url"]) == ("camera", "10.0.0.7", "rtsp://10.0.0.7:8554/live?ch=1")
    assert (row["rtsp_username"], row["rtsp_password_set"]) == ("root", True)
    assert "w@rd" not in answer.content.decode() and "w%40rd" not in answer.content.decode()
    endpoint = Device.objects.get().endpoints.get(protocol="rtsp")
    assert open_secret(endpoint.credential, "secret") == "w@rd"
    seen = people.client_for(cast.vera).get(f"/api/v1/cameras/{row['id']}/").json()
    assert seen["rtsp_username"] is None and seen["rtsp_url"] == row["rtsp_url"]


def test_what_is_shown_may_be_sent_back_and_parts_changed(api):
    made = api.post(
        "/api/v1/cameras/",
        {"name": "gate", "ip": "10.0.0.7", "rtsp_url": "rtsp://10.0.0.7/a", "rtsp_username": "u", "rtsp_password": "p"},
        format="json",
    ).json()
    url = f"/api/v1/cameras/{made['id']}/"
    same = api.put(url, {name: value for name, value in made.items() if name not in ("created_at", "updated_at")},
                   format="json")  # fmt: skip
    assert same.status_code == 200, same.json()
    changed = api.patch(url, {"rtsp_url": "rtsp://10.0.0.7/b", "rtsp_password": "new"}, format="json")
    assert changed.json()["rtsp_url"] == "rtsp://10.0.0.7/b"
    credential = Device.objects.get().endpoints.get(protocol="rtsp").credential
    assert open_secret(credential, "secret") == "new"


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.7/", "rtsp://", "10.0.0.7/stream", "rtsp://10.0.0.8/other", "rtsp://10.0.0.7:99999/", "rtsp://a b/",
     "rtsp://10.0.0.7/\nx", "rtsp://[::1/", "rtsp://user@/x"],
)  # fmt: skip
def test_an_address_that_is_none_or_another_devices_is_refused(api, url):
    answer = api.post("/api/v1/cameras/", {"name": "gate", "ip": "10.0.0.7", "rtsp_url": url}, format="json")
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/rtsp_url", answer.json()
    assert not Device.objects.exists()


def test_an_operator_does_not_lead_a_stored_password_elsewhere(api):
    made = api.post("/api/v1/cameras/", {"name": "gate", "rtsp_url": "rtsp://u:p@10.0.0.7/a"}, format="json").json()
    url = f"/api/v1/cameras/{made['id']}/"
    for body in ({"ip": "10.0.0.66"}, {"rtsp_url": "rtsp://10.0.0.7:6666/a"}):
        answer = api.patch(url, body, format="json")
        assert answer.status_code == 400 and "rtsp_password" in answer.content.decode(), answer.json()
    again = {"ip": "10.0.0.66", "rtsp_url": "rtsp://10.0.0.66/a", "rtsp_password": "p"}
    assert api.patch(url, again, format="json").status_code == 200


def test_cameras_come_from_files_too(api):
    text = "name,kind,rtsp_url,rtsp_username,rtsp_password\ngate,camera,rtsp://10.0.0.7/a,u,p\n"
    answer = api.post("/api/v1/devices/import/", text, content_type="text/csv")
    assert answer.status_code == 200, answer.json()
    assert api.get("/api/v1/cameras/").json()["results"][0]["rtsp_url"] == "rtsp://10.0.0.7/a"


def test_a_device_by_its_name_is_made_once_and_then_changed(api):
    url = "/api/v1/devices/by-key/Core%201/"
    made = api.put(url, {"kind": "router", "ip": "10.0.0.1"}, format="json")
    assert (made.status_code, made.json()["name"]) == (201, "Core 1")
    again = api.put("/api/v1/devices/by-key/CORE%201/", {"location": "rack 1"}, format="json")
    assert (again.status_code, again.json()["id"], again.json()["location"]) == (200, made.json()["id"], "rack 1")
    tenant = factories.make_tenant()
    other = api.put(f"{url}?tenant={tenant.slug}", {}, format="json")
    assert (other.status_code, other.json()["tenant"]) == (201, tenant.pk)
    assert api.put(f"{url}?tenant=nobody", {}, format="json").status_code == 404
    assert api.put(f"{url}?nonsense=1", {}, format="json").status_code == 400
    assert api.put(url, [1], format="json").status_code == 400
    assert Device.objects.count() == 2
