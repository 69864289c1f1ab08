"""What falls due with time alone: steps, silences that end, and alerts whose object is gone."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.alerting import actions, deciding, duties, engine, observing, watchdog
from monitoring.alerting.sources import Observation
from monitoring.models import (
    Alert,
    AlertRule,
    Channel,
    Check,
    DeviceState,
    EscalationPolicy,
    EscalationStep,
    MaintenanceWindow,
    Notification,
    Series,
    Silence,
)
from monitoring.notifying import planning
from netmon.accounts.models import ApiKey
from netmon.common.errors import Conflict
from tests import factories as make
from tests import people
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

    def test_taking_the_acknowledgement_back_goes_on_with_the_steps(self, clock: Clock) -> None:
        shift, boss = make_contact(name="shift"), make_contact(name="boss")
        policy_of((0, shift), (600, boss))
        alert = raise_alert()
        deliver(clock.now)
        actions.acknowledge([alert], user=None)
        actions.unacknowledge(alert, user=None)
        duties.perform(clock.turn(minutes=9))
        assert "boss" not in [name for _, name in told()]
        duties.perform(clock.turn(minutes=2))
        assert told()[-1] == ("escalation", "boss")

    def test_after_a_silence_the_steps_take_their_time(self, clock: Clock) -> None:
        people = [make_contact(name=name) for name in ("shift", "lead", "boss")]
        policy_of((0, people[0]), (600, people[1]), (1200, people[2]))
        first = raise_alert()
        actions.silence(first, minutes=120, user=None)
        duties.perform(clock.turn(hours=3))
        for minutes, expected in ((1, 1), (5, 1), (5, 2), (5, 2), (5, 3)):
            duties.perform(clock.turn(minutes=minutes))
            assert len(told()) == expected

    def test_a_policy_of_the_place_goes_before_that_of_everywhere(self, clock: Clock) -> None:
        site = make.make_site()
        near, far = make_contact(name="near"), make_contact(name="far")
        policy_of((0, far), name="all", rank=200)
        policy_of((0, near), name="site", rank=100, site=site)
        raise_alert(device=make.make_device(site=site))
        raise_alert(device=make.make_device())
        assert told() == [("firing", "near"), ("firing", "far")]


def test_raised_by_two_at_once_is_one_alert_and_a_conflict(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    raise_alert()
    queries = type(Alert.objects.all())
    look, looks = queries.exists, []

    def late(rows: Any) -> bool:
        looks.append(look(rows))
        return looks[-1] if len(looks) > 1 else False  # it was not there yet when this one looked

    monkeypatch.setattr(queries, "exists", late)
    with pytest.raises(Conflict):
        raise_alert()
    assert len(looks) == 2


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

    @pytest.mark.parametrize("how", ["by hand", "deleted", "shortened", "on its page"])
    def test_what_began_in_it_is_told_when_it_is_ended_early(self, clock: Clock, how: str) -> None:
        make_contact()
        first = raise_alert()
        actions.silence(first, minutes=600, user=None)
        actions.resolve(first, user=None)
        again = raise_alert()
        duties.perform(clock.turn(minutes=10))
        assert told() == []
        if how == "by hand":
            actions.silence(again, minutes=0, user=None)
        elif how == "deleted":
            Silence.objects.all().delete()
        else:
            Silence.objects.update(ends_at=clock.now)
        if how == "on its page":
            Alert.objects.update(silenced_until=None)
        for _ in range(2):
            duties.perform(clock.turn(seconds=5))
        assert [kind for kind, _ in told()] == ["firing"]

    def test_one_made_longer_lasts_longer(self, clock: Clock) -> None:
        make_contact()
        first = raise_alert()
        actions.silence(first, minutes=60, user=None)
        Silence.objects.update(ends_at=clock.now + timedelta(minutes=120))
        duties.perform(clock.turn(minutes=61))
        assert told() == []
        assert "unsilenced" not in first.events.values_list("kind", flat=True)
        duties.perform(clock.turn(minutes=60))
        assert [kind for kind, _ in told()] == ["firing"]

    def test_what_waits_to_be_told_is_told_when_it_ends(self, clock: Clock) -> None:
        make_contact()
        alert = raise_alert()
        actions.silence(alert, minutes=60, user=None)
        assert told() == []
        duties.perform(clock.turn(minutes=59))
        assert told() == []
        duties.perform(clock.turn(minutes=2))
        assert [kind for kind, _ in told()] == ["firing"]

    def test_one_that_a_clock_set_back_left_in_the_future_is_replaced(self, clock: Clock) -> None:
        alert = raise_alert()
        actions.silence(alert, minutes=60, user=None)
        clock.turn(hours=-2)
        actions.silence(alert, minutes=30, user=None)
        assert [row.ends_at for row in Silence.objects.all()] == [clock.now + timedelta(minutes=30)]

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
        pk = device.pk if device is not None else None
        values = {"source": "check.down", "at": clock.now, "device_id": pk, "is_bad": True, **over}
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

    def test_a_channel_that_is_switched_off_fails_no_more(self, clock: Clock) -> None:
        channel = make_channel(dead_in_a_row=3)
        for _ in range(2):
            alert = self.observe(clock, None, source="channel.failing", subject=f"channel {channel.pk}")
        duties.retire(clock.now)
        alert.refresh_from_db()
        assert alert.state == "firing"
        Channel.objects.update(is_enabled=False)
        duties.retire(clock.now)
        alert.refresh_from_db()
        assert alert.state == "resolved"


class TestFlapping:
    def test_a_fault_that_flaps_from_the_beginning_is_told(self, clock: Clock) -> None:
        make_contact()
        rule = AlertRule.objects.filter(source="device.down").first()
        assert rule is not None
        device = make.make_device()
        marks = [(clock.now - timedelta(minutes=minutes)).timestamp() for minutes in (20, 15, 10)]
        common = {"rule": rule, "source": "device.down", "device": device, "fingerprint": "f" * 64, "summary": "Down"}
        Alert.objects.create(**common, state="resolved", resolved_at=clock.now, started_at=START, transitions=marks)
        clock.turn(minutes=5)
        Alert.objects.create(**common, started_at=START, last_seen_at=clock.now, bad_checks=100, due_at=clock.now)
        engine.advance(clock.now)
        assert Alert.objects.open().get().state == "flapping"
        assert [kind for kind, _ in told()] == ["flapping"]

    def test_one_that_comes_back_for_a_short_while_is_told_to_nobody(self, clock: Clock) -> None:
        """It was held back on purpose, so it is not late."""
        make_contact()
        alert = raise_alert()
        Notification.objects.all().delete()
        alert.data = {"is_relapse": True}
        ledger = deciding.Ledger(clock.now)
        ledger.move(alert, "firing", "firing", tell="firing")
        engine.write(ledger)
        clock.turn(minutes=8)
        actions.resolve(alert, user=None)
        assert list(Notification.objects.values_list("kind", "status")) == [("firing", "superseded")]

    def test_planning_asks_as_often_for_twelve_as_for_two(self, clock: Clock) -> None:
        make_contact(*(make_channel() for _ in range(3)))
        counts = []
        for size in (2, 12):
            for kind in ("firing", "flapping"):
                alerts = [raise_alert(summary=f"{size} {kind} {n}") for n in range(size)]
                deliver(clock.now)
                if kind == "firing":  # they come back before anybody heard that they are over
                    for alert in alerts:
                        actions.resolve(alert, user=None)
                    alerts = [raise_alert(summary=alert.summary) for alert in alerts]
                    Notification.objects.filter(alert__in=alerts).delete()
                ledger = deciding.Ledger(clock.now)
                for alert in alerts:
                    alert.data = {"is_relapse": True}
                    ledger.move(alert, kind, kind, tell=kind)
                with CaptureQueriesContext(connection) as queries:
                    planning.plan(ledger.to_tell, clock.now)
                counts.append(sum(query["sql"].startswith("SELECT") for query in queries))
        assert counts[0] == counts[2] and counts[1] == counts[3]


class TestWatchdog:
    def test_a_key_that_is_revoked_or_deleted_expires_no_more(self, clock: Clock, cast: people.Cast) -> None:
        keys = [
            ApiKey.objects.create(
                user=cast.omar,
                name=f"key {n}",
                prefix=f"p{n}",
                key_hash=f"{n:064}",
                expires_at=clock.now + timedelta(days=3),
            )
            for n in range(3)
        ]
        for _ in range(2):
            watchdog.look_at_expiries()
            engine.advance(clock.turn(hours=1))
        assert Alert.objects.open().filter(state="firing").count() == 3
        ApiKey.objects.filter(pk=keys[0].pk).update(revoked_at=clock.now)
        keys[1].delete()
        watchdog.look_at_expiries()
        engine.advance(clock.turn(minutes=1))
        assert [alert.subject for alert in Alert.objects.open()] == [f"API key {keys[2].pk}"]

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
