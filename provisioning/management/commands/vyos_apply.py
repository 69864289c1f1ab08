import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from monitoring.management import answered
from provisioning.management import asked, following


def seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 3600:
        raise argparse.ArgumentTypeError("0 to 3600 seconds")
    return value


class Command(BaseCommand):
    help = (
        "Do what vyos_plan tells of: provision or decommission a machine, or change its ports, and wait until the "
        "router has it. 3: it runs and is not saved, or not all of it; 75: not over yet, netmon goes on. "
        f"{asked.CODES}"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--digest", default="", help="of vyos_plan: send exactly that, or nothing")
        parser.add_argument("--wait", type=seconds, default=60.0, metavar="SECONDS", help="at most (%(default)g)")
        asked.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        request = asked.read(options)
        with asked.refusals():
            done = request.send(digest=options["digest"])
        change = following.follow(done.change, options["wait"]) if done.change is not None else None
        if options["json"]:
            shown = following.as_dict(change) if change is not None else None
            # What was sent stands at the change: of the first plan other words may have come out.
            sent = {"lines": change.lines, "undo": change.undo, "diff": change.diff} if change is not None else {}
            answered.write_json(self, {**asked.as_dict(done), **sent, "change": shown})
        else:
            self._show(done, change)
        sys.exit(following.exit_code(change) if change is not None else asked.OK)

    def _show(self, done: Any, change: Any) -> None:
        made = done.made
        self.stdout.write(f"{done.vm.name}" + (f": {made.reservation.address}" if made is not None else ""))
        for name, port in (made.external_ports if made is not None else {}).items():
            self.stdout.write(f"  {name}: outside port {port}")
        if change is None:
            self.stdout.write("Nothing was sent: it is so already.")
            return
        for line in change.diff:
            self.stdout.write(f"  {line}")
        self.stdout.write(following.words(change))
