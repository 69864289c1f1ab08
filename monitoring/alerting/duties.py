"""What falls due with time alone: steps, reminders, silences that end, and alerts whose reason is gone."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import CharField, F, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from inventory.models import Device
from monitoring import metrics
from monitoring.alerting import deciding, engine, rulebook, silences, situation
from monitoring.alerting.deciding import Ledger
from monitoring.alerting.rulebook import Place
from monitoring.models.alerts import Alert, AlertEvent
from monitoring.models.checks import Check
from monitoring.models.delivery import Channel, Notification
from monitoring.models.samples import Series
from monitoring.notifying import outbox, planning
from monitoring.notifying.directory import Directory
from monitoring.services import states
from netmon.common.queue import DELIVER_MESSAGES, send_after_commit

BATCH = 500
# Reminders of one alert over one way in a row, however long nobody cares.
MOST_REMINDERS = 100
UNMEASURED = timedelta(hours=1)


def perform(now: datetime | None = None) -> None:
    """All of it; every few seconds."""
    now = now or timezone.now()
    covered = set(situation.covered(now, situation.load_graph())) if _has_due(now) else set()
    for duty in (escalate, remind):
        duty(now, covered)
    tell_after_silence(now)


def _has_due(now: datetime) -> bool:
    return Alert.objects.told().filter(Q(escalate_at__lte=now) | Q(remind_at__lte=now)).exists()


def _due(column: str, now: datetime) -> list[Alert]:
    rows = Alert.objects.told().filter(acknowledged_at__isnull=True, **{f"{column}__lte": now})
    return list(rows.select_for_update(skip_locked=True, of=("self",)).order_by(column, "pk")[:BATCH])


def _places(alerts: Iterable[Alert]) -> dict[int, Place]:
    return rulebook.places_of({alert.device_id for alert in alerts if alert.device_id}, with_tags=True)


@transaction.atomic
def escalate(now: datetime, covered: set[int]) -> int:
    """Tell the next step of alerts that nobody acknowledged in time."""
    alerts = _due("escalate_at", now)
    if not alerts:
        return 0
    directory, book, shut = Directory.load(), rulebook.load(), silences.Shut.load(now)
    places = _places(alerts)
    ledger, rows = Ledger(now), []
    for alert in alerts:
        place = planning.place_of(alert, places)
        if shut.holds(alert, place) or alert.device_id in covered:
            alert.escalate_at = now + timedelta(minutes=1)
            ledger.changed[alert.pk] = alert
            continue
        rule = book.by_id.get(alert.rule_id or 0)
        policy = directory.policy_for(rule.policy_id if rule else None, place)
        number = alert.escalation_step + 1
        if number >= len(policy.steps):
            alert.escalate_at = None
            ledger.changed[alert.pk] = alert
            continue
        reached = directory.recipients(policy, number, alert.severity, place)
        names = ", ".join(sorted({to.contact.name for to in reached})) or "nobody"
        event = ledger.note(alert, AlertEvent.Kind.ESCALATED, f"Step {number + 1}: {names}.")
        rows += [planning.row_for(alert, "escalation", event.seq, to, now=now, at=now) for to in reached]
        alert.is_told = alert.is_told or bool(reached)
        alert.escalation_step = number
        alert.escalate_at = planning.next_step_at(policy, number, now)
    engine.write(ledger)
    _send(rows)
    return len(rows)


@transaction.atomic
def remind(now: datetime, covered: set[int]) -> int:
    """Tell those again who were told long ago, while nobody acknowledges."""
    alerts = _due("remind_at", now)
    if not alerts:
        return 0
    directory, shut = Directory.load(), silences.Shut.load(now)
    places = _places(alerts)
    past: dict[int, list[Notification]] = {}
    for row in Notification.objects.filter(alert__in=alerts, kind__in=planning.TELLS_OF_FIRING).order_by("pk"):
        if row.alert_id is not None:
            past.setdefault(row.alert_id, []).append(row)
    rows: list[Notification] = []
    ledger = Ledger(now)
    for alert in alerts:
        ledger.changed[alert.pk] = alert
        place = planning.place_of(alert, places)
        if shut.holds(alert, place) or alert.device_id in covered:
            alert.remind_at = now + timedelta(minutes=1)
            continue
        due = list(_reminders(alert, directory, past.get(alert.pk, []), now))
        mine = [row for row, _ in due if row is not None]
        if mine:
            event = ledger.note(alert, AlertEvent.Kind.REMINDED, f"{len(mine)} reminded.")
            for row in mine:
                row.alert_version, row.seq = alert.version, event.seq
        rows += mine
        alert.remind_at = min((at for _, at in due), default=None)
    engine.write(ledger)
    _send(rows)
    return len(rows)


def _reminders(
    alert: Alert, directory: Directory, past: list[Notification], now: datetime
) -> Iterable[tuple[Notification | None, datetime]]:
    """Of each destination that was told: the reminder that is due now, if it is, and when the next one will be."""
    for key, told in planning.by_destination(past).items():
        to = planning.destination(directory, key)
        sent = [row.sent_at for row in told if row.sent_at is not None]
        if to is None or not sent or not planning.reminds(to, alert.severity):
            continue
        every = timedelta(seconds=to.contact.repeat_seconds)
        number = sum(row.kind == Notification.Kind.REMINDER and "only" not in row.data for row in told) + 1
        # A message that only some addresses of the contact still wait for holds up nobody's reminder.
        open_ones = (*Notification.OPEN, Notification.Status.LEASED)
        waits = any(row.status in open_ones and "only" not in row.data for row in told)
        if number > MOST_REMINDERS:
            continue
        if not waits and max(sent) + every <= now:
            at = now
            yield planning.row_for(alert, "reminder", alert.seq + 1, to, now=now, at=at, repeat_no=number), now + every
        else:
            yield None, max(max(sent) + every, now + timedelta(seconds=30))


def _send(rows: list[Notification]) -> None:
    if rows:
        Notification.objects.bulk_create(rows, batch_size=200, ignore_conflicts=True)
        send_after_commit(DELIVER_MESSAGES)


@transaction.atomic
def tell_after_silence(now: datetime) -> int:
    """Alerts that began to fire in silence, and still do when it ends, are told then."""
    silenced = Alert.objects.told().filter(
        is_told=False, fired_at__isnull=False, acknowledged_at__isnull=True, data__has_key=planning.SILENT
    )
    # Silences are also ended early, deleted, or made longer: they say how long they last, not the alert.
    seen = list(silenced.only("pk", "fingerprint", "rule_id", "device_id", "tenant_id"))
    if not seen:
        return 0
    shut, places = silences.Shut.load(now), _places(seen)
    over = [alert.pk for alert in seen if not shut.holds(alert, planning.place_of(alert, places))][:BATCH]
    rows = list(silenced.filter(pk__in=over).select_for_update(skip_locked=True, of=("self",)).order_by("pk"))
    ledger = Ledger(now)
    for alert in rows:
        alert.silenced_until = None
        ledger.note(alert, AlertEvent.Kind.UNSILENCED, "The silence is over.", tell="firing")
    Alert.objects.filter(pk__in=[alert.pk for alert in rows]).update(silenced_until=None)
    engine.write(ledger)
    return len(rows)


def retire(now: datetime | None = None) -> int:
    """Resolve alerts whose object is no longer watched: nobody would ever say that it is good again."""
    now = now or timezone.now()
    watched = Check.objects.exclude(status=Check.Status.PAUSED).filter(endpoint__is_enabled=True)
    left: list[tuple[Q, str]] = [
        (Q(device__isnull=False) & ~Q(device__status=Device.Status.ACTIVE), "The device is not in service any more."),
        (Q(interface__gone_since__isnull=False), "The device no longer reports this interface."),
        (
            Q(source="check.down") & ~Q(pk__in=_with_check(watched)),
            "The check was paused or deleted.",
        ),
        (
            Q(source="device.down") & ~Q(device__in=watched.values("endpoint__device")),
            "The device is no longer watched.",
        ),
        (Q(pk__in=_with_good_channel()), "The channel was deleted or switched off, or delivers again."),
    ]
    total = sum(_retire(condition, text, now) for condition, text in left)
    total += _retire_unmeasured(now)
    _retire_ruleless(now)
    return total


@transaction.atomic
def _retire(condition: Q, text: str, now: datetime) -> int:
    left = Alert.objects.open().filter(condition).order_by("pk")
    # States before alerts, as polls take them.
    devices = left.filter(source="device.down", device__isnull=False).values_list("device_id", flat=True)[:BATCH]
    list(states.lock(pk for pk in devices if pk is not None))
    rows = list(left.select_for_update(skip_locked=True, of=("self",))[:BATCH])
    ledger = Ledger(now)
    for alert in rows:
        if alert.seq == 0:
            ledger.dropped.append(alert)
        else:
            deciding.resolve(ledger, alert, text)
    engine.write(ledger)
    return len(rows)


def _with_good_channel() -> list[int]:
    """Open alerts of channels that are gone, switched off, or deliver again."""
    failing = Channel.objects.filter(is_enabled=True, dead_in_a_row__gt=0).values_list("pk", flat=True)
    bad = [outbox.subject_of(pk) for pk in failing]
    rows = Alert.objects.open().filter(source=outbox.FAILING).exclude(subject__in=bad)
    return list(rows.values_list("pk", flat=True))


@transaction.atomic
def _retire_unmeasured(now: datetime) -> int:
    """Alerts on values that are no longer measured though the device answers: a disk unmounted, a peer removed."""
    rows = Alert.objects.open().filter(
        source="metric", last_seen_at__lt=now - UNMEASURED, device__state__state__in=["up", "degraded"]
    )
    rows = rows.select_related("rule").select_for_update(skip_locked=True, of=("self",)).order_by("pk")
    ledger = Ledger(now)
    for alert in rows[:BATCH]:
        if alert.rule is None or _is_measured(alert, alert.rule.metric, now):
            continue
        if alert.seq == 0:
            ledger.dropped.append(alert)
        else:
            deciding.resolve(ledger, alert, "This is not measured any more.")
    engine.write(ledger)
    return len(ledger.dropped) + len(ledger.changed)


def _is_measured(alert: Alert, metric: str, now: datetime) -> bool:
    """Whether the value still comes, if only seldom."""
    name, _, column = metric.rpartition(".")
    series = Series.objects.filter(device=alert.device_id, metric_set=name)
    series = (
        series.filter(interface=alert.interface_id)
        if alert.interface_id is not None
        else series.filter(interface__isnull=True, labels=alert.subject)
    )
    row = series.first()
    if row is None or row.last_at is None or row.last_at < now - 10 * timedelta(seconds=row.period_seconds):
        return False
    known = metrics.get(name).names
    return column not in known or getattr(row, f"v{known.index(column)}") is not None


def _with_check(watched: QuerySet[Check]) -> list[int]:
    """Open alerts of checks that are still watched."""
    rows = Alert.objects.open().filter(source="check.down", device__isnull=False)
    name = F("device__endpoints__checks__module")
    at_port = Concat(name, Value(" "), Cast(F("device__endpoints__port"), CharField()))
    joined = rows.filter(
        Q(device__endpoints__checks__module=F("subject")) | Q(subject=at_port), device__endpoints__checks__in=watched
    ).values_list("pk", flat=True)
    return list(joined.distinct())


def _retire_ruleless(now: datetime) -> None:
    """Alerts whose rule is gone or off have no due time of their own: let the engine end them."""
    open_ones = Alert.objects.open().exclude(source="manual").filter(Q(due_at__isnull=True) | Q(due_at__gt=now))
    open_ones.filter(Q(rule__isnull=True) | Q(rule__is_enabled=False)).update(due_at=now)
