"""Tools that change routers, before a simulated one: plan, look, apply exactly that."""

from collections.abc import Iterator
from typing import Any

import pytest

from netmon.accounts.models import User
from netmon.audit.models import AuditEvent
from provisioning.models import ConfigChange, Vm
from tests import factories, people
from tests.unit.mcp.conftest import Door, Result, key_of
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(cast: people.Cast, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    settings.ALLOW_LOOPBACK = True
    monkeypatch.setattr("netmon.mcp.changing.WAIT_SECONDS", 0)  # the worker is `site.work()`
    with site_of() as site:
        yield site


@pytest.fixture
def door(cast: people.Cast) -> Door:
    return Door(key_of(cast.omar, "provisioning:write"))


def confirmed(door: Door, tool: str, **arguments: Any) -> Result:
    planned = door.tool(tool, **arguments)
    assert not planned.is_error and planned.data["status"] == "planned", planned.text
    return door.tool(tool, **arguments, confirm=planned.data["plan"]["digest"])


def test_a_plan_sends_nothing_and_leaves_nothing(site: Site, door: Door) -> None:
    for result in (door.tool("plan_vm", vm_name="web-1"), door.tool("provision_vm", vm_name="web-1")):
        assert not result.is_error, result.text
        assert result.data["status"] == "planned" and result.data["change"] is None
        assert result.data["external_ports"] == {"ssh": 32000, "http": 32001, "https": 32002}
        plan = result.data["plan"]
        assert len(plan["digest"]) == 64 and any("32000" in line for line in plan["lines"]) and plan["diff"]
    site.work()
    assert not Vm.objects.exists() and not ConfigChange.objects.exists() and not site.rules() and not site.mappings()


def test_what_was_planned_is_applied(site: Site, door: Door, cast: people.Cast) -> None:
    planned = door.tool("plan_vm", vm_name="web-1", ports=["ssh", {"name": "game", "internal_port": 7000}]).data
    wish = {"vm_name": "web-1", "ports": ["ssh", {"name": "game", "internal_port": 7000}]}
    done = door.tool("provision_vm", **wish, confirm=planned["plan"]["digest"])
    assert not done.is_error and done.data["status"] == "queued", done.text
    site.work()
    change = ConfigChange.objects.get(pk=done.data["change"])
    assert (change.status, change.is_approved, change.digest) == ("applied", True, planned["plan"]["digest"])
    assert change.lines == planned["plan"]["lines"] and change.requested_by == cast.omar
    assert change.via.startswith("mcp:api_key:")
    assert AuditEvent.objects.filter(action="provision", via=change.via, username="omar").count() == 1
    assert {int(rule["destination"]["port"]) for rule in site.rules().values()} == {32000, 32001}
    again = door.tool("provision_vm", **wish)
    assert again.data["status"] == "unchanged" and again.data["change"] is None
    assert again.data["internal_ip"] == planned["internal_ip"]
    assert ConfigChange.objects.count() == 1


def test_a_stale_digest_is_refused(site: Site, door: Door) -> None:
    digest = door.tool("plan_vm", vm_name="web-1").data["plan"]["digest"]
    site.provision("other")
    site.work()
    late = door.tool("provision_vm", vm_name="web-1", confirm=digest)
    assert late.is_error and "stale_plan: What would be sent now is not what was approved" in late.text
    assert not Vm.objects.filter(device__name="web-1").exists()
    assert door.tool("provision_vm", vm_name="web-1", confirm="0" * 64).is_error
    mistyped = door.tool("provision_vm", vm_name="web-1", confirm="yes")
    assert mistyped.is_error and "invalid: digest" in mistyped.text


def test_a_port_is_closed_and_a_machine_taken_off(site: Site, door: Door) -> None:
    confirmed(door, "provision_vm", vm_name="web-1")
    site.work()
    closed = confirmed(door, "set_port", vm_name="web-1", port="SSH", action="disable")
    assert closed.data["status"] == "queued"
    site.work()
    assert sum("disable" in rule for rule in site.rules().values()) == 1
    same = door.tool("set_port", vm_name="web-1", port="ssh", action="disable")
    assert same.data["status"] == "unchanged" and same.data["plan"]["digest"] == ""
    missing = door.tool("set_port", vm_name="web-1", port="telnet", action="enable")
    assert missing.is_error and "no_such_port" in missing.text
    number = str(Vm.objects.get().pk)
    gone = confirmed(door, "decommission_vm", vm_name=number)
    assert gone.data["machine_id"] == "web-1"
    site.work()
    assert not Vm.objects.exists() and not site.rules() and not site.mappings()
    assert "not_found" in door.tool("decommission_vm", vm_name="web-1").text


def test_a_viewer_and_a_key_without_the_scope_write_nothing(site: Site, cast: people.Cast) -> None:
    site.provision("web-1")
    site.work()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("plan_vm", {"vm_name": "new"}),
        ("provision_vm", {"vm_name": "new"}),
        ("decommission_vm", {"vm_name": "web-1"}),
        ("set_port", {"vm_name": "web-1", "port": "ssh", "action": "delete"}),
    ]
    for door, code in (
        (Door(key_of(cast.vera)), "permission_denied"),
        (Door(key_of(cast.ada, role="viewer")), "permission_denied"),
        (Door(key_of(cast.omar, "read", "inventory:write")), "scope_missing"),
    ):
        for tool, arguments in calls:
            for confirm in ({}, {"confirm": "0" * 64}):
                if tool != "plan_vm" or not confirm:
                    result = door.tool(tool, **arguments, **confirm)
                    assert result.is_error and f": {code}: " in result.text, (tool, result.text)
    assert ConfigChange.objects.count() == 1


def test_another_tenants_machines_do_not_exist(site: Site, cast: people.Cast) -> None:
    vm = site.provision("web-1").vm
    theirs = factories.make_tenant()
    site.row.device.__class__.objects.filter(pk__in=[vm.device_id, site.row.device.pk]).update(tenant=theirs)
    bound: User = people.make_person("bea", "operator")
    bound.tenants.set([factories.make_tenant()])
    door = Door(key_of(bound))
    for named in ("web-1", str(vm.pk)):
        assert "not_found" in door.tool("decommission_vm", vm_name=named).text
        assert "not_found" in door.tool("set_port", vm_name=named, port="ssh", action="delete").text
    made = door.tool("plan_vm", vm_name="new", router=site.row.pk)
    assert made.is_error and "router" in made.text and site.row.device.name not in made.text


def test_refusals_are_told_in_the_words_of_the_api(site: Site, door: Door) -> None:
    wrong = door.tool("plan_vm", vm_name="no_underscores")
    assert wrong.is_error and "invalid: vm_name" in wrong.text
    outside = door.tool("plan_vm", vm_name="web-1", ip_address="203.0.113.9")
    assert outside.is_error and "out_of_pool" in outside.text
    assert "invalid: vm_name" in door.tool("port_status", vm_name="../users").text


def test_a_silent_router_is_told_of(site: Site, door: Door) -> None:
    site.server.close()
    silent = door.tool("plan_vm", vm_name="web-1")
    assert silent.is_error and ": router_failed: " in silent.text and "Traceback" not in silent.text
