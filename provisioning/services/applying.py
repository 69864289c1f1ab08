"""One change carried out at a router whose lease is held: read, plan, send once, save, read back, mark.

Whatever is interrupted here can be taken up by another process, for every step is written down before the next: a
change that is `applying` with requests sent is read back before anything else is done. What was sent and not answered
is never sent again blind. The saved configuration is written before the read-back, so that what is then seen survives a
reboot.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from netmon.audit import services as audit
from netmon.common.errors import NetmonError
from netmon.drivers.errors import (
    AuthenticationFailed,
    Busy,
    DeadlineExceeded,
    DriverError,
    NotSupported,
    Rejected,
    Unreachable,
)
from netmon.drivers.vyos import Version, may_have_applied
from provisioning.models import ConfigChange, DhcpPool, RunningConfig, Vm, VyosRouter
from provisioning.planning import Plan
from provisioning.services import changes, guarding, plans, settling
from provisioning.services.routers import LeaseLost, Session

log = logging.getLogger(__name__)

Status = ConfigChange.Status
MOST_SENDS = 2  # of the same lines, where the first were proven lost
MOST_TRIES = 10
REUSE_SECONDS = 3.0
SETTLE_SECONDS = 1.0
MOST_LOOKS = 5
BACKOFF_SECONDS = (2, 5, 10, 20, 40, 60, 120, 300, 600, 900)
# Surely not applied, and perhaps better in a while.
PASSING = (Busy, Unreachable, DeadlineExceeded)


def save_late(asked: Session) -> None:
    """Save what an earlier save failed at, and see whether it is still there. Raises DriverError or LeaseLost."""
    router = asked.router
    unsaved = ConfigChange.objects.filter(router=router, status=Status.APPLIED, is_saved=False)
    ids = unsaved.exclude(items__vm=None).values_list("items__vm", flat=True)
    version = asked.version()
    asked.save()
    running = asked.read()
    if plans.plan_of(router, plans.load(set(ids)), running, version.family).touched:
        # A reboot was faster: what is missing is drift now, and is told as such.
        VyosRouter.objects.filter(pk=router.pk).update(is_saved=True)
    else:
        settling.saved(router)


class NotSettled(Exception):
    """Two readings in a row differ: the router is still at it."""


class Applier:
    """Carries out one change. `go` raises LeaseLost only."""

    def __init__(self, asked: Session, change: ConfigChange) -> None:
        self.asked = asked
        self.change = change
        self.router = asked.router
        self.running: RunningConfig | None = None
        # Whether something that was sent may stand on the router, and nobody knows yet.
        self.in_doubt = change.status in (Status.APPLYING, Status.UNKNOWN) and change.sent_requests > 0

    def go(self) -> None:
        """Ends in applied, failed, unknown or reverted, or puts the change off."""
        begun_at, was_in_doubt = self.change.started_at, self.in_doubt
        if not self._begin():
            return
        try:
            version = self.asked.version()
            if self.change.kind == ConfigChange.Kind.SAVE:
                self.asked.save()
                settling.saved(self.router)
                settling.finish(self.change)
                return
            self.running = self._settled() if was_in_doubt else self._read()
            if was_in_doubt and self.change.confirm_minutes is not None:
                is_there = not self._plan(self._vms(), version).commands
                if not is_there and guarding.has_run_out(self.change, begun_at):
                    settling.reverted(self.change, "The router went back by itself: nobody confirmed in time.")
                    return
                if is_there:
                    guarding.confirm(self.asked)
            self._carry_out(version)
        except DriverError as error:
            self._failed(error)
        except LeaseLost:
            raise
        except NotSettled:
            self._put_off("unsettled", "The router's configuration was still changing when it was read back.")
        except NetmonError as error:
            self._end(error.code, error.detail)
        except Exception:
            # One change that cannot be carried out must not keep the others waiting for ever.
            log.exception("change %s came to nothing", self.change.pk)
            self._end("internal", "netmon failed at this change: see its log.")

    def _begin(self) -> bool:
        """Mark it as under way; False when somebody else has dealt with it meanwhile."""
        now = timezone.now()
        rows = ConfigChange.objects.filter(pk=self.change.pk, status=self.change.status)
        begun = rows.update(status=Status.APPLYING, finished_at=None, started_at=now, tries=F("tries") + 1)
        self.change.refresh_from_db()
        return bool(begun)

    def _vms(self) -> list[Vm]:
        """The machines whose part is not done yet. Who is gone is done: rows go when the router is clean."""
        open_items = self.change.items.filter(status__in=["pending", "unknown"])
        open_items.filter(vm=None).update(status="applied")
        return plans.load(open_items.exclude(vm=None).values_list("vm", flat=True))

    def _carry_out(self, version: Version) -> None:
        groups = [self._vms()]
        while groups:
            group = groups.pop()
            if not group and not self.change.only:
                continue
            plan = self._plan(group, version)
            if plan.obstacles:
                groups += self._set_aside(group, plan)
            elif self.change.is_approved and plan.commands and plan.digest != self.change.digest:
                self._end(
                    "stale_plan",
                    "The router was changed after the plan was approved: nothing was sent. Look at the plan again.",
                )
                return
            else:
                try:
                    if not self._send(group, plan, version):
                        return
                except Rejected as error:
                    if not group:
                        raise
                    if self.in_doubt or len(group) == 1:
                        self._fail_group(group, error)
                        continue
                    # One of them is refused, and with it all: halves tell which.
                    middle = len(group) // 2
                    groups += [group[middle:], group[:middle]]
        settling.finish(self.change)

    def _set_aside(self, group: list[Vm], plan: Plan) -> list[list[Vm]]:
        """End the part of those machines that something stands in the way of; the others go on."""
        words: dict[int, tuple[str, str]] = {}
        for obstacle in plan.obstacles:
            vm_id = getattr(obstacle.row, "vm_id", None)
            for number in [vm_id] if vm_id is not None else [vm.pk for vm in group]:
                words.setdefault(number, (obstacle.code, obstacle.words))
        for number, (code, text) in words.items():
            settling.fail_item(self.change, number, code, text)
        return [[vm for vm in group if vm.pk not in words]]

    def _send(self, group: Sequence[Vm], plan: Plan, version: Version) -> bool:
        """Make the router have what the plan says. False when the change has ended otherwise.

        Raises CommitFailed or Rejected when the router refuses, and what reading and saving raise.
        """
        guard = guarding.Guard.of(self.router, version, group) if plan.commands else None
        for attempt in range(MOST_SENDS):
            if not plan.commands:
                break
            self._write_down(plan, guard)
            sent, commit = plan, None
            try:
                commit = self.asked.configure(list(plan.commands), guard.minutes if guard else None)
            except DriverError as error:
                if not may_have_applied(error):
                    self.in_doubt = False
                    raise
                self.running = self._settled()
                plan = self._plan(group, version)
                if plan.commands and attempt + 1 == MOST_SENDS:
                    raise
                if plan.commands:
                    continue
            if guard is not None and not guard.watch(self.asked, commit, sent):
                settling.reverted(self.change, guard.words)
                return False
            if guard is not None and guard.words:
                self._remark(guard.words)
            break
        self._verify(group, version)
        return True

    def _write_down(self, plan: Plan, guard: "guarding.Guard | None") -> None:
        """What will be sent, before it is: whoever comes after a crash knows that something may stand."""
        values = changes.planned(plan)
        values["remark"] = "\n".join(dict.fromkeys(filter(None, [self.change.remark, *plan.remarks])))
        if self.change.sent_requests and self.change.items.count() > 1:
            values["lines"] = [*self.change.lines, *plan.lines]
            values["undo"] = [*plan.undo_lines, *self.change.undo]
            values["diff"] = [*self.change.diff, *plan.diff]
        for name, value in values.items():
            setattr(self.change, name, value)
        self.change.sent_requests += 1
        self.in_doubt = True
        self.change.confirm_minutes = guard.minutes if guard else None
        with transaction.atomic():
            self.change.save(update_fields=[*values, "sent_requests", "confirm_minutes"])
            VyosRouter.objects.filter(pk=self.router.pk).update(is_saved=False)
            for subnet in plan.makes:
                pools = DhcpPool.objects.filter(
                    router=self.router, shared_network=subnet.network, prefix__cidr=subnet.prefix
                )
                pools.update(made_subnet=True)

    def _verify(self, group: Sequence[Vm], version: Version) -> None:
        """Save, read back, and mark what is there and what is not."""
        try:
            self.asked.save()
            is_saved = True
        except DriverError as error:
            is_saved = False
            self.asked.error = error
            self._remark(f"Not saved: {error.detail}")
        self.running = self.asked.read()
        plan = self._plan(group, version)
        settling.settle(self.change, self.router, group, plan, is_saved=is_saved, running=self.running)
        self.in_doubt = False

    def _remark(self, words: str) -> None:
        self.change.remark = "\n".join(filter(None, [self.change.remark, words]))

    def _plan(self, group: Sequence[Vm], version: Version) -> Plan:
        assert self.running is not None
        return plans.plan_of(self.router, group, self.running, version.family, only=self.change.only)

    def _read(self) -> RunningConfig:
        """What runs, or what ran a moment ago: a commit takes as long, and who approved a plan gets neither."""
        just = None if self.change.is_approved else self.asked.just_read(REUSE_SECONDS)
        return just if just is not None else self.asked.read()

    def _settled(self) -> RunningConfig:
        """What runs when two readings in a row agree: beside a commit under way one sees what may be discarded.

        Raises NotSettled, or what reading raises the last time.
        """
        before = None
        for look in range(MOST_LOOKS):
            try:
                now = self.asked.read()
            except DriverError:
                if look + 1 == MOST_LOOKS:
                    raise
                before = None
            else:
                if before is not None and (before.dhcp, before.nat) == (now.dhcp, now.nat):
                    return now
                before = now
            time.sleep(SETTLE_SECONDS)
        raise NotSettled

    def _failed(self, error: DriverError) -> None:
        """What an error of the router means for the change."""
        self.asked.error = error
        if isinstance(error, (AuthenticationFailed, NotSupported)):
            # A router that was upgraded has other paths: it is asked again what it is.
            VyosRouter.objects.filter(pk=self.router.pk).update(capabilities={})
        if isinstance(error, PASSING) or self.in_doubt:
            self._put_off(error.code, error.detail)
        else:
            self._end(error.code, error.detail)

    def _fail_group(self, group: Sequence[Vm], error: DriverError) -> None:
        for vm in group:
            settling.fail_item(self.change, vm.pk, error.code, error.detail)

    def _end(self, code: str, detail: str) -> None:
        """End the change with what of it was done."""
        if self.in_doubt:
            changes.fail(self.change, code, detail, status=Status.UNKNOWN)
        elif self.change.items.filter(status="applied").exists():
            for vm in self._vms():
                settling.fail_item(self.change, vm.pk, code, detail)
            settling.finish(self.change)
        else:
            changes.fail(self.change, code, detail)

    def _is_over(self) -> bool:
        return self.change.tries >= MOST_TRIES

    def _put_off(self, code: str, detail: str) -> None:
        """Try again later: what may stand is `unknown` until then, what surely does not is queued."""
        wait = BACKOFF_SECONDS[min(self.change.tries, len(BACKOFF_SECONDS)) - 1]
        if self.in_doubt:
            changes.fail(self.change, code, detail, status=Status.UNKNOWN)
            wait = BACKOFF_SECONDS[-1] if self._is_over() else wait
        elif self._is_over():
            self._end(code, detail)
            return
        else:
            self.change.status, self.change.finished_at = Status.QUEUED, None
            self.change.error_code, self.change.error_detail = code, detail
        self.change.due_at = timezone.now() + timedelta(seconds=wait)
        self.change.save(update_fields=["status", "finished_at", "error_code", "error_detail", "due_at"])
        audit.record("delay", self.change, detail=detail)
