"""What SSH runs want to know beforehand, and what follows from what they brought home."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from inventory import host_keys
from inventory.models import HostKey
from monitoring.models import Check, DeviceEvent, DeviceFact
from monitoring.modules import Collected
from monitoring.modules.ssh_host import habits_of
from monitoring.runner import Result
from monitoring.services import routing_events
from netmon.drivers.ssh.errors import UntrustedHostKey

SLOW_EVERY_SECONDS = 3600
# A disk's history for the forecast: fine at first, then every second point is dropped and the step grows.
MAX_POINTS = 120
FIRST_STEP_SECONDS = 600
MAX_DISKS = 50

Source, Severity = DeviceEvent.Source, DeviceEvent.Severity


def host_context(check: Check) -> dict[str, Any]:
    """For `ssh_host.collect`."""
    memory = check.memory
    return {
        **_habits(memory),
        "cpu": memory.get("cpu"),
        "clock": memory.get("clock", ""),
        "disks": memory.get("disks", {}),
        "slow_due": timezone.now().timestamp() - memory.get("slow_at", 0) > SLOW_EVERY_SECONDS,
    }


def routing_context(check: Check) -> dict[str, Any]:
    """For `ssh_routing.collect`."""
    return _habits(check.memory) | {"expected": routing_events.expected(check.endpoint.device_id)}


def _habits(memory: Mapping[str, Any]) -> dict[str, Any]:
    return {"platform": memory.get("platform", ""), "habits": habits_of(memory.get("habits"))}


def note_host_key(check: Check, result: Result) -> None:
    """Keep the keys that the server and the jump hosts before it showed, believed or not.

    In a transaction of its own, before the results are written.
    """
    if isinstance(error := result.error, UntrustedHostKey):
        row = host_keys.note_refusal(check.endpoint, error.offered, error.reason, jumps=error.jumps)
        if row is not None:
            tell_of_key(row)
    elif result.collected is not None:
        shown = result.collected.facts.get("ssh_meta", {}).get("shown_keys", ())
        is_due = timezone.now().timestamp() - check.memory.get("key_at", 0) > SLOW_EVERY_SECONDS
        if is_due or any(is_first_use for _, is_first_use in shown):
            host_keys.note_session(check.endpoint, shown)


def tell_of_key(row: HostKey) -> None:
    """An event for a key that was shown and not believed."""
    is_changed = row.state == HostKey.State.REVOKED or row.reason in (
        HostKey.Reason.CHANGED,
        HostKey.Reason.OTHER_TYPE,
    )
    trusted = HostKey.objects.filter(endpoint=row.endpoint_id, state=HostKey.State.TRUSTED)
    DeviceEvent.objects.create(
        device_id=row.endpoint.device_id,
        source=Source.HOST_KEY,
        kind="key_changed" if is_changed else "key_waits",
        severity=Severity.CRITICAL if is_changed else Severity.INFO,
        subject=f"{row.key_type} {row.fingerprint}",
        detail="Another host key than the trusted one was shown; nothing was sent to the server."
        if is_changed
        else "A host key waits for approval.",
        data={"offered": row.fingerprint, "trusted": [key.fingerprint for key in trusted], "endpoint": row.endpoint_id},
    )


def store_host(check: Check, collected: Collected) -> None:
    """Remember what the next run wants to know; tell of reboots, failed units and lost clocks."""
    meta, facts = collected.facts["ssh_meta"], collected.facts
    memory = check.memory
    rows = list(DeviceFact.objects.filter(device=check.endpoint.device_id, kind__in=_TOLD))
    passed = {row.kind: collected.collected_at - row.collected_at.timestamp() for row in rows}
    _tell_of_host(check, collected, {row.kind: row.data for row in rows}, passed.get("uptime", 0.0))
    points = _points(memory.get("disks", {}), facts.get("disks", {}).get("disks", []), collected.collected_at)
    check.memory = {
        **_common(memory, meta, collected),
        "cpu": meta.get("cpu"),
        "clock": meta.get("clock") if meta.get("clock") not in (None, "none") else "",
        "slow_at": collected.collected_at if meta.get("is_slow") else memory.get("slow_at", 0),
        "disks": points,
    }


def store_routing(check: Check, collected: Collected) -> None:
    """Remember what the next run wants to know, and tell what happened between the two."""
    routing_events.tell(check, collected)
    remember(check, collected)


def remember(check: Check, collected: Collected) -> None:
    """What every SSH run learns of a device: what it is, what it bears, when its key was noted."""
    check.memory = {**check.memory, **_common(check.memory, collected.facts["ssh_meta"], collected)}


def _common(memory: Mapping[str, Any], meta: Mapping[str, Any], collected: Collected) -> dict[str, Any]:
    is_due = collected.collected_at - memory.get("key_at", 0) > SLOW_EVERY_SECONDS
    return {
        "platform": meta.get("platform", ""),
        "habits": meta.get("habits"),
        "key_at": collected.collected_at if is_due else memory.get("key_at", 0),
        "warnings": collected.warnings[:10],
    }


_TOLD = ("uptime", "units", "ntp")


# A device's boot time wobbles by a second, and moves by as much as its clock is set.
BOOT_TOLERANCE_SECONDS = 60


def _is_rebooted(before: Mapping[str, Any], now: Mapping[str, Any], passed: float) -> bool:
    """Whether a host started anew within the `passed` seconds between two readings.

    The uptime alone does not tell it where nobody asked for longer than the host had been up before. A boot time that
    moved while the uptime reaches back beyond the first reading is a clock that was set.
    """
    was, is_now = _instant(before.get("boot_time")), _instant(now.get("boot_time"))
    if was is None or is_now is None:
        return bool(now["uptime_seconds"] + BOOT_TOLERANCE_SECONDS < before["uptime_seconds"])
    is_moved = abs((is_now - was).total_seconds()) > BOOT_TOLERANCE_SECONDS
    return is_moved and bool(now["uptime_seconds"] <= passed + BOOT_TOLERANCE_SECONDS)


def _instant(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _tell_of_host(check: Check, collected: Collected, known: Mapping[str, Any], passed: float) -> None:
    events = []
    facts, device_id = collected.facts, check.endpoint.device_id
    at = datetime.fromtimestamp(collected.collected_at, UTC)
    before, now = known.get("uptime"), facts.get("uptime")
    if before and now and _is_rebooted(before, now, passed):
        events.append(("rebooted", Severity.WARNING, "", f"Up again since {now.get('boot_time') or 'a moment ago'}."))
    if "units" in facts and known.get("units") is not None:
        old, new = _units(known["units"]), _units(facts["units"])
        events += [("unit_failed", Severity.WARNING, unit, "The unit has failed.") for unit in sorted(new - old)]
        events += [("unit_recovered", Severity.INFO, unit, "It no longer fails.") for unit in sorted(old - new)]
    if "ntp" in facts and (clock := known.get("ntp")):
        was, is_now = bool(clock.get("is_synchronised")), bool(facts["ntp"].get("is_synchronised"))
        if was and not is_now:
            reason = str(facts["ntp"].get("reason") or "The clock is no longer synchronised.")
            events.append(("clock_lost", Severity.WARNING, "", reason))
        elif is_now and not was:
            events.append(("clock_synchronised", Severity.INFO, "", "The clock is synchronised."))
    DeviceEvent.objects.bulk_create(
        DeviceEvent(
            device_id=device_id,
            at=at,
            source=Source.NTP if kind.startswith("clock") else Source.HOST,
            kind=kind,
            severity=severity,
            subject=subject[:255],
            detail=detail[:500],
        )
        for kind, severity, subject, detail in events[:100]
    )


def _units(fact: Mapping[str, Any]) -> set[str]:
    return {str(unit.get("unit", "")) for unit in fact.get("failed", []) if isinstance(unit, dict)}


def _points(
    kept: Mapping[str, Any], disks: Iterable[Mapping[str, Any]], at: float
) -> dict[str, dict[str, Any]]:  # mount point -> step and [time, bytes used]
    found: dict[str, dict[str, Any]] = {}
    for disk in list(disks)[:MAX_DISKS]:
        entry = kept.get(disk["mount_point"], {})
        step, points = entry.get("step", FIRST_STEP_SECONDS), list(entry.get("points", []))
        if not points or at - points[-1][0] >= step:
            points.append([round(at), disk["used_bytes"]])
        if len(points) > MAX_POINTS:
            points, step = points[::2], step * 2
        found[disk["mount_point"]] = {"step": step, "points": points}
    return found
