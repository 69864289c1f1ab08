from datetime import UTC, datetime

import numpy as np
import pytest
from django.core.management import call_command

from inventory.models import Interface
from monitoring.models import DeletedSeries, SampleChunk, SampleRow, Series
from monitoring.retention import forget_lapsed, prune, purge_deleted, sweep_orphans
from monitoring.store import tables
from monitoring.store.packing import pack_many
from monitoring.store.read import read
from monitoring.store.seal import seal
from monitoring.store.slots import month_start
from monitoring.store.write import write_many
from tests.unit.monitoring.samples import DAY, HOUR, T0, draw, expect, make_series

pytestmark = pytest.mark.django_db(databases="__all__")
Level = SampleChunk.Level


def test_each_level_goes_when_it_is_wholly_too_old(settings):
    settings.SAMPLES_FULL_DAYS, settings.SAMPLES_5MIN_DAYS, settings.SAMPLES_HOUR_DAYS = 2, 5, 60
    series = make_series()
    samples = draw(series, T0, T0 + DAY + HOUR)
    write_many(samples)
    seal(T0 + 20 * DAY)
    assert prune(T0 + 2 * DAY) == {"full": 0, "five_minutes": 0, "hours": 0}
    assert prune(T0 + 2 * DAY + HOUR) == {"full": 1, "five_minutes": 0, "hours": 0}
    assert prune(T0 + 4 * DAY) == {"full": 24, "five_minutes": 0, "hours": 0}
    expect(samples, read(series, T0, T0 + 2 * DAY, now=T0 + 4 * DAY))
    assert prune(T0 + 6 * DAY) == {"full": 0, "five_minutes": 1, "hours": 0}
    assert prune(T0 + 20 * DAY)["five_minutes"] == 1
    expect(samples, read(series, T0, T0 + 2 * DAY, now=T0 + 20 * DAY))
    assert SampleChunk.objects.count() == 1
    gone = month_start(T0) + 91 * DAY
    assert prune(gone - 1)["hours"] == 0 and prune(gone)["hours"] == 1
    assert not SampleChunk.objects.exists()


def test_a_read_never_asks_for_what_may_be_pruned(settings):
    settings.SAMPLES_FULL_DAYS = 1
    series = make_series()
    samples = draw(series, T0, T0 + 2 * DAY)
    write_many(samples)
    now = T0 + 2 * DAY
    seal(now)
    for later in range(now, now + DAY, 5000):
        prune(later)
        for start in (later - DAY, later - DAY - 1, later - DAY + 1, T0):
            expect(samples, read(series, start, later, step=60, now=later))


def test_purge_removes_what_a_deleted_series_left():
    series, other = make_series(), make_series(labels="n=1")
    for one in (series, other):
        write_many(draw(one, T0, T0 + 26 * HOUR))
    seal(T0 + 26 * HOUR)
    DeletedSeries.objects.create(series_id=series.pk)
    pk = series.pk
    series.delete()
    assert SampleChunk.objects.filter(series_id=pk).exists() and SampleRow.objects.filter(series_id=pk).exists()
    chunks = SampleChunk.objects.filter(series_id=other.pk).count()
    assert purge_deleted(limit=10) == 1 and purge_deleted() == 0
    assert not SampleChunk.objects.filter(series_id=pk).exists()
    assert not SampleRow.objects.filter(series_id=pk).exists()
    assert not DeletedSeries.objects.exists()
    assert SampleChunk.objects.filter(series_id=other.pk).count() == chunks
    assert SampleRow.objects.filter(series_id=other.pk).exists()


def test_purge_keeps_to_its_limit():
    DeletedSeries.objects.bulk_create([DeletedSeries(series_id=n) for n in range(1, 51)])
    assert [purge_deleted(limit=30) for _ in range(3)] == [30, 20, 0]


def test_orphans_are_swept():
    series = make_series()
    write_many(draw(series, T0, T0 + HOUR))
    seal(T0 + 2 * HOUR)
    SampleChunk.objects.create(series_id=series.pk + 5, level=Level.FULL, start=T0, data=b"x")
    SampleChunk.objects.create(series_id=series.pk + 900, level=Level.HOURS, start=T0, data=b"x")
    assert sweep_orphans() == 2 and sweep_orphans() == 0
    assert set(SampleChunk.objects.values_list("series_id", flat=True)) == {series.pk}


def test_a_device_with_48_interfaces_goes_at_once_and_its_samples_soon():
    series = make_series()
    device = series.device
    ports = Interface.objects.bulk_create([Interface(device=device, name=f"p{n}") for n in range(48)])
    ids = [
        one.pk
        for one in Series.objects.bulk_create(
            [Series(device=device, interface=port, metric_set="if.counters") for port in ports]
        )
    ]
    data = pack_many(np.random.default_rng(3).random((1, 1, 60, 10)) * 1e6, [0] * 10, period=60)[0]
    hours = range(T0, T0 + 2 * DAY, HOUR)
    tables.upsert(SampleChunk, [(pk, Level.FULL.value, hour, data) for pk in ids for hour in hours])
    DeletedSeries.objects.bulk_create([DeletedSeries(series_id=pk) for pk in ids])
    device.delete()
    assert SampleChunk.objects.count() == 48 * len(hours), "nobody waits for them"
    assert purge_deleted() == 48
    assert not SampleChunk.objects.exists() and not Series.objects.exists()


def test_the_command(capsys):
    make_series()
    DeletedSeries.objects.create(series_id=4711)
    call_command("prune", "--json", "--orphans")
    assert '"purged_series": 1' in capsys.readouterr().out
    call_command("prune")
    assert "Deleted 0 old chunks" in capsys.readouterr().out


def test_a_lapsed_series_goes_when_no_sample_of_it_can_be_left(settings):
    settings.SAMPLES_HOUR_DAYS = 60
    long_ago = datetime.fromtimestamp(T0, UTC)
    lapsed, off, own = make_series("host.disk", labels="mount=/gone"), make_series(labels="mount=/off"), make_series()
    Series.objects.update(last_at=long_ago)
    Series.objects.filter(pk=off.pk).update(v0=1.0)  # of a device that is off
    assert forget_lapsed(T0 + 90 * DAY) == 0
    assert forget_lapsed(T0 + 92 * DAY) == 1
    assert set(Series.objects.all()) == {off, own}
    assert list(DeletedSeries.objects.values_list("pk", flat=True)) == [lapsed.pk]
