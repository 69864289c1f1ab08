"""The engine: moves alerts whose time has come from state to state, and plans who is told, in one transaction.

Polls only note what they saw (`observing`); this alone confirms, holds back, resolves. It runs after every batch that
made something due and every few seconds besides, so that a lost message or a killed worker loses nothing. Several may
run at once: each takes rows that no other holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from monitoring import modules
from monitoring.alerting import deciding, events, excuses, flapping, rulebook, situation, sources
from monitoring.alerting.deciding import Ledger
from monitoring.alerting.situation import Situation
from monitoring.models.alerts import Alert, AlertEvent
from monitoring.models.checks import Check
from monitoring.notifying import planning
from monitoring.services import states
from netmon.common.queue import DELIVER_MESSAGES, send_after_commit
from netmon.common.rows import update_rows

BATCH = 1000
LIMIT = 50_000  # of one run: what is beyond waits for the next, seconds later
WRITTEN = (
    "state", "state_since", "severity", "detail", "fired_at", "resolved_at", "due_at", "hold_until", "is_told",
    "was_in_maintenance", "cause", "transitions", "escalation_step", "escalate_at", "remind_at", "version", "seq",
    "data", "acknowledged_at", "acknowledged_by", "comment", "summary",
)  # fmt: skip
# What was not moved on by its own decision is looked at again after this.
AGAIN = timedelta(seconds=30)


def advance(now: datetime | None = None) -> int:
    """Decide what is due. Returns how many alerts were looked at."""
    now = now or timezone.now()
    events.consume()
    seen = 0
    look: Situation | None = None
    while seen < LIMIT:
        due = list(_due(now).order_by("due_at", "pk").values_list("pk", "source", "is_bad")[:BATCH])
        if not due:
            break
        if look is None or (not look.has_paths and any(_is_path(source) for _, source, _ in due)):
            look = situation.look(now, with_paths=any(_is_path(source) for _, source, _ in due))
        moved = _advance([pk for pk, _, _ in due], look, now)
        if not moved:
            break  # others hold these rows, and will move them
        seen += moved
    if look is not None and look.has_paths:
        events.tell_blindness(look.blind, now)
    return seen


def _due(now: datetime) -> QuerySet[Alert]:
    return Alert.objects.open().filter(due_at__lte=now)


def _is_path(source: str) -> bool:
    found = sources.SOURCES.get(source)
    return bool(found and found.is_path)


@transaction.atomic
def _advance(ids: Sequence[int], look: Situation, now: datetime) -> int:
    book = rulebook.load()
    # States before alerts, as polls take them.
    devices = Alert.objects.filter(pk__in=ids, source="device.down").values_list("device_id", flat=True)
    list(states.lock(pk for pk in devices if pk is not None))
    rows = list(_due(now).filter(pk__in=ids).select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    if not rows:
        return 0
    ledger = Ledger(now, earlier=_earlier(rows, now))
    for alert in rows:
        rule = book.by_id.get(alert.rule_id or 0)
        deciding.decide(ledger, alert, rule, look)
        if alert.is_open and alert.due_at is not None and alert.due_at <= now:
            alert.due_at = now + AGAIN
    _ask(look, ledger.to_ask)
    deciding.find_causes(ledger, look)
    write(ledger)
    _look_again_behind(ledger, look)
    return len(rows)


def _look_again_behind(ledger: Ledger, look: Situation) -> None:
    """Bring forward the look at what is behind devices that are back: it had failed for their sake."""
    back = {
        alert.device_id
        for alert in ledger.changed.values()
        if alert.source == "device.down" and not alert.is_open and alert.device_id is not None
    }
    behind = look.graph.below(back) if back else set()
    if not behind:
        return
    at = ledger.now + deciding.BACK_RECHECK
    cut = Alert.objects.open().filter(state=Alert.State.UNREACHABLE, due_at__gt=at)
    if len(behind) <= situation.FEW:  # a statement holds so many parameters and no more
        cut = cut.filter(device_id__in=behind)
    ids = list(cut.select_for_update(skip_locked=True, of=("self",)).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(ids), BATCH):
        Alert.objects.filter(pk__in=ids[first : first + BATCH]).update(due_at=at)


def write(ledger: Ledger) -> None:
    """Everything that follows from the decisions: alerts, events, outages, messages. In the caller's transaction."""
    Alert.objects.filter(pk__in=[alert.pk for alert in ledger.dropped]).delete()
    update_rows(ledger.changed.values(), WRITTEN)
    AlertEvent.objects.bulk_create(ledger.events, batch_size=500)
    excuses.write(ledger.excused, ledger.now)
    if planning.plan(ledger.to_tell, ledger.now):
        send_after_commit(DELIVER_MESSAGES)


def _earlier(alerts: Iterable[Alert], now: datetime) -> Mapping[str, list[float]]:
    """By fingerprint, when the fault came and went of late; of those that may fire now."""
    prints = [alert.fingerprint for alert in alerts if alert.fired_at is None]
    since = now - flapping.WINDOW
    rows = Alert.objects.filter(fingerprint__in=prints, resolved_at__gte=since).order_by("resolved_at")
    return dict(rows.values_list("fingerprint", "transitions"))


def _ask(look: Situation, device_ids: Iterable[int]) -> None:
    """Bring forward the probes of everything above these devices: whether a parent stands is not left to poll order."""
    wanted = look.stale_ancestors(device_ids, look.now)
    if not wanted:
        return
    ways_in = [module.key for module in modules.MODULES.values() if module.is_availability]
    idle = Check.objects.filter(
        Q(claimed_until__isnull=True) | Q(claimed_until__lte=look.now),
        endpoint__device_id__in=wanted,
        module__in=ways_in,
        next_run_at__gt=look.now,
    )
    idle.exclude(status=Check.Status.PAUSED).update(next_run_at=look.now)
