"""Twelve real mistakes of other products, each tried on what netmon has in its place.

The numbers are those under which the mistakes were published.
"""

import ast
import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core import signing
from django.utils import timezone
from rest_framework.permissions import AllowAny
from rest_framework.test import APIClient

from inventory.models import Credential, Device, Interface, IPAddress, Prefix, TargetRule, Tenant
from monitoring import runner
from monitoring.models import AlertRule, DeviceFact
from monitoring.modules import snmp_system
from monitoring.modules.text import clean
from monitoring.services import polling
from netmon import api as root
from netmon.drivers.snmp import SnmpSession, SnmpType, VarBind
from netmon.drivers.targets import Secret, SnmpTarget
from tests import factories as make
from tests import people
from tests.daemons import udp
from tests.unit.test_matrix import OPEN, PAGES, ROUTES, api_routes

pytestmark = pytest.mark.django_db

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = ("inventory", "monitoring", "netmon", "pgwatch", "provisioning", "scanning")
COMMANDS = (";$(id)", "`id`", "| id", "&& id", "$(touch pwned)", "-oProxyCommand=id", "x\nid", "'; id #")
MARKUP = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}<svg/onload=alert(1)>")
SQL = ("' OR '1'='1", "2001:db8::/32' OR 1=1--", "10.0.0.0/8') UNION SELECT secret FROM inventory_credential--", "1;--")
STARTED = (
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.system",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
)
PATTERN_TAKERS = ("compile", "match", "search", "fullmatch", "sub", "re_path", "RegexValidator", "RegexField")
_started: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _started is not None and event in STARTED:
        _started.append(f"{event} {arguments!r}")


sys.addaudithook(_hook)


@contextmanager
def no_process() -> Iterator[None]:
    """Fails when the interpreter starts any process, by whatever call: it is asked itself, nothing is replaced."""
    global _started
    _started = []
    try:
        yield
        assert not _started, _started
    finally:
        _started = None


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for name in CODE:
        for path in sorted((REPOSITORY / name).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path, ast.parse(path.read_text())


def called(node: ast.AST) -> str:
    """The last name of what a call calls."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_the_watch_for_processes_sees_one() -> None:
    import subprocess

    with pytest.raises(AssertionError, match="Popen"), no_process():
        subprocess.run(["true"], check=True)


@pytest.mark.parametrize("community", COMMANDS)
def test_cve_2018_20434_snmp_community_never_reaches_a_shell(community: str) -> None:
    heard: list[bytes] = []

    def answer(datagram: bytes) -> bytes:
        heard.append(datagram)
        return b"\x30\x00"

    with udp.replying(answer) as port:
        device = make.make_flat(ip="127.0.0.1", snmp_community=community, snmp_port=port)
        device.endpoints.filter(protocol="snmp").update(options={"version": "2c", "timeout_seconds": 0.1, "retries": 0})
        with no_process():
            results = polling.poll_device(device)
    assert results and all(entry["ran"] and not entry["ok"] for entry in results)
    assert any(community.encode() in datagram for datagram in heard), "it went out as it is, in a packet"


@pytest.mark.parametrize("value", [*COMMANDS, "-1d;id", "1e999", "0x10", "now`id`"])
def test_cve_2019_10669_a_time_range_is_a_number_or_nothing(value: str, api: APIClient) -> None:
    device = make.make_flat()
    series = make.make_series(device)
    base = f"/api/v1/devices/{device.pk}"
    addresses = [
        *(f"{base}/{report}/" for report in ("metrics", "availability", "bandwidth", "errors")),
        f"/api/v1/series/{series.pk}/data/",
    ]
    with no_process():
        for address in addresses:
            for name in ("from", "to", "hours"):
                answer = api.get(address, {name: value})
                assert answer.status_code == 400, (address, name, answer.content)
                assert answer.json()["errors"][0]["pointer"] == f"/{name}"
        assert api.get(f"/devices/{device.pk}/chart.json", {"chart": value}).status_code in (400, 404)
        assert api.get(addresses[-1], {"step": value}).status_code == 400
        assert api.get(addresses[-1], {"columns": value}).status_code == 400


@pytest.mark.parametrize("value", COMMANDS)
def test_cve_2024_51092_what_an_admin_sets_is_no_command(value: str, cast: people.Cast, _clean_cache: None) -> None:
    client = people.client_for(cast.ada)
    device = make.make_flat(ip="127.0.0.1", name=f"a {value}", location=value, vendor=value, hostname=value)
    make.make_endpoint(device)
    device.endpoints.filter(protocol="snmp").update(options={"version": "2c", "timeout_seconds": 0.05, "retries": 0})
    with no_process():
        for protocol, options in (
            ("icmp", {"count": value}), ("icmp", {value: 1}), ("snmp", {"version": value}), ("ssh", {"host": value}),
            ("ssh", {"ProxyCommand": value}),
        ):  # fmt: skip
            body = {"device": device.pk, "protocol": protocol, "port": 2000, "options": options}
            answer = client.post("/api/v1/endpoints/", body, format="json")
            assert answer.status_code == 400, (options, answer.content)
        body = {"name": f"c{value}", "kind": "snmp_community", "secret": value, "username": value}
        assert client.post("/api/v1/credentials/", body).status_code == 201
        rule = {"cidr": "192.0.2.0/24", "action": "allow", "note": value}
        assert client.post("/api/v1/target-rules/", rule).status_code == 201
        assert client.post("/api/v1/target-rules/check/", {"address": value}).status_code == 400
        polling.poll_device(device)


@pytest.mark.parametrize("value", SQL)
def test_cve_2026_26988_a_prefix_in_a_search_is_no_sql(value: str, api: APIClient) -> None:
    device = make.make_flat(ip="10.20.0.1")
    Prefix.objects.create(cidr="10.20.0.0/16")
    TargetRule.objects.create(cidr="192.0.2.0/24", action="refuse")
    before = (Device.objects.count(), Credential.objects.count())
    for address, names in (
        ("devices", ("ip", "ip__in", "mac", "q", "name", "site", "kind")),
        ("ip-addresses", ("address", "dns_name", "interface")),
        ("prefixes", ("cidr", "site")),
        ("interfaces", ("name", "mac_address", "device")),
        ("credentials", ("name", "username", "kind")),
        ("target-rules", ("cidr", "action", "tenant")),
        ("series", ("metric_set",)),
    ):
        for name in names:
            answer = api.get(f"/api/v1/{address}/", {name: value})
            assert answer.status_code in (200, 400), (address, name, answer.content)
            assert answer.status_code == 400 or answer.json()["count"] == 0, (address, name)
        answer = api.get(f"/api/v1/{address}/", {"ordering": value})
        assert answer.status_code == 400
    assert api.get("/api/v1/devices/", {"ip__in": value}).status_code == 400
    assert api.get(f"/devices/?q={value}").status_code == 200
    assert api.get("/api/v1/devices/", {"ip__in": "10.20.0.0/16"}).json()["results"][0]["id"] == device.pk
    assert (Device.objects.count(), Credential.objects.count()) == before


def test_cve_2026_26988_nobody_writes_sql_past_the_orm() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            assert not (is_method and called(node) in ("raw", "extra")), path
            assert called(node) != "RawSQL", path
            if called(node) in ("execute", "executemany") and isinstance(node, ast.Call) and node.args:
                text = ast.unparse(node.args[0])
                assert not re.search(r"%[sr]['\"]? %|request|params\[", text), f"{path}: {text}"


@pytest.mark.parametrize("payload", MARKUP)
def test_ghsa_325v_g5vx_whxc_what_a_device_says_is_text(payload: str, cast: people.Cast, _clean_cache: None) -> None:
    client = people.client_for(cast.ada)
    device = make.make_flat(name=f"n {payload}", location=payload, vendor=payload, model=payload, hostname="")
    interface = make.make_interface(device, name=f"e{payload}", if_alias=payload, if_descr=payload, if_index=1)
    facts = {"sys_name": payload, "sys_descr": payload, "sys_location": payload, "sys_contact": payload}
    DeviceFact.objects.create(device=device, kind="system", data=facts, collected_at=timezone.now())
    make.watch(device, state="down", cause=payload)
    device.endpoints.get(protocol="snmp").checks.update(last_error_detail=payload, last_error_code="timeout")
    make.make_credential(name=f"c {payload}", username=payload)
    base = f"/devices/{device.pk}/"
    pages = ["/", "/live/", "/devices/", f"/devices/?q={payload}", "/health/", base, f"{base}live/"]
    pages += [f"{base}{tab}/" for tab in ("interfaces", "checks", "facts")]
    pages += [f"/admin/inventory/{name}/" for name in ("device", "interface", "credential", "managementendpoint")]
    pages += [f"/admin/inventory/device/{device.pk}/change/", f"/admin/inventory/interface/{interface.pk}/change/"]
    pages += [f"/admin/inventory/device/{device.pk}/delete/", f"/admin/inventory/device/{device.pk}/history/"]
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert payload not in answer.content.decode(), page
        assert "default-src 'none'" in answer["Content-Security-Policy"], page
    for prefix, _, _ in root.router.registry:
        answer = client.get(f"/api/v1/{prefix}/", HTTP_ACCEPT="text/html")
        assert answer.status_code == 200 and payload not in answer.content.decode(), prefix
    answer = client.get(f"/api/v1/devices/{device.pk}/", HTTP_ACCEPT="text/html")
    assert payload not in answer.content.decode() and "&lt;" in answer.content.decode()


def test_cve_2022_23131_nothing_in_a_cookie_says_who_you_are(cast: people.Cast, _clean_cache: None) -> None:
    assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"
    assert settings.SESSION_SERIALIZER.endswith("JSONSerializer")
    session = {SESSION_KEY: str(cast.ada.pk), "role": "admin"}
    honest = people.client_for(cast.vera)
    key = honest.cookies["sessionid"].value
    forged = [
        json.dumps(session), signing.dumps(session), signing.dumps(session, key="x" * 50), key[:-1], key + "x",
        key.swapcase(), str(cast.ada.pk), "admin", "", "../" + key, "0" * 32,
        signing.dumps(session, salt="django.contrib.sessions.backends.signed_cookies"),
    ]  # fmt: skip
    for value in forged:
        client = people.client_for(None)
        client.cookies["sessionid"] = value
        assert client.get("/api/v1/devices/").status_code == 401, value
        assert client.get("/").status_code == 302
        assert client.get("/admin/").status_code == 302
    for name in ("role", "username", "user", "is_admin", "acting_role"):
        honest.cookies[name] = "admin"
    assert honest.get("/api/v1/credentials/").status_code == 403
    assert honest.get("/api/v1/auth/me/").json()["role"] == "viewer"
    people_key = honest.cookies["sessionid"].value
    honest.logout()
    thief = people.client_for(None)
    thief.cookies["sessionid"] = people_key
    assert thief.get("/api/v1/devices/").status_code == 401, "a session ends with the log-out"


def test_cve_2026_23920_no_pattern_ends_in_a_dollar() -> None:
    """`$` also matches before a newline at the end; a pattern that guards uses fullmatch, or \\Z."""
    for path, tree in sources():
        for node in ast.walk(tree):
            if called(node) not in (
                "compile",
                "match",
                "search",
                "fullmatch",
                "re_path",
                "RegexValidator",
                "RegexField",
            ):
                continue
            assert isinstance(node, ast.Call)
            for argument in (*node.args, *(word.value for word in node.keywords)):
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    assert not re.search(r"(?<!\\)\$\Z", argument.value), f"{path}:{node.lineno} {argument.value}"
        for node in ast.walk(tree):
            if called(node) == "match" and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                base = ast.unparse(node.func.value)
                assert base != "re", f"{path}:{node.lineno}: fullmatch says what is meant"


@pytest.mark.parametrize("end", ["\n", "\n\n", "\r\n", "\nid", "\u2028"])
def test_cve_2026_23920_no_newline_gets_through(end: str, cast: people.Cast, _clean_cache: None) -> None:
    client = people.client_for(cast.ada)
    device = make.make_flat(ip="10.20.0.1")
    mac = client.patch(f"/api/v1/routers/{device.pk}/", {"mac": f"00:11:22:33:44:55{end}"}, format="json")
    assert mac.status_code in (200, 400)
    assert set(Interface.objects.values_list("mac_address", flat=True)) <= {"", "00:11:22:33:44:55"}
    slug = client.post("/api/v1/tenants/", {"name": "t", "slug": f"slug{end}"}, format="json")
    assert slug.status_code in (201, 400)
    assert set(Tenant.objects.values_list("slug", flat=True)) <= {"slug"}
    for path, model in (("prefixes", Prefix), ("target-rules", TargetRule)):
        client.post(f"/api/v1/{path}/", {"cidr": f"10.0.0.0/8{end}", "action": "allow"}, format="json")
        assert set(model.objects.values_list("cidr", flat=True)) <= {"10.0.0.0/8"}  # type: ignore[attr-defined]
    client.patch(f"/api/v1/routers/{device.pk}/", {"ip": f"10.20.0.2{end}"}, format="json")
    assert set(IPAddress.objects.values_list("address", flat=True)) <= {"10.20.0.1", "10.20.0.2"}
    body = {"device": device.pk, "protocol": "ssh", "options": {"host": f"box{end}"}}
    assert client.post("/api/v1/endpoints/", body, format="json").status_code == 400 or end.strip() == ""
    answer = client.get("/api/v1/health/", HTTP_X_REQUEST_ID=f"request-id-1{end}")
    assert re.fullmatch(r"[0-9a-f]{32}", answer["X-Request-ID"])
    answer = client.get(f"/api/v1/devices/{device.pk}{quote(end)}/")
    assert answer.status_code == 404


def test_cve_2025_22604_a_reply_of_many_lines_is_one_line_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = b"Linux core\n1.3.6.1 = STRING: $(id)\r\n\x1b[2J\x00;rm -rf /\x85\xe2\x80\xa8x" + b"A" * 5000

    async def get(self: SnmpSession, oids: Any) -> list[VarBind]:
        return [
            VarBind(oid, SnmpType.TimeTicks, 100) if oid == snmp_system.SYS_UP_TIME
            else VarBind(oid, SnmpType.OctetString, hostile)
            for oid in oids
        ]  # fmt: skip

    monkeypatch.setattr(SnmpSession, "get", get)
    target = SnmpTarget(address="127.0.0.1", community=Secret("public"))
    with no_process():
        system = runner.call(snmp_system.collect, target, {}, deadline_seconds=5).facts["system"]
    for name in ("sys_name", "sys_descr", "sys_location", "sys_contact"):
        text = system[name]
        assert len(text) <= 1024 and len(text.splitlines()) == 1, name
        assert not any(ord(character) < 32 or character in "\x7f\x85\u2028\u2029" for character in text), name
    for raw in (hostile, b"\n" * 9, b"a\x0bb\x0cc\x1cd\x1de", "x\u202ey\u2066z".encode(), bytes(range(256))):
        cleaned = clean(raw)
        assert len(cleaned.splitlines()) <= 1 and len(cleaned) <= 255


def test_cve_2020_8813_guests_get_nothing_whatever_their_cookies(cast: people.Cast, _clean_cache: None) -> None:
    guest = people.client_for(None)
    for name in ("sessionid", "csrftoken", "Cacti", "guest", "user"):
        guest.cookies[name] = ";$(id)|`id`"
    with no_process():
        for path in ROUTES:
            if path in OPEN:
                continue
            for method in ("get", "post", "put", "patch", "delete"):
                answer = getattr(guest, method)("/" + path.replace("{pk}", "1"))
                assert answer.status_code in (401, 405), (method, path)
        for page in PAGES:
            assert guest.get(page).status_code in (302, 401, 403), page
        for page in ("/admin/", "/admin/inventory/device/", "/admin/inventory/credential/"):
            assert guest.get(page).status_code == 302


def test_ghsa_32w2_6gm2_7766_a_search_finds_only_what_the_person_may_see(cast: people.Cast, _clean_cache: None) -> None:
    mine, foreign = make.make_tenant(name="mine"), make.make_tenant(name="foreign-word")
    mine.members.add(cast.vera)
    mine.members.add(cast.omar)
    theirs = make.make_flat(name="foreign-word", tenant=foreign, ip="10.20.0.66", mac="66:66:66:66:66:66")
    theirs.site = make.make_site(name="foreign-word", tenant=foreign)
    theirs.save()
    Prefix.objects.create(cidr="10.66.0.0/16", site=theirs.site)
    Credential.objects.update(tenant=foreign)
    TargetRule.objects.create(cidr="10.0.0.0/8", action="allow", tenant=foreign)
    make.make_series(theirs)
    own = make.make_flat(name="own", tenant=mine)
    for person in (cast.vera, cast.omar):
        client = people.client_for(person)
        for prefix, viewset, _ in root.router.registry:
            answer = client.get(f"/api/v1/{prefix}/")
            if answer.status_code == 403:
                assert person is cast.vera or prefix in ("audit-events", "users", "invites"), prefix
                continue
            text = answer.content.decode()
            assert "foreign-word" not in text and "10.20.0.66" not in text and "10.66.0.0" not in text, prefix
            model = viewset.queryset.model
            assert not {row["id"] for row in answer.json()["results"]} - {
                row.pk for row in model.objects.all() if belongs(row, mine)
            }, prefix
            for row in model.objects.all():
                if not belongs(row, mine):
                    assert client.get(f"/api/v1/{prefix}/{row.pk}/").status_code == 404, (prefix, row)
        for query in ("q=foreign", "ip=10.20.0.66", "ip__in=10.20.0.0/24", "mac=66:66:66:66:66:66",
                      f"tenant={foreign.pk}", f"site={theirs.site.pk}", "name=foreign-word"):  # fmt: skip
            assert client.get(f"/api/v1/devices/?{query}").json()["count"] == 0, query
        for page in ("/", "/devices/", "/devices/?q=foreign", "/live/"):
            listed = client.get(page).content.decode().replace('value="foreign"', "")
            assert "foreign-word" not in listed and "10.20.0.66" not in listed, page
        assert client.get(f"/devices/{theirs.pk}/").status_code == 404
        assert client.get(f"/api/v1/devices/{theirs.pk}/metrics/").status_code == 404
        assert client.get(f"/api/v1/devices/{own.pk}/").status_code == 200
        overview = client.get("/api/v1/monitoring/overview/").json()
        assert [line["name"] for line in overview["devices"]] == ["own"]
    assert people.client_for(None).get("/api/v1/devices/?q=foreign").status_code == 401


def belongs(row: Any, tenant: Tenant) -> bool:
    """Whether a row is a tenant's, found by walking its columns and not by what is tried."""
    if isinstance(row, Tenant):
        return row == tenant
    for name in ("tenant", "site", "device", "endpoint", "interface"):
        part = getattr(row, name, None)
        if part is not None:
            return part == tenant if name == "tenant" else belongs(part, tenant)
    return isinstance(row, AlertRule) and bool(row.template)  # the shipped rules are everybody's to read


def test_cve_2025_69848_no_markup_is_made_by_hand() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            assert called(node) not in ("mark_safe", "SafeString", "SafeText", "html_safe"), path
            names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert "mark_safe" not in names and "html_safe" not in names, path  # SafeString is the type of an answer
            if called(node) == "format_html" and isinstance(node, ast.Call):
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}: the format is a constant"
    for path in (REPOSITORY / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"\|\s*safe\b|safeseq|autoescape\s+off", text), path


@pytest.mark.parametrize("payload", MARKUP)
def test_cve_2025_69848_an_error_that_names_an_object_escapes_it(
    payload: str, cast: people.Cast, _clean_cache: None
) -> None:
    client = people.client_for(cast.ada)
    credential = make.make_credential(name=f"c {payload}"[:100])
    make.make_endpoint(make.make_device(name=f"d {payload}"), protocol="snmp", credential=credential)
    answer = client.delete(f"/api/v1/credentials/{credential.pk}/", HTTP_ACCEPT="text/html")
    assert answer.status_code == 409 and payload not in answer.content.decode()
    page = client.post(f"/admin/inventory/credential/{credential.pk}/delete/", {"post": "yes"}, follow=True)
    assert payload not in page.content.decode()
    answer = client.post("/api/v1/devices/", {"name": "x", payload: "y"}, format="json", HTTP_ACCEPT="text/html")
    assert answer.status_code == 400 and payload not in answer.content.decode()


def test_cve_2026_32230_every_view_is_closed_unless_it_is_named() -> None:
    assert settings.REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"] == ["netmon.common.permissions.RolePermission"]
    for path, callback in api_routes():
        view = getattr(callback, "cls", None) or getattr(callback, "view_class", None)
        assert view is not None, path
        permissions = view.permission_classes
        for name in getattr(callback, "actions", {}).values():
            permissions = getattr(getattr(view, name), "kwargs", {}).get("permission_classes", permissions)
        if path not in OPEN:
            assert permissions and AllowAny not in permissions, path
            names = {parent.__name__ for cls in permissions for parent in cls.__mro__}
            assert names & {"RolePermission", "IsAuthenticated"}, path


def test_ghsa_g9v2_wqcj_j99g_tokens_and_sessions_die_with_the_password(cast: people.Cast, _clean_cache: None) -> None:
    login = {"username": "omar", "password": people.PASSWORD}
    client = people.client_for(None)
    pair = client.post("/api/v1/auth/token/", login).json()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {pair['access']}"}
    session = people.client_for(cast.omar)
    assert client.get("/api/v1/devices/", **bearer).status_code == 200
    assert session.get("/api/v1/devices/").status_code == 200
    claims = json.loads(signing.b64_decode(pair["access"].split(".")[1].encode()))
    assert claims["exp"] - time.time() <= 60 * 60, "an access token is short-lived"
    cast.omar.set_password("another pass phrase 9")
    cast.omar.save()
    assert client.get("/api/v1/devices/", **bearer).json()["code"] == "password_changed"
    assert client.post("/api/v1/auth/token/refresh/", {"refresh": pair["refresh"]}).status_code == 401
    assert session.get("/api/v1/devices/").status_code == 401
