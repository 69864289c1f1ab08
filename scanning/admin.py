"""Scans in the admin: schedules, exclusions and expected ports are written here, what scans found is shown."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge, yes
from scanning.models import (
    ExpectedPort,
    OpenPort,
    PresencePeriod,
    Scan,
    ScanExclusion,
    ScanHost,
    ScanSchedule,
    SeenHost,
    SeenPort,
)

REVIEWS = {"new": "pending", "adopted": "up", "ignored": "unknown"}


@admin.register(Scan)
class ScanAdmin(ReadOnlyAdmin):
    list_display = ["target", "kind", "condition", "hosts_up", "open_ports", "requested_by", "created_at"]
    list_filter = ["kind", "outcome", "source", "tenant"]
    list_select_related = ["job", "requested_by"]
    search_fields = ["target", "reason"]
    date_hierarchy = "created_at"
    exclude = ["checkpoint"]

    @admin.display(ordering="outcome", description="status")
    def condition(self, scan: Scan) -> SafeString:
        return badge(scan.shape, scan.status)


@admin.register(ScanHost)
class ScanHostAdmin(ReadOnlyAdmin):
    list_display = ["address", "hostname", "mac_address", "vendor", "device", "scan"]
    list_select_related = ["device", "scan"]
    search_fields = ["address", "hostname", "mac_address"]
    exclude = ["address_key"]


@admin.register(OpenPort)
class OpenPortAdmin(ReadOnlyAdmin):
    list_display = ["port", "protocol", "service", "banner", "host"]
    list_select_related = ["host"]
    search_fields = ["port", "host__address"]


@admin.register(SeenHost)
class SeenHostAdmin(ReadOnlyAdmin):
    list_display = ["address", "hostname", "mac_address", "vendor", "reviewed", "there", "device", "last_seen_at"]
    list_filter = ["review", "is_present", "kind_guess", "tenant"]
    list_select_related = ["device"]
    search_fields = ["address", "hostname", "mac_address"]
    exclude = ["address_key"]

    @admin.display(ordering="review", description="review")
    def reviewed(self, host: SeenHost) -> SafeString:
        return badge(REVIEWS[host.review], host.get_review_display())

    @admin.display(ordering="is_present", description="there")
    def there(self, host: SeenHost) -> SafeString:
        return yes(host.is_present, "Answers", "Gone")


@admin.register(SeenPort)
class SeenPortAdmin(ReadOnlyAdmin):
    list_display = ["port", "protocol", "service", "host", "is_open", "first_seen_at", "last_seen_at"]
    list_select_related = ["host"]
    search_fields = ["port", "host__address"]


@admin.register(PresencePeriod)
class PresencePeriodAdmin(ReadOnlyAdmin):
    list_display = ["host", "started_at", "ended_at"]
    list_select_related = ["host"]
    search_fields = ["host__address"]


@admin.register(ScanSchedule)
class ScanScheduleAdmin(AuditedAdmin):
    list_display = ["name", "kind", "target", "switched", "next_run_at", "tenant", "last_error"]
    list_filter = ["is_enabled", "kind", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name_key", "target"]
    autocomplete_fields = ["tenant"]
    readonly_fields = ["last_error", "created_by"]

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, schedule: ScanSchedule) -> SafeString:
        return yes(schedule.is_enabled, "On", "Off")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)


@admin.register(ScanExclusion)
class ScanExclusionAdmin(AuditedAdmin):
    list_display = ["cidr", "tenant", "note"]
    list_filter = ["tenant"]
    list_select_related = ["tenant"]
    search_fields = ["cidr", "note"]
    autocomplete_fields = ["tenant"]


@admin.register(ExpectedPort)
class ExpectedPortAdmin(AuditedAdmin):
    list_display = ["device", "protocol", "port", "state", "note"]
    list_filter = ["state"]
    list_select_related = ["device"]
    search_fields = ["device__name_key", "port"]
    autocomplete_fields = ["device"]
