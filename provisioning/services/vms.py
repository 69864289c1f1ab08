"""Machines in the database: made with all they need, asked for again, taken off. The router hears of it later."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from inventory.models import Device, Tenant
from inventory.services import create_device, delete_devices
from netmon.audit import services as audit
from netmon.common.fields import fold
from provisioning.models import DhcpReservation, PortForward, Vm, VyosRouter
from provisioning.services import allocation, places
from provisioning.services.allocation import NOTHING, Taken
from provisioning.services.refusals import NameTaken, NotCleaned, VmDiffers, VmLeaving
from provisioning.services.wishes import PortWish, VmWish


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be told to the router of one machine: rows whose wish changed, which one request carries."""

    kind: str
    vm: Vm
    reservation: DhcpReservation | None = None
    forwards: tuple[PortForward, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.reservation is None and not self.forwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """A machine with all it has. Without `is_new` it was there, just so, and `change` is empty."""

    vm: Vm
    reservation: DhcpReservation
    forwards: tuple[PortForward, ...]
    is_new: bool
    change: Change

    @property
    def external_ports(self) -> dict[str, int]:
        return {forward.name: forward.external_port for forward in self.forwards}

    @property
    def nat_rule_base(self) -> int | None:
        return min((forward.rule_number for forward in self.forwards), default=None)


@transaction.atomic
def provision(
    wish: VmWish, *, user: Any = None, owner: Any = None, tenant: Tenant | None = None, taken: Taken = NOTHING
) -> Provisioned:
    """A machine with its device, fixed address, forwards and claims; the same wish again gives the same machine.

    Without `tenant` it belongs to the router's; without `owner`, to who asks. Raises ValidationError or a Refusal;
    nothing is written then.
    """
    router = router_of(wish, user, tenant)
    allocation.hold(router)
    if (there := _find(wish, user, tenant, router)) is not None:
        return _again(there, wish)
    place = places.choose(wish, user=user)
    if place.router.pk != router.pk:
        raise VmLeaving("A machine of this name has just gone: ask again.", field="vm_name")
    tenant = _tenant_at(place.router, tenant)
    owner = owner if owner is not None else user
    wishes = wish.wanted_ports
    allocation.check_quotas(owner=owner, tenant=tenant, vms=1, forwards=len(wishes))
    hostname = wish.hostname or wish.vm_name.lower()
    if Vm.objects.filter(router=router, hostname=hostname).exists():
        raise NameTaken(
            f"Another machine at the router {router} has the host name {hostname}: give another.", field="hostname"
        )
    mac = allocation.give_mac(router, hostname, wanted=wish.mac_address, taken=taken)
    address = allocation.give_address(
        place.dhcp_pool, tenant=tenant, wanted=wish.ip_address, span=wish.ip_range, taken=taken
    )
    device = _make_device(wish, place.router, tenant, mac, address)
    vm = Vm(
        device=device,
        router=place.router,
        hostname=hostname,
        owner=owner,
        metadata=wish.metadata or {},
        expires_at=wish.expires_at,
    )
    vm.full_clean()
    vm.save()
    reservation = DhcpReservation(router=place.router, pool=place.dhcp_pool, vm=vm, mac_address=mac, address=address)
    reservation.full_clean()
    reservation.save()
    forwards: tuple[PortForward, ...] = ()
    if place.port_pool is not None:
        forwards = tuple(allocation.make_forwards(vm, place.port_pool, wishes, span=wish.port_range, taken=taken))
    audit.record("provision", vm, after=audit.snapshot(vm), detail=_told(address, forwards))
    change = Change(kind="provision", vm=vm, reservation=reservation, forwards=forwards)
    return Provisioned(vm=vm, reservation=reservation, forwards=forwards, is_new=True, change=change)


def find_again(wish: VmWish, *, user: Any = None, tenant: Tenant | None = None) -> Provisioned | None:
    """The machine of this name, if it is as asked for; None where there is none yet. Raises VmLeaving or VmDiffers."""
    router = places.find_router(wish.router, user=user) if wish.router is not None else None
    there = _find(wish, user, tenant, router)
    return _again(there, wish) if there is not None else None


def _told(address: str, forwards: tuple[PortForward, ...]) -> str:
    ports = ", ".join(f"{forward.name} {forward.external_port}" for forward in forwards)
    return f"{address}; {ports or 'no forwards'}"


def _tenant_at(router: VyosRouter, tenant: Tenant | None) -> Tenant | None:
    """A tenant's router is for that tenant; nobody's router is for all."""
    own = router.device.tenant
    if tenant is not None and own is not None and tenant.pk != own.pk:
        raise ValidationError({"tenant": f"The router {router} is another tenant's: choose a router of its own."})
    return tenant if tenant is not None else own


def router_of(wish: VmWish, user: Any, tenant: Tenant | None) -> VyosRouter:
    """Where to look and to give: the named router, else that of the machine of this name, else the only one."""
    if wish.router is not None:
        return places.find_router(wish.router, user=user)
    there = _find(wish, user, tenant, None)
    return there.router if there is not None else places.choose(wish, user=user).router


def _find(wish: VmWish, user: Any, tenant: Tenant | None, router: VyosRouter | None) -> Vm | None:
    """The machine of this name, among those that the person sees. Raises ValidationError where there are several."""
    rows = places.seen(Vm, user).filter(device__name_key=fold(wish.vm_name))
    if tenant is not None:
        rows = rows.filter(device__tenant=tenant)
    elif router is not None and router.device.tenant_id is not None:
        rows = rows.filter(device__tenant=router.device.tenant_id)
    found = list(rows.select_related("device", "router__endpoint__device", "reservation__pool")[:2])
    if router is not None and len(found) > 1:
        found = [vm for vm in found if vm.router_id == router.pk]
    if len(found) > 1:
        raise ValidationError({"tenant": "Several tenants have a machine of this name: say which tenant, or router."})
    return found[0] if found else None


def _make_device(wish: VmWish, router: VyosRouter, tenant: Tenant | None, mac: str, address: str) -> Device:
    taken = NameTaken(
        f"There is a device {wish.vm_name} that was not provisioned here: choose another name, or delete that device.",
        field="vm_name",
    )
    if Device.objects.filter(tenant=tenant, name_key=fold(wish.vm_name)).exists():
        raise taken
    fields = {
        "name": wish.vm_name, "kind": "vm", "tenant": tenant, "site": router.device.site, "ip": address, "mac": mac,
        # Nobody is woken because a machine that was asked for does not run yet.
        "status": "planned",
    }  # fmt: skip
    try:
        # What nobody holds off: a machine of this name made at another router in the same moment.
        with transaction.atomic():
            return create_device(fields=fields)
    except IntegrityError:
        raise taken from None
    except ValidationError as error:
        words = {"name": "vm_name", "ip": "ip_address", "mac": "mac_address"}
        raise ValidationError({words.get(name, name): texts for name, texts in error.message_dict.items()}) from None


def _again(vm: Vm, wish: VmWish) -> Provisioned:
    """The machine as it is, if that is what is asked for. Raises VmLeaving or VmDiffers."""
    if vm.state == Vm.State.LEAVING:
        raise VmLeaving(
            f"{vm} is being taken off its router: ask again when that is done, or choose another name.",
            field="vm_name",
        )
    forwards = tuple(vm.forwards.exclude(desired="absent").select_related("pool"))
    if differs := _differences(vm, forwards, wish):
        said = "; ".join(f"{name} is {has}, asked for {asked}" for name, (has, asked) in differs.items())
        raise VmDiffers(
            f"There is a machine {vm}, and it is another one: {said}. Ask for it as it is, change it, or choose "
            "another name.",
            field=next(iter(differs)),
            differs=sorted(differs),
        )
    return Provisioned(
        vm=vm, reservation=vm.reservation, forwards=forwards, is_new=False, change=Change(kind="provision", vm=vm)
    )


def _differences(vm: Vm, forwards: tuple[PortForward, ...], wish: VmWish) -> dict[str, tuple[str, str]]:
    """field: (what it has, what is asked for), of what was asked for at all."""
    held = vm.reservation
    found: dict[str, tuple[str, str]] = {}

    def compare(name: str, has: Any, asked: Any) -> None:
        if asked is not None and has != asked:
            found[name] = (str(has), str(asked))

    compare("mac_address", held.mac_address, wish.mac_address)
    compare("hostname", vm.hostname, wish.hostname)
    compare("ip_address", held.address, wish.ip_address)
    compare("expires_at", vm.expires_at, wish.expires_at)
    compare("metadata", vm.metadata, wish.metadata)
    if wish.router is not None and not places.names(vm.router_id, vm.router.device.name, wish.router):
        found["router"] = (str(vm.router), str(wish.router))
    if wish.dhcp_pool is not None and not places.names(held.pool_id, held.pool.name, wish.dhcp_pool):
        found["dhcp_pool"] = (str(held.pool), str(wish.dhcp_pool))
    for forward in forwards:
        if wish.port_pool is not None and not places.names(forward.pool_id, forward.pool.name, wish.port_pool):
            found["port_pool"] = (str(forward.pool), str(wish.port_pool))
        span = wish.port_range
        if span is not None and not (span[0] <= forward.external_port and forward.external_port_end <= span[1]):
            found["port_range"] = (f"{forward.name} at {forward.external_port}", f"{span[0]} to {span[1]}")
    if wish.ip_range is not None:
        start, end = (IPv4Address(text) for text in wish.ip_range)
        if not start <= IPv4Address(held.address) <= end:
            found["ip_range"] = (held.address, f"{start} to {end}")
    if wish.ports is not None and (differing := _ports_compared(forwards, wish.ports)):
        found["ports"] = differing
    return found


def _ports_compared(forwards: tuple[PortForward, ...], wishes: tuple[PortWish, ...]) -> tuple[str, str] | None:
    """The names of those that it has, and that are asked for, and that are not the same."""
    has = {forward.name: forward for forward in forwards}
    asked = {wish.name: wish for wish in wishes}
    same = {name for name in has.keys() & asked.keys() if is_same(has[name], asked[name])}
    if len(same) == len(has) == len(asked):
        return None
    found, wanted = (", ".join(sorted(names - same)) or "without these" for names in (has.keys(), asked.keys()))
    return (found, f"another {wanted}" if found == wanted else wanted)


def is_same(forward: PortForward, wish: PortWish) -> bool:
    """Whether a forward is what is asked for. A port that was not asked for by number may be any."""
    return (
        (forward.protocol, forward.internal_port, forward.internal_port_end, forward.source, forward.wants_hairpin)
        == (wish.protocol, wish.internal_port, wish.internal_port_end, wish.source, wish.hairpin)
        and wish.external_port in (None, forward.external_port)
        and wish.expires_at in (None, forward.expires_at)
    )


def held(vm: Vm) -> Vm:
    """The machine as it is now, with its router held. Raises VmLeaving when it has gone meanwhile."""
    allocation.hold(vm.router)
    rows = Vm.objects.select_related("device", "router__endpoint__device", "reservation__pool__prefix")
    if (found := rows.filter(pk=vm.pk).first()) is None:
        raise VmLeaving("This machine has gone.", field="vm_name")
    return found


@transaction.atomic
def decommission(vm: Vm) -> Change:
    """Wish a machine off its router. Its rows, and with them address, ports and numbers, stay until `release`."""
    vm = held(vm)
    reservation = vm.reservation
    forwards = [forward for forward in vm.forwards.all() if forward.desired != "absent"]
    if vm.state == Vm.State.LEAVING and not forwards and reservation.desired == "absent":
        return Change(kind="decommission", vm=vm)
    before = audit.snapshot(vm)
    vm.state = Vm.State.LEAVING
    vm.save(update_fields=["state", "updated_at"])
    for row in (reservation, *forwards):
        row.desired, row.applied = "absent", "pending"
        if isinstance(row, PortForward):
            row.why_disabled = ""
        row.save()
    audit.record("decommission", vm, before=before, after=audit.snapshot(vm))
    return Change(kind="decommission", vm=vm, reservation=reservation, forwards=tuple(forwards))


@transaction.atomic
def release(vm: Vm) -> None:
    """Forget a machine that the router holds nothing of any more: all its rows, and its device.

    Raises NotCleaned while something of it may still be on the router.
    """
    vm = held(vm)
    left = [row for row in (vm.reservation, *vm.forwards.all()) if (row.desired, row.applied) != ("absent", "applied")]
    if vm.state != Vm.State.LEAVING or left:
        raise NotCleaned(
            f"The router {vm.router} may still hold something of {vm}: decommission it, and wait for the change.",
            field="vm_name",
        )
    audit.record("delete", vm, before=audit.snapshot(vm), detail=vm.reservation.address)
    device_id = vm.device_id
    vm.delete()
    delete_devices([device_id])
