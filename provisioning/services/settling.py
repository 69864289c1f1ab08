"""What became of a change, written down: at it, at the machines that it concerned, and at their rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, Q, RestrictedError
from django.utils import timezone

from netmon.audit import services as audit
from netmon.drivers.vyos import Item, describe, read_subnets
from provisioning import vyos_items
from provisioning.models import (
    ChangeItem,
    ConfigChange,
    DhcpPool,
    DhcpReservation,
    DriftItem,
    PortForward,
    RuleClaim,
    RunningConfig,
    Vm,
    VyosRouter,
)
from provisioning.planning import Plan
from provisioning.services import monitored, plans, ports, vms

Status = ConfigChange.Status


def settle(
    change: ConfigChange, router: VyosRouter, group: Sequence[Vm], plan: Plan, *, is_saved: bool, running: RunningConfig
) -> None:
    """Mark what is as wished, and what is not, after a read-back: `plan` is what would still have to be sent.

    `group` are the machines as they were planned: a row that is wished otherwise by now stays pending.
    """
    wrong = {(type(one.row), one.row.pk) for one in plan.touched if one.row is not None}
    wrong |= {(type(one.row), one.row.pk) for one in plan.obstacles if one.row is not None}
    gone = []
    with transaction.atomic():
        for vm in group:
            bad = []
            for row in (vm.reservation, *vm.forwards.all()):
                if change.only and not _is_meant(row, change.only):
                    continue
                is_bad = (type(row), row.pk) in wrong
                bad += [str(row)] if is_bad else []
                rows = type(row)._default_manager.filter(pk=row.pk, desired=row.desired)
                rows.update(applied="drifted" if is_bad else "applied", updated_at=timezone.now())
            item = change.items.filter(vm=vm)
            if bad:
                words = f"The router was told and said yes, but has something else: {', '.join(bad)}."
                item.update(status="failed", error_code="read_back", error_detail=words)
                continue
            item.update(status="applied", error_code="", error_detail="")
            if vm.state == Vm.State.LEAVING:
                gone.append(vm)
            else:
                ports.release(vm)
                _follow(vm)
        _tidy(router, plan, running)
        _forget_drift(change, router, group, plan)
        if is_saved:
            _note_saved(router)
        for vm in gone:
            _release(change, vm)
        change.save(update_fields=["remark"])


def _release(change: ConfigChange, vm: Vm) -> None:
    try:
        with transaction.atomic():
            vms.release(vm)
    except (ProtectedError, RestrictedError) as error:
        needed = ", ".join(sorted({str(row._meta.verbose_name) for row in _needing(error)}))
        change.remark = f"{change.remark}\n{vm} stays in the inventory: it is needed by {needed}.".strip()


def _needing(error: ProtectedError | RestrictedError) -> Iterable[Any]:
    return error.protected_objects if isinstance(error, ProtectedError) else error.restricted_objects


def _forget_drift(change: ConfigChange, router: VyosRouter, group: Sequence[Vm], plan: Plan) -> None:
    """What was found to differ and is right now."""
    left = [describe(one.item)[:200] for one in plan.touched]
    # Of a change of some labels only, the others were not looked at.
    meant = Q(label__in=change.only) if change.only else Q(vm__in=group)
    found = DriftItem.objects.filter(meant, router=router)
    found.exclude(label__in=left).exclude(kind="foreign").delete()


def _is_meant(row: DhcpReservation | PortForward, labels: Sequence[str]) -> bool:
    items: list[Item] = [vyos_items.mapping(row)] if isinstance(row, DhcpReservation) else _rules(row)
    return any(describe(item) in labels for item in items)


def _rules(forward: PortForward) -> list[Item]:
    return [one.item for one in vyos_items.of_forward(forward)]


def _follow(vm: Vm) -> None:
    """From now on it is watched, at the ports that it now has."""
    monitored.applied(vm)


def _tidy(router: VyosRouter, plan: Plan, running: RunningConfig) -> None:
    """Forget the rules that nobody needs and that are gone, and which subnets were made here and are gone."""
    touched = {one.row.pk for one in plan.touched if isinstance(one.row, RuleClaim)}
    claims = list(RuleClaim.objects.filter(router=router, purpose="masquerade").select_related("dhcp_pool__prefix"))
    RuleClaim.objects.filter(pk__in=plans.idle(claims) - touched).delete()
    there = {(subnet.network, subnet.prefix) for subnet in read_subnets(running.dhcp)}
    for pool in DhcpPool.objects.filter(router=router, made_subnet=True).select_related("prefix"):
        if (pool.shared_network, pool.prefix.cidr) not in there:
            DhcpPool.objects.filter(pk=pool.pk).update(made_subnet=False)


def _note_saved(router: VyosRouter) -> None:
    VyosRouter.objects.filter(pk=router.pk).update(is_saved=True)
    ConfigChange.objects.filter(router=router, status=Status.APPLIED, is_saved=False).update(is_saved=True)


def saved(router: VyosRouter) -> None:
    """The router's running configuration has been saved."""
    with transaction.atomic():
        _note_saved(router)


def fail_item(change: ConfigChange, vm_id: int, code: str, words: str) -> None:
    """End the part of one machine, of which nothing was sent."""
    with transaction.atomic():
        change.items.filter(vm=vm_id).update(status="failed", error_code=code, error_detail=words)
        vm = Vm.objects.get(pk=vm_id)
        now = timezone.now()
        for rows in (type(vm.reservation)._default_manager.filter(vm=vm), PortForward.objects.filter(vm=vm)):
            rows.filter(applied="pending").update(applied="failed", updated_at=now)


@transaction.atomic
def finish(change: ConfigChange) -> None:
    """End a change whose parts have ended: applied when any of them is, or when there are none."""
    failed = list(change.items.filter(status="failed").order_by("pk"))
    total = change.items.count()
    is_failed = bool(failed) and len(failed) == total
    change.status = Status.FAILED if is_failed else Status.APPLIED
    change.finished_at = timezone.now()
    change.error_code = change.error_detail = ""
    if failed:
        change.error_code = failed[0].error_code if is_failed else "partly"
        told = failed[0].error_detail
        change.error_detail = told if total == 1 else f"{len(failed)} of {total}: {failed[0].vm_name}: {told}"
    router = VyosRouter.objects.filter(changes=change).first()
    change.is_saved = not is_failed and router is not None and router.is_saved is True
    change.save(update_fields=["status", "finished_at", "error_code", "error_detail", "is_saved"])
    audit.record(
        change.status, change, detail=f"{len(change.lines)} lines, {'saved' if change.is_saved else 'not saved'}"
    )


@transaction.atomic
def reverted(change: ConfigChange, words: str) -> None:
    """End a change that was applied and taken back."""
    change.status, change.finished_at = Status.REVERTED, timezone.now()
    change.error_code, change.error_detail = "reverted", words
    change.save(update_fields=["status", "finished_at", "error_code", "error_detail"])
    for item in change.items.filter(status__in=["pending", "unknown"]).exclude(vm=None):
        assert item.vm_id is not None
        fail_item(change, item.vm_id, "reverted", words)
        ChangeItem.objects.filter(pk=item.pk).update(status="reverted")
    audit.record("reverted", change, detail=words)
