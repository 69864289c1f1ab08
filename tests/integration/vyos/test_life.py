"""The whole life of machines on each version: after each step the router has what is meant, and nothing else."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from provisioning.models import ConfigChange, DhcpReservation, PortClaim, PortForward, RuleClaim, RunningConfig, Vm
from provisioning.services import requests, wishes
from tests import vyos_trees
from tests.vyos import VERSIONS, Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)


def check(site: Site, count: int, *, disabled: frozenset[str] = frozenset()) -> None:
    """The router has exactly the mappings and rules of the rows, every line is valid, and it is saved."""
    assert site.lab.is_saved
    vms = list(Vm.objects.filter(router=site.row).select_related("reservation"))
    assert len(vms) == count
    leaf = "mac" if site.version.startswith("1.5") else "mac-address"
    assert site.mappings() == {
        vm.hostname: {leaf: vm.reservation.mac_address, "ip-address": vm.reservation.address} for vm in vms
    }
    assert site.rules() == {
        str(forward.rule_number): expected(site, forward, disabled)
        for forward in PortForward.objects.filter(vm__in=vms).select_related("vm__reservation")
    }
    changes = ConfigChange.objects.filter(router=site.row)
    assert {change.status for change in changes} == {"applied"} and all(change.is_saved for change in changes)
    for change in changes:
        for line in (*change.lines, *change.undo):
            assert vyos_trees.line_fault(site.version, line) == "", line


def expected(site: Site, forward: PortForward, disabled: frozenset[str]) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "description": f"netmon:{forward.vm.hostname} {forward.name}",
        "inbound-interface": "eth0" if site.version == "1.3" else {"name": "eth0"},
        "protocol": forward.protocol,
        "destination": {"port": str(forward.external_port)},
        "translation": {"address": forward.vm.reservation.address, "port": str(forward.internal_port)},
    }
    return {**rule, "disable": {}} if forward.name in disabled else rule


def live(site: Site, count: int) -> None:
    """From the first request to the last trace. Raises AssertionError."""
    before = copy.deepcopy(site.lab.running)
    names = [f"vm-{number}" for number in range(count)]
    for name in names:
        site.provision(name)
        site.work()
    check(site, count)
    assert site.lab.counts["commits"] == count
    for action, names_of_ports, disabled in (
        ("pause", None, {"ssh", "http", "https"}),
        ("enable", None, ()),
        ("disable", ["http"], {"http"}),
        ("enable", ["http"], ()),
    ):
        site.lab.counts.clear()
        for name in names:
            requests.act_on_ports(site.vm(name), action, names_of_ports, via="test")
            site.work()
        check(site, count, disabled=frozenset(disabled))
        assert site.lab.counts["commits"] == count, action
    PortForward.objects.filter(name="ssh").update(expires_at=timezone.now() - timedelta(seconds=1))
    site.lab.counts.clear()
    requests.expire()
    site.work()
    check(site, count, disabled=frozenset({"ssh"}))
    assert site.lab.counts["commits"] == -(-count // requests.VMS_OF_A_COMMIT), "all that is due in one"
    site.lab.counts.clear()
    for name in names:
        requests.decommission(site.vm(name), via="test")
        site.work()
    assert site.lab.counts["commits"] == count
    check(site, 0)
    # A router leaves the node where the last rule stood, empty.
    left = {name: node for name, node in site.lab.running.items() if (name, node) != ("nat", {"destination": {}})}
    assert left == before
    for model in (DhcpReservation, PortForward, PortClaim, RuleClaim):
        assert not model._default_manager.exists()
    assert site.lab.counts["max_in_flight"] == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_machines_come_change_and_go(version: str) -> None:
    with site_of(version) as site:
        live(site, 4)


@pytest.mark.parametrize("version", VERSIONS)
def test_many_at_once_take_one_commit(version: str) -> None:
    with site_of(version) as site:
        asked = requests.provision_many(
            [wishes.read_vm({"vm_name": f"vm-{number}", "router": site.row.pk}) for number in range(12)], via="test"
        )
        site.work()
        assert all(isinstance(one, requests.Asked) for one in asked)
        check(site, 12)
        assert site.lab.counts["commits"] == 1 and site.lab.counts["requests"] <= 10


def test_the_same_again_sends_nothing() -> None:
    with site_of() as site:
        first = site.provision("web")
        site.work()
        site.lab.counts.clear()
        again = site.provision("web")
        site.work()
        assert again.change is None and again.made is not None and not again.made.is_new
        assert again.made.external_ports == first.made.external_ports  # type: ignore[union-attr]
        assert not site.lab.counts["requests"]


def test_one_alone_takes_four_requests_and_one_of_a_series_three() -> None:
    with site_of() as site:
        site.provision("first")
        site.work()
        RunningConfig.objects.update(read_at=timezone.now() - timedelta(hours=1))
        site.lab.counts.clear()
        site.provision("second")
        site.work()
        assert (site.lab.counts["requests"], site.lab.counts["reads"]) == (4, 2)
        site.lab.counts.clear()
        for number in range(5):
            site.provision(f"vm-{number}")
            site.work()
        assert site.lab.counts["requests"] == 15 and site.lab.counts["saves"] == 5
