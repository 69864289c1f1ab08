"""Tokens, lock-out, profile, and the command that makes an admin."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from netmon.accounts.models import User
from netmon.audit.models import AuditEvent
from netmon.common.clients import client_address
from tests import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def nobody(cast: people.Cast, _clean_cache: None) -> APIClient:
    return people.client_for(None)


def log_in(client: APIClient, password: str = people.PASSWORD, **options: str) -> dict[str, str]:
    answer = client.post("/api/v1/auth/token/", {"username": "omar", "password": password}, **options)
    return {"status": answer.status_code, **answer.json()}


def test_json_and_form_both_give_a_pair(nobody: APIClient) -> None:
    assert {"access", "refresh"} <= set(log_in(nobody, format="json"))
    form = nobody.post(
        "/api/v1/auth/token/",
        f"username=omar&password={people.PASSWORD}",
        content_type="application/x-www-form-urlencoded",
    )
    assert form.status_code == 200


def test_the_access_token_opens_the_api(nobody: APIClient) -> None:
    nobody.credentials(HTTP_AUTHORIZATION=f"Bearer {log_in(nobody)['access']}")
    me = nobody.get("/api/v1/auth/me/").json()
    assert (me["username"], me["role"]) == ("omar", "operator")
    assert "password" not in me


def test_refresh_rotates_and_the_used_one_is_dead(nobody: APIClient) -> None:
    old = log_in(nobody)["refresh"]
    new = nobody.post("/api/v1/auth/token/refresh/", {"refresh": old})
    assert new.status_code == 200 and new.json()["refresh"] != old
    again = nobody.post("/api/v1/auth/token/refresh/", {"refresh": old})
    assert again.status_code == 401 and again["Content-Type"] == "application/problem+json"


def refresh(client: APIClient, token: str) -> Any:
    return client.post("/api/v1/auth/token/refresh/", {"refresh": token})


def me(client: APIClient, access: str) -> Any:
    return client.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {access}"})


def test_a_used_refresh_token_that_comes_again_ends_its_log_in_and_no_other(nobody: APIClient) -> None:
    elsewhere, first = log_in(nobody), log_in(nobody)
    successor = refresh(nobody, first["refresh"]).json()
    assert refresh(nobody, first["refresh"]).json()["code"] == "token_not_valid"
    answer = refresh(nobody, successor["refresh"])
    assert answer.status_code == 401 and answer.json()["code"] == "token_revoked"
    for access in (first["access"], successor["access"]):
        answer = me(nobody, access)
        assert answer.status_code == 401 and answer.json()["code"] == "token_revoked"
        assert nobody.post("/api/v1/auth/token/verify/", {"token": access}).status_code == 401
    assert me(nobody, elsewhere["access"]).status_code == 200
    assert refresh(nobody, elsewhere["refresh"]).status_code == 200
    assert refresh(nobody, log_in(nobody)["refresh"]).status_code == 200


def test_the_list_of_outstanding_tokens_holds_no_token(nobody: APIClient) -> None:
    refresh(nobody, log_in(nobody)["refresh"])
    assert list(OutstandingToken.objects.values_list("token", flat=True)) == ["", ""]


def test_an_access_token_does_not_refresh(nobody: APIClient) -> None:
    assert refresh(nobody, log_in(nobody)["access"]).status_code == 401


def test_a_changed_password_ends_every_token(nobody: APIClient, cast: people.Cast) -> None:
    pair = log_in(nobody)
    cast.omar.set_password("another pass phrase 2")
    cast.omar.save()
    assert refresh(nobody, pair["refresh"]).json()["code"] == "password_changed"
    assert nobody.post("/api/v1/auth/token/verify/", {"token": pair["access"]}).status_code == 401
    nobody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    answer = nobody.get("/api/v1/auth/me/")
    assert answer.status_code == 401 and answer.json()["code"] == "password_changed"
    nobody.credentials()
    assert refresh(nobody, log_in(nobody, "another pass phrase 2")["refresh"]).status_code == 200


def test_the_refresh_token_of_somebody_who_left_is_refused(nobody: APIClient, cast: people.Cast) -> None:
    first, second = log_in(nobody)["refresh"], log_in(nobody)["refresh"]
    cast.omar.is_active = False
    cast.omar.save()
    answer = refresh(nobody, first)
    assert answer.status_code == 401 and answer.json()["code"] == "user_inactive"
    cast.omar.delete()
    answer = refresh(nobody, second)
    assert answer.status_code == 401 and answer.json()["code"] == "user_not_found"


@pytest.mark.parametrize(("field", "length"), [("username", 400), ("password", 5000)])
def test_a_login_that_is_too_long_is_refused(nobody: APIClient, field: str, length: int) -> None:
    body = {"username": "omar", "password": people.PASSWORD, field: "x" * length}
    answer = nobody.post("/api/v1/auth/token/", body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == f"/{field}"


def test_logout_ends_the_refresh_token(nobody: APIClient) -> None:
    pair = log_in(nobody)
    nobody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert nobody.post("/api/v1/auth/logout/", {"refresh": pair["refresh"]}).status_code == 204
    assert nobody.post("/api/v1/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == 401
    assert nobody.get("/api/v1/auth/me/").json()["code"] == "token_revoked"


def test_nobody_ends_somebody_elses_token(nobody: APIClient, cast: people.Cast) -> None:
    refresh = log_in(nobody)["refresh"]
    assert people.client_for(cast.vera).post("/api/v1/auth/logout/", {"refresh": refresh}).status_code == 401


def test_the_login_is_throttled(nobody: APIClient) -> None:
    answers = [nobody.post("/api/v1/auth/token/", {"username": "x", "password": "y"}) for _ in range(7)]
    assert answers[-1].status_code == 429 and int(answers[-1]["Retry-After"]) > 0


def throttled(client: APIClient) -> bool:
    """Whether seven log-ins that claim an address each meet the throttle."""
    for number in range(7):
        forwarded = f"198.51.100.{number}, 192.0.2.{number}"
        answer = client.post(
            "/api/v1/auth/token/", {"username": "x", "password": "y"}, headers={"X-Forwarded-For": forwarded}
        )
    return bool(answer.status_code == 429)


@pytest.mark.parametrize(("proxies", "expected"), [(0, True), (1, False)])
def test_only_a_trusted_proxy_names_the_address_that_is_throttled(
    nobody: APIClient, settings: Any, proxies: int, expected: bool
) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    assert throttled(nobody) is expected


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "198.51.100.1", "10.0.0.1"),
        (1, "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        (2, "198.51.100.1, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        (1, "rubbish", "10.0.0.1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, None, "10.0.0.1"),
    ],
)
def test_the_lock_out_counts_the_address_that_the_last_trusted_proxy_saw(
    settings: Any, proxies: int, forwarded: str | None, expected: str
) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().post("/login/", REMOTE_ADDR="10.0.0.1", headers=headers)
    assert client_address(request) == expected


def test_nobody_raises_his_own_role(nobody: APIClient, cast: people.Cast) -> None:
    answer = people.client_for(cast.vera).patch("/api/v1/auth/me/", {"role": "admin", "first_name": "Vera"})
    assert answer.status_code == 200 and answer.json()["role"] == "viewer"
    cast.vera.refresh_from_db()
    assert cast.vera.role == "viewer" and not cast.vera.is_superuser


def test_create_admin_is_idempotent_and_refuses_weak_passwords(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(password: str) -> str:
        out = StringIO()
        monkeypatch.setattr("sys.stdin", StringIO(password + "\n"))
        call_command("create_admin", "--username", "root", "--password-stdin", stdout=out)
        return out.getvalue()

    for weak in ("short", "password1234", "123456789012", "root-root-root"[:4]):
        with pytest.raises(CommandError):
            run(weak)
    assert not User.objects.filter(username="root").exists()
    assert "created" in run("a long pass phrase 1")
    assert "updated" in run("another pass phrase 2")
    events = AuditEvent.objects.filter(object_name="root").order_by("id")
    assert [(event.action, event.via) for event in events] == [("create", "command"), ("password_set", "command")]
    root = User.objects.get(username="root")
    assert root.is_admin and root.check_password("another pass phrase 2")
