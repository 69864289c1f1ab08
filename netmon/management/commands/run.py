import ipaddress
import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from netmon import first_start, processes
from netmon.processes import Process
from netmon.supervisor import Supervisor


def parse_bind(text: str) -> tuple[str, int]:
    """`HOST:PORT` or `[IPv6]:PORT`. Raises CommandError with exit code 2."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise CommandError(
            f"--bind {text}: write HOST:PORT with an IP address, such as 127.0.0.1:8000.", returncode=2
        ) from None
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        raise CommandError(f"--bind {text}: the port is 1 to 65535.", returncode=2)
    return host, int(port)


def check_free(host: str, port: int) -> None:
    """Raises CommandError when something listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            shown = f"[{host}]" if ":" in host else host
            raise CommandError(
                f"Cannot listen on {shown}:{port}: {error.strerror}. Try BIND={shown}:{port + 1}."
            ) from None


class Command(BaseCommand):
    help = "Run netmon: web, worker and beat in one supervised process tree. Ctrl-C stops it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default="127.0.0.1:8000", help="HOST:PORT to listen on (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = parse_bind(options["bind"])
        shown = f"[{host}]" if ":" in host else host
        check_free(host, port)
        self.admit(host, shown)
        os.environ["NETMON_SUPERVISED_BIND"] = f"{shown}:{port}"  # the target policy of every process refuses it
        password = first_start.prepare()
        more = self.prepare(options)
        self.stdout.write(f"\n  netmon runs on http://{shown}:{port}   (Ctrl-C stops it)\n")
        if password:
            self.stdout.write(
                f"\n  First start: log in as admin with the password {password}\n"
                "  It is shown this once; change it in the admin.\n"
            )
        self.stdout.flush()
        supervisor = Supervisor([*processes.all_processes(f"{shown}:{port}"), *more])
        sys.exit(supervisor.run())

    def admit(self, host: str, shown: str) -> None:
        """Let netmon answer under the address asked for; by default it answers under this machine's own only."""
        address = ipaddress.ip_address(host)
        if "NETMON_ALLOWED_HOSTS" in os.environ or "NETMON_ALLOWED_HOSTS_FILE" in os.environ or address.is_loopback:
            return
        if address.is_unspecified:
            self.stdout.write(
                "\n  Set NETMON_ALLOWED_HOSTS to the names and addresses by which browsers reach this machine:\n"
                "  until then netmon answers to 127.0.0.1 and localhost only."
            )
        else:
            os.environ["NETMON_ALLOWED_HOSTS"] = ",".join([*settings.ALLOWED_HOSTS, shown])

    def prepare(self, options: dict[str, Any]) -> list[Process]:
        """After the schema, before the first process: what else to set up, and what else to start."""
        return []
