"""What a module wants to know at its next run, kept on the check."""

from typing import Any

from django.utils import timezone

from inventory.models import Interface
from monitoring.models import Check
from monitoring.modules import Collected

SLOW_EVERY_SECONDS = 3600


def interfaces_context(check: Check) -> dict[str, Any]:
    """The interfaces as they are known, so that names and speeds need not be read at every poll."""
    memory = check.memory
    rows = Interface.objects.filter(device_id=check.endpoint.device_id, if_index__isnull=False)
    return {
        "known": {
            row.if_index: {
                "key": row.name,
                "name": row.name,
                "descr": row.if_descr,
                "alias": row.if_alias,
                "if_type": row.if_type,
                "mac_address": row.mac_address or None,
                "speed_bps": row.if_speed_bps,
                "mtu": row.mtu,
            }
            for row in rows
        },
        "slow_due": timezone.now().timestamp() - memory.get("refreshed_at", 0) > SLOW_EVERY_SECONDS,
        "table_last_change": memory.get("table_last_change"),
        "if_number": memory.get("if_number"),
        "uptime_ticks": memory.get("uptime_ticks"),
    }


def remember_interfaces(check: Check, collected: Collected) -> None:
    meta = collected.facts.get("interfaces_meta", {})
    refreshed_at = collected.collected_at if meta.get("is_refreshed") else check.memory.get("refreshed_at", 0)
    check.memory = {
        "table_last_change": meta.get("table_last_change"),
        "if_number": meta.get("if_number"),
        "uptime_ticks": meta.get("uptime_ticks"),
        "refreshed_at": refreshed_at,
    }
