"""First use is once: neither moving a device nor entering it anew begins it again."""

from typing import Any

import pytest

from inventory import host_keys
from inventory.models import Device, HostKey, KnownServer, ManagementEndpoint, Tenant
from inventory.services import create_device, delete_devices, delete_endpoints, save_endpoint, update_device
from inventory.targets import target_of
from inventory.ways import WayBook
from netmon.drivers.targets import HostKey as DriverHostKey
from tests import factories, people

pytestmark = pytest.mark.django_db
KEY, OTHER, _ = (DriverHostKey.parse(line) for line in factories.HOST_KEY_LINES)


@pytest.fixture
def careless(db: None) -> Tenant:
    return factories.make_tenant(host_key_policy=Tenant.HostKeyPolicy.FIRST_USE)


@pytest.fixture
def careful(db: None) -> Tenant:
    return factories.make_tenant()


def trusts(endpoint: ManagementEndpoint) -> bool:
    target: Any = target_of(ManagementEndpoint.objects.get(pk=endpoint.pk))
    assert not target.pins
    return bool(target.trusts_first_use)


def move(device: Device, tenant: Tenant | None, *, is_admin: bool = False) -> None:
    update_device(device, fields={"tenant": tenant}, may_redirect=is_admin)


def address_of(endpoint: ManagementEndpoint) -> str:
    device = Device.objects.select_related("primary_ip").get(pk=endpoint.device_id)
    assert device.primary_ip is not None
    return device.primary_ip.address


def at(address: str, *, tenant: Tenant, **over: Any) -> ManagementEndpoint:
    """An endpoint of a new device with this address."""
    fields = {"name": "anew", "kind": "computer", "ip": address, "tenant": tenant}
    device = create_device(fields=fields | {"ssh_username": "netmon", "ssh_password": "ssh-pass-phrase"} | over)
    return device.endpoints.get(protocol="ssh")


def test_a_server_that_nobody_knows_is_believed_where_the_tenant_says_so(careless: Tenant) -> None:
    assert trusts(factories.make_ssh_endpoint(tenant=careless))


class TestMoving:
    def test_who_may_not_approve_gives_no_first_use_by_moving_a_device(
        self, careful: Tenant, careless: Tenant, cast: people.Cast
    ) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careful)
        url = f"/api/v1/devices/{endpoint.device_id}/"
        answer = people.client_for(cast.omar).patch(url, {"tenant": careless.pk})
        assert answer.status_code == 200, answer.content
        assert not trusts(endpoint)

    def test_an_admin_who_moves_it_means_it(self, careful: Tenant, careless: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careful)
        move(endpoint.device, careless, is_admin=True)
        assert trusts(endpoint)

    def test_nor_does_a_new_endpoint_after_the_move(self, careful: Tenant, careless: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careful)
        device = endpoint.device
        delete_endpoints([endpoint.pk])
        move(device, careless)
        again = ManagementEndpoint(device=Device.objects.get(pk=device.pk), protocol="ssh")
        again.credential = factories.make_credential(kind="password", device=device, username="netmon")
        save_endpoint(again)
        assert not trusts(again)

    def test_nor_the_way_over_a_third_tenant(self, careful: Tenant, careless: Tenant, settings: Any) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careful)
        settings.SSH_TRUST_FIRST_KEY = True
        for tenant in (None, careless):
            move(Device.objects.get(pk=endpoint.device_id), tenant)
            assert not trusts(endpoint)

    def test_between_tenants_that_both_trust_first_keys_nothing_changes(self, careless: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careless)
        move(endpoint.device, factories.make_tenant(host_key_policy=Tenant.HostKeyPolicy.FIRST_USE))
        assert trusts(endpoint)

    def test_a_key_that_waits_or_was_refused_is_not_believed_by_a_move_even_of_an_admin(
        self, careful: Tenant, careless: Tenant, cast: people.Cast
    ) -> None:
        waits, refused = (factories.make_ssh_endpoint(tenant=careful) for _ in range(2))
        for endpoint in (waits, refused):
            host_keys.note_refused(endpoint.pk, KEY, "unknown")
        host_keys.revoke(HostKey.objects.get(endpoint=refused), user=cast.ada)
        for endpoint in (waits, refused):
            move(endpoint.device, careless, is_admin=True)
            assert not trusts(endpoint)
            host_keys.note_accepted(endpoint.pk, OTHER, is_first_use=True)  # of a run that was prepared before
        assert not HostKey.objects.filter(state="trusted").exists()

    def test_nor_is_one_that_waits_believed_when_the_policy_changes(self, careful: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careful)
        host_keys.note_refused(endpoint.pk, KEY, "unknown")
        Tenant.objects.filter(pk=careful.pk).update(host_key_policy=Tenant.HostKeyPolicy.FIRST_USE)
        assert not trusts(endpoint), "an admin approves it, or refuses it"


class TestEnteringAnew:
    def test_a_deleted_endpoint_of_the_same_device(self, careless: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careless)
        device = endpoint.device
        host_keys.note_accepted(endpoint.pk, KEY, is_first_use=True)
        delete_endpoints([endpoint.pk])
        for port in (None, 2222):
            again = ManagementEndpoint(device=device, protocol="ssh", port=port)
            again.credential = factories.make_credential(kind="password", device=device, username="netmon")
            save_endpoint(again)
            assert not trusts(again)

    @pytest.mark.parametrize("how", ["trusted", "pending", "revoked", "entered"])
    def test_a_deleted_device_with_the_same_address(
        self, how: str, careful: Tenant, careless: Tenant, cast: people.Cast
    ) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careless if how == "trusted" else careful)
        if how == "trusted":
            host_keys.note_accepted(endpoint.pk, KEY, is_first_use=True)
        elif how == "entered":
            host_keys.enter(endpoint, KEY, user=cast.ada)
        else:
            row = host_keys.note_refused(endpoint.pk, KEY, "unknown")
            assert row is not None
            if how == "revoked":
                host_keys.revoke(row, user=cast.ada)
        address = address_of(endpoint)
        delete_devices([endpoint.device_id])
        assert not HostKey.objects.exists() and KnownServer.objects.count() == 1
        assert not trusts(at(address, tenant=careless)), "whoever answers there now, a key was known"

    def test_the_same_address_as_a_host_of_its_own(self, careless: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careless)
        host_keys.note_accepted(endpoint.pk, KEY, is_first_use=True)
        address = address_of(endpoint)
        delete_devices([endpoint.device_id])
        other = factories.make_ssh_endpoint(tenant=careless)
        ManagementEndpoint.objects.filter(pk=other.pk).update(options={"host": f" {address} "})
        assert not trusts(other)

    def test_a_name_that_stands_for_a_known_address(self, careless: Tenant) -> None:
        address = "127.0.0.1"
        known = factories.make_ssh_endpoint(tenant=careless, options={"host": address})
        host_keys.note_accepted(known.pk, KEY, is_first_use=True)
        delete_devices([known.device_id])
        other = factories.make_ssh_endpoint(tenant=careless, options={"host": "localhost"})
        target: Any = target_of(other)
        if target.address == address:  # not where the name stands for ::1
            assert not target.trusts_first_use

    def test_the_address_that_it_had_at_last(self, careless: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careless)
        host_keys.note_accepted(endpoint.pk, KEY, is_first_use=True)
        update_device(endpoint.device, fields={"ip": "127.79.0.1"})
        host_keys.note_accepted(endpoint.pk, KEY, is_first_use=False)
        address = address_of(endpoint)
        delete_devices([endpoint.device_id])
        assert not trusts(at(address, tenant=careless))

    def test_another_port_of_the_address_is_another_server(self, careless: Tenant) -> None:
        endpoint = factories.make_ssh_endpoint(tenant=careless)
        host_keys.note_accepted(endpoint.pk, KEY, is_first_use=True)
        address = address_of(endpoint)
        delete_devices([endpoint.device_id])
        assert trusts(at(address, tenant=careless, ssh_port=2222))

    def test_behind_another_jump_host_the_address_is_another_server(self, careless: Tenant) -> None:
        hops = [factories.make_ssh_endpoint(tenant=careless) for _ in range(2)]
        known = factories.make_ssh_endpoint(tenant=careless, options={"jump": hops[0].pk})
        host_keys.note_accepted(known.pk, KEY, is_first_use=True)
        address = address_of(known)
        delete_devices([known.device_id])
        again = at(address, tenant=careless)
        for hop, expected in zip(hops, (False, True), strict=True):
            ManagementEndpoint.objects.filter(pk=again.pk).update(options={"jump": hop.pk})
            assert trusts(again) is expected


def test_a_place_is_one_text_however_its_address_is_written(careless: Tenant) -> None:
    endpoint = factories.make_ssh_endpoint(tenant=careless)
    places = []
    for host in ("2001:DB8::0:1", "2001:db8::1", "Router.Example.", "router.example"):
        endpoint.options = {"host": host}
        places.append(WayBook.of([endpoint]).place_of(endpoint))
    assert places == ["2001:db8::1 port 22"] * 2 + ["router.example port 22"] * 2
