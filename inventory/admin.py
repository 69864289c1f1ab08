from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from inventory import followers, keys, services
from inventory.models import (
    Credential,
    CredentialUse,
    Device,
    Interface,
    IPAddress,
    ManagementEndpoint,
    Prefix,
    Site,
    TargetRule,
    Tenant,
)


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name_key", "slug"]
    exclude = ["members"]  # people are bound where people are managed: an admin must not be
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Site)
class SiteAdmin(admin.ModelAdmin):
    list_display = ["name", "tenant"]
    list_filter = ["tenant"]
    list_select_related = ["tenant"]
    search_fields = ["name_key"]


@admin.register(Prefix)
class PrefixAdmin(admin.ModelAdmin):
    list_display = ["cidr", "site", "description"]
    list_filter = ["site"]
    list_select_related = ["site"]
    search_fields = ["cidr", "description"]


@admin.register(TargetRule)
class TargetRuleAdmin(admin.ModelAdmin):
    list_display = ["cidr", "action", "tenant", "note"]
    list_filter = ["action", "tenant"]
    list_select_related = ["tenant"]
    search_fields = ["cidr", "note"]
    autocomplete_fields = ["tenant"]


@admin.register(CredentialUse)
class CredentialUseAdmin(admin.ModelAdmin):
    """What netmon noted; nobody writes it."""

    list_display = ["credential", "endpoint", "last_used_at", "last_ok_at", "last_error_code"]
    list_select_related = ["credential", "endpoint"]
    search_fields = ["credential__name", "endpoint__device__name_key"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: CredentialUse | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: CredentialUse | None = None) -> bool:
        return False


class InterfaceInline(admin.TabularInline):
    model = Interface
    extra = 0
    fields = ["name", "if_index", "if_alias", "mac_address", "if_oper_status"]
    readonly_fields = ["if_oper_status"]
    show_change_link = True


class EndpointInline(admin.TabularInline):
    model = ManagementEndpoint
    extra = 0
    fields = ["protocol", "port", "credential", "options", "is_enabled"]
    autocomplete_fields = ["credential"]


class DeviceForm(forms.ModelForm):
    class Meta:
        model = Device
        fields = [
            "name", "kind", "status", "tenant", "site", "location", "vendor", "model", "platform", "serial",
            "hypervisor", "primary_ip",
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
class DeviceAdmin(admin.ModelAdmin):
    form = DeviceForm
    list_display = ["name", "kind", "status", "primary_ip", "site", "tenant", "vendor", "model"]
    list_filter = ["kind", "status", "site", "tenant"]
    list_select_related = ["primary_ip", "site", "tenant"]
    list_per_page = 100
    search_fields = ["name_key", "serial", "location", "interfaces__ip_addresses__address", "interfaces__mac_address"]
    autocomplete_fields = ["tenant", "site", "hypervisor", "primary_ip"]
    inlines = [EndpointInline, InterfaceInline]

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
            for endpoint in [*formset.new_objects, *(row for row, _ in formset.changed_objects)]:
                followers.announce_endpoint(endpoint)

    def delete_model(self, request: HttpRequest, obj: Device) -> None:
        services.delete_devices([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        services.delete_devices(queryset.values_list("pk", flat=True))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Naming every series and outage of a month would take longer than deleting them.
        names = [str(device) for device in objs]
        return names, {"devices, with all their history": len(names)}, set(), []


@admin.register(Interface)
class InterfaceAdmin(admin.ModelAdmin):
    list_display = ["name", "device", "if_index", "if_alias", "mac_address", "if_oper_status", "gone_since"]
    list_filter = ["if_oper_status", "device__kind"]
    list_select_related = ["device"]
    search_fields = ["name", "if_alias", "mac_address", "device__name_key"]
    autocomplete_fields = ["device"]
    readonly_fields = ["if_admin_status", "if_oper_status", "gone_since"]

    def delete_model(self, request: HttpRequest, obj: Interface) -> None:
        services.delete_interfaces([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Interface]) -> None:
        services.delete_interfaces(queryset.values_list("pk", flat=True))

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
class IPAddressAdmin(admin.ModelAdmin):
    form = IPAddressForm
    list_display = ["address", "prefix_length", "dns_name", "interface", "tenant"]
    list_filter = ["tenant"]
    list_select_related = ["interface__device", "tenant"]
    search_fields = ["address", "dns_name", "interface__device__name_key"]
    autocomplete_fields = ["interface", "tenant"]


class UnshownTextarea(forms.Textarea):
    """A text to be sent that no page gives back, not even when the form was refused."""

    def format_value(self, value: Any) -> str:
        return ""


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
class CredentialAdmin(admin.ModelAdmin):
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

    @admin.display(boolean=True, description="secret set")
    def secret_is_set(self, credential: Credential) -> bool:
        return bool(credential.secret)


@admin.register(ManagementEndpoint)
class EndpointAdmin(admin.ModelAdmin):
    list_display = ["device", "protocol", "port", "credential", "is_enabled"]
    list_filter = ["protocol", "is_enabled"]
    list_select_related = ["device", "credential"]
    search_fields = ["device__name_key"]
    autocomplete_fields = ["device", "credential"]

    def save_model(self, request: HttpRequest, obj: ManagementEndpoint, form: Any, change: bool) -> None:
        services.save_endpoint(obj)

    def delete_model(self, request: HttpRequest, obj: ManagementEndpoint) -> None:
        services.delete_endpoints([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ManagementEndpoint]) -> None:
        services.delete_endpoints(queryset.values_list("pk", flat=True))
