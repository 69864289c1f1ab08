"""Who is due: checks are claimed in one transaction and handed out in shards.

Due time is a column. `next_run_at` moves by whole intervals, so there is no drift; slots that were missed are skipped
and counted, never queued up. A claimed check is not handed out again before its claim ends, however late its message.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from inventory.models import Device, ManagementEndpoint
from monitoring import modules
from monitoring.models import Check, DeclinedCheck, DeviceState
from monitoring.services import states
from netmon.common.queue import POLL_SHARD, send_after_commit

SHARD_SIZES = {"icmp": 200, "tcp": 200, "snmp": 100}
SLOW_SHARD = 20
# What a run needs to write its results after its last answer.
MARGIN = timedelta(seconds=2)
SHORTEST_RUN = timedelta(seconds=12)
CLAIM_LIMIT = 5000
# No check waits longer; what lies further ahead was planned by a clock that has been set back since.
LONGEST_WAIT = timedelta(days=1, hours=2)


@dataclass(frozen=True, slots=True)
class Shard:
    protocol: str
    check_ids: list[int]
    token: str
    deadline: datetime


def dispatch(now: datetime | None = None) -> int:
    """Claim what is due and send it to the workers. Returns how many checks were handed out."""
    with transaction.atomic():
        shards = claim_due_checks(now or timezone.now())
        for shard in shards:
            expires = (shard.deadline - timezone.now()).total_seconds()
            send_after_commit(
                POLL_SHARD, shard.protocol, shard.check_ids, shard.token, shard.deadline.isoformat(), expires=expires
            )
    return sum(len(shard.check_ids) for shard in shards)


def watched(now: datetime) -> Q:
    """Checks that may run at all."""
    return (
        ~Q(status=Check.Status.PAUSED)
        & Q(endpoint__is_enabled=True, endpoint__device__status=Device.Status.ACTIVE)
        & (Q(next_run_at__lte=now) | Q(next_run_at__gt=now + LONGEST_WAIT))
    )


@transaction.atomic
def claim_due_checks(now: datetime) -> list[Shard]:
    """Take the due checks, at most CLAIM_LIMIT, oldest first."""
    rows = (
        Check.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(watched(now))
        .order_by("next_run_at")
        .values_list("pk", "endpoint__protocol", "interval_seconds", "next_run_at", "claimed_until")[:CLAIM_LIMIT]
    )
    free: dict[tuple[str, int], list[int]] = defaultdict(list)
    advance: dict[tuple[int, int, bool], list[int]] = defaultdict(list)
    stray: list[int] = []
    for pk, protocol, interval, due, claimed_until in rows:
        if due > now:
            stray.append(pk)
            due = now
        slots = int((now - due).total_seconds() // interval) + 1
        under_way = claimed_until is not None and now < claimed_until < now + LONGEST_WAIT
        advance[interval, slots, under_way].append(pk)
        if not under_way:
            free[protocol, interval].append(pk)
    Check.objects.filter(pk__in=stray).update(next_run_at=now)
    for (interval, slots, under_way), pks in advance.items():
        skipped = slots if under_way else slots - 1
        Check.objects.filter(pk__in=pks).update(
            next_run_at=F("next_run_at") + timedelta(seconds=interval * slots), skipped=F("skipped") + skipped
        )
    shards = []
    for (protocol, interval), pks in sorted(free.items()):
        size = SHARD_SIZES.get(protocol, SLOW_SHARD)
        for first in range(0, len(pks), size):
            shards.append(_claim(protocol, pks[first : first + size], deadline_of(now, interval)))
    return shards


def deadline_of(now: datetime, interval_seconds: int) -> datetime:
    """When a run that starts now must have ended, its writing included.

    Before the next slot; but a short interval must still leave time for the retries of a silent device, or it would
    be cut off at every run and never be found down. Slots that begin meanwhile are skipped.
    """
    return now + max(timedelta(seconds=interval_seconds) - MARGIN, SHORTEST_RUN)


def _claim(protocol: str, pks: list[int], deadline: datetime) -> Shard:
    token = secrets.token_hex(16)
    Check.objects.filter(pk__in=pks).update(claimed_until=deadline, claim_token=token)
    return Shard(protocol, pks, token, deadline)


@transaction.atomic
def claim_now(check_ids: Iterable[int], now: datetime, deadline: datetime) -> list[Shard]:
    """Claim these checks out of turn, except those under way. Their regular slots stay as they are."""
    rows = (
        Check.objects.select_for_update(of=("self",))
        .filter(pk__in=list(check_ids))
        .filter(Q(claimed_until__isnull=True) | Q(claimed_until__lte=now))
        .values_list("pk", "endpoint__protocol")
    )
    by_protocol: dict[str, list[int]] = defaultdict(list)
    for pk, protocol in rows:
        by_protocol[protocol].append(pk)
    return [_claim(protocol, pks, deadline) for protocol, pks in sorted(by_protocol.items())]


def first_slot(check: Check, now: datetime) -> datetime:
    """Soon for the first run, then on the grid: the spread over the interval is by a hash of the device."""
    spread = crc32(str(check.endpoint.device_id).encode()) % 3000 / 1000
    return now + timedelta(seconds=min(spread, check.interval_seconds / 4))


def ensure_default_checks(endpoints: Sequence[ManagementEndpoint]) -> None:
    """The checks that endpoints of these protocols have by default; those that exist are kept as they are, and those
    that somebody deleted stay deleted."""
    if not endpoints:
        return
    now = timezone.now()
    ids = sorted({endpoint.pk for endpoint in endpoints})
    device_ids = sorted({endpoint.device_id for endpoint in endpoints})
    DeviceState.objects.bulk_create([DeviceState(device_id=pk) for pk in device_ids], ignore_conflicts=True)
    list(states.lock(device_ids))
    declined = DeclinedCheck.objects.filter(endpoint__device__in=device_ids)
    existing = set(Check.objects.filter(endpoint__in=ids).values_list("endpoint_id", "module"))
    once = [module.key for module in modules.MODULES.values() if module.is_of_device]
    rows = Check.objects.filter(endpoint__device__in=device_ids, module__in=once)
    taken = set(rows.values_list("endpoint__device_id", "module"))
    settled = existing | set(declined.values_list("endpoint_id", "module"))
    # Of a device's own checks: at another of its endpoints it would be the same one again.
    taken |= set(declined.filter(module__in=once).values_list("endpoint__device_id", "module"))
    missing = []
    for check in (check for endpoint in endpoints for check in _default_checks(endpoint, now)):
        place = (check.endpoint.device_id, check.module)
        if (check.endpoint_id, check.module) not in settled and place not in taken:
            missing.append(check)
            if check.module in once:
                taken.add(place)
    Check.objects.bulk_create(missing, batch_size=200)
    if existing:
        # What was changed may be the cure: look at once, but skip no slot of a run that is under way.
        idle = Check.objects.filter(endpoint__in={pk for pk, _ in existing}).exclude(claimed_until__gt=now)
        idle.exclude(status=Check.Status.PAUSED).update(next_run_at=now)
    states.evaluate(device_ids, now)


def _default_checks(endpoint: ManagementEndpoint, now: datetime) -> list[Check]:
    checks = []
    for module in modules.MODULES.values():
        if module.protocol == endpoint.protocol and (module.is_default is None or module.is_default(endpoint)):
            interval = settings.POLL_INTERVAL_SECONDS if module.interval_seconds == 60 else module.interval_seconds
            check = Check(endpoint=endpoint, module=module.key, interval_seconds=interval)
            check.next_run_at = first_slot(check, now)
            checks.append(check)
    return checks


def make_default_checks(endpoints: Sequence[ManagementEndpoint]) -> None:
    """The default checks of many endpoints whose devices are new: nothing is there that could be kept."""
    now = timezone.now()
    device_ids = sorted({endpoint.device_id for endpoint in endpoints})
    DeviceState.objects.bulk_create([DeviceState(device_id=pk) for pk in device_ids], batch_size=500)
    checks = [check for endpoint in endpoints for check in _default_checks(endpoint, now)]
    Check.objects.bulk_create(checks, batch_size=200)


@transaction.atomic
def reschedule(check: Check, *, interval_seconds: int | None = None) -> None:
    """After a change of interval by a person: the next run comes within the new interval."""
    now = timezone.now()
    if interval_seconds is not None:
        check.interval_seconds = interval_seconds
    check.next_run_at = min(check.next_run_at, now + timedelta(seconds=check.interval_seconds))
    check.save(update_fields=["interval_seconds", "next_run_at", "updated_at"])


@transaction.atomic
def pause(check: Check) -> Check:
    """Stop watching; what is known stays. The device's state no longer depends on it."""
    list(states.lock([check.endpoint.device_id]))
    check.status, check.status_since = Check.Status.PAUSED, timezone.now()
    check.recent = check.consecutive_failures = check.consecutive_successes = 0
    check.failing_since = check.answering_since = None
    check.save()
    states.evaluate([check.endpoint.device_id], timezone.now())
    return check


def await_first_answer(endpoint: ManagementEndpoint) -> None:
    """What the checks of this endpoint ask for is new: nobody is told that it is not there before it was there once."""
    for check in Check.objects.select_for_update().filter(endpoint=endpoint, last_run_at=None).order_by("pk"):
        if not check.memory.get(states.AWAITED):
            check.memory[states.AWAITED] = True
            check.save(update_fields=["memory", "updated_at"])


@transaction.atomic
def delete_checks(checks: Iterable[Check], *, for_good: bool = True) -> None:
    """Delete checks; what they said of their devices goes with them. `for_good`: by themselves they come no more."""
    checks = list(checks)
    ids = {check.pk: check.endpoint.device_id for check in checks}
    list(states.lock(ids.values()))
    if for_good:
        declined = [DeclinedCheck(endpoint_id=check.endpoint_id, module=check.module) for check in checks]
        DeclinedCheck.objects.bulk_create(declined, ignore_conflicts=True)
    Check.objects.filter(pk__in=ids).delete()
    states.evaluate(ids.values(), timezone.now())


@transaction.atomic
def resume(check: Check) -> Check:
    """Watch again, from now."""
    if check.status == Check.Status.PAUSED:
        check.status, check.status_since = Check.Status.UNKNOWN, timezone.now()
        check.next_run_at = timezone.now()
        check.save()
    return check
