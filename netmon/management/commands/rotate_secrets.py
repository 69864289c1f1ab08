import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from netmon import rotation
from netmon.audit.context import acting
from netmon.common.progress import ProgressBar

MAX_BATCH = 10_000


class Command(BaseCommand):
    help = "Encrypt every stored secret under the first key of NETMON_FERNET_KEYS, while everything runs."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=200, help="rows to a transaction (200)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["batch"] <= MAX_BATCH:
            raise CommandError(f"--batch: give 1 to {MAX_BATCH}.", returncode=2)
        bar = ProgressBar("Rotating")
        try:
            with acting(None, "command"):
                report = rotation.rotate(batch=options["batch"], dry_run=options["dry_run"], progress=bar)
        finally:
            bar.close()
        if options["json"]:
            self.stdout.write(json.dumps(self._document(report, options["dry_run"]), default=str))
        else:
            self._tell(report, options["dry_run"])
        is_good = report.is_complete or (options["dry_run"] and not any(one.undecryptable for one in report.models))
        sys.exit(0 if is_good else 3)

    def _document(self, report: rotation.Report, dry_run: bool) -> dict[str, Any]:
        return {
            "dry_run": dry_run,
            "models": [
                {
                    "model": one.model,
                    "rotated": one.rotated,
                    "current": one.current,
                    "changed_meanwhile": one.changed,
                    "waiting": one.waiting,
                    "undecryptable": [{"id": pk, "fields": names} for pk, names in one.undecryptable.items()],
                }
                for one in report.models
            ],
            "keys": report.keys,
            "removable_keys": report.removable,
            "seconds": round(report.seconds, 3),
        }

    def _tell(self, report: rotation.Report, dry_run: bool) -> None:
        for one in report.models:
            waiting = f"{one.waiting} to do" if dry_run else f"{one.waiting} busy"
            self.stdout.write(
                f"{one.model}: {one.rotated} rotated, {one.current} already current, "
                f"{one.changed} changed meanwhile, {waiting}, {len(one.undecryptable)} undecryptable"
            )
            for pk, names in one.undecryptable.items():
                self.stdout.write(f"  {one.model} {pk}: {', '.join(names)} does not decrypt: enter it anew")
        if any(one.waiting for one in report.models) and not dry_run:
            self.stdout.write("Some rows were busy all the time: run this again.")
        for position, (name, count) in enumerate(report.keys.items(), 1):
            if name in report.removable:
                self.stdout.write(f"Key {position} ({name}) is no longer used: it may be removed.")
            else:
                label = f"Key {position}" if position <= len(rotation.key_ids()) else "A key not in NETMON_FERNET_KEYS"
                self.stdout.write(f"{label} ({name or 'no format of today'}): {count} secrets")
