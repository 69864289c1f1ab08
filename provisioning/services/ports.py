"""What is done to the forwards of a machine, all or the named ones. The router hears of it later."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from netmon.audit import services as audit
from provisioning.models import PortForward, Vm
from provisioning.services import allocation, places
from provisioning.services.allocation import NOTHING, Taken
from provisioning.services.refusals import Expired, NoSuchPort, VmDiffers, VmLeaving
from provisioning.services.vms import Change, held, is_same
from provisioning.services.wishes import PortWish, template

# action: what is wished then, and why it is disabled
ACTIONS = {
    "enable": ("enabled", ""),
    "disable": ("disabled", ""),
    "pause": ("disabled", "paused"),
    "delete": ("absent", ""),
}


@transaction.atomic
def create(vm: Vm, wishes: Sequence[PortWish] | None = None, *, taken: Taken = NOTHING) -> Change:
    """Add forwards; those that are there, just so, stay. Without `wishes`, the template: ssh, http and https.

    Raises VmLeaving, Expired, VmDiffers, ValidationError or what allocation refuses; nothing is written then.
    """
    vm = _able(vm)
    wishes = template() if wishes is None else tuple(wishes)
    there = {forward.name: forward for forward in vm.forwards.select_related("pool")}
    revived: list[PortForward] = []
    for wish in wishes:
        forward = there.get(wish.name)
        if forward is None:
            continue
        if not is_same(forward, wish):
            reason = "it is being deleted: wait for that" if forward.desired == "absent" else "delete it first"
            raise VmDiffers(f"{vm} has another port {wish.name}; {reason}, or choose another name.", field="ports")
        if forward.desired == "absent":
            revived.append(forward)
    new = [wish for wish in wishes if wish.name not in there]
    made: list[PortForward] = []
    if new:
        allocation.check_quotas(owner=vm.owner, tenant=vm.device.tenant, vms=0, forwards=len(new))
        pool = next((forward.pool for forward in there.values()), None) or places.default_port_pool(vm.router)
        made = allocation.make_forwards(vm, pool, new, taken=taken)
    for forward in made:
        audit.record("create", forward, after=audit.snapshot(forward))
    changed = [*_wish(revived, "enabled", ""), *made]
    return Change(kind="ports", vm=vm, forwards=tuple(changed))


@transaction.atomic
def act(vm: Vm, action: str, names: Sequence[str] | None = None) -> Change:
    """Enable, disable, pause or delete forwards. What is as wished already is no part of the change.

    A pause is of what is enabled: what was switched off for another reason keeps that one. Raises VmLeaving,
    NoSuchPort or Expired.
    """
    desired, why = ACTIONS[action]
    vm = _able(vm) if action == "enable" else _staying(vm)
    rows = {forward.name: forward for forward in vm.forwards.exclude(desired="absent")}
    if names is not None and (missing := [name for name in names if name not in rows]):
        if action == "delete" and vm.forwards.filter(name__in=missing).count() == len(missing):
            missing = []  # asked for twice
        if missing:
            known = ", ".join(rows) or "none"
            raise NoSuchPort(f"{vm} has no port {missing[0]}; it has {known}. Create it first.", field="ports")
    chosen = [forward for name, forward in rows.items() if names is None or name in names]
    if action == "enable":
        now = timezone.now()
        if over := [forward for forward in chosen if forward.expires_at is not None and forward.expires_at <= now]:
            if names is not None:
                raise Expired(f"The time of the port {over[0].name} is over: give it a later end.", field="expires_at")
            chosen = [forward for forward in chosen if forward not in over]
    if action == "pause":
        chosen = [forward for forward in chosen if forward.desired == "enabled"]
    return Change(kind="ports", vm=vm, forwards=tuple(_wish(chosen, desired, why)))


def _wish(forwards: Sequence[PortForward], desired: str, why: str) -> list[PortForward]:
    changed = []
    for forward in forwards:
        if (forward.desired, forward.why_disabled) == (desired, why):
            continue
        before = audit.snapshot(forward)
        # Another reason for the same state is nothing to the router.
        if forward.desired != desired:
            forward.applied = "pending"
            changed.append(forward)
        forward.desired, forward.why_disabled = desired, why
        forward.save()
        audit.record("update", forward, before=before, after=audit.snapshot(forward))
    return changed


@transaction.atomic
def release(vm: Vm) -> int:
    """Forget deleted forwards that the router holds no more; their ports and numbers are free. Returns how many."""
    vm = held(vm)
    gone = list(vm.forwards.filter(desired="absent", applied="applied"))
    for forward in gone:
        audit.record("delete", forward, before=audit.snapshot(forward))
        forward.delete()
    return len(gone)


def status_of(forward: PortForward) -> str:
    """enabled, disabled, expired or not_active, as people ask for it."""
    if forward.desired == "absent":
        return "not_active"
    return "expired" if forward.why_disabled == PortForward.Why.EXPIRED else forward.desired


def _staying(vm: Vm) -> Vm:
    vm = held(vm)
    if vm.state == Vm.State.LEAVING:
        raise VmLeaving(f"{vm} is being taken off its router: nothing of it can be changed.", field="vm_name")
    return vm


def _able(vm: Vm) -> Vm:
    vm = _staying(vm)
    if vm.state == Vm.State.EXPIRED:
        raise Expired(f"The time of {vm} is over: give it a later end first.", field="expires_at")
    return vm
