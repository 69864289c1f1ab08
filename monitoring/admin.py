from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from monitoring import admin_actions
from monitoring import alert_admin as _registers_alerting  # noqa: F401
from monitoring import channel_admin as _registers_channels  # noqa: F401
from monitoring.models import (
    Check,
    ConfigVersion,
    DeviceEvent,
    DeviceFact,
    DeviceState,
    ExpectedNeighbour,
    Heartbeat,
    Indicator,
    Outage,
    Series,
)
from monitoring.services import configs, indicators, scheduling
from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge
from netmon.common.secrets import Undecryptable

SHOWN_CHARS = 500_000
PAUSED = {Check.Status.PAUSED: "maintenance", Check.Status.UNKNOWN: "pending"}

SHAPES: dict[str, Any] = {"info": "pending", "warning": "degraded", "critical": "down"}


class CheckListForm(forms.ModelForm):
    """A line of the list. It knows the module, unchangeable: a rule about it needs a field to complain about."""

    module = forms.CharField(disabled=True, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        device = self.instance.endpoint.device if self.instance.pk else ""
        self.fields["interval_seconds"].widget.attrs["aria-label"] = f"Interval of {self.instance.module}, {device}"


@admin.register(Check)
class CheckAdmin(AuditedAdmin):
    list_display = [
        "module", "device", "condition", "interval_seconds", "last_run_at", "last_error_code", "last_response_ms",
        "next_run_at", "skipped",
    ]  # fmt: skip
    list_editable = ["interval_seconds"]
    list_filter = ["status", "module", ("last_error_code", admin.EmptyFieldListFilter)]
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

    @admin.display(ordering="status", description="status")
    def condition(self, check: Check) -> SafeString:
        return badge(PAUSED.get(check.status, check.status), check.get_status_display())  # type: ignore[call-overload]

    @admin.display(ordering="endpoint__device__name_key")
    def device(self, check: Check) -> str:
        return check.endpoint.device.name

    def save_model(self, request: HttpRequest, obj: Check, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        scheduling.reschedule(obj)

    def delete_rows(self, rows: QuerySet[Check]) -> None:
        scheduling.delete_checks(rows.select_related("endpoint"))

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> type[forms.ModelForm]:
        return super().get_changelist_form(request, **{**kwargs, "form": CheckListForm})

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Check]) -> None:
        admin_actions.recorded(scheduling.pause, "pause", queryset.select_related("endpoint__device"))

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Check]) -> None:
        admin_actions.recorded(scheduling.resume, "resume", queryset.select_related("endpoint__device"))


@admin.register(DeviceState)
class DeviceStateAdmin(ReadOnlyAdmin):
    list_display = ["device", "condition", "since", "cause", "last_poll_at", "response_time_ms", "uptime_seconds"]
    list_filter = ["state", "device__kind", "device__site"]
    list_select_related = ["device"]
    search_fields = ["device__name_key", "cause"]
    date_hierarchy = "since"

    @admin.display(ordering="state", description="state")
    def condition(self, row: DeviceState) -> SafeString:
        return badge(row.state, row.get_state_display())


@admin.register(Outage)
class OutageAdmin(ReadOnlyAdmin):
    list_display = ["device", "condition", "kind", "started_at", "ended_at", "cause"]
    list_filter = ["kind", ("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["device"]
    search_fields = ["device__name_key"]
    date_hierarchy = "started_at"

    @admin.display(ordering="ended_at", description="state")
    def condition(self, row: Outage) -> SafeString:
        return badge("up", "Over") if row.ended_at else badge("down", "Under way")


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
    date_hierarchy = "collected_at"


@admin.register(ConfigVersion)
class ConfigVersionAdmin(ReadOnlyAdmin):
    list_display = [
        "device", "kind", "number", "summary", "changed_by", "is_saved", "collected_at", "last_seen_at", "lines",
    ]  # fmt: skip
    list_filter = ["kind", "is_saved", "platform", "device__kind", "device__site"]
    list_select_related = ["device"]
    search_fields = ["device__name_key", "summary", "changed_by"]
    date_hierarchy = "collected_at"
    exclude = ["content", "content_hash"]
    readonly_fields = ["text"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConfigVersion]:
        rows: QuerySet[ConfigVersion] = super().get_queryset(request)
        return rows.defer("content")

    @admin.display(description="text, secrets masked")
    def text(self, version: ConfigVersion) -> SafeString:
        try:
            return format_html('<pre class="code">{}</pre>', configs.text_of(version)[:SHOWN_CHARS])
        except Undecryptable as error:
            return format_html("{}", error.detail)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    list_display = ["process", "host", "pid", "started_at", "at"]
    list_filter = ["process", "host"]
    search_fields = ["process", "host"]


@admin.register(DeviceEvent)
class DeviceEventAdmin(ReadOnlyAdmin):
    list_display = ["at", "device", "shown_severity", "source", "kind", "subject", "detail"]
    list_filter = ["severity", "source", "kind"]
    list_select_related = ["device"]
    search_fields = ["device__name_key", "subject", "detail"]
    date_hierarchy = "at"

    @admin.display(ordering="severity", description="severity")
    def shown_severity(self, row: DeviceEvent) -> SafeString:
        return badge(SHAPES[row.severity], row.get_severity_display())


@admin.register(ExpectedNeighbour)
class ExpectedNeighbourAdmin(AuditedAdmin):
    list_display = ["device", "protocol", "neighbour", "note", "created_at"]
    list_filter = ["protocol"]
    list_select_related = ["device"]
    search_fields = ["device__name_key", "neighbour", "note"]
    autocomplete_fields = ["device"]


@admin.register(Indicator)
class IndicatorAdmin(AuditedAdmin):
    list_display = ["observed_at", "device", "shown_severity", "kind", "value", "source", "expires_at"]
    list_filter = ["severity", "kind", "source", ("cleared_at", admin.EmptyFieldListFilter)]
    list_select_related = ["device"]
    search_fields = ["device__name_key", "value", "source", "external_id"]
    autocomplete_fields = ["device"]
    readonly_fields = ["cleared_at", "created_by"]
    date_hierarchy = "observed_at"

    @admin.display(ordering="severity", description="severity")
    def shown_severity(self, row: Indicator) -> SafeString:
        return badge(SHAPES[row.severity], row.get_severity_display())

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [*self.readonly_fields, "device"] if obj else list(self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Indicator, form: Any, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def write(self, obj: Indicator) -> None:
        indicators.keep(obj)

    def delete_rows(self, rows: QuerySet[Indicator]) -> None:
        for row in rows:
            indicators.delete(row)
