"""Alerting in the admin: rules and people are written here, what the engine writes is shown."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from monitoring.alerting import actions
from monitoring.models import (
    Alert,
    AlertEvent,
    AlertRule,
    Contact,
    EscalationPolicy,
    EscalationStep,
    MaintenanceWindow,
    Notification,
    SeverityModifier,
    Silence,
)
from monitoring.notifying import outbox
from netmon.audit import services as audit
from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge, yes
from netmon.common.errors import NetmonError

SCOPE = ["tenant", "site", "tag", "device"]
STATES = {
    "pending": "pending", "firing": "down", "flapping": "degraded", "unreachable": "pending",
    "maintenance": "maintenance", "blind": "pending", "resolved": "up",
}  # fmt: skip
SENT = {"sent": "up", "dead": "down", "retry": "degraded", "uncertain": "degraded"}


class EventInline(admin.TabularInline):
    model = AlertEvent
    fields = ["seq", "at", "kind", "text", "user"]
    readonly_fields = ["seq", "at", "kind", "text", "user"]
    extra = 0
    can_delete = False
    ordering = ["seq"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertEvent]:
        rows: QuerySet[AlertEvent] = super().get_queryset(request)
        return rows.select_related("user", "alert")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ["summary", "condition", "severity", "device", "started_at", "acknowledged_by", "resolved_at"]
    list_filter = ["state", "severity", "source", ("acknowledged_at", admin.EmptyFieldListFilter)]
    list_select_related = ["device", "acknowledged_by"]
    search_fields = ["summary", "subject", "device__name_key"]
    date_hierarchy = "started_at"
    inlines = [EventInline]
    actions = ["acknowledge", "resolve"]
    exclude = ["fingerprint", "transitions"]

    @admin.display(ordering="state", description="state")
    def condition(self, alert: Alert) -> SafeString:
        return badge(STATES[alert.state], alert.get_state_display())

    @admin.action(description="Acknowledge", permissions=["view"])
    @transaction.atomic
    def acknowledge(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        rows = actions.acknowledge(queryset, user=request.user)
        audit.record_many("acknowledge", rows)
        messages.success(request, f"{len(rows)} acknowledged.")

    @admin.action(description="Resolve", permissions=["view"])
    @transaction.atomic
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        rows = list(queryset.filter(resolved_at__isnull=True))
        for row in rows:
            actions.resolve(row, user=request.user)
        audit.record_many("resolve", rows)
        messages.success(request, f"{len(rows)} resolved.")


@admin.register(AlertRule)
class AlertRuleAdmin(AuditedAdmin):
    list_display = ["name", "source", "metric", "limit", "severity", "switched", "tenant", "template"]
    list_filter = ["is_enabled", "severity", "source", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name_key", "source", "metric"]
    autocomplete_fields = ["policy", *SCOPE]
    readonly_fields = ["template"]

    @admin.display(description="limit")
    def limit(self, rule: AlertRule) -> str:
        return "" if rule.raise_value is None else f"{rule.get_comparator_display()} {rule.raise_value:g}"

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, rule: AlertRule) -> SafeString:
        return yes(rule.is_enabled, "On", "Off")

    def has_delete_permission(self, request: HttpRequest, obj: AlertRule | None = None) -> bool:
        # A shipped rule would be made anew by the next migration: it is switched off.
        return not (obj is not None and obj.template) and super().has_delete_permission(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        found, counts, needed, protected = super().get_deleted_objects(objs, request)
        shipped = [f"{row}: shipped with netmon, switch it off instead" for row in objs if row.template]
        return found, counts, needed, [*protected, *shipped]


@admin.register(SeverityModifier)
class SeverityModifierAdmin(AuditedAdmin):
    list_display = ["name", "delta", "kind", *SCOPE]
    list_select_related = SCOPE
    search_fields = ["name"]
    autocomplete_fields = SCOPE


class AuthoredAdmin(AuditedAdmin):
    """Rows that remember who made them."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)


class SilenceForm(forms.ModelForm):
    def clean(self) -> Any:
        data = super().clean() or {}
        if not self.instance.fingerprint and not any(data.get(name) for name in ("rule", "kind", *SCOPE)):
            raise ValidationError("Name a rule or a scope: this would silence everything.")
        return data


@admin.register(Silence)
class SilenceAdmin(AuthoredAdmin):
    form = SilenceForm
    list_display = ["reason", "rule", "kind", *SCOPE, "starts_at", "ends_at", "created_by"]
    list_select_related = ["rule", "created_by", *SCOPE]
    search_fields = ["reason", "device__name_key"]
    autocomplete_fields = ["rule", *SCOPE]
    date_hierarchy = "ends_at"


class WindowForm(forms.ModelForm):
    def clean(self) -> Any:
        data = super().clean() or {}
        self.instance.is_listed = bool(data.get("devices"))
        self.instance.planned = frozenset(device.pk for device in data.get("devices") or ())
        return data


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(AuthoredAdmin):
    form = WindowForm
    list_display = ["name", "starts_at", "ends_at", "recurrence", "kind", *SCOPE, "created_by"]
    list_filter = ["recurrence", "tenant"]
    list_select_related = ["created_by", *SCOPE]
    search_fields = ["name", "reason", "device__name_key"]
    autocomplete_fields = [*SCOPE, "devices"]
    readonly_fields = ["ended_at"]


@admin.register(Contact)
class ContactAdmin(AuditedAdmin):
    list_display = ["name", "user", "tenant", "switched", "min_severity", "digest", "time_zone"]
    list_filter = ["is_enabled", "digest", "tenant"]
    list_select_related = ["user", "tenant"]
    search_fields = ["name_key", "user__username"]
    autocomplete_fields = ["tenant", "user", "channels", "sites", "tags"]

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, contact: Contact) -> SafeString:
        return yes(contact.is_enabled, "On", "Off")


class StepInline(admin.TabularInline):
    model = EscalationStep
    extra = 0
    fields = ["number", "after_seconds", "contacts"]
    autocomplete_fields = ["contacts"]
    ordering = ["number"]


@admin.register(EscalationPolicy)
class EscalationPolicyAdmin(AuditedAdmin):
    list_display = ["name", "rank", "switched", "kind", *SCOPE]
    list_filter = ["is_enabled", "tenant"]
    list_select_related = SCOPE
    search_fields = ["name_key"]
    autocomplete_fields = SCOPE
    inlines = [StepInline]

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, policy: EscalationPolicy) -> SafeString:
        return yes(policy.is_enabled, "On", "Off")


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "to", "kind", "condition", "severity", "alert", "attempt", "last_code", "sent_at"]
    list_filter = ["status", "kind", "severity", "channel"]
    list_select_related = ["alert"]
    search_fields = ["to", "alert__summary"]
    date_hierarchy = "created_at"
    exclude = ["lease_token", "lease_until", "message_key", "dedupe_key", "severity_rank", "data"]
    actions = ["send_again"]

    @admin.display(ordering="status", description="status")
    def condition(self, row: Notification) -> SafeString:
        return badge(SENT.get(row.status, "pending"), row.get_status_display())

    @admin.action(description="Send again", permissions=["view"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        count = 0
        for row in queryset.select_related("alert", "contact", "channel"):
            try:
                with transaction.atomic():
                    outbox.resend(row)
                    audit.record("resend", row, detail=row.to)
            except NetmonError as error:
                messages.warning(request, f"{row}: {error.detail}")
                continue
            count += 1
        messages.success(request, f"{count} will be sent again.")
