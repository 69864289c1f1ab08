"""N of M, what a device's checks add up to, and its outages."""

from datetime import UTC, datetime, timedelta

import pytest

from monitoring.models import Check, DeviceState, Outage
from monitoring.services import states
from tests import factories as make

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 11, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


class Watched:
    """A device with an icmp and an snmp.system check, driven run by run."""

    def __init__(self, *, ping: bool = True) -> None:
        self.device = make.make_device()
        self.checks = {}
        if ping:
            self.checks["icmp"] = make.make_check(make.make_endpoint(self.device, protocol="icmp"), module="icmp")
        endpoint = make.make_endpoint(self.device, protocol="snmp")
        self.checks["snmp.system"] = make.make_check(endpoint, module="snmp.system")
        self.checks["snmp.interfaces"] = make.make_check(endpoint, module="snmp.interfaces")
        make.watch(self.device, watched_since=None, last_poll_at=None, state="unknown")

    def run(self, seconds: float, *, good: bool, only: str | None = None) -> None:
        polled = {}
        for name, check in self.checks.items():
            if only in (None, name):
                check.refresh_from_db()
                check.last_run_at = at(seconds)
                check.last_error_code = "" if good else "timeout"
                states.note_run(check, good=good, at=at(seconds))
                check.save()
                if states.is_availability(check):
                    polled = {self.device.pk: at(seconds)}
        states.evaluate([self.device.pk], at(seconds), polled=polled)

    @property
    def state(self) -> DeviceState:
        return DeviceState.objects.get(device=self.device)

    @property
    def outages(self) -> list[tuple[str, float, float | None]]:
        rows = Outage.objects.filter(device=self.device).order_by("started_at")
        return [
            (row.kind, (row.started_at - T0).total_seconds(), row.ended_at and (row.ended_at - T0).total_seconds())
            for row in rows
        ]


def test_the_first_good_run_is_up() -> None:
    watched = Watched()
    watched.run(0, good=True)
    assert watched.state.state == "up" and watched.state.watched_since == T0


def test_one_failed_run_is_not_down() -> None:
    watched = Watched()
    watched.run(0, good=True)
    watched.run(60, good=False)
    watched.run(75, good=False)
    assert watched.state.state == "up" and watched.state.is_reachable is False
    watched.run(90, good=True)
    assert watched.outages == []


def test_an_outage_begins_with_the_first_failed_run_and_ends_with_the_first_good_one() -> None:
    watched = Watched()
    watched.run(0, good=True)
    for seconds in (60, 75, 90):
        watched.run(seconds, good=False)
    assert watched.state.state == "down" and watched.state.since == at(60)
    assert watched.outages == [("down", 60, None)]
    watched.run(105, good=True)
    assert watched.state.state == "down", "one good probe may be luck"
    watched.run(120, good=True)
    assert watched.state.state == "up" and watched.state.since == at(105)
    assert watched.outages == [("down", 60, 105)]


def test_three_of_five_is_down_even_when_answers_come_between() -> None:
    watched = Watched(ping=False)
    watched.run(0, good=True)
    for number, good in enumerate((False, True, False, True, False)):
        watched.run(60 * (number + 1), good=good)
    assert watched.state.state == "down"


def test_silent_snmp_with_a_living_ping_is_degraded_not_down() -> None:
    watched = Watched()
    watched.run(0, good=True)
    for seconds in (60, 75, 90):
        watched.run(seconds, good=True, only="icmp")
        watched.run(seconds, good=False, only="snmp.system")
    assert watched.state.state == "degraded" and watched.state.is_reachable is True
    assert "SNMP" in watched.state.cause and watched.outages == []


def test_the_outage_of_two_ways_in_begins_when_the_last_one_failed() -> None:
    watched = Watched()
    watched.run(0, good=True)
    for seconds in (60, 75, 90, 105, 120):
        watched.run(seconds, good=False, only="snmp.system")
        watched.run(seconds, good=seconds < 90, only="icmp")
    assert watched.state.state == "down"
    assert watched.outages == [("down", 90, None)]


def test_down_to_degraded_ends_the_outage() -> None:
    watched = Watched()
    watched.run(0, good=True)
    for seconds in (60, 75, 90):
        watched.run(seconds, good=False)
    for seconds in (105, 120):
        watched.run(seconds, good=True, only="icmp")
    assert watched.state.state == "degraded"
    assert watched.outages == [("down", 60, 105)]


def test_a_time_without_polls_is_unknown_not_up() -> None:
    watched = Watched(ping=False)
    watched.run(0, good=True)
    watched.run(60, good=True)
    watched.run(600, good=True)
    assert watched.state.state == "up"
    assert watched.outages == [("unknown", 120, 600)]


def test_a_fault_that_lasts_through_a_blind_stretch_goes_on_after_it() -> None:
    watched = Watched(ping=False)
    watched.run(0, good=True)
    for seconds in (60, 75, 90):
        watched.run(seconds, good=False)
    watched.run(900, good=False)
    assert watched.outages == [("down", 60, 150), ("unknown", 150, 900), ("down", 900, None)]


def test_a_device_that_recovered_in_a_blind_stretch_has_no_empty_outage_after_it() -> None:
    watched = Watched(ping=False)
    watched.run(0, good=True)
    for seconds in (60, 75, 90):
        watched.run(seconds, good=False)
    for seconds in (900, 915):
        watched.run(seconds, good=True)
    assert watched.outages == [("down", 60, 150), ("unknown", 150, 900)]


def test_down_to_degraded_wakes_what_waited() -> None:
    watched = Watched()
    watched.run(0, good=True)
    for seconds in (60, 75, 90):
        watched.run(seconds, good=False)
    check = watched.checks["icmp"]
    for seconds in (105, 120):
        check.refresh_from_db()
        states.note_run(check, good=True, at=at(seconds))
        check.save()
        woken = states.evaluate([watched.device.pk], at(seconds), polled={watched.device.pk: at(seconds)})
    assert woken == [watched.device.pk] and watched.state.state == "degraded"


def test_outages_never_overlap() -> None:
    watched = Watched(ping=False)
    pattern = [True, False, False, False, False, True, True, True, False, False, False, True, True]
    for number, good in enumerate(pattern):
        watched.run(number * 60 + (3000 if number > 8 else 0), good=good)
    previous_end = 0.0
    for _, start, end in watched.outages:
        assert start >= previous_end
        previous_end = end if end is not None else float("inf")


def test_a_device_that_never_answered_becomes_down() -> None:
    watched = Watched(ping=False)
    for seconds in (0, 15, 30):
        watched.run(seconds, good=False)
    assert watched.state.state == "down" and watched.outages == [("down", 0, None)]


def test_failures_are_looked_at_again_soon_and_the_long_dead_less_often() -> None:
    check = make.make_check(make.make_endpoint(make.make_device()), interval_seconds=60)
    check.consecutive_failures, check.status = 1, "up"
    assert states.next_wait(check) == states.RECHECK_SECONDS
    check.status, check.failing_since, check.last_run_at = "down", at(0), at(60)
    assert states.next_wait(check) is None
    check.last_run_at = at(700)
    assert states.next_wait(check) == 120
    check.last_run_at = at(7200)
    assert states.next_wait(check) == 300
    check.consecutive_successes = 1
    assert states.next_wait(check) == states.RECHECK_SECONDS
    slow = make.make_check(make.make_endpoint(make.make_device()), interval_seconds=600, status=Check.Status.DOWN)
    slow.failing_since, slow.last_run_at = at(0), at(7200)
    assert states.next_wait(slow) is None, "its own interval, on its own grid"
    quick = make.make_check(make.make_endpoint(make.make_device()), interval_seconds=10, consecutive_failures=1)
    assert states.next_wait(quick) is None


def test_paused_checks_do_not_count() -> None:
    watched = Watched()
    watched.run(0, good=True)
    for seconds in (60, 75, 90):
        watched.run(seconds, good=False, only="snmp.system")
        watched.run(seconds, good=True, only="icmp")
    Check.objects.filter(pk=watched.checks["snmp.system"].pk).update(status="paused")
    states.evaluate([watched.device.pk], at(91))
    assert watched.state.state == "up"
