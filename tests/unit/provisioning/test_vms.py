"""Machines: made, asked for again, their ports, their end."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import ProtectedError
from django.utils import timezone

from inventory.models import Device, IPAddress
from inventory.services import delete_devices
from netmon.audit.models import AuditEvent
from provisioning.models import DhcpReservation, PortClaim, PortForward, Quota, RuleClaim, Vm, VyosRouter
from provisioning.services import allocation, expiry, leases, ports, refusals, vms, wishes
from tests import factories, people

pytestmark = pytest.mark.django_db


@pytest.fixture
def router() -> VyosRouter:
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router, name="lan")
    factories.make_port_pool(router, name="outside")
    return router


def ask(name: str = "web-1", *, taken: allocation.Taken = allocation.NOTHING, **fields: Any) -> vms.Provisioned:
    who = {key: fields.pop(key) for key in ("user", "tenant", "owner") if key in fields}
    return vms.provision(wishes.read_vm({"vm_name": name, **fields}), taken=taken, **who)


def applied(vm: Vm) -> None:
    """As if the router had taken everything."""
    DhcpReservation.objects.filter(vm=vm).update(applied="applied")
    PortForward.objects.filter(vm=vm).update(applied="applied")


# --- provision --------------------------------------------------------------------------------------------------------
def test_a_machine_gets_an_address_and_the_three_ports_of_the_template(router: VyosRouter) -> None:
    made = ask(mac_address="02-00-00-00-00-AA")
    assert made.is_new and made.external_ports == {"ssh": 32000, "http": 32001, "https": 32002}
    assert made.nat_rule_base == 10000
    assert (made.reservation.address, made.reservation.mac_address) == ("192.168.66.10", "02:00:00:00:00:aa")
    device = Device.objects.get(name="web-1")
    assert device.vm == made.vm and device.primary_ip.address == "192.168.66.10" and device.kind == "vm"
    assert device.primary_ip.interface.mac_address == "02:00:00:00:00:aa"
    assert made.vm.hostname == "web-1"
    assert set(PortClaim.objects.values_list("protocol", "port")) == {("tcp", 32000), ("tcp", 32001), ("tcp", 32002)}
    assert list(RuleClaim.objects.values_list("chain", "number")) == [("destination", n) for n in (10000, 10001, 10002)]
    assert made.change.kind == "provision" and len(made.change.forwards) == 3 and made.change.reservation
    assert AuditEvent.objects.get(action="provision").object_name == "web-1"


def test_the_same_again_is_the_same(router: VyosRouter) -> None:
    first = ask(mac_address="02:00:00:00:00:aa", ports=["ssh"], metadata={"a": 1})
    again = ask("WEB-1", mac_address="0200.0000.00AA", ports=["ssh"], metadata={"a": 1})
    assert not again.is_new and again.change.is_empty and again.vm == first.vm
    assert again.external_ports == first.external_ports and Vm.objects.count() == 1
    assert not ask().is_new  # with no wishes at all
    assert AuditEvent.objects.filter(action="provision").count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mac_address", "02:00:00:00:00:bb"),
        ("hostname", "other"),
        ("ip_address", "192.168.66.55"),
        ("ip_range", {"start": "192.168.66.20", "end": "192.168.66.30"}),
        ("port_range", {"start": 32500, "end": 32600}),
        ("ports", ["ssh", "http"]),
        ("ports", []),
        ("ports", [{"name": "ssh", "internal_port": 2222}]),
        ("ports", [{"name": "ssh", "source": "192.0.2.1"}]),
        ("ports", [{"name": "ssh", "external_port": 32009}]),
        ("expires_at", "2099-01-01T00:00:00Z"),
        ("metadata", {"b": 2}),
        ("dhcp_pool", "spare"),
        ("port_pool", "spare"),
    ],
)
def test_other_wishes_under_the_same_name_are_a_conflict_that_names_them(
    router: VyosRouter, field: str, value: Any
) -> None:
    ask(mac_address="02:00:00:00:00:aa", ports=["ssh"])
    with pytest.raises(refusals.VmDiffers) as caught:
        ask(**{field: value})
    assert caught.value.data["differs"] == [field] and f" {field} is " in caught.value.detail
    assert Vm.objects.count() == 1


def test_another_router_under_the_same_name_is_a_conflict(router: VyosRouter) -> None:
    other = factories.make_vyos_router()
    factories.make_dhcp_pool(other, cidr="192.168.67.0/24")
    factories.make_port_pool(other)
    ask(router=router.pk)
    with pytest.raises(refusals.VmDiffers) as caught:
        ask(router=other.pk)
    assert caught.value.data["differs"] == ["router"]
    assert not ask(router=str(router)).is_new and not ask().is_new


def test_a_machine_of_each_tenant_may_have_the_same_name() -> None:
    owners = [factories.make_tenant(), factories.make_tenant()]
    for tenant in owners:
        router = factories.make_vyos_router(tenant=tenant)
        factories.make_dhcp_pool(router)
        factories.make_port_pool(router)
        assert ask(router=router.pk).vm.device.tenant == tenant
    with pytest.raises(ValidationError, match="say which tenant"):
        ask()
    assert not ask(tenant=owners[1]).is_new
    with pytest.raises(ValidationError, match="another tenant's"):
        ask("new", router=VyosRouter.objects.filter(endpoint__device__tenant=owners[0]).get().pk, tenant=owners[1])


def test_people_choose_among_what_they_see(router: VyosRouter) -> None:
    person = people.make_person("bound", "operator")
    tenant = factories.make_tenant()
    person.tenants.add(tenant)
    with pytest.raises(ValidationError) as caught:
        ask(user=person)
    assert "admin makes one first" in caught.value.message_dict["dhcp_pool"][0]
    with pytest.raises(ValidationError) as caught:
        ask(user=person, router=router.pk)
    assert "known are none" in caught.value.message_dict["router"][0]


def test_a_pool_that_is_switched_off_is_not_used(router: VyosRouter) -> None:
    spare = factories.make_dhcp_pool(router, name="spare", range_start="192.168.66.100", range_end="192.168.66.110")
    with pytest.raises(ValidationError, match="Choose one of"):
        ask()
    spare.is_enabled = False
    spare.save()
    with pytest.raises(ValidationError, match="switched off"):
        ask(dhcp_pool="spare")
    assert ask().reservation.pool.name == "lan"


def test_a_name_that_a_device_or_a_host_name_has_is_refused(router: VyosRouter) -> None:
    factories.make_device(name="Core")
    with pytest.raises(refusals.NameTaken) as caught:
        ask("core")
    assert caught.value.data["field"] == "vm_name"
    ask("one", hostname="shared")
    with pytest.raises(refusals.NameTaken) as caught:
        ask("two", hostname="SHARED")
    assert caught.value.data["field"] == "hostname"


def test_an_address_that_may_not_be_contacted_is_refused_under_its_field(router: VyosRouter) -> None:
    from inventory.models import TargetRule

    TargetRule.objects.create(cidr="192.168.66.0/24", action="refuse")
    with pytest.raises(ValidationError) as caught:
        ask()
    assert set(caught.value.message_dict) == {"ip_address"} and not Vm.objects.exists()


def test_a_machine_without_forwards_needs_no_port_pool() -> None:
    router = factories.make_vyos_router()
    factories.make_dhcp_pool(router)
    assert ask(ports=[]).external_ports == {}
    with pytest.raises(ValidationError, match="no such pool"):
        ask("other")


def test_quotas_of_person_and_tenant_hold(router: VyosRouter) -> None:
    omar, tenant = people.make_person("omar", "operator"), factories.make_tenant()
    mine = Quota.objects.create(owner=omar, max_vms=2, max_forwards=4)
    ask("one", user=omar)
    with pytest.raises(refusals.QuotaExceeded) as caught:
        ask("two", user=omar)
    assert caught.value.data == {"field": "ports", "used": 3, "limit": 4}
    vm = ask("two", user=omar, ports=["ssh"]).vm
    with pytest.raises(refusals.QuotaExceeded):
        ports.create(vm)
    mine.max_forwards = None
    mine.save()
    with pytest.raises(refusals.QuotaExceeded) as caught:
        ask("three", user=omar)
    assert "2 of 2 machines" in caught.value.detail
    Quota.objects.create(tenant=tenant, max_vms=0)
    with pytest.raises(refusals.QuotaExceeded):
        ask("four", tenant=tenant)


# --- ports ------------------------------------------------------------------------------------------------------------
def test_ports_are_paused_disabled_and_enabled_and_the_reason_is_kept(router: VyosRouter) -> None:
    vm = ask().vm
    applied(vm)
    change = ports.act(vm, "pause", ["ssh"])
    assert [(row.name, row.desired, row.why_disabled, row.applied) for row in change.forwards] == [
        ("ssh", "disabled", "paused", "pending")
    ]
    assert ports.act(vm, "pause", ["ssh"]).is_empty
    assert {row.name for row in ports.act(vm, "disable").forwards} == {"http", "https"}
    assert not vm.forwards.filter(why_disabled="paused").exists()
    assert ports.act(vm, "pause").is_empty  # nothing is on
    assert len(ports.act(vm, "enable").forwards) == 3
    assert {ports.status_of(row) for row in vm.forwards.all()} == {"enabled"}


def test_a_deleted_port_keeps_its_number_until_the_router_is_clean(router: VyosRouter) -> None:
    vm = ask().vm
    applied(vm)
    assert [row.name for row in ports.act(vm, "delete", ["ssh"]).forwards] == ["ssh"]
    assert ports.act(vm, "delete", ["ssh"]).is_empty
    assert ports.release(vm) == 0 and ask("two", ports=["ssh"]).external_ports == {"ssh": 32003}
    assert ports.status_of(vm.forwards.get(name="ssh")) == "not_active"
    vm.forwards.filter(name="ssh").update(applied="applied")
    assert ports.release(vm) == 1 and ask("three", ports=["ssh"]).external_ports == {"ssh": 32000}


def test_ports_are_created_once_and_come_back_with_the_same_number(router: VyosRouter) -> None:
    vm = ask(ports=[]).vm
    assert [row.external_port for row in ports.create(vm).forwards] == [32000, 32001, 32002]
    assert ports.create(vm).is_empty
    with pytest.raises(refusals.VmDiffers, match="delete it first"):
        ports.create(vm, wishes.read_ports([{"name": "ssh", "internal_port": 2222}]))
    ports.act(vm, "delete", ["ssh"])
    with pytest.raises(refusals.VmDiffers, match="being deleted"):
        ports.create(vm, wishes.read_ports([{"name": "ssh", "internal_port": 2222}]))
    assert [row.external_port for row in ports.create(vm, wishes.read_ports(["ssh"])).forwards] == [32000]


# --- the end ----------------------------------------------------------------------------------------------------------
def test_a_machine_goes_only_when_the_router_holds_nothing_of_it(router: VyosRouter) -> None:
    vm = ask().vm
    applied(vm)
    with pytest.raises(refusals.NotCleaned):
        vms.release(vm)
    change = vms.decommission(vm)
    assert change.reservation is not None and change.reservation.desired == "absent" and len(change.forwards) == 3
    assert vms.decommission(vm).is_empty
    for refused in (lambda: ports.create(vm), lambda: ports.act(vm, "pause"), ask, lambda: expiry.set_end(vm, None)):
        with pytest.raises(refusals.VmLeaving):
            refused()
    with pytest.raises(refusals.NotCleaned):
        vms.release(vm)
    applied(vm)
    vms.release(vm)
    for model in (Vm, DhcpReservation, PortForward, PortClaim, RuleClaim, IPAddress):
        assert not model._default_manager.exists()
    assert not Device.objects.filter(name="web-1").exists()
    assert ask().reservation.address == "192.168.66.10"
    with pytest.raises(refusals.VmLeaving, match="has gone"):
        vms.decommission(vm)


def test_the_device_of_a_machine_is_not_deleted_before_the_machine(router: VyosRouter) -> None:
    vm = ask().vm
    with pytest.raises(ProtectedError):
        delete_devices([vm.device_id])
    with pytest.raises(ProtectedError):
        delete_devices([router.device.pk])


def test_what_is_due_is_switched_off_and_comes_back_when_it_is_prolonged(router: VyosRouter) -> None:
    now = timezone.now()
    vm = ask(expires_at=now + timedelta(hours=30)).vm
    short = ask("two", ports=["http", {"name": "ssh", "expires_at": now + timedelta(hours=2)}]).vm
    other = ask("three", ports=["ssh"]).vm
    assert [(one.vm, one.forward and one.forward.name) for one in expiry.notices(now)] == [(short, "ssh")]
    assert expiry.notices(now) == []
    (change,) = expiry.mark_due(now + timedelta(hours=3))
    assert change.vm == short and [row.name for row in change.forwards] == ["ssh"]
    assert [one.vm for one in expiry.notices(now + timedelta(hours=10))] == [vm]
    (change,) = expiry.mark_due(now + timedelta(days=2))
    assert change.vm == vm and {row.why_disabled for row in change.forwards} == {"expired"}
    assert expiry.mark_due(now + timedelta(days=2)) == []
    vm.refresh_from_db()
    assert vm.state == "expired" and {ports.status_of(row) for row in vm.forwards.all()} == {"expired"}
    assert not other.forwards.exclude(desired="enabled").exists()
    with pytest.raises(refusals.Expired):
        ports.act(vm, "enable")
    with pytest.raises(ValidationError, match="in the past"):
        expiry.set_end(vm, now - timedelta(hours=1))
    assert len(expiry.set_end(vm, now + timedelta(days=9)).forwards) == 3
    vm.refresh_from_db()
    assert vm.state == "active" and vm.expiry_told_at is None
    assert set(expiry.by_router([change])) == {router.pk}


def test_a_port_whose_time_is_over_is_enabled_only_with_a_later_end(router: VyosRouter) -> None:
    vm = ask(ports=["http", {"name": "ssh", "expires_at": timezone.now() + timedelta(hours=1)}]).vm
    PortForward.objects.filter(name="ssh").update(expires_at=timezone.now() - timedelta(hours=1))
    assert len(expiry.mark_due()) == 1
    with pytest.raises(refusals.Expired):
        ports.act(vm, "enable", ["ssh"])
    assert ports.act(vm, "enable").is_empty
    assert [row.name for row in expiry.set_end(vm, None, ["ssh"]).forwards] == ["ssh"]
    with pytest.raises(refusals.NoSuchPort):
        expiry.set_end(vm, None, ["https"])


# --- one request at a time --------------------------------------------------------------------------------------------
def test_one_process_at_a_time_may_send_to_a_router(router: VyosRouter) -> None:
    now = timezone.now()
    token = leases.claim(router, seconds=60, now=now)
    assert token is not None and leases.claim(router, seconds=60, now=now) is None
    assert leases.extend(router, token, seconds=120, now=now)
    assert leases.claim(router, seconds=60, now=now + timedelta(seconds=100)) is None
    other = leases.claim(router, seconds=60, now=now + timedelta(seconds=121))
    assert other is not None and not leases.extend(router, token, seconds=60, now=now + timedelta(seconds=122))
    assert not leases.let_go(router, token) and leases.let_go(router, other)
    assert leases.claim(factories.make_vyos_router(), seconds=60, now=now) is not None
