"""Who is on an IPv6 link. A /64 cannot be swept; its hosts can be asked all at once (RFC 4291: ff02::1, all nodes)."""

from __future__ import annotations

import ipaddress
import select
import socket
import time
from pathlib import Path

from netmon.drivers.neighbours import neighbours
from netmon.drivers.sweep.echo import Echo, open_echo
from netmon.drivers.sweep.types import SweepHost

ALL_NODES = "ff02::1"
OWN_ADDRESSES = Path("/proc/thread-self/net/if_inet6")
MOST_HOSTS = 4096


def discover_link(interface: str, *, wait_seconds: float = 1.5) -> list[SweepHost]:
    """The IPv6 hosts known on the link of `interface` ("eth0"), sorted: who answers a ping to all nodes, and whom the
    kernel's neighbour table holds as answering.

    It asks once from each of our addresses there, since hosts answer a link-local question from their link-local
    address. Hosts that ignore multicast pings (Windows does) and were not talked to lately are missing: this says who
    is there, never who is not. Link-local addresses carry their zone. Empty where this machine has no such interface.
    """
    try:
        index = socket.if_nametoindex(interface)
    except OSError:
        return []
    own = _own_addresses(interface)
    found: dict[str, SweepHost] = {}
    echoes = []
    try:
        for number, address in enumerate(own):
            if echo := _ask(address, index, number):
                echoes.append(echo)
        _collect(echoes, interface, wait_seconds, found)
    finally:
        for echo in echoes:
            echo.close()
    for address, entry in neighbours(socket.AF_INET6).items():
        if entry.interface != index or not entry.mac:
            continue
        if (known := found.get(address)) is not None:
            found[address] = SweepHost(address, True, known.method, known.rtt_ms, entry.mac)
        elif entry.is_confirmed and not ipaddress.ip_address(address).is_multicast:
            found[address] = SweepHost(address, True, "ndp", None, entry.mac)
    for address in own:
        found.pop(address, None)
        found.pop(f"{address}%{interface}", None)
    return sorted(found.values(), key=lambda host: ipaddress.IPv6Address(host.address.partition("%")[0]))


def _own_addresses(interface: str) -> list[str]:
    try:
        lines = OWN_ADDRESSES.read_text().splitlines()
    except OSError:
        return []
    own = [fields[0] for line in lines if (fields := line.split()) and fields[-1] == interface]
    return [str(ipaddress.IPv6Address(bytes.fromhex(text))) for text in own]


def _ask(address: str, index: int, number: int) -> Echo | None:
    echo = open_echo(socket.AF_INET6)
    if echo is None:
        return None
    try:
        scope = index if ipaddress.ip_address(address).is_link_local else 0
        echo.sock.bind((address, 0, 0, scope))
        echo.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        echo.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        echo.send((ALL_NODES, 0, 0, index), number, 0)
    except OSError:  # an address that is still being checked for duplicates cannot be used
        echo.close()
        return None
    return echo


def _collect(echoes: list[Echo], interface: str, seconds: float, found: dict[str, SweepHost]) -> None:
    begun = time.monotonic()
    poll = select.poll()
    by_fd = {echo.sock.fileno(): echo for echo in echoes}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    while by_fd and (left := begun + seconds - time.monotonic()) > 0 and len(found) < MOST_HOSTS:
        for fd, _ in poll.poll(left * 1000):
            for source, _, _ in by_fd[fd].replies():
                address = source.partition("%")[0]
                if ipaddress.ip_address(address).is_link_local:
                    address = f"{address}%{interface}"
                rtt = (time.monotonic() - begun) * 1000
                found.setdefault(address, SweepHost(address, True, "icmp", rtt))
