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


@pytest.mark.parametrize("way", ["api", "admin", "service"])
def test_a_deleted_interface_takes_its_history_along(way: str, cast: Any, _clean_cache: None) -> None:
    from inventory import services
    from tests import people

    device = with_history(1, 1)
    series = Series.objects.get(interface__isnull=False)
    client, pk = people.client_for(cast.ada), series.interface_id
    if way == "api":
        assert client.delete(f"/api/v1/interfaces/{pk}/").status_code == 204
    elif way == "admin":
        assert client.post(f"/admin/inventory/interface/{pk}/delete/", {"post": "yes"}).status_code == 302
    else:
        services.delete_interfaces([pk])
    assert not device.interfaces.filter(pk=pk).exists()
    assert list(DeletedSeries.objects.values_list("series_id", flat=True)) == [series.pk]


@pytest.mark.parametrize("way", ["api", "admin", "disabled"])
def test_an_outage_ends_with_the_endpoint_that_was_down(way: str, cast: Any, _clean_cache: None) -> None:
    from django.utils import timezone

    from monitoring.models import Check
    from monitoring.services import states
    from tests import people

    device = make.make_flat()
    Check.objects.filter(endpoint__device=device).update(status="down", last_run_at=timezone.now())
    states.evaluate([device.pk], timezone.now())
    assert Outage.objects.filter(ended_at__isnull=True).count() == 1
    client, pk = people.client_for(cast.ada), device.endpoints.get(protocol="snmp").pk
    if way == "api":
        assert client.delete(f"/api/v1/endpoints/{pk}/").status_code == 204
    elif way == "admin":
        assert client.post(f"/admin/inventory/managementendpoint/{pk}/delete/", {"post": "yes"}).status_code == 302
    else:
        assert client.patch(f"/api/v1/endpoints/{pk}/", {"is_enabled": False}).status_code == 200
    assert not Outage.objects.filter(ended_at__isnull=True).exists()


def test_a_run_under_way_is_not_made_due_again() -> None:
    from datetime import timedelta

    from django.utils import timezone

    from inventory.services import save_endpoint
    from monitoring.models import Check

    endpoint = make.make_flat().endpoints.get(protocol="snmp")
    later = timezone.now() + timedelta(seconds=50)
    Check.objects.update(next_run_at=later, claimed_until=later)
    save_endpoint(endpoint)
    assert set(Check.objects.values_list("next_run_at", flat=True)) == {later}
