"""People, invites and passwords by API."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from netmon.accounts.models import Invite, User
from netmon.accounts.services import invites, keys
from netmon.audit.models import AuditEvent
from tests import factories, people
from tests.unit.accounts.conftest import Clock, token_login

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("unthrottled")]
U = "/api/v1/users/"
NEW = {"username": "nina", "password": "a long pass phrase 1", "role": "viewer"}


@pytest.fixture
def admin(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(cast.ada)


def make(client: APIClient, **over: Any) -> Any:
    return client.post(U, {**NEW, **over}, format="json")


def patch(client: APIClient, user: User, **body: Any) -> Any:
    return client.patch(f"{U}{user.pk}/", body, format="json")


def test_an_admin_makes_changes_and_removes_people(admin: APIClient) -> None:
    tenant = factories.make_tenant()
    made = make(admin, email="nina@example.net", tenants=[tenant.pk], first_name="Nina")
    assert made.status_code == 201
    body = made.json()
    assert body["tenants"] == [tenant.pk] and body["totp_enabled"] is False and body["is_active"] is True
    assert "password" not in body and NEW["password"] not in made.content.decode()
    nina = User.objects.get(username="nina")
    assert nina.check_password(NEW["password"]) and not nina.is_staff and not nina.is_superuser
    assert patch(admin, nina, tenants=[], role="admin").json()["role"] == "admin"
    nina.refresh_from_db()
    assert nina.is_staff and nina.is_superuser
    assert patch(admin, nina, role="operator").status_code == 200
    nina.refresh_from_db()
    assert not nina.is_staff and not nina.is_superuser
    assert admin.delete(f"{U}{nina.pk}/").status_code == 204
    names = AuditEvent.objects.filter(object_type="accounts.user", object_name="nina").order_by("id")
    assert [event.action for event in names] == ["create", "update", "update", "delete"]
    assert names[0].after["tenants"] == [tenant.pk] and names[1].before["tenants"] == [tenant.pk]
    assert not any(NEW["password"] in str(vars(event)) for event in names)


@pytest.mark.parametrize(
    ("over", "pointer", "status"),
    [
        ({"password": "short"}, "/password", 400),
        ({"password": "password1234"}, "/password", 400),
        ({"password": "123456789012345"}, "/password", 400),
        ({"password": None}, "/password", 400),
        ({"username": ""}, "/username", 400),
        ({"username": "ada"}, "/username", 409),
        ({"username": "with blank"}, "/username", 400),
        ({"username": "x" * 151}, "/username", 400),
        ({"email": "nowhere"}, "/email", 400),
        ({"role": "root"}, "/role", 400),
        ({"tenants": [999]}, "/tenants", 400),
        ({"is_staff": True}, "/is_staff", 400),
    ],
)
def test_a_person_that_breaks_a_rule_is_refused(
    admin: APIClient, over: dict[str, Any], pointer: str, status: int
) -> None:
    answer = make(admin, **over)
    assert answer.status_code == status, answer.json()
    assert pointer in {entry["pointer"] for entry in answer.json()["errors"]}
    assert User.objects.count() == 3


def test_a_new_person_needs_a_password(admin: APIClient) -> None:
    answer = admin.post(U, {"username": "nina", "role": "viewer"}, format="json")
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/password"


def test_an_admin_bound_to_a_tenant_is_refused_whichever_comes_first(admin: APIClient, cast: people.Cast) -> None:
    tenant = factories.make_tenant()
    answer = make(admin, role="admin", tenants=[tenant.pk])
    assert answer.status_code == 400
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/tenants", "bound_admin")]
    tenant.members.add(cast.omar)
    assert patch(admin, cast.omar, role="admin").json()["errors"][0]["pointer"] == "/role"
    assert patch(admin, cast.omar, role="admin", tenants=[]).status_code == 200


@pytest.mark.parametrize("what", ["role", "is_active", "tenants", "delete"])
def test_the_last_admin_cannot_lock_everybody_out(admin: APIClient, cast: people.Cast, what: str) -> None:
    tenant = factories.make_tenant()
    bound = people.make_person("bert", "admin")
    tenant.members.add(bound)
    people.make_person("cleo", "admin", is_active=False)
    body = {"role": {"role": "viewer"}, "is_active": {"is_active": False}, "tenants": {"role": "viewer"}}.get(what)
    if what == "tenants":
        body = {"role": "operator", "tenants": [tenant.pk]}

    def attempt() -> Any:
        return admin.delete(f"{U}{cast.ada.pk}/") if what == "delete" else patch(admin, cast.ada, **(body or {}))

    answer = attempt()
    assert answer.status_code == 409 and answer.json()["code"] == "last_admin"
    cast.ada.refresh_from_db()
    assert cast.ada.role == "admin" and cast.ada.is_active and not cast.ada.tenants.exists()
    people.make_person("dora", "admin")
    assert attempt().status_code in (200, 204)


def test_the_list_filters_orders_and_refuses_what_it_does_not_know(admin: APIClient, cast: people.Cast) -> None:
    tenant = factories.make_tenant()
    tenant.members.add(cast.vera)

    def names(query: str) -> list[str]:
        return [row["username"] for row in admin.get(f"{U}?{query}").json()["results"]]

    assert names("ordering=-username") == ["vera", "omar", "ada"]
    assert names("role=viewer&role=operator") == ["omar", "vera"]
    assert names(f"tenants={tenant.pk}") == ["vera"] and names("tenants=999") == []
    assert (
        names("q=OM") == ["omar"] and names("username=ada") == ["ada"] and names("email=VERA@example.net") == ["vera"]
    )
    assert names("is_active=false") == [] and names("totp_enabled=false") == ["ada", "omar", "vera"]
    assert names("totp_enabled=true") == [] and names("last_login__isnull=true") == ["omar", "vera"]
    assert names("date_joined__gte=2000-01-01T00:00:00Z&date_joined__lt=2001-01-01T00:00:00Z") == []
    for query in ("colour=red", "ordering=password", "password=x", "role=root", "is_active=maybe&colour=x"):
        assert admin.get(f"{U}?{query}").status_code == 400, query


def test_a_password_set_by_an_admin_or_a_switch_off_ends_everything(
    admin: APIClient, cast: people.Cast, nobody: APIClient
) -> None:
    session = people.client_for(cast.omar)
    token = token_login(nobody).json()["access"]
    assert patch(admin, cast.omar, password="another pass phrase 2").status_code == 200
    assert session.get("/api/v1/auth/me/").status_code == 401
    assert nobody.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    token = token_login(nobody, password="another pass phrase 2").json()["access"]
    patch(admin, cast.omar, is_active=False)
    patch(admin, cast.omar, is_active=True)
    assert nobody.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert AuditEvent.objects.filter(action="password_set", username="ada", object_name="omar").exists()


def test_who_is_removed_stays_in_the_audit_by_name(admin: APIClient, cast: people.Cast, nobody: APIClient) -> None:
    token_login(nobody)
    admin.delete(f"{U}{cast.omar.pk}/")
    assert AuditEvent.objects.filter(action="login", username="omar", via="jwt").exists()


# --- invites


def invite(client: APIClient, **body: Any) -> Any:
    return client.post(U + "invite/", {"role": "operator", **body}, format="json")


FORM = {"username": "ivo", "password": "a long pass phrase 1", "again": "a long pass phrase 1"}


def test_an_invite_makes_one_account_and_logs_it_in(admin: APIClient, nobody: APIClient) -> None:
    tenant = factories.make_tenant()
    made = invite(admin, email="ivo@example.net", tenants=[tenant.pk])
    assert made.status_code == 201 and made["Cache-Control"] == "no-store"
    url = made.json()["url"]
    token = url.rstrip("/").rsplit("/", 1)[1]
    assert len(token) >= 43 and url == f"http://testserver/invite/{token}/"
    assert token not in admin.get("/api/v1/invites/").content.decode()
    assert token not in str([vars(row) for row in (*Invite.objects.all(), *AuditEvent.objects.all())])
    assert b"Make your account" in nobody.get(url).content
    done = nobody.post(url, {**FORM, "first_name": "Ivo"})
    assert done.status_code == 302 and done["Location"] == "/"
    me = nobody.get("/api/v1/auth/me/").json()
    assert (me["username"], me["role"], me["email"], me["first_name"]) == ("ivo", "operator", "ivo@example.net", "Ivo")
    assert me["tenants"] == [{"id": tenant.pk, "name": tenant.name}]
    again = people.client_for(None).post(url, {**FORM, "username": "eve"})
    assert again.status_code == 410 and not User.objects.filter(username="eve").exists()
    row = admin.get("/api/v1/invites/").json()["results"][0]
    assert (row["state"], row["used_by"], row["created_by"]) == ("used", "ivo", "ada")
    assert AuditEvent.objects.filter(action="invite", username="ada").count() == 1
    assert AuditEvent.objects.filter(action="invite_used", username="ivo").count() == 1


def test_an_invite_runs_out_and_can_be_withdrawn(admin: APIClient, nobody: APIClient, clock: Clock) -> None:
    url = invite(admin, expires_hours=1).json()["url"]
    clock.forward(3599)
    assert nobody.get(url).status_code == 200
    clock.forward(1)
    assert nobody.get(url).status_code == 410 and nobody.post(url, FORM).status_code == 410
    made = invite(admin).json()
    assert admin.delete(f"/api/v1/invites/{made['id']}/").status_code == 204
    assert nobody.post(made["url"], FORM).status_code == 410
    assert nobody.get("/invite/never-made/").status_code == 410
    assert not User.objects.filter(username="ivo").exists()


@pytest.mark.parametrize(
    ("over", "name"),
    [
        ({"password": "short", "again": "short"}, "password"),
        ({"again": "something else"}, "again"),
        ({"username": "ada"}, "username"),
        ({"username": "with blank"}, "username"),
        ({"username": ""}, "username"),
    ],
)
def test_a_refused_form_does_not_use_the_invite_up(
    admin: APIClient, nobody: APIClient, over: dict[str, str], name: str
) -> None:
    url = invite(admin).json()["url"]
    answer = nobody.post(url, {**FORM, **over})
    assert answer.status_code == 200 and answer.context["form"].errors.get(name), answer.context["form"].errors
    assert nobody.post(url, FORM).status_code == 302


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"expires_hours": 0}, "/expires_hours"),
        ({"expires_hours": 721}, "/expires_hours"),
        ({"role": "root"}, "/role"),
        ({"email": "x"}, "/email"),
        ({"tenants": [999]}, "/tenants"),
        ({"url": "x"}, "/url"),
    ],
)
def test_an_invite_that_breaks_a_rule_is_refused(admin: APIClient, body: dict[str, Any], pointer: str) -> None:
    answer = invite(admin, **body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == pointer


def test_an_invite_whose_tenant_is_gone_makes_nobody(admin: APIClient, nobody: APIClient) -> None:
    tenant = factories.make_tenant()
    url = invite(admin, tenants=[tenant.pk]).json()["url"]
    tenant.delete()
    assert nobody.post(url, FORM).status_code == 410 and not User.objects.filter(username="ivo").exists()


def test_an_admins_invite_is_bound_to_no_tenant(admin: APIClient) -> None:
    answer = invite(admin, role="admin", tenants=[factories.make_tenant().pk])
    assert answer.status_code == 400 and answer.json()["errors"][0]["code"] == "bound_admin"


# --- one's own password


def change(client: APIClient, new: str = "another pass phrase 2", current: str = people.PASSWORD) -> Any:
    body = {"current_password": current, "new_password": new}
    return client.post("/api/v1/auth/password/", body, format="json")


def test_a_new_password_ends_all_but_the_present_session_and_the_keys(nobody: APIClient, cast: people.Cast) -> None:
    here, there = people.client_for(cast.omar), people.client_for(cast.omar)
    token = token_login(nobody).json()
    _, key = keys.make(user=cast.omar, name="k", scopes=["read"])
    assert change(here).status_code == 204
    assert here.get("/api/v1/auth/me/").json()["via"] == "session"
    assert there.get("/api/v1/auth/me/").status_code == 401
    for access in (token["access"],):
        assert nobody.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {access}"}).status_code == 401
    assert nobody.post("/api/v1/auth/token/refresh/", {"refresh": token["refresh"]}).status_code == 401
    assert nobody.get("/api/v1/auth/me/", headers={"X-API-Key": key}).status_code == 200
    assert token_login(nobody).status_code == 401
    assert token_login(nobody, password="another pass phrase 2").status_code == 200


def test_by_token_it_answers_a_fresh_pair(nobody: APIClient) -> None:
    old, other = token_login(nobody).json(), token_login(nobody).json()
    nobody.credentials(HTTP_AUTHORIZATION=f"Bearer {old['access']}")
    fresh = change(nobody).json()
    for access, status in ((old["access"], 401), (other["access"], 401), (fresh["access"], 200)):
        nobody.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
        answer = nobody.get("/api/v1/auth/me/")
        assert answer.status_code == status
    assert answer.json()["via"] == "jwt"
    assert nobody.post("/api/v1/auth/token/refresh/", {"refresh": fresh["refresh"]}).status_code == 200


@pytest.mark.parametrize("new", ["short", "password1234", "123456789012345", people.PASSWORD, ""])
def test_a_weak_or_the_same_password_is_refused(cast: people.Cast, _clean_cache: None, new: str) -> None:
    answer = change(people.client_for(cast.omar), new)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/new_password"
    cast.omar.refresh_from_db()
    assert cast.omar.check_password(people.PASSWORD)


def test_logout_everywhere_ends_every_session_and_token(nobody: APIClient, cast: people.Cast) -> None:
    here, there, token = people.client_for(cast.omar), people.client_for(cast.omar), token_login(nobody).json()
    assert here.post("/api/v1/auth/logout-everywhere/").status_code == 204
    assert here.get("/api/v1/auth/me/").status_code == there.get("/api/v1/auth/me/").status_code == 401
    answer = nobody.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {token['access']}"})
    assert answer.status_code == 401 and answer.json()["code"] == "token_revoked"
    answer = nobody.post("/api/v1/auth/token/refresh/", {"refresh": token["refresh"]})
    assert answer.status_code == 401 and answer.json()["code"] == "token_revoked"
    assert AuditEvent.objects.filter(action="logout_everywhere", username="omar").exists()
    assert invites.find("x") is None
