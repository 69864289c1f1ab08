"""The end of machines and forwards: told before, marked when it comes, put off when somebody asks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from netmon.audit import services as audit
from provisioning.models import PortForward, Vm
from provisioning.services.refusals import NoSuchPort, VmLeaving
from provisioning.services.vms import Change, held

NOTICE = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What will end, and when; `forward` is None where the whole machine does."""

    vm: Vm
    forward: PortForward | None
    expires_at: datetime


def mark_due(now: datetime | None = None) -> list[Change]:
    """Switch off what is due, a transaction per machine. The addresses stay: who prolongs finds them again."""
    now = now or timezone.now()
    due = Q(expires_at__lte=now)
    over = set(Vm.objects.filter(due, state="active").values_list("pk", flat=True))
    over |= set(PortForward.objects.filter(due, desired="enabled").values_list("vm", flat=True))
    rows = Vm.objects.filter(pk__in=over).select_related("router").order_by("router_id", "pk")
    changes = [_mark(vm, now) for vm in rows]
    return [change for change in changes if not change.is_empty]


@transaction.atomic
def _mark(vm: Vm, now: datetime) -> Change:
    try:
        vm = held(vm)
    except VmLeaving:
        return Change(kind="expiry", vm=vm)
    is_over = vm.expires_at is not None and vm.expires_at <= now and vm.state == Vm.State.ACTIVE
    if is_over:
        before = audit.snapshot(vm)
        vm.state = Vm.State.EXPIRED
        vm.save(update_fields=["state", "updated_at"])
        audit.record("expire", vm, before=before, after=audit.snapshot(vm))
    changed = []
    for forward in vm.forwards.filter(desired="enabled"):
        if is_over or (forward.expires_at is not None and forward.expires_at <= now):
            before = audit.snapshot(forward)
            forward.desired, forward.why_disabled, forward.applied = "disabled", "expired", "pending"
            forward.save()
            audit.record("expire", forward, before=before, after=audit.snapshot(forward))
            changed.append(forward)
    return Change(kind="expiry", vm=vm, forwards=tuple(changed))


@transaction.atomic
def notices(now: datetime | None = None, *, before: timedelta = NOTICE) -> list[Notice]:
    """What ends soon and nobody was told of; each is told of once, until its end is moved."""
    now = now or timezone.now()
    soon = {"expires_at__gt": now, "expires_at__lte": now + before, "expiry_told_at": None}
    vms = list(Vm.objects.select_for_update(of=("self",)).filter(state="active", **soon).select_related("device"))
    forwards = PortForward.objects.select_for_update(of=("self",)).filter(desired="enabled", **soon)
    rows = list(forwards.select_related("vm__device"))
    Vm.objects.filter(pk__in=[vm.pk for vm in vms]).update(expiry_told_at=now)
    PortForward.objects.filter(pk__in=[row.pk for row in rows]).update(expiry_told_at=now)
    found = [Notice(vm=vm, forward=None, expires_at=vm.expires_at) for vm in vms if vm.expires_at]
    found += [Notice(vm=row.vm, forward=row, expires_at=row.expires_at) for row in rows if row.expires_at]
    return sorted(found, key=lambda notice: notice.expires_at)


@transaction.atomic
def set_end(vm: Vm, expires_at: datetime | None, names: Sequence[str] | None = None) -> Change:
    """Give a machine, or the named forwards, another end or none. What had expired is enabled again.

    Raises ValidationError, VmLeaving or NoSuchPort.
    """
    now = timezone.now()
    if expires_at is not None and expires_at <= now:
        raise ValidationError({"expires_at": "This lies in the past: give a later time."})
    vm = held(vm)
    if vm.state == Vm.State.LEAVING:
        raise VmLeaving(f"{vm} is being taken off its router: it has no end to move.", field="vm_name")
    forwards = {forward.name: forward for forward in vm.forwards.exclude(desired="absent")}
    if names is None:
        _move(vm, expires_at, {"state": Vm.State.ACTIVE})
        # Those whose own end has come stay off.
        chosen = [row for row in forwards.values() if row.expires_at is None or row.expires_at > now]
    else:
        if missing := [name for name in names if name not in forwards]:
            raise NoSuchPort(f"{vm} has no port {missing[0]}: create it first.", field="ports")
        chosen = [forwards[name] for name in names]
        for forward in chosen:
            _move(forward, expires_at, {})
    changed = [row for row in chosen if row.why_disabled == "expired" and vm.state == Vm.State.ACTIVE]
    for forward in changed:
        before = audit.snapshot(forward)
        forward.desired, forward.why_disabled, forward.applied = "enabled", "", "pending"
        forward.save()
        audit.record("update", forward, before=before, after=audit.snapshot(forward))
    return Change(kind="ports", vm=vm, forwards=tuple(changed))


def _move(row: Vm | PortForward, expires_at: datetime | None, more: dict[str, str]) -> None:
    before = audit.snapshot(row)
    row.expires_at, row.expiry_told_at = expires_at, None
    for name, value in more.items():
        setattr(row, name, value)
    row.save()
    audit.record("update", row, before=before, after=audit.snapshot(row))


def by_router(changes: Sequence[Change]) -> dict[int, list[Change]]:
    """Changes of one router go into one request."""
    found: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        found[change.vm.router_id].append(change)
    return dict(found)
