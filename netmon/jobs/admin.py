from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from netmon.audit.admin_mixin import ReadOnlyAdmin
from netmon.common.badges import badge
from netmon.jobs.models import Job


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Read only: jobs are started, watched and cancelled on their own pages."""

    list_display = ["id", "kind", "key", "condition", "requested_by", "created_at", "finished_at", "error_code", "page"]
    list_filter = ["status", "kind", ("error_code", admin.EmptyFieldListFilter)]
    list_select_related = ["requested_by"]
    search_fields = ["key", "requested_by__username"]
    date_hierarchy = "created_at"
    exclude = ["payload"]

    @admin.display(ordering="status", description="status")
    def condition(self, job: Job) -> SafeString:
        return badge(job.shape, job.get_status_display().capitalize())

    @admin.display(description="page")
    def page(self, job: Job) -> SafeString:
        return format_html(
            '<a class="row-act" href="{}" aria-label="Open job {}">Open</a>', self.view_on_site(job), job.pk
        )

    def view_on_site(self, job: Job) -> str:
        return reverse("job", args=[job.pk])
