"""Plans of rows: what a router would be sent so that it has what these machines are wished to have."""

from collections.abc import Collection, Iterable, Sequence

from django.db.models import Prefetch, QuerySet

from netmon.drivers.vyos import Subnet, describe, read_rules
from provisioning import planning, vyos_items
from provisioning.models import PortForward, RuleClaim, RunningConfig, Vm, VyosRouter
from provisioning.obstacles import Obstacle
from provisioning.planning import Plan
from provisioning.services import routers
from provisioning.vyos_items import Wanted


def with_all(rows: "QuerySet[Vm]") -> "QuerySet[Vm]":
    """Machines with everything that a plan asks for, in a few queries."""
    forwards = PortForward.objects.select_related("pool").prefetch_related("rule_claims").order_by("rule_number")
    return rows.select_related(
        "device__tenant", "device__site", "router__endpoint__device__tenant", "router__endpoint__credential",
        "reservation__pool__prefix", "owner",
    ).prefetch_related(Prefetch("forwards", queryset=forwards))  # fmt: skip


def load(ids: Iterable[int]) -> list[Vm]:
    """Machines by their numbers, as they are now."""
    return list(with_all(Vm.objects.filter(pk__in=list(ids))).order_by("pk"))


def plan_of(
    router: VyosRouter, vms: Sequence[Vm], running: RunningConfig, family: str, *, only: Collection[str] = ()
) -> Plan:
    """One commit for these machines (from `load`), and for what the router needs as a whole.

    `only` are labels (`describe`): then nothing else is in it, and what bears netmon's mark without a row may be.
    """
    wanted: list[Wanted] = []
    broken: list[Obstacle] = []
    for vm in vms:
        try:
            wanted += vyos_items.of_vm(vm)
        except ValueError as error:
            words = f"{vm}: {str(error)[0].upper()}{str(error)[1:]}."
            broken.append(Obstacle(row=vm.reservation, words=words, code="not_supported"))
    wanted += shared(router)
    given = claimed(router)
    if only:
        wanted += vyos_items.strays(read_rules(running.nat), given)
        wanted = [one for one in wanted if describe(one.item) in only]
    found = planning.plan(
        wanted,
        routers.whole(running),
        family,
        subnets=_subnets(vms),
        serves=[address for entry in running.interfaces for address in entry["addresses"]],
        outside=router.external_address,
        claimed=given,
    )
    if not broken:
        return found
    return Plan(obstacles=(*broken, *found.obstacles), remarks=found.remarks)


def claimed(router: VyosRouter) -> frozenset[int]:
    """The destination rules that netmon has given away."""
    rows = RuleClaim.objects.filter(router=router, chain=RuleClaim.Chain.DESTINATION)
    return frozenset(rows.values_list("number", flat=True))


def shared(router: VyosRouter) -> list[Wanted]:
    """The rules that no single machine owns; of masquerading only where a forward for those inside is left."""
    claims = list(
        RuleClaim.objects.filter(router=router, purpose__in=["masquerade", "opening"]).select_related(
            "dhcp_pool__prefix"
        )
    )
    return vyos_items.of_router(claims, router, idle=idle(claims))


def idle(claims: Iterable[RuleClaim]) -> set[int]:
    """Those that nobody needs any more: no machine of the subnet has a forward for those inside."""
    found = set()
    for claim in claims:
        if claim.purpose != RuleClaim.Purpose.MASQUERADE or claim.dhcp_pool is None:
            continue
        needing = PortForward.objects.filter(
            wants_hairpin=True, vm__reservation__pool__prefix=claim.dhcp_pool.prefix_id, vm__router=claim.router_id
        ).exclude(desired="absent")
        if not needing.exists():
            found.add(claim.pk)
    return found


def _subnets(vms: Iterable[Vm]) -> list[tuple[Subnet, bool]]:
    """The subnets that the mappings lie in, each with whether netmon made it."""
    found: dict[tuple[str, str], tuple[Subnet, bool]] = {}
    for vm in vms:
        pool = vm.reservation.pool
        key = (pool.shared_network, pool.prefix.cidr)
        known = found.get(key)
        found[key] = (vyos_items.subnet(pool), pool.made_subnet or (known is not None and known[1]))
    return list(found.values())
