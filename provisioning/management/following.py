"""Working a router's queue from a command until one's own change has ended."""

import time
from typing import Any

from provisioning.management.asked import DENIED, FAILED, OK, PARTLY, TRY_LATER
from provisioning.models import ConfigChange
from provisioning.services import changes

PAUSE_SECONDS = 0.2


def follow(change: ConfigChange, seconds: float) -> ConfigChange:
    """Work the queue in this process; what another one is at is waited for, `seconds` at most."""
    until = time.monotonic() + seconds
    while True:
        if change.router_id is not None:
            changes.run(change.router_id)
        change.refresh_from_db()
        if change.status not in ConfigChange.ACTIVE or time.monotonic() >= until:
            return change
        time.sleep(PAUSE_SECONDS)


def exit_code(change: ConfigChange) -> int:
    """What an end comes to: 3 where it runs and is not saved, or only some of its machines have it, 75 where it is not
    over, or nobody knows."""
    Status = ConfigChange.Status
    if change.status == Status.APPLIED:
        is_whole = change.is_saved and not change.items.exclude(status="applied").exists()
        return OK if is_whole else PARTLY
    if change.status in (*ConfigChange.ACTIVE, Status.UNKNOWN):
        return TRY_LATER
    return DENIED if change.error_code == "auth_failed" else FAILED


def as_dict(change: ConfigChange) -> dict[str, Any]:
    names = ("id", "kind", "status", "is_saved", "error_code", "error_detail", "remark", "digest")
    return {name: getattr(change, name) for name in names}


def words(change: ConfigChange) -> str:
    """How a change ended, for people."""
    saved = "" if change.status != "applied" else ", saved" if change.is_saved else ", NOT saved: a reboot loses it"
    why = f": {change.error_detail}" if change.error_detail else ""
    return f"Change {change.pk}: {change.get_status_display().lower()}{saved}{why}"
