"""Actions in the admin: defined here or on their pages; runs are shown. What is about VyOS is in admin_vyos."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge, yes
from provisioning import admin_vyos
from provisioning.models import Action, ActionRun
from provisioning.services import scripts

__all__ = ["ActionAdmin", "ActionRunAdmin", "admin_vyos"]  # Django looks for this module only


@admin.register(Action)
class ActionAdmin(AuditedAdmin):
    list_display = ["name", "executable", "run_on", "risky", "switched", "tenant"]
    list_filter = ["is_enabled", "is_risky", "run_on", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name_key", "executable"]
    autocomplete_fields = ["tenant", "site", "tag", "device", "remedies"]
    readonly_fields = ["approved_sha256", "approved_by", "approved_at"]

    @admin.display(ordering="is_risky", description="second person")
    def risky(self, row: Action) -> SafeString:
        return yes(row.is_risky)

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, row: Action) -> SafeString:
        return yes(row.is_enabled, "On", "Off")

    def write(self, obj: Any) -> None:
        scripts.forget_approval(obj)
        super().write(obj)


@admin.register(ActionRun)
class ActionRunAdmin(ReadOnlyAdmin):
    list_display = ["id", "action", "device_name", "state", "requested_by", "approved_by", "created_at"]
    list_filter = ["status", "run_on", "is_truncated"]
    list_select_related = ["action", "requested_by", "approved_by"]
    search_fields = ["device_name", "executable"]
    date_hierarchy = "created_at"

    @admin.display(ordering="status", description="status")
    def state(self, run: ActionRun) -> SafeString:
        return badge(run.shape, run.get_status_display())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("output")
