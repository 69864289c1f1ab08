"""Taking over machines that a router knows and netmon does not: rows are made of what stands there, nothing is sent.

A rule keeps its number and its description; from then on netmon changes it like one of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from inventory.models import Device
from inventory.services import create_device
from netmon.audit import services as audit
from netmon.drivers.vyos import SeenMapping, SeenRule, read_mappings, read_rules
from netmon.drivers.vyos.shapes import child
from provisioning.models import (
    ChangeItem,
    ConfigChange,
    DhcpPool,
    DhcpReservation,
    PortClaim,
    PortForward,
    RuleClaim,
    RunningConfig,
    Vm,
    VyosRouter,
)
from provisioning.models.texts import LABEL, parse_mac
from provisioning.services import adopting, allocation, monitored, routers
from provisioning.services.conflicts import is_ipv4
from provisioning.services.refusals import Refusal

NAMES = {22: "ssh", 80: "http", 443: "https"}
MOST_AT_ONCE = 500


class NotImportable(Refusal):
    """What stands on the router cannot be a machine of netmon's; the words say why."""

    code = "not_importable"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundForward:
    """A rule that leads to a machine. With `problem` it is left where it is."""

    name: str
    rule: SeenRule
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A mapping that no row knows, with the rules that lead to it. With `problem` it cannot be taken over."""

    name: str
    mac_address: str
    address: str
    pool: DhcpPool | None
    is_disabled: bool = False
    forwards: tuple[FoundForward, ...] = field(default_factory=tuple)
    problem: str = ""


def find(router: VyosRouter) -> list[Found]:
    """What a router has that could be taken over, read now. Raises RouterBusy or RouterFailed."""
    return found_in(router, routers.read(router))


def found_in(router: VyosRouter, running: RunningConfig) -> list[Found]:
    """The same of a configuration that was read."""
    whole = routers.whole(running)
    pools = list(DhcpPool.objects.filter(router=router).select_related("prefix"))
    known = set(Vm.objects.filter(router=router).values_list("hostname", flat=True))
    given = DhcpReservation.objects.filter(router=router)
    addresses = set(given.values_list("address", flat=True))
    macs = set(given.values_list("mac_address", flat=True))
    claimed = set(RuleClaim.objects.filter(router=router, chain="destination").values_list("number", flat=True))
    rules = [rule for rule in read_rules(whole.get("nat", {})) if rule.rule not in claimed]
    found = []
    for mapping in read_mappings(child(whole, "service", "dhcp-server")):
        pool = _pool_of(mapping, pools)
        if mapping.name in known and mapping.address in addresses:
            continue
        found.append(
            Found(
                name=mapping.name,
                mac_address=mapping.mac_address,
                address=mapping.address,
                pool=pool,
                is_disabled=mapping.is_disabled,
                forwards=_forwards(router, mapping, rules),
                problem=_problem(mapping, pool, known, addresses, macs),
            )
        )
    return found


def _pool_of(mapping: SeenMapping, pools: Iterable[DhcpPool]) -> DhcpPool | None:
    same = [pool for pool in pools if (pool.shared_network, pool.prefix.cidr) == (mapping.network, mapping.prefix)]
    if not is_ipv4(mapping.address):
        return None
    inside = [
        pool
        for pool in same
        if IPv4Address(pool.range_start) <= IPv4Address(mapping.address) <= IPv4Address(pool.range_end)
    ]
    return next(iter((*inside, *same)), None)


def _problem(mapping: SeenMapping, pool: DhcpPool | None, known: set[str], addresses: set[str], macs: set[str]) -> str:
    if not LABEL.fullmatch(mapping.name):
        return "Its name is no host name: rename the mapping on the router."
    if not is_ipv4(mapping.address):
        return "It has no fixed address."
    try:
        parse_mac(mapping.mac_address)
    except ValidationError:
        return "It goes by no MAC address."
    if pool is None:
        return f"No DHCP pool is for {mapping.prefix} of {mapping.network}: make one first."
    if mapping.name in known or mapping.address in addresses or mapping.mac_address in macs:
        return "Its name, address or MAC address is another machine's at this router."
    return ""


def _forwards(router: VyosRouter, mapping: SeenMapping, rules: Iterable[SeenRule]) -> tuple[FoundForward, ...]:
    found: list[FoundForward] = []
    used: set[str] = set()
    for rule in rules:
        if rule.translation_address != mapping.address:
            continue
        name = _name_of(rule, used)
        used.add(name)
        problem = adopting.why_not_forward(rule, mapping.address)
        if not problem and rule.interface not in ("", router.inbound_interface):
            problem = f"it comes in by {rule.interface}, not by {router.inbound_interface}"
        outer = adopting.span_of(rule.destination_port)
        if not problem and (outer is None or adopting.pool_of(router.pk, rule, outer) is None):
            problem = f"no port pool of the router has {rule.destination_port} for this address"
        found.append(FoundForward(name=name, rule=rule, problem=problem))
    return tuple(found)


def _name_of(rule: SeenRule, used: set[str]) -> str:
    inner = adopting.span_of(rule.translation_port or rule.destination_port)
    name = NAMES.get(inner[0], f"port-{inner[0]}") if inner else f"rule-{rule.rule}"
    return name if name not in used else f"{name}-{rule.rule}"


def adopt(
    router: VyosRouter, names: Sequence[str] | None = None, *, user: Any = None, via: str = "", dry_run: bool = False
) -> list[Found]:
    """Take over the named machines, or all that can be; those that were, or with `dry_run` would be.

    Raises NotImportable for a named one that cannot be, RouterBusy or RouterFailed; nothing is written then.
    """
    running = routers.read(router)
    found = found_in(router, running)
    if names is not None:
        by_name = {one.name: one for one in found}
        for name in names:
            if name not in by_name:
                raise NotImportable(f"The router has no mapping {name[:80]!r} that could be taken over.", field="items")
            if by_name[name].problem:
                raise NotImportable(f"{name}: {by_name[name].problem}", field="items")
        found = [by_name[name] for name in dict.fromkeys(names)]
    chosen = [one for one in found if not one.problem][:MOST_AT_ONCE]
    with transaction.atomic():
        allocation.hold(router)
        made = [_take(router, one, user) for one in chosen]
        if made:
            _note(router, made, user, via)
        transaction.set_rollback(dry_run)
    return chosen


def _take(router: VyosRouter, one: Found, user: Any) -> Vm:
    assert one.pool is not None
    tenant = router.device.tenant
    there = Device.objects.filter(tenant=tenant, primary_ip__address=one.address, vm=None).first()
    try:
        device = there or create_device(
            fields={
                "name": one.name, "kind": "vm", "tenant": tenant, "site": router.device.site, "ip": one.address,
                "mac": one.mac_address, "status": "planned",
            }
        )  # fmt: skip
        vm = Vm(device=device, router=router, hostname=one.name, owner=user)
        vm.full_clean()
        vm.save()
        reservation = DhcpReservation(
            router=router, pool=one.pool, vm=vm, mac_address=one.mac_address, address=one.address,
            desired="disabled" if one.is_disabled else "enabled", applied="applied",
        )  # fmt: skip
        reservation.full_clean()
        reservation.save()
        for entry in one.forwards:
            if not entry.problem:
                _take_forward(vm, entry)
    except ValidationError as error:
        raise NotImportable(f"{one.name}: {' '.join(error.messages)}", field="items") from None
    audit.record("import", vm, after=audit.snapshot(vm), detail=one.address)
    monitored.begin(vm)
    return vm


def _take_forward(vm: Vm, entry: FoundForward) -> None:
    forward = PortForward(vm=vm, name=entry.name, rule_number=entry.rule.rule)
    adopting.take(forward, entry.rule, NotImportable)
    forward.full_clean()
    forward.save()
    RuleClaim.objects.create(
        router=vm.router, chain="destination", number=entry.rule.rule, purpose="forward", forward=forward
    )
    PortClaim.objects.filter(forward=forward).delete()
    adopting.claim_ports(forward)


def _note(router: VyosRouter, made: Sequence[Vm], user: Any, via: str) -> None:
    """For the timeline of each: a change that sent nothing."""
    now = timezone.now()
    change = ConfigChange.objects.create(
        router=router, router_name=router.device.name, tenant=router.device.tenant, kind="import", status="applied",
        requested_by=user, via=via[:200], started_at=now, finished_at=now, is_saved=router.is_saved is True,
        remark="Taken over as it stands: nothing was sent.",
        vm=made[0] if len(made) == 1 else None, vm_name=made[0].name if len(made) == 1 else "",
    )  # fmt: skip
    ChangeItem.objects.bulk_create([ChangeItem(change=change, vm=vm, vm_name=vm.name, status="applied") for vm in made])
