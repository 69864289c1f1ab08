"""The pages about people, without a browser: what they do, to whom they open, and what they never show."""

import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from netmon.accounts.models import ApiKey, Invite, Totp, User
from netmon.accounts.services import keys
from netmon.audit.models import AuditEvent
from tests import factories, people
from tests.unit.accounts.conftest import Clock, code_at, token_login, with_totp

pytestmark = pytest.mark.django_db
KEY = re.compile(r"nm_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(cast.ada)


def test_nothing_stands_inline_on_any_page(admin: APIClient, cast: people.Cast) -> None:
    with_totp(cast.omar)
    admin.post("/account/totp/", {"form": "enrol", "e-password": people.PASSWORD})
    for path in ("/account/", "/account/totp/", "/account/keys/", "/people/", f"/people/{cast.omar.pk}/"):
        page = admin.get(path)
        text = page.content.decode()
        assert page.status_code == 200 and not re.search(r"\sstyle=|\son\w+=|<style|<script(?! src)", text), path
        assert "no-store" in page["Cache-Control"], path


def test_profile_and_password(api: APIClient, cast: people.Cast) -> None:
    there = people.client_for(cast.omar)
    saved = api.post("/account/", {"form": "profile", "p-first_name": "Omar", "p-email": "o@example.net"})
    assert saved.status_code == 302
    cast.omar.refresh_from_db()
    assert (cast.omar.first_name, cast.omar.email, cast.omar.role) == ("Omar", "o@example.net", "operator")
    new = "another pass phrase 2"
    form = {"form": "password", "current_password": "wrong", "new_password": new, "again": new}
    assert b"This is not your password." in api.post("/account/", form).content
    form["current_password"] = people.PASSWORD
    assert b"differ" in api.post("/account/", {**form, "again": "x"}).content
    assert b"too short" in api.post("/account/", {**form, "new_password": "short", "again": "short"}).content
    assert api.post("/account/", form).status_code == 302
    assert api.get("/account/").status_code == 200 and there.get("/account/").status_code == 302
    assert AuditEvent.objects.filter(action="password_change", username="omar").count() == 1


def test_log_out_everywhere_and_log_out(api: APIClient, cast: people.Cast) -> None:
    there = people.client_for(cast.omar)
    assert api.get("/account/logout-everywhere/").status_code == 405
    assert api.post("/account/logout-everywhere/")["Location"] == "/login/"
    assert there.get("/account/").status_code == api.get("/account/").status_code == 302
    cast.omar.refresh_from_db()
    people.client_for(cast.omar).post("/logout/")
    assert AuditEvent.objects.filter(action="logout", username="omar", via="session").count() == 1


def test_a_key_is_made_shown_once_and_revoked(api: APIClient, cast: people.Cast) -> None:
    form = {
        "name": "backup", "role": "viewer", "days": "30", "scopes": ["read"], "allowed_networks": "192.0.2.0/24 ::1",
    }  # fmt: skip
    made = api.post("/account/keys/", form)
    text = KEY.search(made.content.decode())
    assert text and KEY.search(api.get("/account/keys/").content.decode()) is None
    key = ApiKey.objects.get()
    assert (key.role, key.allowed_networks, key.user) == ("viewer", ["192.0.2.0/24", "::1/128"], cast.omar)
    assert keys.find(text[0]) == key
    again = api.post("/account/keys/", form)
    assert b"has a key of this name" in again.content and KEY.search(again.content.decode()) is None
    for wrong in ({"role": "admin"}, {"days": "400"}, {"days": "0"}, {"scopes": []}, {"allowed_networks": "home"}):
        refused = api.post("/account/keys/", {**form, "name": "other", **wrong})
        assert refused.status_code == 200 and refused.context["form"].errors.get(next(iter(wrong))), wrong
    assert people.client_for(cast.vera).post(f"/account/keys/{key.pk}/revoke/").status_code == 404
    assert api.post(f"/account/keys/{key.pk}/revoke/").status_code == 302
    key.refresh_from_db()
    assert key.state == "revoked" and b"Revoked" in api.get("/account/keys/").content


@pytest.mark.parametrize("path", ["/people/", "/people/1/"])
def test_people_are_managed_by_admins_only(path: str, cast: people.Cast) -> None:
    for user in (cast.vera, cast.omar):
        client = people.client_for(user)
        assert client.get(path).status_code == 403
        assert client.post("/people/invite/", {"role": "admin", "expires_hours": 1}).status_code == 403
        assert client.post("/people/invites/1/withdraw/").status_code == 403
        assert b'href="/people/"' not in client.get("/").content
    tenant = factories.make_tenant()
    tenant.members.add(cast.ada)
    assert people.client_for(cast.ada).get(path).status_code == 403, "an admin bound to a tenant is none"
    assert people.client_for(None).get(path)["Location"].startswith("/login/")


def test_an_admin_invites_and_withdraws(admin: APIClient) -> None:
    tenant = factories.make_tenant()
    form = {"email": "ivo@example.net", "role": "viewer", "expires_hours": "5", "tenants": [str(tenant.pk)]}
    made = admin.post("/people/invite/", form).content.decode()
    link = re.search(r"http://testserver(/invite/[\w-]{43}/)", made)
    assert link and link[1] not in admin.get("/people/").content.decode()
    assert people.client_for(None).get(link[1]).status_code == 200
    invite = Invite.objects.get()
    assert invite.tenants == [tenant.pk] and invite.created_by is not None
    assert b"bound to no tenant" in admin.post("/people/invite/", {**form, "role": "admin"}).content
    assert admin.post(f"/people/invites/{invite.pk}/withdraw/").status_code == 302
    assert people.client_for(None).get(link[1]).status_code == 410


def test_an_admin_changes_somebody(admin: APIClient, cast: people.Cast, clock: Clock) -> None:
    tenant = factories.make_tenant()
    session, path = people.client_for(cast.omar), f"/people/{cast.omar.pk}/"
    form: dict[str, Any] = {"form": "person", "role": "viewer", "is_active": "on", "tenants": [str(tenant.pk)]}
    assert admin.post(path, form).status_code == 302
    omar = User.objects.get(username="omar")
    assert omar.role == "viewer" and list(omar.tenants.all()) == [tenant]
    assert b"bound to no tenant" in admin.post(path, {**form, "role": "admin"}).content
    assert session.get("/").status_code == 200
    assert admin.post(path, {"form": "end"}).status_code == 302
    assert session.get("/").status_code == 302
    with_totp(cast.omar)
    assert admin.post(path, {"form": "totp"}).status_code == 302
    assert not User.objects.get(username="omar").totp_enabled
    assert admin.post(path, {"form": "person", "role": "viewer"}).status_code == 302
    assert not User.objects.get(username="omar").is_active
    last = admin.post(f"/people/{cast.ada.pk}/", {"form": "person", "role": "viewer", "is_active": "on"})
    assert last.status_code == 200 and b"last admin" in last.content
    assert admin.post("/people/999/", form).status_code == 404


def test_the_second_factor_page_from_off_to_on_and_off(api: APIClient, cast: people.Cast, clock: Clock) -> None:
    assert b"Set it up" in api.get("/account/totp/").content
    refused = api.post("/account/totp/", {"form": "enrol", "e-password": "wrong"})
    assert b"This is not your password." in refused.content and not Totp.objects.exists()
    api.post("/account/totp/", {"form": "enrol", "e-password": people.PASSWORD})
    page = api.get("/account/totp/").content.decode()
    assert "<path d=" in page and 'id="secret"' in page
    assert b"wrong, used or too old" in api.post("/account/totp/", {"form": "confirm", "code": "000000"}).content
    shown = api.post("/account/totp/", {"form": "confirm", "code": code_at(cast.omar)}).content.decode()
    codes = re.findall(r"<li>([a-z2-7-]{19})</li>", shown)
    assert len(codes) == 10 and not re.search(r"<li>[a-z2-7-]{19}</li>", api.get("/account/totp/").content.decode())
    renewed = api.post("/account/totp/", {"form": "renew", "code": codes[0]}).content.decode()
    fresh = re.findall(r"<li>([a-z2-7-]{19})</li>", renewed)
    assert len(fresh) == 10 and not set(fresh) & set(codes)
    wrong = {"form": "disable", "d-password": "wrong", "d-code": fresh[0]}
    assert b"This is not your password." in api.post("/account/totp/", wrong).content
    assert api.post("/account/totp/", {**wrong, "d-password": people.PASSWORD}).status_code == 302
    assert not User.objects.get(username="omar").totp_enabled


# --- the admin site


def test_the_admin_site_has_no_door_of_its_own(nobody: APIClient, cast: people.Cast) -> None:
    assert nobody.get("/admin/login/?next=/admin/inventory/")["Location"] == "/login/?next=%2Fadmin%2Finventory%2F"
    answer = nobody.post("/admin/login/", {"username": "ada", "password": people.PASSWORD})
    assert answer.status_code == 302 and nobody.get("/admin/").status_code == 302
    assert people.client_for(cast.omar).get("/admin/login/").status_code == 403, "and no circle for who may not"
    tenant = factories.make_tenant()
    tenant.members.add(cast.ada)
    assert people.client_for(cast.ada).get("/admin/").status_code == 302


def test_flags_follow_the_role(cast: people.Cast) -> None:
    user = User.objects.create_superuser("root", password=people.PASSWORD)
    assert (user.role, user.is_staff, user.is_superuser) == ("admin", True, True)
    user.role = "viewer"
    user.save(update_fields=["role"])
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser, user.is_admin) == (False, False, False)
    cast.omar.is_staff = cast.omar.is_superuser = True
    cast.omar.save()
    cast.omar.refresh_from_db()
    assert not cast.omar.is_staff and not cast.omar.is_superuser


def test_the_admin_site_shows_no_secret(admin: APIClient, cast: people.Cast) -> None:
    key, text = keys.make(user=cast.omar, name="k", scopes=["read"])
    hidden = [key.key_hash, text, cast.omar.password, key.pepper_id]
    paths = ["user/", f"user/{cast.omar.pk}/change/", "apikey/", f"apikey/{key.pk}/change/", "invite/", "user/add/"]
    for path in paths:
        page = admin.get(f"/admin/accounts/{path}")
        assert page.status_code == 200, path
        assert not any(secret in page.content.decode() for secret in hidden), path
    for path in ("apikey/add/", "invite/add/", f"apikey/{key.pk}/delete/"):
        assert admin.get(f"/admin/accounts/{path}").status_code == 403, path


def test_the_admin_site_keeps_the_rules_and_the_record(admin: APIClient, cast: people.Cast, nobody: APIClient) -> None:
    def change(user: User, **over: str) -> Any:
        form = {"username": user.username, "role": user.role, "email": user.email, "is_active": "on", **over}
        return admin.post(f"/admin/accounts/user/{user.pk}/change/", {k: v for k, v in form.items() if v})

    refused = change(cast.ada, role="viewer")
    assert refused.status_code == 200 and b"last admin" in refused.content
    assert b"last admin" in change(cast.ada, is_active="").content
    assert admin.post(f"/admin/accounts/user/{cast.ada.pk}/delete/", {"post": "yes"}).status_code == 403
    tenant = factories.make_tenant()
    tenant.members.add(cast.vera)
    assert b"bound to no tenant" in change(cast.vera, role="admin").content
    access = token_login(nobody).json()["access"]
    assert change(cast.omar, is_active="").status_code == 302 and change(cast.omar).status_code == 302
    assert nobody.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {access}"}).status_code == 401
    assert AuditEvent.objects.filter(action="update", username="ada", object_name="omar").count() == 2
    access = token_login(nobody).json()["access"]
    new = {"password1": "another pass phrase 2", "password2": "another pass phrase 2", "usable_password": "true"}
    assert admin.post(f"/admin/accounts/user/{cast.omar.pk}/password/", new).status_code == 302
    assert nobody.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {access}"}).status_code == 401
    assert AuditEvent.objects.filter(action="password_set", username="ada", object_name="omar").exists()
    key, text = keys.make(user=cast.omar, name="k", scopes=["read"])
    body = {"action": "revoke", "_selected_action": [str(key.pk)]}
    assert admin.post("/admin/accounts/apikey/", body).status_code == 302
    assert nobody.get("/api/v1/auth/me/", headers={"X-API-Key": text}).json()["code"] == "key_revoked"
    added = {"username": "nina", "role": "admin", "usable_password": "true", "password1": new["password1"]}
    assert admin.post("/admin/accounts/user/add/", {**added, "password2": new["password2"]}).status_code == 302
    nina = User.objects.get(username="nina")
    assert nina.is_admin and nina.check_password(new["password1"])
    assert admin.post(f"/admin/accounts/user/{nina.pk}/delete/", {"post": "yes"}).status_code == 302
    assert AuditEvent.objects.filter(action="delete", object_name="nina").exists()
