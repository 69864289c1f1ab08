"""What is provisioned is watched: from when, at which places, and until when."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import Device, ManagementEndpoint
from monitoring.alerting import duties, engine
from monitoring.models import Alert, Check, DeviceState, Outage, Series
from monitoring.services import polling, scheduling
from provisioning.models import DhcpReservation, PortForward, Vm, VyosRouter
from provisioning.services import expiry, monitored, ports, vms
from tests import factories

pytestmark = pytest.mark.django_db

OUTSIDE = "127.67.0.1"


@pytest.fixture
def router(settings: Any) -> VyosRouter:
    settings.ALLOW_LOOPBACK = True
    router = factories.make_vyos_router(external_address=OUTSIDE)
    factories.make_dhcp_pool(router, cidr="127.66.0.0/24")
    factories.make_port_pool(router)
    return router


@pytest.fixture
def listening() -> Iterator[Any]:
    """Makes an address and port accept connections, as long as the test runs."""
    with ExitStack() as stack:

        def listen(address: str, port: int) -> socket.socket:
            return stack.enter_context(socket.create_server((address, port)))

        yield listen


def begun(router: VyosRouter, **fields: Any) -> Vm:
    vm = factories.make_vm(router, **fields)
    monitored.begin(vm)
    return vm


def checks(vm: Vm) -> dict[str, str]:
    rows = Check.objects.filter(endpoint__device=vm.device_id).select_related("endpoint")
    return {f"{row.module} {row.endpoint.port or ''}".strip(): row.status for row in rows}


def free_port(address: str) -> int:
    with socket.create_server((address, 0)) as server:
        return int(server.getsockname()[1])


def poll(vm: Vm, times: int = 1) -> None:
    for _ in range(times):
        polling.poll_device(Device.objects.get(pk=vm.device_id))
    engine.advance(timezone.now() + timedelta(hours=1))


def port_wish(**fields: Any) -> dict[str, Any]:
    return {"name": "app", **fields}


def test_a_machine_gets_a_ping_and_two_looks_at_each_of_its_ports(router: VyosRouter) -> None:
    vm = factories.make_vm(router)
    assert vm.device.status == "planned" and not checks(vm)
    assert monitored.begin(vm) == []
    vm.device.refresh_from_db()
    assert vm.device.status == "active"
    unknown = ["icmp", *(f"{module} {port}" for port in (22, 80, 443) for module in ("tcp.port", "tcp.outside"))]
    assert checks(vm) == dict.fromkeys(unknown, "unknown")
    endpoint = vm.device.endpoints.get(port=22)
    assert endpoint.options == {"forwards": "ssh", "outside": f"{OUTSIDE}:32000"}


def test_a_ping_that_came_with_the_address_is_awaited_too(settings: Any) -> None:
    vm = factories.make_vm()  # not on loopback, where nobody is pinged by default
    assert checks(vm) == {"icmp": "unknown"}
    monitored.begin(vm)
    assert Check.objects.get(endpoint__device=vm.device, module="icmp").memory == {"awaits_first_answer": True}


def test_to_begin_again_changes_nothing(router: VyosRouter) -> None:
    vm = begun(router)
    before = list(Check.objects.order_by("pk").values_list("pk", "next_run_at", "memory", "updated_at"))
    rows = list(ManagementEndpoint.objects.order_by("pk").values_list("pk", "updated_at"))
    monitored.begin(vm)
    monitored.follow(vm)
    assert before == list(Check.objects.order_by("pk").values_list("pk", "next_run_at", "memory", "updated_at"))
    assert rows == list(ManagementEndpoint.objects.order_by("pk").values_list("pk", "updated_at"))


def test_both_sides_of_a_forward_are_asked(router: VyosRouter, listening: Any) -> None:
    vm = begun(router, ports=["ssh"], ip_address="127.66.0.20")
    inner = vm.device.endpoints.get(port=22)
    port = free_port("127.66.0.20")
    ManagementEndpoint.objects.filter(pk=inner.pk).update(port=port)
    listening("127.66.0.20", port)
    listening(OUTSIDE, 32000)
    poll(vm)
    assert checks(vm) == {"icmp": "up", f"tcp.port {port}": "up", f"tcp.outside {port}": "up"}
    assert DeviceState.objects.get(device=vm.device_id).state == "up"
    series = set(Series.objects.filter(device=vm.device_id, metric_set="tcp").values_list("labels", flat=True))
    assert series == {f"port={port}", f"port={port},side=outside"}


def test_a_machine_that_has_not_booted_wakes_nobody(router: VyosRouter, settings: Any) -> None:
    vm = begun(router, ports=["ssh"], ip_address="127.66.0.21")
    assert all(check.memory["awaits_first_answer"] for check in Check.objects.all())
    Check.objects.filter(module="icmp").delete()  # loopback always answers a ping
    poll(vm, times=5)
    assert set(checks(vm).values()) == {"unknown"}
    state = DeviceState.objects.get(device=vm.device_id)
    assert (state.state, state.cause, state.watched_since) == ("unknown", "not seen yet", None)
    assert not Alert.objects.exists() and not Outage.objects.exists()


def test_what_was_there_once_is_missed(router: VyosRouter, listening: Any) -> None:
    vm = begun(router, ports=["ssh"], ip_address="127.66.0.22")
    port = free_port("127.66.0.22")
    vm.device.endpoints.filter(protocol="tcp").update(port=port)
    server = listening("127.66.0.22", port)
    poll(vm)
    assert checks(vm)[f"tcp.port {port}"] == "up" and checks(vm)[f"tcp.outside {port}"] == "unknown"
    server.close()
    poll(vm, times=3)
    assert checks(vm)[f"tcp.port {port}"] == "down" and checks(vm)[f"tcp.outside {port}"] == "unknown"
    (alert,) = Alert.objects.all()
    assert alert.subject == f"tcp.port {port}" and "refused" in alert.detail
    assert DeviceState.objects.get(device=vm.device_id).cause == f"port {port}: unreachable"
    duties.retire(timezone.now())
    assert Alert.objects.open().count() == 1  # still watched
    listening("127.66.0.22", port)
    poll(vm, times=2)
    assert not Alert.objects.open().exists()


def test_two_ports_of_a_machine_have_alerts_of_their_own(router: VyosRouter, listening: Any) -> None:
    vm = begun(router, ports=["ssh", "http"], ip_address="127.66.0.23")
    good, bad = free_port("127.66.0.23"), free_port("127.66.0.23")
    vm.device.endpoints.filter(port=22).update(port=good)
    vm.device.endpoints.filter(port=80).update(port=bad)
    listening("127.66.0.23", good)
    server = listening("127.66.0.23", bad)
    poll(vm)
    server.close()
    poll(vm, times=4)
    assert [alert.subject for alert in Alert.objects.open()] == [f"tcp.port {bad}"]


def test_a_paused_forward_is_not_watched_until_it_is_enabled(router: VyosRouter) -> None:
    vm = begun(router)
    ports.act(vm, "pause", ["ssh"])
    monitored.follow(vm)
    assert checks(vm)["tcp.port 22"] == checks(vm)["tcp.outside 22"] == "paused"
    assert checks(vm)["tcp.port 80"] == checks(vm)["icmp"] == "unknown"
    ports.act(vm, "enable", ["ssh"])
    monitored.follow(vm)
    assert checks(vm)["tcp.port 22"] == checks(vm)["tcp.outside 22"] == "unknown"


def test_what_a_person_paused_stays_paused(router: VyosRouter) -> None:
    vm = begun(router)
    scheduling.pause(Check.objects.get(module="tcp.port", endpoint__port=22))
    for action in ("pause", "enable"):
        ports.act(vm, action, ["ssh"])
        monitored.follow(vm)
    assert checks(vm)["tcp.port 22"] == "paused" and checks(vm)["tcp.outside 22"] == "unknown"


def test_a_deleted_forward_takes_its_checks_along(router: VyosRouter) -> None:
    vm = begun(router)
    ports.act(vm, "delete", ["ssh"])
    monitored.follow(vm)
    assert not vm.device.endpoints.filter(port=22).exists() and "tcp.port 80" in checks(vm)


def test_two_forwards_to_one_port_are_one_endpoint(router: VyosRouter) -> None:
    wishes = [{"name": "ssh", "internal_port": 22}, {"name": "ssh-again", "internal_port": 22}]
    vm = begun(router, ports=wishes)
    endpoint = vm.device.endpoints.get(port=22)
    assert endpoint.options == {"forwards": "ssh, ssh-again", "outside": f"{OUTSIDE}:32000, {OUTSIDE}:32001"}
    ports.act(vm, "pause", ["ssh"])
    monitored.follow(vm)
    endpoint.refresh_from_db()
    assert endpoint.options["outside"] == f"{OUTSIDE}:32001" and checks(vm)["tcp.outside 22"] == "unknown"


def test_an_expired_machine_is_not_watched_and_is_again_when_prolonged(router: VyosRouter) -> None:
    vm = begun(router, expires_at=(timezone.now() + timedelta(hours=1)).isoformat())
    expiry.mark_due(timezone.now() + timedelta(hours=2))
    vm.refresh_from_db()
    monitored.follow(vm)
    assert set(checks(vm).values()) == {"paused"}
    expiry.set_end(vm, None)
    vm.refresh_from_db()
    monitored.follow(vm)
    assert set(checks(vm).values()) == {"unknown"}


def test_udp_and_narrow_sources_are_said_not_to_be_checked(router: VyosRouter) -> None:
    wishes = [
        {"name": "dns", "internal_port": 53, "protocol": "udp"},
        {"name": "admin", "internal_port": 8443, "source": "198.51.100.0/24"},
        {"name": "both", "internal_port": 5000, "protocol": "tcp_udp"},
    ]
    vm = factories.make_vm(router, ports=wishes)
    notes = monitored.begin(vm)
    assert [note.split()[0] for note in notes] == ["dns", "admin"] and "198.51.100.0/24" in notes[1]
    assert set(checks(vm)) == {"icmp", "tcp.port 8443", "tcp.port 5000", "tcp.outside 5000"}


def test_without_an_external_address_only_the_inside_is_asked(router: VyosRouter) -> None:
    VyosRouter.objects.update(external_address="")
    vm = factories.make_vm(VyosRouter.objects.get(), ports=["ssh"])
    (note,) = monitored.begin(vm)
    assert "external address" in note and set(checks(vm)) == {"icmp", "tcp.port 22"}
    VyosRouter.objects.update(external_address=OUTSIDE)
    assert monitored.follow(vm) == [] and "tcp.outside 22" in checks(vm)
    VyosRouter.objects.update(external_address="")
    monitored.follow(vm)
    assert set(checks(vm)) == {"icmp", "tcp.port 22"}
    VyosRouter.objects.update(external_address=OUTSIDE)
    monitored.follow(vm)
    assert "tcp.outside 22" in checks(vm)


def test_a_place_that_the_policy_refuses_is_not_asked(router: VyosRouter, settings: Any) -> None:
    VyosRouter.objects.update(external_address="169.254.169.254")
    vm = factories.make_vm(VyosRouter.objects.get(), ports=["ssh"])
    (note,) = monitored.begin(vm)
    assert "metadata" in note and "tcp.outside 22" not in checks(vm)


def test_an_endpoint_that_somebody_made_is_left_alone(router: VyosRouter) -> None:
    vm = factories.make_vm(router, ports=["ssh"])
    theirs = factories.make_endpoint(vm.device, protocol="tcp", port=22)
    (note,) = monitored.begin(vm)
    assert "left as it is" in note
    theirs.refresh_from_db()
    assert theirs.options == {}
    monitored.end(vm)
    assert ManagementEndpoint.objects.filter(pk=theirs.pk).exists()


def test_the_end_stops_everything_and_release_takes_the_device(router: VyosRouter) -> None:
    vm = begun(router)
    device = vm.device_id
    vms.decommission(vm)
    DhcpReservation.objects.update(applied="applied")
    PortForward.objects.update(applied="applied")
    monitored.end(vm)
    monitored.end(vm)
    assert Device.objects.get(pk=device).status == "retired" and set(checks(vm)) == {"icmp"}
    assert not Check.objects.filter(scheduling.watched(timezone.now() + timedelta(hours=1))).exists()
    vms.release(vm)
    monitored.end(vm)
    monitored.follow(vm)
    assert not Device.objects.filter(pk=device).exists() and not Check.objects.exists()
