"""A machine from plan to end: the official client, a real web process and worker, a simulated router over TLS."""

from collections.abc import Iterator
from typing import Any

import pytest

from netmon.lab.vyos import Router, Server
from tests.daemons import wait_until
from tests.integration.mcp.conftest import Site, worker
from tests.integration.mcp.test_client import text

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lab(site: Site) -> Iterator[Router]:
    router = Router("1.5-2026-02")
    base = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24"
    router.edit(f"{base} subnet-id 1", f"{base} range 0 start 192.168.66.200", f"{base} range 0 stop 192.168.66.250")
    router.save()
    router.counts.clear()
    with Server(router, host="127.66.9.1") as server, worker(site.product):
        site.add_router(server)
        yield router


def rules(lab: Router) -> dict[str, Any]:
    return dict(lab.running.get("nat", {}).get("destination", {}).get("rule", {}))


def call(site: Site, role: str, tool: str, **arguments: Any) -> Any:
    result = site.call(site.keys[role], tool, **arguments)
    assert not result.is_error, text(result)
    return result.structured_content


def refused(site: Site, role: str, tool: str, **arguments: Any) -> str:
    result = site.call(site.keys[role], tool, **arguments)
    assert result.is_error
    return text(result)


def test_a_machine_from_plan_to_end(site: Site, lab: Router) -> None:
    planned = call(site, "operator", "plan_vm", vm_name="web-1")
    digest = planned["plan"]["digest"]
    assert planned["status"] == "planned" and not rules(lab) and lab.counts["commits"] == 0
    # Another's machine gets the address and the ports that were planned.
    other = call(site, "operator", "provision_vm", vm_name="other")
    done = call(site, "operator", "provision_vm", vm_name="other", confirm=other["plan"]["digest"])
    assert done["status"] == "applied" and len(rules(lab)) == 3, done
    assert "stale_plan" in refused(site, "operator", "provision_vm", vm_name="web-1", confirm=digest)
    assert len(rules(lab)) == 3
    planned = call(site, "operator", "plan_vm", vm_name="web-1")
    done = call(site, "operator", "provision_vm", vm_name="web-1", confirm=planned["plan"]["digest"])
    assert done["status"] == "applied" and done["external_ports"]["ssh"] == 32003
    assert lab.is_saved and lab.counts["commits"] == 2
    (rule,) = [rule for rule in rules(lab).values() if rule["destination"]["port"] == "32003"]
    assert rule["translation"] == {"address": done["internal_ip"], "port": "22"}

    assert "permission_denied" in refused(site, "viewer", "set_port", vm_name="web-1", port="ssh", action="disable")
    shown = call(site, "viewer", "port_status", vm_name="web-1")
    assert shown["ports"]["ssh"]["status"] == "enabled" and shown["ports"]["ssh"]["applied"] == "applied"
    closing = call(site, "operator", "set_port", vm_name="web-1", port="ssh", action="disable")
    closed = call(
        site, "operator", "set_port", vm_name="web-1", port="ssh", action="disable", confirm=closing["plan"]["digest"]
    )
    assert closed["status"] == "applied"
    assert sum("disable" in rule for rule in rules(lab).values()) == 1

    leaving = call(site, "operator", "decommission_vm", vm_name="web-1")
    gone = call(site, "operator", "decommission_vm", vm_name="web-1", confirm=leaving["plan"]["digest"])
    assert gone["status"] == "applied" and len(rules(lab)) == 3
    wait_until(
        lambda: "not_found" in refused(site, "operator", "decommission_vm", vm_name="web-1"),
        seconds=20,
        what="the end of its rows",
    )
