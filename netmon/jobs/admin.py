from django.contrib import admin
from django.http import HttpRequest

from netmon.jobs.models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):
    list_display = ["id", "kind", "key", "status", "requested_by", "created_at", "finished_at", "error_code"]
    list_filter = ["status", "kind"]
    search_fields = ["key"]
    date_hierarchy = "created_at"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
