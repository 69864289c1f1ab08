from django.contrib import admin
from django.http import HttpRequest

from netmon.audit.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    """Read only: what was done cannot be undone here."""

    list_display = ["at", "username", "action", "object_type", "object_name", "via", "ip", "detail"]
    list_filter = ["action", "object_type", "via"]
    search_fields = ["username", "object_name", "request_id", "ip"]
    date_hierarchy = "at"
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEvent | None = None) -> bool:
        return False
