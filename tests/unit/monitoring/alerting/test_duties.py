"""What falls due with time alone: steps, silences that end, and alerts whose object is gone."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring.alerting import actions, duties, engine, observing, watchdog
from monitoring.alerting.sources import Observation
from monitoring.models import (
    Alert,
    AlertRule,
    Check,
    DeviceState,
    EscalationPolicy,
    EscalationStep,
    MaintenanceWindow,
    Notification,
    Series,
)
from tests import factories as make
from tests.fleet import START, deliver, make_channel, make_contact

pytestmark = pytest.mark.django_db


class Clock:
    now = START

    def turn(self, **how: float) -> datetime:
        self.now += timedelta(**how)
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


def told() -> list[tuple[str, str]]:
    rows = Notification.objects.exclude(status="superseded").order_by("pk")
    return list(rows.values_list("kind", "contact__name"))


def policy_of(*steps: tuple[int, Any], **over: Any) -> EscalationPolicy:
    policy = EscalationPolicy.objects.create(**{"name": "policy", **over})
    for number, (after, contact) in enumerate(steps):
        step = EscalationStep.objects.create(policy=policy, number=number, after_seconds=after)
        step.contacts.add(contact)
    return policy


def raise_alert(**over: Any) -> Alert:
    return actions.raise_by_hand(**{"summary": "fault", "severity": "critical", "user": None, **over})


class TestSteps:
    def test_each_step_is_told_when_its_time_comes(self, clock: Clock) -> None:
        names = ("shift", "lead", "boss")
        people = [make_contact(name=name, repeat_seconds=0) for name in names]
        policy_of((0, people[0]), (600, people[1]), (1800, people[2]))
        raise_alert()
        for minutes, expected in ((5, 1), (6, 2), (10, 2), (10, 3), (600, 3)):
            deliver(clock.now)
            duties.perform(clock.turn(minutes=minutes))
            assert [name for _, name in told()] == list(names[:expected])
        assert [kind for kind, _ in told()] == ["firing", "escalation", "escalation"]

    def test_who_acknowledges_stops_all_further_steps(self, clock: Clock) -> None:
        shift, boss = make_contact(name="shift"), make_contact(name="boss")
        policy_of((0, shift), (600, boss))
        alert = raise_alert()
        deliver(clock.now)
        actions.acknowledge([alert], user=None)
        duties.perform(clock.turn(hours=5))
        assert "boss" not in [name for _, name in told()]

    def test_taking_the_acknowledgement_back_reminds_again(self, clock: Clock) -> None:
        make_contact(name="shift")
        alert = raise_alert()
        deliver(clock.now)
        actions.acknowledge([alert], user=None)
        actions.unacknowledge(alert, user=None)
        duties.perform(clock.turn(hours=5))
        assert told()[-1] == ("reminder", "shift")

    def test_a_policy_of_the_place_goes_before_that_of_everywhere(self, clock: Clock) -> None:
        site = make.make_site()
        near, far = make_contact(name="near"), make_contact(name="far")
        policy_of((0, far), name="all", rank=200)
        policy_of((0, near), name="site", rank=100, site=site)
        raise_alert(device=make.make_device(site=site))
        raise_alert(device=make.make_device())
        assert told() == [("firing", "near"), ("firing", "far")]


class TestProfiles:
    @pytest.mark.parametrize(
        ("profile", "severity", "minutes"),
        [
            ({}, "low", 0),
            ({"quiet_from": "11:00", "quiet_to": "13:30"}, "low", 90),
            ({"quiet_from": "11:00", "quiet_to": "13:30"}, "critical", 0),
            ({"quiet_from": "22:00", "quiet_to": "06:00"}, "low", 0),
            ({"quiet_from": "20:00", "quiet_to": "06:00", "time_zone": "Asia/Tokyo"}, "low", 540),
            ({"digest": "hourly"}, "low", 60),
            ({"digest": "hourly"}, "high", 0),
            ({"digest": "daily", "summary_hour": 14}, "medium", 120),
        ],
    )
    def test_when_one_is_told(self, clock: Clock, profile: dict[str, Any], severity: str, minutes: int) -> None:
        contact = make_contact()
        for name, value in profile.items():
            setattr(contact, name, value)
        contact.save()
        raise_alert(severity=severity)
        row = Notification.objects.get()
        assert (row.next_at - clock.now).total_seconds() == minutes * 60

    def test_severity_site_and_tag_filter(self, clock: Clock) -> None:
        site, tag = make.make_site(), make.make_tag()
        device = make.make_device(site=site)
        device.tags.add(tag)
        make_contact(name="all")
        make_contact(name="grave", min_severity="critical")
        make_contact(name="site").sites.add(site)
        make_contact(name="tag").tags.add(tag)
        make_contact(name="other site").sites.add(make.make_site())
        raise_alert(device=device, severity="high")
        raise_alert(severity="critical")
        assert sorted(name for _, name in told()) == ["all", "all", "grave", "site", "tag"]

    def test_a_tenants_people_hear_of_their_tenant_only(self, clock: Clock) -> None:
        ours, theirs = make.make_tenant(), make.make_tenant()
        make_contact(make_channel(tenant=ours), name="ours", tenant=ours)
        make_contact(name="theirs", tenant=theirs)
        raise_alert(device=make.make_device(tenant=ours))
        raise_alert()
        assert told() == [("firing", "ours")]


class TestSilence:
    def test_it_is_quiet_and_tells_when_it_ends(self, clock: Clock) -> None:
        make_contact()
        first = raise_alert()
        deliver(clock.now)
        actions.silence(first, minutes=60, user=None)
        actions.resolve(first, user=None)
        clock.turn(minutes=10)
        again = raise_alert()
        assert again.fingerprint == first.fingerprint
        assert [kind for kind, _ in told()].count("firing") == 1
        duties.perform(clock.turn(minutes=30))
        assert [kind for kind, _ in told()].count("firing") == 1
        duties.perform(clock.turn(minutes=30))
        assert [kind for kind, _ in told()].count("firing") == 2

    def test_no_reminder_and_no_step_meanwhile(self, clock: Clock) -> None:
        shift, boss = make_contact(name="shift"), make_contact(name="boss")
        policy_of((0, shift), (600, boss))
        alert = raise_alert()
        deliver(clock.now)
        actions.silence(alert, minutes=600, user=None)
        duties.perform(clock.turn(hours=5))
        assert told() == [("firing", "shift")]
        actions.silence(alert, minutes=0, user=None)
        for _ in range(3):
            duties.perform(clock.turn(minutes=2))
        assert {kind for kind, _ in told()} == {"firing", "reminder", "escalation"}


class TestRetiring:
    def observe(self, clock: Clock, device: Any, **over: Any) -> Alert:
        values = {"source": "check.down", "at": clock.now, "device_id": device.pk, "is_bad": True, **over}
        observing.observe([Observation(**values)])
        clock.turn(minutes=3)
        engine.advance(clock.now)
        return Alert.objects.get()

    def test_a_check_that_is_paused_or_deleted_ends_its_alert(self, clock: Clock) -> None:
        device = make.make_device()
        check = make.make_check(make.make_endpoint(device, protocol="snmp"), module="snmp.system")
        alert = self.observe(clock, device, subject="snmp.system", match="snmp.system")
        assert alert.state == "firing"
        duties.retire(clock.now)
        alert.refresh_from_db()
        assert alert.state == "firing"
        Check.objects.filter(pk=check.pk).update(status="paused")
        duties.retire(clock.now)
        alert.refresh_from_db()
        assert alert.state == "resolved"

    def test_a_device_out_of_service_has_no_alerts(self, clock: Clock) -> None:
        device = make.make_device()
        make.make_check(make.make_endpoint(device, protocol="snmp"), module="snmp.system")
        alert = self.observe(clock, device, subject="snmp.system", match="snmp.system")
        device.status = "retired"
        device.save()
        duties.retire(clock.now)
        alert.refresh_from_db()
        assert alert.state == "resolved"

    def test_a_value_that_is_not_measured_any_more_ends_its_alert(self, clock: Clock) -> None:
        AlertRule.objects.exclude(template="host.disk").delete()
        device = make.make_device()
        DeviceState.objects.create(device=device, state="up")
        series = Series.objects.create(device=device, metric_set="host.disk", labels="mount=/old", v0=97, last_at=START)
        for _ in range(2):
            alert = self.observe(
                clock, device, source="metric", is_bad=None, metric="host.disk.used_percent", value=97.0,
                subject="mount=/old", match="mount=/old",
            )  # fmt: skip
        assert alert.state == "firing"
        Series.objects.filter(pk=series.pk).update(last_at=clock.turn(hours=2))
        duties.retire(clock.now)
        alert.refresh_from_db()
        assert alert.state == "firing"  # it is measured, only seldom looked at
        Series.objects.filter(pk=series.pk).update(v0=None)
        duties.retire(clock.now)
        alert.refresh_from_db()
        assert alert.state == "resolved"


class TestWatchdog:
    def test_polling_that_is_behind_is_an_alert(self, clock: Clock) -> None:
        check = make.make_check(make.make_endpoint(make.make_device()), next_run_at=clock.now)
        clock.turn(minutes=5)
        for _ in range(3):
            watchdog.look_at_polling()
            engine.advance(clock.turn(minutes=2))
        assert Alert.objects.get(source="poller.behind").state == "firing"
        Check.objects.filter(pk=check.pk).update(next_run_at=clock.now + timedelta(minutes=1))
        watchdog.look_at_polling()
        engine.advance(clock.now)
        assert Alert.objects.get(source="poller.behind").state == "resolved"

    def test_a_window_ends_itself_when_all_is_back(self, clock: Clock) -> None:
        device = make.make_device()
        state = DeviceState.objects.create(device=device, state="up", since=START - timedelta(days=1))
        window = MaintenanceWindow.objects.create(
            name="work", device=device, starts_at=START, ends_at=START + timedelta(hours=4), ends_when_back=True
        )
        clock.turn(minutes=10)
        assert watchdog.end_windows() == 0  # it has not begun
        state.state, state.since = "down", clock.now
        state.save()
        clock.turn(minutes=10)
        assert watchdog.end_windows() == 0
        state.state, state.since = "up", clock.now
        state.save()
        clock.turn(minutes=1)
        assert watchdog.end_windows() == 1
        window.refresh_from_db()
        assert window.ended_at == clock.now
