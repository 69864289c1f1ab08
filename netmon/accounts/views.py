"""The pages about people: the door, one's own account, keys, and who else there is."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from netmon.accounts import forms
from netmon.accounts.models import ApiKey, Invite, Totp, User
from netmon.accounts.services import invites, keys, logins, people, totp
from netmon.accounts.services.lockout import LockedOut
from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.permissions import AREAS, has_role

PEOPLE_A_PAGE = 200


def locked_page(request: HttpRequest, error: LockedOut) -> HttpResponse:
    minutes, seconds = -(-error.seconds // 60), error.seconds
    wait = f"{seconds} seconds" if seconds <= 90 else f"{minutes} minutes"
    context = {"reason": error.detail, "wait": wait}
    response = render(request, "accounts/locked_out.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


class Login(LoginView):
    template_name = "accounts/login.html"
    authentication_form = forms.LoginForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().post(request, *args, **kwargs)
        except LockedOut as error:
            return locked_page(request, error)
        except logins.OtpRequired as error:
            logins.remember(request, error.user)
            target = self.get_redirect_url()
            return redirect(reverse("login-code") + (f"?{urlencode({'next': target})}" if target else ""))

    def form_valid(self, form: Any) -> HttpResponse:
        logins.enter(self.request, form.get_user())
        return redirect(self.get_success_url())


class Logout(LogoutView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            audit.record("logout", request.user)
        return super().post(request, *args, **kwargs)


def _target(request: HttpRequest) -> str:
    """Where a log-in leads: `next` when it stays on this site."""
    given = request.POST.get("next", request.GET.get("next", ""))
    is_ours = url_has_allowed_host_and_scheme(given, {request.get_host()}, require_https=request.is_secure())
    return given if given and is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def login_code(request: HttpRequest) -> HttpResponse:
    """The second step: who has given the right password owes a code."""
    user = logins.pending(request)
    if user is None:
        return redirect("login")
    form = forms.CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        target = _target(request)
        try:
            if logins.complete(request, user, code=form.cleaned_data["code"]):
                return redirect(target)
        except LockedOut as error:
            return locked_page(request, error)
        form.add_error(None, logins.REFUSED)
    return render(request, "accounts/login_code.html", {"form": form, "next": request.GET.get("next", "")})


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def accept_invite(request: HttpRequest, token: str) -> HttpResponse:
    """Where an invite's link leads: choose name and password, and be logged in."""
    invite = invites.find(token)
    if invite is None:
        return render(request, "accounts/invite_gone.html", status=410)
    form = forms.AcceptInviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = {name: value for name, value in form.cleaned_data.items() if name != "again"}
        try:
            user = invites.accept(token=token, **given)
        except invites.InviteGone:
            return render(request, "accounts/invite_gone.html", status=410)
        except ValidationError as error:
            form.take(error)
        except IntegrityError:  # somebody took the name between the check and the row
            form.add_error("username", "A user with that username already exists.")
        else:
            logins.enter(request, user)
            return redirect(settings.LOGIN_REDIRECT_URL)
    return render(request, "accounts/invite.html", {"form": form, "invite": invite})


def _me(request: HttpRequest) -> User:
    user: User = User.objects.get(pk=request.user.pk)
    return user


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Profile and password. Which form came is told by its button."""
    asked = request.POST.get("form", "")
    profile = forms.ProfileForm(request.POST if asked == "profile" else None, instance=_me(request), prefix="p")
    password = forms.PasswordForm(request.POST if asked == "password" else None)
    try:
        if asked == "profile" and profile.is_valid():
            people.change(user=_me(request), values=profile.cleaned_data)
            messages.success(request, "Your profile is saved.")
            return redirect("account")
        if asked == "password" and password.is_valid() and _changed_password(request, password):
            messages.success(request, "Your password is changed. Every other session and token has ended.")
            return redirect("account")
    except LockedOut as error:
        return locked_page(request, error)
    except ValidationError as error:
        (profile if asked == "profile" else password).take(error)
    context = {
        "profile": profile,
        "password": password,
        "person": _me(request),
        "recovery_left": totp.recovery_codes_left(_me(request)),
        "section": "account",
    }
    return render(request, "accounts/account.html", context)


def _changed_password(request: HttpRequest, form: forms.PasswordForm) -> bool:
    if logins.prove(request, _me(request), password=form.cleaned_data["current_password"]):
        form.add_error("current_password", "This is not your password.")
        return False
    user = people.set_own_password(user=_me(request), password=form.cleaned_data["new_password"])
    update_session_auth_hash(request, user)
    return True


@require_POST
@login_required
def logout_everywhere(request: HttpRequest) -> HttpResponse:
    people.end_everything(user=_me(request))
    return redirect("login")


@never_cache
@sensitive_post_parameters()
@login_required
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Enrol, confirm, renew recovery codes, switch off."""
    user, asked = _me(request), request.POST.get("form", "")
    code = forms.CodeForm(request.POST if asked in ("confirm", "renew") else None)
    disable = forms.DisableTotpForm(request.POST if asked == "disable" else None, prefix="d")
    enrol = forms.EnrolTotpForm(request.POST if asked == "enrol" else None, prefix="e")
    shown: list[str] = []
    try:
        if asked == "enrol" and enrol.is_valid() and _proved(request, user, enrol):
            totp.enrol(user=user)
            return redirect("account-totp")
        if asked == "confirm" and code.is_valid():
            shown = totp.confirm(user=user, code=code.cleaned_data["code"])
        elif asked == "renew" and code.is_valid():
            if logins.prove(request, user, code=code.cleaned_data["code"]):
                code.add_error("code", "This code is wrong or used.")
            else:
                shown = totp.renew_recovery_codes(user=user)
        elif asked == "disable" and disable.is_valid() and _proved(request, user, disable):
            totp.remove(user=user)
            messages.success(request, "Your second factor is switched off.")
            return redirect("account")
    except LockedOut as error:
        return locked_page(request, error)
    except ValidationError as error:
        code.take(error)
    except NetmonError as error:
        messages.error(request, error.detail)
        return redirect("account-totp")
    row = Totp.objects.filter(user=user).first()
    context: dict[str, Any] = {
        "code": forms.CodeForm() if shown else code,
        "disable": disable,
        "enrol": enrol,
        "recovery_codes": shown,
        "recovery_left": totp.recovery_codes_left(user),
        "is_required": totp.is_required(user),
        "is_on": row is not None and row.confirmed_at is not None,
        "section": "account",
    }
    if row is not None and row.confirmed_at is None:
        uri = totp.provisioning_uri(row)
        path, size = totp.qr_path(uri)
        context |= {"secret": totp.clear_secret(row), "qr_path": path, "qr_size": size}
    return render(request, "accounts/second_factor.html", context)


def _proved(request: HttpRequest, user: User, form: forms.EnrolTotpForm | forms.DisableTotpForm) -> bool:
    given = form.cleaned_data
    wrong = logins.prove(request, user, password=given["password"], code=given.get("code"))
    if wrong:
        form.add_error(wrong, "This is not your password." if wrong == "password" else "This code is wrong or used.")
    return wrong is None


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """One's own keys. A new one is shown in the answer to the form: a redirect would have to keep it somewhere."""
    user = _me(request)
    form = forms.KeyForm(request.POST or None, user=user, longest=settings.API_KEY_MAX_DAYS)
    made = text = None
    if request.method == "POST" and form.is_valid():
        try:
            made, text = keys.make(user=user, **form.values())
        except ValidationError as error:
            form.take(error)
        except IntegrityError:  # two at once
            form.add_error("name", "You have a key of this name: revoke it, or choose another name.")
        else:
            form = forms.KeyForm(user=user, longest=settings.API_KEY_MAX_DAYS)
    rows = ApiKey.objects.filter(user=user).order_by("revoked_at", "-id")[:PEOPLE_A_PAGE]
    context = {
        "form": form, "keys": sorted(rows, key=lambda key: key.state != "active"), "made": made, "text": text,
        "areas": AREAS, "section": "account",
    }  # fmt: skip
    return render(request, "accounts/keys.html", context)


@require_POST
@login_required
def revoke_key(request: HttpRequest, pk: int) -> HttpResponse:
    key = get_object_or_404(ApiKey.objects.visible_to(request.user), pk=pk)
    keys.revoke(key=key)
    messages.success(request, f"The key {key.name} is revoked.")
    return redirect("account-keys")


def _admin_only(request: HttpRequest) -> User:
    if not has_role(request.user, "admin"):
        raise PermissionDenied
    return _me(request)


@never_cache
@login_required
@require_http_methods(["GET"])
def people_list(request: HttpRequest) -> HttpResponse:
    _admin_only(request)
    return _people(request, forms.InviteForm())


@never_cache
@require_POST
@login_required
def invite(request: HttpRequest) -> HttpResponse:
    """Make an invite; its link is in the answer and nowhere else."""
    admin, form, link = _admin_only(request), forms.InviteForm(request.POST), ""
    if form.is_valid():
        given = form.cleaned_data
        try:
            _, token = invites.make(
                by=admin,
                role=given["role"],
                email=given["email"],
                tenants=[tenant.pk for tenant in given["tenants"]],
                hours=given["expires_hours"],
            )
        except ValidationError as error:
            form.take(error)
        else:
            form, link = forms.InviteForm(), request.build_absolute_uri(reverse("invite", args=[token]))
    return _people(request, form, link)


def _people(request: HttpRequest, form: forms.InviteForm, link: str = "") -> HttpResponse:
    everybody = User.objects.visible_to(request.user).select_related("totp").prefetch_related("tenants")
    seen: Any = Invite.objects
    context = {
        "everybody": everybody[:PEOPLE_A_PAGE],
        "total": everybody.count(),
        "invites": [row for row in seen.visible_to(request.user)[:PEOPLE_A_PAGE] if row.state != "used"],
        "form": form,
        "link": link,
        "section": "people",
    }
    return render(request, "accounts/people.html", context)


@require_POST
@login_required
def withdraw_invite(request: HttpRequest, pk: int) -> HttpResponse:
    _admin_only(request)
    invites.withdraw(invite=get_object_or_404(Invite, pk=pk))
    messages.success(request, "The invite is withdrawn: its link has ended.")
    return redirect("people")


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Change somebody: names, role, tenants, active; end their sessions; take a lost second factor away."""
    _admin_only(request)
    who = get_object_or_404(User, pk=pk)
    asked = request.POST.get("form", "")
    form = forms.PersonForm(request.POST if asked == "person" else None, instance=get_object_or_404(User, pk=pk))
    try:
        if asked == "person" and form.is_valid():
            values = dict(form.cleaned_data)
            people.change(user=who, tenants=values.pop("tenants"), values=values)
            messages.success(request, f"{who.username} is saved.")
            return redirect("people")
        if asked in ("end", "totp"):
            people.end_everything(user=who) if asked == "end" else totp.reset(user=who)
            messages.success(request, f"Every session and token of {who.username} has ended.")
            return redirect("person", pk=pk)
    except ValidationError as error:
        form.take(error)
    except NetmonError as error:
        form.add_error(None, error.detail) if asked == "person" else messages.error(request, error.detail)
    return render(request, "accounts/person.html", {"form": form, "who": who, "section": "people"})
