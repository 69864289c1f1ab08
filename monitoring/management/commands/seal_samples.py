import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from monitoring.store.seal import seal


class Command(BaseCommand):
    help = "Pack the samples of closed hours, days and months. Runs by itself every few minutes; harmless to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        done = asdict(seal(close_limit=None))
        if options["json"]:
            self.stdout.write(json.dumps(done))
        else:
            self.stdout.write(
                "Sealed {hours} hours ({rows} samples, {dropped} dropped), closed {days} days, {months} months.".format(
                    **done
                )
            )
