"""Who gets in at /mcp, and who does not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import AccessToken

from netmon.audit.models import AuditEvent
from netmon.mcp import server, views
from tests import factories, people
from tests.unit.mcp.conftest import Door, key_of

pytestmark = pytest.mark.django_db


def refused(answer: Any) -> tuple[int, str]:
    """Status and code, as an error of JSON-RPC: the only one that clients show."""
    body = answer.json()
    assert answer["Content-Type"] == "application/json" and (body["jsonrpc"], body["id"]) == ("2.0", None)
    problem = body["error"]["data"]
    assert body["error"]["message"] == f"{problem['code']}: {problem['detail']}"
    assert problem["status"] == answer.status_code and problem["request_id"] == answer["X-Request-ID"]
    return answer.status_code, problem["code"]


def test_nobody_gets_in_without_a_credential(cast: people.Cast) -> None:
    answer = Door().send("tools/list")
    assert refused(answer) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_a_bad_credential_is_told_what_is_wrong_with_it(cast: people.Cast) -> None:
    assert refused(Door("nm_abcdefgh_" + "x" * 43).send("tools/list")) == (401, "key_unknown")
    soon = timezone.now() + timedelta(minutes=1)
    text = key_of(cast.omar, expires_at=soon, allowed_networks=["192.0.2.0/24"])
    assert refused(Door(text).send("tools/list")) == (403, "wrong_network")
    assert refused(Door(HTTP_AUTHORIZATION="Bearer ey.ey.ey").send("tools/list")) == (401, "token_not_valid")


def test_a_session_is_no_credential(cast: people.Cast) -> None:
    door = Door()
    door.client.force_login(cast.ada, backend="django.contrib.auth.backends.ModelBackend")
    assert refused(door.send("tools/list")) == (401, "not_authenticated")


def test_a_key_opens_it_either_way_and_a_token_too(cast: people.Cast) -> None:
    text = key_of(cast.vera, "read")
    login = Door().client.post("/api/v1/auth/token/", {"username": "vera", "password": people.PASSWORD}, format="json")
    for door in (
        Door(text),
        Door(HTTP_AUTHORIZATION=f"Bearer {text}"),
        Door(HTTP_AUTHORIZATION=f"Bearer {login.json()['access']}"),
    ):
        assert door.send("tools/list").status_code == 200
        assert not door.tool("list_devices").is_error


def test_a_token_that_was_made_elsewhere_opens_nothing(cast: people.Cast) -> None:
    token = AccessToken.for_user(cast.vera)  # of no log-in
    assert Door(HTTP_AUTHORIZATION=f"Bearer {token}").send("tools/list").status_code == 401


def test_a_foreign_host_is_misdirected(cast: people.Cast) -> None:
    door = Door(key_of(cast.omar))
    assert refused(door.send("tools/list", HTTP_HOST="evil.example")) == (421, "misdirected_request")
    assert door.send("tools/list", HTTP_HOST="localhost:8000").status_code == 200


def test_a_foreign_origin_is_refused_before_the_key_is_looked_at(cast: people.Cast) -> None:
    assert refused(Door().send("tools/list", HTTP_ORIGIN="http://evil.example")) == (403, "origin_refused")
    assert refused(Door().send("tools/list", HTTP_ORIGIN="null")) == (403, "origin_refused")


@pytest.mark.parametrize(
    ("origin", "is_fine"),
    [
        ("http://testserver", True),
        ("https://testserver", False),
        ("http://testserver:81", False),
        ("https://one.example.net", True),
        ("https://one.example.net:8443", False),
        ("http://one.example.net", False),
        ("https://a.wide.example", True),
        ("https://a.b.wide.example", True),
        ("https://notwide.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_origins_are_those_of_djangos_setting(settings: Any, origin: str, is_fine: bool) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://one.example.net", "https://*.wide.example"]
    assert views.is_trusted(origin, Request(RequestFactory().post("/mcp"))) is is_fine


@pytest.mark.parametrize("method", ["get", "put", "delete", "options", "head"])
def test_there_is_nothing_but_post(cast: people.Cast, method: str) -> None:
    # A GET would open a stream that holds a thread of the web process for as long as the client likes.
    door = Door(key_of(cast.omar))
    assert getattr(door.client, method)("/mcp").status_code == 405


def test_a_large_body_is_not_read(cast: people.Cast) -> None:
    door = Door(key_of(cast.omar))
    answer = door.send("tools/list", {"cursor": "x" * views.MAX_BODY_BYTES})
    assert refused(answer) == (413, "payload_too_large")


def test_what_is_no_json_rpc_is_refused_by_the_protocol(cast: people.Cast) -> None:
    door = Door(key_of(cast.omar))
    for body in (b"{", b"[]", b"7", b"[" * 10_000, b'{"jsonrpc": "2.0"}', b"\xff"):
        answer = door.client.post("/mcp", body, content_type="application/json")
        assert 400 <= answer.status_code < 500, (body[:10], answer.content)
        assert b"Traceback" not in answer.content
    assert door.client.post("/mcp", b"{}", content_type="text/plain").status_code == 400


def test_it_can_be_switched_off(cast: people.Cast, settings: Any) -> None:
    settings.MCP = False
    assert refused(Door(key_of(cast.omar)).send("tools/list")) == (404, "not_found")


def test_requests_are_counted_as_reads_once(cast: people.Cast, settings: Any) -> None:
    settings.API_PER_MINUTE = {"reads": 4, "writes": 0}
    device = factories.make_flat()
    door, other = Door(key_of(cast.omar)), Door(key_of(cast.omar))
    # By name a device takes two requests to the API.
    assert [door.tool("get_device", device=device.name).is_error for _ in range(3)] == [False] * 3
    answer = door.send("tools/list")
    assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("4", "0")
    answer = door.send("tools/list")
    assert refused(answer) == (429, "throttled") and int(answer["Retry-After"]) >= 1
    assert other.send("tools/list").status_code == 200


def test_no_caller_passes_for_an_inner_request(cast: people.Cast, settings: Any) -> None:
    settings.API_PER_MINUTE = {"reads": 1, "writes": 0}
    client = Door(key_of(cast.omar)).client
    answers = [client.get("/api/v1/devices/", headers={"netmon.door": "mcp", "netmon-door": "mcp"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


def test_second_factors_hold_here_too(cast: people.Cast, settings: Any) -> None:
    login = Door().client.post("/api/v1/auth/token/", {"username": "vera", "password": people.PASSWORD}, format="json")
    settings.REQUIRE_TOTP = "all"
    answer = Door(HTTP_AUTHORIZATION=f"Bearer {login.json()['access']}").send("tools/list")
    assert refused(answer) == (403, "totp_enrolment_required")


def test_a_flaw_shows_nothing_of_itself(cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("inventory.querysets.DeviceQuerySet.with_ip", broken)
    result = Door(key_of(cast.omar)).tool("list_devices", ip="192.0.2.1")
    assert result.is_error and "internal: A fault in netmon" in result.text and "request_id" in result.text
    assert "swordfish" not in result.text and "RuntimeError" not in result.text


def test_what_hangs_in_the_sdk_is_ended(cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def silent(request: Any) -> Any:
        await anyio.sleep_forever()

    app = Starlette(routes=[Route("/mcp", silent, methods=["POST"])])
    monkeypatch.setattr(server.build(), "streamable_http_app", lambda **options: app)
    monkeypatch.setattr(server, "DEADLINE_SECONDS", 0.2)
    assert refused(Door(key_of(cast.omar)).send("tools/list")) == (504, "upstream_timeout")


def test_a_flaw_of_the_door_itself_is_json_too(cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(headers: Any, body: Any) -> Any:
        raise RuntimeError("swordfish")

    monkeypatch.setattr(server, "answer", broken)
    answer = Door(key_of(cast.omar)).send("tools/list")
    assert refused(answer) == (500, "internal") and b"swordfish" not in answer.content


def test_the_sdk_never_sees_the_credential(cast: people.Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(server, "answer", lambda headers, body: seen.append(headers) or server.Reply(200, {}, b"{}"))
    text = key_of(cast.omar)
    Door(text, HTTP_COOKIE="sessionid=abc").send("tools/list")
    assert seen and text not in json.dumps(seen) and "abc" not in json.dumps(seen)


def test_the_record_names_the_door(cast: people.Cast) -> None:
    text = key_of(cast.ada)
    device = factories.make_flat()
    request = RequestFactory().post("/mcp", HTTP_X_API_KEY=text)
    from netmon.mcp import calls

    with calls.as_caller_of(request):
        calls.post("indicators/", {"device": device.pk, "kind": "note", "value": "seen", "source": "tests"})
    event = AuditEvent.objects.get(action="create", object_type="monitoring.indicator")
    assert (event.username, event.via, event.ip) == ("ada", f"mcp:api_key:{text[3:11]}", "127.0.0.1")
