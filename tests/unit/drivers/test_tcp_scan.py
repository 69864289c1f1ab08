"""The scan on loopback and its bookkeeping, without a lab."""

from __future__ import annotations

import json
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers import connects
from netmon.drivers.tcp import Limits, Outcome, ScanTarget, State, resume, scan
from netmon.drivers.tcp import engine as engine_module
from netmon.drivers.tcp import hosts as states
from netmon.drivers.tcp.hosts import HostScan, PortList
from netmon.drivers.tcp.ports import asking_order
from tests.daemons import free_port

POLITE = Limits.profile("polite")


def make_host(ports, address="127.0.0.1", limits=POLITE):
    return HostScan(ScanTarget(address=address), PortList(asking_order(ports, 1)), limits, 0.0)


def finish(run):
    batches = list(run)
    return [host for batch in batches for host in batch.hosts], [one for batch in batches for one in batch.open_ports]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("gracefully", [False, True])
def test_open_and_closed_on_loopback(address, gracefully):
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as server:
        port, closed = server.getsockname()[1], free_port(socket.SOCK_STREAM, address)
        limits = Limits(is_closing_gracefully=gracefully)
        (report,), opened = finish(scan([ScanTarget(address=address)], [port, closed], limits))
        server.settimeout(5)
        conn, _ = server.accept()
        with conn:
            conn.settimeout(5)
            if gracefully:
                assert conn.recv(1) == b""
            else:
                with pytest.raises(ConnectionResetError):
                    conn.recv(1)
    assert report.counts == {State.OPEN: 1, State.CLOSED: 1}
    assert [(one.port, one.tries) for one in opened] == [(port, 1)] and 0 < opened[0].rtt_ms < 1000


def test_the_same_address_twice_is_one_host():
    reports, _ = finish(scan([ScanTarget(address="127.0.0.1")] * 2, [free_port(socket.SOCK_STREAM)], POLITE))
    assert len(reports) == 1


def test_nothing_to_scan_ends_with_one_batch():
    (batch,) = scan([], [80], POLITE)
    assert (batch.hosts, batch.progress.hosts_total, batch.progress.probes_total) == ((), 0, 0)


def test_a_zone_that_does_not_exist_is_no_route():
    (report,), _ = finish(scan([ScanTarget(address="fe80::1%nosuch0")], [80, 81], POLITE))
    assert (report.address, report.outcome) == ("fe80::1%nosuch0", Outcome.UNREACHABLE)
    assert report.counts == {State.UNREACHABLE: 2}


@pytest.mark.parametrize("bad", [{"address": "localhost"}, {"address": "10.0.0.1", "rtt_ms": -1}])
def test_targets_are_literal(bad):
    with pytest.raises(ValueError):
        ScanTarget(**bad)


def test_our_own_limits_are_never_a_verdict(monkeypatch):
    """Every other connection finds no local port left."""
    calls = 0

    class Stingy(socket.SocketType):
        def connect_ex(self, place):
            nonlocal calls
            calls += 1
            return 99 if calls % 2 else super().connect_ex(place)  # EADDRNOTAVAIL

    monkeypatch.setattr(engine_module.socket, "SocketType", Stingy)
    run = scan([ScanTarget(address="127.0.0.1", rtt_ms=1)], [free_port(socket.SOCK_STREAM) for _ in range(8)], POLITE)
    batches = list(run)
    (report,) = batches[-1].hosts
    assert set(report.counts) == {State.CLOSED}
    assert batches[-1].progress.pauses >= 4


def test_a_machine_that_never_recovers_is_an_error_and_no_verdict(monkeypatch):
    class Broken(socket.SocketType):
        def connect_ex(self, place):
            return 99

    monkeypatch.setattr(engine_module.socket, "SocketType", Broken)
    monkeypatch.setattr(engine_module, "STARVED_SECONDS", 0.2)
    (report,), _ = finish(scan([ScanTarget(address="127.0.0.1")], [80, 81], POLITE))
    assert report.counts == {State.ERROR: 2} and report.ranges[0].reason == "local"


def test_a_range_spans_only_ports_that_were_asked():
    host = make_host([1, 2, 3, 10, 11, 20])
    for position in range(6):
        host.states[position] = states.CLOSED
    host.states[host.ports.order.index(2)] = host.icmp_state("icmp 3/13 from 10.0.0.1")
    found = [(one.first, one.last, one.state, one.reason) for one in host.report().ranges]
    closed, filtered = (State.CLOSED, "rst"), (State.FILTERED, "icmp 3/13 from 10.0.0.1")
    assert found == [(1, 1, *closed), (2, 2, *filtered), (3, 3, *closed), (10, 11, *closed), (20, 20, *closed)]


def test_hundreds_of_forged_senders_fit_into_a_byte():
    host = make_host([1])
    codes = {host.icmp_state(f"icmp 3/1 from 10.0.{n >> 8}.{n & 255}") for n in range(1000)}
    assert max(codes) <= 255
    host.states[0] = max(codes)
    assert host.report().ranges[0].state is State.FILTERED


def test_a_position_is_given_out_once_and_retries_come_after_the_others():
    host = make_host(range(1, 6))
    assert [host.next_position() for _ in range(3)] == [0, 1, 2]
    host.take_back(1)
    assert [host.next_position() for _ in range(4)] == [3, 4, 1, -1]
    assert (host.to_ask, host.in_flight, host.undecided) == (0, 5, 5)


def test_the_silent_ports_are_looked_at_again_only_where_packets_get_lost():
    host = make_host(range(1, 101))
    host.states[:] = bytes([states.SILENT]) * 100
    host.to_ask = 0
    assert not host.look_again()
    host.pace.answered(0.01, 2, 0)
    assert host.look_again() and host.to_ask == 100
    # nobody answered: enough
    host.states[:] = bytes([states.SILENT]) * 100
    assert not host.look_again()
    host.look_answers = 1
    assert host.look_again()


def test_few_silent_ports_are_worth_several_looks():
    host = make_host(range(1, 101))
    host.states[:] = bytes([states.SILENT]) * 3 + bytes([states.CLOSED]) * 97
    host.pace.answered(0.01, 2, 0)
    looks = 0
    while host.look_again():
        looks += 1
        host.states = host.states.replace(bytes([states.UNKNOWN]), bytes([states.SILENT]))
    assert looks == states.MOST_LOOKS


@given(st.lists(st.sampled_from([0, 1, 3, 4, 8, 9]), min_size=50, max_size=50))
def test_what_is_saved_comes_back(given_):
    host = make_host(range(1, 51))
    host.icmp_reasons = ["icmp 3/1 from 10.0.0.1", "icmp 3/9 from 10.0.0.2"]
    host.states[:] = bytes(given_)
    saved = json.loads(json.dumps(resume.save_host(host)))
    again = make_host(range(1, 51))
    assert resume.restore(again, saved)
    assert again.states == host.states.replace(b"\1", b"\0") and again.icmp_reasons == host.icmp_reasons
    assert again.undecided == again.to_ask == sum(state in (0, 1) for state in given_)


@pytest.mark.parametrize(
    "saved",
    [
        None, {}, {"states": "", "icmp": [], "open": [], "sent": 0, "answers": 0, "retries": 0}, [1], "x",
        {"states": "!!", "icmp": [], "open": [], "sent": 0, "answers": 0, "retries": 0},
    ],
)  # fmt: skip
def test_what_does_not_fit_leaves_a_fresh_host(saved):
    host = make_host(range(1, 51))
    assert not resume.restore(host, saved)
    assert host.states == bytes(50) and host.to_ask == 50


class Queue:
    """A socket whose error queue holds one record."""

    def __init__(self, family, origin, kind, code, sender):
        head = struct.pack("=IBBBBII", 111, origin, kind, code, 0, 0, 0)
        address = socket.inet_pton(family, sender)
        self.data = head + struct.pack("=HH", family, 0) + (b"" if family == socket.AF_INET else bytes(4)) + address
        self.level = connects.RECVERR[family]
        self.own = sender

    def recvmsg(self, *_):
        return b"", [(*self.level, self.data)], 0, None

    def getsockname(self):
        return (self.own, 1)


def test_the_error_queue_tells_type_code_and_sender():
    record = connects.read_icmp_error(Queue(socket.AF_INET, 2, 3, 13, "192.0.2.9"), socket.AF_INET)
    assert (record.reason, record.is_own) == ("icmp 3/13 from 192.0.2.9", False)
    record = connects.read_icmp_error(Queue(socket.AF_INET6, 3, 1, 3, "2001:db8::9"), socket.AF_INET6)
    assert (record.reason, record.is_own) == ("icmp 1/3 from 2001:db8::9", True)
    assert connects.read_icmp_error(Queue(socket.AF_INET, 1, 3, 13, "192.0.2.9"), socket.AF_INET) is None


def test_the_window_follows_the_limit_of_descriptors(monkeypatch):
    limit = [300, 1000]
    monkeypatch.setattr(connects.resource, "getrlimit", lambda _: tuple(limit))
    monkeypatch.setattr(connects.resource, "setrlimit", lambda _, pair: limit.__setitem__(slice(None), list(pair)))
    assert connects.socket_window(4000) == 800 and limit == [1000, 1000]
    limit[:] = [64, 64]
    assert connects.socket_window(4000) == 16
