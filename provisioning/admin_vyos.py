"""Routers, pools and quotas are set up here; machines, their addresses and forwards, and changes of routers are shown:
a row that is changed here would differ from the router."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge, yes
from provisioning.models import (
    ConfigChange,
    DhcpPool,
    DhcpReservation,
    DriftItem,
    PortClaim,
    PortForward,
    PortPool,
    Quota,
    RuleClaim,
    RunningConfig,
    Vm,
    VyosRouter,
)

ITEM_SHAPES = {
    "pending": "pending", "applied": "up", "failed": "down", "unknown": "degraded", "reverted": "unknown",
}  # fmt: skip


def lined(lines: Any) -> SafeString:
    """Lines of a configuration, as they are."""
    if not lines:
        return format_html("{}", "none")
    texts = "\n".join(str(line) for line in lines)
    return format_html('<pre class="code" tabindex="0">{}</pre>', texts)


class FamilyFilter(admin.SimpleListFilter):
    """Django's own filter shows the empty text of a router that was never asked as a link without words."""

    title, parameter_name = "version", "version_family"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1.3", "1.3"), ("1.4", "1.4"), ("1.5", "1.5"), ("unknown", "Not known")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        return queryset if value is None else queryset.filter(version_family="" if value == "unknown" else value)


@admin.register(VyosRouter)
class VyosRouterAdmin(AuditedAdmin):
    list_display = ["endpoint_device", "version_family", "inbound_interface", "external_address", "saved"]
    list_filter = [FamilyFilter, "is_saved"]
    list_select_related = ["endpoint__device"]
    search_fields = ["endpoint__device__name_key", "external_address"]
    autocomplete_fields = ["endpoint"]
    readonly_fields = [
        "version_text", "version_family", "capabilities", "is_saved", "last_error_code", "last_error_detail",
        "last_read_at", "compared_at", "claimed_until",
    ]  # fmt: skip

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
    search_fields = ["device__name_key", "hostname", "reservation__address"]


@admin.register(DhcpReservation)
class DhcpReservationAdmin(ReadOnlyAdmin):
    list_display = ["address", "mac_address", "vm", "pool", "desired", "is_applied"]
    list_filter = ["desired", "applied"]
    list_select_related = ["vm__device", "pool"]
    search_fields = ["address", "vm__device__name_key"]

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
    exclude = ["lines", "undo", "diff"]
    readonly_fields = ["machines", "what_changes", "sent_lines", "undo_lines"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and match.url_name == "provisioning_configchange_changelist"
        return rows.defer("lines", "undo", "diff") if is_list else rows

    @admin.display(ordering="status", description="status")
    def state(self, row: ConfigChange) -> SafeString:
        return badge(row.shape, row.get_status_display())

    @admin.display(ordering="is_saved", description="saved")
    def saved(self, row: ConfigChange) -> SafeString:
        return yes(row.is_saved)

    @admin.display(description="machines")
    def machines(self, row: ConfigChange) -> SafeString:
        rows = (
            (
                item.vm_name,
                badge(ITEM_SHAPES.get(item.status, "unknown"), item.get_status_display()),
                item.error_code,
                item.error_detail,
            )
            for item in row.items.all()
        )
        # No inline: Django's table of one that nobody may change has a heading without words.
        return format_html_join("", "<div>{} {} {} {}</div>", rows)

    @admin.display(description="what changes")
    def what_changes(self, row: ConfigChange) -> SafeString:
        return lined(row.diff)

    @admin.display(description="lines sent")
    def sent_lines(self, row: ConfigChange) -> SafeString:
        return lined(row.lines)

    @admin.display(description="lines that would take it back")
    def undo_lines(self, row: ConfigChange) -> SafeString:
        return lined(row.undo)


@admin.register(RunningConfig)
class RunningConfigAdmin(ReadOnlyAdmin):
    """How much was read, not what: a configuration belongs to the router's own pages, where secrets are masked."""

    list_display = ["router", "read_at"]
    list_select_related = ["router__endpoint__device"]
    search_fields = ["router__endpoint__device__name_key"]
    date_hierarchy = "read_at"
    fields = ["router", "read_at", "amounts"]
    readonly_fields = ["amounts"]

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and match.url_name == "provisioning_runningconfig_changelist"
        return rows.defer("dhcp", "nat", "firewall", "interfaces") if is_list else rows

    @admin.display(description="what was read")
    def amounts(self, row: RunningConfig) -> SafeString:
        parts = (("DHCP", row.dhcp), ("NAT", row.nat), ("firewall", row.firewall), ("interfaces", row.interfaces))
        return format_html_join(", ", "{}: {} entries", ((name, len(part or ())) for name, part in parts))


@admin.register(DriftItem)
class DriftItemAdmin(ReadOnlyAdmin):
    list_display = ["label", "router", "kind", "vm", "can_adopt", "found_at"]
    list_filter = ["kind", "can_adopt"]
    list_select_related = ["router__endpoint__device", "vm__device"]
    search_fields = ["label", "router__endpoint__device__name_key", "vm__device__name_key"]
    date_hierarchy = "found_at"
    exclude = ["words", "lines"]
    readonly_fields = ["what_differs", "healing_lines"]

    @admin.display(description="what differs")
    def what_differs(self, row: DriftItem) -> SafeString:
        return format_html_join("", "<div>{}</div>", ((word,) for word in row.words))

    @admin.display(description="lines that would heal it")
    def healing_lines(self, row: DriftItem) -> SafeString:
        return lined(row.lines)


@admin.register(PortClaim)
class PortClaimAdmin(ReadOnlyAdmin):
    list_display = ["port", "protocol", "pool", "forward"]
    list_filter = ["protocol"]
    list_select_related = ["pool", "forward__vm__device"]
    search_fields = ["port", "pool__name_key", "forward__vm__device__name_key"]


@admin.register(RuleClaim)
class RuleClaimAdmin(ReadOnlyAdmin):
    list_display = ["number", "chain", "purpose", "router", "forward"]
    list_filter = ["chain", "purpose"]
    list_select_related = ["router__endpoint__device", "forward__vm__device"]
    search_fields = ["number", "router__endpoint__device__name_key", "forward__vm__device__name_key"]
