import json
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from inventory import policy
from inventory.models import Tenant

OK, FAILED, USAGE, NOT_FOUND, DENIED, TRY_LATER = 0, 1, 2, 4, 5, 75


class Command(BaseCommand):
    help = (
        "Say whether netmon may contact an address, and by which rule. Nothing is contacted; a name is resolved. Exit "
        "codes: 0 allowed, 1 the name does not exist, 2 usage, 4 no such tenant, 5 refused, 75 try later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", metavar="ADDRESS", help="an IP address or a name")
        parser.add_argument("--tenant", metavar="SLUG", help="ask for a device of this tenant")
        parser.add_argument("--port", type=int, metavar="N", help="ask for this port too")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant_id = None
        if options["tenant"]:
            tenant_id = Tenant.objects.filter(slug=options["tenant"]).values_list("pk", flat=True).first()
            if tenant_id is None:
                raise CommandError(f"No tenant has the slug {options['tenant']}.", returncode=NOT_FOUND)
        if options["port"] is not None and not 1 <= options["port"] <= 65535:
            raise CommandError("--port is 1 to 65535.", returncode=USAGE)
        try:
            answer = policy.explain(options["address"], tenant_id=tenant_id, port=options["port"])
        except ValidationError as error:
            raise CommandError(f"{options['address']}: {' '.join(error.messages)}", returncode=USAGE) from None
        except policy.NameUnknown as error:
            raise CommandError(error.detail, returncode=FAILED) from None
        except policy.NameUnanswered as error:
            raise CommandError(error.detail, returncode=TRY_LATER) from None
        if options["json"]:
            self.stdout.write(json.dumps(answer, indent=2))
        else:
            for verdict in answer["verdicts"]:
                word = "allowed" if verdict["allowed"] else "refused"
                why = "; ".join(text for text in (verdict["reason"], verdict["rule"]) if text)
                self.stdout.write(f"{verdict['address']}  {word}{f'  {why}' if why else ''}")
        sys.exit(OK if answer["allowed"] else DENIED)
