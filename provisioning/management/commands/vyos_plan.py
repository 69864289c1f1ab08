from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from monitoring.management import answered
from provisioning.management import asked


class Command(BaseCommand):
    help = (
        "What a router would be sent for a machine, what would take it back, and the digest by which vyos_apply sends "
        f"exactly that. The router is read; nothing is written or sent. {asked.CODES}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        asked.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        request = asked.read(options)
        with asked.refusals():
            found = asked.as_dict(request.send(dry_run=True))
        if options["json"]:
            answered.write_json(self, found)
            return
        for line in asked.lines_of(found):
            self.stdout.write(line)
