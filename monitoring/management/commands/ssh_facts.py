import json
import sys
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from inventory.models import Device
from monitoring.management import chosen, polled
from monitoring.services import facts, polling
from netmon.audit.context import acting
from netmon.drivers.platforms.text import clean

AT_ONCE = 50
KINDS = (*facts.HOST_KINDS, *facts.ROUTING_KINDS, "ntp")


class Command(BaseCommand):
    help = (
        "Read facts of computers and routers over SSH now, store them and print them. With --stored nothing is asked "
        "and the last ones are printed. Exit codes: 0 ok, 1 failed, 2 usage, 3 partly, 4 no such device, 5 login "
        "refused, 75 try later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="devices of the inventory")
        parser.add_argument("--all", action="store_true", help="every active device with an SSH endpoint")
        parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="only these facts; may be repeated")
        parser.add_argument("--stored", action="store_true", help="print what is known, ask nothing")
        parser.add_argument("--raw", action="store_true", help="the devices' own text instead")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen.require_names_or_all(options)
        try:
            nothing = "No active device has an SSH endpoint: add one."
            devices = chosen.devices(options["names"], nothing=nothing, endpoints__protocol="ssh")
            outcomes = {} if options["stored"] else self._ask(devices)
            found = [self._report(device, outcomes.get(device.pk), options) for device in devices]
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}", returncode=polled.TRY_LATER) from None
        if options["json"]:
            self.stdout.write(json.dumps({"devices": found}, indent=2, default=str))
        else:
            for entry in found:
                self._write(entry, raw=options["raw"])
        codes = [polled.exit_code(results) for results in outcomes.values()]
        sys.exit(polled.together(codes) if outcomes else polled.OK)

    def _ask(self, devices: list[Device]) -> dict[int, list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = {}
        pending = iter(devices)
        while batch := list(islice(pending, AT_ONCE)):
            with acting(None, "command"):
                found |= polling.poll_devices(batch, protocol="ssh")
        return found

    def _report(self, device: Device, results: list[dict[str, Any]] | None, options: dict[str, Any]) -> dict[str, Any]:
        kinds = options["kind"] or KINDS
        known = facts.of(device, kinds, with_raw=options["raw"])
        return {
            "device": {"id": device.pk, "name": device.name},
            "results": results or [],
            "facts": {
                kind: {
                    "collected_at": fact.collected_at.isoformat(),
                    "stale": fact.is_stale,
                    **({"raw": fact.raw_text()} if options["raw"] else {"data": fact.data}),
                }
                for kind, fact in sorted(known.items())
            },
        }

    def _write(self, entry: dict[str, Any], *, raw: bool) -> None:
        self.stdout.write(entry["device"]["name"])
        for result in entry["results"]:
            if not result["ok"]:
                said = result["error_detail"] or result["error_code"] or "did not run"
                self.stdout.write(f"  {result['module']}: {clean(said)}")
        for kind, fact in entry["facts"].items():
            age = " (old)" if fact["stale"] else ""
            text = fact["raw"] if raw else json.dumps(fact["data"], ensure_ascii=False, default=str)
            self.stdout.write(f"  {kind}{age}: {clean(text)}")
        if not entry["facts"]:
            self.stdout.write("  nothing was ever read: it needs an SSH endpoint with a credential")
