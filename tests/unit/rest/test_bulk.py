"""Many objects in one request: all or nothing, each fault by its index, and the same in the background."""

import orjson
import pytest
from django.db import connection

from inventory.models import Device, Site, Tag
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from netmon.rest import bulk
from tests import factories, people

pytestmark = pytest.mark.django_db


def sites(*names):
    return [{"name": name} for name in names]


def test_many_are_made_in_one_request_and_each_is_recorded(api):
    answer = api.post("/api/v1/sites/bulk/", sites("a", "b", "c"), format="json")
    assert answer.status_code == 201
    assert [row["name"] for row in answer.json()] == ["a", "b", "c"]
    assert AuditEvent.objects.filter(action="create", object_type="inventory.site").count() == 3


def test_return_ids_answers_ids_only(api):
    answer = api.post("/api/v1/sites/bulk/?return=ids", sites("a", "b"), format="json")
    assert answer.json() == [{"id": pk} for pk in Site.objects.order_by("pk").values_list("pk", flat=True)]


def test_one_bad_item_writes_nothing_and_every_bad_item_is_named_by_its_index(api):
    items = [*sites("a", "b"), {"name": ""}, {"name": "c"}, {"nmae": "d"}]
    answer = api.post("/api/v1/sites/bulk/", items, format="json")
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "bulk_failed" and "2 of 5" in body["detail"]
    assert [error["pointer"] for error in body["errors"]] == ["/2/name", "/4/nmae"]
    assert not Site.objects.exists() and not AuditEvent.objects.filter(action="create").exists()


def test_twins_within_one_request_are_a_conflict(api):
    answer = api.post("/api/v1/sites/bulk/", sites("Évry", "ÉVRY"), format="json")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["pointer"] == "/1/name"
    assert not Site.objects.exists()


def test_not_atomic_writes_what_is_good_and_answers_each_index(api):
    answer = api.post("/api/v1/sites/bulk/?atomic=false", [*sites("a"), {"name": ""}, *sites("b", "a")], format="json")
    assert answer.status_code == 207
    assert [entry["status"] for entry in answer.json()["results"]] == [201, 400, 201, 409]
    assert sorted(Site.objects.values_list("name", flat=True)) == ["a", "b"]


def test_a_dry_run_says_the_same_and_writes_nothing(api):
    good = api.post("/api/v1/sites/bulk/?dry_run=true", sites("a", "b"), format="json")
    assert good.status_code == 200
    assert good.json() == {
        "dry_run": True,
        "results": [{"index": index, "status": 201, "id": None, "errors": []} for index in (0, 1)],
    }
    bad = api.post("/api/v1/sites/bulk/?dry_run=true", sites("a", "a"), format="json")
    assert bad.status_code == 409
    assert not Site.objects.exists() and not AuditEvent.objects.filter(action="create").exists()


def test_many_are_changed_and_deleted(api):
    rows = [factories.make_site() for _ in range(3)]
    items = [{"id": row.pk, "name": f"new {row.pk}"} for row in rows]
    assert api.patch("/api/v1/sites/bulk/", items, format="json").status_code == 200
    assert set(Site.objects.values_list("name", flat=True)) == {f"new {row.pk}" for row in rows}
    # A missing one stops all of them.
    assert api.delete("/api/v1/sites/bulk/", [rows[0].pk, 99999], format="json").status_code == 404
    assert Site.objects.count() == 3
    answer = api.delete("/api/v1/sites/bulk/", [rows[0].pk, {"id": rows[1].pk}], format="json")
    assert answer.status_code == 204
    assert list(Site.objects.values_list("pk", flat=True)) == [rows[2].pk]
    assert AuditEvent.objects.filter(action="delete").count() == 2


def test_devices_in_the_flat_form_go_in_bulk(api):
    items = [{"name": f"r{n}", "kind": "router", "ip": f"10.9.0.{n}", "snmp_community": "public"} for n in range(1, 6)]
    answer = api.post("/api/v1/devices/bulk/", items, format="json")
    assert answer.status_code == 201, answer.json()
    assert [row["ip"] for row in answer.json()] == [item["ip"] for item in items]
    assert Device.objects.filter(endpoints__protocol="snmp").count() == 5
    assert "public" not in answer.content.decode()


@pytest.mark.parametrize(
    ("data", "word"), [({}, "list"), ([], "list"), ("x", "list"), ([1] * 1001, "At most 1000"), ([{"id": 0}], "number")]
)
def test_what_is_no_list_of_items_is_refused(api, data, word):
    answer = api.patch("/api/v1/sites/bulk/", data, format="json")
    assert answer.status_code == 400
    assert word in answer.content.decode()


@pytest.mark.parametrize("query", ["atomic=maybe", "dry_run=2", "return=all", "nonsense=1"])
def test_an_unknown_switch_is_refused_before_anything_is_done(api, query):
    answer = api.post(f"/api/v1/sites/bulk/?{query}", sites("a"), format="json")
    assert answer.status_code == 400 and query.partition("=")[0] in answer.content.decode()
    assert not Site.objects.exists()


def test_in_the_background_a_job_does_it_with_the_rights_and_name_of_the_person(api, cast):
    answer = api.post("/api/v1/sites/bulk/?background=true", sites("a", "b"), format="json")
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["job"]["id"])
    assert answer["Location"] == f"/api/v1/jobs/{job.pk}/"
    assert not Site.objects.exists()
    bulk.run_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.result["written"], job.payload) == ("succeeded", 2, "")
    event = AuditEvent.objects.filter(action="create").first()
    assert (event.username, event.via) == (cast.omar.username, "job")


def test_what_a_background_job_works_on_is_encrypted_and_in_no_message(api):
    items = [{"name": "r", "ip": "10.9.1.1", "snmp_community": "hush-hush-community"}]
    job_id = api.post("/api/v1/devices/bulk/?background=true", items, format="json").json()["job"]["id"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM jobs_job WHERE id = %s", [job_id])
        assert "hush-hush-community" not in str(cursor.fetchall())
    assert "hush-hush-community" not in api.get(f"/api/v1/jobs/{job_id}/").content.decode()
    bulk.run_job(job_id)
    assert Device.objects.filter(name="r").exists()


def test_a_background_job_names_its_faults(api):
    job_id = api.post("/api/v1/sites/bulk/?background=true", sites("a", ""), format="json").json()["job"]["id"]
    bulk.run_job(job_id)
    job = Job.objects.get(pk=job_id)
    assert (job.status, job.error_code) == ("failed", "bulk_failed")
    assert job.result["errors"][0]["pointer"] == "/1/name"
    assert not Site.objects.exists()


def test_a_background_job_of_somebody_who_lost_the_right_writes_nothing(api, cast):
    job_id = api.post("/api/v1/sites/bulk/?background=true", sites("a"), format="json").json()["job"]["id"]
    cast.omar.role = "viewer"
    cast.omar.save()
    bulk.run_job(job_id)
    job = Job.objects.get(pk=job_id)
    assert (job.status, job.error_code) == ("failed", "permission_denied")
    assert not Site.objects.exists()


def test_a_running_job_stops_when_asked_and_says_how_far_it_came(api):
    names = sites(*(f"s{n}" for n in range(5)))
    job_id = api.post("/api/v1/sites/bulk/?background=true&atomic=false", names, format="json").json()["job"]["id"]
    Job.objects.filter(pk=job_id).update(cancel_requested=True)
    bulk.run_job(job_id)
    job = Job.objects.get(pk=job_id)
    assert job.status == "cancelled"
    assert job.result == {"written": Site.objects.count()}
    assert 0 < Site.objects.count() < 5


def test_a_viewer_may_not(cast, _clean_cache):
    client = people.client_for(cast.vera)
    for method in ("post", "patch", "delete"):
        assert getattr(client, method)("/api/v1/sites/bulk/", [], format="json").status_code == 403
        assert getattr(client, method)("/api/v1/tags/bulk/", orjson.dumps([]), format="json").status_code == 403
    assert not Tag.objects.exists()
