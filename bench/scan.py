"""Port scan and sweep beside nmap, in a lab of fifty hosts with known answers. Root only; make bench-scan.

python bench/scan.py [--rounds 3] [--only mixed,filtered,all-ports,sweep]

Every engine is a process of its own, from its start to its end, discovery included; they run in turn, not in blocks.
Other work on the machine makes walls vary: ratios and CPU say more. Exits 1 when a target is missed. nmap (apt-get
install nmap) is a yardstick of this benchmark only: the product neither needs nor runs it.
"""

import argparse
import ipaddress
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from netmon.drivers.sweep import sweep
from netmon.drivers.tcp import Limits, ScanTarget, parse_ports, scan

NET = "198.18.7."


def engine(profile: str, ports: str, network: str) -> None:
    """What a worker does: who is there, then their ports, with the round trip times just learned."""
    addresses = [str(one) for one in ipaddress.ip_network(network).hosts() if str(one) != f"{NET}254"]
    if len(addresses) == 1:
        addresses = [network.partition("/")[0]]
    up = {host.address: host.rtt_ms for batch in sweep(addresses) for host in batch.hosts if host.is_up}
    if profile == "sweep":
        print(len(up))
        return
    # the module alone: its package brings pytest along, which is no part of a scan
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/daemons/scan_lab"))
    from truth import truth

    hosts, wanted, wrong, seen = truth(), parse_ports(ports), 0, 0
    targets = [ScanTarget(address=address, rtt_ms=rtt) for address, rtt in up.items()]
    for batch in scan(targets, wanted, Limits.profile(profile)):
        for report in batch.hosts:
            host = hosts[report.address]
            for one in report.ranges:
                for port in range(one.first, one.last + 1):
                    seen += 1
                    wrong += one.state != ("open" if port in host.open else host.rest)
    print(wrong + len(up) * len(wanted) - seen)


@dataclass
class Contest:
    """Engines that do the same, and which of them must be how many times faster than which."""

    title: str
    engines: dict[str, list[str]]
    targets: list[tuple[str, str, float]]
    walls: dict[str, list[float]] = field(default_factory=dict)
    cpus: dict[str, list[float]] = field(default_factory=dict)
    packets: dict[str, list[int]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)


def ours(*words: str) -> list[str]:
    return [sys.executable, str(Path(__file__).resolve()), "--engine", *words]


def contests() -> dict[str, Contest]:
    nmap = ["nmap", "-n"]
    return {
        "mixed": Contest(
            "A mixed /24, 50 hosts, 1,024 ports each",
            {
                "polite": ours("polite", "1-1024", f"{NET}0/24"),
                "normal": ours("normal", "1-1024", f"{NET}0/24"),
                "fast": ours("fast", "1-1024", f"{NET}0/24"),
                "nmap -sT": [*nmap, "-sT", "-p1-1024", f"{NET}0/24"],
                "nmap -sS -T4 --min-rate 1000": [*nmap, "-sS", "-T4", "--min-rate", "1000", "-p1-1024", f"{NET}0/24"],
            },
            [
                # its 65,000 packets at 6,000/s are eleven seconds: its rate is a promise, its ratio is nmap's affair
                ("polite", "nmap -sT", 3.0),
                ("normal", "nmap -sT", 5.0),
                ("fast", "nmap -sT", 5.0),
                ("fast", "nmap -sS -T4 --min-rate 1000", 1.0),
            ],
        ),
        "filtered": Contest(
            "One host that drops TCP, 1,024 ports",
            {
                "polite": ours("polite", "1-1024", f"{NET}31/32"),
                "fast": ours("fast", "1-1024", f"{NET}31/32"),
                "nmap -sT": [*nmap, "-sT", "-p1-1024", f"{NET}31"],
            },
            [("polite", "nmap -sT", 8.0), ("fast", "nmap -sT", 8.0)],
        ),
        "all-ports": Contest(
            "All 65,535 ports of one closed host",
            {
                "fast": ours("fast", "1-65535", f"{NET}11/32"),
                "nmap -sT": [*nmap, "-sT", "-p1-65535", f"{NET}11"],
            },
            [("fast", "nmap -sT", 0.5)],
        ),
        "sweep": Contest(
            "Who is there, a /24 on the link",
            {
                "sweep": ours("sweep", "1", f"{NET}0/24"),
                "nmap -sn": [*nmap, "-sn", f"{NET}0/24"],
            },
            [("sweep", "nmap -sn", 1.0)],
        ),
    }


def measure(lab, contest: Contest, name: str) -> None:
    command = contest.engines[name]
    lab.forget_neighbours()
    sent = lab.packets_sent()
    with lab.inside():
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    contest.walls.setdefault(name, []).append(time.perf_counter() - begun)
    contest.cpus.setdefault(name, []).append(usage.ru_utime + usage.ru_stime)
    contest.packets.setdefault(name, []).append(lab.packets_sent() - sent)
    if "--engine" in command:
        contest.answers[name] = f"{contest.answers.get(name, '')} {output.strip()}"


def report(key: str, contest: Contest) -> bool:
    print(f"\n{contest.title}, {len(next(iter(contest.walls.values())))} rounds, medians")
    said = "found" if key == "sweep" else "wrong verdicts"
    for name, walls in contest.walls.items():
        note = f"{said}:{contest.answers[name]}" if name in contest.answers else ""
        wall, cpu = statistics.median(walls), statistics.median(contest.cpus[name])
        print(f"  {name:<32}{wall:>8.2f} s{cpu:>8.2f} CPU s{statistics.median(contest.packets[name]):>8.0f} pk  {note}")
    good = True
    for mine, theirs, wanted in contest.targets:
        pairs = zip(contest.walls[mine], contest.walls[theirs], strict=True)
        ratio = statistics.median(b / a for a, b in pairs)
        cpu = statistics.median(b / a for a, b in zip(contest.cpus[mine], contest.cpus[theirs], strict=True))
        verdict = "" if ratio >= wanted else "  MISSED"
        print(f"  {mine} is {ratio:.2f} times as fast as {theirs} (target {wanted:g}); CPU {cpu:.2f}{verdict}")
        good = good and ratio >= wanted
    answers = " ".join(contest.answers.values()).split()
    return good and all(answer == ("50" if key == "sweep" else "0") for answer in answers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--engine", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        engine(*given.engine)
        return 0
    if shutil.which("nmap") is None:
        print("nmap is missing, the yardstick of this benchmark: apt-get install nmap", file=sys.stderr)
        return 2
    from tests.daemons.scan_lab import scan_lab

    chosen = {key: one for key, one in contests().items() if not given.only or key in given.only.split(",")}
    good = True
    with scan_lab() as lab:
        for key, contest in chosen.items():
            for _ in range(given.rounds):
                for name in contest.engines:
                    measure(lab, contest, name)
            good = report(key, contest) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
