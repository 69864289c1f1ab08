"""A network of two hosts: this one and a network namespace behind a veth pair, with a real snmpd in it. Root only."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.daemons import missing, require
from tests.daemons.claims import claimed
from tests.daemons.snmpd import DEFAULT_USERS, Agent, configure

# Ethernet (14), IPv4 (20) and UDP (8) headers: what the kernel counts for a datagram beside its payload
HEADER_BYTES = 42
PAYLOAD_BYTES = 1000
SNMP_PORT = 1161


def _ip(*arguments: str) -> str:
    done = subprocess.run([require("ip"), *arguments], capture_output=True, timeout=20, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


@dataclass
class Lab:
    """`address` is the far end (its interface is `eth0`), `near_address` ours (`near_interface`)."""

    name: str
    address: str
    near_address: str
    near_interface: str
    agent: Agent

    @staticmethod
    def available() -> str | None:
        """None where a lab can be built, else the reason why not."""
        if os.geteuid() != 0:
            return "a network namespace needs root"
        if shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
            return "ip (iproute2) is not installed"
        return None

    def run(self, *command: str) -> str:
        """Runs a command inside the namespace and gives its output."""
        return _ip("netns", "exec", self.name, *command)

    def set_sysctl(self, name: str, *values: int) -> None:
        """Sets a sysctl of the namespace, `net.ipv4.icmp_echo_ignore_all` for one."""
        numbers = " ".join(str(int(value)) for value in values)
        self.run("sh", "-c", f"echo {numbers} > /proc/sys/{name.replace('.', '/')}")

    def set_link(self, state: str) -> None:
        """Takes our end of the link "up" or "down"; the far end loses or gains its carrier."""
        _ip("link", "set", self.near_interface, state)

    def unreachable_address(self) -> str:
        """An address behind the far end, which answers for it that it cannot be reached."""
        head, _, last = self.address.rpartition(".")
        address = f"{head}.{int(last) + 4}"
        self.set_sysctl("net.ipv4.ip_forward", 1)
        self.set_sysctl("net.ipv4.icmp_ratelimit", 0)
        _ip("-n", self.name, "route", "add", "unreachable", address)
        _ip("route", "add", address, "via", self.address, "dev", self.near_interface)
        return address

    def far_octets(self) -> tuple[int, int]:
        """The kernel's own count of octets the far end received and sent."""
        text = _ip("-n", self.name, "-s", "link", "show", "dev", "eth0")
        received, sent = re.findall(r"^\s+(\d+)\s", text, re.MULTILINE)[:2]
        return int(received), int(sent)

    def generate_traffic(self, bytes_per_second: float, seconds: float) -> float:
        """Sends UDP to the far end at a steady rate for `seconds`.

        Gives the true rate in octets a second as the kernel counts them, Ethernet headers included. Datagrams go to
        the discard port, where the far end drops them and answers nothing.
        """
        size = PAYLOAD_BYTES + HEADER_BYTES
        sent = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            started = time.monotonic()
            while (elapsed := time.monotonic() - started) < seconds:
                due = int(bytes_per_second * elapsed / size)
                while sent < due:
                    sock.sendto(bytes(PAYLOAD_BYTES), (self.address, 9))
                    sent += 1
                time.sleep(0.002)
        return sent * size / elapsed


@contextmanager
def lab(directory: Path) -> Iterator[Lab]:
    """A lab with its agent running, skipped with a reason where it cannot be; nothing of it stays behind."""
    reason = Lab.available()
    if reason:
        missing(reason)
    require("snmpd")
    with claimed("netns", 16384) as slot:
        yield from _built(slot, directory)


def _built(slot: int, directory: Path) -> Iterator[Lab]:
    name, near = f"nmtest{slot}", f"nmt{slot}"
    # 198.18.0.0/15 is for tests between networks (RFC 2544): no real route is hidden
    base = f"198.{18 + slot // 8192}.{slot // 32 % 256}"
    first = slot % 32 * 8
    address, near_address = f"{base}.{first + 2}", f"{base}.{first + 1}"
    configure(directory, address=address, port=SNMP_PORT, community="public", users=DEFAULT_USERS, name=f"lab-{slot}")
    agent = Agent(
        address=address,
        port=SNMP_PORT,
        community="public",
        users=DEFAULT_USERS,
        directory=directory,
        prefix=(require("ip"), "netns", "exec", name),
    )
    network = f"{base}.{first}/29"
    _clear(name, near, network)  # the slot is ours: what is there, a killed test process left behind
    try:
        _ip("netns", "add", name)
        _ip("link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", name)
        # Without it, packets would leave by the default route while the link is down.
        _ip("route", "add", "unreachable", network, "metric", "9999")
        _ip("addr", "add", f"{near_address}/29", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", name, "addr", "add", f"{address}/29", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "route", "add", "default", "via", near_address)
        this = Lab(name=name, address=address, near_address=near_address, near_interface=near, agent=agent)
        agent.start()
        yield this
    finally:
        agent.stop()
        _clear(name, near, network)


def _clear(name: str, near: str, network: str) -> None:
    for command in (
        ("link", "del", near),
        ("netns", "del", name),
        ("route", "del", "unreachable", network, "metric", "9999"),
    ):
        with suppress(RuntimeError):  # it may never have been made
            _ip(*command)
