import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from netmon.accounts.models import ApiKey
from netmon.accounts.services import keys
from netmon.audit.context import acting


class Command(BaseCommand):
    help = "Revoke an API key, at once and for good."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="the 8 characters after nm_")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        prefix = str(options["prefix"]).removeprefix(keys.START).partition("_")[0]
        key = ApiKey.objects.filter(prefix=prefix).first()
        if key is None:
            raise CommandError(f"There is no key {prefix}.", returncode=4)
        with acting(None, "command"):
            key = keys.revoke(key=key)
        assert key.revoked_at is not None
        if options["json"]:
            self.stdout.write(
                json.dumps({"prefix": key.prefix, "name": key.name, "revoked_at": key.revoked_at.isoformat()})
            )
        else:
            self.stdout.write(f"Key {key.prefix} ({key.name}) is revoked.")
