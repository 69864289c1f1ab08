"""A rehearsal on a recorded week comes to the same alerts as the live engine came to in that week."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring import metrics
from monitoring.alerting import engine, observing, rehearsal
from monitoring.models import Alert, AlertRule, DeviceEvent, Outage, Series
from monitoring.store.write import SampleWrite, write_many
from tests import factories as make
from tests.fleet import make_contact

pytestmark = pytest.mark.django_db

STEP = 1800
START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = 7 * 86400


def recorded_week(seed: int) -> list[float | None]:
    """A daily wave with noise, spikes and holes."""
    dice = random.Random(seed)
    values: list[float | None] = []
    for n in range(WEEK // STEP):
        wave = 60 + 30 * math.sin(2 * math.pi * n * STEP / 86400) + dice.gauss(0, 4)
        values.append(
            None if dice.random() < 0.05 else min(100.0, max(0.0, wave + (25 if dice.random() < 0.03 else 0)))
        )
    return values


RULES: list[dict[str, Any]] = [
    {"raise_value": 85.0},
    {"raise_value": 85.0, "clear_value": 70.0},
    {"raise_value": 80.0, "for_seconds": 3600},
    {"raise_value": 80.0, "clear_value": 75.0, "for_checks": 3, "clear_checks": 2},
    {"raise_value": 40.0, "comparator": "lt", "clear_value": 50.0, "clear_seconds": 1800},
]


@pytest.mark.parametrize("terms", RULES)
def test_a_week_of_values_comes_to_the_same(
    monkeypatch: pytest.MonkeyPatch, settings: Any, terms: dict[str, Any]
) -> None:
    settings.SAMPLES_FULL_DAYS = 30
    AlertRule.objects.all().delete()
    rule = AlertRule.objects.create(name="cpu", source="metric", metric="host.cpu_percent", **terms)
    check = make.make_check(make.make_endpoint(make.make_device()))
    series = Series.objects.create(device=check.endpoint.device, metric_set="host", period_seconds=STEP)
    column = metrics.get("host").index("cpu_percent")
    clock = {"now": START}
    monkeypatch.setattr(timezone, "now", lambda: clock["now"])
    # Flapping is the engine's, not the rule's: the rehearsal says how often the rule would have been met.
    monkeypatch.setattr("monitoring.alerting.flapping.TRANSITIONS", 10**6)
    for n, value in enumerate(recorded_week(len(terms))):
        clock["now"] = START + timedelta(seconds=n * STEP)
        if value is not None:
            row: list[float | None] = [None] * len(metrics.get("host").columns)
            row[column] = value
            write_many([SampleWrite(series.pk, int(clock["now"].timestamp()), row)])
            observing.observe_poll([observing.Seen(check, series, row)], [check], clock["now"])
        engine.advance(clock["now"])
    now = START + timedelta(seconds=WEEK)
    found = rehearsal.rehearse(rule, days=7, now=now)
    live = list(Alert.objects.exclude(state="pending").order_by("started_at"))
    assert len(found.raised) == len(live) > 2
    assert found.is_exact and found.looked_at == 1
    for one, alert in zip(found.raised, live, strict=True):
        assert one.episode.started_at == alert.started_at
        assert one.episode.resolved_at == alert.resolved_at
        assert alert.fired_at is not None
        assert one.episode.raised_at <= alert.fired_at < one.episode.raised_at + timedelta(seconds=STEP)


def test_outages_are_rehearsed_as_they_were_told_apart() -> None:
    device, now = make.make_device(), START + timedelta(days=7)
    for hours, minutes, kind in ((1, 5, "down"), (30, 0.5, "down"), (50, 20, "unreachable"), (70, 90, "down")):
        begin = START + timedelta(hours=hours)
        Outage.objects.create(
            device=device, kind=kind, started_at=begin, ended_at=begin + timedelta(minutes=minutes), cause=""
        )
    rule = AlertRule.objects.get(template="device.down")
    found = rehearsal.rehearse(rule, days=7, now=now)
    hours = [(one.episode.started_at - START).total_seconds() / 3600 for one in found.raised]
    assert hours == [1, 70]


def test_events_are_over_when_their_counterpart_comes_or_with_time() -> None:
    device, now = make.make_device(), START + timedelta(days=7)

    def happens(hours: float, kind: str, subject: str = "192.0.2.1") -> None:
        make.make_event(device, kind=kind, subject=subject, at=START + timedelta(hours=hours))

    happens(1, "bgp_down")
    happens(2, "bgp_down")
    happens(3, "bgp_up")
    happens(5, "bgp_down")
    happens(6, "bgp_down", "192.0.2.2")
    happens(8, "rebooted", "")
    happens(8.5, "rebooted", "")
    happens(20, "rebooted", "")
    neighbours = rehearsal.rehearse(AlertRule.objects.get(template="routing.neighbour"), days=7, now=now)
    assert [(one.subject, one.episode.resolved_at is not None) for one in neighbours.raised] == [
        ("192.0.2.1", True), ("192.0.2.1", False), ("192.0.2.2", False),
    ]  # fmt: skip
    reboots = rehearsal.rehearse(AlertRule.objects.get(template="device.rebooted"), days=7, now=now)
    assert [one.episode.resolved_at for one in reboots.raised] == [
        START + timedelta(hours=9.5), START + timedelta(hours=21),
    ]  # fmt: skip
    assert DeviceEvent.objects.count() == 8


def test_it_says_who_would_have_been_told_and_at_night() -> None:
    device, now = make.make_device(), START + timedelta(days=7)
    make_contact(name="noc")
    make_contact(name="boss", min_severity="critical")
    for day in range(3):
        make.make_event(device, kind="silent_cut", subject=f"link {day}", at=START + timedelta(days=day, hours=3))
    make.make_event(device, kind="silent_cut", subject="by day", at=START + timedelta(days=1, hours=12))
    found = rehearsal.rehearse(AlertRule.objects.get(template="routing.silent_cut"), days=7, now=now)
    assert (len(found.raised), found.at_night) == (4, 3)
    assert sorted(found.told.values()) == [4, 4]


def test_only_devices_that_one_may_see_are_rehearsed() -> None:
    now = START + timedelta(days=7)
    mine, other = make.make_device(), make.make_device()
    for device in (mine, other):
        make.make_event(device, kind="silent_cut", at=START)
    rule = AlertRule.objects.get(template="routing.silent_cut")
    found = rehearsal.rehearse(rule, days=7, now=now, device_ids=[mine.pk])
    assert {one.device_id for one in found.raised} == {mine.pk}


def test_too_wide_a_rule_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsal, "MAX_SERIES", 2)
    for _ in range(3):
        Series.objects.create(device=make.make_device(), metric_set="host")
    rule = AlertRule.objects.get(template="host.cpu")
    with pytest.raises(rehearsal.TooMuch, match="narrow it"):
        rehearsal.rehearse(rule, days=7, now=START)
