"""Schedules live in the database (django-celery-beat); the code only seeds what is missing.

An operator's interval or switch-off is kept across releases; a task that was renamed in code is corrected.
"""

from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections


@dataclass(frozen=True, slots=True)
class Schedule:
    name: str
    task: str
    every_seconds: int
    description: str


SCHEDULES: dict[str, Schedule] = {}


def register(name: str, task: str, *, every_seconds: int, description: str) -> None:
    """Declare a periodic task. Raises ValueError when the name has an owner already."""
    if name in SCHEDULES:
        raise ValueError(f"schedule {name!r} is registered twice")
    SCHEDULES[name] = Schedule(name, task, every_seconds, description)


def seed(using: str = DEFAULT_DB_ALIAS, **kwargs: Any) -> None:
    """Create the rows that are missing. Quiet while the scheduler's tables are not there yet (a partial migrate)."""
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    if using != DEFAULT_DB_ALIAS:
        return
    tables = connections[using].introspection.table_names()
    if PeriodicTask._meta.db_table not in tables or IntervalSchedule._meta.db_table not in tables:
        return
    for schedule in SCHEDULES.values():
        row = PeriodicTask.objects.filter(name=schedule.name).first()
        if row is None:
            interval, _ = IntervalSchedule.objects.get_or_create(
                every=schedule.every_seconds, period=IntervalSchedule.SECONDS
            )
            PeriodicTask.objects.create(
                name=schedule.name,
                task=schedule.task,
                interval=interval,
                # Ticks missed in an outage must not be replayed one by one.
                expire_seconds=schedule.every_seconds,
                description=schedule.description,
            )
        elif row.task != schedule.task:
            row.task = schedule.task
            row.save()
