"""Running what was asked for: the script once more checked, its output written down as it comes, without secrets."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from inventory.models import Credential, Device
from inventory.targets import secret_for
from monitoring.modules import Collected
from monitoring.services import testing
from netmon.audit import services as audit
from netmon.audit.context import acting
from netmon.common.errors import Conflict, NetmonError, NoCredential
from netmon.common.permissions import has_role
from netmon.common.secrets import Undecryptable
from netmon.drivers import process
from netmon.drivers.errors import DriverError
from netmon.drivers.process import Script
from netmon.drivers.ssh import open_session
from netmon.drivers.ssh.uploading import Ran
from netmon.drivers.targets import SshTarget
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from provisioning import action_parameters
from provisioning.models import Action, ActionRun
from provisioning.redaction import Redactor
from provisioning.services import actions, scripts

SAY_SECONDS = 0.5
LOGIN_SECONDS = 60.0
Follow = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, wherever it ran."""

    exit_code: int | None
    killed_why: str
    is_truncated: bool
    total_bytes: int
    notes: tuple[str, ...] = ()


def run_job(job_id: int, follow: Follow | None = None) -> None:
    """The task behind `actions.request`; a command gives `follow` to show the output as it comes."""
    job = jobs.claim(job_id)
    if job is None:
        return
    run = ActionRun.objects.select_related("action", "device__primary_ip", "device__tenant", "requested_by").filter(
        job=job
    ).first()  # fmt: skip
    if run is None:
        jobs.finish(job, error_code="not_found", error_detail="The run is gone.")
        return
    taken = ActionRun.objects.filter(pk=run.pk, status=ActionRun.Status.QUEUED).update(
        status=ActionRun.Status.RUNNING, started_at=timezone.now()
    )
    if not taken:
        # Another worker began it and fell silent. What it did is not known, and it is never done twice.
        jobs.finish(job, error_code="worker_lost", error_detail="Its worker was lost: what it has done is not known.")
        actions.settle()
        return
    with jobs.ending(job), acting(run.requested_by, "job"):
        _Run(job, run, follow).go()


class _Run:
    """One run: its output so far, and what is written of it along the way."""

    def __init__(self, job: Job, run: ActionRun, follow: Follow | None) -> None:
        self.job, self.run, self.follow = job, run, follow
        self.redactor = Redactor(())
        self.pieces: list[str] = []
        self.is_unwritten = False
        self.began = time.monotonic()
        self.said_at = 0.0

    def go(self) -> None:
        run = self.run
        try:
            ended = self._go()
        except (NetmonError, DriverError, Undecryptable) as error:
            code, detail = getattr(error, "code", "undecryptable"), getattr(error, "detail", str(error))
            self._close(ActionRun.Status.FAILED, error_code=code, error_detail=detail)
            jobs.finish(self.job, error_code=code, error_detail=detail)
            return
        status, code, detail = _verdict(ended, run.action)
        self._close(
            status,
            error_code=code,
            error_detail=detail,
            exit_code=ended.exit_code,
            killed_why=ended.killed_why,
            is_truncated=ended.is_truncated,
            output_bytes=ended.total_bytes,
            confinement=list(ended.notes),
        )
        result = {"run": run.pk, "status": status, "exit_code": ended.exit_code}
        if status == ActionRun.Status.CANCELLED:
            jobs.finish_cancelled(self.job, result=result)
        else:
            jobs.finish(self.job, result=result, error_code=code, error_detail=detail)

    def _go(self) -> Ended:
        run, action = self.run, self.run.action
        if run.device is None:
            raise Conflict("The device is gone.")
        if not action.is_enabled:
            raise Conflict(f"The action {action} was switched off.")
        self._check_who(action, run.device)
        if (action.executable, action.run_on) != (run.executable, run.run_on) or not actions.is_for(action, run.device):
            raise Conflict(f"The action {action} was changed after this run was asked for: ask anew.")
        try:
            _, argv = actions.arguments_of(action, run.device, run.arguments)
        except ValidationError as error:
            raise Conflict(" ".join(error.messages)) from None
        if [action.executable, *argv] != run.argv:
            raise Conflict("The action, or the device's address, was changed after this run was asked for: ask anew.")
        secrets = self._secrets(action)
        self.redactor = Redactor(secrets.values())
        names = {"NETMON_ACTION": action.executable, "NETMON_RUN": str(run.pk), "NETMON_DEVICE": run.device_name}
        with scripts.open_approved(action) as script:
            if script.sha256 != run.sha256:
                raise scripts.ScriptRefused("The script has changed since this run was asked for.", reason="changed")
            if action.run_on == Action.RunOn.SSH:
                return self._over_ssh(script, argv, names | secrets)
            return self._here(script, argv, names | secrets)

    def _check_who(self, action: Action, device: Device) -> None:
        """A run may wait for a day: who asked for it may have lost the right to by now. Raises Conflict."""
        run, who = self.run, self.run.requested_by
        if device.tenant_id != run.tenant_id:
            raise Conflict(f"{device.name} has come to another tenant since this run was asked for: ask anew.")
        if who is None:
            return
        if not has_role(who, action.role) or not Device.objects.visible_to(who).filter(pk=device.pk).exists():
            raise Conflict(f"{who} may not run this action here any more.")

    def _secrets(self, action: Action) -> dict[str, str]:
        """Variable -> secret. Raises NoCredential, OutOfScope and Undecryptable."""
        assert self.run.device is not None
        found = {}
        for parameter in action_parameters.secrets(action.schema):
            row = Credential.objects.filter(pk=parameter.credential or 0).first()
            if row is None:
                raise NoCredential(f"The credential of the secret {parameter.name} is gone: choose another.")
            found[parameter.variable] = secret_for(row, self.run.device).reveal()
            audit.record("use", row, detail=f"action {action.name} at {self.run.device_name}, run {self.run.pk}")
        return found

    def _here(self, script: Script, argv: list[str], environment: dict[str, str]) -> Ended:
        account = scripts.account()
        try:
            outcome = process.run(
                script,
                argv,
                account=account,
                environment=environment,
                timeout_seconds=self.run.action.timeout_seconds,
                output_limit=self.run.action.output_limit_bytes,
                on_output=self._take,
                is_cancelled=self._is_cancelled,
            )
        except ValueError as error:
            raise Conflict(str(error)) from None
        confined = process.Confinement(account, outcome.has_namespace)
        why = outcome.killed_why or outcome.signal
        return Ended(
            outcome.exit_code, why, outcome.is_truncated, outcome.total_bytes, (*confined.notes, *outcome.notes)
        )

    def _over_ssh(self, script: Script, argv: list[str], environment: dict[str, str]) -> Ended:
        action, content = self.run.action, script.content()
        found: list[Ran] = []
        assert self.run.device is not None

        def collect(target: SshTarget, context: Any) -> Collected:
            deadline = min(3600.0, action.timeout_seconds + LOGIN_SECONDS)
            with open_session(dataclasses.replace(target, deadline_seconds=deadline)) as session:
                try:
                    ran = session.run_file(
                        content,
                        argv,
                        environment=environment,
                        timeout_seconds=action.timeout_seconds,
                        output_limit=action.output_limit_bytes,
                        on_output=self._take,
                        is_cancelled=self._is_cancelled,
                    )
                except ValueError as error:
                    raise Conflict(str(error)) from None
                found.append(ran)
                facts = {"ssh_meta": {"shown_keys": session.shown_keys}}
            return Collected(collected_at=time.time(), monotonic_at=time.monotonic(), facts=facts)

        answer, collected = testing.ask(actions.ssh_endpoint(self.run.device), collect, {}, is_direct=True)
        if collected is None:
            raise _Told(answer["error_code"], answer["error_detail"])
        (ran,) = found
        return Ended(ran.exit_code, ran.killed_why, ran.is_truncated, ran.total_bytes)

    # --- along the way
    def _take(self, raw: bytes) -> None:
        self._keep(self.redactor.feed(raw))
        self._write()

    def _keep(self, text: str) -> None:
        if not text:
            return
        self.pieces.append(text)
        self.is_unwritten = True
        if self.follow is not None:
            self.follow(text)

    def _write(self) -> None:
        """What is new, now and then: each time the whole of it is written."""
        now = time.monotonic()
        if not self.is_unwritten or now - self.said_at < SAY_SECONDS:
            return
        self.said_at, self.is_unwritten = now, False
        self.pieces = ["".join(self.pieces)]
        ActionRun.objects.filter(pk=self.run.pk, status=ActionRun.Status.RUNNING).update(output=self.pieces[0])

    def _is_cancelled(self) -> bool:
        """Also what keeps the job this worker's: it says that it is alive. And a script that falls silent has its last
        words shown."""
        self._write()
        done = min(int(time.monotonic() - self.began), max(0, self.run.action.timeout_seconds - 1))
        try:
            jobs.progress(self.job, done)
        except jobs.Cancelled:
            return True
        return False

    def _close(self, status: str, **columns: Any) -> None:
        self._keep(self.redactor.end())
        rows = ActionRun.objects.filter(pk=self.run.pk, status=ActionRun.Status.RUNNING)
        output = "".join(self.pieces)
        if not rows.update(status=status, output=output, finished_at=timezone.now(), **columns):
            return  # ended meanwhile by who took this worker for lost
        self.run.refresh_from_db()
        audit.record(
            "end",
            self.run,
            after={
                "status": status, "exit_code": self.run.exit_code, "killed_why": self.run.killed_why,
                "is_truncated": self.run.is_truncated, "sha256": self.run.sha256, "argv": self.run.argv,
            },
        )  # fmt: skip


class _Told(NetmonError):
    """What the way in said, with its code."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def _verdict(ended: Ended, action: Action) -> tuple[str, str, str]:
    """Status, error code and sentence."""
    if ended.killed_why == "cancelled":
        return ActionRun.Status.CANCELLED, "", ""
    if ended.killed_why == "timeout":
        text = f"It had not ended after {action.timeout_seconds} s and was ended."
        return ActionRun.Status.TIMED_OUT, "timeout", text
    if ended.killed_why == "cpu":
        return ActionRun.Status.FAILED, "limit", "It used more CPU time than it may, and was ended."
    if ended.killed_why:
        return ActionRun.Status.FAILED, "killed", f"It was ended by {ended.killed_why}."
    if ended.exit_code:
        return ActionRun.Status.FAILED, "exit_status", f"It ended with status {ended.exit_code}."
    return ActionRun.Status.SUCCEEDED, "", ""
