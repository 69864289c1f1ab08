"""Idempotency-Key, ETag and If-Match: repeated and late requests do no harm."""

import subprocess
import sys
import threading

import pytest
from django.db import connection, connections
from django.utils import timezone

from inventory.models import Device, Site
from netmon.rest import idempotency, liveness
from netmon.rest.models import IdempotentRequest
from tests import factories, people

pytestmark = pytest.mark.django_db

KEY = {"HTTP_IDEMPOTENCY_KEY": "5f1c2a-first"}


def test_the_same_post_twice_is_done_once(api):
    first = api.post("/api/v1/sites/", {"name": "a"}, format="json", **KEY)
    again = api.post("/api/v1/sites/", {"name": "a"}, format="json", **KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json() and again["Idempotency-Replayed"] == "true"
    assert again["Location"] == first["Location"]
    assert Site.objects.count() == 1


def test_the_same_key_for_another_request_is_refused(api):
    api.post("/api/v1/sites/", {"name": "a"}, format="json", **KEY)
    for path, body in (("sites", {"name": "b"}), ("tenants", {"name": "a"})):
        answer = api.post(f"/api/v1/{path}/", body, format="json", **KEY)
        assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_mismatch")
    assert Site.objects.count() == 1


def test_another_person_may_use_the_same_key(api, cast):
    api.post("/api/v1/sites/", {"name": "a"}, format="json", **KEY)
    answer = people.client_for(cast.ada).post("/api/v1/sites/", {"name": "b"}, format="json", **KEY)
    assert answer.status_code == 201


def test_what_failed_may_be_sent_again_corrected(api):
    assert api.post("/api/v1/sites/", {"name": ""}, format="json", **KEY).status_code == 400
    assert api.post("/api/v1/sites/", {"name": "a"}, format="json", **KEY).status_code == 201


def test_a_request_under_way_is_not_done_beside_itself(api, cast):
    body = b'{"name":"a"}'
    request = api.post("/api/v1/sites/", body, content_type="application/json", **KEY)
    assert request.status_code == 201
    IdempotentRequest.objects.update(status=None)
    answer = api.post("/api/v1/sites/", body, content_type="application/json", **KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")


def test_a_request_that_lost_its_process_says_so_at_once_and_is_not_repeated(api):
    body = b'{"name":"a"}'
    api.post("/api/v1/sites/", body, content_type="application/json", **KEY)
    code = "from netmon.rest import liveness; print(liveness.this_process())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    IdempotentRequest.objects.update(status=None, process=ended.stdout.strip())
    answer = api.post("/api/v1/sites/", body, content_type="application/json", **KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_lost")
    assert Site.objects.count() == 1
    other = api.post("/api/v1/sites/", {"name": "b"}, format="json", **KEY)
    assert other.json()["code"] == "idempotency_mismatch"


def test_a_process_that_cannot_be_seen_from_here_has_its_time(api):
    body = b'{"name":"a"}'
    api.post("/api/v1/sites/", body, content_type="application/json", **KEY)
    for process in ("", "another-boot 4026531836 1@1"):
        IdempotentRequest.objects.update(status=None, process=process)
        answer = api.post("/api/v1/sites/", body, content_type="application/json", **KEY)
        assert answer.json()["code"] == "idempotency_in_progress"
    IdempotentRequest.objects.update(created_at=timezone.now() - idempotency.GIVEN_UP * 1.01)
    answer = api.post("/api/v1/sites/", body, content_type="application/json", **KEY)
    assert answer.json()["code"] == "idempotency_lost"
    assert not liveness.is_dead(liveness.this_process()) and not liveness.is_dead("nonsense")


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256])
def test_a_key_that_is_none_is_refused(api, key):
    answer = api.post("/api/v1/sites/", {"name": "a"}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    assert answer.status_code == 400 and "Idempotency-Key" in answer.content.decode()


def test_kept_answers_are_encrypted_and_forgotten_after_a_day(api):
    api.post("/api/v1/sites/", {"name": "a-name-to-find"}, format="json", **KEY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM rest_idempotentrequest")
        assert "a-name-to-find" not in str(cursor.fetchall())
    assert idempotency.forget() == 0
    IdempotentRequest.objects.update(created_at=timezone.now() - idempotency.KEPT * 1.01)
    assert idempotency.forget() == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_once_with_one_key_make_one_device(cast, _clean_cache):
    found = []

    def post():
        client = people.client_for(cast.omar)
        found.append(client.post("/api/v1/devices/", {"name": "one", "ip": "10.1.1.1"}, format="json", **KEY))
        connections.close_all()

    threads = [threading.Thread(target=post) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {answer.status_code for answer in found} <= {201, 409}
    assert Device.objects.count() == 1
    assert any(answer.status_code == 201 for answer in found)


def test_an_etag_saves_the_answer_and_guards_the_change(api):
    device = factories.make_flat()
    url = f"/api/v1/devices/{device.pk}/"
    tag = api.get(url)["ETag"]
    assert tag.startswith('"')
    unchanged = api.get(url, HTTP_IF_NONE_MATCH=tag)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    changed = api.patch(url, {"location": "rack 1"}, format="json", HTTP_IF_MATCH=tag)
    assert changed.status_code == 200 and changed["ETag"] != tag
    late = api.patch(url, {"location": "rack 2"}, format="json", HTTP_IF_MATCH=tag)
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert api.delete(url, HTTP_IF_MATCH=tag).status_code == 412
    assert api.get(url)["ETag"] == changed["ETag"]
    assert api.patch(url, {"location": "rack 3"}, format="json", HTTP_IF_MATCH="*").status_code == 200


def test_a_page_is_not_taken_for_the_data_that_a_browser_has(api):
    url = f"/api/v1/devices/{factories.make_flat().pk}/"
    tag = api.get(url)["ETag"]
    page = api.get(url, HTTP_ACCEPT="text/html", HTTP_IF_NONE_MATCH=tag)
    assert page.status_code == 200 and page["Content-Type"].startswith("text/html") and "ETag" not in page


def test_the_etag_of_a_device_follows_what_other_rows_hold(api):
    device = factories.make_flat()
    url = f"/api/v1/devices/{device.pk}/"
    before = api.get(url)["ETag"]
    endpoint = device.endpoints.get(protocol="snmp")
    assert (
        api.patch(f"/api/v1/endpoints/{endpoint.pk}/", {"options": {"version": "1"}}, format="json").status_code == 200
    )
    assert api.get(url)["ETag"] != before


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_at_once_from_the_same_version_one_wins(cast, _clean_cache):
    site = factories.make_site()
    url = f"/api/v1/sites/{site.pk}/"
    tag = people.client_for(cast.omar).get(url)["ETag"]
    found = []

    def patch(name):
        found.append(people.client_for(cast.omar).patch(url, {"name": name}, format="json", HTTP_IF_MATCH=tag))
        connections.close_all()

    threads = [threading.Thread(target=patch, args=(f"name {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status_code for answer in found) == [200, 412, 412, 412]
