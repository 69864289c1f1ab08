"""Guessing: slower and slower, told truthfully, the same for everybody, and never for ever."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from netmon.accounts.models import LoginThrottle
from netmon.accounts.services import lockout
from netmon.audit.models import AuditEvent
from tests import people
from tests.unit.accounts.conftest import Clock, code_at, token_login, with_totp

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("unthrottled")]


def guess(client: APIClient, times: int, **options: Any) -> list[int]:
    return [token_login(client, password="wrong", **options).status_code for _ in range(times)]


def test_five_wrong_passwords_lock_and_the_right_one_waits_like_any_other(nobody: APIClient, clock: Clock) -> None:
    assert guess(nobody, 5) == [401] * 5
    answer = token_login(nobody)
    assert answer.status_code == 429 and answer.json()["code"] == "locked_out"
    assert answer["Content-Type"] == "application/problem+json"
    assert 60 <= int(answer["Retry-After"]) <= 61
    clock.forward(int(answer["Retry-After"]) - 1.5)
    assert token_login(nobody).status_code == 429
    clock.forward(1.5)
    assert token_login(nobody).status_code == 200
    assert guess(nobody, 4) == [401] * 4, "a right log-in resets the count"


def test_the_delay_doubles_up_to_an_hour_and_no_further(nobody: APIClient, clock: Clock) -> None:
    guess(nobody, 5)
    waits = []
    for _ in range(9):
        locked = token_login(nobody)
        waits.append(int(locked["Retry-After"]) - 1)
        clock.forward(waits[-1] + 1)
        assert guess(nobody, 1) == [401], "after the wait a try is taken"
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_tries_while_locked_neither_count_nor_lengthen_the_wait(nobody: APIClient, clock: Clock) -> None:
    guess(nobody, 5)
    assert guess(nobody, 20) == [429] * 20
    clock.forward(61)
    assert token_login(nobody).status_code == 200


def test_a_day_of_rest_resets_the_count(nobody: APIClient, clock: Clock) -> None:
    guess(nobody, 5)
    clock.forward(25 * 3600)
    assert guess(nobody, 5) == [401] * 5


def test_other_addresses_and_other_accounts_go_on(nobody: APIClient, clock: Clock) -> None:
    guess(nobody, 5)
    assert token_login(nobody, address="192.0.2.2").status_code == 200
    assert token_login(nobody, "vera").status_code == 200


def test_unknown_and_known_names_get_the_same_answers(nobody: APIClient, clock: Clock) -> None:
    def story(username: str, address: str) -> list[Any]:
        answers = [token_login(nobody, username, "wrong", address=address) for _ in range(6)]
        return [{**answer.json(), "request_id": "", "status": answer.status_code} for answer in answers]

    assert story("omar", "192.0.2.3") == story("who-is-this", "192.0.2.4")


def test_an_unknown_name_costs_a_hash_like_a_known_one(
    nobody: APIClient, cast: people.Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib.auth.hashers import MD5PasswordHasher

    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, *args: Any, **kwargs: Any) -> str:
        hashed.append(password)
        return encode(self, password, *args, **kwargs)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    cast.vera.is_active = False
    cast.vera.save()
    for username in ("omar", "who-is-this", "vera"):
        hashed.clear()
        token_login(nobody, username, "wrong")
        assert hashed == ["wrong"], username


def test_names_that_differ_in_case_only_are_one_account_here(nobody: APIClient, clock: Clock) -> None:
    guess(nobody, 3)
    assert guess(nobody, 2, username="OMAR") == [401, 401]
    assert token_login(nobody).status_code == 429


def test_one_password_tried_on_many_accounts_closes_the_address(nobody: APIClient, clock: Clock) -> None:
    for number in range(30):
        assert guess(nobody, 1, username=f"person{number}") == [401]
    answer = token_login(nobody)
    assert answer.status_code == 429 and int(answer["Retry-After"]) == 601
    assert token_login(nobody, address="192.0.2.9").status_code == 200
    clock.forward(601)
    assert token_login(nobody).status_code == 200


def test_many_addresses_slow_an_account_down_but_not_where_its_owner_is_known(nobody: APIClient, clock: Clock) -> None:
    assert token_login(nobody, address="198.51.100.7").status_code == 200
    for number in range(20):
        assert guess(nobody, 1, address=f"203.0.113.{number}") == [401]
    answer = token_login(nobody, address="203.0.113.99")
    assert answer.status_code == 429 and int(answer["Retry-After"]) == 16
    assert token_login(nobody, address="198.51.100.7").status_code == 200
    clock.forward(16)
    assert token_login(nobody, address="203.0.113.99").status_code == 200


def test_the_page_of_the_log_in_counts_and_says_how_long(nobody: APIClient, clock: Clock) -> None:
    wrong = {"username": "omar", "password": "wrong"}
    for _ in range(5):
        answer = nobody.post("/login/", wrong, REMOTE_ADDR="192.0.2.1")
        assert answer.status_code == 200 and b"correct username and password" in answer.content
    locked = nobody.post("/login/", {"username": "omar", "password": people.PASSWORD}, REMOTE_ADDR="192.0.2.1")
    assert locked.status_code == 429 and int(locked["Retry-After"]) == 61 and b"61 seconds" in locked.content
    assert token_login(nobody).status_code == 429, "one count for every door"


def test_wrong_codes_count_and_a_right_password_does_not_reset_them(
    nobody: APIClient, cast: people.Cast, clock: Clock
) -> None:
    with_totp(cast.omar)
    for _ in range(5):
        assert token_login(nobody).json()["code"] == "otp_required"
        answer = token_login(nobody, otp="000000")
        assert answer.status_code == 401 and answer.json()["code"] == "no_active_account"
    assert token_login(nobody, otp=code_at(cast.omar)).status_code == 429


def test_the_present_password_is_guarded_like_the_door(cast: people.Cast, _clean_cache: None, clock: Clock) -> None:
    client = people.client_for(cast.omar)
    body = {"current_password": "wrong", "new_password": "another pass phrase 2"}
    for _ in range(5):
        answer = client.post("/api/v1/auth/password/", body, format="json")
        assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/current_password"
    body["current_password"] = people.PASSWORD
    answer = client.post("/api/v1/auth/password/", body, format="json")
    assert answer.status_code == 429 and int(answer["Retry-After"]) == 61


def test_failures_and_locks_are_in_the_audit_without_the_password(nobody: APIClient, clock: Clock) -> None:
    guess(nobody, 6, username="o" * 150)
    failed = AuditEvent.objects.filter(action="login_failed")
    assert failed.count() == 5 and {event.ip for event in failed} == {"192.0.2.1"}
    assert {event.username for event in failed} == {"o" * 150}
    locked = AuditEvent.objects.get(action="locked_out")
    assert locked.detail == "pair" and locked.ip == "192.0.2.1"
    assert not any("wrong" in str(vars(event)) for event in AuditEvent.objects.all())


def test_old_counts_are_forgotten(nobody: APIClient, clock: Clock) -> None:
    guess(nobody, 1)
    assert lockout.forget_old() == 0
    clock.forward(31 * 86400)
    assert lockout.forget_old() == 3 and not LoginThrottle.objects.exists()
