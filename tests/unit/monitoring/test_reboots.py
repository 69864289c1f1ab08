"""A device that started anew, told from its agent's uptime alone."""

from datetime import UTC, datetime, timedelta

import pytest

from inventory.models import Device
from monitoring.models import Check, DeviceEvent, DeviceState
from monitoring.modules import Collected, Reading
from monitoring.runner import Result
from monitoring.services import recording
from monitoring.services.reboots import WRAP_SECONDS, is_reboot
from tests import factories as make

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = 86400.0


def state(uptime: float, *, seconds_ago: float = 60) -> DeviceState:
    then = NOW - timedelta(seconds=seconds_ago)
    return DeviceState(uptime_seconds=uptime, booted_at=then - timedelta(seconds=uptime), last_poll_at=then)


def told(before: DeviceState, uptime: float, *, clock: float = 0.0) -> bool:
    now = NOW + timedelta(seconds=clock)
    return is_reboot(before, uptime, now - timedelta(seconds=uptime), now)


def test_an_uptime_that_goes_on_is_none() -> None:
    assert not told(state(DAY), DAY + 60)
    assert not told(state(DAY), DAY + 57)  # an agent that counts slowly


def test_an_uptime_that_began_anew_is_one() -> None:
    assert told(state(DAY), 20)
    assert told(state(30, seconds_ago=3600), 1800)  # nobody asked for longer than it had been up


def test_the_counter_that_wraps_is_none() -> None:
    assert not told(state(WRAP_SECONDS - 30), 30)
    assert told(state(WRAP_SECONDS - 30 * DAY), 30)


def test_a_clock_of_ours_that_was_set_is_none() -> None:
    assert not told(state(DAY), DAY + 60, clock=7200)
    assert not told(state(DAY), DAY + 60, clock=-7200)


def test_a_first_reading_is_none() -> None:
    assert not told(DeviceState(), 20)


@pytest.mark.django_db
def test_polls_write_the_event_once() -> None:
    device = make.make_flat()

    def poll(uptime: float) -> None:
        check = Check.objects.select_related("endpoint__device").get(
            endpoint__device=Device.objects.get(pk=device.pk), module="snmp.system"
        )
        at = datetime.now(UTC).timestamp()
        reading = Reading(set="snmp.system", values={"uptime_seconds": uptime})
        collected = Collected(collected_at=at, monotonic_at=at, response_ms=1.0, readings=[reading])
        recording.record([(check, Result(key=check.pk, collected=collected))])

    for uptime in (DAY, DAY + 60, 5, 65):
        poll(uptime)
    assert list(DeviceEvent.objects.values_list("device", "kind")) == [(device.pk, "rebooted")]
