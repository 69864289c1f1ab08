"""A device that started anew, told from its agent's uptime (SNMPv2-MIB::sysUpTime). SSH tells of computers itself."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from monitoring.models import DeviceEvent, DeviceState

# The boot time is worked out from two clocks, and an agent may count a little slow or fast.
TOLERANCE = timedelta(seconds=60)
# sysUpTime counts hundredths of a second in 32 bits (RFC 2578, TimeTicks): after 497 days it begins anew by itself.
WRAP_SECONDS = 2**32 / 100


def is_reboot(state: DeviceState, uptime_seconds: float, booted_at: datetime, now: datetime) -> bool:
    """Whether an uptime that was read now belongs to another start than the one that the state knows."""
    if state.uptime_seconds is None or state.booted_at is None:
        return False
    moved = booted_at - state.booted_at
    if moved <= TOLERANCE or abs(moved.total_seconds() - WRAP_SECONDS) <= TOLERANCE.total_seconds():
        return False
    # A boot time that moved while the uptime went on is a clock of ours that was set.
    unseen = (now - state.last_poll_at).total_seconds() if state.last_poll_at else 0.0
    return uptime_seconds < state.uptime_seconds or uptime_seconds <= unseen


def tell(states: Mapping[int, DeviceState], updates: Mapping[int, Mapping[str, Any]], now: datetime) -> None:
    """Write an event for every device that booted between the states as they were and these updates of them."""
    events = []
    for device_id, update in updates.items():
        state, booted_at, uptime = states.get(device_id), update.get("booted_at"), update.get("uptime_seconds")
        if state is None or booted_at is None or uptime is None:
            continue
        if is_reboot(state, uptime, booted_at, now):
            events.append(
                DeviceEvent(
                    device_id=device_id,
                    at=now,
                    source=DeviceEvent.Source.HOST,
                    kind="rebooted",
                    severity=DeviceEvent.Severity.WARNING,
                    detail=f"It, or its agent, is up again since {booted_at:%Y-%m-%d %H:%M:%S} UTC.",
                )
            )
    DeviceEvent.objects.bulk_create(events)
