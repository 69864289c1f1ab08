import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from monitoring.management import answered
from netmon.common.progress import ProgressBar
from scanning.management import asked
from scanning.models import Scan
from scanning.services import looking


class Command(BaseCommand):
    help = (
        "Whether somebody answers at an address, a name or device:7, by ICMP, ARP or TCP; several with commas. "
        "Exit codes: 0 all answer, 1 one does not, 2 usage or refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", help="an address, a name, a range, device:7")
        parser.add_argument("--tenant", help="slug of the tenant whose network it is")
        parser.add_argument("--no-save", action="store_true", help="keep nothing of it")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        planned = asked.plan(Scan.Kind.PING, options["target"], "", tenant=options["tenant"])
        bar = ProgressBar("ping")
        number = None
        if options["no_save"]:
            found = [host for host in looking.look(planned, bar) if host.is_up]
            bar.close()
        else:
            scan = asked.run(planned, target=options["target"], reason="command", bar=bar)
            number = scan.pk
            found = looking.stored(scan)
        by_address = {host.address: host for host in found}
        rows = []
        for span in planned.spans:
            for address in map(str, span):
                host = by_address.get(address)
                rows.append(
                    {
                        "address": address,
                        "is_up": host is not None,
                        "method": host.method if host else "",
                        "rtt_ms": host.rtt_ms if host else None,
                    }
                )
        if options["json"]:
            answered.write_json(self, {"scan": number, "hosts": rows})
        else:
            answered.write_lines(self, [self._line(row) for row in rows if row["is_up"] or planned.hosts <= 16])
            if planned.hosts > 1:
                self.stdout.write(f"{len(found)} of {planned.hosts} answer.")
        sys.exit(asked.OK if len(found) == planned.hosts else asked.FAILED)

    @staticmethod
    def _line(row: dict[str, Any]) -> str:
        if not row["is_up"]:
            return f"{row['address']}: no answer"
        time = f", {row['rtt_ms']:.2f} ms" if row["rtt_ms"] is not None else ""
        return f"{row['address']}: up ({row['method']}{time})"
