import json
import os
import sys
from getpass import getpass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from netmon.accounts.services import ensure_admin
from netmon.audit.context import acting


class Command(BaseCommand):
    help = "Create an admin, or bring an account up to admin. Asks for the password; never takes it as an argument."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", required=True)
        parser.add_argument("--email", default="")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["password_stdin"]:
            password: str | None = sys.stdin.readline().rstrip("\r\n")
        elif sys.stdin.isatty():
            password = getpass("Password: ")
            if password != getpass("Password (again): "):
                raise CommandError("The passwords differ.", returncode=2)
        else:
            password = None
        try:
            with acting(None, "command"):
                user, created = ensure_admin(username=options["username"], password=password, email=options["email"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=1) from None
        if options["json"]:
            self.stdout.write(json.dumps({"username": user.username, "created": created, "role": user.role}))
        else:
            self.stdout.write(f"Admin {user.username} {'created' if created else 'updated'}.{os.linesep}".strip())
