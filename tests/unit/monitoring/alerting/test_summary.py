"""The daily summary: at an hour of the contact's own zone, once a date, with news in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.models import Alert, Notification, Outage
from monitoring.models.checks import DeviceState
from monitoring.notifying import summary
from tests import factories as make
from tests.fleet import make_channel, make_contact

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def make_alert(**over: Any) -> Alert:
    n = Alert.objects.count()
    values = {
        "source": "manual", "fingerprint": f"{n:064}", "summary": f"fault {n}", "severity": "high", "state": "firing",
        "started_at": NOON - timedelta(hours=15), "fired_at": NOON - timedelta(hours=15), **over,
    }  # fmt: skip
    return Alert.objects.create(**values)


def sent() -> list[str]:
    rows = Notification.objects.filter(kind="summary").order_by("created_at", "pk")
    return [f"{row.created_at:%d %H:%M} {row.contact.name}" for row in rows if row.contact]


def run(start: datetime, hours: int) -> None:
    for n in range(hours * 4):
        summary.send_due(start + timedelta(minutes=15 * n))


def test_midnight_is_that_of_the_contacts_zone() -> None:
    make_alert()
    make_contact(name="Paris", time_zone="Europe/Paris", summary_hour=0)
    make_contact(name="Tokyo", time_zone="Asia/Tokyo", summary_hour=7)
    make_contact(name="nobody")
    run(NOON, 20)
    # At noon UTC Paris is twelve hours late for its midnight of the 10th: that day's is not sent any more.
    assert [text for text in sent() if "Paris" in text] == ["10 23:00 Paris"]
    # 07:00 in Tokyo is 22:00 UTC the day before.
    assert [text for text in sent() if "Tokyo" in text] == ["10 22:00 Tokyo"]


def test_a_date_is_told_once_however_often_it_is_asked() -> None:
    make_alert()
    make_contact(name="noc", summary_hour=12)
    for _ in range(5):
        summary.send_due(NOON)
    summary.send_due(NOON + timedelta(hours=6))
    assert sent() == ["10 12:00 noc"]
    summary.send_due(NOON + timedelta(days=1))
    assert len(sent()) == 2


def test_the_night_the_clocks_change_has_one_summary() -> None:
    """29 March 2026, Berlin: 02:00 to 03:00 do not exist."""
    make_alert(started_at=NOON)
    make_contact(name="noc", summary_hour=2, time_zone="Europe/Berlin")
    run(datetime(2026, 3, 28, 12, tzinfo=UTC), 36)
    dates = [text.split()[0] for text in sent()]
    assert len(dates) == len(set(dates)) and dates[-1] == "29"


def test_no_news_is_no_summary_unless_wanted() -> None:
    make_contact(name="only news", summary_hour=12)
    make_contact(name="every day", summary_hour=12, summary_only_news=False)
    summary.send_due(NOON)
    assert sent() == ["10 12:00 every day"]


def test_a_late_one_is_not_sent_when_the_day_is_over() -> None:
    make_alert()
    make_contact(name="noc", summary_hour=0)
    summary.send_due(datetime(2026, 3, 10, 14, tzinfo=UTC))
    assert sent() == []


def test_it_says_what_happened_to_whom_one_answers_for() -> None:
    site = make.make_site()
    device = make.make_device(name="core1", site=site)
    DeviceState.objects.create(
        device=device, state="up", watched_since=NOON - timedelta(days=9), last_poll_at=NOON, since=NOON
    )
    Outage.objects.create(device=device, started_at=NOON - timedelta(hours=15), ended_at=NOON - timedelta(hours=14))
    make_alert(device=device, summary="Down", state="resolved", resolved_at=NOON - timedelta(hours=14))
    make_alert(summary="elsewhere", severity="low")
    contact = make_contact(make_channel(), name="noc", summary_hour=12, min_severity="medium")
    contact.sites.add(site)
    summary.send_due(NOON)
    body = Notification.objects.get().data["body"]
    assert "core1: Down (1 h)" in body and "elsewhere" not in body
    assert "core1: 95.83 %" in body
    assert "Resolved: 1" in body
