"""The second factor: enrolled by a code, asked at every door, used once."""

from typing import Any

import pyotp
import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from netmon import doctor
from netmon.accounts.models import RecoveryCode, Totp, User
from netmon.accounts.services import totp
from netmon.audit.models import AuditEvent
from tests import people
from tests.unit.accounts.conftest import Clock, code_at, token_login, with_totp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("unthrottled")]
T = "/api/v1/auth/totp/"


def post(client: APIClient, path: str, **body: Any) -> Any:
    return client.post(path, body, format="json")


def test_enrol_confirm_use_and_disable_by_api(api: APIClient, cast: people.Cast, clock: Clock) -> None:
    assert api.get(T).json() == {
        "enabled": False, "confirmed_at": None, "is_required": False, "recovery_codes_left": 0,
    }  # fmt: skip
    for body, code in (({}, "required"), ({"password": "wrong"}, "wrong_password")):
        refused = post(api, T + "enrol/", **body).json()["errors"][0]
        assert (refused["pointer"], refused["code"]) == ("/password", code)
    enrolment = post(api, T + "enrol/", password=people.PASSWORD).json()
    assert enrolment["otpauth_uri"].startswith("otpauth://totp/netmon:omar?")
    assert enrolment["secret"] in enrolment["otpauth_uri"] and "style=" not in enrolment["qr_svg"]
    assert token_login(api).status_code == 200, "not in force before a code has proved it"
    wrong = post(api, T + "confirm/", code="000000")
    assert wrong.status_code == 400 and wrong.json()["errors"][0]["code"] == "wrong_code"
    confirmed = post(api, T + "confirm/", code=code_at(cast.omar))
    codes = confirmed.json()["recovery_codes"]
    assert len(set(codes)) == 10 and api.get(T).json()["recovery_codes_left"] == 10
    assert post(api, T + "enrol/", password=people.PASSWORD).json()["code"] == "totp_already_enabled"
    assert token_login(api).json()["code"] == "otp_required"
    clock.forward(30)
    assert token_login(api, otp=code_at(cast.omar)).status_code == 200
    clock.forward(30)
    body = {"password": "wrong", "code": code_at(cast.omar)}
    assert post(api, T + "disable/", **body).json()["errors"][0]["pointer"] == "/password"
    assert post(api, T + "disable/", password=people.PASSWORD, code="123456").json()["errors"][0]["pointer"] == "/code"
    assert post(api, T + "disable/", password=people.PASSWORD, code=code_at(cast.omar)).status_code == 204
    assert token_login(api).status_code == 200 and not RecoveryCode.objects.exists()


def test_the_secret_and_the_codes_are_not_in_the_database(cast: people.Cast) -> None:
    codes = with_totp(cast.omar)
    secret = totp.clear_secret(Totp.objects.get())
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM accounts_totp")
        stored = str(cursor.fetchone()[0])
        cursor.execute("SELECT code_hash FROM accounts_recoverycode")
        hashes = [row[0] for row in cursor.fetchall()]
    assert secret not in stored and stored
    plain = {code.replace("-", "") for code in codes} | set(codes)
    assert len(hashes) == 10 and not plain & set(hashes)
    assert not any(secret in str(vars(event)) for event in AuditEvent.objects.all())


def test_otp_required_is_told_only_to_who_has_the_password(nobody: APIClient, cast: people.Cast) -> None:
    with_totp(cast.omar)
    assert token_login(nobody, password="wrong").json()["code"] == "no_active_account"
    assert token_login(nobody, password="wrong", otp=code_at(cast.omar)).json()["code"] == "no_active_account"
    answer = token_login(nobody)
    assert answer.status_code == 401 and answer.json()["code"] == "otp_required" and "access" not in answer.json()


def test_a_code_is_taken_once_at_most(nobody: APIClient, cast: people.Cast, clock: Clock) -> None:
    with_totp(cast.omar)
    code = code_at(cast.omar)
    assert token_login(nobody, otp=code).status_code == 200
    assert token_login(nobody, otp=code).status_code == 401
    clock.forward(30)
    assert token_login(nobody, otp=code).status_code == 401, "still within the window, and used"
    assert token_login(nobody, otp=code_at(cast.omar)).status_code == 200


@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (0, 200), (1, 200), (2, 401)])
def test_a_clock_may_be_one_step_off(
    nobody: APIClient, cast: people.Cast, clock: Clock, steps: int, status: int
) -> None:
    with_totp(cast.omar)
    assert token_login(nobody, otp=code_at(cast.omar, steps=steps)).status_code == status


def test_after_a_newer_code_an_older_one_is_refused(nobody: APIClient, cast: people.Cast, clock: Clock) -> None:
    with_totp(cast.omar)
    assert token_login(nobody, otp=code_at(cast.omar, steps=1)).status_code == 200
    assert token_login(nobody, otp=code_at(cast.omar)).status_code == 401


def test_a_recovery_code_opens_once_however_it_is_written(nobody: APIClient, cast: people.Cast) -> None:
    first, second, *_ = with_totp(cast.omar)
    assert token_login(nobody, otp=first.upper()).status_code == 200
    assert token_login(nobody, otp=first).status_code == 401
    assert token_login(nobody, otp=f" {second.replace('-', ' ')} ").status_code == 200
    assert totp.recovery_codes_left(cast.omar) == 8
    assert AuditEvent.objects.filter(action="recovery_code_used").count() == 2


def test_somebody_elses_recovery_code_opens_nothing(nobody: APIClient, cast: people.Cast) -> None:
    with_totp(cast.omar)
    foreign = with_totp(cast.vera)[0]
    assert token_login(nobody, otp=foreign).status_code == 401


def test_a_secret_that_does_not_decrypt_takes_no_code_at_all(
    nobody: APIClient, cast: people.Cast, settings: Any, clock: Clock
) -> None:
    recovery = with_totp(cast.omar)[0]
    settings.FERNET_KEYS = [Fernet.generate_key().decode()]
    step = int(clock.now.timestamp())
    for guess in ("000000", pyotp.TOTP("A" * 32).at(step)):
        assert token_login(nobody, otp=guess).status_code == 401
    with pytest.raises(totp.TotpUnreadable):
        totp.clear_secret(Totp.objects.get())
    (finding,) = [finding for finding in doctor.examine() if finding.name == "factors"]
    assert finding.state == "fail" and "omar" in finding.detail
    assert token_login(nobody, otp=recovery).status_code == 200


def test_new_recovery_codes_end_the_old_ones(cast: people.Cast, _clean_cache: None, clock: Clock) -> None:
    old = with_totp(cast.omar)
    answer = post(people.client_for(cast.omar), T + "recovery-codes/", code=code_at(cast.omar))
    assert answer.status_code == 200 and not set(old) & set(answer.json()["recovery_codes"])
    assert not totp.accept(cast.omar, old[0]) and totp.accept(cast.omar, answer.json()["recovery_codes"][0])


# --- the pages


def log_in(client: APIClient, username: str = "omar", target: str = "") -> Any:
    return client.post("/login/", {"username": username, "password": people.PASSWORD, "next": target})


def test_the_page_asks_for_the_code_in_a_second_step(nobody: APIClient, cast: people.Cast) -> None:
    with_totp(cast.omar)
    answer = log_in(nobody, target="/devices/")
    assert answer.status_code == 302 and answer["Location"] == "/login/code/?next=%2Fdevices%2F"
    assert nobody.get("/devices/").status_code == 302, "the password alone opens nothing"
    assert nobody.get("/api/v1/auth/me/").status_code == 401
    assert b"one-time-code" in nobody.get("/login/code/").content
    wrong = nobody.post("/login/code/", {"code": "000000"})
    assert wrong.status_code == 200 and b"correct username and password" in wrong.content
    done = nobody.post("/login/code/", {"code": code_at(cast.omar), "next": "/devices/"})
    assert done.status_code == 302 and done["Location"] == "/devices/"
    assert nobody.get("/api/v1/auth/me/").json()["totp_enabled"] is True
    login = AuditEvent.objects.get(action="login")
    assert (login.username, login.via) == ("omar", "session")


def test_the_second_step_leads_to_no_other_site(nobody: APIClient, cast: people.Cast) -> None:
    with_totp(cast.omar)
    log_in(nobody)
    done = nobody.post("/login/code/", {"code": code_at(cast.omar), "next": "https://example.org/"})
    assert done["Location"] == "/"


def test_the_second_step_is_not_there_without_the_first(nobody: APIClient, cast: people.Cast) -> None:
    with_totp(cast.omar)
    assert nobody.get("/login/code/")["Location"] == "/login/"
    answer = nobody.post("/login/code/", {"code": code_at(cast.omar)})
    assert answer["Location"] == "/login/" and nobody.get("/api/v1/auth/me/").status_code == 401


@pytest.mark.parametrize("change", ["late", "password", "inactive"])
def test_the_first_step_is_worth_nothing_after_five_minutes_or_a_change(
    nobody: APIClient, cast: people.Cast, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with_totp(cast.omar)
    log_in(nobody)
    if change == "late":
        late = timezone.now().timestamp() + 301
        monkeypatch.setattr("netmon.accounts.services.logins.time.time", lambda: late)
    elif change == "password":
        cast.omar.set_password("another pass phrase 2")
    else:
        cast.omar.is_active = False
    cast.omar.save()
    assert nobody.post("/login/code/", {"code": code_at(cast.omar)})["Location"] == "/login/"


@pytest.mark.parametrize("door", ["/admin/login/", "/api-auth/login/", "/login/"])
def test_no_door_leads_around_the_code(nobody: APIClient, cast: people.Cast, door: str) -> None:
    with_totp(cast.ada)
    nobody.get(door, follow=True)
    answer = nobody.post(door, {"username": "ada", "password": people.PASSWORD}, follow=True)
    assert answer.status_code == 200
    assert nobody.get("/admin/").status_code == 302 and nobody.get("/api/v1/users/").status_code == 401


# --- the duty


def test_who_must_have_one_is_led_to_it(nobody: APIClient, cast: people.Cast, settings: Any, clock: Clock) -> None:
    settings.REQUIRE_TOTP = "admin"
    log_in(nobody, "ada")
    for path in ("/", "/devices/", "/admin/", "/people/"):
        assert nobody.get(path)["Location"] == "/account/totp/", path
    refused = nobody.get("/api/v1/users/")
    assert refused.status_code == 403 and refused.json()["code"] == "totp_enrolment_required"
    assert nobody.get("/api/v1/auth/me/").status_code == 200 and nobody.get(T).json()["is_required"] is True
    nobody.post("/account/totp/", {"form": "enrol", "e-password": people.PASSWORD})
    page = nobody.post("/account/totp/", {"form": "confirm", "code": code_at(cast.ada)})
    assert page.status_code == 200 and page.content.count(b"<li>") >= 10
    assert nobody.get("/").status_code == 200 and nobody.get("/api/v1/users/").status_code == 200
    assert people.client_for(cast.omar).get("/").status_code == 200, "no duty of operators"


def test_by_token_too(nobody: APIClient, settings: Any) -> None:
    settings.REQUIRE_TOTP = "all"
    token = token_login(nobody).json()
    nobody.credentials(HTTP_AUTHORIZATION=f"Bearer {token['access']}")
    refused = nobody.get("/api/v1/devices/")
    assert refused.status_code == 403 and refused.json()["code"] == "totp_enrolment_required"
    assert post(nobody, T + "enrol/", password=people.PASSWORD).status_code == 200
    assert post(nobody, "/api/v1/auth/logout/", refresh=token["refresh"]).status_code == 204


def test_an_admin_takes_a_lost_one_away_and_all_sessions_end(
    cast: people.Cast, nobody: APIClient, _clean_cache: None
) -> None:
    codes = with_totp(cast.omar)
    token = token_login(nobody, otp=codes[0]).json()["access"]
    admin = people.client_for(cast.ada)
    assert people.client_for(cast.vera).post(f"/api/v1/users/{cast.omar.pk}/reset-totp/").status_code == 403
    assert admin.post(f"/api/v1/users/{cast.omar.pk}/reset-totp/").status_code == 204
    assert nobody.get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert token_login(nobody).status_code == 200
    assert admin.post(f"/api/v1/users/{cast.omar.pk}/reset-totp/").json()["code"] == "totp_not_enabled"
    assert AuditEvent.objects.filter(action="totp_reset", username="ada", object_name="omar").exists()


def test_every_change_is_in_the_audit(cast: people.Cast) -> None:
    with_totp(cast.omar)
    totp.renew_recovery_codes(user=cast.omar)
    totp.remove(user=cast.omar)
    assert list(AuditEvent.objects.order_by("id").values_list("action", flat=True)) == [
        "totp_enabled", "recovery_codes", "totp_disabled",
    ]  # fmt: skip
    assert not User.objects.get(pk=cast.omar.pk).totp_enabled
