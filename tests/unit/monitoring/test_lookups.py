"""Asking a router for one prefix: who may, what is refused before anybody is asked, and where the answer shows."""

from typing import Any

import pytest
from django.utils import timezone

from inventory.models import ManagementEndpoint
from monitoring.models import Check
from monitoring.services import lookups
from netmon.audit.models import AuditEvent
from netmon.jobs.models import Job
from tests import factories, people

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
INJECTIONS = (
    "10.0.0.0/8; reboot", "10.0.0.0/8 json\nconfigure terminal", "$(reboot)", "`id`", "' -c 'configure terminal",
    "fe80::1%;reboot", "10.0.0.0/8 longer-prefixes", "10.0.0.0/33", "all", "10.0.0.0/8\x00",
)  # fmt: skip


@pytest.fixture
def router(db: Any) -> Any:
    endpoint = factories.make_ssh_endpoint()
    endpoint.device.kind = "router"
    endpoint.device.save()
    factories.make_check(endpoint, module="ssh.routing", interval_seconds=300)
    factories.make_fact(
        endpoint.device, "routes_summary", {"presence": "running", "reason": "", "value": {"ipv4": {"total": 900_000}}}
    )
    return endpoint.device


def url(device: Any) -> str:
    return f"/api/v1/routers/{device.pk}/routing-table/lookup/"


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_is_no_prefix_reaches_neither_worker_nor_device(router: Any, cast: people.Cast, text: str) -> None:
    client = people.client_for(cast.omar)
    answer = client.post(url(router), {"prefix": text}, format="json")
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/prefix"
    page = client.post(f"/devices/{router.pk}/routing/lookup/", {"prefix": text})
    assert (page.status_code, "Write a prefix or an address." in page.content.decode()) == (200, True)
    assert not Job.objects.exists() and not AuditEvent.objects.filter(action="lookup").exists()


def test_an_operator_asks_and_it_is_on_record(router: Any, cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    answer = client.post(f"{url(router)}?wait=0", {"prefix": "10.1.2.3/8"}, format="json")
    assert answer.status_code == 202 and answer.headers["Location"] == answer.json()["job"]["url"]
    job = Job.objects.get()
    assert (job.kind, job.arguments["prefix"]) == ("routing.lookup", "10.0.0.0/8")
    assert AuditEvent.objects.get(action="lookup").detail == "10.0.0.0/8"
    client.post(f"{url(router)}?wait=0", {"prefix": "10.0.0.0/8"}, format="json")
    assert Job.objects.count() == 1, "the same question is joined"
    assert people.client_for(cast.vera).post(url(router), {"prefix": "10.0.0.0/8"}, format="json").status_code == 403
    assert people.client_for(cast.vera).post(f"/devices/{router.pk}/routing/lookup/").status_code == 403


@pytest.mark.parametrize(
    ("change", "code"), [({"is_enabled": False}, "no_endpoint"), ({"status": "paused"}, "not_configured")]
)
def test_without_a_way_in_nobody_is_asked(router: Any, cast: people.Cast, change: dict[str, Any], code: str) -> None:
    rows: Any = Check.objects.filter(module="ssh.routing") if "status" in change else ManagementEndpoint.objects
    rows.filter(**({} if "status" in change else {"protocol": "ssh"})).update(**change)
    answer = people.client_for(cast.omar).post(url(router), {"prefix": "10.0.0.0/8"}, format="json")
    assert (answer.json()["code"], Job.objects.count()) == (code, 0)


def ended(router: Any, user: Any, result: Any, status: str = "succeeded") -> Job:
    return Job.objects.create(
        kind=lookups.KIND, key="k", task="t", requested_by=user, status=status, result=result,
        arguments={"device": router.pk, "prefix": "10.0.0.0/8"}, deadline_at=timezone.now(),
    )  # fmt: skip


def found(**over: Any) -> dict[str, Any]:
    route = {
        "prefix": "10.0.0.0/8", "protocol": HOSTILE, "is_in_fib": True, "distance": 20, "metric": 0,
        "next_hops": [{"address": "192.0.2.1", "interface": HOSTILE, "is_blackhole": False}],
    }  # fmt: skip
    return {
        "error_code": "", "error_detail": "", "data": {"presence": "running"}, "count": 1, "routes": [route], **over,
    }  # fmt: skip


class TestTheTab:
    def page(self, router: Any, user: Any, job: Job) -> Any:
        return people.client_for(user).get(f"/devices/{router.pk}/routing/lookup/{job.pk}/")

    def test_the_form_is_an_operators(self, router: Any, cast: people.Cast) -> None:
        pages = [
            people.client_for(user).get(f"/devices/{router.pk}/routing/").content.decode()
            for user in (cast.vera, cast.omar)
        ]
        assert ["lookup-prefix" in page for page in pages] == [False, True]

    def test_the_answer_shows_and_hostile_text_stays_text(self, router: Any, cast: people.Cast) -> None:
        text = self.page(router, cast.omar, ended(router, cast.omar, found())).content.decode()
        assert "192.0.2.1" in text and "every 1s" not in text
        assert HOSTILE not in text and "&lt;script&gt;" in text

    @pytest.mark.parametrize(
        ("result", "words"),
        [
            (found(routes=[], count=0), "The router has no route for 10.0.0.0/8."),
            (found(routes=[], error_code="unreachable", error_detail=HOSTILE), "&lt;script&gt;"),
            (found(routes=[], data={"presence": "not_running", "reason": "zebra is not running."}), "zebra is not"),
        ],
    )
    def test_nothing_says_which_nothing_it_is(
        self, router: Any, cast: people.Cast, result: dict[str, Any], words: str
    ) -> None:
        text = self.page(router, cast.omar, ended(router, cast.omar, result)).content.decode()
        assert words in text and HOSTILE not in text

    def test_a_job_of_another_device_or_kind_is_not_shown(self, router: Any, cast: people.Cast) -> None:
        job = ended(factories.make_device(), cast.omar, found())
        assert self.page(router, cast.omar, job).status_code == 403
        Job.objects.filter(pk=job.pk).update(kind="device.poll")
        assert self.page(router, cast.omar, job).status_code == 404


def test_a_device_that_nobody_reaches_is_an_answer(router: Any, cast: people.Cast) -> None:
    ManagementEndpoint.objects.filter(protocol="ssh").update(port=9)
    job = lookups.start(router, "10.0.0.0/8", user=cast.omar)
    lookups.run_job(job.pk)
    job.refresh_from_db()
    assert (job.status, job.result["error_code"], job.result["routes"]) == ("succeeded", "unreachable", [])
