"""Whatever a caller gets wrong under /api/: a problem in JSON, by any method and for any content type."""

import pytest
from rest_framework.test import APIClient

from netmon.common import documents
from tests import factories, people

pytestmark = pytest.mark.django_db
PROBLEM = "application/problem+json"
METHODS = ("get", "post", "put", "patch", "delete", "options")


def problem_of(answer, status):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == PROBLEM
    body = answer.json()
    assert body["status"] == status and body["type"] == f"/docs/errors#{body['code']}"
    return body


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "path", ["/api/", "/api/v2/", "/api/v1/nothing/", "/api/v1/devices/x/", "/api/v1/devices/1/x/"]
)
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/xml", "multipart/form-data; boundary=x"]
)
def test_an_address_of_nothing(cast, method, path, content_type):
    client = people.client_for(cast.ada)
    answer = client.generic(method.upper(), path, "{}", content_type=content_type)
    assert problem_of(answer, 404)["code"] == "not_found"


@pytest.mark.parametrize(
    ("path", "methods", "allowed"),
    [
        ("/api/v1/audit-events/", ("post", "put", "patch", "delete"), "GET, HEAD, OPTIONS"),
        ("/api/v1/series/", ("post", "delete"), "GET, HEAD, OPTIONS"),
        ("/api/v1/devices/", ("put", "patch", "delete"), "GET, POST, HEAD, OPTIONS"),
        ("/api/v1/devices/bulk/", ("get", "put"), "POST, PATCH, DELETE, OPTIONS"),
        ("/api/v1/auth/token/", ("get", "put", "delete"), "POST, OPTIONS"),
        ("/api/v1/health/", ("post", "delete"), "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_taken(cast, path, methods, allowed):
    client = people.client_for(cast.ada)
    for method in methods:
        answer = client.generic(method.upper(), path, "{}", content_type="application/json")
        assert problem_of(answer, 405)["code"] == "method_not_allowed"
        assert answer["Allow"] == allowed


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "nonsense",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/devices/", "/api/v1/devices/bulk/", "/api/v1/sites/", "/api/v1/api-keys/"])
def test_only_json_is_read(cast, path, content_type):
    answer = people.client_for(cast.ada).post(path, data="name=x", content_type=content_type)
    assert problem_of(answer, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("body", ["{", "", "[", "nul", '{"name": "\\ud800"}', "\xff"])
def test_what_is_not_json(cast, body):
    answer = people.client_for(cast.ada).post(
        "/api/v1/sites/", data=body.encode("latin-1"), content_type="application/json"
    )
    problem_of(answer, 400)


def test_what_is_too_long(cast):
    body = b'{"name": "' + b"x" * 5_000_000 + b'"}'
    answer = people.client_for(cast.ada).post("/api/v1/sites/", data=body, content_type="application/json")
    assert problem_of(answer, 413)["code"] == "payload_too_large"


def test_without_a_credential():
    assert problem_of(APIClient().get("/api/v1/devices/"), 401)["code"] == "not_authenticated"


def test_a_fault_of_ours(cast, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("inventory.api.SiteViewSet.get_queryset", fail)
    assert problem_of(people.client_for(cast.ada).get("/api/v1/sites/"), 500)["code"] == "internal"


@pytest.mark.parametrize(
    "path", ["/api/v1/sites/", "/api/v1/devices/", "/api/v1/auth/logout-everywhere/", "/api/v1/monitoring/overview/"]
)
def test_head_and_options_are_answered(cast, path):
    client = people.client_for(cast.ada)
    assert client.options(path).status_code == 200
    head = client.head(path)
    assert head.status_code in (200, 405) and (head.content == b"" or head.status_code == 405)


@pytest.mark.parametrize("name", ["is_active", "email"])
def test_a_filter_that_would_be_passed_over_is_refused(cast, name):
    client = people.client_for(cast.ada)
    for value in ("", "perhaps" if name == "is_active" else ""):
        assert problem_of(client.get(f"/api/v1/users/?{name}={value}"), 400)["errors"][0]["pointer"] == f"/{name}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": 7}, "/name"),
        ({"name": True}, "/name"),
        ({"name": "x", "tenant": "1"}, "/tenant"),
        ({"name": "x", "tenant": True}, "/tenant"),
        ({"name": "x", "tags": {}}, "/tags"),
        ({"name": "x", "tags": [7]}, "/tags"),
    ],
)
def test_a_value_of_the_wrong_json_type_is_refused(cast, body, pointer):
    answer = people.client_for(cast.ada).post("/api/v1/sites/", body, format="json")
    assert pointer in [error["pointer"] for error in problem_of(answer, 400)["errors"]]


def test_fields_go_before_brief_and_are_checked_where_there_are_no_rows(cast):
    client = people.client_for(cast.ada)
    problem_of(client.get("/api/v1/sites/?fields=colour"), 400)
    factories.make_site(name="Oslo")
    (row,) = client.get("/api/v1/sites/?fields=name&brief=1").json()["results"]
    assert row == {"name": "Oslo"}


def test_the_page_that_problems_point_to_is_open_and_has_every_anchor():
    answer = APIClient().get("/docs/errors")
    text = answer.content.decode()
    assert answer.status_code == 200 and "default-src 'none'" in answer["Content-Security-Policy"]
    for code in ("not_found", "bulk_failed", "invalid", "throttled", "worker_lost"):
        assert f'id="{code}"' in text


def test_markdown_becomes_no_markup_of_its_own():
    (block,) = documents.blocks("a <script>x</script> `c` [l](https://example.net) [m](x.md) [n](javascript:x)")
    assert [piece.kind for piece in block.pieces] == ["text", "code", "text", "link", "text", "text", "text", "text"]
