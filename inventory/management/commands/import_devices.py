import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory.transfer import importing, reading
from inventory.transfer.writing import Outcome
from netmon.accounts import acting_user
from netmon.audit.context import acting
from netmon.common.errors import NetmonError
from netmon.common.progress import ProgressBar

OK, FAILED, USAGE, PARTLY = 0, 1, 2, 3


class Command(BaseCommand):
    help = "Import devices from a CSV or JSON file (- for standard input): nothing is written if a line is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--format", choices=reading.FORMATS, help="default: by the name of the file, else csv")
        parser.add_argument(
            "--existing",
            choices=["refuse", "skip", "update"],
            default="refuse",
            help="what becomes of devices that are there (default: refuse)",
        )
        parser.add_argument("--no-atomic", action="store_true", help="write the right lines though others are wrong")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument("--json", action="store_true", help="one JSON document")
        acting_user.add_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        text = self._text(options["file"])
        file_format = options["format"] or ("json" if options["file"].lower().endswith(".json") else "csv")
        user = acting_user.acting_user(options["user"])
        bar = ProgressBar("lines")
        total = max(text.count("\n"), 1)
        try:
            with acting(user, "command"):
                outcome = importing.run(
                    text,
                    user=user,
                    file_format=file_format,
                    existing=options["existing"],
                    atomic=not options["no_atomic"],
                    dry_run=options["dry_run"],
                    progress=lambda done: bar(min(done, total), total),
                )
        except NetmonError as error:
            raise CommandError(error.detail, returncode=FAILED) from None
        finally:
            bar.close()
        written = not outcome.fault_count or (options["no_atomic"] and not options["dry_run"])
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], **outcome.as_dict()}, default=str))
        else:
            self._say(outcome, options["dry_run"], written)
        sys.exit(self._code(outcome, options))

    def _text(self, name: str) -> str:
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            return reading.decode(data)
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}.", returncode=USAGE) from None
        except reading.Unreadable as error:
            raise CommandError(f"{name}, line {error.fault.line}: {error}", returncode=FAILED) from None

    def _say(self, outcome: Outcome, dry_run: bool, written: bool) -> None:
        would = "would be " if dry_run else ""
        if written:
            self.stdout.write(
                f"{outcome.created} {would}created, {outcome.updated} {would}updated, {outcome.skipped} passed over."
            )
        else:
            self.stdout.write("Nothing was written.")
        for fault in outcome.faults:
            where = f"line {fault.line}" + (f", {fault.column}" if fault.column else "")
            self.stderr.write(f"{where}: {fault.detail}")
        if outcome.fault_count > len(outcome.faults):
            self.stderr.write(f"... {outcome.fault_count} errors in all.")

    def _code(self, outcome: Outcome, options: dict[str, Any]) -> int:
        if not outcome.fault_count:
            return OK
        is_partly = options["no_atomic"] and not options["dry_run"] and (outcome.created or outcome.updated)
        return PARTLY if is_partly else FAILED
