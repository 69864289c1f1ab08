import argparse
import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from netmon import demo, demo_actions, demo_alerts, demo_scans, demo_vyos, processes
from netmon.lab.devices import DEMO_DEVICES
from netmon.management.commands import run
from netmon.processes import Process


class Command(run.Command):
    help = (
        "Run netmon with a simulated network: a school and its hoster on loopback, in a data directory of its own "
        "(demo/ below NETMON_VAR_DIR). Ctrl-C stops all of it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--devices",
            type=int,
            default=len(DEMO_DEVICES),
            help="how many simulated devices (%(default)s); beyond that, equal switches of 48 ports",
        )
        parser.add_argument("--in-own-directory", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.platform != "linux":
            raise CommandError("The demo needs Linux, where every address of 127.0.0.0/8 is this machine's own.")
        if not 1 <= options["devices"] <= demo.MOST_DEVICES:
            raise CommandError(f"--devices is 1 to {demo.MOST_DEVICES}.", returncode=2)
        if not options["in_own_directory"]:
            self._start_in_own_directory(options)
        super().handle(*args, **options)

    def _start_in_own_directory(self, options: dict[str, Any]) -> None:
        """Settings are read once, so the same command starts again with another environment."""
        host, port = run.parse_bind(options["bind"])
        run.check_free(host, port)
        argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), "demo", "--in-own-directory"]
        argv += ["--bind", options["bind"], "--devices", str(options["devices"])]
        self.stdout.flush()
        os.execve(sys.executable, argv, demo.environment(host))  # noqa: S606 - our own arguments, no shell

    def prepare(self, options: dict[str, Any]) -> list[Process]:
        port = demo.agents_port(settings.VAR_DIR)
        ssh_port = demo.hosts_port(settings.VAR_DIR)
        demo.furnish(options["devices"], port, ssh_port)
        token = demo.populate()
        mail_port, web_port = demo.mailbox_ports(settings.VAR_DIR)
        demo_alerts.populate(mail_port, web_port)
        demo_scans.populate()
        demo_actions.populate()
        router_port = demo.router_port(settings.VAR_DIR)
        router_files = demo_vyos.directory_of(settings.VAR_DIR)
        demo_vyos.populate(router_files, router_port)
        self.stdout.write(
            f"\n  {options['devices']} simulated devices answer on loopback; data in {settings.VAR_DIR}\n"
            "  (delete that directory to begin anew); its mails and webhooks are kept in mail/ there\n"
        )
        if token:
            self.stdout.write(
                "\n  To see it as somebody who is bound to the school, make an account there (in another browser):\n"
                f"  http://{options['bind']}/invite/{token}/\n"
            )
        return [
            processes.fleet(port, demo.COMMUNITY),
            processes.ssh_hosts(ssh_port, demo.COMMUNITY),
            processes.mailbox(mail_port, web_port),
            processes.vyos_router(demo_vyos.ADDRESS, router_port, router_files),
        ]
