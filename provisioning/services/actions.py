"""Asking for a run of an action: checked, written down, approved by a second person where it must be, queued."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from inventory.models import Device, ManagementEndpoint
from inventory.policy import Policy
from inventory.targets import contact_address
from monitoring.alerting.rulebook import Scope, places_of
from monitoring.models import Alert
from netmon.audit import services as audit
from netmon.common.addresses import Address, parse_address
from netmon.common.errors import AlreadyRunning, Conflict, NoEndpoint
from netmon.common.permissions import has_role
from netmon.common.queue import RUN_ACTION_JOB
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from provisioning import action_parameters
from provisioning.models import Action, ActionRun
from provisioning.services import scripts

KIND = "action.run"
QUEUE_SECONDS = 3600.0
LEASE_SECONDS = 60
APPROVAL_HOURS = 24


class NotYours(Conflict):
    """The person may not do this with this run, whatever their role."""

    code = "second_person"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run as it would be."""

    action: Action
    device: Device
    arguments: dict[str, Any]
    argv: list[str]
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """A dry run's answer."""
        schema = self.action.schema
        return {
            "action": self.action.pk,
            "device": self.device.pk,
            "run_on": self.action.run_on,
            "argv": [self.action.executable, *self.argv],
            "variables": [one.variable for one in action_parameters.secrets(schema)],
            "sha256": self.sha256,
            "timeout_seconds": self.action.timeout_seconds,
            "confirmation": self.action.confirmation,
            "needs_approval": self.action.is_risky,
            "confinement": list(scripts.notes()) if self.action.run_on == Action.RunOn.LOCAL else [],
        }


# --- what may be run where
def runnable(user: Any, device: Device | None = None) -> list[Action]:
    """The actions that a person may run, at this device if one is named."""
    rows = Action.objects.visible_to(user).filter(is_enabled=True).select_related("site", "tag", "device", "tenant")
    found = [row for row in rows if has_role(user, row.role)]
    if device is None or not found:
        return found
    with_tags = any(row.tag_id is not None for row in found)
    place = places_of([device.pk], with_tags=with_tags)[device.pk]
    return [row for row in found if Scope.of(row).holds(place)]


def is_for(action: Action, device: Device) -> bool:
    place = places_of([device.pk], with_tags=action.tag_id is not None).get(device.pk)
    return place is not None and Scope.of(action).holds(place)


def prepare(action: Action, device: Device, values: Mapping[str, Any]) -> Prepared:
    """Check everything about a run but who asks. Raises ValidationError by field, and NetmonError."""
    scripts.directory()
    if not action.is_enabled:
        raise Conflict(f"The action {action} is switched off.")
    if not is_for(action, device):
        raise ValidationError({"device": f"{action} is not for {device.name}: its scope says where it may run."})
    arguments, argv = arguments_of(action, device, values)
    with scripts.open_approved(action) as script:
        return Prepared(action, device, arguments, argv, script.sha256)


def arguments_of(action: Action, device: Device, values: Any) -> tuple[dict[str, Any], list[str]]:
    """The values in their one form, and the argument list. Raises ValidationError and NetmonError."""
    try:
        schema = action.schema
        arguments = action_parameters.read(schema, values)
    except action_parameters.Wrong as error:
        raise ValidationError(
            {"arguments": [f"{name}: {text}" if name else text for name, text in error.errors.items()]}
        ) from None
    policy = Policy.load()
    for parameter in action_parameters.asked(schema):
        if parameter.kind == "address" and parameter.name in arguments:
            decision = policy.decide(parse_address(str(arguments[parameter.name])), tenant_id=device.tenant_id)
            if not decision.is_allowed:
                raise ValidationError({"arguments": f"{parameter.name}: {decision.reason}"})
    return arguments, action_parameters.argv(str(_address(action, device, policy)), schema, arguments)


def _address(action: Action, device: Device, policy: Policy) -> Address:
    if action.run_on == Action.RunOn.SSH:
        return contact_address(ssh_endpoint(device), policy)
    if device.primary_ip is None:
        raise NoEndpoint(f"{device.name} has no address: give it one.")
    address = parse_address(device.primary_ip.address)
    policy.check(address, tenant_id=device.tenant_id)
    return address


def ssh_endpoint(device: Device) -> ManagementEndpoint:
    """Raises NoEndpoint."""
    rows = ManagementEndpoint.objects.select_related("device__primary_ip", "device__tenant", "credential")
    row = rows.filter(device=device, protocol="ssh", is_enabled=True).order_by("pk").first()
    if row is None:
        raise NoEndpoint(f"{device.name} has no SSH endpoint that is switched on: give it one.")
    return row


# --- asking
def request(
    action: Action,
    device: Device,
    values: Mapping[str, Any],
    *,
    user: Any,
    is_confirmed: bool = False,
    alert: Alert | None = None,
    is_sent: bool = True,
) -> ActionRun:
    """Write a run down and queue it, or let it wait for a second person. Without `is_sent` the caller runs its job.

    Raises ValidationError by field, AlreadyRunning, and what `prepare` raises.
    """
    if action.confirmation and not is_confirmed:
        raise ValidationError({"confirm": f"Confirm first: {action.confirmation}"}, code="confirmation_required")
    if alert is not None and alert.device_id != device.pk:
        raise ValidationError({"alert": "This alert is not about this device."})
    prepared = prepare(action, device, values)
    try:
        with transaction.atomic():
            Action.objects.select_for_update().get(pk=action.pk)
            _refuse_active(action, device)
            run = ActionRun.objects.create(
                action=action,
                device=device,
                device_name=device.name,
                tenant_id=device.tenant_id,
                alert=alert,
                arguments=prepared.arguments,
                executable=action.executable,
                run_on=action.run_on,
                argv=[action.executable, *prepared.argv],
                sha256=prepared.sha256,
                requested_by=user,
                status=ActionRun.Status.WAITING if action.is_risky else ActionRun.Status.QUEUED,
            )
            if not action.is_risky:
                _queue(run, user=user, is_sent=is_sent)
            _record("request" if action.is_risky else "run", run, user)
    except IntegrityError:  # somebody was faster
        raise AlreadyRunning(f"{action} is under way at {device.name}: wait for it, or cancel it.") from None
    return run


def _refuse_active(action: Action, device: Device) -> None:
    settle()
    active = ActionRun.objects.active().filter(action=action)
    if other := active.filter(device=device).first():
        raise AlreadyRunning(
            f"{action} is under way at {device.name}: wait for it, or cancel it.", action_run=other.as_dict()
        )
    _refuse_crowd(action)


def _refuse_crowd(action: Action) -> None:
    at_work = ActionRun.objects.filter(action=action, status__in=["queued", "running"]).count()
    if at_work >= action.parallel_limit:
        raise Conflict(f"{action} runs {at_work} times already, as often as it may at once: wait for one to end.")


def _queue(run: ActionRun, *, user: Any, is_sent: bool = True) -> None:
    job, _ = jobs.start(
        kind=KIND,
        key=f"run {run.pk}",
        task=RUN_ACTION_JOB,
        user=user,
        deadline_seconds=QUEUE_SECONDS,
        arguments={"run": run.pk},
        total=run.action.timeout_seconds,
        lease_seconds=LEASE_SECONDS,
        is_sent=is_sent,
    )
    run.job = job
    run.save(update_fields=["job"])


def _record(verb: str, run: ActionRun, user: Any, detail: str = "") -> None:
    audit.record(
        verb,
        run,
        after={
            "action": run.action.name, "device": run.device_name, "argv": run.argv, "sha256": run.sha256,
            "run_on": run.run_on, "alert": run.alert_id,
        },
        detail=detail,
        user=user,
    )  # fmt: skip


# --- the second person
def may_decide(run: ActionRun, user: Any) -> bool:
    """Whether this person could be the second."""
    return has_role(user, run.action.role) and run.requested_by_id != getattr(user, "pk", None)


def approve(run: ActionRun, *, user: Any, decision: str = "") -> ActionRun:
    """Let a waiting run go. Raises NotYours for who asked for it, and Conflict."""
    if not may_decide(run, user):
        raise NotYours("Somebody else must approve this run: not who asked for it.")
    settle()
    with transaction.atomic():
        Action.objects.select_for_update().get(pk=run.action_id)
        _refuse_crowd(run.action)
        now = ActionRun.objects.filter(pk=run.pk, status=ActionRun.Status.WAITING)
        if not now.update(status=ActionRun.Status.QUEUED, approved_by=user, decision=decision[:300]):
            raise Conflict("This run does not wait for approval any more.")
        run.refresh_from_db()
        _queue(run, user=run.requested_by or user)
        _record("approve", run, user, decision)
    return run


def refuse(run: ActionRun, *, user: Any, decision: str = "") -> ActionRun:
    """Say no to a waiting run; who asked for it takes it back. Raises Conflict."""
    with transaction.atomic():
        rows = ActionRun.objects.filter(pk=run.pk, status=ActionRun.Status.WAITING)
        refused = ActionRun.Status.REFUSED if may_decide(run, user) else ActionRun.Status.CANCELLED
        if not rows.update(
            status=refused,
            decision=decision[:300],
            approved_by=user if refused == ActionRun.Status.REFUSED else None,
            finished_at=timezone.now(),
        ):
            raise Conflict("This run does not wait for approval any more.")
        run.refresh_from_db()
        _record("refuse" if refused == ActionRun.Status.REFUSED else "cancel", run, user, decision)
    return run


def cancel(run: ActionRun, *, user: Any) -> ActionRun:
    """Stop a run, or take back what waits. One that has ended stays as it is."""
    if run.status == ActionRun.Status.WAITING:
        with transaction.atomic():
            ActionRun.objects.filter(pk=run.pk, status=ActionRun.Status.WAITING).update(
                status=ActionRun.Status.CANCELLED, finished_at=timezone.now()
            )
            _record("cancel", run, user)
    elif run.is_active and run.job is not None:
        with transaction.atomic():
            jobs.cancel(run.job)
            _record("cancel", run, user)
        settle()
    run.refresh_from_db()
    return run


# --- keeping house
def settle(now: Any = None) -> int:
    """End runs whose job has ended without them, and those that nobody approved in a day."""
    now = now or timezone.now()
    settled = 0
    working = ActionRun.objects.filter(status__in=["queued", "running"]).select_related("job")
    for run in working.exclude(job__status__in=Job.ACTIVE):
        if run.job is None and run.created_at > now - timedelta(minutes=1):
            continue
        status = run.job.status if run.job else ActionRun.Status.LOST
        if status == Job.Status.SUCCEEDED:  # between the two of them
            continue
        settled += ActionRun.objects.filter(pk=run.pk, status=run.status).update(
            status=status,
            error_code=run.job.error_code if run.job else "worker_lost",
            error_detail=run.job.error_detail if run.job else "Its job is gone.",
            finished_at=now,
        )
    settled += ActionRun.objects.filter(
        status=ActionRun.Status.WAITING, created_at__lt=now - timedelta(hours=APPROVAL_HOURS)
    ).update(
        status=ActionRun.Status.REFUSED,
        error_code="not_approved",
        error_detail=f"Nobody approved it within {APPROVAL_HOURS} hours.",
        finished_at=now,
    )
    return settled


def prune(now: Any = None) -> int:
    """Forget runs that ended more than NETMON_ACTIONS_DAYS ago; the record of who ran them stays."""
    limit = (now or timezone.now()) - timedelta(days=settings.ACTIONS_DAYS)
    count, _ = ActionRun.objects.filter(finished_at__lt=limit).delete()
    return count
