"""Configurations out of netmon, into a git repository that other tools read."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory.models import Device
from monitoring.management import polled
from monitoring.services import config_export
from monitoring.services.config_export import Exported, ExportRefused
from netmon.audit import services as audit
from netmon.audit.context import acting

USAGE = 2


class Command(BaseCommand):
    help = (
        "Write the newest configuration of each device into a git repository, a file each and one commit for what "
        "changed. Secrets are masked unless --raw. Exit codes: 0 ok, 1 failed, 2 usage, 3 some did not decrypt."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="new, empty, or made by an earlier run")
        parser.add_argument("--raw", action="store_true", help="whole, with passwords and keys in clear text")
        parser.add_argument("--yes", action="store_true", help="with --raw: do not ask")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["raw"] and not options["yes"]:
            self._confirm(options["directory"])
        devices = Device.objects.filter(config_versions__isnull=False).distinct().order_by("name_key", "pk")
        try:
            with acting(None, "command"):
                found = config_export.export(options["directory"], devices, is_raw=options["raw"])
                if not options["raw"]:
                    detail = f"{found.devices} masked configurations to {options['directory']}"
                    audit.record("export", object_type="monitoring.configversion", detail=detail)
        except ExportRefused as error:
            raise CommandError(error.detail, returncode=polled.FAILED) from None
        if options["json"]:
            self.stdout.write(json.dumps(_document(found), ensure_ascii=False, indent=2))
        else:
            for line in _lines(found, options["directory"]):
                self.stdout.write(line)
        sys.exit(polled.PARTLY if found.unreadable else polled.OK)

    def _confirm(self, directory: Path) -> None:
        if not sys.stdin.isatty():
            raise CommandError("--raw writes secrets in clear text: add --yes if you mean it.", returncode=USAGE)
        self.stderr.write(f"Passwords and keys of all devices go to {directory} in clear text.")
        self.stderr.write('Write "yes" to go on: ', ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip() != "yes":
            raise CommandError("Nothing was written.", returncode=polled.FAILED)


def _document(found: Exported) -> dict[str, Any]:
    names = ("devices", "added", "changed", "removed", "unreadable", "commit")
    return {name: getattr(found, name) for name in names}


def _lines(found: Exported, directory: Path) -> list[str]:
    lines = [found.message.splitlines()[0]] if found.commit else ["Nothing has changed since the last export."]
    lines += [f"{found.devices} configurations in {directory}."]
    if found.unreadable:
        lines.append(f"Not decrypted, left as they were: {', '.join(found.unreadable)}.")
    return lines
