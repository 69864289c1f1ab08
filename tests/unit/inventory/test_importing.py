"""A file of devices: checked whole, named by line, written at once or not at all, and the same as one by one."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import representation
from inventory.models import Credential, Device, Tag, Tenant
from inventory.transfer import importing
from monitoring.models import Check, DeviceState
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from tests import factories, people

pytestmark = pytest.mark.django_db

URL = "/api/v1/devices/import/"


def send(client, text, query="", content_type="text/csv"):
    return client.post(f"{URL}{query}", text, content_type=content_type)


def many(count, start=0):
    lines = [f"sw{n},switch,10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1},public" for n in range(start, start + count)]
    return "\n".join(["name,kind,ip,snmp_community", *lines]) + "\n"


def test_a_device_from_a_file_is_the_same_as_one_from_the_form(api):
    factories.make_site(name="Harbour")
    Tag.objects.create(name="Core", slug="core")
    fields = {
        "name": "r1", "kind": "router", "ip": "10.5.0.1", "mac": "00-11-22-aa-bb-cc", "hostname": "r1.example.net",
        "location": "rack 1", "snmp_username": "watch", "snmp_auth_password": "auth-pass-phrase",
        "snmp_priv_password": "priv-pass-phrase", "snmp_port": 1161, "ssh_username": "root", "ssh_password": "s3cret!",
    }  # fmt: skip
    answer = send(api, json.dumps([{**fields, "site": "harbour", "tags": ["core"]}]), content_type="application/json")
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["created"], answer.json()["error_count"]) == (1, 0)
    site = Device.objects.get().site_id
    twin = api.post(
        "/api/v1/devices/", {**fields, "name": "r2", "ip": "10.5.0.2", "site": site, "tags": ["core"]}, format="json"
    )
    assert twin.status_code == 201, twin.json()

    def shape(name):
        device = Device.objects.get(name=name)
        (row,) = representation.device_rows([device.pk], names_logins=True)
        for column in ("id", "name", "ip", "created_at", "updated_at"):
            row.pop(column)
        endpoints = [
            (
                endpoint.protocol,
                endpoint.port,
                endpoint.options,
                sorted(endpoint.checks.values_list("module", flat=True)),
            )
            for endpoint in device.endpoints.order_by("protocol")
        ]
        credentials = list(device.own_credentials.order_by("kind").values_list("kind", "username", "auth_protocol"))
        return row, endpoints, credentials, DeviceState.objects.get(device=device).state

    assert shape("r1") == shape("r2")
    assert AuditEvent.objects.filter(action="create", object_type="inventory.device").count() == 2
    assert AuditEvent.objects.filter(action="import").count() == 1


def test_a_wrong_line_writes_nothing_and_every_wrong_line_is_named(api):
    text = "name,ip,status\na,10.0.0.1,active\nb,10.0.0.300,\nc,10.0.0.3,nonsense\n,,\na,10.0.0.4,\nd,10.0.0.1,\n"
    answer = send(api, text)
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "import_refused"
    assert [error["pointer"] for error in body["errors"]] == ["/3/ip", "/4/status", "/6/name", "/7/ip"]
    assert "line 3" in body["detail"] and "4 errors" in body["detail"]
    assert not Device.objects.exists() and not Credential.objects.exists()


def test_not_atomic_writes_the_good_lines(api):
    answer = send(api, "name,ip\na,10.0.0.1\nb,nonsense\nc,10.0.0.3\n", "?atomic=false")
    assert answer.status_code == 200
    assert (answer.json()["created"], [fault["line"] for fault in answer.json()["errors"]]) == (2, [3])
    assert sorted(Device.objects.values_list("name", flat=True)) == ["a", "c"]


def test_a_dry_run_shows_what_would_be_and_writes_nothing(api):
    answer = send(api, many(60), "?dry_run=true")
    assert answer.json()["created"] == 60 and len(answer.json()["preview"]) == 50
    assert answer.json()["preview"][0]["line"] == 2 and answer.json()["preview"][0]["access"] == "icmp, snmp"
    assert "public" not in answer.content.decode()
    assert not Device.objects.exists()


def test_devices_that_are_there_are_refused_skipped_or_updated(api):
    factories.make_device(name="Évry")
    text = "name,location\nÉVRY,rack 9\n"
    refused = send(api, text)
    assert refused.status_code == 400 and "exists already" in refused.json()["detail"]
    assert send(api, text, "?existing=skip").json()["skipped"] == 1
    assert Device.objects.get().location == ""
    assert send(api, text, "?existing=update").json()["updated"] == 1
    assert Device.objects.get().location == "rack 9"
    assert AuditEvent.objects.get(action="update").after == {"location": "rack 9", "name": "ÉVRY"}


def test_what_was_exported_goes_in_again(api):
    for number in range(3):
        factories.make_flat(name=f"=odd {number}", location="a;b\nc")
    for file_format in ("csv", "json"):
        text = b"".join(api.get(f"/api/v1/devices/export/?format={file_format}").streaming_content)
        mime = "text/csv" if file_format == "csv" else "application/json"
        answer = send(api, text, "?existing=update", content_type=mime)
        assert answer.status_code == 200, answer.json()
        assert answer.json()["updated"] == 3


def test_a_device_of_many_costs_a_fraction_of_a_statement(api):
    with CaptureQueriesContext(connection) as few:
        send(api, many(10))
    with CaptureQueriesContext(connection) as lots:
        assert send(api, many(400, start=1000)).json()["created"] == 400
    assert (len(lots) - len(few)) / 390 < 0.3, (len(few), len(lots))  # made alone, a device costs some forty
    assert Check.objects.filter(endpoint__protocol="snmp").count() == 820
    assert not Device.objects.filter(primary_ip=None).exists()


def test_references_are_found_by_name_or_number_and_refused_by_name(api):
    tenant = Tenant.objects.create(name="Acme GmbH", slug="acme")
    site = factories.make_site(name="Nord")
    host = factories.make_device(name="kvm1", kind="server")
    text = f"name,kind,tenant,site,hypervisor\na,vm,ACME gmbh,{site.pk},KVM1\nb,vm,acme,nord,\n"
    assert send(api, text).status_code == 200
    first = Device.objects.get(name="a")
    assert (first.tenant, first.site, first.hypervisor) == (tenant, site, host)
    for column, value in (("site", "Süd"), ("tenant", "x"), ("hypervisor", "x"), ("tags", "x")):
        answer = send(api, f"name,kind,{column}\nc,vm,{value}\n")
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == f"/2/{column}"


def test_long_files_become_a_job_with_progress(api, cast):
    answer = send(api, many(1200))
    assert answer.status_code == 202
    job = Job.objects.get(pk=answer.json()["job"]["id"])
    assert (job.progress_total, Device.objects.count()) == (1200, 0)
    importing.run_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.result["created"], job.progress_done, job.payload) == ("succeeded", 1200, 1200, "")
    assert Device.objects.count() == 1200
    assert AuditEvent.objects.filter(action="create").first().username == cast.omar.username


def test_a_wrong_line_7431_writes_nothing_and_is_named(api):
    lines = many(8000).splitlines()
    lines[7430] = "sw,switch,10.0.0.999,public"
    job_id = send(api, "\n".join(lines), "?background=true").json()["job"]["id"]
    importing.run_job(job_id)
    job = Job.objects.get(pk=job_id)
    assert (job.status, job.error_code) == ("failed", "import_refused")
    assert "line 7431, ip" in job.error_detail
    assert job.result["errors"][0]["line"] == 7431
    assert not Device.objects.exists()


def test_a_preview_is_confirmed_once_by_its_owner(api, cast):
    job_id = send(api, many(5), "?background=true&dry_run=true").json()["job"]["id"]
    importing.run_job(job_id)
    preview = Job.objects.get(pk=job_id)
    assert preview.result["created"] == 5 and preview.payload
    with pytest.raises(Exception, match="upload it again"):
        importing.confirm(preview, user=cast.ada)
    importing.run_job(importing.confirm(preview, user=cast.omar).pk)
    assert Device.objects.count() == 5


def test_secrets_of_a_file_are_nowhere_in_clear(api):
    job_id = send(api, "name,ip,snmp_community\na,10.0.0.1,hush-hush-1\n", "?background=true").json()["job"]["id"]
    with connection.cursor() as cursor:
        for table in ("jobs_job", "audit_auditevent"):
            cursor.execute(f"SELECT * FROM {table}")
            assert "hush-hush-1" not in str(cursor.fetchall()), table
    importing.run_job(job_id)
    assert "hush-hush-1" not in api.get(f"/api/v1/jobs/{job_id}/").content.decode()
    with connection.cursor() as cursor:
        for table in ("jobs_job", "audit_auditevent", "inventory_credential"):
            cursor.execute(f"SELECT * FROM {table}")
            assert "hush-hush-1" not in str(cursor.fetchall()), table


def test_a_form_with_a_file_works_too(api):
    file = SimpleUploadedFile("devices.csv", "\ufeffname;location\nä;ö\n".encode())
    answer = api.post(URL, {"file": file}, format="multipart")
    assert answer.status_code == 200, answer.json()
    assert Device.objects.get().name == "ä"


@pytest.mark.parametrize(
    ("body", "mime", "status"),
    [
        (b"", "text/csv", 400),
        (b"name\n\xff", "text/csv", 400),
        (b"{", "application/json", 400),
        (b"x", "text/html", 415),
    ],
)
def test_what_is_no_file_is_refused(api, body, mime, status):
    assert send(api, body, content_type=mime).status_code == status


def test_viewers_may_not_and_a_kind_takes_its_own(cast, api, _clean_cache):
    assert send(people.client_for(cast.vera), "name\na\n").status_code == 403
    answer = api.post("/api/v1/switches/import/", "name,kind\na,\nb,router\n", content_type="text/csv")
    assert answer.status_code == 400 and "/3/kind" in answer.content.decode()
    assert api.post("/api/v1/switches/import/", "name\na\n", content_type="text/csv").status_code == 200
    assert Device.objects.get().kind == "switch"


def test_somebody_bound_imports_into_the_own_tenant(cast, _clean_cache):
    tenant, foreign = (Tenant.objects.create(name=name, slug=name) for name in ("ours", "theirs"))
    tenant.members.add(cast.omar)
    client = people.client_for(cast.omar)
    assert send(client, "name\na\n").json()["created"] == 1
    assert Device.objects.get().tenant == tenant
    assert send(client, "name,tenant\nb,theirs\n").status_code == 400
    assert send(client, f"name,tenant\nb,{foreign.pk}\n").status_code == 400
    assert send(client, "name\nc\n", "?background=true").status_code == 202
