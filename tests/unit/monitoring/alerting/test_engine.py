"""Polls in any order, time that goes by, and what fires: the whole way from a result to the outbox."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from inventory.models import Device
from monitoring.alerting import engine, watchdog, windows
from monitoring.models import Alert, AlertEvent, AlertRule, DeviceState, MaintenanceWindow, Notification, Outage
from tests.fleet import Fleet, deliver, make_channel, make_contact

pytestmark = pytest.mark.django_db


def change_rules(rows: Any, **values: Any) -> None:
    rows.update(**values, revision=F("revision") + 1)


@pytest.fixture(autouse=True)
def _only_down(settings: Any) -> None:
    """One rule, so that every alert is about what these tests are about."""
    change_rules(AlertRule.objects.exclude(source__in=["device.down", "poller.blind"]), is_enabled=False)


def star(monkeypatch: pytest.MonkeyPatch, children: int) -> Fleet:
    names = ["core", *(f"leaf{n:02}" for n in range(children))]
    return Fleet(monkeypatch, names, {name: ["core"] for name in names[1:]})


def test_a_device_that_dies_is_one_alert_and_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, ["a", "b"])
    make_contact()
    fleet.settle()
    fleet.down = {"a"}
    fleet.run(240)
    assert fleet.states() == {"a": "firing"}
    assert fleet.told() == ["a"]
    alert = Alert.objects.get()
    assert [event.kind for event in alert.events.all()] == ["opened", "firing"]
    assert (alert.fired_at - alert.started_at).total_seconds() >= 60


def test_deciding_asks_as_often_for_twelve_as_for_three(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    advance = engine.advance

    def counted(now: datetime | None = None) -> int:
        with CaptureQueriesContext(connection) as queries:
            seen = advance(now)
        counts.append(sum(query["sql"].startswith("SELECT") for query in queries))
        return seen

    monkeypatch.setattr(engine, "advance", counted)
    most = []
    for children in (3, 12):
        fleet = star(monkeypatch, children)
        fleet.settle()
        fleet.down = {"core"}
        fleet.run(420, step=20)
        assert sorted(set(fleet.states().values())) == ["firing", "unreachable"]
        most.append(max(counts))
        counts.clear()
        Device.objects.all().delete()
    assert most[0] == most[1]


def test_what_comes_back_before_it_is_confirmed_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, ["a"])
    make_contact()
    fleet.settle()
    fleet.down = {"a"}
    fleet.run(75)
    assert fleet.states() in ({}, {"a": "pending"})
    fleet.down = set()
    fleet.run(120)
    assert not Alert.objects.exists()
    assert not Notification.objects.exists()


def test_the_end_is_told_to_those_who_were_told_of_the_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, ["a"])
    make_contact()
    fleet.settle()
    fleet.down = {"a"}
    fleet.run(600)
    deliver(fleet.now)
    fleet.down = set()
    fleet.run(120)
    assert Alert.objects.get().state == "resolved"
    assert fleet.told("resolved") == ["a"]


def test_nobody_hears_a_lone_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, ["a"])
    make_contact()
    fleet.settle()
    fleet.down = {"a"}
    fleet.run(200)
    assert Notification.objects.get().status == "pending"  # the other side did not answer yet, say
    fleet.down = set()
    fleet.run(120)
    assert Notification.objects.get().status == "superseded"


def test_a_late_message_tells_begin_and_end_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, ["a"])
    make_contact(make_channel(late_minutes=5))
    fleet.settle()
    fleet.down = {"a"}
    fleet.run(900)
    fleet.down = set()
    fleet.run(120)
    [row] = Notification.objects.all()
    assert (row.kind, row.status) == ("combined", "pending")


@pytest.mark.parametrize("seed", range(2))
def test_a_router_with_twenty_children_is_one_alert(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    order = random.Random(seed)
    fleet = star(monkeypatch, 20)  # so many that their silence could be taken for the poller's blindness
    make_contact()
    fleet.settle()
    fleet.down = {"core"}
    fleet.run(420, order=order, step=20)
    states = fleet.states()
    assert states.pop("core") == "firing"
    assert set(states.values()) == {"unreachable"} and len(states) == 20
    assert fleet.told() == ["core"]
    assert DeviceState.objects.filter(excuse="unreachable").count() == 20
    assert Outage.objects.filter(kind="unreachable", ended_at=None).count() == 20
    core = Alert.objects.get(device__name="core")
    assert core.data["behind"] == 20
    assert Alert.objects.filter(cause=core).count() == 20
    deliver(fleet.now)
    # It comes back, and one leaf does not.
    fleet.down = {"leaf07"}
    fleet.run(600, order=order, step=20)
    assert fleet.states() == {"leaf07": "firing"}
    assert fleet.told() == ["core", "leaf07"]
    assert not Outage.objects.filter(device__name="leaf08", kind="down").exists()


@pytest.mark.parametrize("seed", range(6))
def test_only_causes_fire_in_any_network_and_any_order(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Rings, diamonds, several parents, maintenance anywhere: who fires is who failed while a way to it stood."""
    dice = random.Random(1000 + seed)
    names = [f"n{number:02}" for number in range(18)]
    parents = {name: sorted(dice.sample(names, dice.choice([1, 1, 2, 3]))) for name in names[3:] if dice.random() < 0.9}
    parents = {name: [parent for parent in above if parent != name] for name, above in parents.items()}
    # The world of this test grows from devices without parents, so rings get a way in.
    grounded = Fleet.reachable(_Sketch(names, parents))
    for name in names:
        if name not in grounded:
            parents.setdefault(name, []).append("n00")
    parents = {name: sorted(set(above) - {name}) for name, above in parents.items() if name != "n00"}
    fleet = Fleet(monkeypatch, names, parents)
    assert fleet.reachable() == set(names)
    make_contact()
    fleet.settle()
    at_work = set(dice.sample(names[1:], dice.choice([0, 1, 2])))
    for name in at_work:
        MaintenanceWindow.objects.create(
            name=f"work on {name}",
            device=fleet.devices[name],
            starts_at=fleet.now - timedelta(minutes=1),
            ends_at=fleet.now + timedelta(hours=5),
        )
    fleet.down = set(dice.sample(names, dice.choice([1, 2, 4])))
    fleet.run(480, order=dice)
    without_work = Fleet.reachable(_Sketch(names, parents, fleet.down | at_work))
    causes = {
        name
        for name in fleet.down - at_work
        if not parents.get(name) or any(parent in without_work for parent in parents[name])
    }
    states = fleet.states()
    assert {name for name, state in states.items() if state == "firing"} == causes
    assert sorted(fleet.told()) == sorted(causes)
    assert set(states) == set(names) - fleet.reachable()
    for name, state in states.items():
        if name not in causes:
            assert state in ("unreachable", "maintenance"), name


class _Sketch:
    """What `Fleet.reachable` asks for, without a database."""

    def __init__(self, names: list[str], parents: dict[str, list[str]], down: set[str] | None = None) -> None:
        self.devices, self.parents, self.down = dict.fromkeys(names), parents, down or set()


def test_a_parent_that_comes_back_during_the_hold_gives_its_children_time(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = star(monkeypatch, 5)
    make_contact()
    fleet.settle()
    fleet.down = {"core"}
    fleet.run(100)
    fleet.down = set()
    fleet.run(600)
    assert fleet.states() == {}
    assert not [name for name in fleet.told() if name != "core"]


def test_a_failing_child_fires_though_its_parent_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = star(monkeypatch, 3)
    make_contact()
    fleet.settle()
    fleet.down = {"leaf01"}
    fleet.run(300)
    assert fleet.states() == {"leaf01": "firing"}


def test_work_is_silent_and_told_when_the_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = star(monkeypatch, 2)
    make_contact()
    fleet.settle()
    MaintenanceWindow.objects.create(
        name="new firmware",
        device=fleet.devices["core"],
        starts_at=fleet.now,
        ends_at=fleet.now + timedelta(minutes=15),
    )
    fleet.down = {"core"}
    fleet.run(600)
    assert set(fleet.states().values()) == {"maintenance"}
    assert fleet.told() == []
    assert Outage.objects.filter(kind="maintenance", ended_at=None).count() == 3
    fleet.run(600)
    states = fleet.states()
    assert states.pop("core") == "firing" and set(states.values()) == {"unreachable"}
    assert fleet.told() == ["core"]
    assert Alert.objects.get(device__name="core").was_in_maintenance


@pytest.mark.parametrize("is_ended_by_itself", [False, True])
def test_what_work_held_back_is_looked_at_as_soon_as_it_is_ended(
    monkeypatch: pytest.MonkeyPatch, is_ended_by_itself: bool
) -> None:
    fleet = star(monkeypatch, 1)
    fleet.settle()
    window = MaintenanceWindow.objects.create(
        name="work",
        device=fleet.devices["core"],
        starts_at=fleet.now,
        ends_at=fleet.now + timedelta(days=1),
        include_children=False,
        ends_when_back=is_ended_by_itself,
    )
    fleet.down = {"leaf00"}
    fleet.run(300)
    assert fleet.states() == {"leaf00": "unreachable"}
    if is_ended_by_itself:
        DeviceState.objects.filter(device=fleet.devices["core"]).update(since=fleet.now)
        assert watchdog.end_windows(fleet.now) == 1
    else:
        windows.end(window, fleet.now)
    engine.advance(fleet.now)
    assert fleet.states() == {"leaf00": "pending"}


def test_what_stays_down_behind_a_device_that_is_back_fires_within_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = star(monkeypatch, 2)
    fleet.settle()
    fleet.down = {"core"}
    fleet.run(300)
    fleet.down = {"leaf01"}
    Alert.objects.filter(state="unreachable").update(due_at=fleet.now + timedelta(minutes=5))  # just looked at
    fleet.run(300)
    assert fleet.states() == {"leaf01": "firing"}


def test_a_blind_poller_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"n{number:02}" for number in range(24)]
    fleet = Fleet(monkeypatch, names)
    make_contact()
    fleet.settle()
    fleet.down = set(names)
    fleet.run(300, step=20)
    assert set(fleet.states().values()) == {"blind"}
    [blind] = Alert.objects.filter(source="poller.blind")
    assert blind.state == "firing"
    assert Notification.objects.exclude(status="superseded").count() == 1
    fleet.down = {"n03"}
    fleet.run(700, step=20)
    assert fleet.states() == {"n03": "firing"}
    assert Alert.objects.get(source="poller.blind").state == "resolved"


def test_two_devices_that_fail_are_no_blind_poller(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, ["a", "b"])
    fleet.settle()
    fleet.down = {"a", "b"}
    fleet.run(300)
    assert fleet.states() == {"a": "firing", "b": "firing"}


@pytest.mark.parametrize("seconds", [60, 120, 300])
def test_a_flapping_device_is_two_messages_in_half_an_hour(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    change_rules(AlertRule.objects.filter(template="device.down"), for_seconds=0)
    fleet = Fleet(monkeypatch, ["a"])
    make_contact()
    fleet.settle()
    begun = fleet.now
    for turn in range(40):
        fleet.down = {"a"} if turn % 2 == 0 else set()
        for _ in range(seconds // 30):
            fleet.run(30, step=30)
            deliver(fleet.now)
        if (fleet.now - begun).total_seconds() > 3600:
            break
    sent = sorted(
        Notification.objects.filter(status="sent")
        .exclude(data__has_key="carried_from")
        .values_list("sent_at", flat=True)
    )
    assert sent, "nobody heard of it at all"
    for first in sent:
        within = [at for at in sent if first <= at < first + timedelta(minutes=30)]
        assert len(within) <= 2, [(at - begun).total_seconds() for at in sent]


def test_a_flapping_device_settles_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    change_rules(AlertRule.objects.filter(template="device.down"), for_seconds=0)
    fleet = Fleet(monkeypatch, ["a"])
    make_contact()
    fleet.settle()
    for turn in range(8):
        fleet.down = {"a"} if turn % 2 == 0 else set()
        for _ in range(6):
            fleet.run(20, step=20)
            deliver(fleet.now)
    assert Alert.objects.open().get().state == "flapping"
    fleet.down = set()
    for _ in range(90):
        fleet.run(30, step=30)
        deliver(fleet.now)
    assert not Alert.objects.open().exists()
    kinds = list(
        Notification.objects.filter(status="sent").exclude(data__has_key="carried_from").values_list("kind", flat=True)
    )
    assert set(kinds) - {"firing"} == {"flapping", "resolved"} and len(kinds) <= 3


def test_the_engine_twice_at_once_does_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(monkeypatch, ["a"])
    make_contact()
    fleet.settle()
    fleet.down = {"a"}
    fleet.run(300)
    for _ in range(5):
        engine.advance(fleet.now)
    assert AlertEvent.objects.filter(kind="firing").count() == 1
    assert Notification.objects.count() == 1


def test_a_rule_that_is_switched_off_ends_its_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitoring.alerting import duties

    fleet = Fleet(monkeypatch, ["a"])
    fleet.settle()
    fleet.down = {"a"}
    fleet.run(300)
    row = AlertRule.objects.get(template="device.down")
    row.is_enabled = False
    row.save()
    duties.retire(fleet.now)
    engine.advance(fleet.now)
    alert = Alert.objects.get()
    assert alert.state == "resolved"
    assert "switched off" in alert.events.last().text
