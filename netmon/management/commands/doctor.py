import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from netmon import doctor


class Command(BaseCommand):
    help = "Say what is wrong with this installation and how to mend it. Exit code 1 when something fails."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        logging.disable()  # what the log would say stands in the findings
        try:
            for finding in doctor.examine():
                findings.append(finding)
                if not options["json"]:
                    self.stdout.write(str(finding))
                    self.stdout.flush()
        finally:
            logging.disable(logging.NOTSET)
        if options["json"]:
            self.stdout.write(doctor.as_json(findings))
        sys.exit(1 if any(finding.state == doctor.FAIL for finding in findings) else 0)
