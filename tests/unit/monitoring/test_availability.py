import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from monitoring.availability import (
    DOWN,
    EXCUSED,
    KINDS,
    UNKNOWN,
    UP,
    Break,
    Watch,
    cells,
    measure,
    quarters,
    timeline,
    window,
)
from monitoring.models import DeviceState, Outage
from tests import factories


def painted(start: int, end: int, watch: Watch, breaks: list[Break]) -> list[str]:
    """The oracle: every second painted by itself."""
    result = []
    for second in range(start, end):
        known = watch.since is not None and watch.until is not None and watch.since <= second < watch.until
        kinds = {b.kind for b in breaks if b.start <= second and (b.end is None or second < b.end)}
        worst = [one for one in (DOWN, "maintenance", "unreachable", "blind", UNKNOWN) if one in kinds]
        result.append(UNKNOWN if not known else worst[0] if worst else UP)
    return result


def chance_case(chance: random.Random) -> tuple[int, int, Watch, list[Break]]:
    start = chance.randrange(0, 50)
    end = start + chance.randrange(1, 200)
    since = chance.choice([None, chance.randrange(-20, 260)])
    until = chance.choice([None, chance.randrange(-20, 300)])
    breaks = []
    for _ in range(chance.randrange(0, 6)):
        begin = chance.randrange(-30, 260)
        finish = chance.choice([None, begin + chance.randrange(0, 80)])
        breaks.append(Break(begin, finish, chance.choice([DOWN, UNKNOWN, *EXCUSED])))
    return start, end, Watch(since, until), breaks


@pytest.mark.parametrize("seed", range(400))
def test_it_agrees_with_painting_every_second(seed):
    start, end, watch, breaks = chance_case(random.Random(seed))
    expected = painted(start, end, watch, breaks)
    spans = timeline(start, end, watch, breaks)
    assert [kind for span in spans for kind in [span.kind] * int(span.seconds)] == expected
    assert all(left.end == right.start and left.kind != right.kind for left, right in pairwise(spans))
    found = measure(start, end, watch, breaks)
    counted = {kind: expected.count(kind) for kind in KINDS}
    assert {kind: getattr(found, f"{kind}_seconds") for kind in KINDS} == counted
    measured = counted[UP] + counted[DOWN]
    assert found.percent == (100 * counted[UP] / measured if measured else None)
    by_cell = cells(spans, start, 7, -(-(end - start) // 7))
    for number, cell in enumerate(by_cell):
        part = expected[number * 7 : number * 7 + 7]
        assert cell == {kind: part.count(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", EXCUSED)
def test_what_is_no_fault_of_its_own_counts_neither_for_nor_against(kind):
    found = measure(0, 100, Watch(0, 100), [Break(10, 40, kind), Break(50, 60, DOWN)])
    assert getattr(found, f"{kind}_seconds") == 30
    assert (found.up_seconds, found.down_seconds, found.unknown_seconds) == (60, 10, 0)
    assert found.percent == pytest.approx(100 * 60 / 70)
    assert [one.kind for one in found.outages] == [DOWN]


def test_nothing_measured_is_no_percentage():
    found = measure(0, 100, Watch(), [])
    assert (found.percent, found.unknown_seconds) == (None, 100)


NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def watch_row(device, **over):
    values = {
        "device": device, "state": "up", "watched_since": NOW - 48 * HOUR, "last_poll_at": NOW,
        "expected_every_seconds": 60, **over,
    }  # fmt: skip
    return DeviceState.objects.create(**values)


@pytest.mark.django_db
def test_an_open_outage_counts_until_the_measurements_end():
    device = factories.make_device()
    watch_row(device, last_poll_at=NOW - HOUR)
    Outage.objects.create(device=device, started_at=NOW - 2 * HOUR, cause="silence")
    found = window([device.pk], NOW - 4 * HOUR, NOW)[device.pk]
    assert found.down_seconds == 3600 + 150
    assert found.up_seconds == 7200
    assert found.unknown_seconds == 3600 - 150
    assert [(b.cause, b.end) for b in found.outages] == [("silence", None)]


@pytest.mark.django_db
def test_time_before_the_watch_is_unknown():
    device = factories.make_device()
    watch_row(device, watched_since=NOW - HOUR)
    found = window([device.pk], NOW - 4 * HOUR, NOW)[device.pk]
    assert (found.up_seconds, found.unknown_seconds, found.percent) == (3600, 3 * 3600, 100)


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow(django_assert_num_queries):
    devices = [factories.make_device() for _ in range(30)]
    for device in devices:
        watch_row(device)
        Outage.objects.create(device=device, started_at=NOW - 3 * HOUR, ended_at=NOW - 2 * HOUR)
    strangers = factories.make_device()
    with django_assert_num_queries(2):
        found = window([device.pk for device in [*devices, strangers]], NOW - 24 * HOUR, NOW)
    assert {round(found[device.pk].down_seconds) for device in devices} == {3600}
    assert found[strangers.pk].percent is None


@pytest.mark.django_db
def test_quarters_show_an_outage_in_its_quarter():
    device = factories.make_device()
    watch_row(device)
    Outage.objects.create(device=device, started_at=NOW - timedelta(minutes=20), ended_at=NOW - timedelta(minutes=18))
    found = quarters([device.pk], NOW)[device.pk]
    assert len(found) == 96
    assert found[94] == dict.fromkeys(KINDS, 0) | {UP: 780, DOWN: 120, UNKNOWN: 0}
    assert found[95] == dict.fromkeys(KINDS, 0) | {UP: 900, DOWN: 0, UNKNOWN: 0}
