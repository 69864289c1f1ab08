"""A router that was changed by hand: what differs is said in words, and healed or adopted one by one."""

from __future__ import annotations

import copy

import pytest

from monitoring.models import Alert
from provisioning.models import ConfigChange, DhcpReservation, DriftItem, PortForward, Vm
from provisioning.services import drift, importing, requests
from tests.vyos import VERSIONS, Site, site_of

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping"


def drifted(site: Site) -> dict[str, DriftItem]:
    return {item.label: item for item in drift.compare(site.row)}


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_differs_after_netmons_own_changes(version: str) -> None:
    with site_of(version) as site:
        site.provision("web")
        site.work()
        requests.act_on_ports(site.vm("web"), "pause", ["ssh"])
        site.work()
        assert drift.compare(site.row) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_what_differs_is_said_in_words_and_healed(version: str) -> None:
    with site_of(version) as site:
        site.provision("web")
        site.work()
        meant = copy.deepcopy(site.lab.running)
        site.lab.edit(
            "set nat destination rule 10000 translation port 2222", "delete nat destination rule 10001",
            "set nat destination rule 10002 disable",
        )  # fmt: skip
        found = drifted(site)
        assert {label: (item.kind, item.words[0]) for label, item in found.items()} == {
            "destination rule 10000": ("differs", "internal port: 2222 instead of 22"),
            "destination rule 10001": ("missing", found["destination rule 10001"].words[0]),
            "destination rule 10002": ("differs", "disable: on is there and should not be"),
        }
        assert set(PortForward.objects.values_list("applied", flat=True)) == {"drifted"}
        first = found["destination rule 10000"]
        assert drifted(site)["destination rule 10000"].found_at == first.found_at
        site.lab.counts.clear()
        drift.reconcile(site.row, [first.pk], "heal")
        site.work()
        assert site.change().status == "applied" and site.change().lines == [
            "set nat destination rule 10000 translation port 22"
        ]
        assert set(drifted(site)) == {"destination rule 10001", "destination rule 10002"}
        drift.reconcile(site.row, [item.pk for item in drift.compare(site.row)], "heal")
        site.work()
        assert site.lab.running == meant and drift.compare(site.row) == [] and site.lab.counts["commits"] == 2
        assert set(PortForward.objects.values_list("applied", flat=True)) == {"applied"}


def test_what_the_router_has_is_adopted_and_nothing_sent() -> None:
    with site_of() as site:
        site.provision("web")
        site.work()
        site.lab.edit(
            "set nat destination rule 10000 translation port 2222", "delete nat destination rule 10001",
            "set nat destination rule 10002 disable", "set nat destination rule 10002 description mine",
            f"set {BASE} web mac 02:00:00:00:00:77",
        )  # fmt: skip
        site.lab.counts.clear()
        found = drift.compare(site.row)
        assert all(item.can_adopt for item in found), [(item.label, item.can_adopt) for item in found]
        drift.reconcile(site.row, [item.pk for item in found], "adopt")
        assert DhcpReservation.objects.get().mac_address == "02:00:00:00:00:77"
        ports = {row.name: (row.internal_port, row.desired) for row in PortForward.objects.all()}
        assert ports == {"ssh": (2222, "enabled"), "https": (443, "disabled")}
        assert drift.compare(site.row) == [] and not site.lab.counts["commits"]


def test_a_rule_that_is_not_netmons_any_more_is_not_touched() -> None:
    with site_of() as site:
        site.provision("web", ports=["ssh"])
        site.work()
        site.lab.edit(
            "set nat destination rule 10000 description theirs",
            "set nat destination rule 10000 translation address 192.168.66.7",
        )
        (item,) = drift.compare(site.row)
        assert item.kind == "foreign" and not item.can_adopt and not item.lines
        with pytest.raises(drift.NotAdoptable, match="not touched"):
            drift.reconcile(site.row, [item.pk], "heal")
        assert site.rules()["10000"]["description"] == "theirs" and ConfigChange.objects.count() == 1


def test_a_forgotten_rule_with_netmons_mark_is_cleared_away() -> None:
    with site_of() as site:
        site.provision("web", ports=["ssh"])
        site.work()
        site.lab.edit(
            "set nat destination rule 10777 description 'netmon:gone ssh'",
            "set nat destination rule 10777 inbound-interface name eth0",
            "set nat destination rule 10777 protocol tcp",
            "set nat destination rule 10777 destination port 32777",
            "set nat destination rule 10777 translation address 192.168.66.99",
        )
        (item,) = drift.compare(site.row)
        assert (item.label, item.kind, item.vm) == ("destination rule 10777", "leftover", None)
        drift.reconcile(site.row, [item.pk], "heal")
        site.work()
        assert site.change().status == "applied" and set(site.rules()) == {"10000"} and drift.compare(site.row) == []


def test_drift_is_told_to_whoever_is_on_duty() -> None:
    with site_of() as site:
        site.provision("web", ports=["ssh"])
        site.work()
        site.lab.edit("set nat destination rule 10000 disable")
        drift.compare(site.row)
        alert = Alert.objects.get(source="provisioning.drift")
        assert "rule 10000" in alert.detail and alert.device == site.row.device
        site.lab.edit("delete nat destination rule 10000 disable")
        drift.compare(site.row)
        assert not DriftItem.objects.exists() and not Alert.objects.open().exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_router_has_is_taken_over_as_it_stands(version: str) -> None:
    mac = "mac" if version.startswith("1.5") else "mac-address"
    inbound = "inbound-interface eth0" if version == "1.3" else "inbound-interface name eth0"
    with site_of(version) as site:
        lines = [f"set {BASE} db01 {mac} 02:00:00:00:00:01", f"set {BASE} db01 ip-address 192.168.66.30"]
        for number, port, inner in ((20, 32100, 22), (21, 32101, 5432)):
            rule = f"set nat destination rule {number}"
            lines += [
                f"{rule} description 'by hand {inner}'", f"{rule} {inbound}", f"{rule} protocol tcp",
                f"{rule} destination port {port}", f"{rule} translation address 192.168.66.30",
                f"{rule} translation port {inner}",
            ]  # fmt: skip
        lines += [
            f"set nat destination rule 22 {inbound}", "set nat destination rule 22 protocol udp",
            "set nat destination rule 22 destination port 1194",
            "set nat destination rule 22 translation address 192.168.66.30",
        ]  # fmt: skip
        site.lab.edit(*lines)
        before = copy.deepcopy(site.lab.running)
        (found,) = importing.adopt(site.row, dry_run=True)
        assert not Vm.objects.exists() and [one.problem == "" for one in found.forwards] == [True, True, False]
        site.lab.counts.clear()
        importing.adopt(site.row, ["db01"])
        vm = site.vm("db01")
        ports = {row.name: (row.external_port, row.internal_port, row.rule_number) for row in vm.forwards.all()}
        assert ports == {"ssh": (32100, 22, 20), "port-5432": (32101, 5432, 21)}
        assert site.lab.running == before and not site.lab.counts["commits"]
        assert drift.compare(site.row) == [], "as it stands is as it is wished"
        assert importing.find(site.row) == []
        requests.act_on_ports(vm, "pause", ["ssh"])
        site.work()
        assert site.change().lines == ["set nat destination rule 20 disable"]
        requests.decommission(vm)
        site.work()
        assert set(site.rules()) == {"22"} and not site.mappings() and not Vm.objects.exists()


def test_what_cannot_be_taken_over_says_why() -> None:
    with site_of("1.4") as site:
        site.lab.edit(
            f"set {BASE} db_01 mac-address 02:00:00:00:00:01", f"set {BASE} db_01 ip-address 192.168.66.30",
            f"set {BASE} nameless mac-address 02:00:00:00:00:02",
        )  # fmt: skip
        found = {one.name: one.problem for one in importing.find(site.row)}
        assert found["db_01"].startswith("Its name is no host name") and "fixed address" in found["nameless"]
        with pytest.raises(importing.NotImportable, match="rename"):
            importing.adopt(site.row, ["db_01"])
        with pytest.raises(importing.NotImportable, match="no mapping"):
            importing.adopt(site.row, ["other"])
        assert importing.adopt(site.row) == [] and not Vm.objects.exists()
