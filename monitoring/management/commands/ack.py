import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from monitoring.alerting import actions
from monitoring.management import answered, chosen, polled
from monitoring.models import Alert
from netmon.audit import services as audit
from netmon.audit.context import acting


class Command(BaseCommand):
    help = (
        "Acknowledge alerts by their numbers: no reminder and no further step. Exit codes: 0 ok, 1 all were over "
        "already, 2 usage, 3 some were, 4 no such alert."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("alerts", nargs="+", type=int, metavar="ALERT", help="numbers, as the command alerts shows")
        parser.add_argument("--comment", default="", help="what others should know, at most 1000 characters")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if len(options["comment"]) > 1000 or "\x00" in options["comment"]:
            raise CommandError("A comment is a text of at most 1000 characters.", returncode=chosen.USAGE)
        ids = sorted(set(options["alerts"]))
        if not all(0 < pk < 2**63 for pk in ids):
            raise CommandError("Alerts have numbers from 1.", returncode=chosen.USAGE)
        found = {alert.pk: alert for alert in Alert.objects.filter(pk__in=ids)}
        if missing := [str(pk) for pk in ids if pk not in found]:
            raise CommandError(f"No such alert: {', '.join(missing)}.", returncode=chosen.NOT_FOUND)
        with acting(None, "command"), transaction.atomic():
            done = actions.acknowledge(found.values(), user=None, comment=options["comment"])
            audit.record_many("acknowledge", done, details=[options["comment"]] * len(done))
        over = sorted(set(found) - {alert.pk for alert in done})
        if options["json"]:
            answered.write_json(self, {"acknowledged": [alert.pk for alert in done], "over_already": over})
        else:
            lines = [f"{alert.pk}  acknowledged  {alert.summary}" for alert in done]
            answered.write_lines(self, lines + [f"{pk}  over already  {found[pk].summary}" for pk in over])
        sys.exit(polled.OK if not over else polled.PARTLY if done else polled.FAILED)
