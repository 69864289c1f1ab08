"""Subnets that netmon makes and takes away, forwards for those inside, and the one firewall rule."""

from __future__ import annotations

import pytest

from provisioning.models import DhcpPool, PortForward, RuleClaim
from provisioning.services import allocation, requests, routers
from provisioning.services.refusals import InTheWay
from tests import vyos_trees
from tests.vyos import VERSIONS, site_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_subnet_is_made_with_the_first_and_goes_with_the_last(version: str) -> None:
    with site_of(version, with_range=False) as site:
        before = dict(site.lab.running["service"])
        for name in ("one", "two"):
            site.provision(name, ports=[])
            site.work()
            assert site.change().status == "applied", site.change().error_detail
        assert DhcpPool.objects.get().made_subnet and set(site.mappings()) == {"one", "two"}
        requests.decommission(site.vm("one"))
        site.work()
        assert set(site.mappings()) == {"two"}
        requests.decommission(site.vm("two"))
        site.work()
        assert site.change().status == "applied", site.change().error_detail
        assert site.lab.running["service"] == before and not DhcpPool.objects.get().made_subnet
        for line in site.change().lines:
            assert vyos_trees.line_fault(version, line) == ""


def test_the_last_of_somebody_elses_subnet_stays_until_it_has_a_range() -> None:
    with site_of(with_range=False) as site:
        base = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24"
        dynamic = [f"{base} range 0 start 192.168.66.200", f"{base} range 0 stop 192.168.66.210"]
        site.lab.edit(f"{base} subnet-id 1", *dynamic)
        site.provision("web", ports=[])
        site.work()
        site.lab.edit(f"delete {base.removeprefix('set ')} range 0")
        vm = site.vm("web")
        with pytest.raises(InTheWay, match="without a mapping and without a dynamic range"):
            site.row.running.delete()  # what was read is old by now
            requests.decommission(vm)
        site.lab.edit(*dynamic)
        routers.read(site.row)
        requests.decommission(vm)
        site.work()
        assert site.change().status == "applied" and not site.mappings()


@pytest.mark.parametrize("version", VERSIONS)
def test_those_inside_reach_the_outer_address(version: str) -> None:
    with site_of(version, lan_interface="eth1", external_address="203.0.113.2") as site:
        site.provision("web", ports=[{"name": "http", "internal_port": 80, "hairpin": True}])
        site.work()
        assert site.change().status == "applied", site.change().error_detail
        forward = PortForward.objects.get()
        inner = RuleClaim.objects.get(purpose="hairpin").number
        assert site.rules()[str(inner)]["destination"] == {"address": "203.0.113.2", "port": str(forward.external_port)}
        sources = site.lab.running["nat"]["source"]["rule"]
        assert [rule["translation"]["address"] for rule in sources.values()] == ["masquerade"]
        requests.act_on_ports(site.vm("web"), "delete")
        site.work()
        assert site.change().status == "applied" and not site.rules()
        assert not site.lab.running["nat"]["source"].get("rule") and not RuleClaim.objects.exists()
        for line in site.change().lines:
            assert vyos_trees.line_fault(version, line) == ""


@pytest.mark.parametrize("version", VERSIONS)
def test_the_one_firewall_rule_comes_on_request(version: str) -> None:
    over = {"firewall_ruleset": "WAN-IN"} if version == "1.3" else {}
    with site_of(version, allow_firewall_rule=True, firewall_rule_number=100, **over) as site:
        allocation.claim_opening(site.row)
        site.provision("web", ports=["ssh"])
        site.work()
        assert site.change().status == "applied", site.change().error_detail
        firewall = site.lab.running["firewall"]
        place = firewall["name"]["WAN-IN"] if version == "1.3" else firewall["ipv4"]["forward"]["filter"]
        assert place["rule"]["100"]["action"] == "accept"
        for line in site.change().lines:
            assert vyos_trees.line_fault(version, line) == ""


def test_a_foreign_firewall_rule_stays_and_is_told_of() -> None:
    with site_of("1.4", allow_firewall_rule=True, firewall_rule_number=100) as site:
        site.lab.edit("set firewall ipv4 forward filter rule 100 action drop")
        allocation.claim_opening(site.row)
        site.provision("web", ports=["ssh"])
        site.work()
        change = site.change()
        assert change.status == "applied" and "firewall rule 100" in change.remark
        assert site.lab.running["firewall"]["ipv4"]["forward"]["filter"]["rule"]["100"] == {"action": "drop"}
