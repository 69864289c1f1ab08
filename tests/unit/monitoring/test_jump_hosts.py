"""Polls through jump hosts: whose credential was used, what a shard costs, and what comes too late."""

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import CredentialUse, ManagementEndpoint
from inventory.policy import Policy
from inventory.targets import target_of
from inventory.ways import WayBook
from monitoring import modules
from monitoring.models import Check
from monitoring.modules import Collected, Reading
from monitoring.services import polling, testing
from netmon.audit.models import AuditEvent
from netmon.drivers.errors import AuthenticationFailed, DriverError, LocalFault, ProtocolError
from tests import factories as make
from tests import people

pytestmark = pytest.mark.django_db


class Answers:
    """What the devices behind answer: good, or the error under their address."""

    def __init__(self) -> None:
        self.errors: dict[str, DriverError] = {}

    def collect(self, target: Any, context: Any) -> Collected:
        if error := self.errors.get(target.address):
            raise error
        reading = Reading(set="host", values={"uptime_seconds": 60.0, "response_ms": 1.0})
        return Collected(collected_at=time.time(), monotonic_at=1.0, response_ms=1.0, readings=[reading])

    def log_in(self, target: Any, context: Any) -> Collected:
        login = {"platform": "linux", "evidence": "", "server_version": "", "shown_keys": [(KEY, False)]}
        return replace(self.collect(target, context), facts={"login": login})


KEY = make.driver_host_key(1)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    found = Answers()
    for name in ("ssh.host", "config.backup"):
        old = modules.MODULES[name]
        new = modules.Module(key=name, protocol="ssh", collect=found.collect, is_availability=old.is_availability)
        monkeypatch.setitem(modules.MODULES, name, new)
    monkeypatch.setitem(testing.COLLECTS, "ssh", found.log_in)
    return found


def chain(*, of: int = 2) -> list[ManagementEndpoint]:
    """An endpoint, its jump host, and so on, as they come."""
    found: list[ManagementEndpoint] = []
    for _ in range(of):
        found.insert(0, make.make_ssh_endpoint(options={"jump": found[0].pk} if found else {}))
    return found


def poll(endpoints: Iterable[ManagementEndpoint]) -> None:
    deadline = timezone.now() + timedelta(seconds=20)
    checks = Check.objects.filter(endpoint__in=[one.pk for one in endpoints], module="ssh.host")
    checks.update(claim_token="t", claimed_until=deadline)
    polling.run_shard("ssh", list(checks.values_list("pk", flat=True)), "t", deadline)


def codes() -> dict[int, str]:
    """By endpoint, what came of the use of its credential there."""
    return dict(CredentialUse.objects.values_list("endpoint_id", "last_error_code"))


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="use").order_by("pk"))


def failed(error: DriverError, jumps: int) -> DriverError:
    error.jumps = jumps
    return error


def address(endpoint: ManagementEndpoint) -> str:
    assert endpoint.device.primary_ip is not None
    return endpoint.device.primary_ip.address


def test_what_a_jump_host_accepted_is_on_record_as_what_a_device_accepted(answers: Answers) -> None:
    behind, hop = chain()
    others = [make.make_ssh_endpoint(options={"jump": hop.pk}) for _ in range(3)]
    poll([behind, *others])
    row = CredentialUse.objects.get(endpoint=hop)
    assert (row.credential_id, row.last_error_code) == (hop.credential_id, "") and row.last_ok_at is not None
    ours = [event for event in events() if event.object_id == str(hop.credential_id)]
    assert len(ours) == 1, "one event a day for all who went through"
    assert address(hop) in ours[0].detail and "ssh" in ours[0].detail
    count = len(events())
    for _ in range(3):
        poll([behind, *others])
    assert len(events()) == count, "no event for each poll"
    with CaptureQueriesContext(connection) as seen:
        poll([behind, *others])
    touching = [query["sql"] for query in seen if "inventory_credentialuse" in query["sql"]]
    assert len(touching) <= 2, touching


@pytest.mark.parametrize(
    ("jumps", "error", "expected"),
    [
        (0, ProtocolError("cut"), ["protocol_error", "", ""]),
        (1, AuthenticationFailed("no"), [None, "auth_failed", ""]),
        (2, AuthenticationFailed("no"), [None, None, "auth_failed"]),
        (0, AuthenticationFailed("no key", reason="key-unusable"), ["auth_failed", None, None]),
        (1, LocalFault("no socket"), [None, None, None]),
    ],
)
def test_of_a_way_that_failed_only_what_was_reached_was_used(
    answers: Answers, jumps: int, error: DriverError, expected: list[str | None]
) -> None:
    way = chain(of=3)
    answers.errors[address(way[0])] = failed(error, jumps)
    poll(way[:1])
    assert [codes().get(step.pk) for step in way] == expected


def test_a_poll_that_a_person_asks_for_names_him_at_each_credential(answers: Answers, cast: people.Cast) -> None:
    from netmon.audit.context import acting

    behind, hop = chain()
    with acting(cast.omar, "api"):
        polling.poll_devices([behind.device])
    found = {(event.object_id, event.username) for event in events()}
    assert found == {(str(step.credential_id), "omar") for step in (behind, hop)}


def test_trying_a_way_in_notes_every_credential_of_it(answers: Answers) -> None:
    behind, hop = chain()
    assert testing.try_endpoint(behind)["ok"]
    assert codes() == {behind.pk: "", hop.pk: ""} and len(events()) == 2
    answers.errors[address(behind)] = failed(AuthenticationFailed("no"), 1)
    testing.try_endpoint(behind)
    assert codes() == {behind.pk: "", hop.pk: "auth_failed"}, "the device's own was not sent"


def test_the_ways_of_a_shard_cost_the_same_for_many(answers: Answers) -> None:
    tenant = make.make_tenant(host_key_policy="first_use")
    outer = make.make_ssh_endpoint(tenant=tenant)
    hops = [make.make_ssh_endpoint(tenant=tenant, options={"jump": outer.pk}) for _ in range(5)]
    for hop in hops:
        make.make_host_key(hop, state="trusted")
    ends = [make.make_ssh_endpoint(tenant=tenant, options={"jump": hops[n % 5].pk}) for n in range(15)]

    def queries(count: int) -> int:
        rows = ManagementEndpoint.objects.filter(pk__in=[end.pk for end in ends[:count]])
        shard = list(rows.select_related("device__primary_ip", "device__tenant", "credential"))
        for row in shard:
            row._prefetched_objects_cache = {"host_keys": []}  # type: ignore[attr-defined]
        policy = Policy.load()
        with CaptureQueriesContext(connection) as seen:
            book = WayBook.of(shard)
            targets: list[Any] = [target_of(row, policy, book) for row in shard]
        assert all(target.jump.jump.address == address(outer) for target in targets)
        assert all(target.trusts_first_use for target in targets)
        return len(seen)

    assert queries(1) == queries(15) <= 5

    def reads(count: int) -> int:
        with CaptureQueriesContext(connection) as seen:
            poll(ends[:count])
        read = [query["sql"] for query in seen if 'FROM "inventory_managementendpoint"' in query["sql"]]
        return len([sql for sql in read if sql.startswith("SELECT")])

    poll(ends)
    assert reads(1) == reads(15)


def test_a_result_that_comes_after_another_run_has_claimed_the_check_is_not_written(answers: Answers) -> None:
    endpoint = make.make_ssh_endpoint()
    check = Check.objects.get(endpoint=endpoint, module="ssh.host")
    poll([endpoint])
    before = Check.objects.get(pk=check.pk)
    assert before.last_run_at is not None
    CredentialUse.objects.all().delete()

    def take_over() -> None:
        later = timezone.now() + timedelta(seconds=60)
        Check.objects.filter(pk=check.pk).update(claim_token="another", claimed_until=later)

    answers.errors[address(endpoint)] = ProtocolError("too late")
    claim, release = Check.objects.filter(pk=check.pk), timezone.now() + timedelta(seconds=20)
    claim.update(claim_token="t", claimed_until=release)
    with pytest.MonkeyPatch.context() as patch:
        # Between the end of the run and the writing of what came.
        record = polling.recording.record
        patch.setattr(polling.recording, "record", lambda *args, **kw: (take_over(), record(*args, **kw))[1])
        polling.run_shard("ssh", [check.pk], "t", release)
    after = Check.objects.get(pk=check.pk)
    assert (after.claim_token, after.last_run_at, after.last_error_code) == ("another", before.last_run_at, "")
    assert not CredentialUse.objects.exists()


def test_what_is_cut_off_is_counted_and_neither_up_nor_down(answers: Answers) -> None:
    from monitoring.lanes import NoTurn

    endpoint = make.make_ssh_endpoint()
    answers.errors[address(endpoint)] = NoTurn("Others were served.")
    poll([endpoint])
    check = Check.objects.get(endpoint=endpoint, module="ssh.host")
    assert (check.status, check.skipped, check.claim_token, check.last_run_at) == ("unknown", 1, "", None)
