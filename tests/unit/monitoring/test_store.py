import threading
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import connections

from monitoring.models import SampleRow, Series
from monitoring.store import read as reading
from monitoring.store import tables
from monitoring.store.read import latest, percentile_95, plan, read, read_many, top
from monitoring.store.router import samples_alias
from monitoring.store.seal import seal
from monitoring.store.slots import ceiling, floor, month_start, next_month
from monitoring.store.write import CurrentWrite, SampleWrite, update_current, write_many
from tests.unit.monitoring.samples import DAY, HOUR, T0, draw, expect, make_series

pytestmark = pytest.mark.django_db(databases="__all__")
NAN = float("nan")


def test_a_repeated_write_replaces():
    series = make_series()
    assert write_many([SampleWrite(series.pk, T0, [1, 0, 1]), SampleWrite(series.pk, T0 + 60, [2, None, 1])]) == 2
    for _ in range(2):
        assert write_many([SampleWrite(series.pk, T0, [9, 0, 1]), SampleWrite(series.pk, T0 + 120, [3, 0, 1])]) == 2
    frame = read(series, T0, T0 + 180, now=T0)
    assert frame.average[:, 0].tolist() == [9, 2, 3]
    assert np.isnan(frame.average[1, 1]) and frame.count[1].tolist() == [1, 0, 1]
    assert frame.columns == ("rtt_ms", "loss_percent", "up")


def test_of_one_slot_given_twice_the_last_wins():
    series = make_series()
    assert write_many([SampleWrite(series.pk, T0, [value, 0, 1]) for value in (1, 2, 3)]) == 1
    assert read(series, T0, T0 + 60, now=T0).average[0, 0] == 3
    assert write_many([]) == 0


def test_arrays_are_taken_as_they_are():
    series = make_series()
    write_many([SampleWrite(series.pk, T0, np.array([1.5, NAN, 1.0]))])
    assert read(series, T0, T0 + 60, now=T0).average[0, 0] == 1.5


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_writers_of_the_same_slots_do_not_fail():
    series = [make_series(labels=f"n={i}") for i in range(40)]
    failures = []

    def write(value):
        try:
            rows = [SampleWrite(one.pk, T0, [value, 0, 1]) for one in series]
            for _ in range(5):
                write_many(rows if value % 2 else rows[::-1])
        except Exception as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert SampleRow.objects.count() == 40


def test_current_values():
    series, other = make_series(), make_series("if.counters", labels="a=1")
    at = datetime(2026, 9, 21, 12, tzinfo=UTC)
    update_current(
        [CurrentWrite(series.pk, at, [1.5, NAN, 1], b"abc"), CurrentWrite(other.pk, at.timestamp(), range(11))]
    )
    series.refresh_from_db()
    assert latest(series).values == {"rtt_ms": 1.5, "loss_percent": None, "up": 1.0}
    assert latest(series).at == at.timestamp() and bytes(series.counters) == b"abc"
    other.refresh_from_db()
    assert latest(other).values["oper_status"] == 10 and other.v11 is None

    update_current([CurrentWrite(series.pk, at + timedelta(minutes=1), [None, 100, 0])])
    series.refresh_from_db()
    assert latest(series).values == {"rtt_ms": None, "loss_percent": 100.0, "up": 0.0}
    assert bytes(series.counters) == b"abc"  # a failed poll keeps the base of the next rate

    update_current([CurrentWrite(series.pk, at, [7, 7, 7], b"old")])
    series.refresh_from_db()
    assert series.v0 is None and bytes(series.counters) == b"abc"  # an old value does not come back

    update_current([CurrentWrite(series.pk, at + timedelta(minutes=m), [m, m, m]) for m in (4, 3)])
    series.refresh_from_db()
    assert series.v0 == 4 and series.last_at == at + timedelta(minutes=4)
    update_current([])
    with pytest.raises(ValueError, match="12 columns"):
        update_current([CurrentWrite(series.pk, at, [0.0] * 13)])


def test_current_values_of_a_series_that_is_gone_are_nobodys():
    update_current([CurrentWrite(987654, T0, [1, 1, 1])])
    assert not Series.objects.exists()


def test_latest_of_a_series_never_measured():
    assert latest(make_series()).at is None


def test_top():
    series = [make_series(labels=f"n={i}") for i in range(6)]
    update_current([CurrentWrite(one.pk, T0, [i if i != 5 else NAN, 0, 1]) for i, one in enumerate(series)])
    make_series("snmp.system")
    assert [row.v0 for row in top("icmp", "rtt_ms", 3)] == [4, 3, 2]
    assert [row.pk for row in top("icmp", "rtt_ms", 9, Series.objects.filter(labels__in=["n=1", "n=5"]))] == [
        series[1].pk
    ]
    with pytest.raises(LookupError):
        top("icmp", "no", 3)


@pytest.mark.parametrize(
    ("hours", "period", "points", "step"),
    [
        (1, 60, 1500, 60),
        (24, 60, 1500, 60),
        (26, 60, 1500, 300),
        (5 * 24, 60, 1500, 300),
        (7 * 24, 60, 1500, 3600),
        (29 * 24, 60, 100, 8 * 3600),
        (24, 300, 1500, 300),
        (24, 7200, 1500, 7200),
        (24, 420, 100, 2100),
        (1, 5, 1500, 5),
    ],
)
def test_the_step_fits_the_range(hours, period, points, step):
    now = T0 + 12345
    grid = plan(now - hours * HOUR, now, period, max_points=points, now=now)
    assert grid.step == step
    assert grid.size <= points
    assert grid.start <= now - hours * HOUR and grid.end >= now and grid.start % step == grid.end % step == 0


@pytest.mark.parametrize(
    ("days", "asked", "source", "step"),
    [
        (1, 60, 0, 60),
        (1, 90, 0, 120),
        (1, 300, 300, 300),
        (1, 600, 300, 600),
        (1, 3600, 3600, 3600),
        (1, 7200, 3600, 7200),
        (31, 60, 300, 300),
        (31, 400, 300, 600),
        (181, 60, 3600, 3600),
        (181, 5000, 3600, 7200),
        (3000, 60, 3600, 3600),
    ],
)
def test_a_given_step_is_raised_to_what_is_kept(days, asked, source, step):
    now = T0 + 12345
    grid = plan(now - days * DAY, now - days * DAY + 7200, 60, step=asked, now=now)
    assert (grid.source, grid.step) == (source, step)


def test_plan_refuses_nonsense():
    for start, end, more in [(1, 1, {}), (2, 1, {}), (1, 2, {"step": 0}), (1, 2, {"max_points": 0})]:
        with pytest.raises(ValueError, match=r"range|counted"):
            plan(start, end, 60, **more)
    with pytest.raises(ValueError, match="zone"):
        plan(datetime(2026, 1, 1), 1e10, 60)


def test_time_arithmetic():
    assert floor(59.9, 60) == 0 and ceiling(60, 60) == 60 and ceiling(60.5, 60) == 120
    assert month_start(T0) == int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
    for month in range(1, 13):
        start = int(datetime(2028, month, 1, tzinfo=UTC).timestamp())
        assert month_start(start) == start and month_start(start - 1) < start
        assert next_month(start) == month_start(next_month(start)) > start
        assert month_start(next_month(start) - 1) == start


def test_hot_rows_at_every_step():
    series = make_series()
    samples = draw(series, T0, T0 + 3 * HOUR)
    write_many(samples)
    for step in (60, 120, 300, 900, 3600, 7200):
        expect(samples, read(series, T0, T0 + 3 * HOUR, step=step, now=T0 + 3 * HOUR))


def test_a_range_is_half_open():
    series = make_series()
    write_many([SampleWrite(series.pk, T0 + 60 * i, [i, 0, 1]) for i in range(5)])
    frame = read(series, T0 + 60, T0 + 180, now=T0)
    assert frame.times.tolist() == [T0 + 60, T0 + 120] and frame.average[:, 0].tolist() == [1, 2]
    frame = read(series, datetime.fromtimestamp(T0 + 61, UTC), T0 + 179.5, now=T0)
    assert frame.times.tolist() == [T0 + 60, T0 + 120]


def test_many_series_in_few_queries(django_assert_max_num_queries):
    series = [make_series("if.counters", labels=f"n={i}") for i in range(12)] + [make_series()]
    samples = {
        one.pk: [SampleWrite(one.pk, T0 + 60 * m, [m + i] * 3) for m in range(90)] for i, one in enumerate(series)
    }
    write_many([row for rows in samples.values() for row in rows])
    now = T0 + 90 * 60
    seal(now)
    for step in (None, 300, 3600):
        with django_assert_max_num_queries(4, using=samples_alias()):
            frames = read_many(series, T0, now, step=step, now=now)
        assert list(frames) == [one.pk for one in series]
        for one in series:
            expect(samples[one.pk], frames[one.pk])
    assert frames[series[0].pk].average.shape == (2, 11)
    assert read_many([], T0, now) == {}


def test_an_unknown_metric_set_is_named():
    with pytest.raises(LookupError, match=r"gone\.set"):
        read(make_series("gone.set"), T0, T0 + 60)


def test_distinct_seeks():
    series = make_series()
    write_many([SampleWrite(series.pk, T0 + 7 * i, [1, 1, 1]) for i in range(10)])
    assert tables.distinct(SampleRow, "slot", T0 + 1, T0 + 30) == [T0 + 7, T0 + 14, T0 + 21, T0 + 28]
    assert tables.distinct(SampleRow, "slot", 0, limit=2) == [T0, T0 + 7]
    assert tables.distinct(SampleRow, "slot", 0, T0) == []


def test_percentile_95_is_the_nearest_rank_of_5_minute_averages():
    series = make_series()
    # 20 spans of 5 minutes with averages 1..20, two values each, one span of nothing.
    rows = [
        SampleWrite(series.pk, T0 + 300 * i + o, [i + d, None, 1]) for i in range(1, 21) for o, d in ((0, -1), (60, 1))
    ]
    write_many(rows)
    found = percentile_95(series, T0, T0 + 2 * HOUR, ["rtt_ms", "loss_percent"], now=T0 + DAY)
    assert found.values["rtt_ms"] == 19 and np.isnan(found.values["loss_percent"]) and not found.approximate
    with pytest.raises(LookupError):
        percentile_95(series, T0, T0 + HOUR, ["no"], now=T0)


def test_percentile_95_says_when_it_comes_from_hours(settings):
    settings.SAMPLES_5MIN_DAYS = 1
    series = make_series()
    write_many([SampleWrite(series.pk, T0 + 60 * i, [i, 0, 1]) for i in range(240)])
    now = T0 + 2 * HOUR + DAY - 1800
    found = percentile_95(series, T0, T0 + 4 * HOUR, ["rtt_ms"], now=now)
    hours = np.repeat([np.arange(60).mean(), 60 + np.arange(60).mean()], 12)
    fives = 120 + 2 + 5 * np.arange(24)
    assert found.approximate
    assert found.values["rtt_ms"] == sorted([*hours, *fives])[-3]  # of 48, two are left out
    assert not percentile_95(series, T0 + 2 * HOUR, T0 + 4 * HOUR, ["rtt_ms"], now=now).approximate


def test_kept_since_follows_the_settings(settings):
    settings.SAMPLES_FULL_DAYS = 2
    assert reading.kept_since(0, T0) == T0 - 2 * DAY
