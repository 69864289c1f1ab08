import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from inventory.models import Device
from monitoring.alerting import rehearsal
from monitoring.management import answered, chosen, polled
from monitoring.models import AlertRule

SHOWN = 20


class Command(BaseCommand):
    help = (
        "What a rule would have raised on stored history. Exit codes: 0 ok, 1 of its source no history is kept, "
        "2 usage, 4 no such rule."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("rule", metavar="RULE", help="name or number of a rule")
        parser.add_argument(
            "--days", type=float, default=30, help=f"so many days back (30, at most {rehearsal.MAX_DAYS})"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 < options["days"] <= rehearsal.MAX_DAYS:
            raise CommandError(f"--days: write a number up to {rehearsal.MAX_DAYS}.", returncode=chosen.USAGE)
        rule = answered.named(AlertRule.objects.all(), options["rule"], "rule")
        try:
            found = rehearsal.rehearse(rule, days=options["days"], now=timezone.now())
        except rehearsal.TooMuch as error:
            raise CommandError(str(error), returncode=chosen.USAGE) from None
        names = dict(Device.objects.filter(pk__in={one.device_id for one in found.raised}).values_list("pk", "name"))
        raised = [
            {
                "device": names[one.device_id],
                "subject": one.subject,
                "raised_at": one.episode.raised_at,
                "resolved_at": one.episode.resolved_at,
            }
            for one in found.raised
        ]
        if options["json"]:
            document = {
                "rule": rule.name, "since": found.since, "until": found.until, "is_supported": found.is_supported,
                "is_exact": found.is_exact, "looked_at": found.looked_at, "count": len(raised),
                "at_night": found.at_night, "told": dict(found.told), "raised": raised[: rehearsal.SHOWN],
            }  # fmt: skip
            answered.write_json(self, document)
        elif not found.is_supported:
            self.stdout.write(f"Of the source {rule.source} no history is kept: it cannot be rehearsed.")
        else:
            self.stdout.write(
                f"{rule.name}: {len(raised)} in {options['days']:g} days, {found.at_night} at night (UTC)"
                + ("" if found.is_exact else "; worked out of averages where no values are kept any more")
            )
            rows = [
                [f"{one['raised_at']:%Y-%m-%d %H:%M}", str(one["device"]), str(one["subject"])]
                for one in raised[:SHOWN]
            ]
            answered.write_lines(self, polled.table(rows) if rows else [])
            answered.write_lines(self, [f"told {found.told[name]} times: {name}" for name in sorted(found.told)])
        sys.exit(polled.OK if found.is_supported else polled.FAILED)
