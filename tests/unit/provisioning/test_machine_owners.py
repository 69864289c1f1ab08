"""Whose machines somebody sees and changes: by role, by tenant, and by the scopes of a key."""

from typing import Any

import pytest

from inventory.models import Tenant
from netmon.accounts.services import keys
from provisioning.models import ConfigChange, PortForward, Quota, Vm
from tests import factories, machines, people

pytestmark = pytest.mark.django_db
LISTS = ("vms", "dhcp-reservations", "port-forwards", "config-changes", "ports/status")


class Place:
    """A tenant with two viewers and an operator, each with a machine, at one router."""

    def __init__(self) -> None:
        self.tenant: Tenant = factories.make_tenant()
        self.router = factories.make_vyos_router(tenant=self.tenant)
        self.people = {
            name: people.make_person(name, role)
            for name, role in (("vito", "viewer"), ("vida", "viewer"), ("otto", "operator"))
        }
        self.machines: dict[str, Vm] = {}
        for name, person in self.people.items():
            self.tenant.members.add(person)
            self.machines[name] = factories.make_vm(self.router, vm_name=f"of-{name}", ports=["ssh"])
            Vm.objects.filter(pk=self.machines[name].pk).update(owner=person)
            vm = self.machines[name]
            factories.make_change(self.router, tenant=self.tenant, vm=vm, vm_name=vm.name, requested_by=None)

    def client(self, name: str, *scopes: str) -> Any:
        """The session of a person, or a key of theirs."""
        if not scopes:
            return people.client_for(self.people[name])
        client = people.client_for(None)
        _, key = keys.make(user=self.people[name], name="k".join(scopes)[:50], scopes=list(scopes))
        client.credentials(HTTP_X_API_KEY=key)
        return client


@pytest.fixture
def place(db: Any, _clean_cache: None) -> Place:
    return Place()


def names_in(client: Any, path: str) -> set[str]:
    answer = client.get(f"/api/v1/{path}/")
    assert answer.status_code == 200, answer.content
    field = {"vms": "name", "ports/status": "machine_id"}.get(path, "vm_name")
    return {row[field] for row in answer.json()["results"]}


@pytest.mark.parametrize("path", LISTS)
def test_everybody_sees_what_is_theirs_to_see(place: Place, cast: people.Cast, path: str) -> None:
    everything = {"of-vito", "of-vida", "of-otto"}
    assert names_in(place.client("vito"), path) == {"of-vito"}
    assert names_in(place.client("otto"), path) == everything
    assert names_in(people.client_for(cast.vera), path) == everything  # bound to no tenant: she reads all
    assert names_in(place.client("otto", "vms:read"), path) == {"of-otto"}
    assert names_in(place.client("otto", "vms:write"), path) == {"of-otto"}
    assert names_in(place.client("otto", "provisioning:read"), path) == everything
    assert names_in(place.client("vito", "read", "vms:write"), path) == {"of-vito"}
    assert names_in(place.client("otto", "read", "vms:write"), path) == everything


def test_another_ones_machine_is_not_there(place: Place) -> None:
    client, theirs = place.client("vito"), place.machines["vida"]
    for name in ("of-vida", str(theirs.pk)):
        url = f"/api/v1/vms/{name}/"
        assert client.get(url).status_code == client.delete(url).status_code == 404
        for path in ("ports/status/", "timeline/"):
            assert client.get(url + path).status_code == 404
        for path, body in (
            ("decommission/", {}),
            ("expiry/", {"expires_at": None}),
            ("ports/template/", {"action": "delete"}),
            ("ports/ssh/", {"action": "delete"}),
        ):
            assert client.post(url + path, body, format="json").status_code == 404
    forward = theirs.forwards.get()
    url = f"/api/v1/port-forwards/{forward.pk}/"
    assert client.get(url).status_code == client.delete(url).status_code == 404
    body = {"vm": theirs.pk, "name": "x", "internal_port": 1}
    assert client.post("/api/v1/port-forwards/", body, format="json").status_code == 400
    change = ConfigChange.objects.get(vm=theirs)
    assert client.get(f"/api/v1/config-changes/{change.pk}/").status_code == 404
    assert client.post(f"/api/v1/config-changes/{change.pk}/retry/").status_code == 404
    assert not PortForward.objects.exclude(desired="enabled").exists()
    assert not Vm.objects.exclude(state="active").exists()


def test_an_owner_changes_their_own_machine_and_makes_none(place: Place) -> None:
    client = place.client("vito")
    answer = client.post("/api/v1/vms/of-vito/ports/ssh/", {"action": "disable"}, format="json")
    assert answer.status_code == 202 and answer.json()["port_status"] == "disabled"
    change = client.get(answer.json()["change"]["url"]).json()
    assert change["requested_by"] == "vito" and change["items"][0]["vm_name"] == "of-vito"
    body = {"vm": "of-vito", "name": "db", "internal_port": 5432}
    assert client.post("/api/v1/port-forwards/", body, format="json").status_code == 202
    assert client.post("/api/v1/vms/provision/", {"vm_name": "new"}, format="json").status_code == 403
    assert client.post("/api/v1/vms/bulk/", [{"vm_name": "new"}], format="json").status_code == 403
    assert client.post("/api/v1/vms/of-vito/decommission/", {}, format="json").status_code == 202
    for path in ("vyos-routers", "dhcp-pools", "port-pools", "drift"):
        assert client.get(f"/api/v1/{path}/").status_code == 403


def test_a_viewer_who_sees_all_changes_their_own_only(place: Place, cast: people.Cast) -> None:
    client = people.client_for(cast.vera)
    url = "/api/v1/vms/of-vito/"
    assert client.get(url).status_code == 200
    assert client.delete(url).status_code == 403
    assert client.post(url + "ports/ssh/", {"action": "delete"}, format="json").status_code == 403
    forward = place.machines["vito"].forwards.get()
    assert client.delete(f"/api/v1/port-forwards/{forward.pk}/").status_code == 403
    failed = factories.make_change(
        place.router, vm=place.machines["vito"], status="failed", finished_at="2026-01-01T00:00Z"
    )
    assert client.post(f"/api/v1/config-changes/{failed.pk}/retry/").status_code == 403
    Vm.objects.filter(pk=place.machines["vito"].pk).update(owner=cast.vera)
    assert client.post(url + "ports/ssh/", {"action": "disable"}, format="json").status_code == 202
    assert client.post(f"/api/v1/config-changes/{failed.pk}/retry/").status_code == 202


def test_a_key_for_machines_opens_nothing_else(place: Place) -> None:
    reading, writing = place.client("otto", "vms:read"), place.client("otto", "vms:write")
    refused = reading.post("/api/v1/vms/of-otto/ports/ssh/", {"action": "disable"}, format="json")
    assert refused.status_code == 403 and refused.json()["code"] == "scope_missing"
    assert "vms:write" in refused.json()["detail"]
    for client in (reading, writing):
        for path in ("devices", "vyos-routers", "dhcp-pools", "port-pools", "drift", "actions", "jobs", "users"):
            assert client.get(f"/api/v1/{path}/").status_code == 403, path
        assert client.get("/api/v1/vms/of-vito/").status_code == 404
    assert writing.post("/api/v1/vms/of-otto/ports/ssh/", {"action": "disable"}, format="json").status_code == 202
    assert writing.delete("/api/v1/vms/of-vito/").status_code == 404
    both = place.client("otto", "read", "vms:write")
    assert both.get("/api/v1/vms/of-vito/").status_code == 200
    assert both.delete("/api/v1/vms/of-vito/").status_code == 403


def test_what_a_key_for_machines_makes_is_its_owners(place: Place) -> None:
    client, body = place.client("otto", "vms:write"), {"vm_name": "new", "ports": []}
    made = client.post("/api/v1/vms/provision/", body, format="json")
    assert made.status_code == 202 and Vm.objects.get(pk=made.json()["id"]).owner == place.people["otto"]
    other = {**body, "vm_name": "newer", "owner": place.people["vito"].pk}
    assert client.post("/api/v1/vms/provision/", other, format="json").status_code in (400, 403)
    # The name of a machine that its owner alone may see tells nothing of it.
    taken = client.post("/api/v1/vms/provision/", {"vm_name": "of-vito"}, format="json")
    assert taken.status_code == 409 and taken.json()["code"] == "name_taken"
    assert str(place.machines["vito"].reservation.address) not in taken.content.decode()


def test_an_admin_makes_a_machine_for_somebody(place: Place, cast: people.Cast) -> None:
    body = {"vm_name": "new", "router": place.router.pk, "owner": place.people["vito"].pk, "ports": []}
    made = people.client_for(cast.ada).post("/api/v1/vms/provision/", body, format="json")
    assert made.status_code == 202
    shown = place.client("vito").get("/api/v1/vms/new/").json()
    assert shown["owner"] == place.people["vito"].pk and shown["owner_name"] == "vito"
    quota = machines.make_quota(owner=place.people["vito"], max_vms=2)
    again = people.client_for(cast.ada).post("/api/v1/vms/provision/", {**body, "vm_name": "newer"}, format="json")
    assert again.status_code == 409 and again.json()["code"] == "quota_exceeded"
    seen = place.client("vito").get("/api/v1/quotas/").json()["results"]
    assert [(row["id"], row["used_vms"], row["max_vms"]) for row in seen] == [(quota.pk, 2, 2)]


def test_everybody_reads_their_own_quota(place: Place, cast: people.Cast) -> None:
    of = {
        name: machines.make_quota(owner=person).pk
        for name, person in {**place.people, "vera": cast.vera, "omar": cast.omar}.items()
    }
    tenants = machines.make_quota(tenant=place.tenant).pk
    foreign = machines.make_quota(tenant=factories.make_tenant()).pk

    def seen(client: Any) -> set[int]:
        return {row["id"] for row in client.get("/api/v1/quotas/").json()["results"]}

    assert seen(place.client("vito")) == {of["vito"], tenants}
    assert seen(place.client("otto")) == {of["otto"], tenants}
    assert seen(people.client_for(cast.vera)) == {of["vera"]}
    assert seen(people.client_for(cast.omar)) == {*of.values(), tenants, foreign} == seen(people.client_for(cast.ada))
    assert Quota.objects.count() == 7
