"""What a hostile reader found, and would find again."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from inventory.models import Device, Site, Tag
from inventory.transfer import importing, writing
from netmon.accounts.services import keys
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from netmon.rest import bulk
from netmon.rest.models import IdempotentRequest
from tests import factories, people

pytestmark = pytest.mark.django_db


def with_key(text):
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_X_API_KEY=text)
    return client


def start(client, path, body, **options):
    answer = client.post(f"/api/v1/{path}", body, **{"format": "json", **options})
    assert answer.status_code == 202, answer.content
    return Job.objects.get(pk=answer.json()["job"]["id"])


def test_a_job_does_not_outlive_the_key_that_started_it(cast, _clean_cache):
    key, text = keys.make(user=cast.omar, name="k", scopes=["inventory:write"])
    client = with_key(text)
    lost = start(client, "sites/bulk/?background=true", [{"name": "lost"}])
    file = start(client, "devices/import/?background=true", "name\nlost\n", content_type="text/csv", format=None)
    done = start(client, "sites/bulk/?background=true", [{"name": "done"}])
    bulk.run_job(done.pk)
    assert AuditEvent.objects.get(action="create", object_type="inventory.site").via == f"job api_key:{key.prefix}"
    keys.revoke(key=key)
    bulk.run_job(lost.pk)
    importing.run_job(file.pk)
    for job in (lost, file):
        job.refresh_from_db()
        assert (job.status, job.error_code) == ("failed", "permission_denied")
    assert list(Site.objects.values_list("name", flat=True)) == ["done"] and not Device.objects.exists()


def test_a_form_with_a_session_and_a_key_is_read_once(cast, _clean_cache):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cast.omar, backend="django.contrib.auth.backends.ModelBackend")
    client.get("/import/")
    token = client.cookies["csrftoken"].value
    file = SimpleUploadedFile("devices.csv", b"name\na\n")
    answer = client.post("/api/v1/devices/import/", {"file": file}, format="multipart", HTTP_X_CSRFTOKEN=token,
                         HTTP_IDEMPOTENCY_KEY="a-key")  # fmt: skip
    assert answer.status_code == 200, answer.content


def test_a_device_that_goes_during_an_import_is_a_fault_of_its_line(api, monkeypatch):
    device = factories.make_device(name="r1")
    job = start(api, "devices/import/?background=true&existing=update", "name,location\nr1,x\n",
                content_type="text/csv", format=None)  # fmt: skip
    monkeypatch.setattr(writing, "_create", lambda plans: Device.objects.filter(pk=device.pk).delete())
    importing.run_job(job.pk)
    job.refresh_from_db()
    assert job.status == "failed" and "line 2" in job.error_detail


def test_a_fault_of_ours_ends_the_job(api, monkeypatch):
    job = start(api, "devices/import/?background=true", "name\na\n", content_type="text/csv", format=None)

    def broken(plans):
        raise RuntimeError("a bug")

    monkeypatch.setattr(writing, "_create", broken)
    with pytest.raises(RuntimeError):
        importing.run_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.error_code, job.payload) == ("failed", "internal", "")


def test_a_cancelled_job_commits_nothing(api):
    one = start(api, "sites/bulk/?background=true", [{"name": "a"}])
    two = start(api, "devices/import/?background=true", "name\na\n", content_type="text/csv", format=None)
    Job.objects.update(cancel_requested=True)
    bulk.run_job(one.pk)
    importing.run_job(two.pk)
    assert set(Job.objects.values_list("status", flat=True)) == {"cancelled"}
    assert not Site.objects.exists() and not Device.objects.exists()


def test_a_dry_run_says_what_the_run_would_say(api):
    factories.make_flat(name="r1", ip="10.0.0.1", snmp_community="public")
    url, text = "/api/v1/devices/import/?existing=update", "name,ip\nr1,10.66.66.66\n"
    dry = api.post(f"{url}&dry_run=true", text, content_type="text/csv")
    real = api.post(url, text, content_type="text/csv")
    assert dry.status_code == real.status_code == 400
    assert dry.json()["errors"] == real.json()["errors"]
    assert "Stored secrets" in real.json()["detail"]


def test_shifted_columns_tell_nobody_a_secret(api, cast):
    text = "name,ip,snmp_version,snmp_community\nr1,10.0.0.1,TopSecret9,2c\n"
    job = start(api, "devices/import/?background=true", text,
                content_type="text/csv", format=None)  # fmt: skip
    importing.run_job(job.pk)
    assert "TopSecret9" not in str(Job.objects.get(pk=job.pk).result)
    seen = people.client_for(cast.vera).get(f"/api/v1/jobs/{job.pk}/").json()
    assert seen["status"] == "failed" and seen["result"] is None


def test_an_answer_is_not_replayed_to_less_right(cast, _clean_cache):
    strong = keys.make(user=cast.ada, name="strong", scopes=["write", "accounts:write"])[1]
    weak = keys.make(user=cast.ada, name="weak", scopes=["accounts:write"], role="viewer")[1]
    body = {"name": "made", "scopes": ["write"]}
    first = with_key(strong).post("/api/v1/api-keys/", body, format="json", HTTP_IDEMPOTENCY_KEY="once")
    assert first.status_code == 201, first.content
    again = with_key(weak).post("/api/v1/api-keys/", body, format="json", HTTP_IDEMPOTENCY_KEY="once")
    assert again.status_code == 409 and first.json()["key"] not in again.content.decode()


def test_a_reservation_that_was_given_up_does_no_harm(api, monkeypatch):
    from inventory.api import SiteViewSet

    plain = SiteViewSet.perform_create

    def slow(self, serializer):
        plain(self, serializer)
        IdempotentRequest.objects.all().delete()

    monkeypatch.setattr(SiteViewSet, "perform_create", slow)
    answer = api.post("/api/v1/sites/", {"name": "a"}, format="json", HTTP_IDEMPOTENCY_KEY="once")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "2026-01-01T00:00:00+23:59"]
)
def test_moments_at_the_edge_of_time_are_no_fault_of_ours(api, moment):
    for path in ("devices", "jobs", "checks", "ip-addresses"):
        assert api.get(f"/api/v1/{path}/", {"created_at__gte": moment}).status_code in (200, 400)


def test_a_line_may_say_a_tag_twice_and_a_wrong_mac_is_named(api):
    Tag.objects.create(name="Core", slug="core")
    assert api.post("/api/v1/devices/import/", "name,tags\na,core;core\n", content_type="text/csv").status_code == 200
    wrong = api.post("/api/v1/devices/import/", "name,mac\nb,zz\n", content_type="text/csv")
    assert wrong.json()["errors"][0]["pointer"] == "/2/mac"


def test_a_switch_import_does_not_turn_a_router_into_a_switch(api):
    factories.make_device(name="r1", kind="router")
    url = "/api/v1/switches/import/?existing=update"
    assert api.post(url, "name\nr1\n", content_type="text/csv").status_code == 400
    assert Device.objects.get().kind == "router"


def test_a_long_file_without_lines_is_a_job_too(api):
    text = "[" + ",".join(f'{{"name":"device number {n}"}}' for n in range(12000)) + "]"
    assert api.post("/api/v1/devices/import/", text, content_type="application/json").status_code == 202


def test_a_key_makes_no_second_factor_for_its_owner(cast, _clean_cache):
    client = with_key(keys.make(user=cast.omar, name="k", scopes=["accounts:write"], role="viewer")[1])
    assert client.post("/api/v1/auth/totp/enrol/", {}, format="json").status_code == 403


def test_versions_are_minded_by_keys_and_refused_in_bulk(cast, _clean_cache):
    client = people.client_for(cast.ada)
    made = client.post("/api/v1/ssh-keys/generate/", {"name": "k", "type": "ed25519"}, format="json").json()
    url = f"/api/v1/ssh-keys/{made['id']}/"
    assert client.patch(url, {"comment": "x"}, format="json", HTTP_IF_MATCH='"nonsense"').status_code == 412
    assert client.delete(url, HTTP_IF_MATCH='"nonsense"').status_code == 412
    tag = client.get(url)["ETag"]
    assert client.patch(url, {"comment": "x"}, format="json", HTTP_IF_MATCH=tag).status_code == 200
    site = factories.make_site()
    answer = client.patch("/api/v1/sites/bulk/", [{"id": site.pk, "name": "b"}], format="json", HTTP_IF_MATCH='"x"')
    assert answer.status_code == 400
