from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from netmon.accounts.models import ApiKey, Invite, User
from netmon.accounts.services import invites, keys, people, totp
from netmon.audit import services as audit
from netmon.audit.admin_mixin import AuditedAdmin, ReadOnlyAdmin
from netmon.common.badges import badge, yes


class UserForm(UserChangeForm):
    """The rules of the service: an admin bound to tenants, and a network without an admin, are refused."""

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        role = values.get("role", self.instance.role)
        people.refuse_bound_admin(role=role, tenants=self.instance.tenants.all(), field="role")
        stays = role == User.Role.ADMIN and values.get("is_active", True)
        if not stays and people.is_last_admin(people.held(self.instance)):
            raise ValidationError({"role": "This is the last admin: make somebody else one first."})
        return values


class NewUserForm(AdminUserCreationForm):
    class Meta(AdminUserCreationForm.Meta):
        model = User
        fields = ("username", "email", "role")
        field_classes: ClassVar[dict[str, type[forms.Field]]] = {}


@admin.register(User)
class NetmonUserAdmin(AuditedAdmin, UserAdmin):
    form = UserForm
    add_form = NewUserForm
    list_display = ["username", "email", "role", "condition", "second_factor", "tenant_names", "last_login"]
    list_filter = ["role", "is_active"]
    list_select_related = ["totp"]
    fieldsets = (
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("Rights", {"fields": ["role", "is_active", "tenant_names"]}),
        ("Log-in", {"fields": ["second_factor", "last_login", "date_joined"]}),
    )
    add_fieldsets = ((None, {"fields": ["username", "email", "role", "usable_password", "password1", "password2"]}),)
    readonly_fields = ["tenant_names", "second_factor", "last_login", "date_joined"]
    filter_horizontal = ()
    actions = ["log_out_everywhere", "reset_second_factor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("tenants")

    @admin.display(description="second factor")
    def second_factor(self, user: User) -> SafeString:
        return yes(user.totp_enabled, "On", "Off")

    @admin.display(ordering="is_active", description="state")
    def condition(self, user: User) -> SafeString:
        return yes(user.is_active, "Active", "Off")

    @admin.display(description="tenants")
    def tenant_names(self, user: User) -> str:
        return ", ".join(str(tenant) for tenant in user.tenants.all()) or "all"

    @admin.action(description="Log out everywhere")
    def log_out_everywhere(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            people.end_everything(user=user)
        messages.success(request, "Their sessions and tokens have ended.")

    @admin.action(description="Take the second factor away")
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset.filter(totp__isnull=False):
            totp.reset(user=user)
        messages.success(request, "Their second factors are gone, and their sessions have ended.")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)  # it would take the last admin along
        return actions

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not people.is_last_admin(obj))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        people.delete(user=obj)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            row = User.objects.get(pk=obj.pk)
            if row.is_active and not obj.is_active:
                obj.token_version = row.token_version + 1
        super().save_model(request, obj, form, change)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        response = super().user_change_password(request, id, form_url)
        if request.method == "POST" and response.status_code == 302:
            person = User.objects.get(pk=id)
            audit.record("password_set", person)
            if person != request.user:  # Django has ended the sessions by the new password; the tokens end here
                people.end_everything(user=person)
        return response


KEY_FIELDS = (
    "user", "name", "prefix", "role", "scopes", "allowed_networks", "state", "created_at", "expires_at",
    "last_used_at", "last_used_ip", "revoked_at",
)  # fmt: skip
STATE_SHAPES = {"active": "up", "open": "pending", "used": "up"}
INVITE_FIELDS = (
    "email", "role", "tenants", "state", "created_by", "created_at", "expires_at", "used_by", "used_at",
)  # fmt: skip


class KeptAdmin(ReadOnlyAdmin):
    """Rows that are made and changed elsewhere."""

    @admin.display(description="state")
    def condition(self, row: ApiKey | Invite) -> SafeString:
        return badge(STATE_SHAPES.get(row.state, "unknown"), str(row.state).capitalize())


@admin.register(ApiKey)
class ApiKeyAdmin(KeptAdmin):
    fields = KEY_FIELDS
    readonly_fields = KEY_FIELDS
    list_display = ["name", "user", "prefix", "role", "condition", "expires_at", "last_used_at"]
    list_filter = ["role", "user"]
    list_select_related = ["user"]
    search_fields = ["name", "prefix", "user__username"]
    date_hierarchy = "created_at"
    actions = ["revoke"]

    @admin.action(description="Revoke", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset:
            keys.revoke(key=key)
        messages.success(request, "These keys have ended.")


@admin.register(Invite)
class InviteAdmin(KeptAdmin):
    fields = INVITE_FIELDS
    readonly_fields = INVITE_FIELDS
    list_display = ["__str__", "role", "condition", "created_by", "expires_at", "used_by"]
    list_filter = ["role"]
    list_select_related = ["created_by", "used_by"]
    search_fields = ["email", "created_by__username"]
    date_hierarchy = "created_at"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def delete_model(self, request: HttpRequest, obj: Invite) -> None:
        invites.withdraw(invite=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Invite]) -> None:
        for row in queryset:
            invites.withdraw(invite=row)
