"""The daily summary: once per contact and date, at an hour of the contact's own time zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from inventory.models import Device
from monitoring import availability
from monitoring.alerting import wording
from monitoring.models.alerts import Alert
from monitoring.models.delivery import Contact, Notification
from monitoring.models.rules import Severity
from monitoring.notifying import composing
from monitoring.notifying.directory import Directory
from netmon.common.queue import DELIVER_MESSAGES, send_after_commit

MOST = 20
# A summary that is later than this says nothing worth reading any more: the next one comes.
LATEST = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened in a day, for one contact."""

    since: datetime
    until: datetime
    is_news: bool
    title: str
    body: str


def send_due(now: datetime | None = None) -> int:
    """Plan the summaries whose hour has come. Returns how many rows are new; a date is never told twice."""
    now = now or timezone.now()
    planned = 0
    directory = Directory.load()
    for contact in directory.contacts.values():
        if contact.summary_hour is None or not directory.channels[contact.pk]:
            continue
        due = _due_at(contact, now)
        if not due <= now < due + LATEST:
            continue
        planned += _plan(contact, directory, due.astimezone(ZoneInfo(contact.time_zone)).date(), due, now)
    return planned


def _due_at(contact: Contact, now: datetime) -> datetime:
    """The last moment at which this contact's summary fell due."""
    zone = ZoneInfo(contact.time_zone)
    local = now.astimezone(zone)
    today = datetime(local.year, local.month, local.day, contact.summary_hour or 0, tzinfo=zone)
    if today <= now:
        return today
    yesterday = local.date() - timedelta(days=1)
    return datetime(yesterday.year, yesterday.month, yesterday.day, contact.summary_hour or 0, tzinfo=zone)


@transaction.atomic
def _plan(contact: Contact, directory: Directory, day: date, due: datetime, now: datetime) -> int:
    keys = {
        channel.pk: composing.key_of("summary", contact.pk, channel.pk, day.isoformat())
        for channel in directory.channels[contact.pk]
    }
    known = set(Notification.objects.filter(dedupe_key__in=keys.values()).values_list("dedupe_key", flat=True))
    if known >= set(keys.values()):
        return 0
    found = summarise(contact, directory, due - timedelta(days=1), due)
    if contact.summary_only_news and not found.is_news:
        return 0
    rows = [
        Notification(
            kind=Notification.Kind.SUMMARY,
            contact=contact,
            channel=channel,
            to=f"{contact.name} by {channel.name}"[:250],
            dedupe_key=keys[channel.pk],
            severity=Severity.INFO,
            severity_rank=0,
            created_at=now,
            next_at=now,
            data={"title": found.title, "body": found.body},
        )
        for channel in directory.channels[contact.pk]
        if keys[channel.pk] not in known
    ]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    send_after_commit(DELIVER_MESSAGES)
    return len(rows)


def summarise(contact: Contact, directory: Directory, since: datetime, until: datetime) -> Summary:
    """What this contact may want to know of the time between the two."""
    from monitoring.alerting import rulebook  # the places of many devices at once

    alerts = list(
        Alert.objects.filter(started_at__lt=until, fired_at__isnull=False).exclude(resolved_at__lt=since)
        .select_related("device").order_by("-started_at")[:5000]
    )  # fmt: skip
    devices = list(Device.objects.filter(status=Device.Status.ACTIVE).values_list("pk", flat=True))
    places = rulebook.places_of({*devices, *(a.device_id for a in alerts if a.device_id)}, with_tags=True)

    def wanted(alert: Alert) -> bool:
        place = places.get(alert.device_id or 0, rulebook.Place(None, alert.tenant_id))
        return directory.wants(contact, Severity(alert.severity).rank, place)

    mine = [alert for alert in alerts if wanted(alert)]
    still = [alert for alert in mine if alert.resolved_at is None or alert.resolved_at >= until]
    new = [alert for alert in mine if alert.fired_at is not None and since <= alert.fired_at < until]
    over = [alert for alert in mine if alert.resolved_at is not None and since <= alert.resolved_at < until]
    flapping = [alert for alert in still if alert.state == Alert.State.FLAPPING]
    is_news = bool(new or over or still)
    # Without news it is asked again every few minutes, for hours: then only alerts are looked at.
    wants = [pk for pk in devices if directory.wants(contact, Severity.CRITICAL.rank, places[pk])]
    worst = _worst(wants, since, until) if is_news or not contact.summary_only_news else []
    zone = ZoneInfo(contact.time_zone)
    lines = [
        f"{since.astimezone(zone):%Y-%m-%d %H:%M} to {until.astimezone(zone):%Y-%m-%d %H:%M} {contact.time_zone}",
        "",
        f"Open: {len(still)}. New: {len(new)}. Resolved: {len(over)}. Flapping: {len(flapping)}.",
    ]
    lines += _section("Open", still, until)
    ended = {alert.pk for alert in over}
    lines += _section("New and over", [alert for alert in new if alert.pk in ended], until)
    lines += _section("Flapping", flapping, until)
    if worst:
        lines += ["", "Lowest availability"]
        lines += [f"  {name}: {percent:.2f} %" for name, percent in worst]
    title = f"netmon: {len(still)} open, {len(new)} new, {len(over)} resolved"
    return Summary(since, until, is_news, title, "\n".join(lines))


def _section(title: str, alerts: Iterable[Alert], until: datetime) -> list[str]:
    rows = sorted(alerts, key=lambda alert: (-Severity(alert.severity).rank, alert.started_at))
    if not rows:
        return []
    lines = ["", title]
    for alert in rows[:MOST]:
        where = f"{wording.clean(alert.device.name, 100)}: " if alert.device else ""
        lasted = wording.between(alert.started_at, alert.resolved_at or until)
        lines.append(f"  [{alert.severity}] {where}{alert.summary} ({lasted})")
    if len(rows) > MOST:
        lines.append(f"  and {len(rows) - MOST} more")
    return lines


def _worst(device_ids: list[int], since: datetime, until: datetime) -> list[tuple[str, float]]:
    """The devices that were up for the least of the time, if any was down at all."""
    measured = availability.window(device_ids, since, until)
    below = [(one.percent, pk) for pk, one in measured.items() if one.percent is not None and one.percent < 99.995]
    names = dict(Device.objects.filter(pk__in=[pk for _, pk in sorted(below)[:5]]).values_list("pk", "name"))
    return [(wording.clean(names[pk], 100), percent) for percent, pk in sorted(below)[:5]]
