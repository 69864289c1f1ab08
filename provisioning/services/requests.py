"""What doors call to have something changed: rows and the change that tells the router of them, in one transaction.

A plan needs what the router runs, which is read before the transaction: nothing of the database is held while a router
is waited for. The worker reads once more before it sends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from inventory.models import Tenant
from netmon.common.errors import NetmonError
from provisioning.models import ConfigChange, RunningConfig, Vm, VyosRouter
from provisioning.planning import Plan
from provisioning.services import changes, conflicts, expiry, places, plans, ports, routers, vms, wire
from provisioning.services.allocation import NOTHING, Taken
from provisioning.services.refusals import AddressTaken, InTheWay, NotPlannable, StalePlan
from provisioning.services.vms import Change, Provisioned
from provisioning.services.wishes import PortWish, VmWish

MOST_AT_ONCE = 500
VMS_OF_A_COMMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What became of a request.

    `plan` is None where the router was never read, so that only the worker will know. `change` is None when nothing
    has to be sent, and of a dry run. `made` is a provisioned machine with what it got, also of a dry run, whose rows do
    not stay.
    """

    vm: Vm
    plan: Plan | None
    change: ConfigChange | None = None
    made: Provisioned | None = None
    rows: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of a router before a transaction begins."""

    router: VyosRouter
    running: RunningConfig | None
    taken: Taken

    @property
    def family(self) -> str:
        return self.router.version_family


def _look(router: VyosRouter, *, needs_plan: bool) -> _Known:
    running = routers.recent(router)
    router.refresh_from_db(fields=["version_family", "capabilities"])
    if running is not None and not router.version_family:
        running = None
    if needs_plan and running is None:
        routers.read(router)  # says why it cannot be read
        raise NotPlannable(f"The version of the router {router} is not known: try again.", field="router")
    return _Known(router=router, running=running, taken=conflicts.taken_at(router, running))


def provision(
    wish: VmWish,
    *,
    user: Any = None,
    via: str = "",
    owner: Any = None,
    tenant: Tenant | None = None,
    dry_run: bool = False,
    digest: str = "",
) -> Asked:
    """A machine with its address and forwards. The same wish again gives the same machine, and sends nothing.

    Raises ValidationError or a Refusal; nothing is written then. With `digest` only exactly that plan is accepted.
    """
    if (there := vms.find_again(wish, user=user, tenant=tenant)) is not None:
        return Asked(vm=there.vm, plan=Plan(), made=there, rows=there.change)
    known = _look(vms.router_of(wish, user, tenant), needs_plan=dry_run or bool(digest))
    taken = _without_answering(wish, known, user, tenant)
    made: list[Provisioned] = []

    def write() -> Change:
        made.append(vms.provision(wish, user=user, owner=owner, tenant=tenant, taken=taken))
        return made[0].change

    asked = _do(write, known, user=user, via=via, dry_run=dry_run, digest=digest)
    return Asked(vm=asked.vm, plan=asked.plan, change=asked.change, made=made[0], rows=asked.rows)


def provision_many(
    wishes: Sequence[VmWish], *, user: Any = None, via: str = "", owner: Any = None, tenant: Tenant | None = None
) -> list[Asked | NetmonError | ValidationError]:
    """Many machines in few commits: in the order of the wishes, what became of each. One refused hinders no other."""
    if len(wishes) > MOST_AT_ONCE:
        raise ValidationError({"vms": f"These are {len(wishes)}: ask for at most {MOST_AT_ONCE} at once."})
    looked: dict[int, _Known] = {}
    results: list[Asked | NetmonError | ValidationError] = []
    made: dict[int, list[tuple[int, Provisioned]]] = {}
    with transaction.atomic():
        for position, wish in enumerate(wishes):
            try:
                router = vms.router_of(wish, user, tenant)
                taken = looked[router.pk].taken if router.pk in looked else NOTHING
                if router.pk not in looked:
                    # No reading here, inside the transaction: what was read last, and the worker sees the rest.
                    running = RunningConfig.objects.filter(router=router).first()
                    taken = conflicts.taken_at(router, running)
                    looked[router.pk] = _Known(router=router, running=running, taken=taken)
                with transaction.atomic():
                    one = vms.provision(wish, user=user, owner=owner, tenant=tenant, taken=taken)
            except (NetmonError, ValidationError) as refusal:
                results.append(refusal)
                continue
            results.append(Asked(vm=one.vm, plan=None, made=one, rows=one.change))
            if one.is_new:
                made.setdefault(router.pk, []).append((position, one))
        for number, entries in made.items():
            for start in range(0, len(entries), VMS_OF_A_COMMIT):
                batch = entries[start : start + VMS_OF_A_COMMIT]
                change = changes.queue(
                    looked[number].router, "provision", [one.vm for _, one in batch], user=user, via=via
                )
                for position, one in batch:
                    results[position] = Asked(vm=one.vm, plan=None, change=change, made=one, rows=one.change)
    return results


def decommission(vm: Vm, *, user: Any = None, via: str = "", dry_run: bool = False, digest: str = "") -> Asked:
    """Take a machine off its router: rows go when the router holds nothing of it any more."""
    return _changing(vm, lambda taken: vms.decommission(vm), user=user, via=via, dry_run=dry_run, digest=digest)


def create_ports(
    vm: Vm,
    wishes: Sequence[PortWish] | None = None,
    *,
    user: Any = None,
    via: str = "",
    dry_run: bool = False,
    digest: str = "",
) -> Asked:
    """Add forwards, without `wishes` those of the template."""
    return _changing(
        vm, lambda taken: ports.create(vm, wishes, taken=taken), user=user, via=via, dry_run=dry_run, digest=digest
    )


def act_on_ports(
    vm: Vm,
    action: str,
    names: Sequence[str] | None = None,
    *,
    user: Any = None,
    via: str = "",
    dry_run: bool = False,
    digest: str = "",
) -> Asked:
    """enable, disable, pause or delete all or the named forwards."""
    if action not in ports.ACTIONS:
        raise ValidationError({"action": f"Choose one of {', '.join(ports.ACTIONS)}."})
    return _changing(vm, lambda taken: ports.act(vm, action, names), user=user, via=via, dry_run=dry_run, digest=digest)


def set_end(
    vm: Vm,
    expires_at: datetime | None,
    names: Sequence[str] | None = None,
    *,
    user: Any = None,
    via: str = "",
    dry_run: bool = False,
    digest: str = "",
) -> Asked:
    """Give a machine, or the named forwards, another end or none."""
    return _changing(
        vm, lambda taken: expiry.set_end(vm, expires_at, names), user=user, via=via, dry_run=dry_run, digest=digest
    )


@transaction.atomic
def expire() -> list[ConfigChange]:
    """Switch off what is due: a change for each router, in the transaction that marks it, so that none is forgotten."""
    made = []
    for number, rows in expiry.by_router(expiry.mark_due()).items():
        router = VyosRouter.objects.select_related("endpoint__device").get(pk=number)
        for start in range(0, len(rows), VMS_OF_A_COMMIT):
            batch = rows[start : start + VMS_OF_A_COMMIT]
            made.append(changes.queue(router, "expiry", [row.vm for row in batch], user=None, via="expiry"))
    return made


def _changing(
    vm: Vm,
    write: Callable[[Taken], Change],
    *,
    user: Any,
    via: str,
    dry_run: bool,
    digest: str,
) -> Asked:
    known = _look(vm.router, needs_plan=dry_run or bool(digest))
    return _do(lambda: write(known.taken), known, user=user, via=via, dry_run=dry_run, digest=digest)


def _do(write: Callable[[], Change], known: _Known, *, user: Any, via: str, dry_run: bool, digest: str) -> Asked:
    """Write the rows, plan them, and queue the change; of a dry run nothing stays."""
    with transaction.atomic():
        rows = write()
        (vm,) = plans.load([rows.vm.pk])
        if rows.is_empty:
            transaction.set_rollback(dry_run)
            return Asked(vm=vm, plan=Plan(), rows=rows)
        plan = plans.plan_of(known.router, [vm], known.running, known.family) if known.running else None
        if plan is not None:
            _check(plan, digest)
        if dry_run:
            transaction.set_rollback(True)
            return Asked(vm=vm, plan=plan, rows=rows)
        change = changes.queue(known.router, rows.kind, [vm], user=user, via=via, plan=plan, is_approved=bool(digest))
        return Asked(vm=vm, plan=plan, change=change, rows=rows)


def _check(plan: Plan, digest: str) -> None:
    """Raises InTheWay or StalePlan."""
    if plan.obstacles:
        first = plan.obstacles[0]
        words = " ".join(dict.fromkeys(obstacle.words for obstacle in plan.obstacles))
        raise InTheWay(words, field="ports" if first.rule is not None else "ip_address", reason=first.code)
    if digest and digest != plan.digest:
        raise StalePlan(
            "What would be sent now is not what was approved: the router or the machine has changed since. Look at "
            "the plan again.",
            field="digest",
            digest=plan.digest,
        )


def _without_answering(wish: VmWish, known: _Known, user: Any, tenant: Tenant | None) -> Taken:
    """The same, and whichever address would be given next and is used by somebody who was not given it."""
    pool = places.choose(wish, user=user).dhcp_pool
    found = wire.occupied(pool, tenant=tenant, wanted=wish.ip_address, span=wish.ip_range, taken=known.taken)
    if wish.ip_address in found:
        raise AddressTaken(
            f"{wish.ip_address} is in use: {found[wish.ip_address]}. Choose another, or leave it out.",
            field="ip_address",
        )
    return replace(known.taken, addresses=known.taken.addresses | found.keys())
