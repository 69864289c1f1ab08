import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.management import answered, chosen
from netmon.audit.context import acting
from netmon.common.errors import NetmonError
from netmon.common.interrupting import interrupts
from netmon.jobs import services as jobs
from provisioning.models import Action, ActionRun
from provisioning.services import actions, running

OK, FAILED, USAGE, LATER, CANCELLED = 0, 1, 2, 75, 130


class Command(BaseCommand):
    help = (
        "Run an action at a device and follow its output. Exit codes: 0 it succeeded, 1 it failed or was refused, 2 "
        "usage, 4 not found, 75 it waits for a second person, 130 interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="name or number of the action")
        parser.add_argument("device", help="name of the device")
        parser.add_argument("--arg", action="append", default=[], metavar="NAME=VALUE", help="one of its parameters")
        parser.add_argument("--yes", action="store_true", help="confirm what the action wants confirmed")
        parser.add_argument("--dry-run", action="store_true", help="say what would run")
        parser.add_argument("--json", action="store_true", help="one JSON document, at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        row = answered.named(Action.objects.all(), options["name"], "action")
        found = chosen.devices([options["device"]], nothing="")
        if len(found) > 1:
            raise CommandError(f"Several devices are named {options['device']}.", returncode=USAGE)
        values = _values(options["arg"])
        try:
            with acting(None, "command"):
                if options["dry_run"]:
                    self._show_plan(actions.prepare(row, found[0], values).as_dict(), as_json=options["json"])
                    return
                run = actions.request(row, found[0], values, user=None, is_confirmed=options["yes"], is_sent=False)
        except ValidationError as error:
            texts = [f"{name}: {' '.join(words)}" for name, words in error.message_dict.items()]
            remedy = " (--yes)" if "confirm" in error.message_dict else ""
            raise CommandError(" ".join(texts) + remedy, returncode=USAGE) from None
        except NetmonError as error:
            raise CommandError(error.detail, returncode=FAILED) from None
        job = run.job
        if job is None:
            self.stderr.write(f"Run {run.pk} waits for a second person.")
            sys.exit(LATER)

        def follow(text: str) -> None:
            self.stdout.write(text, ending="")
            self.stdout.flush()

        with interrupts(lambda: jobs.cancel(job)):
            running.run_job(job.pk, None if options["json"] else follow)
        actions.settle()
        self._end(ActionRun.objects.get(pk=run.pk), as_json=options["json"])

    def _show_plan(self, plan: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            answered.write_json(self, plan)
            return
        for name in ("run_on", "argv", "variables", "sha256", "timeout_seconds", "needs_approval", "confinement"):
            self.stdout.write(f"{name:<16} {plan[name]}")

    def _end(self, run: ActionRun, *, as_json: bool) -> None:
        if as_json:
            names = ("status", "exit_code", "output", "is_truncated", "killed_why", "argv", "sha256", "error_detail")
            answered.write_json(self, {"id": run.pk, **{name: getattr(run, name) for name in names}})
        else:
            if run.output and not run.output.endswith("\n"):
                self.stdout.write("")
            cut = ", its output was cut" if run.is_truncated else ""
            self.stderr.write(f"Run {run.pk}: {run.get_status_display().lower()}{cut}. {run.error_detail}".strip())
        codes = {ActionRun.Status.SUCCEEDED: OK, ActionRun.Status.CANCELLED: CANCELLED}
        sys.exit(codes.get(ActionRun.Status(run.status), FAILED))


def _values(pairs: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, is_there, value = pair.partition("=")
        if not is_there:
            raise CommandError(f"--arg {pair}: write NAME=VALUE.", returncode=USAGE)
        if name in found:
            raise CommandError(f"--arg {name}: it is there twice.", returncode=USAGE)
        found[name] = value
    return found
