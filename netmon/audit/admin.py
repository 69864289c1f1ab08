from collections.abc import Iterator
from typing import Any

from django.contrib import admin

from netmon.audit.admin_mixin import ReadOnlyAdmin
from netmon.audit.models import AuditEvent


class NamedFilter(admin.AllValuesFieldListFilter):
    """A failed log-in has no object and came no known way: a link needs a text all the same."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "None"}


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Read only: what was done cannot be undone here."""

    list_display = ["at", "username", "action", "object_type", "object_name", "via", "ip", "detail"]
    list_filter = ["action", ("object_type", NamedFilter), ("via", NamedFilter)]
    search_fields = ["username", "object_name", "request_id", "ip"]
    date_hierarchy = "at"
    show_full_result_count = False
