"""Somebody bound to a tenant meets nothing of another, by whatever address.

Every route of the API and every page is walked with objects of a foreign tenant. Their names hold a word that must
turn up nowhere: a new route that forgets `visible_to` shows it.
"""

from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from inventory.models import Device, Interface, IPAddress, ManagementEndpoint, Prefix, Site, Tag, TargetRule, Tenant
from netmon.accounts.services import invites, keys
from netmon.audit import services as audit
from netmon.jobs import services as jobs
from tests import alerts, factories, machines, people, scans
from tests.unit.test_matrix import OPEN, ROUTES

pytestmark = pytest.mark.django_db

WORD = "zzforeign"
ROLES = ("viewer", "operator", "admin")  # an admin bound to tenants acts as an operator


class World:
    """Two tenants with everything they may own, and people bound to the first."""

    def __init__(self) -> None:
        self.tenant = Tenant.objects.create(name="Ours", slug="ours")
        self.foreign = Tenant.objects.create(name=WORD, slug=WORD)
        self.people = {}
        for role in ROLES:
            person = people.make_person(f"bound-{role}", role, is_superuser=role == "admin", is_staff=role == "admin")
            self.tenant.members.add(person)
            self.people[role] = person
        stranger = people.make_person(WORD, "operator")
        self.foreign.members.add(stranger)
        self.ours = self._own(self.tenant, "ours", self.people["operator"])
        self.theirs = self._own(self.foreign, WORD, stranger)

    def _own(self, tenant: Tenant, word: str, person: Any) -> dict[str, Any]:
        site = Site.objects.create(name=f"{word} site", tenant=tenant)
        kinds = {
            name: factories.make_flat(
                name=f"{word} {name}", kind=kind, tenant=tenant, site=site, location=word, hostname=f"{word}.example"
            )
            for name, kind in (("devices", "other"), ("routers", "router"), ("switches", "switch"),
                               ("computers", "computer"), ("cameras", "camera"))
        }  # fmt: skip
        device = kinds["devices"]
        endpoint = device.endpoints.get(protocol="snmp")
        factories.make_host_key(endpoint)
        for kind in ("cpu", "bgp_summary", "routing_table", "interfaces"):
            factories.make_fact(device, kind, {"presence": "running", "reason": word, "value": None})
        interface = device.interfaces.get()
        Interface.objects.filter(pk=interface.pk).update(if_alias=f"{word} uplink")
        job, _ = jobs.start(
            kind="test", key=word, task="netmon.jobs.tasks.reconcile_jobs", user=person, deadline_seconds=60
        )
        factories.watch(device, hours=1)
        factories.make_config(device, f"hostname {word}\n{factories.CONFIG}")
        peer = alerts.make_contact(alerts.make_channel(name=f"{word} channel", tenant=tenant), name=word, tenant=tenant)
        alert = alerts.make_alert(device, summary=f"{word} is down", subject=word)
        rule = alerts.make_rule(name=f"{word} rule", tenant=tenant, note=word)
        scans.make_seen(tenant=tenant, device=kinds["switches"], hostname=word)
        return {
            **kinds,
            "scans": scans.make_scan(tenant=tenant, target=word, reason=word, device=device),
            "discoveries": scans.make_seen(tenant=tenant, hostname=word, vendor=word),
            "scan-schedules": scans.make_schedule(tenant=tenant, name=word),
            "scan-exclusions": scans.make_exclusion(tenant=tenant, note=word),
            "expected-ports": scans.make_expected(device, note=word),
            "dependencies": alerts.make_dependency(device, kinds["routers"], note=word),
            "alerts": alert,
            "alert-rules": rule,
            "severity-modifiers": alerts.make_modifier(name=word, tenant=tenant),
            "silences": alerts.make_silence(reason=word, tenant=tenant),
            "maintenance-windows": alerts.make_window(name=word, tenant=tenant, kind="camera"),
            "channels": peer.channels.get(),
            "contacts": peer,
            "escalation-policies": alerts.make_policy(peer, name=word, tenant=tenant),
            "notifications": alerts.make_notification(alert, to=word, contact=peer, channel=peer.channels.get()),
            "tenants": tenant,
            "sites": site,
            "prefixes": Prefix.objects.create(cidr=f"10.{tenant.pk % 200}.0.0/16", site=site, description=word),
            "tags": Tag.objects.create(name=word, slug=word, tenant=tenant),
            "interfaces": interface,
            "ip-addresses": device.primary_ip,
            "endpoints": endpoint,
            "credentials": endpoint.credential,
            "ssh-keys": factories.make_ssh_key(name=f"{word} key"),
            "checks": endpoint.checks.first(),
            "device-events": factories.make_event(device, subject=word),
            "expected-neighbours": factories.make_neighbour(device, note=word),
            "indicators": factories.make_indicator(device, value=f"{word} smells", source=word, external_id=word),
            "series": factories.make_series(device),
            "jobs": job,
            "audit-events": audit.record("create", device, after={"name": word}, user=person),
            "users": person,
            "invites": invites.make(by=person, role="viewer", email=f"{word}@example.net")[0],
            "api-keys": keys.make(user=person, name=f"{word} key", scopes=["read"])[0],
            "actions": factories.make_action(name=f"{word} action", tenant=tenant),
            "action-runs": factories.make_run(device, output=word),
            "target-rules": TargetRule.objects.create(
                cidr=f"10.{tenant.pk % 200}.0.0/16", tenant=tenant, action="refuse", note=word
            ),
            **machines.make_estate(tenant=tenant, word=word, owner=person),
        }


@pytest.fixture
def world(db: Any, _clean_cache: None) -> World:
    return World()


def test_the_walk_has_a_foreign_object_for_every_resource(world: World) -> None:
    resources = {path.split("/")[2] for path in ROUTES if "{pk}" in path}
    assert resources == set(world.theirs) & resources, resources - set(world.theirs)


@pytest.mark.parametrize("role", ROLES)
def test_no_route_shows_or_touches_what_is_foreign(world: World, role: str) -> None:
    call = people.Walker(world.people[role])
    wrong = []
    for path in ROUTES:
        if path in OPEN:
            continue
        resource = path.split("/")[2]
        row = world.theirs.get(resource)
        url = "/" + path.replace("{pk}", str(row.pk if row is not None else 1))
        for method in ("get", "post", "put", "patch", "delete"):
            data: Any = {"id": row.pk} if row is not None else {}
            if path.endswith("/bulk/") and row is not None:
                data = [row.pk] if method == "delete" else [{"id": row.pk, "name": "taken"}]
            target = f"{url}?wait=0" if path.endswith(("/poll/", "/test/", "/backup/")) else url
            options = {} if method == "get" else {"data": data, "format": "json"}
            answer = call(method, target, **options)
            text = b"".join(answer.streaming_content).decode() if answer.streaming else answer.content.decode()
            is_closed = answer.status_code in (403, 404, 405) or (method == "post" and answer.status_code == 400)
            if "{pk}" in path and not is_closed:
                wrong.append((method, path, answer.status_code))
            made_ours = method == "post" and answer.status_code == 201  # what is made without a word of theirs is ours
            # Of machines each has a result of its own, whatever became of the others.
            refused_each = answer.status_code == 207 and all(row["errors"] for row in answer.json()["results"])
            if (
                path.endswith("/bulk/")
                and method != "get"
                and not (made_ours or refused_each)
                and answer.status_code not in (400, 403, 404, 405, 409)
            ):
                wrong.append((method, path, answer.status_code))
            if WORD in text or answer.status_code == 500:
                wrong.append((method, path, answer.status_code, text[:300]))
    assert not wrong, wrong
    for row in world.theirs.values():
        if row is not None:
            assert type(row)._default_manager.filter(pk=row.pk).exists(), row
            assert "taken" not in str(type(row)._default_manager.get(pk=row.pk))


@pytest.mark.parametrize("role", ROLES)
def test_lists_show_ours(world: World, role: str) -> None:
    client = people.client_for(world.people[role])
    for name in ("devices", "routers", "sites", "interfaces", "ip-addresses", "endpoints", "checks", "series"):
        found = client.get(f"/api/v1/{name}/").json()["results"]
        assert world.ours[name].pk in [row["id"] for row in found], name
    assert [row["name"] for row in client.get("/api/v1/tenants/").json()["results"]] == ["Ours"]


@pytest.mark.parametrize("query", [f"q={WORD}", f"name__contains={WORD}", "ordering=-name", f"tag={WORD}"])
def test_no_filter_reaches_further(world: World, query: str) -> None:
    client = people.client_for(world.people["operator"])
    assert WORD not in client.get(f"/api/v1/devices/?{query}").content.decode().replace(query, "")
    address = world.theirs["devices"].primary_ip.address
    for parameter in (f"ip={address}", f"tenant={world.foreign.pk}", f"id={world.theirs['devices'].pk}"):
        assert client.get(f"/api/v1/devices/?{parameter}").json()["results"] == []


# Pages of an object that is no device: the first of these that an address begins with says which.
OF_PAGES = {
    "/jobs/": "jobs",
    "/import/": "jobs",
    "/alerts/rules/": "alert-rules",
    "/alerts/silences/": "silences",
    "/alerts/channels/": "channels",
    "/alerts/contacts/": "contacts",
    "/alerts/policies/": "escalation-policies",
    "/alerts/log/": "notifications",
    "/alerts/": "alerts",
    "/maintenance/": "maintenance-windows",
    "/endpoints/": "endpoints",
    "/keys/ssh/": "ssh-keys",
    "/scans/schedules/": "scan-schedules",
    "/scans/exclusions/": "scan-exclusions",
    "/scans/": "scans",
    "/discoveries/": "discoveries",
    "/prefixes/": "prefixes",
    "/vyos/": "vyos-routers",
    "/vms/": "vms",
    "/changes/": "config-changes",
}
PLAIN = {"api", "admin", "api-auth", "static", "login", "logout", "docs"}


def page_routes() -> list[str]:
    def walk(patterns: Any, prefix: str) -> Any:
        for entry in patterns:
            path = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, path)
            elif isinstance(entry, URLPattern):
                yield path

    found = [path for path in walk(get_resolver().url_patterns, "") if path.partition("/")[0].strip("^") not in PLAIN]
    return sorted(set(found))


@pytest.mark.parametrize("role", ROLES)
def test_no_page_shows_what_is_foreign(world: World, role: str) -> None:
    call = people.Walker(world.people[role])
    assert len(page_routes()) > 8
    for path in page_routes():
        url = "/" + path.replace("^", "").replace("$", "")
        url = url.replace("(?P<tab>interfaces|checks|facts)", "interfaces").replace(r"(?P<pk>\d{1,18})", "<int:pk>")
        resource = next((name for prefix, name in OF_PAGES.items() if url.startswith(prefix)), "devices")
        url = url.replace("<int:pk>", str(world.theirs[resource].pk)).replace("<str:token>", "x" * 43)
        url = url.replace("<int:other>", str(world.theirs["scans"].pk))
        url = url.replace("<int:row>", str(world.theirs["expected-ports"].pk))
        for method in ("get", "post"):
            answer = call(method, url)
            assert WORD not in answer.content.decode(), url
            # A shipped rule of this number is everybody's to read.
            if ("<int:pk>" in path or "<pk>" in path) and (method, path) != ("get", "alerts/rules/<int:pk>/"):
                assert answer.status_code in (403, 404, 405), (url, answer.status_code)


def test_the_admin_site_is_closed_to_everybody_bound(world: World) -> None:
    for role in ROLES:
        client = people.client_for(world.people[role])
        for path in (
            "/admin/",
            "/admin/inventory/device/",
            f"/admin/inventory/device/{world.theirs['devices'].pk}/change/",
        ):
            answer = client.get(path)
            assert answer.status_code in (302, 403) and WORD not in answer.content.decode(), path


def test_nothing_is_given_to_or_taken_from_a_foreign_tenant(world: World) -> None:
    client = people.client_for(world.people["operator"])
    theirs = world.theirs
    refused = [
        ("devices", {"name": "x", "tenant": world.foreign.pk}),
        ("devices", {"name": "x", "site": theirs["sites"].pk}),
        ("devices", {"name": "x", "kind": "vm", "hypervisor": theirs["devices"].pk}),
        ("devices", {"name": "x", "tags": [WORD]}),
        ("sites", {"name": "x", "tenant": world.foreign.pk}),
        ("prefixes", {"cidr": "10.99.0.0/16", "site": theirs["sites"].pk}),
        ("prefixes", {"cidr": "10.99.0.0/16"}),  # belongs to nobody: not to us
        ("interfaces", {"device": theirs["devices"].pk, "name": "eth9"}),
        ("ip-addresses", {"address": "10.99.0.1", "interface": theirs["interfaces"].pk}),
        ("endpoints", {"device": theirs["devices"].pk, "protocol": "ssh"}),
        ("endpoints", {"device": world.ours["switches"].pk, "protocol": "ssh", "credential": theirs["credentials"].pk}),
        ("checks", {"endpoint": theirs["endpoints"].pk, "module": "icmp"}),
        ("indicators", {"device": theirs["devices"].pk, "kind": "smell", "value": "x", "external_id": WORD}),
        ("tenants", {"name": "A new one", "slug": "new"}),
    ]
    for path, body in refused:
        answer = client.post(f"/api/v1/{path}/", body, format="json")
        assert answer.status_code in (400, 403), (path, body, answer.status_code)
        assert WORD not in answer.content.decode().replace(f"'{WORD}'", ""), body
        bulk = client.post(f"/api/v1/{path}/bulk/?atomic=false", [body], format="json")
        assert bulk.status_code in (403, 207) and "201" not in bulk.content.decode(), (path, bulk.content)
    assert not Device.objects.filter(name="x").exists() and not Site.objects.filter(name="x").exists()
    assert not Prefix.objects.filter(cidr="10.99.0.0/16").exists() and Tenant.objects.count() == 2
    moved = [("devices", {"tenant": world.foreign.pk}), ("devices", {"tenant": None}), ("sites", {"tenant": None}),
             ("devices", {"site": theirs["sites"].pk}), ("prefixes", {"site": None}),
             ("ip-addresses", {"tenant": None})]  # fmt: skip
    for path, body in moved:
        answer = client.patch(f"/api/v1/{path}/{world.ours[path].pk}/", body, format="json")
        assert answer.status_code == 400, (path, body, answer.status_code)
    assert Device.objects.get(pk=world.ours["devices"].pk).tenant == world.tenant


def test_what_somebody_bound_makes_belongs_to_the_tenant(world: World) -> None:
    client = people.client_for(world.people["operator"])
    made = client.post("/api/v1/routers/", {"name": "new", "ip": "127.99.0.1", "snmp_community": "c"}, format="json")
    assert made.status_code == 201, made.json()
    assert made.json()["tenant"] == world.tenant.pk
    device = Device.objects.get(name="new")
    assert IPAddress.objects.get(primary_of=device).tenant == world.tenant
    assert ManagementEndpoint.objects.visible_to(world.people["operator"]).filter(device=device).exists()
    # The same name and address may exist at another tenant without either hearing of the other.
    body = {"name": world.theirs["devices"].name, "ip": world.theirs["devices"].primary_ip.address}
    assert client.post("/api/v1/devices/", body, format="json").status_code == 201


def test_somebody_bound_to_two_tenants_says_which(world: World) -> None:
    person = world.people["operator"]
    second = factories.make_tenant()
    second.members.add(person)
    client = people.client_for(person)
    assert client.post("/api/v1/devices/", {"name": "new"}, format="json").status_code == 400
    made = client.post("/api/v1/devices/", {"name": "new", "tenant": second.pk}, format="json")
    assert made.status_code == 201


def test_everybodys_tags_are_seen_and_not_changed(world: World) -> None:
    shared = Tag.objects.create(name="Core", slug="core")
    client = people.client_for(world.people["operator"])
    assert "core" in [row["slug"] for row in client.get("/api/v1/tags/").json()["results"]]
    assert client.patch(f"/api/v1/tags/{shared.pk}/", {"name": "mine"}, format="json").status_code == 403
    assert client.delete(f"/api/v1/tags/{shared.pk}/").status_code == 403
    assert client.patch(f"/api/v1/devices/{world.ours['devices'].pk}/", {"tags": ["core"]}, format="json").json()[
        "tags"
    ] == ["core"]
    assert Tag.objects.get(pk=shared.pk).name == "Core"


def test_in_the_background_the_same_holds(world: World) -> None:
    from netmon.rest import bulk

    client = people.client_for(world.people["operator"])
    body = [{"name": "x", "tenant": world.foreign.pk}]
    job_id = client.post("/api/v1/devices/bulk/?background=true", body, format="json").json()["job"]["id"]
    bulk.run_job(job_id)
    job = client.get(f"/api/v1/jobs/{job_id}/").json()
    assert job["status"] == "failed" and WORD not in str(job)
    assert not Device.objects.filter(name="x").exists()


def test_a_history_begins_when_the_device_came(cast: people.Cast, _clean_cache: None) -> None:
    ours, theirs = factories.make_tenant(), factories.make_tenant()
    device = factories.make_flat(tenant=theirs)
    admin = people.client_for(cast.ada)
    url = f"/api/v1/devices/{device.pk}/"
    for body in ({"location": f"{WORD} old"}, {"serial": f"{WORD} 1"}, {"tenant": ours.pk, "location": "rack 1"}):
        assert admin.patch(url, body, format="json").status_code == 200
    assert admin.patch(url, {"model": "after-it"}, format="json").status_code == 200
    ours.members.add(cast.omar)
    shown = people.client_for(cast.omar).get(f"/devices/{device.pk}/history/").content.decode()
    assert WORD not in shown and "rack 1" in shown and "after-it" in shown
    assert WORD in admin.get(f"/devices/{device.pk}/history/").content.decode()


def test_bound_people_do_not_learn_which_tenants_there_are(cast: people.Cast, _clean_cache: None) -> None:
    ours, theirs = factories.make_tenant(), factories.make_tenant()
    ours.members.add(cast.omar)
    client = people.client_for(cast.omar)
    url = f"/api/v1/tenants/{ours.pk}/"
    for name, slug in ((theirs.name, theirs.slug), ("free", "free")):
        for body in ({"name": name}, {"slug": slug}, {"name": name, "slug": slug}):
            assert client.post("/api/v1/tenants/", body, format="json").status_code == 403
            assert client.post("/api/v1/tenants/bulk/", [body], format="json").status_code == 403
            assert client.patch(url, body, format="json").status_code == 403
            assert client.put(url, body, format="json").status_code == 403
            changes = [{"id": ours.pk, **body}]
            assert client.patch("/api/v1/tenants/bulk/", changes, format="json").status_code == 403
    assert client.delete(url).status_code == 403 and client.get(url).status_code == 200


def test_the_name_of_a_login_tells_nothing_of_other_tenants(cast: people.Cast, _clean_cache: None) -> None:
    ours, theirs = factories.make_tenant(), factories.make_tenant()
    ours.members.add(cast.omar)
    client = people.client_for(cast.omar)
    factories.make_flat(name="core", tenant=theirs)
    factories.make_flat(name="edge")
    for name in ("core", "edge", "lone"):
        body = {"name": name, "ip": f"10.20.0.{len(name)}{ord(name[0]) % 10}", "snmp_community": "a"}
        answer = client.post("/api/v1/routers/", body)
        assert answer.status_code == 201, answer.content
        credential = Device.objects.get(pk=answer.json()["id"]).own_credentials.get()
        assert credential.name == f"{name} SNMP, tenant {ours.pk}"
