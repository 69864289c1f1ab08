import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory.models import Device
from inventory.transfer import exporting
from netmon.audit import services as audit
from netmon.audit.context import acting
from netmon.common.progress import ProgressBar

FAILED = 1


class Command(BaseCommand):
    help = "Write all devices, without secrets, as an import takes them."

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_mutually_exclusive_group()
        kinds.add_argument("--csv", action="store_const", const="csv", dest="form", help="the default")
        kinds.add_argument("--json", action="store_const", const="json", dest="form")
        parser.add_argument("--output", metavar="FILE", help="default: standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        form = options["form"] or "csv"
        ids = list(Device.objects.order_by("name_key", "pk").values_list("pk", flat=True))
        parts, _ = exporting.FORMATS[form]
        bar = ProgressBar("devices")
        with ExitStack() as stack:
            stack.callback(bar.close)
            out = self._open(options["output"], stack)
            part: Any
            for done, part in enumerate(parts(ids, user=None, names_logins=True)):
                text = part.decode() if isinstance(part, bytes) else part
                if out is not None:
                    out.write(text)
                else:
                    self.stdout.write(text, ending="")
                bar(min(done, len(ids)), len(ids))
        with acting(None, "command"):
            audit.record("export", object_type="inventory.device", detail=f"{len(ids)} devices as {form}")
        if options["output"]:
            sys.stderr.write(f"{len(ids)} devices written to {options['output']}.\n")

    def _open(self, name: str | None, stack: ExitStack) -> TextIO | None:
        if name is None:
            return None
        try:
            # As the lines come: CSV brings its own line ends.
            return stack.enter_context(Path(name).open("w", encoding="utf-8", newline=""))
        except OSError as error:
            raise CommandError(f"{name}: {error.strerror}.", returncode=FAILED) from None
