"""From what runs brought home to rows: interfaces, samples, facts, checks and states, a batch at a time.

On SQLite the samples stand in a second file and no transaction spans both, so the order is: identities, samples,
present values. A crash in between repeats a write that is repeatable: a sample is known by its series and slot.
"""

import logging
import math
import socket
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone

from inventory import services as inventory
from inventory import uses
from inventory.models import Interface, ManagementEndpoint
from monitoring import metrics, modules, rates
from monitoring.alerting import observing
from monitoring.models import Check, DeviceFact, Series
from monitoring.modules import Collected, tcp_port
from monitoring.runner import Result
from monitoring.services import figures, lapsing, states
from monitoring.store.write import CurrentWrite, SampleWrite, lapse, update_current, write_many
from netmon.common.errors import NetmonError
from netmon.drivers.errors import AuthenticationFailed, DriverError, LocalFault, UntrustedPeer

log = logging.getLogger(__name__)

# The set whose column `up` says of every run of a module whether it went well.
MODULE_SETS = {
    "icmp": "icmp", "tcp.port": "tcp", "tcp.outside": "tcp", "snmp.system": "snmp.system", "ssh.host": "host",
    "ssh.routing": "routing",
}  # fmt: skip
OPER_STATUS = metrics.IF_COUNTERS.index("oper_status")
BUG_PAUSE = timedelta(hours=1)
NOT_FACTS = {"interfaces_meta", "ssh_meta"}  # what a module tells its own next run
MAX_RAW = 1 << 20


@dataclass(slots=True)
class Batch:
    """What is to be written for some results."""

    samples: list[SampleWrite] = field(default_factory=list)
    current: list[CurrentWrite] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    facts: list[tuple[int, str, dict[str, Any], datetime, bytes | None]] = field(default_factory=list)
    polled: dict[int, datetime] = field(default_factory=dict)
    updates: dict[int, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    stores: list[tuple[modules.Module, Check, Collected]] = field(default_factory=list)
    lapsed: list[tuple[list[int], float]] = field(default_factory=list)  # series that are there no longer, since when
    sent: dict[int, list[uses.Use]] = field(default_factory=dict)  # by check
    seen: list[observing.Seen] = field(default_factory=list)
    token: str | None = None
    is_asked: bool = False


def record(
    pairs: Sequence[tuple[Check, Result]],
    *,
    ways: Mapping[int, Sequence[ManagementEndpoint]] | None = None,
    token: str | None = None,
    is_asked: bool = False,
) -> None:
    """Write the results of these checks. Rows deleted meanwhile are passed over, and with the `token` of a claim those
    that another run has claimed since: what comes that late is not to stand over what is newer.

    `ways`: by check, the endpoints whose credentials its run sent; `is_asked`: a person asked for the runs.
    """
    pairs = [(check, result) for check, result in pairs if not result.is_cut_off]
    if not pairs:
        return
    for check, result in pairs:
        if (note := modules.get(check.module).note if check.module in modules.MODULES else None) is not None:
            note(check, result)
    with transaction.atomic():
        pairs = _still_there(pairs, token)
        interfaces = {
            check.pk: inventory.sync_interfaces(check.endpoint.device, result.collected.interfaces)
            for check, result in pairs
            if result.collected and result.collected.interfaces is not None
        }
        series, known = _series_for(pairs, interfaces)
    batch = Batch(token=token, is_asked=is_asked)
    for check, result in pairs:
        if way := (ways or {}).get(check.pk):
            _add_uses(batch, check, result, way)
        if result.collected is not None:
            _add_success(batch, check, result, result.collected, series[check.pk], interfaces.get(check.pk, {}))
            if ids := lapsing.gone(result.collected, series[check.pk], known[check.endpoint.device_id]):
                batch.lapsed.append((ids, result.collected.collected_at))
        else:
            _add_failure(batch, check, result, series[check.pk])
    write_many(batch.samples)
    with transaction.atomic():
        _write_rows(batch)


def _still_there(pairs: Sequence[tuple[Check, Result]], token: str | None) -> list[tuple[Check, Result]]:
    """Lock the rows as they are now: a person may have paused or deleted a check while it ran, or its time be over."""
    ids = [check.pk for check, _ in pairs]
    rows = Check.objects.select_for_update(of=("self",)).select_related("endpoint__device").order_by("pk").in_bulk(ids)
    kept = []
    for check, result in pairs:
        row = rows.get(check.pk)
        if row is not None and row.status != Check.Status.PAUSED and token in (None, row.claim_token):
            kept.append((row, result))
    return kept


SeriesKey = tuple[str, int | None, str]


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _own_labels(check: Check) -> str:
    """Of the series that notes a failed run; of a device's ports each has its own."""
    if MODULE_SETS.get(check.module) != metrics.TCP.key:
        return ""
    return _labels(tcp_port.labels(check.module, check.endpoint.port))


def _wanted(check: Check, result: Result, interfaces: dict[str, Interface]) -> list[SeriesKey]:
    if result.collected is None:
        key = MODULE_SETS.get(check.module)
        return [(key, None, _own_labels(check))] if key else []
    keys: list[SeriesKey] = []
    for reading in result.collected.readings:
        interface = interfaces.get(reading.interface) if reading.interface else None
        keys.append((reading.set, interface.pk if interface else None, _labels(reading.labels)))
    return keys


def _series_for(
    pairs: Sequence[tuple[Check, Result]], interfaces: dict[int, dict[str, Interface]]
) -> tuple[dict[int, list[Series]], dict[int, list[Series]]]:
    """The series of each check's readings, in their order; missing ones are made. And by device, those there were."""
    devices = {check.endpoint.device_id for check, _ in pairs}
    sets = {MODULE_SETS.get(check.module, "") for check, _ in pairs} | {
        reading.set for _, result in pairs if result.collected for reading in result.collected.readings
    }
    sets |= {name for _, result in pairs if result.collected for name in result.collected.whole_sets}
    known: dict[tuple[int, SeriesKey], Series] = {}
    there: dict[int, list[Series]] = {pk: [] for pk in devices}
    for row in Series.objects.filter(device_id__in=devices, metric_set__in=sets):
        known[row.device_id, (row.metric_set, row.interface_id, row.labels)] = row
        there[row.device_id].append(row)
    wanted = {check.pk: _wanted(check, result, interfaces.get(check.pk, {})) for check, result in pairs}
    missing: dict[tuple[int, SeriesKey], Series] = {}
    for check, _ in pairs:
        for key in wanted[check.pk]:
            if (check.endpoint.device_id, key) not in known:
                missing[check.endpoint.device_id, key] = Series(
                    device_id=check.endpoint.device_id,
                    metric_set=key[0],
                    interface_id=key[1],
                    labels=key[2],
                    period_seconds=check.interval_seconds,
                )
    Series.objects.bulk_create(missing.values(), batch_size=200)
    known |= missing
    stale = [
        known[check.endpoint.device_id, key]
        for check, _ in pairs
        for key in wanted[check.pk]
        if known[check.endpoint.device_id, key].period_seconds != check.interval_seconds
    ]
    for check, _ in pairs:
        for key in wanted[check.pk]:
            known[check.endpoint.device_id, key].period_seconds = check.interval_seconds
    if stale:
        Series.objects.bulk_update(stale, ["period_seconds"], batch_size=200)
    return {check.pk: [known[check.endpoint.device_id, key] for key in wanted[check.pk]] for check, _ in pairs}, there


def _clock() -> str:
    """This machine and its boot: monotonic times compare only within one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"{socket.gethostname()[:40]}:{boot[:13]}"


CLOCK = _clock()


def _add_success(
    batch: Batch,
    check: Check,
    result: Result,
    collected: Collected,
    series: list[Series],
    interfaces: Mapping[str, Interface],
) -> None:
    at = datetime.fromtimestamp(collected.collected_at, UTC)
    _touch(check, result, at)
    module = modules.get(check.module)
    states.note_run(check, good=True, at=at)
    check.last_error_code = check.last_error_detail = ""
    check.last_response_ms = collected.response_ms
    slot = _slot(check, collected.collected_at)
    for reading, row in zip(collected.readings, series, strict=True):
        computed = rates.rates_for(
            _row_state(row),
            reading,
            at=collected.collected_at,
            interval_seconds=check.interval_seconds,
            monotonic_at=collected.monotonic_at,
            clock=CLOCK,
        )
        values = dict(computed.values)
        if row.metric_set in MODULE_SETS.values():
            values["up"] = 1.0
        ordered = _ordered(row.metric_set, values)
        # A first pair, a restart or a second poll within the slot must not wipe what the slot holds.
        if any(value is not None for value in ordered):
            batch.samples.append(SampleWrite(row.pk, slot, ordered))
        packed = orjson.dumps(computed.state.to_json()) if reading.counters else None
        batch.current.append(CurrentWrite(row.pk, collected.collected_at, ordered, packed))
        interface = interfaces.get(reading.interface) if reading.interface else None
        batch.seen.append(observing.Seen(check, row, ordered, interface, _oper_status(row)))
    if module.is_availability:
        device_id = check.endpoint.device_id
        batch.polled[device_id] = max(at, batch.polled.get(device_id, at))
        batch.updates[device_id].update(figures.of_run(check, collected, at))
    if module.store:
        batch.stores.append((module, check, collected))
    else:
        _add_facts(batch, check, collected)
    batch.checks.append(check)


def _oper_status(row: Series) -> float | None:
    """The interface's status at the last look, from the row as it was before this one."""
    return getattr(row, f"v{OPER_STATUS}") if row.metric_set == metrics.IF_COUNTERS.key else None


def _add_facts(batch: Batch, check: Check, collected: Collected) -> None:
    at = datetime.fromtimestamp(collected.collected_at, UTC)
    for kind, data in collected.facts.items():
        if kind not in NOT_FACTS:
            text = collected.raw.get(kind)
            raw = zlib.compress(text.encode(errors="replace")[:MAX_RAW], 6) if text else None
            batch.facts.append((check.endpoint.device_id, kind, data, at, raw))


def _add_uses(batch: Batch, check: Check, result: Result, way: Sequence[ManagementEndpoint]) -> None:
    error = result.error
    if error is None or isinstance(error, DriverError):  # of a fault of ours nothing is known
        batch.sent[check.pk] = uses.of_way(way, error, timezone.now())


def _add_failure(batch: Batch, check: Check, result: Result, series: list[Series]) -> None:
    now = timezone.now()
    _touch(check, result, now)
    error = result.error
    if isinstance(error, LocalFault):
        # This machine could not ask: that is no verdict about the device.
        check.last_error_code, detail = error.code, error.detail
    elif isinstance(error, (DriverError, NetmonError)):
        check.last_error_code, detail = error.code, error.detail
        states.note_run(check, good=False, at=now, is_final=_is_final(check, error))
    else:
        # A fault of ours says nothing about the device.
        check.last_error_code, detail = "internal", f"{type(error).__name__}: a fault in netmon; see the log."
        check.next_run_at = now + BUG_PAUSE
    is_verdict = isinstance(error, DriverError) and not isinstance(error, LocalFault)
    check.last_error_detail = detail.replace("\x00", "")[:500]
    check.last_response_ms = None
    for row in series:
        if is_verdict:
            slot = _slot(check, now.timestamp())
            ordered = _ordered(row.metric_set, {"up": 0.0})
            batch.samples.append(SampleWrite(row.pk, slot, ordered))
            batch.current.append(CurrentWrite(row.pk, now.timestamp(), ordered, None))
    module = modules.MODULES.get(check.module)
    if is_verdict and module and module.is_availability:
        device_id = check.endpoint.device_id
        batch.polled[device_id] = max(now, batch.polled.get(device_id, now))
        if check.module == "icmp":
            batch.updates[device_id].update(loss_percent=100.0, response_time_ms=None)
    batch.checks.append(check)


def _is_final(check: Check, error: Exception | None) -> bool:
    """Whether one run says it all: asking again with the same password would only lock the account."""
    module = modules.MODULES.get(check.module)
    return bool(module and module.guards_login and isinstance(error, (AuthenticationFailed, UntrustedPeer)))


def _slot(check: Check, at: float) -> int:
    """The slot of a run that ended at `at`: that of its due time, the last one before.

    The moment itself will not do: a device that is due just before the border of two slots would fall now into the
    one, now into the other, and leave gaps although it answered every time.
    """
    interval = check.interval_seconds
    due = check.next_run_at.timestamp() - interval
    moment = due if 0 <= at - due < interval else at
    return int(moment // interval) * interval


def _touch(check: Check, result: Result, at: datetime) -> None:
    check.last_run_at = at
    check.last_duration_ms = result.duration_ms
    check.claimed_until, check.claim_token = None, ""


def _row_state(row: Series) -> rates.RowState | None:
    if not row.counters:
        return None
    try:
        return rates.RowState.from_json(orjson.loads(bytes(row.counters)))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        log.warning("series %s had an unreadable counter base; it starts anew", row.pk)
        return None


def _ordered(metric_set: str, values: dict[str, float | None]) -> list[float | None]:
    return [_finite(values.get(column.name)) for column in metrics.get(metric_set).columns]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


CHECK_COLUMNS = (
    "status", "status_since", "claimed_until", "claim_token", "last_run_at", "last_success_at", "failing_since",
    "answering_since", "consecutive_failures", "consecutive_successes", "recent", "last_error_code",
    "last_error_detail", "last_duration_ms", "last_response_ms", "memory",
)  # fmt: skip


def _write_rows(batch: Batch) -> None:
    """Everything in the main database that follows from the batch; in the caller's transaction.

    Locks are taken in one order everywhere, states before checks before series, each by number: shards of the same
    devices run side by side, and a delete may come in between.
    """
    ids = [check.pk for check in batch.checks]
    list(states.lock({check.endpoint.device_id for check in batch.checks}))
    unpaused = Check.objects.select_for_update().filter(pk__in=ids).exclude(status=Check.Status.PAUSED).order_by("pk")
    ours = unpaused if batch.token is None else unpaused.filter(claim_token=batch.token)
    alive = set(ours.values_list("pk", flat=True))
    checks = [check for check in batch.checks if check.pk in alive]
    update_current(batch.current)
    for ids, at in batch.lapsed:
        lapse(ids, at)
    for module, check, collected in batch.stores:
        if check.pk in alive and module.store:
            module.store(check, collected)  # which may complete the facts
            _add_facts(batch, check, collected)
    Check.objects.bulk_update(checks, CHECK_COLUMNS, batch_size=100)
    devices = {check.endpoint.device_id for check in checks}
    _write_facts(batch, devices)
    figures.write(batch.updates, devices, timezone.now())
    now = timezone.now()
    woken = states.evaluate(devices, now, polled={d: at for d, at in batch.polled.items() if d in devices})
    _plan_next(checks, now)
    _wake(woken, {check.pk for check in checks}, now)
    observing.observe_poll(batch.seen, checks, now)
    uses.note([use for pk, sent in batch.sent.items() if pk in alive for use in sent], is_asked=batch.is_asked)


def _write_facts(batch: Batch, devices: set[int]) -> None:
    """The last of each kind, all in one statement: a host has a dozen every minute."""
    latest = {
        (device_id, kind): DeviceFact(device_id=device_id, kind=kind, data=data, collected_at=at, raw=raw)
        for device_id, kind, data, at, raw in batch.facts
        if device_id in devices
    }
    # In one order everywhere: shards of the same devices run side by side.
    DeviceFact.objects.bulk_create(
        [latest[key] for key in sorted(latest)],
        batch_size=100,
        update_conflicts=True,
        unique_fields=["device", "kind"],
        update_fields=["data", "collected_at", "raw"],
    )


def _plan_next(checks: Sequence[Check], now: datetime) -> None:
    by_time: dict[tuple[float, bool], list[int]] = defaultdict(list)
    for check in checks:
        if check.last_error_code == "internal":
            Check.objects.filter(pk=check.pk).update(next_run_at=now + BUG_PAUSE)
        elif (wait := states.next_wait(check)) is not None:
            by_time[wait, wait < check.interval_seconds].append(check.pk)
    for (wait, is_sooner), pks in by_time.items():
        at = now + timedelta(seconds=wait)
        # Sooner must not push back a slot that comes first anyway; later must not pull one forward.
        due = {"next_run_at__gt": at} if is_sooner else {"next_run_at__lt": at}
        Check.objects.filter(pk__in=pks, **due).update(next_run_at=at)


def _wake(device_ids: Sequence[int], ours: set[int], now: datetime) -> None:
    """Back again: what waited for the device runs now, except what is under way."""
    if not device_ids:
        return
    Check.objects.filter(endpoint__device_id__in=device_ids, next_run_at__gt=now).exclude(
        status=Check.Status.PAUSED
    ).exclude(pk__in=ours).exclude(claimed_until__gt=now).update(next_run_at=now)
