"""From runs to states: N of M per check, then the device, then its outages.

A device is down when every availability check of it is down; degraded when only some are (SNMP silent but ping alive);
unknown when nothing was measured. An outage begins with the first failed run of the last way in to fail, and ends with
the first good one, not with the moment of confirmation.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from monitoring import modules
from monitoring.models import Check, DeviceState, Outage

WINDOW = 5  # runs looked back upon (M)
GOOD_RUNS = 2  # that bring a down check up again
RECHECK_SECONDS = 15
SILENCE = 2.5  # intervals without a run: nothing was measured
BACK_OFF = ((timedelta(hours=1), 5), (timedelta(minutes=10), 2))
BACK_OFF_MAX_SECONDS = 300
CLOCK_STEP = timedelta(hours=1)
AWAITED = "awaits_first_answer"  # in a check's memory


def note_run(check: Check, *, good: bool, at: datetime, is_final: bool = False) -> bool:
    """Note one run on the row (not saved). True when the status changed.

    A failure that `is_final` needs no further runs to be believed. What is awaited never fails.
    """
    before = check.status
    check.recent = (check.recent << 1 | (not good)) & ((1 << WINDOW) - 1)
    if good:
        if check.consecutive_successes == 0:
            check.answering_since = at
        check.consecutive_successes += 1
        check.consecutive_failures = 0
        check.last_success_at, check.failing_since = at, None
        if before == Check.Status.UNKNOWN or (before == Check.Status.DOWN and check.consecutive_successes >= GOOD_RUNS):
            check.status, check.recent = Check.Status.UP, 0
    else:
        if check.consecutive_failures == 0 and check.failing_since is None:
            check.failing_since = at
        check.consecutive_failures += 1
        check.consecutive_successes = 0
        is_ripe = is_final or check.recent.bit_count() >= check.retries
        if before != Check.Status.DOWN and is_ripe and not is_awaited(check):
            check.status = Check.Status.DOWN
            if check.consecutive_failures == 1:  # flapping: the window is full of failures, the series is short
                check.failing_since = at
    if check.status != before:
        check.status_since = at
    return check.status != before


def is_awaited(check: Check) -> bool:
    """Whether it is of something new, which is not missing before it was there once: a machine that was made a minute
    ago has not booted, and nothing listens on its ports yet."""
    return bool(check.memory.get(AWAITED)) and check.last_success_at is None


def next_wait(check: Check) -> float | None:
    """Seconds until the next run when it differs from the interval: sooner to confirm, later for the long dead."""
    down, interval = check.status == Check.Status.DOWN, check.interval_seconds
    undecided = (check.consecutive_failures > 0 and not down and not is_awaited(check)) or (
        down and check.consecutive_successes > 0
    )
    wait = interval
    if undecided and is_availability(check):
        wait = min(RECHECK_SECONDS, interval)
    elif down and check.failing_since and check.last_run_at:
        age = check.last_run_at - check.failing_since
        factor = next((factor for least, factor in BACK_OFF if age > least), 1)
        wait = max(interval, min(interval * factor, BACK_OFF_MAX_SECONDS))
    return None if wait == interval else wait


def is_availability(check: Check) -> bool:
    module = modules.MODULES.get(check.module)
    return bool(module and module.is_availability)


@dataclass(frozen=True, slots=True)
class Verdict:
    state: str
    cause: str
    is_reachable: bool | None
    failed_at: datetime | None = None  # first failed run of what made it not up
    answered_at: datetime | None = None  # first good run of what made it reachable
    is_awaited: bool = False  # nothing of it was ever there, and that is as expected


def judge(checks: Iterable[Check]) -> Verdict:
    """The state that a device's checks add up to; a pure function."""
    live = [check for check in checks if check.status != Check.Status.PAUSED]
    ways_in = [check for check in live if is_availability(check)]
    up = [check for check in ways_in if check.status == Check.Status.UP]
    down = [check for check in ways_in if check.status == Check.Status.DOWN]
    answered = [check for check in ways_in if check.consecutive_successes > 0]
    asked = [check for check in ways_in if check.last_run_at is not None]
    reachable = bool(answered) if asked else None
    answered_at = min((check.answering_since for check in up if check.answering_since), default=None)
    state = DeviceState.State
    if down and not up:
        cause = "; ".join(sorted({_why(check) for check in down}))
        since = max((check.failing_since for check in down if check.failing_since), default=None)
        return Verdict(state.DOWN, cause[:200], reachable, since)
    broken = [check for check in live if check.status == Check.Status.DOWN]
    if up and broken:
        cause = "; ".join(sorted({_why(check) for check in broken}))
        since = min((check.failing_since for check in broken if check.failing_since), default=None)
        return Verdict(state.DEGRADED, cause[:200], reachable, since, answered_at)
    if up:
        return Verdict(state.UP, "", reachable, None, answered_at)
    if asked and all(is_awaited(check) for check in ways_in):
        return Verdict(state.UNKNOWN, "not seen yet", reachable, is_awaited=True)
    return Verdict(state.UNKNOWN, "", reachable)


def _why(check: Check) -> str:
    words = {
        "timeout": "no answer",
        "unreachable": "unreachable",
        "auth_failed": "login refused",
        "no_credential": "no credential",
        "no_endpoint": "not usable",
    }
    names = {
        "icmp": "ping",
        "tcp.port": "port",
        "tcp.outside": "port from outside",
        "snmp.system": "SNMP",
        "snmp.interfaces": "interfaces by SNMP",
        "config.backup": "configuration backup",
    }
    name = names.get(check.module, check.module)
    if check.module.startswith("tcp."):
        name = f"{name} {check.endpoint.port}"
    return f"{name}: {words.get(check.last_error_code, check.last_error_code or 'failed')}"


def lock(device_ids: Iterable[int]) -> Iterable[DeviceState]:
    """The states of these devices, locked in the order of their numbers. Take this lock before any other."""
    return DeviceState.objects.select_for_update().filter(device_id__in=set(device_ids)).order_by("device_id")


def evaluate(device_ids: Iterable[int], now: datetime, *, polled: dict[int, datetime] | None = None) -> list[int]:
    """Bring DeviceState and Outage of these devices to what their checks say. Call inside a transaction.

    `polled` gives, per device, the time of the availability run that led here. Returns the devices that were not
    reachable before and are now.
    """
    ids = sorted(set(device_ids))
    polled = polled or {}
    # First the lock, then the checks: two shards of a device that end together must see each other's verdict.
    states = {row.device_id: row for row in lock(ids)}
    checks: dict[int, list[Check]] = defaultdict(list)
    rows = Check.objects.filter(endpoint__device_id__in=ids, endpoint__is_enabled=True).select_related("endpoint")
    for check in rows:
        checks[check.endpoint.device_id].append(check)
    open_outages = {row.device_id: row for row in Outage.objects.filter(device_id__in=ids, ended_at__isnull=True)}
    came_up: list[int] = []
    for device_id in ids:
        state = states.get(device_id)
        if state is None:
            state, _ = DeviceState.objects.get_or_create(device_id=device_id)
        verdict = judge(checks[device_id])
        outage = open_outages.get(device_id)
        if at := polled.get(device_id):
            outage = _note_silence(state, outage, at)
            if not verdict.is_awaited:  # it was neither up nor down before it was there
                state.watched_since = state.watched_since or at
            # A run that ended earlier changes nothing; a time far ahead was noted by a clock that has been set since.
            ahead = state.last_poll_at - at if state.last_poll_at else timedelta(0)
            if not timedelta(0) < ahead < CLOCK_STEP:
                state.last_poll_at = at
        state.expected_every_seconds = _expected(checks[device_id])
        _move_outage(state, outage, verdict, now)
        reachable = (DeviceState.State.UP, DeviceState.State.DEGRADED)
        if verdict.state in reachable and state.state not in reachable:
            came_up.append(device_id)
        _write(state, verdict, now)
    return came_up


def _expected(checks: list[Check]) -> int:
    waits = [
        next_wait(c) or c.interval_seconds for c in checks if is_availability(c) and c.status != Check.Status.PAUSED
    ]
    intervals = [c.interval_seconds for c in checks if is_availability(c)]
    return int(max(min(waits, default=60), min(intervals, default=60)))


def _note_silence(state: DeviceState, outage: Outage | None, at: datetime) -> Outage | None:
    """When nothing was measured for a while, say so: that time is neither up nor down. Returns the open outage."""
    if state.last_poll_at is None:
        return outage
    expected = timedelta(seconds=state.expected_every_seconds)
    if at - state.last_poll_at <= expected * SILENCE:
        return outage
    silent_from = state.last_poll_at + expected
    if outage is not None:
        silent_from = max(silent_from, outage.started_at)
        Outage.objects.filter(pk=outage.pk).update(ended_at=silent_from)
    Outage.objects.create(
        device_id=state.device_id, kind=Outage.Kind.UNKNOWN, started_at=silent_from, ended_at=at, cause="not polled"
    )
    if outage is None:
        return None
    # Still down as far as anybody knows: the same fault goes on after the blind stretch.
    return Outage.objects.create(device_id=state.device_id, kind=outage.kind, started_at=at, cause=outage.cause)


def _move_outage(state: DeviceState, outage: Outage | None, verdict: Verdict, now: datetime) -> None:
    is_down = verdict.state == DeviceState.State.DOWN
    if is_down and outage is None:
        started = verdict.failed_at or now
        last = Outage.objects.filter(device_id=state.device_id).order_by("-ended_at").values_list("ended_at", flat=True)
        ended = last.first()
        Outage.objects.create(
            device_id=state.device_id,
            kind=Outage.Kind.DOWN,
            started_at=max(started, ended) if ended else started,
            cause=verdict.cause,
        )
    elif not is_down and outage is not None:
        ended = verdict.answered_at or now
        if ended > outage.started_at:
            Outage.objects.filter(pk=outage.pk).update(ended_at=ended)
        else:  # it went on after a blind stretch only as far as anybody knew
            Outage.objects.filter(pk=outage.pk).delete()


def _write(state: DeviceState, verdict: Verdict, now: datetime) -> None:
    if state.state != verdict.state:
        state.since = (verdict.answered_at if verdict.state == DeviceState.State.UP else verdict.failed_at) or now
    state.state, state.cause = verdict.state, verdict.cause
    if verdict.is_reachable is not None:
        state.is_reachable = verdict.is_reachable
    if verdict.state == DeviceState.State.DOWN:
        state.response_time_ms = None
    DeviceState.objects.filter(pk=state.pk).update(
        state=state.state,
        since=state.since,
        cause=state.cause,
        watched_since=state.watched_since,
        last_poll_at=state.last_poll_at,
        is_reachable=state.is_reachable,
        response_time_ms=state.response_time_ms,
        expected_every_seconds=state.expected_every_seconds,
        excuse=state.excuse if state.state == DeviceState.State.DOWN else "",
        version=F("version") + 1,
    )
