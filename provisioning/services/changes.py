"""The queue of a router: changes in the order in which they were asked for, one commit at a time.

A change says which machines it concerns, not which lines: what is sent is planned when its turn comes, from what the
machines are wished to have then and what the router has. So a change that comes late, or twice, does no harm.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from inventory.models import Tenant
from netmon.audit import context
from netmon.audit import services as audit
from netmon.common.errors import Conflict, NetmonError
from netmon.common.queue import WORK_ON_ROUTER, send_after_commit
from netmon.drivers.errors import DriverError
from provisioning.models import ChangeItem, ConfigChange, Vm, VyosRouter
from provisioning.planning import Plan
from provisioning.services import routers

log = logging.getLogger(__name__)

Status = ConfigChange.Status
WAIT_SECONDS = 10.0


class NotRetried(Conflict):
    """Only what failed, or whose end is unknown, is tried again."""

    code = "not_retried"


def queue(
    router: VyosRouter,
    kind: str,
    vms: Sequence[Vm],
    *,
    user: Any = None,
    via: str = "",
    plan: Plan | None = None,
    is_approved: bool = False,
    only: Sequence[str] = (),
) -> ConfigChange:
    """A change of these machines, in the caller's transaction; a worker hears of it when that commits.

    `plan` is what is expected to be sent; with `is_approved` nothing else may be. `only` are labels: then nothing else
    of the machines is looked at.
    """
    actor = context.current()
    change = ConfigChange.objects.create(
        router=router,
        router_name=router.device.name,
        tenant=_tenant_of(router, vms),
        vm=vms[0] if len(vms) == 1 else None,
        vm_name=vms[0].name if len(vms) == 1 else "",
        kind=kind,
        requested_by=user if user is not None else actor.user,
        via=(via or actor.via)[:200],
        is_approved=is_approved,
        only=list(only),
        **(planned(plan) if plan is not None else {}),
    )
    ChangeItem.objects.bulk_create([ChangeItem(change=change, vm=vm, vm_name=vm.name) for vm in vms])
    audit.record("queue", change, after=audit.snapshot(change), detail=f"{len(vms)} machines", user=user)
    kick(router.pk)
    return change


def planned(plan: Plan) -> dict[str, Any]:
    """The columns of a change that say what is sent."""
    return {
        "lines": plan.lines, "undo": plan.undo_lines, "diff": list(plan.diff), "digest": plan.digest,
        "remark": "\n".join(plan.remarks),
    }  # fmt: skip


def _tenant_of(router: VyosRouter, vms: Sequence[Vm]) -> Tenant | None:
    """That of all its machines, else the router's own: nobody sees another tenant's machines in a change."""
    tenants = {vm.device.tenant_id for vm in vms}
    if len(tenants) == 1 and (own := vms[0].device.tenant) is not None:
        return own
    return router.device.tenant


def kick(router_id: int) -> None:
    """Let a worker work off what is queued, when the transaction commits."""
    send_after_commit(WORK_ON_ROUTER, router_id)


def due(router_id: int) -> "models.QuerySet[ConfigChange]":
    """What a worker has to do at a router now: what a lost one left first, then what is asked for, in order."""
    now = timezone.now()
    waiting = Q(status__in=[Status.QUEUED, Status.UNKNOWN], due_at__lte=now) | Q(status=Status.APPLYING)
    return ConfigChange.objects.filter(waiting, router=router_id).order_by(
        models.Case(models.When(status=Status.APPLYING, then=0), models.When(status=Status.UNKNOWN, then=1), default=2),
        "id",
    )


def run(router_id: int) -> int:
    """Work off the queue of a router; how many changes came to an end, or were put off.

    Who finds the router taken leaves: whoever has it looks at the queue when done (`routers.session`).
    """
    from provisioning.services.applying import Applier, save_late  # which end changes by what is above

    router = VyosRouter.objects.select_related("endpoint__device__tenant", "endpoint__credential").get(pk=router_id)
    done = 0
    while due(router_id).exists() or unsaved().filter(pk=router_id).exists():
        try:
            with routers.session(router, wait_seconds=WAIT_SECONDS) as asked:
                while (change := due(router_id).select_related("requested_by").first()) is not None:
                    with context.acting(change.requested_by, change.via):
                        Applier(asked, change).go()
                    done += 1
                if unsaved().filter(pk=router_id).exists():
                    save_late(asked)
        except routers.RouterBusy:
            return done
        except DriverError as error:
            log.warning("the router %s could not save its configuration: %s", router_id, error.detail)
            return done
        except routers.LeaseLost:
            log.warning("the lease of the router %s was lost; whoever has it now goes on", router_id)
            return done
        except NetmonError as error:
            _put_off(router_id, error)
    return done


def unsaved() -> "models.QuerySet[VyosRouter]":
    """Routers whose last change is applied and would not survive a reboot."""
    waiting = ConfigChange.objects.filter(router=models.OuterRef("pk"), status=Status.APPLIED, is_saved=False)
    return VyosRouter.objects.filter(models.Exists(waiting), is_saved=False)


def _put_off(router_id: int, error: NetmonError) -> None:
    """The router cannot even be asked: it has no address, no key, or may not be contacted."""
    for change in due(router_id):
        fail(change, error.code, error.detail)


def fail(change: ConfigChange, code: str, detail: str, *, status: str = Status.FAILED) -> None:
    """End a change that changed nothing, with all its parts."""
    with transaction.atomic():
        change.status, change.error_code, change.error_detail = status, code, detail
        change.finished_at = timezone.now()
        change.save(update_fields=["status", "error_code", "error_detail", "finished_at"])
        pending = change.items.filter(status__in=["pending", "unknown"])
        of = list(pending.exclude(vm=None).values_list("vm", flat=True))
        pending.update(status="unknown" if status == Status.UNKNOWN else "failed", error_code=code, error_detail=detail)
        if status != Status.UNKNOWN:
            mark(of, "failed")
        audit.record(status, change, detail=detail)


def mark(vm_ids: Sequence[int], applied: str) -> None:
    """What became of everything that was pending at these machines."""
    from provisioning.models import DhcpReservation, PortForward

    for model in (DhcpReservation, PortForward):
        model._default_manager.filter(vm__in=vm_ids, applied="pending").update(
            applied=applied, updated_at=timezone.now()
        )


@transaction.atomic
def retry(change: ConfigChange, *, user: Any = None) -> ConfigChange:
    """Queue a change again that failed, or whose end is unknown. What is sent is planned anew. Raises NotRetried."""
    change = ConfigChange.objects.select_for_update(of=("self",)).select_related("router").get(pk=change.pk)
    if not change.can_be_retried or change.router is None:
        raise NotRetried(f"This change is {change.get_status_display().lower()}: there is nothing to try again.")
    before = audit.snapshot(change)
    was_unknown = change.status == Status.UNKNOWN
    change.due_at, change.tries, change.error_code, change.error_detail = timezone.now(), 0, "", ""
    # Who asks again has seen why it failed, and asks for whatever is right now.
    change.is_approved = False
    if not was_unknown:  # an unknown one is read back first, and keeps its status until then
        change.status, change.finished_at, change.is_saved = Status.QUEUED, None, False
        change.items.filter(status="failed").update(status="pending", error_code="", error_detail="")
        _give_other_numbers(change)
    change.save()
    audit.record("retry", change, before=before, after=audit.snapshot(change), user=user)
    kick(change.router.pk)
    return change


def _give_other_numbers(change: ConfigChange) -> None:
    """A rule number that somebody has used on the router meanwhile is exchanged; ports and addresses were promised."""
    from provisioning.models import DhcpReservation, PortForward, RunningConfig
    from provisioning.services import allocation, conflicts

    router = change.router
    assert router is not None
    allocation.hold(router)
    ids = list(change.items.exclude(vm=None).values_list("vm", flat=True))
    DhcpReservation.objects.filter(vm__in=ids, applied="failed").update(applied="pending")
    PortForward.objects.filter(vm__in=ids, applied="failed").update(applied="pending")
    taken = conflicts.taken_at(router, RunningConfig.objects.filter(router=router).first())
    forwards = PortForward.objects.filter(vm__in=ids, desired="enabled", applied="pending")
    for forward in forwards.select_related("vm__router"):
        if ("destination", forward.rule_number) in taken.rules:
            allocation.renumber(forward, taken)


def sweep() -> int:
    """Send for what was queued and not sent, what a dead worker left, and what is due again; how many routers."""
    now = timezone.now()
    waiting = Q(status__in=[Status.QUEUED, Status.UNKNOWN], due_at__lte=now) | Q(status=Status.APPLYING)
    free = Q(router__claimed_until__isnull=True) | Q(router__claimed_until__lte=now)
    found = set(ConfigChange.objects.filter(waiting, free, router__isnull=False).values_list("router", flat=True))
    found |= set(
        unsaved().filter(Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)).values_list("pk", flat=True)
    )
    for number in found:
        kick(number)
    return len(found)


def prune(*, days: int) -> int:
    """Forget changes that ended longer ago, but the last of each machine, which says how it stands."""
    old = ConfigChange.objects.filter(finished_at__lt=timezone.now() - timedelta(days=days))
    latest = ConfigChange.objects.exclude(vm=None).values("vm").annotate(last=models.Max("id")).values("last")
    deleted, _ = old.exclude(pk__in=latest).exclude(status=Status.UNKNOWN).delete()
    return deleted
