from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from inventory import followers, keys, services
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Prefix, Site, Tenant


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


@admin.register(Device)
class DeviceAdmin(admin.ModelAdmin):
    list_display = ["name", "kind", "status", "primary_ip", "site", "tenant", "vendor", "model"]
    list_filter = ["kind", "status", "site", "tenant"]
    list_select_related = ["primary_ip", "site", "tenant"]
    list_per_page = 100
    search_fields = ["name_key", "serial", "location", "interfaces__ip_addresses__address", "interfaces__mac_address"]
    autocomplete_fields = ["tenant", "site", "hypervisor", "primary_ip"]
    inlines = [EndpointInline, InterfaceInline]

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is Interface:
            services.delete_interfaces(row.instance.pk for row in formset.deleted_forms if row.instance.pk)
        super().save_formset(request, form, formset, change)
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


@admin.register(IPAddress)
class IPAddressAdmin(admin.ModelAdmin):
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
            "comment", "device",
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
        "device",
    ]  # fmt: skip
    # Plain text in the page, to be marked and copied.
    readonly_fields = ["key_type", "key_bits", "fingerprint", "public_key"]
    list_filter = ["kind"]
    list_select_related = ["device"]
    search_fields = ["name", "username", "fingerprint"]
    autocomplete_fields = ["device"]

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
        super().save_model(request, obj, form, change)
        followers.announce_endpoint(obj)

    def delete_model(self, request: HttpRequest, obj: ManagementEndpoint) -> None:
        services.delete_endpoints([obj.pk])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ManagementEndpoint]) -> None:
        services.delete_endpoints(queryset.values_list("pk", flat=True))
