"""Actions in the admin: defined here or on their pages; runs are shown. Routers, pools and quotas are set up here;
machines, their addresses and forwards are shown, for a row that is changed here would differ from the router."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge, yes
from provisioning.models import (
    Action,
    ActionRun,
    ConfigChange,
    DhcpPool,
    DhcpReservation,
    PortForward,
    PortPool,
    Quota,
    Vm,
    VyosRouter,
)
from provisioning.services import scripts


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


@admin.register(VyosRouter)
class VyosRouterAdmin(AuditedAdmin):
    list_display = ["endpoint_device", "version_family", "inbound_interface", "external_address", "saved"]
    list_filter = ["version_family", "is_saved"]
    list_select_related = ["endpoint__device"]
    search_fields = ["endpoint__device__name_key", "external_address"]
    autocomplete_fields = ["endpoint"]
    readonly_fields = ["version_text", "version_family", "capabilities", "is_saved", "last_read_at", "claimed_until"]

    @admin.display(ordering="endpoint__device__name_key", description="router")
    def endpoint_device(self, row: VyosRouter) -> str:
        return row.device.name

    @admin.display(ordering="is_saved", description="saved")
    def saved(self, row: VyosRouter) -> SafeString:
        return badge("unknown", "Not known") if row.is_saved is None else yes(row.is_saved)


@admin.register(DhcpPool)
class DhcpPoolAdmin(AuditedAdmin):
    list_display = ["name", "router", "prefix", "range_start", "range_end", "switched"]
    list_filter = ["is_enabled"]
    list_select_related = ["router__endpoint__device", "prefix"]
    search_fields = ["name_key", "shared_network", "prefix__cidr"]
    autocomplete_fields = ["router", "prefix"]

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, row: DhcpPool) -> SafeString:
        return yes(row.is_enabled, "On", "Off")


@admin.register(PortPool)
class PortPoolAdmin(AuditedAdmin):
    list_display = ["name", "router", "external_address", "port_start", "port_end", "switched"]
    list_filter = ["is_enabled"]
    list_select_related = ["router__endpoint__device"]
    search_fields = ["name_key", "external_address"]
    autocomplete_fields = ["router"]

    @admin.display(ordering="is_enabled", description="state")
    def switched(self, row: PortPool) -> SafeString:
        return yes(row.is_enabled, "On", "Off")


@admin.register(Quota)
class QuotaAdmin(AuditedAdmin):
    list_display = ["id", "owner", "tenant", "max_vms", "max_forwards"]
    list_select_related = ["owner", "tenant"]
    search_fields = ["owner__username", "tenant__name_key"]
    autocomplete_fields = ["owner", "tenant"]


APPLIED_SHAPES = {"pending": "pending", "applied": "up", "failed": "down", "drifted": "degraded"}


@admin.register(Vm)
class VmAdmin(ReadOnlyAdmin):
    list_display = ["device", "hostname", "router", "owner", "state", "expires_at"]
    list_filter = ["state"]
    list_select_related = ["device", "router__endpoint__device", "owner"]
    search_fields = ["device__name_key", "hostname", "reservation__address", "reservation__mac_address"]


@admin.register(DhcpReservation)
class DhcpReservationAdmin(ReadOnlyAdmin):
    list_display = ["address", "mac_address", "vm", "pool", "desired", "is_applied"]
    list_filter = ["desired", "applied"]
    list_select_related = ["vm__device", "pool"]
    search_fields = ["address", "mac_address", "vm__device__name_key"]

    @admin.display(ordering="applied", description="applied")
    def is_applied(self, row: DhcpReservation) -> SafeString:
        return badge(APPLIED_SHAPES.get(row.applied, "unknown"), row.get_applied_display())


@admin.register(PortForward)
class PortForwardAdmin(ReadOnlyAdmin):
    list_display = ["vm", "name", "protocol", "external_port", "internal_port", "rule_number", "desired", "is_applied"]
    list_filter = ["desired", "why_disabled", "applied", "protocol"]
    list_select_related = ["vm__device"]
    search_fields = ["vm__device__name_key", "name", "source"]

    @admin.display(ordering="applied", description="applied")
    def is_applied(self, row: PortForward) -> SafeString:
        return badge(APPLIED_SHAPES.get(row.applied, "unknown"), row.get_applied_display())


@admin.register(ConfigChange)
class ConfigChangeAdmin(ReadOnlyAdmin):
    list_display = ["id", "kind", "router_name", "vm_name", "state", "saved", "requested_by", "created_at"]
    list_filter = ["status", "kind", "is_saved"]
    list_select_related = ["requested_by"]
    search_fields = ["router_name", "vm_name", "digest"]
    date_hierarchy = "created_at"

    @admin.display(ordering="status", description="status")
    def state(self, row: ConfigChange) -> SafeString:
        return badge(row.shape, row.get_status_display())

    @admin.display(ordering="is_saved", description="saved")
    def saved(self, row: ConfigChange) -> SafeString:
        return yes(row.is_saved)
