"""Pings in the loopback and across a veth pair to a network namespace. Root only."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from monitoring.modules import icmp as module
from netmon.drivers import icmp
from netmon.drivers.errors import DeadlineExceeded, NotSupported, Unreachable
from netmon.drivers.icmp import ping
from netmon.drivers.targets import IcmpTarget
from tests.daemons import missing
from tests.daemons.netns import Lab, lab

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _may_ping() -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except PermissionError:
        missing("raw sockets are not allowed here")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def run_ping(address, **over):
    return asyncio.run(ping(IcmpTarget(address=address, **over)))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_both_families_answer(address):
    rtt = run_ping(address)
    assert (rtt.sent, rtt.received, rtt.loss_percent) == (3, 3, 0.0)
    assert 0 < rtt.min_ms <= rtt.rtt_ms <= rtt.max_ms < 1000


def test_the_module_gives_one_reading():
    collected = asyncio.run(module.collect(IcmpTarget(address="127.0.0.1"), {}))
    (reading,) = collected.readings
    assert reading.set == "icmp" and set(reading.values) == {"rtt_ms", "loss_percent"}
    assert collected.response_ms == reading.values["rtt_ms"]


def test_a_thousand_at_once_share_a_socket_and_leave_none():
    before = len(os.listdir("/proc/self/fd"))

    async def ping_all():
        targets = [IcmpTarget(address=f"127.9.{n >> 8}.{n & 255}", count=2) for n in range(1, 1001)]
        results = await asyncio.gather(*map(ping, targets))
        return results, len(os.listdir("/proc/self/fd"))

    for _ in range(2):  # each asyncio.run is another event loop
        results, _ = asyncio.run(ping_all())
        assert {rtt.loss_percent for rtt in results} == {0.0}
    assert len(os.listdir("/proc/self/fd")) == before


def test_silence_is_a_timeout(network):
    network.set_sysctl("net.ipv4.icmp_echo_ignore_all", 1)
    try:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            run_ping(network.address, timeout_seconds=0.2)
        assert time.monotonic() - started < 1.2 * 0.6 + 0.2
        with pytest.raises(DeadlineExceeded):
            run_ping(network.address, timeout_seconds=1.0, deadline_seconds=0.3)
        assert time.monotonic() - started < 1.5
    finally:
        network.set_sysctl("net.ipv4.icmp_echo_ignore_all", 0)
    assert run_ping(network.address).received == 3


def test_a_router_that_says_no_ends_it_early(network):
    address = network.unreachable_address()
    started = time.monotonic()
    with pytest.raises(Unreachable, match=f"{network.address}.*unreachable"):
        run_ping(address, timeout_seconds=0.5, count=20, deadline_seconds=15.0)
    assert time.monotonic() - started < 5


def test_no_route_is_unreachable(network):
    network.set_link("down")
    try:
        with pytest.raises(Unreachable):
            run_ping(network.address, timeout_seconds=0.2)
    finally:
        network.set_link("up")


def test_without_permission_the_remedy_is_named(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(icmp.socket, "socket", refuse)
    with pytest.raises(NotSupported, match=r"ping_group_range.*CAP_NET_RAW"):
        run_ping_without_loop_sockets()


def run_ping_without_loop_sockets():
    # the event loop needs sockets of its own, so only the opening of ours is asked here
    return icmp._open(socket.AF_INET)


def test_a_reply_with_a_foreign_token_or_source_does_not_count():
    async def ask():
        loop = asyncio.get_running_loop()
        pinger = icmp._open(socket.AF_INET)
        try:
            sequence = pinger.send(("127.0.0.1", 0), socket.inet_aton("127.0.0.1"))
            echo = pinger.pending[sequence]
            head = bytes((0, 0, 0, 0)) + pinger.ident.to_bytes(2, "big") + sequence.to_bytes(2, "big")

            def receive(token, source):
                packet = head + token
                packet = packet[:2] + icmp._checksum(packet).to_bytes(2, "big") + packet[4:]
                pinger._receive(packet, source)

            receive(bytes(16), "127.0.0.1")
            receive(echo.token, "127.0.0.2")
            assert not echo.answer.done()
            receive(echo.token, "127.0.0.1")
            assert echo.answer.result() <= loop.time()
        finally:
            pinger.sock.close()

    asyncio.run(ask())


@pytest.mark.parametrize("packet", [b"", b"\x45", b"\x4f" + bytes(30), b"\x00" * 8, b"\x03" * 300])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_nonsense_is_dropped(packet, family):
    pinger = icmp._open(family)
    try:
        pinger._receive(packet, "127.0.0.1")
        pinger._receive_error("destination unreachable", packet, "127.0.0.1")
    finally:
        pinger.sock.close()


def test_a_datagram_socket_is_enough_where_the_system_allows_it(network):
    network.set_sysctl("net.ipv4.ping_group_range", 0, 0)
    program = (
        "import asyncio, socket; from netmon.drivers import icmp; from netmon.drivers.targets import IcmpTarget\n"
        "assert not icmp._open(socket.AF_INET).is_raw and not icmp._open(socket.AF_INET6).is_raw\n"
        "async def both():\n"
        f"    targets = [IcmpTarget(address=a) for a in ('{network.near_address}', '127.0.0.1', '::1')]\n"
        "    return await asyncio.gather(*map(icmp.ping, targets))\n"
        "print([rtt.received for rtt in asyncio.run(both())])"
    )
    assert network.run(sys.executable, "-W", "ignore", "-c", program).strip() == "[3, 3, 3]"
