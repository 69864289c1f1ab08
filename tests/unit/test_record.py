"""Every writing route leaves one row of the record: who, what, before and after, and no secret.

The routes come from the URL configuration: one that is neither tried here nor excused with a reason fails the test.
"""

from typing import Any

import pyotp
import pytest
from django.db import connection, transaction

from inventory import keys as ssh
from inventory.models import Device, ManagementEndpoint, Prefix, TargetRule
from monitoring.models import Check
from netmon.accounts.models import User
from netmon.accounts.services import invites, keys, totp
from netmon.accounts.tokens import pair
from netmon.audit.models import AppendOnly, AuditEvent
from netmon.audit.services import record
from netmon.jobs import services as jobs
from tests import alerts, factories, machines, people, scans
from tests.unit.test_matrix import OPEN, ROUTES

pytestmark = pytest.mark.django_db

SECRET = "hush-hush-secret"
EXCUSED = {
    "api/v1/auth/token/refresh/": "renews what a login gave",
    "api/v1/auth/token/verify/": "writes nothing",
    "api/v1/target-rules/check/": "writes nothing",
    "api/v1/endpoints/{pk}/test/": "recorded as a use when the job does it: tests/unit/monitoring/test_uses.py",
    "api/v1/credentials/{pk}/test/": "recorded as a use when the job does it",
    "api/v1/alerts/{pk}/unacknowledge/": "wants an acknowledged one: tests/unit/monitoring/test_alerts_api.py",
    "api/v1/channels/{pk}/test/": "sends: tests/unit/monitoring/test_delivery_api.py",
    "api/v1/alert-rules/{pk}/rehearse/": "writes nothing",
    "api/v1/alert-rules/rehearse/": "writes nothing",
    "api/v1/alert-drill/": "writes nothing",
    "api/v1/devices/{pk}/drill/": "writes nothing",
    "api/v1/routers/{pk}/drill/": "the same",
    "api/v1/switches/{pk}/drill/": "the same",
    "api/v1/computers/{pk}/drill/": "the same",
    "api/v1/cameras/{pk}/drill/": "the same",
    "api/v1/checks/{pk}/run/": "waits for a worker; recorded as poll is",
    "api/v1/devices/{pk}/routing-table/lookup/": "needs a way in: tests/unit/monitoring/test_lookups.py",
    "api/v1/routers/{pk}/routing-table/lookup/": "the same",
    "api/v1/switches/{pk}/routing-table/lookup/": "the same",
    "api/v1/ssh-keys/import-file/": "import/ with another parser",
    "api/v1/actions/{pk}/run/": "needs a script: tests/unit/provisioning/test_actions.py",
    "api/v1/actions/{pk}/approve-script/": "the same",
    "api/v1/action-runs/{pk}/approve/": "needs one that waits: tests/unit/provisioning/test_actions.py",
    "api/v1/action-runs/{pk}/refuse/": "the same",
    "api/v1/action-runs/{pk}/cancel/": "the same",
    "api/v1/auth/totp/recovery-codes/": "tests/unit/accounts",
    "api/v1/auth/totp/disable/": "tests/unit/accounts",
    "api/v1/auth/totp/confirm/": "tests/unit/accounts",
    "api/v1/mcp/provision/": "as vms/provision/: tests/unit/provisioning/test_mcp_api.py",
    "api/v1/mcp/decommission/": "as vms/{pk}/decommission/: tests/unit/provisioning/test_mcp_api.py",
    "api/v1/vms/provision/": "a row of the machine and one of its change: tests/integration/vyos/test_api.py",
    "api/v1/vms/bulk/": "the same",
    "api/v1/vms/{pk}/": "the same",
    "api/v1/vms/{pk}/decommission/": "the same",
    "api/v1/vms/{pk}/expiry/": "the same",
    "api/v1/vms/{pk}/ports/template/": "the same",
    "api/v1/vms/{pk}/ports/ssh/": "the same",
    "api/v1/port-forwards/": "the same",
    "api/v1/port-forwards/{pk}/": "the same",
    "api/v1/config-changes/{pk}/retry/": "wants one that failed: tests/integration/vyos/test_api.py",
    "api/v1/vyos-routers/{pk}/compare/": "reads; recorded as a use of the router's key",
    "api/v1/vyos-routers/{pk}/reconcile/": "one of each change or adoption: tests/integration/vyos/test_api_routers.py",
    "api/v1/vyos-routers/{pk}/import/": "one of each machine: tests/integration/vyos/test_api_routers.py",
    "api/v1/scans/{pk}/cancel/": "wants an active one: tests/unit/scanning/test_pages.py",
    "api/v1/scans/import-nmap/": "takes a file: tests/unit/scanning/test_results.py",
    "api/v1/discoveries/{pk}/reopen/": "wants an ignored one: tests/unit/scanning/test_discovery_pages.py",
    "api/v1/discoveries/{pk}/identify/": "needs an agent: tests/integration/scanning/test_identifying.py",
    "api/v1/auth/totp/enrol/": "waits for its confirmation",
}


# A second factor taken away ends sessions too; a whole person with a password is a change of both.
# A schedule that is run and the scan that this makes are two rows, as are a discovery and its device.
TWO = {
    ("post", "api/v1/users/{pk}/reset-totp/"): 2,
    ("put", "api/v1/users/{pk}/"): 2,
    ("post", "api/v1/scan-schedules/{pk}/run/"): 2,
}


@pytest.fixture
def rows(cast: people.Cast, _clean_cache: None) -> dict[str, Any]:
    device = factories.make_flat()
    spare = factories.make_device()
    labels = {"routers": "router", "switches": "switch", "computers": "computer", "cameras": "camera"}
    kinds = {name: factories.make_device(kind=kind) for name, kind in labels.items()}
    endpoint = ManagementEndpoint.objects.create(device=spare, protocol="ssh")
    for one in (device, *kinds.values()):
        factories.make_endpoint(one, protocol="ssh")
    factories.make_host_key(endpoint)
    job, _ = jobs.start(kind="test", key="1", task="netmon.jobs.tasks.reconcile_jobs", user=None, deadline_seconds=60)
    key = ssh.generate(type="ed25519")
    scans.make_seen(device=device, hostname="known")
    return {
        **kinds,
        "devices": device,
        "endpoints": endpoint,
        "expected-neighbours": factories.make_neighbour(device),
        "indicators": factories.make_indicator(device),
        "pinged": ManagementEndpoint.objects.create(device=spare, protocol="icmp"),
        "checks": device.endpoints.get(protocol="snmp").checks.first(),
        "interfaces": factories.make_interface(spare),
        "ip-addresses": factories.make_address(),
        "credentials": factories.make_credential(),
        "ssh-keys": factories.make_credential(
            kind="ssh_key", secret=key.private, public_key=key.public_key, fingerprint=key.fingerprint
        ),
        "tenants": factories.make_tenant(),
        "tags": factories.make_tag(),
        "sites": factories.make_site(),
        "prefixes": Prefix.objects.create(cidr="10.0.0.0/24"),
        "target-rules": TargetRule.objects.create(cidr="10.1.0.0/24", action="refuse"),
        "users": people.make_person("wim", "viewer"),
        "invites": invites.make(by=cast.ada, role="viewer")[0],
        "api-keys": keys.make(user=cast.ada, name="k", scopes=["read"])[0],
        "jobs": job,
        "scans": scans.make_scan(),
        "discoveries": scans.make_seen(),
        "scan-schedules": scans.make_schedule(target="10.0.0.0/28"),
        "scan-exclusions": scans.make_exclusion(),
        "expected-ports": scans.make_expected(spare),
        "actions": factories.make_action(),
        "action-runs": factories.make_run(device),
        "dependencies": alerts.make_dependency(device, spare, is_confirmed=False),
        "alerts": alerts.make_alert(device),
        "alert-rules": alerts.make_rule(),
        "severity-modifiers": alerts.make_modifier(),
        "silences": alerts.make_silence(),
        "maintenance-windows": alerts.make_window(kind="camera"),
        "channels": alerts.make_channel(),
        "contacts": alerts.make_contact(),
        "escalation-policies": alerts.make_policy(alerts.make_contact()),
        "notifications": alerts.make_notification(alerts.make_alert(device), channel=alerts.make_channel()),
        **spare_estate(),
    }


def spare_estate() -> dict[str, Any]:
    """Routers, pools and quotas that nothing hangs on, so that they can be deleted, and a machine elsewhere."""
    estate = machines.make_estate()
    router = factories.make_vyos_router()
    return {
        **estate,
        "vyos-routers": router,
        "dhcp-pools": factories.make_dhcp_pool(router, cidr="10.7.7.0/24"),
        "port-pools": factories.make_port_pool(router),
        "vyos-endpoints": factories.make_endpoint(
            factories.make_device(), protocol="vyos", credential=router.endpoint.credential
        ),
    }


def bodies(rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By resource: a whole object for POST and PUT, and what a PATCH changes."""
    spare = rows["endpoints"].device_id
    device = {"whole": {"name": "new", "ip": "10.9.9.9", "snmp_community": SECRET}, "part": {"location": "rack 1"}}
    router = rows["vyos-routers"]
    return {
        "vyos-routers": {
            "whole": {"endpoint": rows["vyos-endpoints"].pk, "inbound_interface": "eth0"},
            "put": {"endpoint": router.endpoint_id, "inbound_interface": "eth7"},
            "part": {"confirm_minutes": 5},
        },
        "dhcp-pools": {
            "whole": {
                "router": router.pk,
                "name": "new",
                "shared_network": "LAN",
                "prefix": rows["dhcp-pools"].prefix_id,
                "range_start": "10.7.7.100",
                "range_end": "10.7.7.120",
            },
            "part": {"is_enabled": False},
        },
        "port-pools": {
            "whole": {"router": router.pk, "name": "new", "port_start": 40000, "port_end": 40010},
            "part": {"is_enabled": False},
        },
        "quotas": {
            "whole": {"owner": rows["users"].pk, "max_vms": 3},
            "put": {"tenant": rows["quotas"].tenant_id, "max_vms": 3},
            "part": {"max_vms": 7},
        },
        "tenants": {"whole": {"name": "New", "slug": "new"}, "part": {"name": "Other"}},
        "tags": {"whole": {"name": "New"}, "part": {"name": "Other"}},
        "sites": {"whole": {"name": "New"}, "part": {"name": "Other"}},
        "prefixes": {"whole": {"cidr": "10.2.0.0/24"}, "part": {"description": "lan"}},
        "target-rules": {"whole": {"cidr": "10.3.0.0/24", "action": "refuse"}, "part": {"note": "n"}},
        "interfaces": {"whole": {"device": spare, "name": "eth77"}, "part": {"if_alias": "uplink"}},
        "ip-addresses": {"whole": {"address": "10.4.0.1"}, "part": {"dns_name": "a.example.net"}},
        "credentials": {
            "whole": {"name": "new", "kind": "snmp_community", "secret": SECRET},
            "part": {"secret": SECRET},
        },
        "ssh-keys": {"whole": {"name": "made", "type": "ed25519"}, "part": {"comment": "of netmon"}},
        "endpoints": {
            "whole": {"device": spare, "protocol": "tcp", "port": 80},
            "put": {"device": spare, "protocol": "ssh", "is_enabled": False},
            "part": {"is_enabled": False},
        },
        "devices": device,
        "routers": device,
        "switches": device,
        "computers": device,
        "cameras": device,
        "checks": {
            "whole": {"endpoint": rows["pinged"].pk, "module": "icmp", "interval_seconds": 30},
            "put": {"endpoint": rows["checks"].endpoint_id, "module": rows["checks"].module, "retries": 2},
            "part": {"retries": 2},
        },
        "expected-neighbours": {
            "whole": {"device": spare, "protocol": "ospf", "neighbour": "192.0.2.9"},
            "part": {"note": "transit"},
        },
        "indicators": {
            "whole": {"device": spare, "kind": "smell", "value": "burnt", "severity": "critical"},
            "put": {"device": rows["indicators"].device_id, "kind": "smell", "value": "burnt"},
            "part": {"note": "ticket 4711"},
        },
        "users": {
            "whole": {"username": "new", "password": "a long enough pass phrase", "role": "viewer"},
            "part": {"role": "operator"},
        },
        "api-keys": {"whole": {"name": "new", "scopes": ["read"]}, "part": {}},
        "dependencies": {
            "whole": {"device": rows["routers"].pk, "parent": spare},
            "part": {"note": "the only way"},
        },
        "actions": {
            "whole": {"name": "New", "executable": "reachability_report"},
            "part": {"description": "how far it is"},
        },
        "scans": {"whole": {"target": "10.0.0.7", "kind": "ping"}, "part": {}},
        "scan-schedules": {
            "whole": {"name": "New", "kind": "ping", "target": "10.0.0.0/28"},
            "part": {"is_enabled": False},
        },
        "scan-exclusions": {"whole": {"cidr": "10.0.0.9"}, "part": {"note": "a plc"}},
        "expected-ports": {
            "whole": {"device": spare, "port": 443},
            "part": {"note": "the shop"},
        },
        "alerts": {"whole": {"summary": "water in the server room"}, "part": {}},
        "alert-rules": {"whole": {"name": "New", "source": "device.down"}, "part": {"is_enabled": False}},
        "severity-modifiers": {"whole": {"name": "New", "delta": 2}, "part": {"delta": -1}},
        "silences": {"whole": {"kind": "vm", "ends_at": "2199-01-01T00:00:00Z"}, "part": {"reason": "works"}},
        "maintenance-windows": {
            "whole": {"name": "New", "starts_at": "2198-12-31T23:00:00Z", "ends_at": "2199-01-01T00:00:00Z"},
            "part": {"reason": "works"},
        },
        "channels": {
            "whole": {
                "name": "New",
                "kind": "webhook",
                "config": {"url": "https://hooks.example.com/x", "secret": SECRET * 2},
            },
            "part": {"config": {"secret": SECRET * 2}, "max_per_minute": 7},
        },
        "contacts": {"whole": {"name": "New"}, "part": {"emails": ["a@example.com"]}},
        "escalation-policies": {
            "whole": {"name": "New", "steps": [{"after_seconds": 0, "contacts": [rows["contacts"].pk]}]},
            "part": {"steps": [{"after_seconds": 0, "contacts": [rows["contacts"].pk]}]},
        },
    }


ACTIONS: dict[str, Any] = {
    "api/v1/alerts/{pk}/acknowledge/": {"comment": "mine"},
    "api/v1/alerts/{pk}/silence/": {"minutes": 5},
    "api/v1/alerts/{pk}/resolve/": {},
    "api/v1/alerts/{pk}/comment/": {"text": "looking"},
    "api/v1/alerts/acknowledge-all/": {},
    "api/v1/maintenance-windows/{pk}/end/": {},
    "api/v1/ping/": {"target": "10.0.0.7"},
    "api/v1/scan-schedules/{pk}/run/": {},
    "api/v1/discoveries/{pk}/adopt/": {"name": "found"},
    "api/v1/discoveries/{pk}/ignore/": {"reason": "a guest"},
    "api/v1/expected-ports/baseline/": lambda: {
        "device": Device.objects.order_by("pk").values_list("pk", flat=True)[0]
    },
    "api/v1/notifications/{pk}/resend/": {},
    "api/v1/dependencies/{pk}/confirm/": {},
    "api/v1/dependencies/propose/": {},
    "api/v1/ssh-keys/generate/": {"name": "made", "type": "ed25519"},
    "api/v1/ssh-keys/import/": lambda: {"name": "taken", "private_key": ssh.generate(type="ed25519").private},
    "api/v1/users/invite/": {"role": "viewer"},
    "api/v1/expected-neighbours/adopt/": lambda: {
        "device": Device.objects.order_by("pk").values_list("pk", flat=True)[0]
    },
    "api/v1/endpoints/{pk}/host-keys/": {"line": factories.HOST_KEY_LINES[1]},
    "api/v1/users/{pk}/logout-everywhere/": {},
    "api/v1/users/{pk}/reset-totp/": {},
    "api/v1/api-keys/{pk}/revoke/": {},
    "api/v1/checks/{pk}/pause/": {},
    "api/v1/checks/{pk}/resume/": {},
    "api/v1/jobs/{pk}/cancel/": {},
    "api/v1/auth/logout-everywhere/": {},
    "api/v1/auth/password/": {"current_password": people.PASSWORD, "new_password": "another long pass phrase"},
    "api/v1/auth/me/": {"first_name": "Ada"},
    "api/v1/auth/logout/": lambda: {"refresh": pair(User.objects.get(username="ada"))["refresh"]},
    "api/v1/auth/token/": {"username": "ada", "password": people.PASSWORD},
}


def tries(rows: dict[str, Any], method: str, path: str) -> Any:
    """The body with which a route is tried, or None when it takes no such method."""
    resource = path.split("/")[2]
    if path in ACTIONS:
        body = ACTIONS[path]
        return body() if callable(body) else body
    if path.endswith(("/poll/", "/backup/")):
        return {}
    known = bodies(rows).get(resource, {"whole": {}, "part": {}})
    if path.endswith("/bulk/"):
        row = rows[resource]
        return {"post": [known["whole"]], "patch": [{"id": row.pk, **known["part"]}], "delete": [row.pk]}.get(method)
    whole = known["whole"]
    return {"post": whole, "put": known.get("put", whole), "patch": known["part"], "delete": {}}[method]


METHODS = ("post", "patch", "put", "delete")


@pytest.mark.parametrize("method", METHODS)
def test_every_writing_route_leaves_one_row(rows: dict[str, Any], cast: people.Cast, method: str) -> None:
    wrong, tried = [], 0
    for path in ROUTES:
        if path in EXCUSED or (path.endswith("/import/") and "ssh" not in path) or path.endswith("/health/"):
            continue
        resource = path.split("/")[2]
        url = "/" + path.replace("{pk}", str(rows[resource].pk if resource in rows else 1))
        url += "?wait=0" if path.endswith(("/poll/", "/backup/")) else ""
        cast.ada.refresh_from_db()
        point = transaction.savepoint()
        if path.endswith("/reset-totp/"):
            person = rows["users"]
            totp.confirm(user=person, code=pyotp.TOTP(totp.clear_secret(totp.enrol(user=person))).now())
        before = AuditEvent.objects.count()
        client = people.client_for(None if path in OPEN else cast.ada)
        answer = getattr(client, method)(url, tries(rows, method, path), format="json")
        if answer.status_code != 405:
            tried += 1
            added = AuditEvent.objects.count() - before
            if not 200 <= answer.status_code < 300 or added != TWO.get((method, path), 1):
                wrong.append((method, path, answer.status_code, added, answer.content[:200]))
            event = AuditEvent.objects.first()
            if added == 1 and event is not None and SECRET in f"{event.before} {event.after} {event.detail}":
                wrong.append((method, path, "a secret is in the record"))
        transaction.savepoint_rollback(point)
    assert not wrong, wrong
    assert tried > {"post": 30, "patch": 20, "put": 10, "delete": 20}[method]


def test_the_record_says_who_from_where_and_what_changed(cast: people.Cast, _clean_cache: None) -> None:
    device = factories.make_flat(snmp_community="first-community")
    client = people.client_for(cast.omar)
    headers = {"HTTP_X_REQUEST_ID": "a-request-id", "REMOTE_ADDR": "192.0.2.7"}
    body = {"location": "rack 1", "snmp_community": SECRET}
    assert client.patch(f"/api/v1/devices/{device.pk}/", body, format="json", **headers).status_code == 200
    event = AuditEvent.objects.get(action="update")
    assert (event.username, event.via, event.ip, event.request_id) == ("omar", "session", "192.0.2.7", "a-request-id")
    assert event.before is not None and event.after is not None
    assert (event.before["location"], event.after["location"]) == ("", "rack 1")
    assert set(event.after) == {"location", "secrets_changed_at"}
    shown = people.client_for(cast.ada).get(f"/api/v1/audit-events/?object_id={device.pk}&action=update").json()
    assert [row["object_name"] for row in shown["results"]] == [device.name]
    history = client.get(f"/devices/{device.pk}/history/").content.decode()
    assert "rack 1" in history and "omar" in history and SECRET not in history


def test_nobody_changes_the_record(cast: people.Cast) -> None:
    device = factories.make_device()
    event = record("create", device, user=cast.omar)
    assert event is not None
    event.detail = "something else"
    with pytest.raises(AppendOnly):
        event.save()
    with pytest.raises(AppendOnly):
        event.delete()
    with pytest.raises(AppendOnly):
        AuditEvent.objects.update(detail="x")
    with pytest.raises(Exception, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_auditevent SET detail = 'x'")
    assert AuditEvent.objects.get().detail == ""
    client = people.client_for(cast.ada)
    for method in ("put", "patch", "delete"):
        assert getattr(client, method)(f"/api/v1/audit-events/{event.pk}/", {}, format="json").status_code == 405


def test_it_outlives_the_person_and_the_object(cast: people.Cast) -> None:
    device = factories.make_device(name="gone")
    record("update", device, before={"name": "a"}, after={"name": "b"}, user=cast.vera)
    Device.objects.all().delete()
    cast.vera.delete()
    event = AuditEvent.objects.get(action="update")
    assert (event.username, event.object_name) == ("vera", "gone")


def test_pages_of_the_record_go_on_where_they_ended(cast: people.Cast, _clean_cache: None) -> None:
    for number in range(7):
        record("create", object_type="x", object_name=str(number), user=cast.omar)
    client = people.client_for(cast.ada)
    first = client.get("/api/v1/audit-events/?limit=3&object_type=x").json()
    assert "count" not in first
    assert [row["object_name"] for row in first["results"]] == ["6", "5", "4"]
    record("create", object_type="x", object_name="later", user=cast.omar)
    second = client.get(first["next"]).json()
    assert [row["object_name"] for row in second["results"]] == ["3", "2", "1"]
    for query in ("cursor=nonsense", "cursor=cD14", "limit=501", "limit=x", "nonsense=1"):
        assert client.get(f"/api/v1/audit-events/?{query}").status_code == 400, query


def test_checks_are_paused_on_the_record(api: Any) -> None:
    check = Check.objects.filter(endpoint__device=factories.make_flat()).first()
    assert check is not None
    assert api.post(f"/api/v1/checks/{check.pk}/pause/").status_code == 200
    assert AuditEvent.objects.get(action="pause").parent_id == str(check.endpoint.device_id)
