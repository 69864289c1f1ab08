"""Backing up configurations from a terminal."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from inventory.models import Device
from monitoring.management import chosen, polled
from monitoring.models import ConfigVersion
from monitoring.services import configs
from netmon.audit.context import acting
from netmon.common.errors import NetmonError
from netmon.common.progress import ProgressBar

SIGNS = {"equal": "  ", "added": "+ ", "removed": "- "}


class Command(BaseCommand):
    help = (
        "Back up configurations now, over SSH, and say what changed. Exit codes: 0 ok, 1 failed, 2 usage, 3 partly, "
        "4 no such device, 5 login refused, 75 try later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="devices of the inventory")
        parser.add_argument("--all", action="store_true", help="every active device with an SSH endpoint")
        parser.add_argument("--diff", action="store_true", help="show what changed, secrets masked")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen.require_names_or_all(options)
        ways = {"endpoints__protocol": "ssh", "endpoints__is_enabled": True}
        try:
            nothing = "No active device has an SSH endpoint: add one."
            sys.exit(self._run(chosen.devices(options["names"], nothing=nothing, **ways), options))
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}", returncode=polled.TRY_LATER) from None

    def _run(self, devices: list[Device], options: dict[str, Any]) -> int:
        bar = ProgressBar("devices")
        found: list[dict[str, Any]] = []
        for number, device in enumerate(devices):
            bar(number, len(devices))
            entry = self._backup(device)
            if options["diff"]:
                entry["diffs"] = self._diffs(entry)
            found.append(entry)
        bar.close()
        if options["json"]:
            self.stdout.write(json.dumps({"devices": found}, ensure_ascii=False, indent=2, default=str))
        else:
            for line in polled.table([_row(entry) for entry in found]):
                self.stdout.write(line)
            for entry in found:
                self._write_diffs(entry)
        return polled.together(polled.exit_code([entry]) for entry in found)

    def _backup(self, device: Device) -> dict[str, Any]:
        shown = {"id": device.pk, "name": device.name}
        try:
            with acting(None, "command"):
                return {"device": shown, **configs.backup(device)}
        except NetmonError as error:
            refused: dict[str, Any] = {"ok": False, "ran": True, "changed": False, "versions": [], "is_saved": None}
            return {"device": shown, **refused, "error_code": error.code, "error_detail": error.detail}

    def _diffs(self, entry: dict[str, Any]) -> list[dict[str, Any]]:
        rows = ConfigVersion.objects.in_bulk([one["id"] for one in entry["versions"] if one["is_new"]])
        pairs = [(configs.before(row), row) for row in rows.values()]
        return [{"kind": new.kind, **configs.compare(old, new)} for old, new in pairs if old is not None]

    def _write_diffs(self, entry: dict[str, Any]) -> None:
        for diff in entry.get("diffs", ()):
            self.stdout.write(f"\n{entry['device']['name']}, {diff['kind']}: {diff['summary']}")
            for hunk in diff["hunks"]:
                self.stdout.write(f"@@ {hunk['before_start']} {hunk['after_start']} @@ {hunk['section']}".rstrip())
                for row in hunk["rows"]:
                    for line in _lines(row):
                        self.stdout.write(line)
            if diff["is_cut"]:
                self.stdout.write("... and more")


def _lines(row: dict[str, Any]) -> list[str]:
    if row["kind"] == "changed":
        return [f"- {row['before']}", f"+ {row['after']}"]
    return [SIGNS[row["kind"]] + (row["after"] if row["after_number"] else row["before"])]


def _row(entry: dict[str, Any]) -> list[str]:
    name = entry["device"]["name"]
    if not entry["ok"]:
        if not entry["ran"]:
            return [name, "not run", "a backup is under way, or time was up"]
        return [name, "failed", f"{entry['error_code']}: {entry['error_detail']}"]
    if entry["nothing"]:
        return [name, "nothing", entry["nothing"]]
    saved = {True: "saved", False: "not saved", None: ""}[entry["is_saved"]]
    new = [one for one in entry["versions"] if one["is_new"]]
    said = "; ".join(f"{one['kind']} {one['number']}: {one['summary']}{_by(one)}" for one in new)
    return [name, "changed" if new else "unchanged", " ".join(part for part in (said, saved) if part)]


def _by(one: dict[str, Any]) -> str:
    return f" By {one['changed_by']}." if one["changed_by"] else ""
