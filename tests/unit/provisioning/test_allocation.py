"""What is given is free, lowest first, and given once; what is refused says why."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netmon.common.errors import NetmonError
from provisioning.models import DhcpPool, PortClaim, PortPool, RuleClaim, VyosRouter
from provisioning.services import allocation, refusals, vms, wishes
from provisioning.services.allocation import Taken
from provisioning.services.wishes import PortWish
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def pool() -> DhcpPool:
    return factories.make_dhcp_pool(range_start="192.168.66.0", range_end="192.168.66.9")


def wish(name: str = "a", count: int = 1, **over: Any) -> PortWish:
    return PortWish(**{"name": name, "internal_port": 1000, "internal_port_end": 999 + count, **over})


# --- addresses --------------------------------------------------------------------------------------------------------
def test_network_gateway_inventory_and_what_was_seen_are_not_given(pool: DhcpPool) -> None:
    factories.make_address(address="192.168.66.2")
    taken = Taken(addresses=frozenset({"192.168.66.3"}))
    assert allocation.give_address(pool, tenant=None, taken=taken) == "192.168.66.4"
    with pytest.raises(refusals.AddressTaken):
        allocation.give_address(pool, tenant=None, wanted="192.168.66.3", taken=taken)


def test_the_address_of_another_tenants_network_is_no_obstacle(pool: DhcpPool) -> None:
    one, two = factories.make_tenant(), factories.make_tenant()
    factories.make_address(address="192.168.66.2", tenant=one)
    assert allocation.give_address(pool, tenant=two) == "192.168.66.2"
    assert allocation.give_address(pool, tenant=one) == "192.168.66.3"


def test_a_range_narrows_the_pool_and_an_empty_one_says_so(pool: DhcpPool) -> None:
    span = ("192.168.66.7", "192.168.66.8")
    used = frozenset({"192.168.66.7"})
    assert allocation.give_address(pool, tenant=None, span=span, taken=Taken(addresses=used)) == "192.168.66.8"
    with pytest.raises(refusals.PoolExhausted) as caught:
        allocation.give_address(pool, tenant=None, span=span, taken=Taken(addresses=used | {"192.168.66.8"}))
    assert caught.value.data["field"] == "ip_range" and "release machines" in caught.value.detail
    assert allocation.free_addresses(pool) == 8  # ten without network and gateway


def test_an_address_is_unique_at_a_router_whatever_its_pool() -> None:
    router = factories.make_vyos_router()
    for name in ("one", "two"):
        factories.make_dhcp_pool(router, name=name, range_start="192.168.66.10", range_end="192.168.66.10")
    factories.make_vm(router, dhcp_pool="one")
    with pytest.raises(refusals.PoolExhausted):
        factories.make_vm(router, dhcp_pool="two")


# --- MAC addresses ----------------------------------------------------------------------------------------------------
def test_a_mac_address_is_made_or_refused(pool: DhcpPool) -> None:
    made = {allocation.give_mac(pool.router, f"vm-{number}") for number in range(50)}
    assert len(made) == 50 and all(mac.startswith("02:") for mac in made)
    vm = factories.make_vm(pool.router)
    for taken, mac in (
        (allocation.NOTHING, vm.reservation.mac_address),
        (Taken(macs=frozenset({"02:00:00:00:00:01"})), "02:00:00:00:00:01"),
    ):
        with pytest.raises(refusals.MacTaken):
            allocation.give_mac(pool.router, "vm", wanted=mac, taken=taken)


# --- ports ------------------------------------------------------------------------------------------------------------
def test_ports_in_a_row_both_protocols_and_asked_ones() -> None:
    pool = factories.make_port_pool(port_start=100, port_end=110)
    taken = Taken(ports=frozenset({("tcp", 101), ("udp", 104)}))
    given = allocation.give_ports(
        pool,
        [
            wish("a"),
            wish("b", 3),
            wish("c", 2, protocol="tcp_udp"),
            wish("d", external_port=100),
            wish("e", protocol="udp"),
        ],
        taken=taken,
    )
    assert given == [102, 103, 106, 100, 100]
    with pytest.raises(refusals.PortTaken):
        allocation.give_ports(pool, [wish(external_port=101)], taken=taken)
    with pytest.raises(refusals.PortsExhausted, match="12 free ports in a row"):
        allocation.give_ports(pool, [wish(count=12)])
    with pytest.raises(refusals.OutOfPool):
        allocation.give_ports(pool, [wish()], span=(90, 105))
    assert allocation.give_ports(pool, [wish()], span=(105, 106)) == [105]


def test_pools_that_meet_at_the_router_share_their_ports() -> None:
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router)
    # Past the model's rule, as an update would write it.
    rows = [PortPool(router=router, name=name, external_address=at) for name, at in
            (("any", ""), ("one", "198.51.100.1"), ("two", "198.51.100.2"))]  # fmt: skip
    PortPool.objects.bulk_create(rows)
    assert [factories.make_vm(router, port_pool=name, ports=["ssh"]).forwards.get().external_port
            for name in ("one", "two", "any")] == [32000, 32000, 32001]  # fmt: skip


def test_a_pool_that_would_meet_another_is_refused() -> None:
    first = factories.make_port_pool()
    other = PortPool(router=first.router, name="other", port_start=33000, port_end=33100)
    with pytest.raises(ValidationError, match="choose others"):
        other.full_clean()
    other.port_start = 33001
    other.full_clean()


def test_a_pool_in_use_stays_where_it_is() -> None:
    vm = factories.make_vm(ports=["ssh"])
    lan, outside, other = vm.reservation.pool, vm.forwards.get().pool, factories.make_vyos_router()
    lan.range_end, outside.port_end = "192.168.66.120", 33100
    lan.full_clean()
    outside.full_clean()
    lan.router = outside.router = other
    lan.prefix, outside.external_address = factories.make_dhcp_pool(cidr="192.168.67.0/24").prefix, "198.51.100.1"
    for pool, fields in ((lan, {"router", "prefix"}), (outside, {"router", "external_address"})):
        with pytest.raises(ValidationError) as caught:
            pool.full_clean()
        assert fields <= set(caught.value.message_dict)


# --- rules ------------------------------------------------------------------------------------------------------------
def test_rules_are_the_lowest_free_and_hairpins_have_their_own() -> None:
    router = factories.make_vyos_router(rule_start=10, rule_end=14)
    factories.make_dhcp_pool(router)
    factories.make_port_pool(router)
    taken = Taken(rules=frozenset({("destination", 11), ("source", 10)}))
    fields = {"vm_name": "a", "ports": ["ssh", {"name": "web", "internal_port": 80, "hairpin": True}]}
    vms.provision(wishes.read_vm(fields), taken=taken)
    assert set(RuleClaim.objects.values_list("chain", "number", "purpose")) == {
        ("destination", 10, "forward"), ("destination", 12, "forward"), ("destination", 13, "hairpin"),
        ("source", 11, "masquerade"),
    }  # fmt: skip
    with pytest.raises(refusals.RulesExhausted) as caught:
        vms.provision(
            wishes.read_vm({"vm_name": "b", "ports": ["ssh"]}),
            taken=Taken(rules=frozenset({("destination", n) for n in (11, 14)})),
        )
    assert caught.value.data["field"] == "router"
    vms.provision(wishes.read_vm({"vm_name": "b", "ports": []}))


def test_the_firewall_rule_is_claimed_only_where_an_admin_allows_it() -> None:
    assert allocation.claim_opening(factories.make_vyos_router()) is None
    router = factories.make_vyos_router(allow_firewall_rule=True, firewall_rule_number=100)
    claim = allocation.claim_opening(router)
    assert claim is not None and claim.number == 100 and allocation.claim_opening(router) == claim


# --- whatever is asked ------------------------------------------------------------------------------------------------
PORT = st.fixed_dictionaries(
    {"protocol": st.sampled_from(wishes.PROTOCOLS), "count": st.integers(1, 4), "hairpin": st.booleans()},
    optional={"external_port": st.integers(99, 112)},
)
MACHINE = st.fixed_dictionaries({"ports": st.lists(PORT, max_size=3), "is_released": st.booleans()})


def scarce() -> VyosRouter:
    router = factories.make_vyos_router(rule_start=10, rule_end=19)
    factories.make_dhcp_pool(router, range_start="192.168.66.10", range_end="192.168.66.15")
    factories.make_port_pool(router, port_start=100, port_end=111)
    return router


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(machines=st.lists(MACHINE, max_size=8))
def test_whatever_is_asked_for_nothing_is_given_twice_and_everything_comes_back(machines: list[dict[str, Any]]) -> None:
    router = scarce()
    made = []
    for number, machine in enumerate(machines):
        ports = [
            {"name": f"p{n}", "internal_port": 1000, "internal_port_end": 999 + port["count"], **{
                key: value for key, value in port.items() if key != "count"}}
            for n, port in enumerate(machine["ports"])
        ]  # fmt: skip
        rows_before = PortClaim.objects.count(), RuleClaim.objects.count()
        try:
            wanted = wishes.read_vm({"vm_name": f"m{router.pk}-{number}", "router": router.pk, "ports": ports})
            vm = vms.provision(wanted).vm
        except NetmonError:
            assert (PortClaim.objects.count(), RuleClaim.objects.count()) == rows_before
            continue
        except ValidationError:
            continue
        if machine["is_released"]:
            let_go(vm)
        else:
            made.append(vm)
    addresses = [vm.reservation.address for vm in made]
    assert len(set(addresses)) == len(addresses)
    claimed = {(claim.protocol, claim.port) for claim in PortClaim.objects.filter(pool__router=router)}
    forwards = [forward for vm in made for forward in vm.forwards.all()]
    asked = [
        (protocol, port)
        for forward in forwards
        for protocol in forward.protocols
        for port in range(forward.external_port, forward.external_port_end + 1)
    ]
    assert sorted(asked) == sorted(claimed) and all(100 <= port <= 111 for _, port in asked)
    numbers = [forward.rule_number for forward in forwards]
    assert len(set(numbers)) == len(numbers) and all(10 <= number <= 19 for number in numbers)
    for vm in made:
        let_go(vm)
    assert not PortClaim.objects.filter(pool__router=router).exists()
    assert not RuleClaim.objects.filter(router=router, chain="destination").exists()


def let_go(vm: Any) -> None:
    vms.decommission(vm)
    vm.forwards.update(applied="applied")
    type(vm.reservation).objects.filter(vm=vm).update(applied="applied")
    vms.release(vm)
