"""Two who come at the same moment: one wins, and nothing is counted twice or forgotten."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection

from netmon.accounts import tokens
from netmon.accounts.models import ApiKey, LoginThrottle, Totp, User
from netmon.accounts.services import invites, keys, lockout, totp
from netmon.accounts.services import people as verbs
from netmon.common.errors import NetmonError
from tests import factories, people
from tests.unit.accounts.conftest import code_at, with_totp

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each returned, or the refusal it raised."""
    results: list[Any] = [None] * len(works)
    faults: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(position: int, work: Callable[[], Any]) -> None:
        try:
            barrier.wait(20)
            results[position] = work()
        except (NetmonError, ValidationError, IntegrityError) as refusal:
            results[position] = refusal
        except BaseException as fault:  # noqa: BLE001 - shown below
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults, faults
    return results


@pytest.mark.parametrize("how", ["role", "is_active", "tenants", "delete"])
def test_two_admins_who_unseat_each_other_leave_one(cast: people.Cast, how: str) -> None:
    other, tenant = people.make_person("abe", "admin"), factories.make_tenant()

    def unseat(user: User) -> Callable[[], Any]:
        if how == "delete":
            return lambda: verbs.delete(user=user)
        if how == "tenants":
            return lambda: verbs.change(user=user, values={"role": "operator"}, tenants=[tenant])
        return lambda: verbs.change(user=user, values={how: "viewer" if how == "role" else False})

    results = at_once(unseat(cast.ada), unseat(other))
    assert sum(isinstance(result, verbs.LastAdmin) for result in results) == 1
    assert User.objects.filter(role="admin", is_active=True, tenants__isnull=True).count() == 1


def test_an_invite_used_twice_at_once_makes_one_account(cast: people.Cast) -> None:
    _, token = invites.make(by=cast.ada, role="viewer")

    def accept(name: str) -> Callable[[], Any]:
        return lambda: invites.accept(token=token, username=name, password="a long pass phrase 1")

    results = at_once(*(accept(f"twin{number}") for number in range(4)))
    assert sum(isinstance(result, User) for result in results) == 1
    assert sum(isinstance(result, invites.InviteGone) for result in results) == 3
    assert User.objects.filter(username__startswith="twin").count() == 1


def test_a_code_that_comes_twice_at_once_is_taken_once(cast: people.Cast) -> None:
    recovery = with_totp(cast.omar)[0]
    for code in (code_at(cast.omar), recovery):
        assert sorted(at_once(*[lambda code=code: totp.accept(cast.omar, code)] * 4)) == [False, False, False, True]
    assert Totp.objects.get().last_step is not None


def test_two_keys_of_a_name_at_once_are_one(cast: people.Cast) -> None:
    results = at_once(*[lambda: keys.make(user=cast.omar, name="twin", scopes=["read"])] * 3)
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert ApiKey.objects.filter(name="twin").count() == 1


def test_a_hundred_tries_at_once_are_five(cast: people.Cast) -> None:
    def attempt() -> Any:
        return lockout.begin(username="omar", address="192.0.2.1")

    results = at_once(*[attempt] * 12)
    assert sum(isinstance(result, lockout.Attempt) for result in results) == 5
    assert sum(isinstance(result, lockout.LockedOut) for result in results) == 7
    assert LoginThrottle.objects.get(scope="pair").failures == 5


def test_tries_of_one_account_and_of_one_address_never_wait_for_each_other(cast: people.Cast) -> None:
    def attempt(name: str, address: str, *, right: bool) -> Callable[[], Any]:
        def work() -> None:
            for _ in range(3):
                try:
                    under_way = lockout.begin(username=name, address=address)
                except lockout.LockedOut:
                    return
                lockout.succeeded(under_way) if right else lockout.released(under_way)

        return work

    pairs = [("a", "192.0.2.1"), ("b", "192.0.2.1"), ("a", "192.0.2.2"), ("b", "192.0.2.2")]
    at_once(*(attempt(*pair, right=right) for pair in pairs for right in (True, False)))
    assert set(LoginThrottle.objects.values_list("failures", flat=True)) == {0}


def test_two_enrolments_at_once_leave_one_secret(cast: people.Cast) -> None:
    results = at_once(*[lambda: totp.enrol(user=cast.omar)] * 3)
    assert all(isinstance(result, Totp) for result in results) and Totp.objects.count() == 1


def test_a_refresh_token_that_comes_twice_at_once_gives_one_successor_which_is_dead(cast: people.Cast) -> None:
    refresh = tokens.pair(cast.omar)["refresh"]

    def renew() -> Any:
        return people.client_for(None).post("/api/v1/auth/token/refresh/", {"refresh": refresh}, format="json")

    answers = at_once(*[renew] * 3)
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    (pair,) = [answer.json() for answer in answers if answer.status_code == 200]
    me = people.client_for(None).get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {pair['access']}"})
    assert me.status_code == 401 and me.json()["code"] == "token_revoked"
