"""What a router has beside what netmon means it to have: found by a schedule, told in words, healed or adopted.

Only what netmon has put there once is looked for: a change that is under way, or failed, is told of by itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.common.queue import COMPARE_ROUTER, send_after_commit
from netmon.drivers.errors import DriverError
from netmon.drivers.vyos import absence, describe, read_rules
from netmon.drivers.vyos import compare as compared
from provisioning import vyos_items
from provisioning.models import ConfigChange, DhcpReservation, DriftItem, PortForward, RunningConfig, Vm, VyosRouter
from provisioning.obstacles import Surroundings
from provisioning.services import adopting, changes, plans, routers, telling
from provisioning.services.refusals import Refusal
from provisioning.vyos_items import ON_ROUTER, Wanted

DIRECTIONS = ("heal", "adopt")
COLUMNS = ["kind", "vm", "reservation", "forward", "claim", "words", "lines", "can_adopt"]


class NotAdoptable(Refusal):
    """What the router has cannot become what netmon wishes."""

    code = "not_adoptable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """`change` carries what is healed; None when only adopted."""

    change: ConfigChange | None
    adopted: tuple[str, ...] = ()


def spread() -> int:
    """Let each router with machines be compared, each in a task of its own; how many."""
    numbers = list(VyosRouter.objects.filter(vms__isnull=False).distinct().values_list("pk", flat=True))
    for number in numbers:
        send_after_commit(COMPARE_ROUTER, number)
    return len(numbers)


def compare_quietly(router_id: int) -> None:
    """`compare` for a schedule: a router that cannot be asked is noted at the router, and asked again next time."""
    router = VyosRouter.objects.select_related("endpoint__device__tenant", "endpoint__credential").filter(pk=router_id)
    for one in router:
        try:
            compare(one)
        except NetmonError:
            return  # `routers.note` and the router's own checks tell


def compare(router: VyosRouter) -> list[DriftItem]:
    """Read a router and keep what differs. Raises RouterBusy or RouterFailed.

    What seems to differ is read once more before it is believed: beside somebody's commit one sees what is discarded.
    """
    try:
        with routers.session(router) as asked:
            family = asked.version().family
            found = _differences(router, asked.read(), family)
            if found:
                again = {item.label: item for item in _differences(router, asked.read(), family)}
                found = [again[item.label] for item in found if item.label in again]
    except DriverError as error:
        raise routers.failed(router, error) from None
    return _keep(router, found)


def _differences(router: VyosRouter, running: RunningConfig, family: str) -> list[DriftItem]:
    whole = routers.whole(running)
    serves = [address for entry in running.interfaces for address in entry["addresses"]]
    claimed = plans.claimed(router)
    seen = Surroundings.of(whole, serves, router.external_address, claimed)
    # A change under way has the last word about its machines.
    busy = ConfigChange.objects.filter(router=router, status__in=["queued", "applying", "unknown"])
    settled = Vm.objects.filter(router=router).exclude(pk__in=busy.values("items__vm").exclude(items__vm=None))
    found: list[DriftItem] = []
    for one in (*_wanted(plans.with_all(settled)), *plans.shared(router), *_strays(running, claimed)):
        item = _difference(router, one, whole, family, seen)
        if item is not None:
            found.append(item)
    return found


def _wanted(vms: Iterable[Vm]) -> list[Wanted]:
    found = []
    for vm in vms:
        try:
            entries = vyos_items.of_vm(vm)
        except ValueError:
            continue  # no router can have it, so none has lost it
        found += [one for one in entries if _was_put(one)]
    return found


def _was_put(one: Wanted) -> bool:
    return getattr(one.row, "applied", "applied") in ON_ROUTER


def _strays(running: RunningConfig, claimed: Iterable[int]) -> list[Wanted]:
    return vyos_items.strays(read_rules(running.nat), frozenset(claimed))


def _difference(
    router: VyosRouter, one: Wanted, whole: dict[str, Any], family: str, seen: Surroundings
) -> DriftItem | None:
    try:
        heal = (absence if one.is_absent else compared)(one.item, whole, family)
    except ValueError:
        return None  # the family cannot have it: said when it was planned
    if heal.is_equal:
        return None
    in_the_way = [] if one.row is None else seen.obstacles(one, is_equal=False, family=family)
    words = [difference.words for difference in heal.differences]
    kind = "leftover" if one.is_absent else "missing" if heal.is_missing else "differs"
    if one.is_absent:
        words = ["It is still there, and nobody needs it any more."]
    if in_the_way:
        if one.is_absent:
            return None
        kind, words = "foreign", [obstacle.words for obstacle in in_the_way]
    row = one.row
    return DriftItem(
        router=router,
        kind=kind,
        label=describe(one.item)[:200],
        vm=getattr(row, "vm", None),
        reservation=row if isinstance(row, DhcpReservation) else None,
        forward=row if isinstance(row, PortForward) else None,
        claim=row if row is not None and not isinstance(row, DhcpReservation | PortForward) else None,
        words=words,
        lines=[] if in_the_way else [command.line for command in heal.commands],
        can_adopt=not in_the_way and adopting.can_adopt(one, kind, whole),
    )


@transaction.atomic
def _keep(router: VyosRouter, found: Sequence[DriftItem]) -> list[DriftItem]:
    """Replace what was known by what was found; what is still the same keeps the time when it was first seen."""
    known = {item.label: item for item in DriftItem.objects.select_for_update().filter(router=router)}
    gone = [item.pk for label, item in known.items() if label not in {one.label for one in found}]
    DriftItem.objects.filter(pk__in=gone).delete()
    for item in found:
        if (old := known.get(item.label)) is not None:
            item.pk, item.found_at = old.pk, old.found_at
            item.save(force_update=True, update_fields=COLUMNS)
        else:
            item.save()
    _mark(router, found)
    VyosRouter.objects.filter(pk=router.pk).update(compared_at=timezone.now())
    telling.tell_drift(router, found)
    return list(DriftItem.objects.filter(router=router).select_related("vm__device", "forward", "reservation"))


def _mark(router: VyosRouter, found: Sequence[DriftItem]) -> None:
    for model, name in ((DhcpReservation, "reservation_id"), (PortForward, "forward_id")):
        ids = {getattr(item, name) for item in found} - {None}
        rows = model._default_manager.filter(vm__router=router)
        rows.filter(applied="applied", pk__in=ids).update(applied="drifted", updated_at=timezone.now())
        # What a change under way concerns was not looked at.
        busy = ConfigChange.objects.filter(router=router, status__in=["queued", "applying", "unknown"])
        calm = rows.exclude(vm__in=busy.values("items__vm").exclude(items__vm=None))
        calm.filter(applied="drifted").exclude(pk__in=ids).update(applied="applied", updated_at=timezone.now())


@transaction.atomic
def reconcile(
    router: VyosRouter, item_ids: Sequence[int], direction: str, *, user: Any = None, via: str = ""
) -> Reconciled:
    """Heal: the router gets what netmon wishes. Adopt: netmon wishes what the router has, and nothing is sent.

    Raises ValidationError, or NotAdoptable; nothing is written then.
    """
    if direction not in DIRECTIONS:
        raise ValidationError({"direction": f"Choose one of {', '.join(DIRECTIONS)}."})
    rows = DriftItem.objects.filter(router=router, pk__in=list(item_ids)).select_related("vm__device", "forward__vm")
    items = list(rows)
    if not item_ids:
        raise ValidationError({"items": "Choose at least one of what differs."})
    if missing := sorted(set(item_ids) - {item.pk for item in items}):
        raise ValidationError({"items": f"Not among what differs at this router (any more): {missing[0]}."})
    if direction == "adopt":
        return _adopt(router, items)
    if stuck := [item for item in items if item.kind == "foreign"]:
        raise NotAdoptable(
            f"{stuck[0].label}: what stands there is not netmon's, and is not touched. {' '.join(stuck[0].words)}",
            field="items",
        )
    vms = {item.vm.pk: item.vm for item in items if item.vm is not None}
    change = changes.queue(
        router, "reconcile", list(vms.values()), user=user, via=via, only=[item.label for item in items]
    )
    return Reconciled(change=change)


def _adopt(router: VyosRouter, items: Sequence[DriftItem]) -> Reconciled:
    running = RunningConfig.objects.filter(router=router).first()
    if running is None:
        raise NotAdoptable("The router was not read yet: compare it first.", field="items")
    done = []
    for item in items:
        if not item.can_adopt:
            raise NotAdoptable(f"{item.label}: what the router has cannot be taken over; heal it.", field="items")
        adopting.adopt(item, routers.whole(running), NotAdoptable)
        audit.record("adopt", item, after={"label": item.label, "words": item.words}, detail=item.label)
        done.append(item.label)
    DriftItem.objects.filter(pk__in=[item.pk for item in items]).delete()
    telling.tell_drift(router, list(DriftItem.objects.filter(router=router)))
    return Reconciled(change=None, adopted=tuple(done))
