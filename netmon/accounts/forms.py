"""The forms of the pages about people. What is right is decided by the services; forms carry their words to a field."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils import timezone

from netmon.accounts.models import User
from netmon.accounts.services import invites, keys, logins
from netmon.common.permissions import ROLE_RANK, SCOPES, rank

NEW_PASSWORD = forms.PasswordInput(attrs={"autocomplete": "new-password"})
CURRENT_PASSWORD = forms.PasswordInput(attrs={"autocomplete": "current-password"})
CODE = {"autocomplete": "one-time-code", "inputmode": "text", "autocapitalize": "none", "spellcheck": "false"}
# The two for every area first.
SCOPE_CHOICES = [(scope, scope) for scope in sorted(SCOPES, key=lambda scope: (":" in scope, scope))]
ROLES = {"viewer": "Viewer", "operator": "Operator", "admin": "Admin"}


class Plain:
    """Fields that say by ARIA what is wrong with them, and services' errors where they belong."""

    def take(self, error: ValidationError) -> None:
        """Show what a service refused, at its field where the form has it."""
        form: Any = self
        if not hasattr(error, "error_dict"):
            form.add_error(None, error)
            return
        for name, errors in error.error_dict.items():
            form.add_error(name if name in form.fields else None, errors)


class LoginForm(AuthenticationForm):
    """By way of the one service that counts, slows down and records."""

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if username is not None and password:
            assert self.request is not None
            user = logins.authenticate_person(self.request, username=username[:150], password=password)
            if user is None:
                raise ValidationError(logins.REFUSED)
            self.user_cache = user
        return self.cleaned_data


class CodeForm(Plain, forms.Form):
    code = forms.CharField(label="Code", max_length=40, widget=forms.TextInput(attrs=CODE))


class ProfileForm(Plain, forms.ModelForm):
    class Meta:
        model = User
        fields = ["first_name", "last_name", "email"]


class PasswordForm(Plain, forms.Form):
    current_password = forms.CharField(label="Current password", max_length=4096, strip=False, widget=CURRENT_PASSWORD)
    new_password = forms.CharField(
        label="New password", max_length=4096, strip=False, widget=NEW_PASSWORD, help_text="12 characters or more."
    )
    again = forms.CharField(label="New password, again", max_length=4096, strip=False, widget=NEW_PASSWORD)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if {"new_password", "again"} <= set(values) and values["new_password"] != values["again"]:
            self.add_error("again", "The two new passwords differ.")
        return values


class EnrolTotpForm(Plain, forms.Form):
    password = forms.CharField(label="Password", max_length=4096, strip=False, widget=CURRENT_PASSWORD)


class DisableTotpForm(CodeForm):
    password = forms.CharField(label="Password", max_length=4096, strip=False, widget=CURRENT_PASSWORD)
    field_order = ["password", "code"]


class AcceptInviteForm(Plain, forms.Form):
    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    first_name = forms.CharField(label="First name", max_length=150, required=False)
    last_name = forms.CharField(label="Last name", max_length=150, required=False)
    password = forms.CharField(
        label="Password", max_length=4096, strip=False, widget=NEW_PASSWORD, help_text="12 characters or more."
    )
    again = forms.CharField(label="Password, again", max_length=4096, strip=False, widget=NEW_PASSWORD)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if {"password", "again"} <= set(values) and values["password"] != values["again"]:
            self.add_error("again", "The two passwords differ.")
        return values


class KeyForm(Plain, forms.Form):
    name = forms.CharField(label="Name", max_length=100, help_text="What uses it, such as “backup script”.")
    role = forms.ChoiceField(label="Role", help_text="At most your own.")
    allowed_networks = forms.CharField(
        label="Allowed networks",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "placeholder": "192.0.2.0/24"}),
        help_text="Prefixes or addresses, blanks between. Empty: from anywhere.",
    )
    scopes = forms.MultipleChoiceField(label="Scopes", choices=SCOPE_CHOICES, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, user: User, longest: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        role: Any = self.fields["role"]
        role.choices = [(value, ROLES[value]) for value, number in ROLE_RANK.items() if number <= rank(user)]
        self.fields["days"] = forms.IntegerField(
            label="Days until it expires", min_value=1, max_value=longest, initial=min(keys.DEFAULT_DAYS, longest)
        )
        self.fields["scopes"].initial = ["read"]

    def values(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {
            "name": given["name"],
            "role": given["role"],
            "scopes": given["scopes"],
            "allowed_networks": given["allowed_networks"].replace(",", " ").split(),
            "expires_at": timezone.now() + timedelta(days=given["days"]),
        }


class TenantChoice(forms.ModelMultipleChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            queryset=invites.tenant_model()._default_manager.all(),
            required=False,
            label="Tenants",
            widget=forms.CheckboxSelectMultiple,
            help_text="Bound to some: sees only what is theirs. To none: sees everything.",
            **kwargs,
        )


class InviteForm(Plain, forms.Form):
    email = forms.EmailField(label="E-mail address", required=False, help_text="A note of yours: netmon sends no mail.")
    role = forms.ChoiceField(label="Role", choices=list(ROLES.items()))
    expires_hours = forms.IntegerField(
        label="Hours until it expires", min_value=1, max_value=invites.MAX_HOURS, initial=invites.DEFAULT_HOURS
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tenants"] = TenantChoice()


class PersonForm(Plain, forms.ModelForm):
    role = forms.ChoiceField(label="Role", choices=list(ROLES.items()))

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "role", "is_active"]
        help_texts = {"is_active": "Off: no log-in, and every session, token and key ends."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["tenants"] = TenantChoice(initial=list(self.instance.tenants.all()))
