from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from inventory import device_actions, followers, host_keys, keys, services
from inventory.forms import UnshownTextarea
from inventory.models import (
    Credential,
    CredentialUse,
    Dependency,
    Device,
    HostKey,
    Interface,
    IPAddress,
    ManagementEndpoint,
    Prefix,
    Site,
    Tag,
    TargetRule,
    Tenant,
)
from inventory.transfer import exporting
from netmon.audit import services as audit
from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge, yes

STATUS_SHAPES = {
    Device.Status.ACTIVE: "up", Device.Status.PLANNED: "pending", Device.Status.OFFLINE: "maintenance",
    Device.Status.RETIRED: "unknown",
}  # fmt: skip
LINK_SHAPES = {1: ("up", "Up"), 2: ("down", "Down")}


@admin.register(Tenant)
class TenantAdmin(AuditedAdmin):
    list_display = ["name", "slug", "devices", "created_at"]
    search_fields = ["name_key", "slug"]
    date_hierarchy = "created_at"
    exclude = ["members"]  # people are bound where people are managed: an admin must not be
    prepopulated_fields = {"slug": ["name"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        return super().get_queryset(request).annotate(device_count=Count("devices"))

    @admin.display(ordering="device_count")
    def devices(self, tenant: Any) -> int:
        return int(tenant.device_count)


@admin.register(Tag)
class TagAdmin(AuditedAdmin):
    list_display = ["name", "slug", "tenant", "description"]
    list_filter = ["tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name_key", "slug", "description"]
    autocomplete_fields = ["tenant"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Site)
class SiteAdmin(AuditedAdmin):
    list_display = ["name", "tenant", "devices", "created_at"]
    list_filter = ["tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name_key"]
    autocomplete_fields = ["tenant", "tags"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        return super().get_queryset(request).annotate(device_count=Count("devices"))

    @admin.display(ordering="device_count")
    def devices(self, site: Any) -> int:
        return int(site.device_count)


@admin.register(Prefix)
class PrefixAdmin(AuditedAdmin):
    list_display = ["cidr", "site", "description"]
    list_filter = ["site"]
    list_select_related = ["site"]
    search_fields = ["cidr", "description"]
    autocomplete_fields = ["site", "tags"]


@admin.register(TargetRule)
class TargetRuleAdmin(AuditedAdmin):
    list_display = ["cidr", "verdict", "tenant", "note"]
    list_filter = ["action", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["cidr", "note"]
    autocomplete_fields = ["tenant"]

    @admin.display(ordering="action", description="action")
    def verdict(self, rule: TargetRule) -> SafeString:
        return badge("up" if rule.action == TargetRule.Action.ALLOW else "down", rule.get_action_display())


@admin.register(CredentialUse)
class CredentialUseAdmin(ReadOnlyAdmin):
    """What netmon noted; nobody writes it."""

    list_display = ["credential", "device", "endpoint", "condition", "last_used_at", "last_ok_at", "last_error_code"]
    list_filter = ["credential__kind", "endpoint__protocol", ("last_error_code", admin.EmptyFieldListFilter)]
    list_select_related = ["credential", "endpoint__device"]
    search_fields = ["credential__name", "endpoint__device__name_key"]
    date_hierarchy = "last_used_at"

    @admin.display(ordering="endpoint__device__name_key")
    def device(self, use: CredentialUse) -> str:
        return use.endpoint.device.name

    @admin.display(description="last use")
    def condition(self, use: CredentialUse) -> SafeString:
        return badge("down", "Failed") if use.last_error_code else badge("up", "Good")


@admin.register(Dependency)
class DependencyAdmin(AuditedAdmin):
    list_display = ["device", "parent", "source", "is_confirmed", "note", "created_at"]
    list_filter = ["is_confirmed", "source"]
    list_select_related = ["device", "parent"]
    search_fields = ["device__name_key", "parent__name_key", "note"]
    autocomplete_fields = ["device", "parent"]


class NamedForm(forms.ModelForm):
    """A line of a table: the heading of its column names a field for eyes only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("aria-label", str(field.label or ""))


class InterfaceInline(admin.TabularInline):
    model = Interface
    form = NamedForm
    extra = 0
    fields = ["name", "if_index", "if_alias", "mac_address", "if_oper_status"]
    readonly_fields = ["if_oper_status"]
    show_change_link = True


class EndpointInline(admin.TabularInline):
    model = ManagementEndpoint
    form = NamedForm
    extra = 0
    fields = ["protocol", "port", "credential", "options", "is_enabled"]
    autocomplete_fields = ["credential"]


class DeviceForm(forms.ModelForm):
    class Meta:
        model = Device
        fields = [
            "name", "kind", "status", "tenant", "site", "location", "vendor", "model", "platform", "serial",
            "hypervisor", "primary_ip", "tags",
        ]  # fmt: skip

    def clean(self) -> Any:
        data = super().clean() or {}
        if {"primary_ip", "tenant"} & set(self.changed_data):
            changed = "tenant" if "tenant" in self.changed_data else "primary_ip"
            services.check_place(
                self.instance, tenant=data.get("tenant"), address=data.get("primary_ip"), field=changed
            )
        return data


@admin.register(Device)
class DeviceAdmin(AuditedAdmin):
    form = DeviceForm
    list_display = ["name", "kind", "condition", "primary_ip", "site", "tenant", "vendor", "model", "page"]
    list_filter = ["kind", "status", "site", "tenant", "tags"]
    list_select_related = ["primary_ip", "site", "tenant"]
    list_per_page = 100
    search_fields = ["name_key", "serial", "location", "interfaces__ip_addresses__address", "interfaces__mac_address"]
    autocomplete_fields = ["tenant", "site", "hypervisor", "primary_ip", "tags"]
    inlines = [EndpointInline, InterfaceInline]
    actions = ["retire", "export_csv"]

    @admin.display(ordering="status", description="status")
    def condition(self, device: Device) -> SafeString:
        return badge(STATUS_SHAPES.get(device.status, "unknown"), device.get_status_display())  # type: ignore[call-overload]

    @admin.display(description="page")
    def page(self, device: Device) -> SafeString:
        return format_html(
            '<a class="row-act" href="{}" aria-label="Open {}">Open</a>', self.view_on_site(device), device.name
        )

    def view_on_site(self, device: Device) -> str:
        return reverse("device", args=[device.pk])

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        others = {row.name: (row.function, row.name, row.label) for row in device_actions.ACTIONS.values()}
        return {**others, **super().get_actions(request)}

    @admin.action(description="Retire", permissions=["change"])
    @transaction.atomic
    def retire(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        rows = list(queryset.exclude(status=Device.Status.RETIRED))
        for row in rows:
            before = audit.snapshot(row)
            after = services.update_device(row, fields={"status": Device.Status.RETIRED})
            audit.record("update", after, before=before, after=audit.snapshot(after))
        messages.success(request, f"{len(rows)} device{'s' * (len(rows) != 1)} retired: they are polled no more.")

    @admin.action(description="Export as CSV", permissions=["view"])
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Device]) -> StreamingHttpResponse:
        ids = list(queryset.order_by("name_key", "pk").values_list("pk", flat=True))
        audit.record("export", object_type="inventory.device", detail=f"{len(ids)} devices as csv")
        lines, content_type = exporting.FORMATS["csv"]
        headers = {"Content-Disposition": 'attachment; filename="devices.csv"'}
        return StreamingHttpResponse(
            lines(ids, user=request.user, names_logins=True), content_type=content_type, headers=headers
        )

    def save_model(self, request: HttpRequest, obj: Device, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "tenant" in form.changed_data:
            services.move_addresses(obj)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        deleted = [row.instance.pk for row in formset.deleted_forms if row.instance.pk]
        replaced: list[int] = []
        if formset.model is Interface:
            services.delete_interfaces(deleted)
        elif formset.model is ManagementEndpoint:
            replaced = [pk for row in formset.initial_forms if (pk := row.initial.get("credential"))]
            services.delete_endpoints(deleted)
        super().save_formset(request, form, formset, change)
        services.drop_idle(replaced)
        if formset.model is ManagementEndpoint and formset.deleted_objects:
            followers.announce_endpoint_left(form.instance.pk)
        if formset.model is ManagementEndpoint:
            followers.announce_endpoints([*formset.new_objects, *(row for row, _ in formset.changed_objects)])

    def delete_rows(self, rows: QuerySet[Device]) -> None:
        services.delete_devices(rows.values_list("pk", flat=True))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Naming every series and outage of a month would take longer than deleting them.
        names = [str(device) for device in objs]
        guests = Device.objects.filter(hypervisor__in=objs).exclude(pk__in=[device.pk for device in objs])
        protected = [f"Virtual machine {guest}" for guest in guests[:20]]
        return names, {"devices, with all their history": len(names)}, set(), protected


@admin.register(Interface)
class InterfaceAdmin(AuditedAdmin):
    list_display = ["name", "device", "if_index", "if_alias", "mac_address", "link", "gone_since"]
    list_filter = ["if_oper_status", "device__kind", ("gone_since", admin.EmptyFieldListFilter)]
    list_select_related = ["device"]
    search_fields = ["name", "if_alias", "mac_address", "device__name_key"]
    autocomplete_fields = ["device"]
    readonly_fields = ["if_admin_status", "if_oper_status", "gone_since"]

    @admin.display(ordering="if_oper_status", description="link")
    def link(self, interface: Interface) -> SafeString:
        return badge(*LINK_SHAPES.get(interface.if_oper_status or 0, ("unknown", "Not known")))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Interface]:
        return super().get_queryset(request).select_related("device")  # for autocompletion, which names the device

    def delete_rows(self, rows: QuerySet[Interface]) -> None:
        services.delete_interfaces(rows.values_list("pk", flat=True))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        names = [str(interface) for interface in objs]
        return names, {"interfaces, with all their history": len(names)}, set(), []


class IPAddressForm(forms.ModelForm):
    class Meta:
        model = IPAddress
        fields = ["address", "prefix_length", "dns_name", "interface", "tenant"]

    def clean(self) -> Any:
        data = super().clean() or {}
        device = Device.objects.filter(primary_ip=self.instance).first() if self.instance.pk else None
        if device is None:
            return data
        if "interface" in self.changed_data:
            self.add_error("interface", f"{device} is reached by this address: give that device another first.")
        if "tenant" in self.changed_data:
            self.add_error("tenant", f"{device} is reached by this address: change the tenant of the device.")
        if address := data.get("address"):
            services.check_primary_address(self.instance, device, address, may_redirect=True)
        return data


@admin.register(IPAddress)
class IPAddressAdmin(AuditedAdmin):
    form = IPAddressForm
    list_display = ["address", "prefix_length", "dns_name", "interface", "tenant"]
    list_filter = ["tenant"]
    list_select_related = ["interface__device", "tenant"]
    search_fields = ["address", "dns_name", "interface__device__name_key"]
    autocomplete_fields = ["interface", "tenant"]


class CredentialForm(forms.ModelForm):
    """Secrets can be set, never read: an empty field keeps what is there."""

    private_key = forms.CharField(
        required=False,
        max_length=keys.MAX_BYTES,
        strip=False,
        widget=UnshownTextarea(attrs={"rows": 6, "cols": 80, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Of an SSH key, in place of the secret; its passphrase, if it has one, goes into the last secret.",
    )
    secret = forms.CharField(required=False, widget=forms.PasswordInput(render_value=False), strip=False)
    priv_secret = forms.CharField(required=False, widget=forms.PasswordInput(render_value=False), strip=False)

    class Meta:
        model = Credential
        fields = [
            "name", "kind", "username", "secret", "private_key", "auth_protocol", "priv_protocol", "priv_secret",
            "comment", "device", "tenant",
            "allowed_prefixes",
        ]  # fmt: skip

    def clean(self) -> Any:
        data = super().clean() or {}
        if data.get("kind") == Credential.Kind.SSH_KEY and data.get("private_key"):
            data["secret"] = data["private_key"]
        for name in ("secret", "priv_secret"):
            if data.get(name):
                self.instance.secret_changed_at = timezone.now()
            elif self.instance.pk:
                data[name] = getattr(self.instance, name)
        return data


@admin.register(Credential)
class CredentialAdmin(AuditedAdmin):
    form = CredentialForm
    list_display = [
        "name", "kind", "username", "secret_is_set", "key_type", "key_bits", "fingerprint", "secret_changed_at",
        "device", "tenant",
    ]  # fmt: skip
    # Plain text in the page, to be marked and copied.
    readonly_fields = ["key_type", "key_bits", "fingerprint", "public_key"]
    list_filter = ["kind", "tenant"]
    list_select_related = ["device", "tenant"]
    search_fields = ["name", "username", "fingerprint"]
    autocomplete_fields = ["device", "tenant"]

    @admin.display(description="secret")
    def secret_is_set(self, credential: Credential) -> SafeString:
        return yes(bool(credential.secret), "Set", "Missing")


@admin.register(HostKey)
class HostKeyAdmin(ReadOnlyAdmin):
    list_display = ["endpoint", "key_type", "fingerprint", "shown_state", "reason", "first_seen_at", "last_seen_at"]
    list_filter = ["state", "reason", "key_type"]
    list_select_related = ["endpoint__device"]
    search_fields = ["fingerprint", "endpoint__device__name_key"]
    actions = ["approve", "revoke"]

    @admin.display(description="state", ordering="state")
    def shown_state(self, row: HostKey) -> SafeString:
        shapes = {HostKey.State.TRUSTED: "up", HostKey.State.PENDING: "pending", HostKey.State.REVOKED: "down"}
        return badge(shapes[HostKey.State(row.state)], row.get_state_display())

    @admin.action(description="Trust the selected keys", permissions=["view"])
    def approve(self, request: HttpRequest, rows: QuerySet[HostKey]) -> None:
        for row in rows.select_related("endpoint__device"):
            host_keys.approve(row, user=request.user)
        messages.success(request, "From now on these keys are trusted, and those that they replace are not.")

    @admin.action(description="Revoke the selected keys", permissions=["view"])
    def revoke(self, request: HttpRequest, rows: QuerySet[HostKey]) -> None:
        for row in rows.select_related("endpoint__device"):
            host_keys.revoke(row, user=request.user)
        messages.success(request, "These keys are no longer trusted.")


@admin.register(ManagementEndpoint)
class EndpointAdmin(AuditedAdmin):
    list_display = ["device", "protocol", "port", "credential", "enabled"]
    list_filter = ["protocol", "is_enabled"]
    list_select_related = ["device", "credential"]
    search_fields = ["device__name_key"]
    autocomplete_fields = ["device", "credential"]

    @admin.display(ordering="is_enabled")
    def enabled(self, endpoint: ManagementEndpoint) -> SafeString:
        return yes(endpoint.is_enabled, "Enabled", "Off")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ManagementEndpoint]:
        return super().get_queryset(request).select_related("device", "credential")  # autocompletion names the device

    def write(self, obj: ManagementEndpoint) -> None:
        services.save_endpoint(obj)

    def delete_rows(self, rows: QuerySet[ManagementEndpoint]) -> None:
        services.delete_endpoints(rows.values_list("pk", flat=True))
