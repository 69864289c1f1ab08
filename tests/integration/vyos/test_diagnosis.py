"""Why nobody gets in: each fault is made at a router that answers over TLS and at real ports, and is found."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import Prefix
from netmon.drivers import icmp
from netmon.lab.vyos import Fault
from provisioning.models import DhcpReservation, PortForward, RunningConfig, Vm, VyosRouter
from provisioning.services import diagnosis, expiry, leases, ports, refusals
from tests import factories
from tests.vyos import Site, site_of

pytestmark = pytest.mark.django_db

OUTSIDE, INNER = "127.67.0.1", "127.69.0.10"
SUBNET = "service dhcp-server shared-network-name LAN subnet 127.69.0.0/24"
ORDER = ["router", "mapping", "rule", "lease", "host", "inside", "outside"]


@dataclass
class House:
    """A machine with one forward, where all is well until a test breaks something."""

    site: Site
    vm: Vm
    inner: socket.socket
    outer: socket.socket

    def look(self, port: str | None = None) -> dict[str, diagnosis.Step]:
        self.found = diagnosis.diagnose(self.vm, port=port)
        return {step.key: step for step in self.found.steps}

    def statuses(self) -> dict[str, str]:
        return {key: step.status for key, step in self.look().items()}


@pytest.fixture
def house() -> Iterator[House]:
    with site_of("1.4", external_address=OUTSIDE) as site, ExitStack() as stack:
        site.lab.edit("set interfaces ethernet eth1 address 127.69.0.1/24")
        site.pool.is_enabled = False
        site.pool.save()
        factories.make_dhcp_pool(site.row, cidr="127.69.0.0/24")
        inner = stack.enter_context(socket.create_server((INNER, 0)))
        outer = stack.enter_context(socket.create_server((OUTSIDE, 0)))
        site.ports.port_start = site.ports.port_end = outer.getsockname()[1]
        site.ports.save()
        site.provision("web-1", ports=[{"name": "ssh", "internal_port": inner.getsockname()[1]}])
        site.work()
        assert site.change().status == "applied", site.change().error_detail
        yield House(site, site.vm("web-1"), inner, outer)


def test_where_all_is_well_every_step_says_so(house: House) -> None:
    assert house.statuses() == dict.fromkeys(ORDER, "ok") and list(house.look()) == ORDER
    assert house.found.first_failed is None
    answer = house.found.as_dict()
    assert answer["first_failed"] is None and answer["steps"][0]["label"] == "Router reachable"
    assert house.site.lab.counts["max_in_flight"] == 1


def test_a_router_that_does_not_answer_leaves_the_rest_unknown_but_for_what_netmon_sees_itself(house: House) -> None:
    house.site.lab.arm(Fault.BAD_GATEWAY)
    found = house.look()
    assert house.found.first_failed == found["router"] and "HTTP API" in found["router"].remedy
    assert {key: found[key].status for key in ORDER[1:]} == {
        "mapping": "unknown", "rule": "unknown", "lease": "unknown", "host": "ok", "inside": "ok", "outside": "ok",
    }  # fmt: skip
    assert "When the router was last read" in found["mapping"].words


def test_a_router_that_somebody_else_asks_is_no_fault(house: House) -> None:
    assert leases.claim(house.site.row, seconds=60) is not None
    found = house.look()
    assert found["router"].status == "unknown" and house.found.first_failed is None


def test_a_router_that_was_never_read_tells_nothing(house: House) -> None:
    RunningConfig.objects.all().delete()
    leases.claim(house.site.row, seconds=60)
    found = house.look()
    assert found["rule"].status == "unknown" and "never read" in found["rule"].words


def test_a_mapping_that_is_gone_or_differs_is_found(house: House) -> None:
    mapping = f"{SUBNET} static-mapping web-1"
    house.site.lab.edit(f"set {mapping} ip-address 127.69.0.77")
    found = house.look()
    assert found["mapping"].status == "failed" and "127.69.0.77" in found["mapping"].words
    house.site.lab.edit(f"delete {mapping}")
    found = house.look()
    assert "does not have the mapping" in found["mapping"].words and "heal" in found["mapping"].remedy
    assert house.found.first_failed == found["mapping"]


def test_a_rule_that_is_gone_or_switched_off_at_the_console_is_found(house: House) -> None:
    house.site.lab.edit("set nat destination rule 10000 disable")
    found = house.look()
    assert found["rule"].status == "failed" and found["rule"].port == "ssh"
    house.site.lab.edit("delete nat destination rule 10000")
    assert "does not have the rule 10000" in house.look()["rule"].words


def test_a_manual_rule_before_ours_is_found(house: House) -> None:
    port = PortForward.objects.get().external_port
    rule = "set nat destination rule 50"
    house.site.lab.edit(
        f"{rule} inbound-interface name eth0", f"{rule} protocol tcp", f"{rule} destination port {port}",
        f"{rule} translation address 10.0.0.9", f"{rule} description 'old web'",
    )  # fmt: skip
    found = house.look()
    assert found["rule"].status == "failed" and "rule 50" in found["rule"].words and "old web" in found["rule"].words
    house.site.lab.edit(f"{rule} disable")
    assert house.look()["rule"].status == "ok"


def test_a_paused_and_an_expired_forward_are_said(house: House) -> None:
    ports.act(house.vm, "pause", ["ssh"])
    found = house.look()
    assert found["rule"].status == "failed" and "paused" in found["rule"].words and "Enable" in found["rule"].remedy
    ports.act(house.vm, "enable", ["ssh"])
    PortForward.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    expiry.mark_due(timezone.now() + timedelta(hours=2))
    assert "later end" in house.look()["rule"].remedy


def lease(house: House, *rows: tuple[str, str, str]) -> None:
    """The router's leases are these, and none of its mappings."""
    heading = f"{'IP Address':<15}  {'MAC address':<17}  {'State':<8}  Lease expiration"
    lines = [heading, f"{'-' * 15}  {'-' * 17}  {'-' * 8}  {'-' * 16}"]
    lines += [f"{address:<15}  {mac:<17}  {state:<8}  2026/02/14" for address, mac, state in rows]
    house.site.lab.show = lambda words: "\n".join(lines)  # type: ignore[method-assign]


def test_leases_tell_what_the_machine_has(house: House) -> None:
    mac = house.vm.reservation.mac_address
    lease(house, ("127.69.0.99", mac, "active"))
    found = house.look()["lease"]
    assert found.status == "failed" and "127.69.0.99" in found.words and "renew" in found.remedy
    lease(house, (INNER, "02:99:99:99:99:99", "active"))
    assert "02:99:99:99:99:99" in house.look()["lease"].words
    lease(house)
    assert house.look()["lease"].status == "unknown"  # it answers, so its address was set by hand
    house.site.lab.show = lambda words: "something else\x1b[2J"  # type: ignore[method-assign]
    found = house.look()["lease"]
    assert found.status == "unknown" and "not understood" in found.words


def test_a_machine_that_is_off_fails_at_its_lease_and_its_ports(house: House) -> None:
    Prefix.objects.filter(cidr="127.69.0.0/24").update(cidr="192.0.2.0/24")  # nobody's
    DhcpReservation.objects.update(address="192.0.2.10")
    lease(house)
    started = time.monotonic()
    found = house.look()
    assert time.monotonic() - started < 10
    assert [found[key].status for key in ("lease", "host", "inside")] == ["failed"] * 3
    assert "Start the machine" in found["lease"].remedy and "192.0.2.10" in found["host"].words


def test_a_service_that_does_not_run_is_told_from_a_forward_that_does_not_work(house: House) -> None:
    house.inner.close()
    found = house.look()
    assert house.found.first_failed == found["inside"] and "Nothing listens" in found["inside"].words
    assert found["outside"].status == "ok"


def test_a_router_that_drops_the_forward_is_the_last_thing_to_be_found(house: House) -> None:
    house.outer.close()
    found = house.look()
    assert house.found.first_failed == found["outside"] and "firewall" in found["outside"].remedy


def test_who_is_not_admitted_cannot_judge(house: House) -> None:
    house.outer.close()
    PortForward.objects.update(source="198.51.100.0/24")
    assert house.look()["outside"].status == "unknown"


def test_udp_and_an_unknown_outside_are_skipped(house: House) -> None:
    PortForward.objects.update(protocol="udp")
    found = house.look()
    assert found["inside"].status == found["outside"].status == "skipped"
    PortForward.objects.update(protocol="tcp")
    VyosRouter.objects.update(external_address="")
    assert house.look()["outside"].status == "skipped"


def test_what_the_policy_refuses_is_not_contacted(house: House, settings: Any) -> None:
    VyosRouter.objects.update(external_address="169.254.169.254")
    found = house.look()["outside"]
    assert found.status == "skipped" and "metadata" in found.words
    settings.ALLOW_LOOPBACK = False
    found = house.look()
    assert found["host"].status == found["inside"].status == "skipped"


def test_a_netmon_that_may_not_ping_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(family: object) -> object:
        raise icmp.LocalFault(icmp.REMEDY)

    monkeypatch.setattr(icmp, "_open", refuse)
    assert house.look()["host"].status == "ok"  # its port answers
    house.inner.close()
    assert house.look()["host"].status == "ok"  # it refuses: so it is there
    PortForward.objects.update(protocol="udp")
    found = house.look()["host"]
    assert found.status == "unknown" and "CAP_NET_RAW" in found.words


def test_one_forward_is_looked_at_by_its_name(house: House) -> None:
    assert {step.port for step in diagnosis.diagnose(house.vm, port="ssh").steps} == {"", "ssh"}
    with pytest.raises(refusals.NoSuchPort):
        diagnosis.diagnose(house.vm, port="telnet")


def test_hostile_words_of_a_router_are_bounded_and_harmless(house: House) -> None:
    port = PortForward.objects.get().external_port
    rule = house.site.lab.running["nat"]["destination"]["rule"]
    rule["7"] = {
        "inbound-interface": {"name": "eth0"}, "protocol": "tcp", "destination": {"port": str(port)},
        "description": "\x1b]0;owned\x07\u202e" + "x" * 5000, "translation": {"address": "<script>"},
    }  # fmt: skip
    for step in house.look().values():
        assert step.words.isprintable() and len(step.words) <= diagnosis.MOST_TEXT
    assert house.found.first_failed is not None and house.found.first_failed.key == "rule"


def test_a_router_that_says_nothing_does_not_take_longer_than_ten_seconds(house: House) -> None:
    with house.site.lab.session(changes=True):  # whoever asks now waits
        started = time.monotonic()
        found = house.look()
    assert time.monotonic() - started < 10
    assert found["router"].status == "failed" and found["host"].status == "ok"
