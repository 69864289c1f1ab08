"""Devices beside what scans found: one may have gone to another tenant since, and its name with it."""

from typing import Any

from inventory.models import Device


def visible_device(device: Device | None, user: Any) -> Device | None:
    """The device, where the person (None: netmon itself) may see it."""
    if device is None or (user is not None and user.tenant_ids and device.tenant_id not in user.tenant_ids):
        return None
    return device
