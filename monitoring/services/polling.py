"""Running claimed checks: load, collect, write in batches."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, DataError
from django.db.models import F, QuerySet
from django.utils import timezone

from inventory import uses
from inventory.models import Device, ManagementEndpoint
from inventory.policy import Policy
from inventory.targets import target_of
from inventory.ways import WayBook
from monitoring import modules, runner
from monitoring.models import Check, DeviceState
from monitoring.modules.ssh_sessions import lane_of
from monitoring.runner import Result, Run
from monitoring.services import recording, scheduling, states
from netmon.audit.context import acting
from netmon.common.errors import NetmonError
from netmon.drivers.errors import DriverError
from netmon.jobs import services as jobs
from netmon.jobs.models import Job

log = logging.getLogger(__name__)

BATCH = 50
# What a value that no column holds may raise, by database: it must cost one result, not the batch.
UNWRITABLE = (DatabaseError, OverflowError, ValueError)
POLL_SECONDS = 28.0
# Collecting ends this long before the claim does: what came must still be written.
WRITE_RESERVE = 1.0


def run_shard(
    protocol: str, check_ids: Sequence[int], token: str, deadline: datetime, *, insist: bool = False
) -> list[Result]:
    """Run the checks of a claim and write what came. A late or repeated message finds its claim gone and does nothing.

    A device that is down is asked by its availability checks only. With `insist` it is asked everything, and a bug is
    left to the results, where whoever asked sees it.

    Raises what a bug in a module raised, after everything else has been written.
    """
    seconds = (deadline - timezone.now()).total_seconds() - WRITE_RESERVE
    if seconds <= 0:
        return []
    checks = {
        check.pk: check
        for check in Check.objects.filter(pk__in=check_ids, claim_token=token)
        .exclude(status=Check.Status.PAUSED)
        .select_related(
            "endpoint__device__primary_ip",
            "endpoint__device__state",
            "endpoint__device__tenant",
            "endpoint__credential",
        )
        .prefetch_related("endpoint__host_keys")
    }
    policy, book = Policy.load(), WayBook.of(check.endpoint for check in checks.values())
    results: list[Result] = []
    runs: list[Run] = []
    ways = {check.pk: book.way_to(check.endpoint) for check in checks.values()}
    refused = set() if insist else _refused(ways.values())
    resting = [] if insist else [check for check in checks.values() if _is_resting(check, refused)]
    Check.objects.filter(pk__in=[check.pk for check in resting], claim_token=token).update(
        claimed_until=None, claim_token=""
    )
    for check in checks.values():
        if check in resting:
            continue
        try:
            runs.append(_prepare(check, policy, book))
        except (NetmonError, LookupError) as error:
            results.append(Result(key=check.pk, error=_as_netmon(error)))
    if insist:
        uses.record_asked(step for run in runs for step in uses.steps(ways[run.key], run.target))
    write = partial(_write, ways={run.key: ways[run.key] for run in runs}, token=token, is_asked=insist)
    failed = write([(checks[result.key], result) for result in results])
    for batch in runner.run_in_batches(runs, deadline_seconds=seconds, size=BATCH):
        failed += write([(checks[result.key], result) for result in batch])
        results.extend(batch)
    cut_off = [result.key for result in results if result.is_cut_off]
    if cut_off:
        log.warning("%d of %d %s checks were cut off at the deadline", len(cut_off), len(checks), protocol)
        # Neither up nor down: the slot stays empty, and the next one comes round.
        Check.objects.filter(pk__in=cut_off, claim_token=token).update(
            claimed_until=None, claim_token="", skipped=F("skipped") + 1
        )
    if not insist:
        _reraise_bug(results, failed)
    return results


def _refused(ways: Iterable[Sequence[ManagementEndpoint]]) -> set[int]:
    """Endpoints that a refused login stands before: their own, or that of a jump host on the way."""
    ways = [way for way in ways if way[0].protocol == "ssh"]
    refused = uses.refused_logins(step for way in ways for step in way)
    return {way[0].pk for way in ways if any(step.pk in refused for step in way)}


def _is_resting(check: Check, refused: set[int]) -> bool:
    """The cheap probes tell when a dead device is back; the rest of its checks wait for that.

    A login that was refused is not tried again by itself: an account is locked after a few.
    """
    module = modules.MODULES.get(check.module)
    if module and module.guards_login and check.endpoint_id in refused:
        return True
    state = getattr(check.endpoint.device, "state", None)
    return state is not None and state.state == DeviceState.State.DOWN and not states.is_availability(check)


def _as_netmon(error: Exception) -> NetmonError:
    return error if isinstance(error, NetmonError) else NetmonError(str(error).strip("'\""))


def _prepare(check: Check, policy: Policy, book: WayBook) -> Run:
    module = modules.get(check.module)
    context: dict[str, Any] = dict(module.context(check)) if module.context else {}
    target = (module.target or target_of)(check.endpoint, policy, book)
    return Run(key=check.pk, collect=module.collect, target=target, context=context, lane=lane_of(target))


def _write(
    pairs: list[tuple[Check, Result]],
    *,
    ways: Mapping[int, Sequence[ManagementEndpoint]] | None = None,
    token: str | None = None,
    is_asked: bool = False,
) -> list[Exception]:
    """Write results; what cannot be written costs its own check only, and is returned."""
    try:
        recording.record(pairs, ways=ways, token=token, is_asked=is_asked)
    except UNWRITABLE:
        log.exception("a batch of %d results could not be written; writing them one by one", len(pairs))
    else:
        return []
    failed: list[Exception] = []
    for check, result in pairs:
        try:
            recording.record([(check, result)], ways=ways, token=token, is_asked=is_asked)
        except UNWRITABLE as error:
            log.exception("the result of check %s could not be written", check.pk)
            failed.append(error)
            if not isinstance(error, DatabaseError) or isinstance(error, DataError):
                # The value's fault, not the database's: let the check say so and rest.
                recording.record([(check, Result(key=check.pk, error=error))], token=token)
    return failed


def _reraise_bug(results: Iterable[Result], failed: list[Exception]) -> None:
    for result in results:
        if result.error and not isinstance(result.error, (DriverError, NetmonError)):
            raise result.error
    if failed:
        raise failed[0]


def poll_now(device: Device, *, user: Any) -> Job:
    """Start a poll of all enabled checks of a device, or join the one under way."""
    job, _ = jobs.start(
        kind="device.poll",
        key=str(device.pk),
        task="monitoring.tasks.run_poll_job",
        user=user,
        deadline_seconds=60,
        arguments={"device": device.pk},
    )
    return job


def run_poll_job(job_id: int) -> None:
    """The task behind `poll_now`."""
    job = jobs.claim(job_id)
    if job is None:
        return
    device = Device.objects.filter(pk=job.arguments["device"]).first()
    if device is None:
        jobs.finish(job, error_code="not_found", error_detail="The device is gone.")
        return
    is_ended = False
    try:
        with acting(job.requested_by, "job"):
            is_ended = jobs.finish(job, result=poll_device(device))
    finally:
        if not is_ended:
            jobs.finish(job, error_code="internal", error_detail="A fault in netmon; see the log.")


def poll_device(device: Device) -> list[dict[str, Any]]:
    """Poll every enabled check of a device now and wait for it; one entry per check."""
    return poll_devices([device])[device.pk]


def poll_devices(devices: Sequence[Device], *, protocol: str = "") -> dict[int, list[dict[str, Any]]]:
    """The same for several devices side by side, by their id. A hundred at a time end in time; more need more calls.

    With `protocol` only the checks of its endpoints run.
    """
    checks = Check.objects.filter(endpoint__device__in=devices, endpoint__is_enabled=True).exclude(
        status=Check.Status.PAUSED
    )
    if protocol:
        checks = checks.filter(endpoint__protocol=protocol)
    outcomes: dict[int, list[dict[str, Any]]] = {device.pk: [] for device in devices}
    for check, entry in run_now(checks):
        outcomes[check.endpoint.device_id].append(entry)
    return outcomes


def run_now(checks: QuerySet[Check], *, seconds: float = POLL_SECONDS) -> list[tuple[Check, dict[str, Any]]]:
    """Run these checks out of turn and wait for them: each with what it came to."""
    before = dict(checks.values_list("pk", "last_run_at"))
    ids = list(before)
    started = timezone.now()
    shards = scheduling.claim_now(ids, started, started + timedelta(seconds=seconds))
    durations: dict[int, Result] = {}
    for shard in shards:
        for result in run_shard(shard.protocol, shard.check_ids, shard.token, shard.deadline, insist=True):
            durations[result.key] = result
    _await_others(before, started + timedelta(seconds=seconds))
    rows = Check.objects.filter(pk__in=ids).select_related("endpoint").order_by("endpoint__protocol", "module")
    return [(check, outcome(check, before[check.pk], durations.get(check.pk))) for check in rows]


def _await_others(before: dict[int, datetime | None], deadline: datetime) -> None:
    """Join the runs that were under way in another worker."""
    while timezone.now() < deadline:
        rows = Check.objects.filter(pk__in=before, claimed_until__gt=timezone.now())
        if all(last_run_at != before[pk] for pk, last_run_at in rows.values_list("pk", "last_run_at")):
            return
        time.sleep(0.1)


def outcome(check: Check, before: datetime | None, result: Result | None) -> dict[str, Any]:
    """What a run of a check came to, for API, page and command. `before` is when it had run last."""
    ours = result is not None and not result.is_cut_off
    is_fresh = check.last_run_at is not None and (ours or check.last_run_at != before)
    return {
        "check": check.pk,
        "module": check.module,
        "protocol": check.endpoint.protocol,
        "status": check.status,
        "ok": is_fresh and not check.last_error_code,
        "ran": is_fresh,
        "error_code": check.last_error_code,
        "error_detail": check.last_error_detail,
        "response_time_ms": check.last_response_ms,
        "duration_ms": result.duration_ms if result else check.last_duration_ms,
        "at": check.last_run_at.isoformat() if check.last_run_at else None,
    }
