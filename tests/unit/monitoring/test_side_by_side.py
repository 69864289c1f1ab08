"""Shards of the same devices run side by side, and people delete in between: no deadlock, no stale verdict."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest
from django.db import connection

from inventory import services as inventory
from inventory.models import Device
from monitoring.models import Check, DeviceState, Outage
from monitoring.modules import Collected, Reading
from monitoring.runner import Result
from monitoring.services import recording
from netmon.drivers.errors import DeadlineExceeded
from tests import factories as make

pytestmark = pytest.mark.django_db(transaction=True)


def side_by_side(*works: Callable[[], None]) -> None:
    errors: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            barrier.wait(10)
            work()
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors


def pairs(devices: Sequence[Device], module: str, *, good: bool) -> list[tuple[Check, Result]]:
    found = []
    rows = Check.objects.filter(module=module, endpoint__device__in=devices).select_related("endpoint__device")
    for check in rows:
        if good:
            name = "rtt_ms" if module == "icmp" else "response_ms"
            reading = Reading(set=module, values={name: 1.0})
            answer = Collected(collected_at=time.time(), monotonic_at=time.monotonic(), readings=[reading])
            found.append((check, Result(key=check.pk, collected=answer)))
        else:
            found.append((check, Result(key=check.pk, error=DeadlineExceeded("No answer."))))
    return found


def both(devices: Sequence[Device], *, good: bool) -> None:
    first = pairs(devices, "icmp", good=good)
    second = list(reversed(pairs(devices, "snmp.system", good=good)))
    side_by_side(lambda: recording.record(first), lambda: recording.record(second))


def test_two_ways_in_that_fail_together_are_down_not_degraded() -> None:
    devices = [make.make_flat(ip=f"10.50.0.{n + 1}") for n in range(6)]
    both(devices, good=True)
    for _ in range(3):
        both(devices, good=False)
    assert set(DeviceState.objects.values_list("state", flat=True)) == {"down"}
    assert Outage.objects.filter(ended_at__isnull=True).count() == len(devices)
    for _ in range(2):
        both(devices, good=True)
    assert set(DeviceState.objects.values_list("state", flat=True)) == {"up"}
    assert not Outage.objects.filter(ended_at__isnull=True).exists()


def test_devices_are_deleted_while_their_results_are_written() -> None:
    devices = [make.make_flat(ip=f"10.51.0.{n + 1}") for n in range(12)]
    both(devices, good=True)
    results = pairs(devices, "snmp.system", good=True)
    ids = [device.pk for device in devices]
    side_by_side(lambda: recording.record(results), lambda: inventory.delete_devices(ids))
    assert not Device.objects.exists() and not Check.objects.exists()
