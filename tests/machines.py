"""A VyOS router with pools, a quota, and a machine with all it has: a row of each resource of provisioning."""

from typing import Any

from inventory.models import Device, Tenant
from provisioning.models import ChangeItem, DriftItem, Quota
from tests import factories


def make_estate(
    *, tenant: Tenant | None = None, word: str = "estate", owner: Any = None, **over: Any
) -> dict[str, Any]:
    """By the resource's address."""
    router = factories.make_vyos_router(tenant=tenant, **over)
    Device.objects.filter(pk=router.device.pk).update(name=f"{word} vyos", name_key=f"{word} vyos")
    router.refresh_from_db()
    pool = factories.make_dhcp_pool(router, name=f"{word}-lan", shared_network=f"{word}-LAN")
    ports = factories.make_port_pool(router, name=f"{word}-outside")
    vm = factories.make_vm(router, user=owner, vm_name=f"{word}-vm")
    change = factories.make_change(
        router, tenant=tenant, vm=vm, vm_name=vm.name, lines=[f"set {word}"], requested_by=owner
    )
    ChangeItem.objects.create(change=change, vm=vm, vm_name=vm.name)
    DriftItem.objects.create(router=router, kind="missing", vm=vm, label=f"{word} rule", words=[f"{word} is missing."])
    return {
        "vyos-routers": router,
        "dhcp-pools": pool,
        "port-pools": ports,
        "quotas": make_quota(tenant=tenant or factories.make_tenant()),
        "vms": vm,
        "dhcp-reservations": vm.reservation,
        "port-forwards": vm.forwards.order_by("pk").first(),
        "config-changes": change,
    }


def make_quota(**over: Any) -> Quota:
    return Quota.objects.create(**{"max_vms": 5, "max_forwards": 50, **over})
