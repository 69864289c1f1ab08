"""The namespaces, addresses and firewall of the scan lab. Root only; nothing leaves it: there is no default route."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.daemons import end, missing, require, wait_until
from tests.daemons.scan_lab.namespaces import inside
from tests.daemons.scan_lab.truth import HOSTS, NET4, NET6, SCANNER, WAN4, firewall

HERE = Path(__file__).resolve().parent
_numbers = itertools.count()


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(
        [require(command[0]), *command[1:]], input=text.encode(), capture_output=True, timeout=30, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


@dataclass
class ScanLab:
    """`near` is the namespace where the scanner stands (198.18.7.254 on `scan0`), `far` that of the hosts."""

    near: str
    far: str
    directory: Path

    def inside(self) -> AbstractContextManager[None]:
        """This thread stands where the scanner stands, for the length of a `with`."""
        return inside(self.near)

    def run_near(self, *command: str) -> str:
        return _run("ip", "netns", "exec", self.near, *command)

    def run_far(self, *command: str) -> str:
        return _run("ip", "netns", "exec", self.far, *command)

    def set_near(self, name: str, *values: int) -> None:
        """Sets a sysctl where the scanner stands."""
        text = " ".join(str(value) for value in values)
        self.run_near("sh", "-c", f"echo {text} > /proc/sys/{name.replace('.', '/')}")

    def set_far(self, name: str, *values: int) -> None:
        """Sets a sysctl of the hosts."""
        text = " ".join(str(value) for value in values)
        self.run_far("sh", "-c", f"echo {text} > /proc/sys/{name.replace('.', '/')}")

    def forget_neighbours(self) -> None:
        """As if nobody had ever been asked."""
        self.run_near("ip", "neigh", "flush", "dev", "scan0")

    def packets_sent(self) -> int:
        """The kernel's own count of what left on the link to the hosts."""
        with inside(self.near):
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
        (line,) = [line for line in lines if "scan0:" in line]
        return int(line.split(":")[1].split()[9])

    def add_crowd(self, prefix: str) -> None:
        """Every address of an IPv4 prefix answers at the far end (RST and ping), behind a router: not on the link."""
        _run("ip", "-n", self.far, "route", "add", "local", prefix, "dev", "lo")
        _run("ip", "-n", self.near, "route", "add", prefix, "via", f"{NET4}1")

    @contextmanager
    def wan(self, *, delay_seconds: float, loss: float, seed: int = 7) -> Iterator[Callable[[], float]]:
        """The hosts as 198.18.8.1 to .50, on a path with this one-way delay and this share lost in each direction.

        Gives a function that says by how many seconds a packet was later than meant, at worst.
        """
        ready = self.directory / "relay-ready"
        ready.unlink(missing_ok=True)
        words = [self.near, self.far, str(delay_seconds), str(loss), str(seed), str(ready)]
        relay = subprocess.Popen([sys.executable, str(HERE / "relay.py"), *words])
        try:
            wait_until(ready.exists, what="the relay")
            near = [f"addr add {WAN4}{SCANNER}/32 dev relay0", "link set relay0 up txqueuelen 20000"]
            near.append(f"route add {WAN4}0/24 dev relay0 src {WAN4}{SCANNER}")
            far = ["link set relay0 up txqueuelen 20000", f"route add {WAN4}{SCANNER} dev relay0"]
            _run("ip", "-n", self.near, "-batch", "-", text="\n".join(near))
            _run("ip", "-n", self.far, "-batch", "-", text="\n".join(far))
            yield lambda: float(ready.read_text() or 0)
        finally:
            end(relay)  # its devices go with it

    def build(self) -> subprocess.Popen[bytes]:
        """Links, addresses, firewall; starts the servers and gives their process."""
        _run("ip", "netns", "add", self.near)
        _run("ip", "netns", "add", self.far)
        _run(
            "ip", "link", "add", "scan0", "netns", self.near, "type", "veth", "peer", "name", "scan1", "netns", self.far
        )
        for namespace in (self.near, self.far):
            # RFC 4862's wait for duplicates would cost two seconds
            script = (
                "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad"
            )
            _run("ip", "netns", "exec", namespace, "sh", "-c", script)
        near = ["link set lo up", "link set scan0 up", f"addr add {NET4}{SCANNER}/24 dev scan0"]
        near.append(f"addr add {NET6}{SCANNER}/64 dev scan0 nodad")
        far = ["link set lo up", "link set scan1 up"]
        for number in HOSTS:
            far.append(f"addr add {NET4}{number}/24 dev scan1")
            far.append(f"addr add {NET6}{number}/64 dev scan1 nodad")
            far.append(f"addr add {WAN4}{number}/32 dev lo")
        _run("ip", "-n", self.near, "-batch", "-", text="\n".join(near))
        _run("ip", "-n", self.far, "-batch", "-", text="\n".join(far))
        # the kernel would limit ICMP errors, and the SYN queue of a single server is short
        settings = ["ipv4/icmp_ratelimit=0", "ipv6/icmp/ratelimit=0", "ipv4/tcp_max_syn_backlog=8192"]
        settings += ["ipv4/icmp_msgs_per_sec=1000000", "ipv4/icmp_msgs_burst=1000000"]
        # older kernels have some of these for the whole machine only
        script = "; ".join(
            "test ! -e /proc/sys/net/{0} || echo {1} > /proc/sys/net/{0}".format(*one.split("=")) for one in settings
        )
        _run("ip", "netns", "exec", self.far, "sh", "-c", script)
        _run("ip", "netns", "exec", self.far, require("nft"), "-f", "-", text=firewall())
        log = self.directory / "servers.log"
        with log.open("wb") as output:
            servers = subprocess.Popen(
                [
                    require("ip"),
                    "netns",
                    "exec",
                    self.far,
                    sys.executable,
                    str(HERE / "servers.py"),
                    str(self.directory),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 20
        while not (self.directory / "ready").exists():
            if servers.poll() is not None or time.monotonic() > deadline:
                end(servers)
                raise RuntimeError(f"the servers of the lab did not start: {log.read_text()[-800:]}")
            time.sleep(0.02)
        return servers

    def clear(self) -> None:
        for namespace in (self.near, self.far):
            with suppress(RuntimeError):  # it may never have been made
                _run("ip", "netns", "del", namespace)


def _clear_dead() -> None:
    """What a killed test process left behind: its pid is in the name."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if (match := re.fullmatch(r"nmscan-(\d+)-\d+-\w+", name)) and not Path(f"/proc/{match[1]}").exists():
            with suppress(RuntimeError):
                _run("ip", "netns", "del", name)


@contextmanager
def scan_lab(directory: Path | None = None) -> Iterator[ScanLab]:
    """A running lab, skipped with a reason (under CI: failed) where it cannot be; nothing of it stays behind."""
    if os.geteuid() != 0:
        missing("network namespaces need root")
    require("ip")
    require("nft")
    _clear_dead()
    with tempfile.TemporaryDirectory(prefix="netmon-scan-lab-") as scratch:
        number = f"nmscan-{os.getpid()}-{next(_numbers)}"
        lab = ScanLab(f"{number}-near", f"{number}-far", directory or Path(scratch))
        servers = None
        try:
            servers = lab.build()
            yield lab
        finally:
            if servers is not None:
                end(servers)
            lab.clear()
