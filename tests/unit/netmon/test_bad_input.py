"""What a wrong request gets: a problem+json answer that names the field, and nothing written."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.apps import apps
from rest_framework.test import APIClient

from inventory.models import Device
from tests import factories, people

pytestmark = pytest.mark.django_db

HUGE = "x" * 100_000
R = "/api/v1/routers/"
GOOD = {"name": "new", "ip": "10.1.1.1", "snmp_community": "public"}


@dataclass(frozen=True)
class Wrong:
    path: str
    body: Any = None
    status: int = 400
    pointer: str | None = None
    method: str = "post"
    role: str = "operator"
    options: dict[str, Any] = field(default_factory=dict)


def router(pointer: str | None, status: int = 400, **over: Any) -> Wrong:
    return Wrong(R, {**GOOD, **over}, status, pointer)


WRONG = {
    "no format": Wrong(f"{R}?format=", method="get"),
    "address of letters": router("/ip", ip="router.example"),
    "address out of range": router("/ip", ip="10.0.0.256"),
    "address with prefix": router("/ip", ip="10.0.0.1/24"),
    "address decimal": router("/ip", ip="167772161"),
    "address octal": router("/ip", ip="010.0.0.1"),
    "address with zone": router("/ip", ip="fe80::1%eth0"),
    "address link-local": router("/ip", ip="169.254.169.254"),
    "address mapped link-local": router("/ip", ip="::ffff:169.254.169.254"),
    "address multicast": router("/ip", ip="224.0.0.1"),
    "address unspecified": router("/ip", ip="0.0.0.0"),
    "address broadcast": router("/ip", ip="255.255.255.255"),
    "address empty": router("/ip", ip=""),
    "address a list": router("/ip", ip=["10.0.0.1"]),
    "address taken": router("/ip", 409, ip="10.9.9.9"),
    "port zero": router("/snmp_port", snmp_port=0),
    "port too high": router("/snmp_port", snmp_port=65536),
    "port negative": router("/snmp_port", snmp_port=-1),
    "port of letters": router("/snmp_port", snmp_port="snmp"),
    "port a fraction": router("/snmp_port", snmp_port=161.5),
    "port huge": router("/snmp_port", snmp_port=10**30),
    "MAC too short": router("/mac", mac="00:11:22:33:44"),
    "MAC of letters": router("/mac", mac="zz:zz:zz:zz:zz:zz"),
    "community empty": router("/snmp_community", snmp_community=""),
    "community too long": router("/snmp_community", snmp_community="c" * 256),
    "community with NUL": router("/snmp_community", snmp_community="pub\x00lic"),
    "community a number": router("/snmp_community", snmp_community={"a": 1}),
    "community for version 3": router("/snmp_community", snmp_version="3", snmp_username="u"),
    "user for version 2c": router("/snmp_username", snmp_version="2c", snmp_username="u"),
    "version unknown": router("/snmp_version", snmp_version="4"),
    "v3 without user": Wrong(R, {"name": "n", "ip": "10.1.1.1", "snmp_version": "3"}, 400, "/snmp_username"),
    "v3 passphrase too short": Wrong(
        R,
        {"name": "n", "ip": "10.1.1.1", "snmp_username": "u", "snmp_auth_password": "short"},
        400,
        "/snmp_auth_password",
    ),
    "v3 privacy without authentication": Wrong(
        R,
        {
            "name": "n",
            "ip": "10.1.1.1",
            "snmp_username": "u",
            "snmp_priv_protocol": "AES",
            "snmp_priv_password": "12345678",
        },
        400,
        "/snmp_auth_protocol",
    ),
    "v3 protocol unknown": Wrong(
        R, {**GOOD, "snmp_community": "x", "snmp_auth_protocol": "ROT13"}, 400, "/snmp_auth_protocol"
    ),
    "community without address": Wrong(R, {"name": "n", "snmp_community": "public"}, 400, "/ip"),
    "unknown field": router("/snmp_comunity", snmp_comunity="public"),
    "field of nobody": router("/id_", id_=3),
    "name missing": Wrong(R, {}, 400, "/name"),
    "name empty": router("/name", name=""),
    "name blank": router("/name", name="   "),
    "name too long": router("/name", name="n" * 101),
    "name huge": router("/name", name=HUGE),
    "name with NUL": router("/name", name="a\x00b"),
    "name null": router("/name", name=None),
    "name a list": router("/name", name=["a"]),
    "name taken": router("/name", 409, name="taken"),
    "name taken in other letters": router("/name", 409, name=" TAKEN "),
    "name taken with accents": router("/name", 409, name="ÉVRY"),
    "location with NUL": router("/location", location="\x00"),
    "site unknown": router("/site", site=999_999),
    "site of letters": router("/site", site="paris"),
    "site beyond bigint": router("/site", site=10**25),
    "tenant unknown": router("/tenant", tenant=424242),
    "kind unknown": Wrong("/api/v1/devices/", {**GOOD, "kind": "toaster"}, 400, "/kind"),
    "kind not of this list": router("/kind", kind="switch"),
    "status unknown": Wrong(R, {**GOOD, "status": "on fire"}, 400, "/status"),
    "hypervisor on a router": router(None, hypervisor=1),
    "ssh without user": Wrong(R, {**GOOD, "ssh_password": "x"}, 400, "/ssh_username"),
    "ssh key unknown": Wrong(R, {**GOOD, "ssh_key": 12345}, 400, "/ssh_key"),
    "a list for an object": Wrong(R, [GOOD], 400, ""),
    "a string for an object": Wrong(R, "router", 400, ""),
    "no JSON": Wrong(R, "{", 400, None, options={"raw": True}),
    "JSON with NaN": Wrong(R, '{"name": NaN}', 400, None, options={"raw": True}),
    "wrong media type": Wrong(R, "name=a", 415, None, options={"content_type": "text/plain"}),
    "body too large": Wrong(R, '{"name": "' + "x" * 5_000_000 + '"}', 413, None, options={"raw": True}),
    "unknown id": Wrong("/api/v1/routers/999999/", None, 404, None, "get"),
    "id of letters": Wrong("/api/v1/routers/core1/", None, 404, None, "get"),
    "id beyond bigint": Wrong("/api/v1/routers/99999999999999999999999/", None, 404, None, "get"),
    "patch unknown id": Wrong("/api/v1/routers/999999/", {"name": "x"}, 404, None, "patch"),
    "delete unknown id": Wrong("/api/v1/routers/999999/", None, 404, None, "delete"),
    "no such address": Wrong("/api/v1/rooters/", None, 404, None, "get"),
    "method not allowed": Wrong("/api/v1/series/", {}, 405, None, "post"),
    "unknown filter": Wrong("/api/v1/devices/?knd=router", None, 400, "/knd", "get"),
    "filter with a bad address": Wrong("/api/v1/devices/?ip=10.0.0", None, 400, "/ip", "get"),
    "filter with host bits": Wrong("/api/v1/devices/?ip__in=10.0.0.1/24", None, 400, "/ip__in", "get"),
    "filter with a bad MAC": Wrong("/api/v1/devices/?mac=1", None, 400, "/mac", "get"),
    "filter with a bad kind": Wrong("/api/v1/devices/?kind=toaster", None, 400, "/kind", "get"),
    "filter with NUL": Wrong("/api/v1/devices/?q=%00", None, 400, "/q", "get"),
    "filter beyond bigint": Wrong("/api/v1/devices/?site=99999999999999999999", None, 400, "/site", "get"),
    "order by nothing": Wrong("/api/v1/devices/?ordering=secret", None, 400, "/ordering", "get"),
    "limit too high": Wrong("/api/v1/devices/?limit=501", None, 400, "/limit", "get"),
    "limit of letters": Wrong("/api/v1/devices/?limit=all", None, 400, "/limit", "get"),
    "offset negative": Wrong("/api/v1/devices/?offset=-1", None, 400, "/offset", "get"),
    "offset huge": Wrong("/api/v1/devices/?offset=99999999999999999999", None, 400, "/offset", "get"),
    "hours zero": Wrong("{device}availability/?hours=0", None, 400, "/hours", "get"),
    "hours not a number": Wrong("{device}availability/?hours=nan", None, 400, "/hours", "get"),
    "hours infinite": Wrong("{device}metrics/?hours=inf", None, 400, "/hours", "get"),
    "limit of metrics": Wrong("{device}metrics/?limit=0", None, 400, "/limit", "get"),
    "metric unknown": Wrong("{device}metrics/?metric=cpu", None, 400, "/metric", "get"),
    "period backwards": Wrong("{device}bandwidth/?from=2026-02-02&to=2026-02-01", None, 400, "/from", "get"),
    "time of letters": Wrong("{device}errors/?from=yesterday", None, 400, "/from", "get"),
    "time beyond the calendar": Wrong("{device}errors/?from=99999999999999", None, 400, "/from", "get"),
    "parameter unknown": Wrong("{device}availability/?day=1", None, 400, "/day", "get"),
    "wait too long": Wrong("{device}poll/?wait=31", None, 400, "/wait"),
    "period below a second": Wrong("{device}availability/?hours=0.0001", None, 400, "/hours", "get"),
    "period within a second": Wrong(
        "{device}metrics/?from=2026-01-01T00:00:00.1Z&to=2026-01-01T00:00:00.9Z", None, 400, "/from", "get"
    ),
    "interface with NUL": Wrong("{device}bandwidth/?interface=%00", None, 400, "/interface", "get"),
    "prefix with host bits": Wrong("/api/v1/prefixes/", {"cidr": "10.0.0.1/24"}, 400, "/cidr"),
    "prefix of letters": Wrong("/api/v1/prefixes/", {"cidr": "lan"}, 400, "/cidr"),
    "endpoint options unknown": Wrong(
        "/api/v1/endpoints/", {"device": "{id}", "protocol": "icmp", "options": {"colour": 1}}, 400, "/options"
    ),
    "endpoint options wrong type": Wrong(
        "/api/v1/endpoints/", {"device": "{id}", "protocol": "icmp", "options": {"count": "three"}}, 400, "/options"
    ),
    "endpoint tcp without port": Wrong("/api/v1/endpoints/", {"device": "{id}", "protocol": "tcp"}, 400, ""),
    "endpoint protocol unknown": Wrong(
        "/api/v1/endpoints/", {"device": "{id}", "protocol": "gopher"}, 400, "/protocol"
    ),
    "endpoint twice": Wrong("/api/v1/endpoints/", {"device": "{id}", "protocol": "snmp", "port": 161}, 409, None),
    "check of another protocol": Wrong("/api/v1/checks/", {"endpoint": "{endpoint}", "module": "icmp"}, 400, "/module"),
    "check interval too short": Wrong("{check}", {"interval_seconds": 1}, 400, "/interval_seconds", "patch"),
    "check retries too many": Wrong("{check}", {"retries": 6}, 400, "/retries", "patch"),
    "address prefix length": Wrong(
        "/api/v1/ip-addresses/", {"address": "10.0.0.9", "prefix_length": 33}, 400, "/prefix_length"
    ),
    "credential kind unknown": Wrong(
        "/api/v1/credentials/", {"name": "c", "kind": "magic"}, 400, "/kind", role="admin"
    ),
    "credential without secret": Wrong(
        "/api/v1/credentials/", {"name": "c", "kind": "password"}, 400, "/secret", role="admin"
    ),
    "credential in use": Wrong("{credential}", None, 409, None, "delete", "admin"),
    "login without password": Wrong("/api/v1/auth/token/", {"username": "ada"}, 400, "/password"),
    "refresh with rubbish": Wrong("/api/v1/auth/token/refresh/", {"refresh": "x.y.z"}, 401, None),
    "logout with rubbish": Wrong("/api/v1/auth/logout/", {"refresh": "x.y.z"}, 401, None),
}


def counts() -> dict[str, int]:
    labels = ("inventory", "monitoring", "jobs", "accounts")
    models = [model for label in labels for model in apps.get_app_config(label).get_models()]
    return {model.__name__: model.objects.count() for model in models}


@pytest.fixture
def world(cast: people.Cast, _clean_cache: None) -> dict[str, str]:
    device = factories.make_flat(name="taken", ip="10.9.9.9")
    factories.make_device(name="Évry")
    endpoint = device.endpoints.get(protocol="snmp")
    endpoint.port = 161
    endpoint.save()
    check = endpoint.checks.first()
    return {
        "{id}": str(device.pk),
        "{device}": f"/api/v1/devices/{device.pk}/",
        "{endpoint}": str(endpoint.pk),
        "{check}": f"/api/v1/checks/{check.pk}/",
        "{credential}": f"/api/v1/credentials/{endpoint.credential_id}/",
    }


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_it_is_refused_with_a_reason_and_nothing_is_written(
    wrong: Wrong, world: dict[str, str], cast: people.Cast
) -> None:
    client: APIClient = people.client_for(cast.by_role(wrong.role))
    path, body = wrong.path, wrong.body
    for name, value in world.items():
        path = path.replace(name, value)
        if isinstance(body, dict):
            number = int(value) if value.isdigit() else value
            body = {key: number if part == name else part for key, part in body.items()}
    before, devices = counts(), list(Device.objects.values())
    options: dict[str, Any] = {"format": "json"}
    if wrong.options.get("raw"):
        options = {"content_type": "application/json"}
    elif "content_type" in wrong.options:
        options = {"content_type": wrong.options["content_type"]}
    answer = getattr(client, wrong.method)(path, body, **options) if wrong.method != "get" else client.get(path)
    assert answer.status_code == wrong.status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id", "errors"} <= set(problem)
    assert problem["status"] == wrong.status and problem["detail"] and problem["code"]
    assert problem["request_id"] == answer["X-Request-ID"]
    if wrong.pointer is not None:
        assert wrong.pointer in [error["pointer"] for error in problem["errors"]], problem
    assert counts() == before
    assert list(Device.objects.values()) == devices


def test_there_are_at_least_forty() -> None:
    assert len(WRONG) >= 40


@pytest.mark.parametrize("charset", ["base64", "unicode_escape", "rot13", "utf-16", "nonsense", "utf-8"])
@pytest.mark.parametrize(("path", "status"), [("/api/v1/devices/", 401), ("/login/", 200), ("/nothing/", 404)])
def test_a_charset_of_the_callers_choice_breaks_nothing(db: None, charset: str, path: str, status: int) -> None:
    content_type = f"text/plain; charset={charset}"
    client = people.client_for(None)
    assert client.get(f"{path}?x=%41%5cx", CONTENT_TYPE=content_type).status_code == status


def test_a_form_is_read_as_utf_8_whatever_it_says(cast: people.Cast) -> None:
    content_type = "application/x-www-form-urlencoded; charset=base64"
    people.make_person("éva", "viewer")
    data = "username=%C3%A9va&password=correct+horse+battery"
    answer = people.client_for(None).post("/api/v1/auth/token/", data=data, content_type=content_type)
    assert answer.status_code == 200 and answer.json()["access"]


@pytest.mark.parametrize("report", ["metrics", "availability", "bandwidth", "errors"])
@pytest.mark.parametrize("hours", ["0.0001", "0.00028", "0.001"])
def test_the_shortest_periods_are_answered_or_refused(
    world: dict[str, str], cast: people.Cast, report: str, hours: str
) -> None:
    client = people.client_for(cast.vera)
    assert client.get(f"{world['{device}']}{report}/?hours={hours}").status_code == (400 if hours == "0.0001" else 200)
