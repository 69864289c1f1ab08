"""Machines provisioned at one router: requests and seconds for each, alone, in a row and many at once.

`make bench-vyos`. The router is the simulated one over TLS, a commit takes COMMIT_SECONDS. The yardstick is what one
writes first, and what netmon's forerunner did: a request, and so a commit, for every line, and a save at the end; run
side by side at a router of its own. Requests are counted at the router.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["NETMON_VAR_DIR"] = tempfile.mkdtemp(prefix="netmon-bench-")
os.environ["NETMON_ALLOW_LOOPBACK"] = "1"
os.environ["NETMON_VYOS_PING"] = "0"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netmon.settings")

import django

django.setup()

# ruff: noqa: E402
from django.core.management import call_command

from netmon.drivers.targets import Secret, VyosTarget
from netmon.drivers.vyos import Command, Forward, StaticMapping, VyosClient, creation
from netmon.lab.vyos import Router, Server
from provisioning.models import RunningConfig, VyosRouter
from provisioning.services import changes, requests, wishes
from tests.vyos import Site, site_of

COMMIT_SECONDS = 1.0
ALONE, IN_A_ROW, BULK, LINES = 3, 10, 100, 2
# In which a rule can be committed leaf by leaf.
ORDER = (
    "translation address",
    "inbound-interface name",
    "description",
    "protocol",
    "destination port",
    "translation port",
)
ROW_TARGET, BULK_TARGET = 3.0, 0.2


def wish(site: Site, name: str) -> wishes.VmWish:
    return wishes.read_vm({"vm_name": name, "router": site.row.pk})


def measured(lab: Router, count: int, work: Any) -> tuple[float, float, float]:
    """Requests, seconds and CPU seconds for each machine."""
    lab.counts.clear()
    began, cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return lab.counts["requests"] / count, seconds / count, cpu / count


def one(site: Site, name: str) -> None:
    requests.provision(wish(site, name))
    changes.run(site.row.pk)


def forget(site: Site) -> None:
    """As if nobody had asked the router for a long time."""
    RunningConfig.objects.filter(router=site.row).delete()


def alone(site: Site) -> tuple[float, float, float]:
    found = []
    for number in range(ALONE):
        site.row = VyosRouter.objects.get(pk=site.row.pk)
        forget(site)
        found.append(measured(site.lab, 1, lambda number=number: one(site, f"alone-{number}")))
    requests_each, seconds, cpu = zip(*found, strict=True)
    return statistics.median(requests_each), statistics.median(seconds), statistics.median(cpu)


def in_a_row(site: Site) -> tuple[float, float, float]:
    return measured(site.lab, IN_A_ROW, lambda: [one(site, f"row-{number}") for number in range(IN_A_ROW)])


def many(site: Site) -> tuple[float, float, float]:
    def work() -> None:
        requests.provision_many([wish(site, f"bulk-{number}") for number in range(BULK)])
        changes.run(site.row.pk)

    return measured(site.lab, BULK, work)


def line_by_line() -> tuple[float, float, float]:
    """The yardstick: a commit for each line of a machine, then a save."""
    lab = Router("1.5-2026-02", commit_seconds=COMMIT_SECONDS)
    base = "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24"
    lab.edit(f"{base} subnet-id 1", f"{base} range 0 start 192.168.66.200", f"{base} range 0 stop 192.168.66.250")
    with Server(lab) as server:
        client = VyosClient(
            VyosTarget(
                address=server.host, port=server.port, key=Secret(lab.key), certificate_sha256=server.fingerprint
            )
        )

        def work() -> None:
            for number in range(LINES):
                for command in lines(number):
                    client.configure([command])
                client.save()

        return measured(lab, LINES, work)


def lines(number: int) -> list[Command]:
    address = f"192.168.66.{10 + number}"
    mapping = StaticMapping(
        network="LAN", prefix="192.168.66.0/24", name=f"line-{number}", mac_address=f"02:00:00:00:00:{number:02x}",
        address=address,
    )  # fmt: skip
    found = creation(mapping, "1.5")
    for offset, port in enumerate((22, 80, 443)):
        rule = Forward(
            rule=10000 + 3 * number + offset, interface="eth0", address=address, ports=str(32000 + 3 * number + offset),
            to_ports=str(port), description="line by line",
        )  # fmt: skip
        found += sorted(creation(rule, "1.5"), key=lambda command: ORDER.index(setting(command)))
    return found


def setting(command: Command) -> str:
    """ "translation port" of "nat destination rule 10000 translation port 22"."""
    return " ".join(command.path[4:-1])


def main() -> None:
    call_command("migrate", verbosity=0)
    with site_of(commit_seconds=COMMIT_SECONDS) as site:
        print(f"one router, {COMMIT_SECONDS:g} s a commit, a machine with three forwards")
        print(f"{'':24}{'requests':>10}{'seconds':>10}{'CPU s':>10}   for each machine")
        rows = {
            "alone, after a while": alone(site),
            "one after the other": in_a_row(site),
            f"{BULK} at once": many(site),
        }
    rows["a commit for each line"] = line_by_line()
    for name, (asked, seconds, cpu) in rows.items():
        print(f"{name:24}{asked:10.2f}{seconds:10.2f}{cpu:10.3f}")
    yardstick = rows["a commit for each line"]
    for name in list(rows)[:-1]:
        fewer, faster = (theirs / ours for theirs, ours in zip(yardstick[:2], rows[name][:2], strict=True))
        print(f"{name}: {fewer:.1f} x fewer requests, {faster:.1f} x faster")
    print(f"targets: {ROW_TARGET:g} requests in a row, {BULK_TARGET:g} in bulk")


if __name__ == "__main__":
    main()
