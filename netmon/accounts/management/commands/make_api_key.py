import json
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError
from django.utils import timezone

from netmon.accounts.models import User
from netmon.accounts.services import keys
from netmon.audit.context import acting
from netmon.common.permissions import SCOPES


class Command(BaseCommand):
    help = "Make an API key for a person and print it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--name", required=True, help="what uses it")
        parser.add_argument("--scope", action="append", choices=sorted(SCOPES), help="repeat it; default: read")
        parser.add_argument("--days", type=int, help="default: 90, or NETMON_API_KEY_MAX_DAYS when that is less")
        parser.add_argument("--role", choices=[role.value for role in User.Role], help="default: the person's")
        parser.add_argument("--network", action="append", default=[], help="allowed prefix or address; repeat it")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is nobody called {options['username']}.", returncode=4)
        days = options["days"]
        if days is not None and not 1 <= days <= 36_500:
            raise CommandError("--days: from 1 to 36500.", returncode=2)
        try:
            with acting(None, "command"):
                key, text = keys.make(
                    user=user,
                    name=options["name"],
                    scopes=options["scope"] or ["read"],
                    role=options["role"],
                    expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
                    allowed_networks=options["network"],
                )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=1) from None
        except IntegrityError:
            raise CommandError("Somebody made a key of this name at the same time.", returncode=1) from None
        if options["json"]:
            document = {
                "key": text,
                "id": key.pk,
                "prefix": key.prefix,
                "name": key.name,
                "username": user.username,
                "role": key.role,
                "scopes": key.scopes,
                "allowed_networks": key.allowed_networks,
                "expires_at": key.expires_at.isoformat(),
            }
            self.stdout.write(json.dumps(document))
        else:
            self.stdout.write(text)
            self.stderr.write(f"Key {key.name} of {user.username} until {key.expires_at:%Y-%m-%d}; not shown again.")
