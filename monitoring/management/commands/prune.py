import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from monitoring.retention import forget_lapsed, prune, prune_events, purge_deleted, sweep_orphans
from monitoring.services import configs


class Command(BaseCommand):
    help = (
        "Delete what is older than the settings keep: samples, events, configurations; and samples of deleted series."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--orphans", action="store_true", help="also look for samples without a series (slow)")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        chunks, lapsed = prune(), forget_lapsed()
        purged = 0
        while count := purge_deleted():
            purged += count
        orphans = sweep_orphans() if options["orphans"] else 0
        events, versions = prune_events(), configs.prune()
        if options["json"]:
            counts = {"lapsed_series": lapsed, "purged_series": purged, "orphans": orphans}
            counts |= {"events": events, "config_versions": versions}
            self.stdout.write(json.dumps({"chunks": chunks, **counts}))
        else:
            total = sum(chunks.values())
            self.stdout.write(
                f"Deleted {total} old chunks, {lapsed} series of what is long gone, the samples of {purged} deleted "
                f"series, {orphans} orphans, {events} events, "
                f"{versions} versions of configurations."
            )
