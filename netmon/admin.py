"""Rows of libraries in the admin: schedules under netmon's rules, and what nobody needs to see taken out."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import admin as _registers_groups  # noqa: F401
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
    SolarSchedule,
)
from rest_framework_simplejwt.token_blacklist import admin as blacklist

from netmon.audit import services as audit
from netmon.audit.admin_mixin import AuditedAdmin
from netmon.common.badges import yes

# Nothing in netmon runs by the sun or once; rights are roles, not groups; a token in a list is a token given away.
UNUSED: tuple[Any, ...] = (
    SolarSchedule, ClockedSchedule, Group, blacklist.OutstandingToken, blacklist.BlacklistedToken,
)  # fmt: skip
for model in (*UNUSED, PeriodicTask, IntervalSchedule, CrontabSchedule):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(AuditedAdmin, beat.PeriodicTaskAdmin):
    """What beat sends, and how often. A change is taken up within five seconds."""

    # The library's own brings an inline script, which the policy of this site forbids.
    change_form_template = None
    change_list_template = None
    list_display = ["name", "state", "interval", "crontab", "last_run_at", "task"]
    list_filter = ["enabled", "task"]
    date_hierarchy = None
    autocomplete_fields = ["interval", "crontab"]
    fieldsets = (
        (None, {
            "fields": ("name", "regtask", "task", "enabled", "description"),
            "description": "netmon makes its schedules itself at each start; what you change here stays. "
            "Switched-off polling leaves every device without data.",
        }),
        ("How often", {
            "fields": ("interval", "crontab", "start_time", "last_run_at", "one_off"),
            "description": "An interval or a crontab, one of them. Other intervals are made under Intervals.",
        }),
        ("Message", {
            "classes": ["collapse"],
            "fields": ("args", "kwargs", "queue", "priority", "expires", "expire_seconds"),
        }),
    )  # fmt: skip
    readonly_fields = ("last_run_at",)
    actions = ("enable_tasks", "disable_tasks", "run_tasks")

    @admin.display(ordering="enabled", description="state")
    def state(self, task: PeriodicTask) -> SafeString:
        return yes(task.enabled, "On", "Off")

    @admin.action(description="Switch on", permissions=["change"])
    def enable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._switch(queryset, True)

    @admin.action(description="Switch off", permissions=["change"])
    def disable_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._switch(queryset, False)

    @transaction.atomic
    def _switch(self, rows: QuerySet[PeriodicTask], enabled: bool) -> None:
        for row in rows:
            before = audit.snapshot(row)
            row.enabled = enabled
            row.save()
            audit.record("update", row, before=before, after=audit.snapshot(row))

    @admin.action(description="Run now", permissions=["change"])
    def run_tasks(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        for row in queryset:
            audit.record("run", row)
        super().run_tasks(request, queryset)

    def delete_rows(self, rows: QuerySet[Any]) -> None:
        super().delete_rows(rows)
        PeriodicTasks.update_changed()


class ScheduleAdmin(AuditedAdmin):
    """A schedule that tasks use stays: without one a task would never run again."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        names, counts, perms, protected = super().get_deleted_objects(objs, request)
        return names, counts, perms, [*protected, *(f"Schedule {task.name}" for row in objs for task in used(row))]


def used(row: Any) -> Any:
    return row.periodictask_set.all()


@admin.register(IntervalSchedule)
class IntervalAdmin(ScheduleAdmin):
    list_display = ["__str__", "every", "period"]
    list_filter = ["period"]
    search_fields = ["every", "period"]


@admin.register(CrontabSchedule)
class CrontabAdmin(ScheduleAdmin):
    list_display = ["__str__", "human_readable"]
    search_fields = ["minute", "hour", "day_of_week"]
    fields = ["human_readable", "minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone"]
    readonly_fields = ["human_readable"]
