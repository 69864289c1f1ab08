"""Who used which credential, and trying a way in: noted in batches, once a day in the audit log, never the secret."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from inventory import uses
from inventory.models import Credential, CredentialUse, Device, ManagementEndpoint, TargetRule
from inventory.uses import Use
from monitoring import modules
from monitoring.models import Check
from monitoring.modules import Collected, Reading
from monitoring.services import polling, testing
from netmon.audit.models import AuditEvent
from netmon.drivers.errors import DeadlineExceeded, DriverError
from netmon.jobs.models import Job
from tests import factories as make
from tests import people

pytestmark = pytest.mark.django_db

SECRET = "commun1ty-secret"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, DriverError]:
    """SNMP that answers at once; an error put in under an address is raised instead."""
    errors: dict[str, DriverError] = {}

    async def collect(target: Any, context: Any) -> Collected:
        if error := errors.get(target.address):
            raise error
        return Collected(
            collected_at=timezone.now().timestamp(),
            monotonic_at=1.0,
            response_ms=1.5,
            readings=[Reading(set="snmp.system", values={"response_ms": 1.5, "uptime_seconds": 60.0})],
            facts={"system": {"sys_name": "far", "sys_descr": "a router", "sys_contact": "nobody's business"}},
        )

    for name in ("snmp.system", "snmp.interfaces"):
        old = modules.MODULES[name]
        new = modules.Module(key=name, protocol="snmp", collect=collect, is_availability=old.is_availability)
        monkeypatch.setitem(modules.MODULES, name, new)
    monkeypatch.setitem(testing.COLLECTS, "snmp", collect)
    return errors


@pytest.fixture
def device(db: None) -> Device:
    return make.make_flat(name="core", snmp_community=SECRET)


@pytest.fixture
def runs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has done a job before the request waits for it."""

    def wait(job: Job, seconds: float) -> Job:
        if job.kind == "access.test":
            testing.run_job(job.pk)
        else:
            polling.run_poll_job(job.pk)
        job.refresh_from_db()
        return job

    monkeypatch.setattr("netmon.jobs.services.wait", wait)


def poll(now: datetime | None = None) -> list[Any]:
    deadline = timezone.now() + timedelta(seconds=20)
    checks = Check.objects.filter(endpoint__protocol="snmp")
    checks.update(claim_token="t", claimed_until=deadline)
    return polling.run_shard("snmp", list(checks.values_list("pk", flat=True)), "t", deadline)


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="use").order_by("pk"))


def test_a_scheduled_poll_notes_the_use_and_audits_the_first_of_the_day(device: Device, answers: Any) -> None:
    poll()
    row = CredentialUse.objects.get()
    credential = device.own_credentials.get()
    assert (row.credential, row.endpoint.device, row.last_error_code) == (credential, device, "")
    assert row.last_ok_at == row.last_used_at and row.day == timezone.now().astimezone(UTC).date()
    poll()
    (event,) = events()
    assert event.object_id == str(credential.pk) and event.user_id is None and event.username == ""
    address = device.primary_ip.address  # type: ignore[union-attr]
    assert event.detail == f"core, snmp {address} port 161"
    assert SECRET not in str(list(AuditEvent.objects.values()))


def test_what_is_no_news_costs_one_query(device: Device, answers: Any) -> None:
    credential, endpoint = device.own_credentials.get(), device.endpoints.get(protocol="snmp")
    at = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    uses.note([Use(credential.pk, endpoint.pk, at, "")])
    for later, error, queries in ((1, "", 1), (59, "", 1), (60, "", 3), (61, "timeout", 3), (62, "timeout", 1)):
        with CaptureQueriesContext(connection) as seen:
            uses.note([Use(credential.pk, endpoint.pk, at + timedelta(minutes=later), error)])
        said = [query["sql"] for query in seen if not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN"))]
        assert len(said) == queries, (later, said)
    row = CredentialUse.objects.get()
    assert row.last_error_code == "timeout" and row.last_ok_at == at + timedelta(hours=1)
    assert row.last_used_at == at + timedelta(minutes=61)
    assert len(events()) == 1


def test_each_utc_day_has_one_event(device: Device) -> None:
    credential, endpoint = device.own_credentials.get(), device.endpoints.get(protocol="snmp")
    for hour in (22, 23, 24, 25, 47, 48):
        at = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=hour)
        uses.note([Use(credential.pk, endpoint.pk, at, "")])
    assert len(events()) == 3


def test_uses_of_many_devices_are_noted_together(answers: Any) -> None:
    for _ in range(20):
        make.make_flat()
    poll()
    assert CredentialUse.objects.count() == 20 == len(events())
    CredentialUse.objects.update(last_used_at=timezone.now() - timedelta(hours=2))
    with CaptureQueriesContext(connection) as queries:
        poll()
    touching = [query["sql"] for query in queries if "inventory_credentialuse" in query["sql"]]
    assert len(touching) <= 4, touching


def test_a_failed_poll_is_a_use_that_failed(device: Device, answers: dict[str, DriverError]) -> None:
    poll()
    before = CredentialUse.objects.get()
    answers[device.primary_ip.address] = DeadlineExceeded("silence")  # type: ignore[union-attr]
    poll()
    row = CredentialUse.objects.get()
    assert row.last_error_code == "timeout" and row.last_ok_at == before.last_ok_at


def test_what_is_never_sent_is_no_use(device: Device, answers: Any) -> None:
    TargetRule.objects.create(cidr="127.0.0.0/8", action="refuse")
    poll()
    polling.poll_device(device)
    assert not CredentialUse.objects.exists() and not events()


def test_a_poll_that_a_person_asks_for_says_who(
    device: Device, answers: Any, cast: people.Cast, runs_at_once: None, _clean_cache: None
) -> None:
    client = people.client_for(cast.omar)
    for number in (1, 2):
        assert client.post(f"/api/v1/devices/{device.pk}/poll/").status_code == 200
        assert len(events()) == number, "one for each asking, none more for the day"
    event = events()[0]
    assert (event.username, event.via, event.object_type) == ("omar", "job", "inventory.credential")
    assert CredentialUse.objects.get().last_error_code == ""


def test_a_deleted_credential_or_endpoint_breaks_no_batch(device: Device) -> None:
    endpoint = device.endpoints.get(protocol="snmp")
    uses.note([Use(999_999, endpoint.pk, timezone.now(), "")])
    assert not CredentialUse.objects.exists()


# --- trying -----------------------------------------------------------------------------------------------------------


def test_trying_an_endpoint_says_what_it_found(
    device: Device, answers: Any, api: APIClient, runs_at_once: None
) -> None:
    endpoint = device.endpoints.get(protocol="snmp")
    body = api.post(f"/api/v1/endpoints/{endpoint.pk}/test/").json()
    assert body["ok"] and body["found"] == {"sys_name": "far", "sys_descr": "a router"}
    assert body["address"] == device.primary_ip.address and body["protocol"] == "snmp"  # type: ignore[union-attr]
    (event,) = events()
    assert event.username == "omar" and "core, snmp" in event.detail
    assert CredentialUse.objects.get().last_ok_at is not None
    assert SECRET not in str(body) + str(list(Job.objects.values()))


def test_trying_says_the_code_of_what_went_wrong(
    device: Device, answers: dict[str, DriverError], api: APIClient, runs_at_once: None
) -> None:
    answers[device.primary_ip.address] = DeadlineExceeded("silence")  # type: ignore[union-attr]
    endpoint = device.endpoints.get(protocol="snmp")
    body = api.post(f"/api/v1/endpoints/{endpoint.pk}/test/").json()
    assert not body["ok"] and body["error_code"] == "timeout" and body["error_detail"] == "silence"
    assert CredentialUse.objects.get().last_error_code == "timeout"


def test_without_waiting_the_job_is_named(device: Device, api: APIClient) -> None:
    endpoint = device.endpoints.get(protocol="snmp")
    answer = api.post(f"/api/v1/endpoints/{endpoint.pk}/test/?wait=0")
    assert answer.status_code == 202 and answer["Location"] == answer.json()["job"]["url"]
    assert Job.objects.get().arguments == {"endpoint": endpoint.pk}


def test_what_has_no_driver_yet_says_so(api: APIClient) -> None:
    device = make.make_flat()
    credential = make.make_credential(kind="api_key", device=device)
    endpoint = make.make_endpoint(device, protocol="vyos", credential=credential)
    answer = api.post(f"/api/v1/endpoints/{endpoint.pk}/test/")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_supported")
    answer = api.post(f"/api/v1/credentials/{endpoint.credential_id}/test/", {"device": device.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_supported")
    assert not Job.objects.exists()


def test_a_ping_is_tried_without_a_credential(api: APIClient, monkeypatch: Any, runs_at_once: None) -> None:
    async def collect(target: Any, context: Any) -> Collected:
        reading = Reading(set="icmp", values={"rtt_ms": 1.0, "loss_percent": 0.0})
        return Collected(collected_at=1.0, monotonic_at=1.0, readings=[reading])

    monkeypatch.setitem(testing.COLLECTS, "icmp", collect)
    endpoint = make.make_endpoint(make.make_flat())
    body = api.post(f"/api/v1/endpoints/{endpoint.pk}/test/").json()
    assert body["ok"] and body["found"] == {"rtt_ms": 1.0, "loss_percent": 0.0} and body["credential"] is None
    assert not events()


def test_trying_obeys_policy_and_scope(device: Device, api: APIClient, cast: people.Cast) -> None:
    admin, endpoint = people.client_for(cast.ada), device.endpoints.get(protocol="snmp")
    credential = device.own_credentials.get()
    other = make.make_flat()
    url = f"/api/v1/credentials/{credential.pk}/test/"
    answer = admin.post(url, {"device": other.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "credential_scope")
    TargetRule.objects.create(cidr="127.0.0.0/8", action="refuse")
    for answer in (api.post(f"/api/v1/endpoints/{endpoint.pk}/test/"), admin.post(url, {"device": device.pk})):
        assert (answer.status_code, answer.json()["code"]) == (409, "target_refused")
    assert not Job.objects.exists() and not events()


def test_an_operator_tries_no_shared_secret_at_a_device_of_his_own(
    api: APIClient, cast: people.Cast, answers: Any, runs_at_once: None
) -> None:
    trap, shared = make.make_flat(), make.make_credential(secret="shared")
    url = f"/api/v1/credentials/{shared.pk}/test/"
    answer = api.post(url, {"device": trap.pk})
    assert (answer.status_code, answer.json()["code"]) == (409, "credential_scope")
    assert people.client_for(cast.ada).post(url, {"device": trap.pk}).json()["ok"]
    shared.allowed_prefixes = ["127.0.0.0/8"]
    shared.save()
    assert api.post(url, {"device": trap.pk}).json()["ok"]
    shared.allowed_prefixes = []
    shared.save()
    ManagementEndpoint.objects.filter(device=trap, protocol="snmp").update(credential=shared)
    assert api.post(url, {"device": trap.pk}).json()["ok"], "it goes there at every poll anyway"
    answer = api.post(url, {"device": 10**12})
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/device"


@pytest.mark.parametrize("change", ["address", "port", "nothing"])
def test_a_test_that_waits_sends_the_secret_only_where_it_was_judged(
    change: str, device: Device, api: APIClient, answers: Any
) -> None:
    shared = make.make_credential(secret="shared")
    ManagementEndpoint.objects.filter(device=device, protocol="snmp").update(credential=shared)
    assert api.post(f"/api/v1/credentials/{shared.pk}/test/?wait=0", {"device": device.pk}).status_code == 202
    endpoint = device.endpoints.get(protocol="snmp")
    if change == "address":
        assert api.delete(f"/api/v1/endpoints/{endpoint.pk}/").status_code == 204
        body = {"ip": "127.66.6.6"}
        device.own_credentials.all().delete()
        assert api.patch(f"/api/v1/devices/{device.pk}/", body).status_code == 200
    elif change == "port":
        ManagementEndpoint.objects.filter(pk=endpoint.pk).update(port=1161)
    job = Job.objects.get(kind="access.test")
    testing.run_job(job.pk)
    job.refresh_from_db()
    result: Any = job.result
    assert result["error_code"] == ("" if change == "nothing" else "credential_scope")
    assert result["ok"] == (change == "nothing") and len(events()) == (change == "nothing")


def test_trying_is_limited_to_ten_a_minute_and_person(device: Device, api: APIClient, cast: people.Cast) -> None:
    url = f"/api/v1/endpoints/{device.endpoints.get(protocol='snmp').pk}/test/?wait=0"
    assert [api.post(url).status_code for _ in range(11)] == [202] * 10 + [429]
    assert api.post(url)["Retry-After"]
    assert people.client_for(cast.ada).post(url).status_code == 202
    assert api.get("/api/v1/endpoints/").status_code == 200, "only trying is limited"


# --- health of credentials --------------------------------------------------------------------------------------------


def test_a_list_of_credentials_says_where_and_when(device: Device, answers: Any, api: APIClient) -> None:
    poll()
    idle = make.make_credential()
    rows = {row["id"]: row for row in api.get("/api/v1/credentials/").json()["results"]}
    used = rows[device.own_credentials.get().pk]
    assert used["used_by"] == 1 and used["last_used_at"] and used["last_ok_at"]
    assert (rows[idle.pk]["used_by"], rows[idle.pk]["last_used_at"]) == (0, None)


def test_the_list_takes_as_many_queries_for_many(api: APIClient) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            api.get("/api/v1/credentials/")
        return len(seen)

    make.make_flat()
    few = queries()
    for _ in range(10):
        make.make_flat()
    assert queries() == few


def test_usage_lists_what_the_person_may_see(device: Device, answers: Any, cast: people.Cast, api: APIClient) -> None:
    tenant = make.make_tenant()
    shared = make.make_credential(secret="shared")
    theirs = make.make_flat(tenant=tenant)
    ManagementEndpoint.objects.filter(protocol="snmp").update(credential=shared)
    poll()
    rows = api.get(f"/api/v1/credentials/{shared.pk}/usage/").json()
    assert rows["count"] == 2 and rows["results"][0]["last_error_code"] == ""
    assert api.get(f"/api/v1/credentials/{shared.pk}/usage/?limit=1").json()["next"]
    assert api.get(f"/api/v1/credentials/{shared.pk}/usage/?colour=1").status_code == 400
    Credential.objects.filter(pk=shared.pk).update(tenant=tenant)
    tenant.members.add(cast.omar)
    seen = people.client_for(cast.omar).get(f"/api/v1/credentials/{shared.pk}/usage/").json()
    assert [row["device"] for row in seen["results"]] == [theirs.pk]
