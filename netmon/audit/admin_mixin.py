"""What every page of the admin shares: writes leave events with before and after, histories show them."""

from typing import Any

from django.contrib import admin
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from netmon.audit import reading
from netmon.audit import services as audit

HISTORY = 200


class HistoryAdmin(admin.ModelAdmin):
    """An object's history is what netmon's record says of it."""

    object_history_template = "admin/audit_history.html"

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        events = reading.history(row)[:HISTORY] if row is not None else []
        context = {**(extra_context or {}), "lines": [reading.line(event) for event in events]}
        return super().history_view(request, object_id, context)


class AuditedAdmin(HistoryAdmin):
    """An admin class whose every write is on record: of the object, of its inlines, of lists, of bulk deletes."""

    def fresh(self, pk: Any) -> models.Model:
        """The row as the database has it: the form's own carries what was typed."""
        row: models.Model = self.model._base_manager.get(pk=pk)
        return row

    def write(self, obj: Any) -> None:
        """What saving means here: the service's verb where there is one."""
        obj.save()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        form.audit_before = audit.snapshot(self.fresh(obj.pk)) if change else None
        self.write(obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        # Taken before any formset is saved: subclasses delete rows through services first.
        before = [_before(formset) for formset in formsets]
        super().save_related(request, form, formsets, change)
        row = self.fresh(form.instance.pk)
        audit.record("update" if change else "create", row, before=form.audit_before, after=audit.snapshot(row))
        for formset, rows in zip(formsets, before, strict=True):
            _record_parts(formset, rows)

    def delete_rows(self, rows: QuerySet[Any]) -> None:
        """What deleting means here: the service's verb where there is one."""
        rows.delete()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, self.model._base_manager.filter(pk=obj.pk))

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for row in queryset:
            audit.record("delete", row, before=audit.snapshot(row))
        self.delete_rows(queryset)


def _before(formset: Any) -> dict[Any, tuple[models.Model, dict[str, Any]]]:
    touched = [form.instance.pk for form in formset.initial_forms if form.has_changed()]
    return {row.pk: (row, audit.snapshot(row)) for row in formset.model._base_manager.filter(pk__in=touched)}


def _record_parts(formset: Any, before: dict[Any, tuple[models.Model, dict[str, Any]]]) -> None:
    rows = formset.model._base_manager.in_bulk(list(before))
    for pk, (row, was) in before.items():
        if pk in rows:
            audit.record("update", rows[pk], before=was, after=audit.snapshot(rows[pk]))
        else:
            audit.record("delete", row, before=was)
    for row in getattr(formset, "new_objects", []):
        audit.record("create", row, after=audit.snapshot(row))


class ReadOnlyAdmin(HistoryAdmin):
    """What happened is shown and not edited."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
