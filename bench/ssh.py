"""What asking over SSH costs: one marked script beside netmiko's shell, and a fleet polled in rounds.

python bench/ssh.py [--devices 5] [--rounds 5] [--hosts 200] [--workers 20] [--servers 4]

The devices are real sshd on loopback, so there is no latency: ratios and CPU say more than milliseconds, and on a real
network the single round trip gains more. The servers' CPU is not counted, but shares the machine. Exits 1 when a
target is missed: 0.25 of the shell's time, 0.5 of its CPU, all hosts within 60 s.
"""

import argparse
import contextlib
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import io

import netmiko
import paramiko

from netmon.drivers.ssh import open_session
from netmon.drivers.targets import SshTarget
from tests.daemons.sshd import Sshd, sshd

COMMANDS = {
    "stat": ("cat", "/proc/stat"),
    "memory": ("cat", "/proc/meminfo"),
    "load": ("cat", "/proc/loadavg"),
    "uptime": ("cat", "/proc/uptime"),
    "disks": ("df", "-PTl"),
    "network": ("cat", "/proc/net/dev"),
    "identity": ("uname", "-srm"),
}
WALL_TARGET, CPU_TARGET, ROUND_TARGET = 0.25, 0.5, 60.0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--servers", type=int, default=4)
    return parser.parse_args()


def report(name: str, value: float, unit: str, note: str = "") -> None:
    print(f"{name:<52}{value:>12.3f} {unit:<8}{note}", flush=True)


def marked(target: SshTarget) -> None:
    with open_session(target) as session:
        answers = session.run(COMMANDS)
    assert all(answer.status == 0 and answer.stdout for answer in answers.values()), answers


def plain_shell(target: SshTarget) -> None:
    """netmiko as its manual has it."""
    assert target.private_key
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(target.private_key.reveal()))
    with netmiko.ConnectHandler(
        device_type="linux", host=target.address, port=target.port, username=target.username, pkey=key
    ) as connection:
        for argv in COMMANDS.values():
            assert connection.send_command(" ".join(argv))


def sweep(ask: Callable[[SshTarget], None], servers: list[Sshd]) -> tuple[float, float]:
    """Seconds and our CPU seconds for asking all servers, one after the other."""
    wall, cpu = time.perf_counter(), time.process_time()
    for server in servers:
        ask(server.target())
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(servers: list[Sshd], rounds: int) -> bool:
    for ask in (marked, plain_shell):  # imports and first use are no part of a sweep
        sweep(ask, servers[:1])
    pairs = [(sweep(marked, servers), sweep(plain_shell, servers)) for _ in range(rounds)]
    ours, theirs = ([pair[n] for pair in pairs] for n in (0, 1))
    wall = statistics.median(a[0] / b[0] for a, b in pairs)
    cpu = statistics.median(a[1] / b[1] for a, b in pairs)
    print(f"{len(servers)} devices, {len(COMMANDS)} commands each, {rounds} paired sweeps")
    for name, found in (("one marked script", ours), ("netmiko's shell", theirs)):
        seconds, used = (statistics.median(one[n] for one in found) for n in (0, 1))
        report(f"    {name}: sweep", seconds, "s", f"CPU {used * 1000 / len(servers):.1f} ms/poll")
    report("    ratio of time", wall, "", f"target {WALL_TARGET}")
    report("    ratio of CPU", cpu, "", f"target {CPU_TARGET}")
    return wall <= WALL_TARGET and cpu <= CPU_TARGET


def fleet(servers: list[Sshd], hosts: int, workers: int, rounds: int) -> bool:
    targets = [servers[n % len(servers)].target() for n in range(hosts)]
    taken: list[float] = []
    used: list[float] = []
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(rounds):
            wall, cpu = time.perf_counter(), time.process_time()
            list(pool.map(marked, targets))
            taken.append(time.perf_counter() - wall)
            used.append(time.process_time() - cpu)
    print(f"{hosts} hosts on {len(servers)} sshd, {workers} workers, {rounds} rounds")
    report("    a round", statistics.median(taken), "s", f"worst {max(taken):.2f} s, target {ROUND_TARGET:.0f} s")
    report("    CPU of a poll", statistics.median(used) / hosts * 1000, "ms")
    report("    peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")
    return max(taken) <= ROUND_TARGET


def main() -> None:
    given = options()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netmon-bench-ssh-")))
        count = max(given.devices, given.servers)
        servers = [stack.enter_context(sshd(folder / str(n))) for n in range(count)]
        good = fleet(servers[: given.servers], given.hosts, given.workers, 3)
        good = compare(servers[: given.devices], given.rounds) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
