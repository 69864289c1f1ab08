"""Every route, tried by everybody: nobody, a viewer, an operator and an admin.

The table is made from the URL configuration, so a new route cannot be forgotten: it is closed until somebody writes
down here that it is open.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests import alerts, factories, machines, people, scans

pytestmark = pytest.mark.django_db

OPEN = {
    "api/v1/health/",
    "api/v1/auth/token/",
    "api/v1/auth/token/refresh/",
    "api/v1/auth/token/verify/",
}
# Rank that reading and writing need, where it is not viewer and operator: 1 viewer, 2 operator, 3 admin.
READ = {
    "api/v1/endpoints/{pk}/host-keys/": 2,
    "api/v1/endpoints/{pk}/setup/": 2,
    "api/v1/credentials/": 2,
    "api/v1/target-rules/": 2,
    "api/v1/channels/": 2,
    "api/v1/ssh-keys/": 2,
    "api/v1/scan-exclusions/": 2,
    "api/v1/audit-events/": 3,
    "api/v1/users/": 3,
    "api/v1/invites/": 3,
    "api/v1/actions/available/": 2,
    "api/v1/actions/{pk}/script/": 3,
    "api/v1/action-runs/": 2,
    "api/v1/vyos-routers/": 2,
    "api/v1/dhcp-pools/": 2,
    "api/v1/port-pools/": 2,
    "api/v1/drift/": 2,
}
WRITE = {
    "api/v1/vyos-routers/": 3,
    "api/v1/dhcp-pools/": 3,
    "api/v1/port-pools/": 3,
    "api/v1/quotas/": 3,
    "api/v1/actions/{pk}/run/": 2,
    "api/v1/actions/": 3,
    "api/v1/host-keys/": 3,
    "api/v1/endpoints/{pk}/host-keys/": 3,
    "api/v1/credentials/{pk}/test/": 2,
    "api/v1/target-rules/check/": 2,
    "api/v1/target-rules/": 3,
    "api/v1/credentials/": 3,
    "api/v1/ssh-keys/": 3,
    "api/v1/channels/": 3,
    "api/v1/scan-exclusions/": 3,
    "api/v1/audit-events/": 3,
    "api/v1/auth/": 1,
    "api/v1/api-keys/": 1,
    "api/v1/mcp/decommission/": 1,  # of their own machines
    "api/v1/users/": 3,
    "api/v1/invites/": 3,
}
# Elsewhere on these the rule of the resource's writes holds: nobody learns from a 405 what he may not do.
POST_ONLY = {"api/v1/credentials/{pk}/test/", "api/v1/target-rules/check/", "api/v1/actions/{pk}/run/"}
RANKS = {None: 0, "viewer": 1, "operator": 2, "admin": 3}
METHODS = ("get", "post", "put", "patch", "delete")


def api_routes() -> Iterator[tuple[str, Any]]:
    def walk(patterns: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        for entry in patterns:
            path = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, path)
            elif isinstance(entry, URLPattern):
                yield path, entry.callback

    for path, callback in walk(get_resolver().url_patterns, ""):
        plain = re.sub(r"\(\?P<pk>[^)]*\)", "{pk}", path.replace("^", "").replace("$", "").replace("\\Z", ""))
        plain = re.sub(r"\(\?P<fingerprint>[^)]*\)", factories.HOST_KEY_FINGERPRINT, plain)
        plain = re.sub(r"\(\?P<version>[^)]*\)", "1", plain)
        plain = re.sub(r"\(\?P<key>[^)]*\)", "a-name", plain)
        plain = re.sub(r"\(\?P<name>[^)]*\)", "{pk}", plain)  # of a machine, whose number does as well
        plain = re.sub(r"\(\?P<port>[^)]*\)", "ssh", plain)
        if plain.startswith("api/v1/") and "format" not in plain:
            yield plain, callback


ROUTES = sorted({path for path, _ in api_routes()})


def needed(path: str, method: str) -> int:
    if path in POST_ONLY and method not in ("get", "post"):
        return 3
    table, default = (READ, 1) if method == "get" else (WRITE, 2)
    return next((rank for prefix, rank in table.items() if path.startswith(prefix)), default)


@pytest.fixture
def ids(cast: people.Cast, _clean_cache: None) -> dict[str, int]:
    """An object for each resource, so that a refusal is a refusal and not a 404."""
    router, switch = factories.make_flat(), factories.make_flat(kind="switch")
    computer = factories.make_flat(kind="computer")
    endpoint = router.endpoints.get(protocol="snmp")
    factories.make_host_key(endpoint)
    interface = router.interfaces.get()
    from inventory.models import Prefix, Tag, TargetRule
    from netmon.accounts.services import invites, keys
    from netmon.audit import services as audit
    from netmon.jobs import services as jobs

    job, _ = jobs.start(kind="test", key="1", task="netmon.jobs.tasks.reconcile_jobs", user=None, deadline_seconds=60)
    return {
        "routers": router.pk,
        "devices": router.pk,
        "switches": switch.pk,
        "computers": computer.pk,
        "cameras": factories.make_flat(kind="camera").pk,
        "endpoints": endpoint.pk,
        "credentials": endpoint.credential_id,
        "ssh-keys": factories.make_ssh_key().pk,
        "interfaces": interface.pk,
        "ip-addresses": router.primary_ip_id,
        "tenants": factories.make_tenant().pk,
        "sites": factories.make_site().pk,
        "prefixes": Prefix.objects.create(cidr="10.0.0.0/24").pk,
        "target-rules": TargetRule.objects.create(cidr="192.0.2.0/24", action="refuse").pk,
        "checks": endpoint.checks.first().pk,
        "device-events": factories.make_event(router).pk,
        "expected-neighbours": factories.make_neighbour(router).pk,
        "indicators": factories.make_indicator(router).pk,
        "series": factories.make_series(router).pk,
        "jobs": job.pk,
        "scans": scans.make_scan().pk,
        "discoveries": scans.make_seen().pk,
        "scan-schedules": scans.make_schedule().pk,
        "scan-exclusions": scans.make_exclusion().pk,
        "expected-ports": scans.make_expected(router).pk,
        "dependencies": alerts.make_dependency(router, switch).pk,
        "alerts": alerts.make_alert(router).pk,
        "alert-rules": alerts.make_rule().pk,
        "severity-modifiers": alerts.make_modifier().pk,
        "silences": alerts.make_silence().pk,
        "maintenance-windows": alerts.make_window().pk,
        "channels": alerts.make_channel().pk,
        "contacts": alerts.make_contact().pk,
        "escalation-policies": alerts.make_policy(alerts.make_contact()).pk,
        "notifications": alerts.make_notification(alerts.make_alert(router), channel=alerts.make_channel()).pk,
        "tags": Tag.objects.create(name="Core", slug="core").pk,
        "audit-events": audit.record("create", router).pk,  # type: ignore[union-attr]
        "users": people.make_person("wim", "viewer").pk,
        "invites": invites.make(by=cast.ada, role="viewer")[0].pk,
        "actions": factories.make_action().pk,
        "action-runs": factories.make_run(router).pk,
        "api-keys": keys.make(user=cast.ada, name="k", scopes=["read"])[0].pk,
        **{name: row.pk for name, row in machines.make_estate().items()},
    }


@pytest.mark.parametrize("role", RANKS, ids=lambda role: role or "nobody")
def test_every_api_route_answers_each_role_as_the_table_says(
    role: str | None, ids: dict[str, int], cast: people.Cast
) -> None:
    assert len(ROUTES) > 40, ROUTES
    wrong = []
    call = people.Walker(cast.by_role(role) if role else None)
    for path in ROUTES:
        resource = path.split("/")[2]
        url = "/" + path.replace("{pk}", str(ids.get(resource, 1)))
        for method in METHODS:
            if method == "delete" and role == "admin":
                continue  # deletes what the next route needs; permission is the same as for put
            options = {} if method == "get" else {"data": {}, "format": "json"}
            target = f"{url}?wait=0" if path.endswith(("/poll/", "/test/", "/backup/")) else url
            if path.endswith("/run/") and method == "post" and RANKS[role] >= 2:
                continue  # would wait for a worker; its permission is that of pause
            if resource == "channels" and path.endswith("/test/") and method == "post" and RANKS[role] >= 3:
                continue  # would send: tests/unit/monitoring/test_delivery_api.py
            answer = call(method, target, **options)
            status = answer.status_code
            if path in OPEN:
                ok = status not in (403,) and not (status == 401 and method == "get" and path.endswith("health/"))
            elif role is None:
                ok = status == 401 or (status == 405 and method != "get")
            elif RANKS[role] < needed(path, method):
                ok = status in (403, 405)
            else:
                ok = status not in (401, 403, 500)
            if not ok or status == 500:
                wrong.append((method, path, role, status))
    assert not wrong, wrong


PAGES = (
    "/", "/monitoring/dashboard", "/devices/", "/health/", "/api/docs/", "/api/redoc/", "/api/schema/",
    "/account/", "/account/keys/", "/account/totp/", "/jobs/",
    "/scans/", "/scans/schedules/", "/discoveries/", "/prefixes/", "/vms/", "/changes/",
)  # fmt: skip
# Pages that not everybody may open, and who may.
CLOSED = {
    "/actions/": 2, "/actions/runs/": 2, "/actions/waiting/": 2, "/actions/add/": 3,
    "/vyos/": 2, "/vyos/pools/": 2,
    "/vms/provision/": 2,
    "/import/": 2, "/credentials/": 2, "/keys/ssh/": 2, "/devices/add/": 2, "/audit/": 3, "/people/": 3,
    "/scans/new/": 2, "/scans/import/": 2, "/scans/exclusions/": 2, "/scans/exclusions/add/": 3,
}  # fmt: skip


@pytest.mark.parametrize("role", RANKS, ids=lambda role: role or "nobody")
@pytest.mark.parametrize("path", CLOSED)
def test_pages_open_by_role(path: str, role: str | None, cast: people.Cast) -> None:
    answer = people.client_for(cast.by_role(role) if role else None).get(path)
    assert answer.status_code == (302 if role is None else 200 if RANKS[role] >= CLOSED[path] else 403)


@pytest.mark.parametrize("role", RANKS, ids=lambda role: role or "nobody")
@pytest.mark.parametrize("path", PAGES)
def test_every_page_wants_a_login(path: str, role: str | None, cast: people.Cast) -> None:
    answer = people.client_for(cast.by_role(role) if role else None).get(path)
    if role is None:
        assert answer.status_code in (302, 401, 403)
    else:
        assert answer.status_code == 200, answer.status_code


@pytest.mark.parametrize(("role", "status"), [(None, 302), ("viewer", 302), ("operator", 302), ("admin", 200)])
def test_the_admin_site_is_for_admins(role: str | None, status: int, cast: people.Cast) -> None:
    client = people.client_for(cast.by_role(role) if role else None)
    assert client.get("/admin/").status_code == status
    assert client.get("/admin/inventory/device/").status_code == status


def test_a_switched_off_account_sees_nothing(cast: people.Cast) -> None:
    client = people.client_for(cast.omar)
    assert client.get("/api/v1/devices/").status_code == 200
    cast.omar.is_active = False
    cast.omar.save()
    assert client.get("/api/v1/devices/").status_code in (401, 403)
