"""API keys: what they open, what they do not, and that nothing shows them twice."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from netmon.accounts.models import ApiKey, User
from netmon.accounts.services import keys
from netmon.audit.models import AuditEvent
from netmon.common.permissions import AREAS, SCOPES, SERVICE, area_of
from tests import factories, people
from tests.unit.accounts.conftest import Clock
from tests.unit.test_matrix import OPEN, ROUTES, api_routes

pytestmark = pytest.mark.django_db
K = "/api/v1/api-keys/"


def make(user: User, *scopes: str, **options: Any) -> tuple[ApiKey, str]:
    values: dict[str, Any] = {"name": f"key {ApiKey.objects.count()}", "scopes": scopes or ("read", "write"), **options}
    return keys.make(user=user, **values)


def with_key(text: str, *, bearer: bool = False) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(**({"HTTP_AUTHORIZATION": f"Bearer {text}"} if bearer else {"HTTP_X_API_KEY": text}))
    return client


def create(client: APIClient, **over: Any) -> Any:
    return client.post(K, {"name": "backup", "scopes": ["read"], **over}, format="json")


# --- making


def test_a_key_is_shown_once_and_kept_as_a_hash(api: APIClient, cast: people.Cast) -> None:
    answer = create(api)
    made = answer.json()
    assert answer["Cache-Control"] == "no-store"
    assert answer.status_code == 201 and re.fullmatch(r"nm_[A-Za-z0-9]{8}_[A-Za-z0-9_-]{43}", made["key"])
    assert made["prefix"] == made["key"][3:11] and made["role"] == "operator" and made["state"] == "active"
    life = ApiKey.objects.get().expires_at - timezone.now()
    assert timedelta(days=89, hours=23) < life <= timedelta(days=90)
    for path in (K, f"{K}{made['id']}/"):
        shown = api.get(path).content.decode()
        assert made["key"] not in shown and made["key"].split("_", 2)[2] not in shown and "hash" not in shown
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        assert made["key"].split("_", 2)[2] not in str(cursor.fetchall())
    event = AuditEvent.objects.get(action="create", object_type="accounts.apikey")
    assert (
        event.username == "omar"
        and made["key"] not in str(vars(event))
        and "hash" not in str(event.after).replace("key_hash_set", "")
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"role": "root"}, "/role"),
        ({"role": "admin"}, "/role"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2990-01-01T00:00:00Z"}, "/expires_at"),
        ({"allowed_networks": ["10.0.0.1/24"]}, "/allowed_networks"),
        ({"allowed_networks": ["home"]}, "/allowed_networks"),
        ({"user": 1, "prefix": "x", "colour": "red"}, "/colour"),
    ],
)
def test_a_key_that_breaks_a_rule_is_refused(api: APIClient, body: dict[str, Any], pointer: str) -> None:
    answer = create(api, **body)
    assert answer.status_code == 400 and pointer in [entry["pointer"].rstrip("/") for entry in answer.json()["errors"]]
    assert not ApiKey.objects.exists()


def test_the_longest_life_is_a_setting(api: APIClient, settings: Any) -> None:
    settings.API_KEY_MAX_DAYS = 10
    assert create(api).status_code == 201
    assert ApiKey.objects.get().expires_at <= timezone.now() + timedelta(days=10)
    later = (timezone.now() + timedelta(days=11)).isoformat()
    assert create(api, name="other", expires_at=later).json()["errors"][0]["pointer"] == "/expires_at"


def test_a_name_is_taken_while_its_key_lives(api: APIClient, cast: people.Cast) -> None:
    first = create(api).json()
    again = create(api)
    assert again.status_code == 409 and again.json()["errors"][0]["pointer"] == "/name"
    assert create(people.client_for(cast.vera)).status_code == 201, "another person's names are theirs"
    assert api.post(f"{K}{first['id']}/revoke/").json()["state"] == "revoked"
    assert create(api).status_code == 201


def test_everybody_sees_their_own_and_an_admin_all(cast: people.Cast, _clean_cache: None) -> None:
    mine, _ = make(cast.omar)
    make(cast.vera)
    omar, ada = people.client_for(cast.omar), people.client_for(cast.ada)
    assert [row["id"] for row in omar.get(K).json()["results"]] == [mine.pk]
    assert omar.get(f"{K}?user={cast.vera.pk}").json()["count"] == 0
    assert ada.get(K).json()["count"] == 2 and ada.get(f"{K}?user={cast.omar.pk}").json()["count"] == 1
    assert people.client_for(cast.vera).post(f"{K}{mine.pk}/revoke/").status_code == 404
    assert ada.post(f"{K}{mine.pk}/revoke/").status_code == 200
    assert AuditEvent.objects.get(action="revoke").username == "ada"
    assert omar.get(f"{K}?revoked=true").json()["count"] == 1 and omar.get(f"{K}?revoked=false").json()["count"] == 0
    assert omar.get(f"{K}?colour=red").status_code == 400


# --- opening


@pytest.mark.parametrize("bearer", [True, False])
def test_a_key_opens_the_api_either_way(cast: people.Cast, bearer: bool) -> None:
    key, text = make(cast.omar)
    me = with_key(text, bearer=bearer).get("/api/v1/auth/me/").json()
    assert (me["username"], me["via"], me["scopes"]) == ("omar", "api_key", ["read", "write"])
    made = with_key(text, bearer=bearer).post("/api/v1/sites/", {"name": "HQ"}, format="json")
    assert made.status_code == 201
    key.refresh_from_db()
    assert key.last_used_ip == "127.0.0.1" and key.last_used_at is not None


def test_the_use_is_noted_once_a_minute(cast: people.Cast, clock: Clock) -> None:
    key, text = make(cast.omar)
    seen = []
    for seconds in (0, 30, 31):
        clock.forward(seconds)
        with_key(text).get("/api/v1/auth/me/")
        key.refresh_from_db()
        seen.append(key.last_used_at)
    assert seen[0] == seen[1] and seen[2] is not None and seen[1] is not None and seen[2] > seen[1]


def test_refusals_have_their_codes(cast: people.Cast, clock: Clock) -> None:
    key, text = make(cast.omar, allowed_networks=["192.0.2.0/24", "2001:db8::1"])
    me = "/api/v1/auth/me/"

    def code(given: str = text, address: str = "192.0.2.7") -> tuple[int, str]:
        answer = with_key(given).get(me, REMOTE_ADDR=address)
        assert answer.status_code != 401 or answer["WWW-Authenticate"].startswith("Bearer")
        return answer.status_code, answer.json().get("code", "")

    assert code() == (200, "") and code(address="2001:db8::1") == (200, "")
    assert code(address="192.0.3.7") == (403, "wrong_network") and code(address="2001:db8::2") == (403, "wrong_network")
    assert code(text[:-1] + ("A" if text[-1] != "A" else "B")) == (401, "key_unknown")
    assert code("nm_short") == (401, "key_unknown") and code("") == (401, "key_unknown")
    clock.forward(90 * 86400)
    assert code() == (401, "key_expired")
    clock.forward(-90 * 86400)
    cast.omar.is_active = False
    cast.omar.save()
    assert code() == (401, "user_inactive")
    cast.omar.is_active = True
    cast.omar.save()
    keys.revoke(key=key)
    assert code() == (401, "key_revoked")


def test_a_key_never_has_more_than_its_own_role_nor_its_owners(cast: people.Cast) -> None:
    _, weak = make(cast.ada, "read", "write", role="viewer")
    _, strong = make(cast.ada, "read", "write", "accounts:write", role="admin")
    assert with_key(weak).post("/api/v1/sites/", {"name": "A"}).status_code == 403
    assert with_key(weak).get("/api/v1/users/").status_code == 403
    assert with_key(strong).get("/api/v1/users/").status_code == 200
    User.objects.filter(pk=cast.ada.pk).update(role="viewer", is_superuser=False, is_staff=False)
    assert with_key(strong).get("/api/v1/users/").status_code == 403
    assert with_key(strong).post("/api/v1/sites/", {"name": "A"}).status_code == 403
    assert with_key(strong).get("/api/v1/sites/").status_code == 200


def test_peppers_rotate(cast: people.Cast, settings: Any) -> None:
    _, text = make(cast.omar)
    old = settings.API_KEY_PEPPERS
    settings.API_KEY_PEPPERS = ["n" * 40, *old]
    assert with_key(text).get("/api/v1/auth/me/").status_code == 200
    settings.API_KEY_PEPPERS = ["n" * 40]
    assert with_key(text).get("/api/v1/auth/me/").status_code == 200, "its use brought it to the new pepper"
    settings.API_KEY_PEPPERS = old
    assert with_key(text).get("/api/v1/auth/me/").json()["code"] == "key_unknown"


def test_what_people_do_by_key_says_so_in_the_audit(cast: people.Cast) -> None:
    key, text = make(cast.omar, "accounts:write")
    with_key(text).patch("/api/v1/auth/me/", {"first_name": "Omar"}, format="json")
    assert AuditEvent.objects.get(action="update").via == f"api_key:{key.prefix}"


# --- scopes


@pytest.fixture
def device(cast: people.Cast) -> int:
    return factories.make_flat().pk


def test_every_route_has_a_known_area() -> None:
    for path, callback in api_routes():
        view = callback.cls()
        view.action = None
        actions = getattr(callback, "actions", None)
        for action in set(actions.values()) if actions else {None}:
            view.action = action
            assert area_of(view) in (*AREAS, SERVICE), (path, action)


def refused_everywhere(text: str, codes: set[str], device: int, **options: Any) -> list[Any]:
    wrong = []
    for path in ROUTES:
        if path in OPEN:
            continue
        for method in ("get", "patch"):  # one that reads and one that writes: no rule tells others apart
            answer = getattr(with_key(text), method)("/" + path.replace("{pk}", str(device)), **options)
            if answer.json().get("code") not in codes:
                wrong.append((method, path, answer.status_code, answer.json()))
    return wrong


def test_an_expired_revoked_foreign_or_left_behind_key_opens_no_route(cast: people.Cast, device: int) -> None:
    key, text = make(cast.ada, *sorted(SCOPES), allowed_networks=["127.0.0.1"])
    assert refused_everywhere(text, {"wrong_network"}, device, REMOTE_ADDR="192.0.2.1") == []
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    assert refused_everywhere(text, {"key_expired"}, device) == []
    keys.revoke(key=key)
    assert refused_everywhere(text, {"key_revoked"}, device) == []


@pytest.mark.parametrize("scope", ["metrics:read", "pgwatch:write"])
def test_a_foreign_scope_opens_no_route(cast: people.Cast, device: int, scope: str) -> None:
    _, text = make(cast.ada, scope)
    wrong = refused_everywhere(text, {"scope_missing", "method_not_allowed"}, device)
    assert [(method, path) for method, path, *_ in wrong] == [("get", "api/v1/")], "the table of contents, to any key"


@pytest.mark.parametrize(
    ("scope", "method", "path", "opens"),
    [
        ("inventory:read", "get", "/api/v1/devices/{id}/", True),
        ("inventory:read", "get", "/api/v1/devices/{id}/metrics/", False),
        ("inventory:read", "post", "/api/v1/sites/", False),
        ("inventory:write", "post", "/api/v1/sites/", True),
        ("inventory:write", "get", "/api/v1/sites/", True),
        ("inventory:write", "post", "/api/v1/devices/{id}/poll/?wait=0", False),
        ("monitoring:read", "get", "/api/v1/devices/{id}/metrics/", True),
        ("monitoring:read", "get", "/api/v1/devices/{id}/", False),
        ("monitoring:write", "post", "/api/v1/devices/{id}/poll/?wait=0", True),
        ("jobs:read", "get", "/api/v1/jobs/", True),
        ("jobs:read", "get", "/api/v1/sites/", False),
        ("read", "get", "/api/v1/users/", True),
        ("read", "post", "/api/v1/sites/", False),
        ("write", "post", "/api/v1/sites/", True),
        ("write", "get", "/api/v1/sites/", True),
        ("write", "patch", "/api/v1/auth/me/", False),
        ("write", "post", "/api/v1/api-keys/", False),
        ("write", "post", "/api/v1/users/", False),
        ("write", "post", "/api/v1/users/invite/", False),
        ("write", "post", "/api/v1/auth/password/", False),
        ("write", "post", "/api/v1/auth/totp/enrol/", False),
        ("accounts:write", "post", "/api/v1/api-keys/", True),
        ("accounts:write", "post", "/api/v1/users/invite/", True),
        ("accounts:write", "post", "/api/v1/sites/", False),
        ("accounts:read", "post", "/api/v1/users/", False),
    ],
)
def test_a_scope_opens_its_area(
    cast: people.Cast, device: int, scope: str, method: str, path: str, opens: bool
) -> None:
    _, text = make(cast.ada, scope)
    answer = getattr(with_key(text), method)(path.replace("{id}", str(device)), {} if method != "get" else None)
    if opens:
        assert answer.status_code not in (401, 403), answer.json()
    else:
        assert answer.status_code == 403 and answer.json()["code"] == "scope_missing", answer.json()


def test_a_key_gives_on_no_more_than_it_has(cast: people.Cast) -> None:
    maker, text = make(cast.ada, "accounts:write", "read", role="operator", allowed_networks=["127.0.0.0/8"])
    client = with_key(text)

    def pointers(**over: Any) -> list[str]:
        body = {"scopes": ["read"], "allowed_networks": ["127.0.0.1"], **over}
        answer = create(client, **body)
        return [entry["pointer"] for entry in answer.json().get("errors", [])]

    assert pointers(scopes=["write"]) == ["/scopes"]
    assert pointers(role="admin") == ["/role"]
    assert pointers(allowed_networks=["10.0.0.0/8"]) == pointers(allowed_networks=[]) == ["/allowed_networks"]
    later = (maker.expires_at + timedelta(days=1)).isoformat()
    assert pointers(expires_at=later) == ["/expires_at"]
    assert pointers() == []
    child = ApiKey.objects.get(name="backup")
    assert child.role == "operator" and child.expires_at <= maker.expires_at


@pytest.mark.parametrize("moment", ["0189-07-17T00:21:58+18:11", "9998-12-31T00:00:00-20:59", "2026-01-01T00:00:00Z"])
def test_keys_are_found_by_any_moment_of_any_zone(moment: str, cast: people.Cast, _clean_cache: None) -> None:
    """PostgreSQL takes no zones of sixteen hours and more: they are turned into UTC before."""
    client = people.client_for(cast.ada)
    for path, name in (("api-keys", "created_at__gte"), ("users", "last_login__lt")):
        assert client.get(f"/api/v1/{path}/", {name: moment}).status_code == 200
