"""When work is planned: recurrence, wall time, and what cannot be meant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from monitoring.alerting import windows
from monitoring.models import MaintenanceWindow


def window(start: str, end: str, **over: Any) -> MaintenanceWindow:
    moments = {"starts_at": datetime.fromisoformat(start), "ends_at": datetime.fromisoformat(end)}
    return MaintenanceWindow(**{"name": "work", **moments, **over})


def starts(row: MaintenanceWindow, since: str, count: int) -> list[str]:
    found = windows.occurrences(row, datetime.fromisoformat(since))
    return [one.starts_at.strftime("%Y-%m-%d %H:%M") for one, _ in zip(found, range(count), strict=False)]


def test_once_is_once() -> None:
    row = window("2026-03-01T02:00Z", "2026-03-01T04:00Z")
    assert windows.present(row, datetime(2026, 3, 1, 3, tzinfo=UTC))
    assert windows.present(row, datetime(2026, 3, 1, 4, tzinfo=UTC)) is None
    assert starts(row, "2026-03-02T00:00Z", 3) == []


def test_every_week_on_some_days() -> None:
    row = window("2026-03-02T02:00Z", "2026-03-02T03:00Z", recurrence="weekly", weekdays="1,3")
    assert starts(row, "2026-03-02T00:00Z", 4) == [
        "2026-03-02 02:00", "2026-03-04 02:00", "2026-03-09 02:00", "2026-03-11 02:00",
    ]  # fmt: skip


def test_wall_time_stays_when_the_clock_changes() -> None:
    """02:30 in Berlin is 01:30 UTC in winter, 00:30 in summer; on the night of the change it does not exist."""
    row = window("2026-03-27T01:30Z", "2026-03-27T02:30Z", recurrence="daily", time_zone="Europe/Berlin")
    assert starts(row, "2026-03-27T00:00Z", 4) == [
        "2026-03-27 01:30", "2026-03-28 01:30", "2026-03-29 01:30", "2026-03-30 00:30",
    ]  # fmt: skip


def test_the_31st_of_a_short_month_is_its_last_day() -> None:
    row = window("2026-01-31T02:00Z", "2026-01-31T03:00Z", recurrence="monthly")
    assert starts(row, "2026-01-30T00:00Z", 4) == [
        "2026-01-31 02:00", "2026-02-28 02:00", "2026-03-31 02:00", "2026-04-30 02:00",
    ]  # fmt: skip


def test_years_later_it_still_comes() -> None:
    row = window("2016-03-01T02:00Z", "2016-03-01T03:00Z", recurrence="daily")
    assert starts(row, "2026-03-01T02:30Z", 2) == ["2026-03-01 02:00", "2026-03-02 02:00"]


def test_until_ends_it() -> None:
    row = window(
        "2026-03-01T02:00Z", "2026-03-01T03:00Z", recurrence="daily", until=datetime(2026, 3, 2, 12, tzinfo=UTC)
    )
    assert starts(row, "2026-03-01T00:00Z", 5) == ["2026-03-01 02:00", "2026-03-02 02:00"]


def test_one_that_crosses_midnight_is_open_after_it() -> None:
    row = window("2026-03-01T23:00Z", "2026-03-02T01:00Z", recurrence="daily")
    assert windows.present(row, datetime(2026, 3, 9, 0, 30, tzinfo=UTC))
    assert windows.present(row, datetime(2026, 3, 9, 1, 30, tzinfo=UTC)) is None


def test_ended_early_ends_this_occurrence_only() -> None:
    row = window("2026-03-01T02:00Z", "2026-03-01T04:00Z", recurrence="daily")
    row.ended_at = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
    assert windows.present(row, datetime(2026, 3, 1, 3, tzinfo=UTC)) is None
    assert windows.present(row, datetime(2026, 3, 2, 3, tzinfo=UTC))


def test_upcoming_windows_are_in_order() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        window("2026-03-01T05:00Z", "2026-03-01T06:00Z", recurrence="daily", name="b"),
        window("2026-03-02T01:00Z", "2026-03-02T02:00Z", name="a"),
    ]
    found = windows.upcoming(rows, now, now + timedelta(days=2))
    assert [(one.starts_at.day, row.name) for one, row in found] == [(1, "b"), (2, "a"), (2, "b")]


def test_upcoming_leaves_none_out_however_many() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    row = window("2026-03-01T05:00Z", "2026-03-01T06:00Z", recurrence="daily")
    assert len(windows.upcoming([row], now, now + timedelta(days=366))) == 366


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"end": "2026-03-01T01:00Z"}, "ends_at"),
        ({"end": "2026-05-01T01:00Z"}, "ends_at"),
        ({"recurrence": "daily", "end": "2026-03-02T03:00Z"}, "ends_at"),
        ({"recurrence": "weekly", "weekdays": "1,8"}, "weekdays"),
        ({"recurrence": "weekly", "weekdays": "mon"}, "weekdays"),
        ({"recurrence": "daily", "weekdays": "1"}, "weekdays"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(over: dict[str, Any], field: str) -> None:
    end = over.pop("end", "2026-03-01T03:00Z")
    with pytest.raises(ValidationError) as refused:
        window("2026-03-01T02:00Z", end, **over).clean()
    assert field in refused.value.message_dict
