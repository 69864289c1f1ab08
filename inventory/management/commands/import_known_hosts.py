import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory import known_hosts
from inventory.models import ManagementEndpoint
from netmon.accounts import acting_user
from netmon.audit.context import acting

OK, FAILED, USAGE, PARTLY = 0, 1, 2, 3


class Command(BaseCommand):
    help = "Trust the host keys of a known_hosts file (- for standard input) at the SSH endpoints that it speaks of."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument("--json", action="store_true", help="one JSON document")
        acting_user.add_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        text, dry_run = self._text(options["file"]), options["dry_run"]
        user = acting_user.acting_user(options["user"])
        try:
            with acting(user, "command"):
                found = known_hosts.take(text, user=user, rows=ManagementEndpoint.objects.all(), dry_run=dry_run)
        except known_hosts.TooMuch as error:
            raise CommandError(str(error), returncode=FAILED) from None
        if options["json"]:
            self.stdout.write(json.dumps(known_hosts.report(found, dry_run=dry_run), indent=2))
        else:
            for row in found:
                where = f"{row.host}{f' ({row.device})' if row.device else ''} {row.fingerprint}".rstrip()
                self.stdout.write(f"line {row.line}: {row.status}: {where}: {row.detail}")
        done = [row.status in known_hosts.GOOD for row in found]
        sys.exit(OK if all(done) else PARTLY if any(done) else FAILED)

    def _text(self, name: str) -> str:
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            return data.decode()
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}.", returncode=USAGE) from None
        except UnicodeDecodeError:
            raise CommandError(f"{name}: this is no text in UTF-8.", returncode=FAILED) from None
