"""Who is due, who is claimed, and what a late or doubled message may do."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from inventory import host_keys
from inventory.models import ManagementEndpoint
from inventory.services import save_endpoint
from monitoring.models import Check, DeviceState
from monitoring.services import polling, scheduling
from tests import factories as make
from tests import people

pytestmark = pytest.mark.django_db


def due_checks(count: int, **over: object) -> list[Check]:
    now = timezone.now() - timedelta(seconds=1)
    return [
        make.make_check(make.make_endpoint(make.make_device()), next_run_at=now, **over)  # type: ignore[arg-type]
        for _ in range(count)
    ]


def test_what_is_due_is_claimed_once_and_moves_by_whole_intervals() -> None:
    (check,) = due_checks(1, interval_seconds=60)
    due, now = check.next_run_at, timezone.now()
    (shard,) = scheduling.claim_due_checks(now)
    check.refresh_from_db()
    assert shard.check_ids == [check.pk] and shard.protocol == "icmp"
    assert check.next_run_at == due + timedelta(seconds=60)
    assert check.claim_token == shard.token and check.claimed_until == shard.deadline
    assert scheduling.claim_due_checks(timezone.now()) == []


def test_missed_slots_are_skipped_and_counted_not_queued_up() -> None:
    (check,) = due_checks(1, interval_seconds=60)
    Check.objects.update(next_run_at=timezone.now() - timedelta(seconds=60 * 10 + 5))
    assert len(scheduling.claim_due_checks(timezone.now())) == 1
    check.refresh_from_db()
    assert check.skipped == 10
    assert timedelta(0) < check.next_run_at - timezone.now() <= timedelta(seconds=60)


def test_a_check_under_way_is_not_handed_out_again() -> None:
    (check,) = due_checks(1)
    now = timezone.now()
    scheduling.claim_due_checks(now)
    Check.objects.update(next_run_at=now)
    assert scheduling.claim_due_checks(now + timedelta(seconds=1)) == []
    check.refresh_from_db()
    assert check.skipped == 1
    later = check.claimed_until + timedelta(seconds=60)
    assert len(scheduling.claim_due_checks(later)) == 1, "a claim that ended is free again: its worker is gone"


def test_paused_switched_off_and_retired_are_left_alone() -> None:
    paused, switched_off, planned, live = due_checks(4)
    Check.objects.filter(pk=paused.pk).update(status="paused")
    ManagementEndpoint.objects.filter(pk=switched_off.endpoint_id).update(is_enabled=False)
    planned.endpoint.device.status = "planned"
    planned.endpoint.device.save()
    (shard,) = scheduling.claim_due_checks(timezone.now())
    assert shard.check_ids == [live.pk]


def test_shards_are_cut_by_protocol_and_size() -> None:
    due_checks(5)
    device = make.make_device()
    endpoint = make.make_endpoint(device, protocol="snmp")
    make.make_check(endpoint, module="snmp.system", next_run_at=timezone.now() - timedelta(seconds=1))
    before = scheduling.SHARD_SIZES["icmp"]
    scheduling.SHARD_SIZES["icmp"] = 2
    try:
        shards = scheduling.claim_due_checks(timezone.now())
    finally:
        scheduling.SHARD_SIZES["icmp"] = before
    assert sorted((shard.protocol, len(shard.check_ids)) for shard in shards) == [
        ("icmp", 1),
        ("icmp", 2),
        ("icmp", 2),
        ("snmp", 1),
    ]
    assert len({shard.token for shard in shards}) == 4


def test_a_message_whose_claim_is_gone_does_nothing() -> None:
    (check,) = due_checks(1)
    (shard,) = scheduling.claim_due_checks(timezone.now())
    Check.objects.update(claim_token="another")
    assert polling.run_shard("icmp", shard.check_ids, shard.token, shard.deadline) == []
    check.refresh_from_db()
    assert check.last_run_at is None


def test_a_message_past_its_deadline_does_nothing() -> None:
    due_checks(1)
    (shard,) = scheduling.claim_due_checks(timezone.now())
    assert polling.run_shard("icmp", shard.check_ids, shard.token, timezone.now()) == []


def test_a_change_of_interval_takes_effect_at_once() -> None:
    (check,) = due_checks(1, interval_seconds=3600)
    Check.objects.update(next_run_at=timezone.now() + timedelta(minutes=50))
    check.refresh_from_db()
    scheduling.reschedule(check, interval_seconds=60)
    check.refresh_from_db()
    assert check.next_run_at - timezone.now() <= timedelta(seconds=60)


def test_short_intervals_leave_time_for_the_retries_of_a_silent_device() -> None:
    now = timezone.now()
    assert scheduling.deadline_of(now, 5) - now >= timedelta(seconds=1 + 1.5 + 2.25 + polling.WRITE_RESERVE)
    assert scheduling.deadline_of(now, 60) < now + timedelta(seconds=60)


def test_pause_and_resume() -> None:
    device = make.make_flat()
    check = Check.objects.get(endpoint__device=device, module="snmp.system")
    scheduling.pause(check)
    assert Check.objects.get(pk=check.pk).status == "paused"
    scheduling.resume(check)
    fresh = Check.objects.get(pk=check.pk)
    assert fresh.status == "unknown" and fresh.next_run_at <= timezone.now()


def test_a_new_endpoint_has_its_checks_and_an_existing_one_keeps_an_operators_interval() -> None:
    device = make.make_flat()
    assert DeviceState.objects.get(device=device).state == "unknown"
    check = Check.objects.get(endpoint__device=device, module="snmp.system")
    Check.objects.filter(pk=check.pk).update(interval_seconds=300, next_run_at=timezone.now() + timedelta(minutes=4))
    scheduling.ensure_default_checks([check.endpoint])
    fresh = Check.objects.get(pk=check.pk)
    assert fresh.interval_seconds == 300
    assert fresh.next_run_at <= timezone.now(), "what was changed may be the cure: look at once"
    assert Check.objects.filter(endpoint=check.endpoint).count() == 2


def test_a_clock_that_was_set_back_does_not_stop_polling() -> None:
    (check,) = due_checks(1)
    ahead = timezone.now() + timedelta(days=365)
    Check.objects.update(next_run_at=ahead, claimed_until=ahead)
    now = timezone.now()
    (shard,) = scheduling.claim_due_checks(now)
    assert shard.check_ids == [check.pk]
    check.refresh_from_db()
    assert now < check.next_run_at <= now + timedelta(seconds=60)


@pytest.mark.django_db(transaction=True)
def test_two_dispatchers_at_once_claim_nothing_twice() -> None:
    due_checks(40)
    now, found, errors = timezone.now(), [], []
    barrier = threading.Barrier(4)

    def claim() -> None:
        try:
            barrier.wait(10)
            for shard in scheduling.claim_due_checks(now):
                found.extend(shard.check_ids)
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert len(found) == len(set(found)) == 40


class TestADeletedCheck:
    """It stays deleted, whatever is saved or approved afterwards."""

    def test_saving_the_endpoint_or_approving_its_key_does_not_bring_it_back(self, cast: people.Cast) -> None:
        endpoint = make.make_ssh_endpoint(device=make.make_device(kind="router"))
        scheduling.ensure_default_checks([endpoint])
        assert modules_of(endpoint) == {"ssh.host", "ssh.routing", "config.backup"}
        check = Check.objects.get(endpoint=endpoint, module="ssh.routing")
        client = people.client_for(cast.omar)
        assert client.delete(f"/api/v1/checks/{check.pk}/").status_code == 204
        save_endpoint(endpoint, may_redirect=True)
        host_keys.approve(make.make_host_key(endpoint), user=cast.ada)
        assert modules_of(endpoint) == {"ssh.host", "config.backup"}
        again = {"endpoint": endpoint.pk, "module": "ssh.routing"}
        assert client.post("/api/v1/checks/", again, format="json").status_code == 201, "by hand it may come again"

    def test_what_is_of_the_device_does_not_come_at_another_endpoint(self) -> None:
        first = make.make_ssh_endpoint(device=make.make_device(kind="router"))
        scheduling.ensure_default_checks([first])
        scheduling.delete_checks(Check.objects.filter(endpoint=first, module="ssh.host").select_related("endpoint"))
        second = make.make_endpoint(first.device, protocol="ssh", port=2222)
        scheduling.ensure_default_checks([second, first])
        assert not Check.objects.filter(endpoint__device=first.device, module="ssh.host").exists()

    def test_an_endpoint_that_never_had_it_gets_it(self) -> None:
        """Such as when its device turns out to be a router."""
        endpoint = make.make_ssh_endpoint(device=make.make_device(kind="computer"))
        scheduling.ensure_default_checks([endpoint])
        assert modules_of(endpoint) == {"ssh.host"}
        endpoint.device.kind = "router"
        endpoint.device.save()
        scheduling.ensure_default_checks([endpoint])
        assert "ssh.routing" in modules_of(endpoint)


def modules_of(endpoint: ManagementEndpoint) -> set[str]:
    return set(Check.objects.filter(endpoint=endpoint).values_list("module", flat=True))
