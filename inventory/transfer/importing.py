"""The life of an import: a file comes in, is checked, previewed and written, at once or by a job."""

from collections.abc import Callable
from typing import Any

from inventory.transfer import reading, writing
from inventory.transfer.reading import Unreadable
from netmon.audit import services as audit
from netmon.audit.context import acting
from netmon.common import queue
from netmon.common.errors import NetmonError
from netmon.common.permissions import has_role
from netmon.common.secrets import open_secret
from netmon.jobs import services as jobs
from netmon.jobs.models import Job
from netmon.rest import askers

KIND = "device.import"
DEADLINE_SECONDS = 1800
SYNCHRONOUS_CHARACTERS = 256 * 1024
SYNCHRONOUS_LINES = 1000  # longer files are a job's


class ImportRefused(NetmonError):
    """Some lines are wrong, so nothing was written; `data["errors"]` names each."""

    code = "import_refused"
    http_status = 400

    def __init__(self, outcome: writing.Outcome) -> None:
        first = outcome.faults[0]
        where = f"line {first.line}" + (f", {first.column}" if first.column else "")
        more = f" ({outcome.fault_count} errors in all)" if outcome.fault_count > 1 else ""
        super().__init__(
            f"Nothing was written. {where}: {first.detail}{more}",
            errors=[
                {
                    "location": "body",
                    "pointer": f"/{fault.line}/{fault.column}".rstrip("/"),
                    "code": fault.code,
                    "detail": f"line {fault.line}: {fault.detail}",
                }
                for fault in outcome.faults
            ],
        )
        self.outcome = outcome


class Asker:
    """What the planner and the serializer ask of a request: who."""

    def __init__(self, user: Any) -> None:
        self.user = user


def is_long(text: str) -> bool:
    """Whether a file takes longer than a request should: it becomes a job."""
    return text.count("\n") > SYNCHRONOUS_LINES or len(text) > SYNCHRONOUS_CHARACTERS


def run(
    text: str,
    *,
    user: Any,
    file_format: str,
    existing: str = "refuse",
    atomic: bool = True,
    dry_run: bool = False,
    kind: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
    before_commit: Callable[[], None] = lambda: None,
) -> writing.Outcome:
    """Import a text. `existing` says what becomes of devices that are there: refuse, skip or update.

    The outcome names up to 100 faults; when `atomic` and there are any, nothing is written. Raises Conflict when
    somebody else writes the same at the same time.
    """
    outcome = writing.Outcome()
    try:
        lines = list(reading.read(text, file_format))
    except Unreadable as error:
        outcome.add([error.fault])
        outcome.is_unreadable = True
        return outcome
    outcome = writing.run(
        lines,
        Asker(user),
        existing=existing,
        atomic=atomic,
        dry_run=dry_run,
        kind=kind,
        progress=progress,
        before_commit=before_commit,
    )
    if not dry_run:
        words = f"{outcome.created} created, {outcome.updated} updated, {outcome.fault_count} errors"
        audit.record("import", object_type="inventory.device", detail=words, user=user)
    return outcome


def start(
    text: str,
    *,
    user: Any,
    file_format: str,
    existing: str,
    atomic: bool,
    dry_run: bool,
    kind: str | None = None,
    name: str = "",
) -> Job:
    """Queue an import. The file is kept encrypted beside the job (it may hold secrets) and dropped at its end, or an
    hour after a preview."""
    job, _ = jobs.start(
        kind=KIND,
        key=jobs.unique_key(),
        task=queue.RUN_IMPORT_JOB,
        user=user,
        deadline_seconds=DEADLINE_SECONDS,
        arguments={
            "format": file_format,
            "existing": existing,
            "atomic": atomic,
            "dry_run": dry_run,
            "kind": kind,
            "name": name[:100],
            **askers.remembered(user),
        },
        payload=text,
        total=max(text.count("\n") + (not text.endswith("\n")) - (file_format == "csv"), 1),
    )
    return job


def confirm(preview: Job, *, user: Any) -> Job:
    """Queue the import that a preview showed, from the same file. Raises NetmonError when its file is gone."""
    text = open_secret(preview, "payload") if preview.payload else ""
    if not text or not preview.arguments.get("dry_run") or preview.requested_by_id != user.pk:
        raise NetmonError("The file of this preview is gone: upload it again.")
    arguments = preview.arguments
    return start(
        text,
        user=user,
        file_format=arguments["format"],
        existing=arguments["existing"],
        atomic=arguments["atomic"],
        dry_run=False,
        kind=arguments["kind"],
        name=arguments["name"],
    )


def run_job(job_id: int) -> None:
    """The worker's side of `start`, with the rights that the person has now."""
    job = jobs.claim(job_id)
    if job is None:
        return
    arguments = job.arguments
    user = askers.recalled(job)
    if user is None or not has_role(user, "operator"):
        detail = "Your role, or the API key that was used, does not allow this any more."
        jobs.finish(job, error_code="permission_denied", error_detail=detail)
        return
    with acting(user, askers.via(user)), jobs.ending(job):
        try:
            outcome = run(
                open_secret(job, "payload"),
                user=user,
                file_format=arguments["format"],
                existing=arguments["existing"],
                atomic=arguments["atomic"],
                dry_run=arguments["dry_run"],
                kind=arguments["kind"],
                progress=lambda done: jobs.progress(job, done),
                before_commit=lambda: jobs.check_running(job),
            )
        except jobs.Cancelled:
            jobs.finish_cancelled(job, result={"created": 0, "updated": 0})
            return
        except NetmonError as error:
            jobs.finish(job, error_code=error.code, error_detail=error.detail)
            return
    result = {"dry_run": arguments["dry_run"], **outcome.as_dict()}
    if outcome.is_unreadable or (outcome.fault_count and arguments["atomic"] and not arguments["dry_run"]):
        refusal = ImportRefused(outcome)
        jobs.finish(job, result=result, error_code=refusal.code, error_detail=refusal.detail)
        return
    jobs.finish(job, result=result, keeps_payload=arguments["dry_run"] and not outcome.fault_count)
