import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from monitoring.retention import prune, purge_deleted, sweep_orphans


class Command(BaseCommand):
    help = "Delete samples that are older than the settings keep, and samples of deleted series."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--orphans", action="store_true", help="also look for samples without a series (slow)")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        chunks = prune()
        purged = 0
        while count := purge_deleted():
            purged += count
        orphans = sweep_orphans() if options["orphans"] else 0
        if options["json"]:
            self.stdout.write(json.dumps({"chunks": chunks, "purged_series": purged, "orphans": orphans}))
        else:
            total = sum(chunks.values())
            self.stdout.write(f"Deleted {total} old chunks, {purged} deleted series, {orphans} orphans.")
