"""How much one caller may ask in a minute."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from redis.exceptions import ConnectionError as RedisConnectionError

from netmon.accounts.services import keys
from tests import people

pytestmark = pytest.mark.django_db
TENANTS = "/api/v1/tenants/"


@pytest.fixture
def limited(settings: Any, monkeypatch: pytest.MonkeyPatch, _clean_cache: None) -> Iterator[None]:
    """Three reads and two writes, in a minute that does not end meanwhile."""
    settings.API_PER_MINUTE = {"reads": 3, "writes": 2}
    monkeypatch.setattr("netmon.common.throttling.time.time", lambda: 1_800_000_010.0)
    caches["rates"].clear()
    yield
    caches["rates"].clear()


def test_what_is_left_is_said_and_then_refused(cast: people.Cast, limited: None) -> None:
    client = people.client_for(cast.vera)
    answers = [client.get(TENANTS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"3"}
    assert {answer["RateLimit-Reset"] for answer in answers} == {"51"}
    refused = answers[-1]
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "throttled"
    assert int(refused["Retry-After"]) == int(refused["RateLimit-Reset"])


def test_one_caller_does_not_use_up_what_is_anothers(cast: people.Cast, limited: None) -> None:
    for _ in range(4):
        last = people.client_for(cast.vera).get(TENANTS)
    assert last.status_code == 429
    assert people.client_for(cast.omar).get(TENANTS).status_code == 200
    _, key = keys.make(user=cast.vera, name="script", scopes=["read"])
    assert people.Client().get(TENANTS, headers={"X-API-Key": key}).status_code == 200


def test_writes_are_counted_apart(cast: people.Cast, limited: None) -> None:
    client = people.client_for(cast.ada)
    answers = [client.post(TENANTS, {"name": f"T{n}", "slug": f"t{n}"}) for n in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert client.get(TENANTS).status_code == 200
    assert client.get(TENANTS).json()["count"] == 2


def test_in_the_last_second_it_is_still_said_when_to_come_again(
    cast: people.Cast, limited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netmon.common.throttling.time.time", lambda: 1_800_000_059.9)
    client = people.client_for(cast.vera)
    refused = [client.get(TENANTS) for _ in range(4)][-1]
    assert (refused.status_code, refused["Retry-After"]) == (429, "1")


def test_the_next_minute_begins_anew(cast: people.Cast, limited: None, monkeypatch: pytest.MonkeyPatch) -> None:
    client = people.client_for(cast.vera)
    assert [client.get(TENANTS).status_code for _ in range(4)][-1] == 429
    monkeypatch.setattr("netmon.common.throttling.time.time", lambda: 1_800_000_070.0)
    assert client.get(TENANTS).status_code == 200


def test_zero_is_no_limit(cast: people.Cast, limited: None, settings: Any) -> None:
    settings.API_PER_MINUTE = {"reads": 0, "writes": 0}
    answers = [people.client_for(cast.vera).get(TENANTS) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any(answer.has_header("RateLimit-Limit") for answer in answers)


def test_without_its_counter_the_api_still_answers(
    cast: people.Cast, limited: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> bool:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(type(caches["rates"]), "add", broken)
    assert people.client_for(cast.vera).get(TENANTS).status_code == 200


def test_a_scope_of_its_own_says_its_own_limit(cast: people.Cast, limited: None) -> None:
    answer = people.Client().post("/api/v1/auth/token/", {"username": "vera", "password": "wrong"})
    assert (answer.status_code, answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == (401, "5", "4")
