import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.management import answered
from netmon.common.progress import ProgressBar
from scanning.management import asked
from scanning.models import Scan
from scanning.services import exporting, looking
from scanning.services.results import FoundHost


class Command(BaseCommand):
    help = (
        "Who is there, and which ports are open: 192.0.2.0/24, 192.0.2.10-20, a name, device:7, prefix:3. Kept as a "
        "scan unless --no-save. Exit codes: 0 ok, 1 failed or in part, 2 usage or refused, 130 interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", help="addresses, prefixes, ranges, names; several with commas")
        parser.add_argument("--kind", choices=Scan.Kind.values, default="", help="default: ports for one host, network")
        parser.add_argument("--ports", default="", help="such as 22,80, 1-1024 (default), ssh, web, common, all")
        parser.add_argument("--profile", choices=Scan.Profile.values, default=Scan.Profile.NORMAL)
        parser.add_argument("--tenant", help="slug of the tenant whose network it is")
        parser.add_argument("--reason", default="command", help="who allowed it, and why")
        parser.add_argument("--packets", type=int, help="stop after so many packets")
        parser.add_argument("--dry-run", action="store_true", help="say what would be touched, send nothing")
        parser.add_argument("--no-save", action="store_true", help="keep nothing of it")
        parser.add_argument("--csv", metavar="FILE", help="write the open ports to a file")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["csv"] and options["no_save"]:
            raise CommandError("--csv needs a scan that is kept: leave --no-save out.", returncode=asked.USAGE)
        if options["packets"] is not None and options["packets"] < 1:
            raise CommandError("--packets: at least one.", returncode=asked.USAGE)
        planned = self._plan(options)
        if options["dry_run"]:
            self._show_plan(planned.as_dict(), as_json=options["json"])
            return
        bar = ProgressBar("scan")
        if options["no_save"]:
            found = looking.look(planned, bar)
            bar.close()
            self._show(None, found, as_json=options["json"])
            return
        scan = asked.run(
            planned,
            target=options["target"],
            reason=options["reason"][:300],
            bar=bar,
            packets_limit=options["packets"],
        )
        if options["csv"]:
            with Path(options["csv"]).open("w", encoding="utf-8", newline="") as file:
                file.writelines(exporting.as_csv(scan, None))
        self._show(scan, looking.stored(scan), as_json=options["json"])
        if scan.error_detail:
            self.stderr.write(scan.error_detail)
        codes = {Scan.Outcome.SUCCEEDED: asked.OK, Scan.Outcome.CANCELLED: asked.CANCELLED}
        sys.exit(codes.get(Scan.Outcome(scan.outcome), asked.FAILED) if scan.outcome else asked.FAILED)

    @staticmethod
    def _plan(options: dict[str, Any]) -> Any:
        given = {"profile": options["profile"], "tenant": options["tenant"]}
        if options["kind"]:
            return asked.plan(options["kind"], options["target"], options["ports"], **given)
        try:
            return asked.plan(Scan.Kind.PORTS, options["target"], options["ports"], **given)
        except CommandError as error:
            if "of one host" not in str(error):
                raise
        return asked.plan(Scan.Kind.NETWORK, options["target"], options["ports"], **given)

    def _show_plan(self, plan: dict[str, Any], *, as_json: bool) -> None:
        if as_json:
            answered.write_json(self, plan)
            return
        self.stdout.write(f"{', '.join(plan['targets'])}: {plan['hosts']} in all")
        self.stdout.write(f"ports {plan['ports'] or 'none'}: {plan['probes']} probes, {plan['profile']}")
        self.stdout.write(f"about {plan['estimated_seconds']:g} s")
        if plan["host_probes_today"]:
            limit = plan["host_probes_limit"]
            of = f" of at most {limit}" if limit else ""
            self.stdout.write(f"an address got {plan['host_probes_today']}{of} probes within a day already")
        for one in plan["excluded"]:
            self.stdout.write(f"left out: {one['range']} ({one['reason']})")

    def _show(self, scan: Scan | None, found: list[FoundHost], *, as_json: bool) -> None:
        if as_json:
            hosts = [looking.as_dict(host) for host in found]
            status = scan.status if scan else "succeeded"
            answered.write_json(self, {"scan": scan.pk if scan else None, "status": status, "hosts": hosts})
            return
        for host in found:
            about = ", ".join(part for part in (host.hostname, host.vendor, host.method) if part)
            self.stdout.write(f"{host.address}{f' ({about})' if about else ''}")
            for port in host.ports:
                words = f"{port.service:<16} {port.banner}".rstrip()
                self.stdout.write(f"  {port.protocol}/{port.port:<6} {words}".rstrip())
        count = sum(len(host.ports) for host in found)
        name = f"Scan {scan.pk}, {scan.status}: " if scan else ""
        up = sum(host.is_up for host in found)
        self.stdout.write(
            f"{name}{up} {'host' if up == 1 else 'hosts'} up, {count} open {'port' if count == 1 else 'ports'}."
        )
