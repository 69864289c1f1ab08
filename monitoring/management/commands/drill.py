import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from monitoring.alerting import failures
from monitoring.management import answered, chosen, polled


class Command(BaseCommand):
    help = (
        "What would happen if these devices failed now, and who would hear of it. Nothing is touched or sent. "
        "Exit codes: 0 ok, 2 usage, 4 no such device."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="+", metavar="DEVICE", help="devices of the inventory")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        devices = chosen.devices(options["names"], nothing="")
        found = failures.rehearsed([device.pk for device in devices], None, timezone.now())
        if options["json"]:
            answered.write_json(self, found)
        else:
            answered.write_lines(self, list(self._lines(found)))
        sys.exit(polled.OK)

    def _lines(self, found: dict[str, Any]) -> Any:
        for fault in found["faults"]:
            rule = f", {fault['severity']}, by the rule {fault['rule']}" if fault["rule"] else ""
            yield f"{fault['device_name']}: {fault['state']}{rule}"
            for told in fault["told"]:
                held = f" ({told['held']}: {told['at']:%Y-%m-%d %H:%M} UTC)" if told["held"] else ""
                minutes = told["after_seconds"] // 60
                when = f"after {minutes} min" if minutes else "at once"
                yield f"  step {told['step']}, {when}: {told['contact']} by {told['channel']}{held}"
            if fault["why_silent"]:
                yield f"  nobody is told: {fault['why_silent']}"
        names = ", ".join(node["name"] for node in found["behind"])
        more = found["behind_count"] - len(found["behind"])
        yield f"Cut off: {found['behind_count']}" + (f": {names}" if names else "") + (f", {more} more" if more else "")
