"""Deleting a device deletes its history: the rows in one transaction, the samples right after, quickly."""

import time
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from monitoring import retention
from monitoring.models import DeletedSeries, Outage, SampleChunk, SampleRow, Series
from monitoring.store.router import samples_alias
from monitoring.store.write import SampleWrite, write_many
from tests import factories as make

pytestmark = pytest.mark.django_db

DAY = 86_400


def with_history(days: int, interfaces: int) -> Any:
    """A router with chunks as if it had been watched for so many days, and hot rows of the last hour."""
    device = make.make_flat()
    rows = [make.make_series(device)]
    for _ in range(interfaces):
        rows.append(make.make_series(device, metric_set="if.counters", interface=make.make_interface(device)))
    now = int(time.time()) // 3600 * 3600
    chunks = [
        SampleChunk(series_id=row.pk, level=SampleChunk.Level.FULL, start=now - 3600 * hour, data=b"x" * 300)
        for row in rows
        for hour in range(1, days * 24 + 1)
    ]
    SampleChunk.objects.bulk_create(chunks, batch_size=5000)
    write_many([SampleWrite(row.pk, now + 60 * n, [1.0] * 3) for row in rows for n in range(3)])
    make.make_outage(device, make.watch(device).since, 5)
    return device


def test_a_deleted_device_takes_its_history_along(api: APIClient) -> None:
    device, other = with_history(2, 2), with_history(2, 1)
    kept = set(Series.objects.filter(device=other).values_list("pk", flat=True))
    assert api.delete(f"/api/v1/routers/{device.pk}/").status_code == 204
    assert set(Series.objects.values_list("pk", flat=True)) == kept
    assert set(Outage.objects.values_list("device_id", flat=True)) == {other.pk}
    assert DeletedSeries.objects.count() == 3
    retention.purge_deleted()
    assert not DeletedSeries.objects.exists()
    assert set(SampleRow.objects.values_list("series_id", flat=True)) == kept
    assert set(SampleChunk.objects.values_list("series_id", flat=True)) == kept


def test_the_request_does_not_touch_the_samples_of_a_month(api: APIClient) -> None:
    device = with_history(30, 10)
    tables = {SampleRow._meta.db_table, SampleChunk._meta.db_table}
    with CaptureQueriesContext(connections[samples_alias()]) as samples:
        assert api.delete(f"/api/v1/routers/{device.pk}/").status_code == 204
    touched = [query["sql"] for query in samples if any(table in query["sql"] for table in tables)]
    assert touched == []
    assert SampleChunk.objects.count() == 30 * 24 * 11, "still there, and found by nobody"
    retention.purge_deleted()
    assert not SampleChunk.objects.exists() and not SampleRow.objects.exists()


def test_the_admin_deletes_the_same_way(cast: Any) -> None:
    from tests import people

    device = with_history(1, 1)
    client = people.client_for(cast.ada)
    page = client.get(f"/admin/inventory/device/{device.pk}/delete/")
    assert page.status_code == 200
    assert client.post(f"/admin/inventory/device/{device.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Series.objects.exists() and DeletedSeries.objects.count() == 2
