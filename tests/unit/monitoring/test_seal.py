import logging

import numpy as np
import pytest
from django.core.management import call_command

from monitoring.models import SampleChunk, SampleRow, Series
from monitoring.store import seal as sealing
from monitoring.store import tables
from monitoring.store.packing import COUNT, unpack
from monitoring.store.read import read
from monitoring.store.seal import seal
from monitoring.store.write import SampleWrite, write_many
from tests.unit.monitoring.samples import DAY, HOUR, T0, draw, expect, make_series

pytestmark = pytest.mark.django_db(databases="__all__")
Level = SampleChunk.Level
STEPS = (60, 120, 300, 900, 3600, 7200)


def keys(series):
    rows = SampleChunk.objects.filter(series=series).values_list("level", "start")
    return sorted((level, (start - T0) / HOUR) for level, start in rows)


def check(samples, series, start, end, now):
    for step in STEPS:
        expect(samples, read(series, start, end, step=step, now=now))


def test_an_hour_is_sealed_after_its_grace():
    series = make_series()
    samples = draw(series, T0, T0 + 2 * HOUR)
    write_many(samples)
    assert seal(T0 + HOUR + 299).rows == 0
    done = seal(T0 + HOUR + 300)
    assert done.hours == 1 and done.rows == sum(row.slot < T0 + HOUR for row in samples)
    assert keys(series) == [(Level.FULL, 0), (Level.FIVE_MINUTES_OPEN, 0)]
    assert set(SampleRow.objects.values_list("slot", flat=True)) == {r.slot for r in samples if r.slot >= T0 + HOUR}
    check(samples, series, T0, T0 + 2 * HOUR, T0 + 2 * HOUR)


def test_sealing_again_changes_nothing():
    series = make_series()
    write_many(draw(series, T0, T0 + HOUR))
    seal(T0 + 2 * HOUR)
    before = sorted(SampleChunk.objects.values_list("series", "level", "start", "data"))
    assert seal(T0 + 2 * HOUR).rows == 0
    assert sorted(SampleChunk.objects.values_list("series", "level", "start", "data")) == before


def test_a_crash_between_batches_is_repaired_by_the_next_run(monkeypatch):
    monkeypatch.setattr(sealing, "BATCH", 2)
    series = [make_series(labels=f"n={i}") for i in range(7)]
    samples = {one.pk: draw(one, T0, T0 + HOUR, seed=i) for i, one in enumerate(series)}
    write_many([row for rows in samples.values() for row in rows])
    calls, upsert = [], tables.upsert

    def failing(model, rows):
        calls.append(model)
        upsert(model, rows)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tables, "upsert", failing)
        seal(T0 + 2 * HOUR)
    assert SampleChunk.objects.values("series").distinct().count() == 2  # the second batch was undone whole
    for one in series:
        check(samples[one.pk], one, T0, T0 + HOUR, T0 + 2 * HOUR)
    seal(T0 + 2 * HOUR)
    assert not SampleRow.objects.exists()
    for one in series:
        check(samples[one.pk], one, T0, T0 + HOUR, T0 + 2 * HOUR)


def test_days_and_months_are_read_as_one_at_any_stage():
    series = make_series(period=300)
    start, end = T0 + 8 * DAY, T0 + 11 * DAY + 5 * HOUR + 900  # 29 September to 2 October
    samples = draw(series, start, end, period=300)
    moments = [start + HOUR, start + 7 * HOUR + 123, *(T0 + d * DAY + 310 for d in (9, 10, 11)), end]
    for low, now in zip([0, *moments[:-1]], moments, strict=True):
        write_many([row for row in samples if low <= row.slot < now])
        seal(now, close_limit=None)
        seen = [row for row in samples if row.slot < now]
        for step in (300, 3600, 3 * HOUR):
            expect(seen, read(series, start - DAY, now, step=step, now=now))
            expect(seen, read(series, start + 1000, start + 30000, step=step, now=now)) if now > start + 30000 else None
    levels = {Level(level) for level, _ in keys(series)}
    assert levels == {Level.FULL, Level.FIVE_MINUTES_OPEN, Level.FIVE_MINUTES, Level.HOURS_OPEN, Level.HOURS}
    months = SampleChunk.objects.filter(level=Level.HOURS)
    assert [unpack(row.data).values.shape for row in months] == [(4, 30 * 24, 3)]
    assert SampleChunk.objects.filter(level=Level.FIVE_MINUTES).count() == 3
    assert SampleChunk.objects.filter(level=Level.FIVE_MINUTES_OPEN, start__lt=T0 + 11 * DAY).count() == 0


def test_the_automatic_step_over_borders():
    series = make_series()
    samples = draw(series, T0, T0 + 30 * HOUR)
    write_many(samples)
    now = T0 + 30 * HOUR
    seal(now)
    for start in (T0, T0 + 5 * HOUR + 7, T0 + 23 * HOUR):
        frame = read(series, start, now, now=now)
        assert frame.step == (60 if now - start <= 90000 else 300)
        expect(samples, frame)


def test_late_samples_are_seen_at_once_and_merged_by_the_next_seal():
    series = make_series()
    samples = draw(series, T0, T0 + 3 * HOUR)
    write_many(samples)
    now = T0 + 4 * HOUR
    seal(now)
    have = {row.slot for row in samples}
    missing = next(slot for slot in range(T0 + HOUR, T0 + 2 * HOUR, 60) if slot not in have)
    late = [SampleWrite(series.pk, missing, [5000.0, 1.0, 1.0]), SampleWrite(series.pk, samples[3].slot, [0.001, 0, 1])]
    merged = [row for row in samples if row.slot != samples[3].slot] + late
    for _ in range(2):
        write_many(late)
        check(merged, series, T0, T0 + 3 * HOUR, now)
        seal(now)
        assert not SampleRow.objects.exists()
        check(merged, series, T0, T0 + 3 * HOUR, now)


def test_late_samples_of_a_closed_day_and_month_reach_every_roll_up():
    series = make_series(period=300)
    samples = draw(series, T0, T0 + DAY, period=300)
    write_many(samples)
    now = T0 + 20 * DAY
    seal(now)
    assert keys(series)[24:] == [(Level.FIVE_MINUTES, 0), (Level.HOURS, -20 * 24)]
    late = [SampleWrite(series.pk, T0, [7777.0, 3, 1]), SampleWrite(series.pk, T0 + DAY + 300, [1, 1, 1])]
    merged = [row for row in samples if row.slot != T0] + late
    write_many(late)
    for _ in range(2):
        for step in STEPS[2:]:
            expect(merged, read(series, T0, T0 + 2 * DAY, step=step, now=now))
        seal(now)
    assert [level for level, _ in keys(series)][-3:] == [Level.FIVE_MINUTES, Level.FIVE_MINUTES, Level.HOURS]


def test_a_sample_too_late_for_its_values_is_dropped_and_roll_ups_stay(settings):
    series = make_series(period=300)
    samples = draw(series, T0, T0 + DAY, period=300)
    write_many(samples)
    seal(T0 + 2 * DAY)
    SampleChunk.objects.filter(level=Level.FULL).delete()
    now = T0 + 40 * DAY
    write_many([SampleWrite(series.pk, T0 + 2 * HOUR, [1e6, 0, 1])])
    done = seal(now)
    assert (done.rows, done.dropped) == (0, 1)
    expect(samples, read(series, T0, T0 + DAY, step=300, now=now))
    # An hour that was never sealed is, however late: the sealing process may have been down.
    write_many([SampleWrite(series.pk, T0 + DAY, [1e6, 0, 1])])
    assert seal(now).rows == 1


def test_a_changed_interval_keeps_every_sample():
    series = make_series(period=60)
    samples = [SampleWrite(series.pk, T0 + 60 * i, [i, 0, 1]) for i in range(20)]
    samples += [SampleWrite(series.pk, T0 + 1200 + 45 * i, [i, 0, 1]) for i in range(1, 50)]
    series.period_seconds = 45
    series.save()
    write_many(samples)
    seal(T0 + 2 * HOUR)
    chunk = unpack(SampleChunk.objects.get(level=Level.FULL).data)
    assert chunk.period == 15
    assert int((~np.isnan(chunk.values[0, :, 0])).sum()) == len(samples)
    for step in (15, 45, 300, 3600):
        expect(samples, read(series, T0, T0 + HOUR, step=step, now=T0 + 2 * HOUR))


def test_after_a_shorter_interval_the_old_samples_make_no_false_gaps():
    series = make_series(period=300)
    samples = [SampleWrite(series.pk, T0 + 300 * i, [i, 0, 1]) for i in range(12)]
    write_many(samples)
    seal(T0 + 2 * HOUR)
    series.period_seconds = 60
    series.save()
    frame = read(series, T0, T0 + HOUR, now=T0 + 2 * HOUR)
    assert frame.step == 300 and not np.isnan(frame.average[:, 0]).any()
    expect(samples, frame)


@pytest.mark.parametrize("period", [1, 7, 420, 900, 3600, 7200])
def test_odd_periods(period):
    series = make_series(period=period)
    start = -(-T0 // period) * period
    samples = draw(series, start, start + (4 * HOUR if period > 60 else HOUR + 600), period=period)
    write_many(samples)
    now = T0 + 6 * HOUR
    seal(now)
    assert not SampleRow.objects.exists()
    frame = read(series, T0, now, step=period, now=now)
    expect(samples, frame)
    expect(samples, read(series, T0, now, step=7200 if period <= 7200 else period, now=now))
    assert SampleChunk.objects.filter(level=Level.FULL).count() <= 4


def test_gaps_stay_gaps_through_all_roll_ups():
    series = make_series()
    samples = [SampleWrite(series.pk, T0 + 60 * i, [None, 100.0, 0]) for i in range(60)]
    samples += [SampleWrite(series.pk, T0 + 5 * HOUR, [1.5, 0, 1])]
    write_many(samples)
    now = T0 + 45 * DAY
    settled = T0 + 20 * DAY
    seal(settled)
    for step in (300, 3600, 7200):
        frame = read(series, T0, T0 + DAY, step=step, now=settled)
        expect(samples, frame)
        assert np.isnan(frame.average[0, 0]) and frame.average[0, 2] == 0
    frame = read(series, T0, T0 + DAY, now=now)
    assert np.isnan(frame.average[-1]).all() and frame.count.sum(axis=0).tolist() == [1, 61, 61]


def test_checks_can_be_counted_from_roll_ups():
    series = make_series()
    write_many([SampleWrite(series.pk, T0 + 60 * i, [1, 0, float(i % 3 > 0)]) for i in range(1440)])
    seal(T0 + 20 * DAY)
    frame = read(series, T0, T0 + DAY, step=DAY, now=T0 + 20 * DAY)
    assert frame.count[0, 2] == 1440 and round(frame.average[0, 2] * frame.count[0, 2]) == 960


def test_a_set_that_grew_keeps_its_old_samples():
    series = make_series()
    write_many([SampleWrite(series.pk, T0, [1.5]), SampleWrite(series.pk, T0 + 60, [2.5, 1, 1])])
    write_many([SampleWrite(series.pk, T0 + HOUR, [3.5])])
    now = T0 + 3 * HOUR
    for _ in range(2):
        frame = read(series, T0, T0 + 2 * HOUR, step=60, now=now)
        assert frame.average[[0, 1, 60], 0].tolist() == [1.5, 2.5, 3.5]
        assert frame.count[[0, 1, 60], 1].tolist() == [0, 1, 0]
        hourly = read(series, T0, T0 + 2 * HOUR, step=3600, now=now)
        assert hourly.count.tolist() == [[2, 1, 1], [1, 0, 0]]
        seal(now)


def test_an_unknown_metric_set_is_sealed_without_loss():
    series = make_series("gone.set")
    write_many([SampleWrite(series.pk, T0, [1 / 3, 2e18])])
    seal(T0 + 2 * HOUR)
    assert unpack(SampleChunk.objects.get(level=Level.FULL).data).values[0, 0].tolist() == [1 / 3, 2e18]


def test_samples_of_a_series_that_is_gone_are_dropped():
    series = make_series()
    write_many([SampleWrite(series.pk + n, T0, [1, 1, 1]) for n in (0, 1, 2)])
    done = seal(T0 + 2 * HOUR)
    assert (done.rows, done.dropped) == (1, 2)
    assert not SampleRow.objects.exists() and SampleChunk.objects.filter(series_id__gt=series.pk).count() == 0


def test_closing_is_spread_and_catches_up(monkeypatch):
    monkeypatch.setattr(sealing, "CLOSE_BATCH", 2)
    series = [make_series(labels=f"n={i}") for i in range(6)]
    write_many([SampleWrite(one.pk, T0, [1, 1, 1]) for one in series])
    assert [seal(T0 + DAY + HOUR, close_limit=4).days for _ in range(3)] == [4, 2, 0]
    for one in series:
        assert keys(one) == [(Level.FULL, 0), (Level.FIVE_MINUTES, 0), (Level.HOURS_OPEN, 0)]


def test_a_broken_chunk_hides_neither_itself_nor_the_others(caplog):
    series = make_series()
    samples = draw(series, T0, T0 + 2 * HOUR)
    write_many(samples)
    seal(T0 + 3 * HOUR)
    SampleChunk.objects.filter(level=Level.FULL, start=T0).update(data=b"\1 not a chunk, but long enough for one")
    with caplog.at_level(logging.ERROR):
        frame = read(series, T0, T0 + 2 * HOUR, now=T0 + 3 * HOUR)
    assert f"series {series.pk}" in caplog.text and "checksum" in caplog.text
    expect([row for row in samples if row.slot >= T0 + HOUR], frame)


def test_the_command(capsys):
    series = make_series()
    write_many([SampleWrite(series.pk, T0 - 60 * DAY, [1, 1, 1])])
    call_command("seal_samples", "--json")
    assert '"rows": 1' in capsys.readouterr().out
    call_command("seal_samples")
    assert "0 samples" in capsys.readouterr().out


def test_many_random_stages_agree_with_the_samples():
    rng = np.random.default_rng(11)
    series = make_series(period=300)
    samples = {row.slot: row for row in draw(series, T0 + 7 * DAY, T0 + 12 * DAY, period=300, seed=5)}
    pending = list(rng.permutation(list(samples)))
    written: dict[int, SampleWrite] = {}
    now = T0 + 12 * DAY
    while pending:
        part, pending = pending[:250], pending[250:]
        write_many([samples[slot] for slot in part])
        written |= {slot: samples[slot] for slot in part}
        seal(now - int(rng.integers(0, 5 * DAY)), close_limit=None)
        start, end = sorted(rng.integers(T0 + 6 * DAY, T0 + 13 * DAY, 2).tolist())
        for step in (300, 3600, 5 * HOUR):
            expect(list(written.values()), read(series, start, end + 1, step=step, now=now))
    seal(now + DAY)
    assert not SampleRow.objects.exists()
    assert Series.objects.get().pk == series.pk
    day = SampleChunk.objects.filter(level=Level.FIVE_MINUTES).first()
    assert unpack(day.data).values[COUNT].max() == 1
