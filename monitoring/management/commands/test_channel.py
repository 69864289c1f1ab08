import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from monitoring.management import answered, chosen, polled
from monitoring.models import Channel
from monitoring.notifying import testing
from netmon.audit import services as audit
from netmon.audit.context import acting


class Command(BaseCommand):
    help = (
        "Send a real message by a channel now, and say what the other side answered. Exit codes: 0 ok, 1 it did not "
        "take it, 2 usage, 4 no such channel."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="name or number of a channel")
        parser.add_argument("--to", action="append", default=[], metavar="EMAIL", help="of e-mail; may be repeated")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        channel = answered.named(Channel.objects.all(), options["name"], "channel")
        try:
            for address in options["to"]:
                validate_email(address)
        except ValidationError:
            raise CommandError(f"--to {address}: not an e-mail address.", returncode=chosen.USAGE) from None
        if channel.kind == Channel.Kind.EMAIL and not options["to"]:
            raise CommandError("Say where the mail goes: --to EMAIL.", returncode=chosen.USAGE)
        with acting(None, "command"):
            audit.record("test", channel, detail=", ".join(options["to"]))
            found = testing.test_channel(channel, to_emails=tuple(options["to"]), user=None)
        if options["json"]:
            answered.write_json(self, {"channel": channel.name, **found})
        else:
            said = "sent" if found["ok"] else "not sent"
            parts = [said, found["code"], found["detail"], f"{found['seconds']:.1f} s"]
            self.stdout.write("  ".join(part for part in parts if part))
        sys.exit(polled.OK if found["ok"] else polled.FAILED)
