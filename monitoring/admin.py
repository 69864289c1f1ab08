from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from monitoring.models import Check, DeviceFact, DeviceState, Heartbeat, Outage, Series
from monitoring.services import scheduling


class ReadOnlyAdmin(admin.ModelAdmin):
    """History is not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CheckListForm(forms.ModelForm):
    """A line of the list. It knows the module, unchangeable: a rule about it needs a field to complain about."""

    module = forms.CharField(disabled=True, required=False)


@admin.register(Check)
class CheckAdmin(admin.ModelAdmin):
    list_display = [
        "module", "device", "status", "interval_seconds", "last_run_at", "last_error_code", "last_response_ms",
        "next_run_at", "skipped",
    ]  # fmt: skip
    list_editable = ["interval_seconds"]
    list_filter = ["status", "module", "last_error_code"]
    list_select_related = ["endpoint__device"]
    search_fields = ["module", "endpoint__device__name_key"]
    autocomplete_fields = ["endpoint"]
    actions = ["pause", "resume"]
    fields = [
        "endpoint", "module", "interval_seconds", "retries", "status", "status_since", "next_run_at", "last_run_at",
        "last_success_at", "failing_since", "consecutive_failures", "last_error_code", "last_error_detail",
        "last_response_ms", "last_duration_ms", "skipped",
    ]  # fmt: skip
    readonly_fields = [
        "status", "status_since", "next_run_at", "last_run_at", "last_success_at", "failing_since",
        "consecutive_failures", "last_error_code", "last_error_detail", "last_response_ms", "last_duration_ms",
        "skipped",
    ]  # fmt: skip

    @admin.display(ordering="endpoint__device__name_key")
    def device(self, check: Check) -> str:
        return check.endpoint.device.name

    def save_model(self, request: HttpRequest, obj: Check, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        scheduling.reschedule(obj)

    def delete_model(self, request: HttpRequest, obj: Check) -> None:
        scheduling.delete_checks([obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Check]) -> None:
        scheduling.delete_checks(queryset.select_related("endpoint"))

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        return super().get_changelist_form(request, **{**kwargs, "form": CheckListForm})

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Check]) -> None:
        for check in queryset.select_related("endpoint"):
            scheduling.pause(check)

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Check]) -> None:
        for check in queryset.select_related("endpoint"):
            scheduling.resume(check)


@admin.register(DeviceState)
class DeviceStateAdmin(ReadOnlyAdmin):
    list_display = ["device", "state", "since", "cause", "last_poll_at", "response_time_ms", "uptime_seconds"]
    list_filter = ["state"]
    list_select_related = ["device"]
    search_fields = ["device__name_key"]


@admin.register(Outage)
class OutageAdmin(ReadOnlyAdmin):
    list_display = ["device", "kind", "started_at", "ended_at", "cause"]
    list_filter = ["kind"]
    list_select_related = ["device"]
    search_fields = ["device__name_key"]
    date_hierarchy = "started_at"


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    list_display = ["id", "device", "interface", "metric_set", "labels", "period_seconds", "last_at"]
    list_filter = ["metric_set"]
    list_select_related = ["device", "interface"]
    search_fields = ["device__name_key", "interface__name"]
    exclude = ["counters"]


@admin.register(DeviceFact)
class DeviceFactAdmin(ReadOnlyAdmin):
    list_display = ["device", "kind", "collected_at"]
    list_filter = ["kind"]
    list_select_related = ["device"]
    search_fields = ["device__name_key"]


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ["process", "host", "pid", "started_at", "at"]
