import json
import sys
from getpass import getpass
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from inventory.policy import NameUnanswered, NameUnknown, Policy, TargetRefused, resolve_once
from monitoring.management import chosen, polled
from monitoring.services import polling, probing
from netmon.audit.context import acting
from netmon.drivers.targets import AUTH_PROTOCOLS, PRIV_PROTOCOLS, SNMP_VERSIONS, Secret, SnmpTarget

AT_ONCE = 100
RESOLVE_SECONDS = 5.0


def split_target(text: str) -> tuple[str, int]:
    """`HOST`, `HOST:PORT`, an IPv6 address or `[IPv6]:PORT`. Raises ValueError."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("write [IPv6]:PORT")
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and 1 <= int(port[:9]) <= 65535)):
        raise ValueError("write HOST or HOST:PORT, with a port of 1 to 65535")
    return host, int(port) if port else 161


class Command(BaseCommand):
    help = (
        "Poll now. Devices of the inventory are polled like by the schedule, and what comes is stored. With --target "
        "any SNMP agent is asked, and nothing is stored. Exit codes: 0 ok, 1 failed, 2 usage, 3 partly, 4 no such "
        "device, 5 login refused, 75 try later."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="*", metavar="NAME", help="devices of the inventory")
        parser.add_argument("--all", action="store_true", help="every active device")
        parser.add_argument("--target", metavar="HOST[:PORT]", help="an agent that need not be in the inventory")
        parser.add_argument(
            "--community",
            metavar="C",
            help="for --target; other users of this machine see it in the process list: prefer --community-stdin",
        )
        parser.add_argument("--community-stdin", action="store_true", help="read the community from standard input")
        parser.add_argument("--version", dest="snmp_version", choices=SNMP_VERSIONS, default="2c", help="(2c)")
        parser.add_argument("--username", default="", help="SNMP version 3")
        parser.add_argument("--auth-protocol", choices=AUTH_PROTOCOLS, help="SNMP version 3")
        parser.add_argument("--priv-protocol", choices=PRIV_PROTOCOLS, help="SNMP version 3")
        parser.add_argument(
            "--passwords-stdin",
            action="store_true",
            help="read the authentication and the privacy passphrase from standard input, a line each",
        )
        parser.add_argument("--rates", action="store_true", help="with --target: read interfaces twice, 5 s apart")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # Django's own --version would stand in the way of the SNMP version.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def handle(self, *args: Any, **options: Any) -> None:
        ways = [bool(options["names"]), options["all"], bool(options["target"])]
        if sum(ways) != 1:
            raise CommandError("Name devices, or write --all, or --target HOST.", returncode=chosen.USAGE)
        try:
            code = self._target(options) if options["target"] else self._inventory(options)
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}", returncode=polled.TRY_LATER) from None
        finally:
            self._progress("")
        sys.exit(code)

    # --- the inventory ------------------------------------------------------------------------------------------------

    def _inventory(self, options: dict[str, Any]) -> int:
        devices = chosen.devices(
            options["names"],
            nothing="The inventory has no device with a check: add one.",
            endpoints__checks__isnull=False,
        )
        pending = iter(devices)
        found: list[dict[str, Any]] = []
        while batch := list(islice(pending, AT_ONCE)):
            self._progress(f"{len(found)} of {len(devices)} polled")
            with acting(None, "command"):
                outcomes = polling.poll_devices(batch)
            found += [polled.report(device, outcomes[device.pk]) for device in batch]
        self._progress("")
        if options["json"]:
            self._write_json({"devices": found})
        else:
            self._write_devices(found)
        return polled.together(polled.exit_code(entry["results"]) for entry in found)

    def _write_devices(self, found: list[dict[str, Any]]) -> None:
        rows = []
        for entry in found:
            first = [entry["device"]["name"], entry["device"]["ip"] or "-", entry["state"]]
            results = polled.result_rows(entry["results"]) or [["-", "nothing to poll", "", "no endpoint has a check"]]
            for result in results:
                rows.append([*first, *result])
                first = ["", "", ""]
        self._write_lines(polled.table(rows, right=(5,)))
        if len(found) == 1:
            self._write_lines(polled.details(found[0]))

    # --- anything else ------------------------------------------------------------------------------------------------

    def _target(self, options: dict[str, Any]) -> int:
        try:
            host, port = split_target(options["target"])
            self._progress(f"resolving {host}")
            address = resolve_once(host, policy=Policy.load(), port=port, timeout_seconds=RESOLVE_SECONDS)
            target = SnmpTarget(
                address=str(address),
                port=port,
                version=options["snmp_version"],
                **self._secrets(options),
            )
        except (NameUnknown, NameUnanswered) as error:
            raise CommandError(error.detail, returncode=polled.FAILED) from None
        except TargetRefused as error:
            raise CommandError(f"--target {options['target']}: {error.detail}", returncode=chosen.USAGE) from None
        except ValidationError as error:
            raise CommandError(
                f"--target {options['target']}: {' '.join(error.messages)}", returncode=chosen.USAGE
            ) from None
        except ValueError as error:
            raise CommandError(f"--target {options['target']}: {error}", returncode=chosen.USAGE) from None
        found = probing.probe(target, with_rates=options["rates"], progress=self._progress)
        self._progress("")
        if options["json"]:
            self._write_json(found)
        else:
            self._write_lines(polled.table(polled.result_rows(found["results"]), right=(2,)))
            self._write_lines(polled.details(found))
            said = {entry["error_detail"] for entry in found["results"]}
            if found["diagnosis"] and found["diagnosis"] not in said:
                self._write_lines(["", found["diagnosis"]])
        return polled.exit_code(found["results"])

    def _secrets(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["snmp_version"] != "3":
            if options["community_stdin"] or options["community"] == "-":
                return {"community": Secret(_line())}
            community = options["community"]
            if not community and sys.stdin.isatty():
                community = getpass("Community: ")
            return {"community": Secret(community) if community else None}
        values: dict[str, Any] = {
            "username": options["username"],
            "auth_protocol": options["auth_protocol"],
            "priv_protocol": options["priv_protocol"],
        }
        ask = _line if options["passwords_stdin"] or not sys.stdin.isatty() else getpass
        for name, what in (("auth", "Authentication"), ("priv", "Privacy")):
            if options[f"{name}_protocol"]:
                text = ask(f"{what} passphrase: ")
                values[f"{name}_key"] = Secret(text) if text else None
        return values

    # --- output -------------------------------------------------------------------------------------------------------

    def _progress(self, text: str) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{text}", ending="")
            self.stderr.flush()

    def _write_lines(self, lines: list[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def _write_json(self, document: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str))


def _line(prompt: str = "") -> str:
    return sys.stdin.readline().rstrip("\r\n")
