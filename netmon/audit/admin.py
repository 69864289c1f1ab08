from django.contrib import admin

from netmon.audit.admin_mixin import ReadOnlyAdmin
from netmon.audit.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Read only: what was done cannot be undone here."""

    list_display = ["at", "username", "action", "object_type", "object_name", "via", "ip", "detail"]
    list_filter = ["action", "object_type", "via"]
    search_fields = ["username", "object_name", "request_id", "ip"]
    date_hierarchy = "at"
    show_full_result_count = False
