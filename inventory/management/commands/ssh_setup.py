import dataclasses
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory import ssh_setup
from inventory.models import ManagementEndpoint
from netmon.common.fields import fold

FAILED, NOT_FOUND = 1, 4


class Command(BaseCommand):
    help = "Print how to make a device ready for netmon over SSH: a read-only account. Nothing is contacted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="a device that has an SSH endpoint")
        parser.add_argument("--platform", choices=ssh_setup.PLATFORMS, help="instead of what is known of the device")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        endpoints = ManagementEndpoint.objects.select_related("device", "credential").filter(protocol="ssh")
        endpoint = endpoints.filter(device__name_key=fold(options["name"])).order_by("pk").first()
        if endpoint is None:
            raise CommandError(f"No device {options['name']} with an SSH endpoint.", returncode=NOT_FOUND)
        try:
            found = ssh_setup.setup_for(endpoint, options["platform"] or "")
        except ssh_setup.SetupUnknown as error:
            raise CommandError(error.detail, returncode=FAILED) from None
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(found), indent=2))
            return
        self.stdout.write(found.script, ending="")
        for note in found.notes:
            self.stderr.write(note)
