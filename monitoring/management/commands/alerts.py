import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from monitoring.alert_silences import Quiet
from monitoring.management import answered, chosen, polled
from monitoring.models import Alert
from monitoring.models.rules import SEVERITIES
from netmon.drivers.platforms.text import clean

MOST = 1000


class Command(BaseCommand):
    help = "List alerts: the open ones, the gravest first. Exit codes: 0 ok, 2 usage, 4 no such device."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--state", action="append", choices=Alert.State.values, help="only these; may be repeated")
        parser.add_argument("--severity", action="append", choices=SEVERITIES, help="only these; may be repeated")
        parser.add_argument("--device", action="append", metavar="NAME", help="only of these; may be repeated")
        parser.add_argument("--all", action="store_true", help=f"those that are over too, the newest {MOST}")
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        rows = Alert.objects.select_related("device", "rule", "acknowledged_by")
        if options["state"]:
            rows = rows.filter(state__in=options["state"])
        elif not options["all"]:
            rows = rows.filter(resolved_at__isnull=True)
        if options["severity"]:
            rows = rows.filter(severity__in=options["severity"])
        if options["device"]:
            rows = rows.filter(device__in=chosen.devices(options["device"], nothing=""))
        found = list(rows.order_by("-started_at", "-pk")[:MOST])
        if not options["all"]:
            found.sort(key=lambda alert: -SEVERITIES.index(alert.severity))
        quiet = Quiet.load(timezone.now())
        if options["json"]:
            answered.write_json(self, {"alerts": [entry(alert, quiet) for alert in found]})
        elif found:
            answered.write_lines(self, polled.table([line(alert, quiet) for alert in found]))
        else:
            self.stdout.write("No alert.")
        sys.exit(polled.OK)


def entry(alert: Alert, quiet: Quiet) -> dict[str, Any]:
    silent = quiet.until(alert)
    return {
        "id": alert.pk,
        "state": alert.state,
        "severity": alert.severity,
        "summary": alert.summary,
        "detail": alert.detail,
        "device": alert.device.name if alert.device else None,
        "subject": alert.subject,
        "source": alert.source,
        "rule": alert.rule.name if alert.rule else None,
        "started_at": alert.started_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "acknowledged_by": alert.acknowledged_by.username if alert.acknowledged_by else None,
        "acknowledged_at": alert.acknowledged_at.isoformat() if alert.acknowledged_at else None,
        "comment": alert.comment,
        "silenced_until": silent.isoformat() if silent else None,
    }


def line(alert: Alert, quiet: Quiet) -> list[str]:
    who = f"acknowledged by {alert.acknowledged_by}" if alert.acknowledged_by else ""
    if alert.acknowledged_at and not who:
        who = "acknowledged"
    if quiet.until(alert):
        who = f"{who}, silent" if who else "silent"
    device = alert.device.name if alert.device else "-"
    since = f"{alert.started_at:%Y-%m-%d %H:%M}"
    return [str(alert.pk), alert.severity, alert.state, since, clean(device), clean(alert.summary), who]
