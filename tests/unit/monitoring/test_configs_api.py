"""Configurations over the API: masked for everybody, whole for those who ask and may."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from monitoring.models import ConfigVersion
from monitoring.services import configs
from netmon.accounts.services import keys
from netmon.audit.models import AuditEvent
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from tests import factories, people

pytestmark = pytest.mark.django_db
SECRET = "hush-hush-9"
CHANGED = factories.CONFIG.replace("65002", "65003").replace(SECRET, "another-7")


@pytest.fixture
def rows(_clean_cache: None) -> list[ConfigVersion]:
    device = factories.make_flat(name="core r1/../x")
    return [factories.make_config(device, text, startup=factories.CONFIG) for text in (factories.CONFIG, CHANGED)]


def url(rows: list[ConfigVersion], rest: str = "") -> str:
    return f"/api/v1/devices/{rows[0].device_id}/configs/{rest}"


def test_the_list_is_newest_first_and_says_what_is_unsaved(rows: list[ConfigVersion], api: APIClient) -> None:
    body = api.get(url(rows)).json()
    assert (body["count"], body["is_saved"], body["device"]["name"]) == (3, False, "core r1/../x")
    assert [(row["kind"], row["number"]) for row in body["configs"]] == [("running", 2), ("startup", 1), ("running", 1)]
    newest = body["configs"][0]
    assert "text" not in newest and newest["summary"].endswith("1 line changed in `router bgp 65001`.")
    assert [row["kind"] for row in api.get(url(rows, "?kind=startup")).json()["configs"]] == ["startup"]
    for query in ("?kind=other", "?nonsense=1"):
        assert api.get(url(rows, query)).status_code == 400
    assert api.get(url(rows).replace("devices", "routers")).json() == body
    assert api.get(url(rows).replace("devices", "cameras")).status_code == 404


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_everybody_reads_it_masked(rows: list[ConfigVersion], cast: people.Cast, role: str) -> None:
    client = people.client_for(cast.by_role(role))
    answer = client.get(url(rows, f"{rows[0].pk}/"))
    body = answer.json()
    assert body["is_masked"] and SECRET not in answer.content.decode() and "password <masked:" in body["text"]
    assert "no-store" in answer["Cache-Control"]
    assert not AuditEvent.objects.filter(action="reveal").exists()


def test_who_may_sees_it_whole_and_it_is_on_record(rows: list[ConfigVersion], cast: people.Cast) -> None:
    raw = url(rows, f"{rows[0].pk}/?raw=1")
    refused = people.client_for(cast.vera).get(raw)
    assert refused.status_code == 403 and SECRET not in refused.content.decode()
    answer = people.client_for(cast.omar).get(raw)
    assert answer.json()["text"] == factories.CONFIG and not answer.json()["is_masked"]
    assert "no-store" in answer["Cache-Control"]
    event = AuditEvent.objects.get(action="reveal")
    assert (event.username, event.object_id, event.parent_id) == ("omar", str(rows[0].pk), str(rows[0].device_id))


@pytest.mark.parametrize(
    ("scope", "status"), [("read", 403), ("monitoring:read", 403), ("write", 200), ("monitoring:write", 200)]
)
def test_a_key_that_only_reads_sees_no_secrets(
    rows: list[ConfigVersion], cast: people.Cast, scope: str, status: int
) -> None:
    _, key = keys.make(user=cast.omar, name="k", scopes=[scope])
    answer = APIClient(headers={"X-API-Key": key}).get(url(rows, f"{rows[0].pk}/?raw=1"))
    assert answer.status_code == status, answer.json()
    assert status == 200 or answer.json()["code"] == "scope_missing"


def test_it_is_a_file_with_a_harmless_name(rows: list[ConfigVersion], api: APIClient) -> None:
    answer = api.get(url(rows, f"{rows[1].pk}/?format=text"))
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="core_r1_.._x-running-2.txt"'
    assert answer.content.decode() == configs.text_of(rows[1])
    for query in ("format=xml", "raw=2", "other=1"):
        assert api.get(url(rows, f"{rows[1].pk}/?{query}")).status_code == 400
    assert api.get(url(rows, "999999999999999999/")).status_code == 404


def test_two_versions_side_by_side(rows: list[ConfigVersion], api: APIClient) -> None:
    answer = api.get(url(rows, f"diff/?from={rows[0].pk}&to={rows[1].pk}"))
    body = answer.json()
    assert "another-7" not in answer.content.decode() and SECRET not in answer.content.decode()
    assert (body["changed"], body["added"], body["removed"], body["is_cut"]) == (2, 0, 0, False)
    changed = [row for hunk in body["hunks"] for row in hunk["rows"] if row["kind"] == "changed"]
    row = changed[1]
    assert (row["before_number"], row["after_number"]) == (5, 5)
    assert [row["before"][a:b] for a, b in row["before_spans"]] == ["65002"]
    assert [row["after"][a:b] for a, b in row["after_spans"]] == ["65003"]
    assert body["summary"] == rows[1].summary
    for same in ("diff/", "diff/?to=running", f"diff/?from={rows[0].pk}"):
        assert api.get(url(rows, same)).json() == body
    saved = api.get(url(rows, "diff/?from=startup&to=running")).json()
    assert saved["before"]["kind"] == "startup" and saved["changed"] == 2


@pytest.mark.parametrize("query", ["from=0", "to=x", "from=99999999", f"to={'9' * 30}", "to=\u0663", "from=", "a=1"])
def test_what_is_no_version_is_refused(rows: list[ConfigVersion], api: APIClient, query: str) -> None:
    answer = api.get(url(rows, f"diff/?{query}"))
    assert answer.status_code == 400, answer.content


def test_the_first_has_nothing_before_it(rows: list[ConfigVersion], api: APIClient) -> None:
    answer = api.get(url(rows, f"diff/?to={rows[0].pk}"))
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/from"
    other = factories.make_config(factories.make_flat())
    assert api.get(url(rows, f"diff/?from={other.pk}")).status_code == 400
    assert api.get(url(rows, f"{other.pk}/")).status_code == 404


def test_forms_of_vyos_are_not_compared(api: APIClient) -> None:
    row = factories.make_config(factories.make_flat(), "set a b\n" * 3, startup="a {\n}\n", platform="vyos")
    answer = api.get(url([row], "diff/?from=running&to=startup"))
    assert answer.status_code == 400 and "different forms" in answer.json()["detail"]


def test_backing_up_waits_for_a_worker(cast: people.Cast, api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = factories.make_flat()
    refused = api.post(f"/api/v1/devices/{bare.pk}/configs/backup/?wait=0")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_endpoint")
    device = factories.make_ssh_endpoint().device
    target = f"/api/v1/devices/{device.pk}/configs/backup/"
    started = api.post(f"{target}?wait=0")
    assert started.status_code == 202 and started["Location"] == started.json()["job"]["url"]
    assert AuditEvent.objects.get(action="backup").username == "omar"
    assert people.client_for(cast.vera).post(target).status_code == 403

    def run(job: Job, seconds: float) -> Any:
        configs.run_job(job.pk)
        return Job.objects.get(pk=job.pk)

    monkeypatch.setattr(jobs, "wait", run)
    body = api.post(target).json()
    assert body["ok"] is False and body["error_code"] and body["device"]["id"] == device.pk
