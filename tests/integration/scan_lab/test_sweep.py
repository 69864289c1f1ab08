"""Who is there: on our link, behind a router, with and without the right to send ICMP."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter

import pytest

from netmon.drivers.neighbours import neighbours
from netmon.drivers.sweep import IcmpMode, SweepLimits, discover_link, icmp_mode, sweep
from tests.daemons.scan_lab import NET4, NET6, WAN4, truth
from tests.integration.scan_lab.asking import resident_bytes

pytestmark = pytest.mark.integration

NETWORK = [str(address) for address in ipaddress.ip_network(f"{NET4}0/24").hosts() if str(address) != f"{NET4}254"]


def swept(addresses, limits=None, **over):
    """Every host, and the last progress."""
    hosts = []
    for batch in sweep(addresses, limits, **over):
        hosts += batch.hosts
    assert len({host.address for host in hosts}) == len(hosts)
    return hosts, batch.progress


def up(hosts):
    return {host.address: host for host in hosts if host.is_up}


@pytest.mark.parametrize(("group", "mode"), [((1, 0), IcmpMode.RAW), ((0, 2147483647), IcmpMode.DATAGRAM)])
def test_it_finds_all_hosts_of_its_own_network(near, group, mode):
    near.set_near("net.ipv4.ping_group_range", *group)
    near.forget_neighbours()
    assert icmp_mode(4) is icmp_mode(6) is mode
    hosts, progress = swept(NETWORK)
    found = up(hosts)
    assert set(found) == set(truth()) and len(hosts) == 253
    # eight drop pings: the neighbour table knows them
    assert Counter(host.method for host in found.values()) == {"icmp": 42, "arp": 8}
    assert all(host.mac for host in found.values())
    assert all(host.rtt_ms is not None for host in found.values() if host.method == "icmp")
    assert progress.icmp_modes == {"ipv4": mode}
    assert (progress.hosts_done, progress.hosts_up, progress.hosts_total) == (253, 50, 253)
    assert progress.packets_sent <= 2 * 253


def test_without_icmp_a_rst_is_a_sign_of_life(near):
    near.forget_neighbours()
    hosts, progress = swept(NETWORK, SweepLimits(is_using_icmp=False))
    found = up(hosts)
    assert set(found) == set(truth()) and progress.icmp_modes == {}
    assert {host.method for host in found.values()} == {"tcp-80", "tcp-22", "tcp-443", "arp"} & {
        host.method for host in found.values()
    }
    assert found[f"{NET4}31"].method == "arp"  # drops all TCP


def test_behind_a_router_tcp_finds_who_drops_pings(near):
    with near.wan(delay_seconds=0.005, loss=0.0):
        hosts, _ = swept([f"{WAN4}{n}" for n in range(1, 61)])
    found = up(hosts)
    assert set(found) == set(truth(WAN4))
    assert {found[f"{WAN4}{n}"].method for n in range(41, 49)} <= {"tcp-80", "tcp-443", "tcp-22"}
    assert not any(host.mac for host in found.values())


def test_ipv6_addresses_are_asked_like_others_and_a_link_is_discovered(near):
    near.forget_neighbours()
    hosts, progress = swept([f"{NET6}{n}" for n in range(1, 61)])
    found = up(hosts)
    assert set(found) == set(truth(NET6)) and "ipv6" in progress.icmp_modes
    assert Counter(host.method for host in found.values()) == {"icmp": 42, "ndp": 8}
    known = {host.address: host for host in discover_link("scan0", wait_seconds=0.5)}
    assert set(truth(NET6)) <= set(known) and f"{NET6}254" not in known
    link_local = [address for address in known if address.startswith("fe80::")]
    assert len(link_local) == 1 and link_local[0].endswith("%scan0")
    assert known[link_local[0]].mac == known[f"{NET6}1"].mac
    assert discover_link("nosuch0") == []


def test_the_neighbour_table_is_read_for_both_families(near):
    swept([f"{NET4}1", f"{NET6}1", f"{NET4}99"])
    table = neighbours()
    assert table[f"{NET4}1"].mac == table[f"{NET6}1"].mac and table[f"{NET4}1"].is_confirmed
    assert table[f"{NET4}99"].is_failed and not table[f"{NET4}99"].is_resolved


def test_a_sixteen_fits_into_little_memory(near):
    near.add_crowd("198.19.0.0/16")
    addresses = (str(address) for address in ipaddress.ip_network("198.19.0.0/16").hosts())
    before, most, count = resident_bytes(), 0, 0
    for batch in sweep(addresses, SweepLimits(packets_per_second=100_000), total=65534):
        count += sum(host.is_up for host in batch.hosts)
        most = max(most, resident_bytes())
    assert count == 65534
    assert most - before < 60 << 20
    assert batch.progress.eta_seconds == 0


def test_absent_neighbours_do_not_overrun_the_kernels_table(near):
    """Absent on our link, more than the table holds: it is slowed down, and nobody is called up or forgotten."""
    near.run_near("ip", "addr", "add", "198.19.255.1/16", "dev", "scan0", "noprefixroute")
    near.run_near("ip", "route", "add", "198.18.128.0/20", "dev", "scan0")
    addresses = [f"198.18.{128 + n // 250}.{n % 250 + 1}" for n in range(1200)]
    hosts, _ = swept(addresses, SweepLimits(packets_per_second=20_000, tcp_ports=()))
    assert len(hosts) == 1200 and not up(hosts)


def test_it_ends_within_a_second_when_cancelled(near):
    begun = 0.0

    def is_cancelled():
        nonlocal begun
        begun = begun or time.monotonic()
        return True

    hosts, progress = swept(
        (f"{WAN4}{n}" for n in range(1, 255)), SweepLimits(packets_per_second=50), is_cancelled=is_cancelled
    )
    assert time.monotonic() - begun < 5.0  # a second is meant; others may be on the machine
    assert progress.hosts_done == len(hosts) < 254
    assert {host.reason for host in hosts} <= {"cancelled", "no route"}


def test_what_cannot_be_asked_is_no_verdict(near):
    hosts, _ = swept([f"{NET4}255", "203.0.113.9", f"{NET4}1"])
    assert [
        (host.address, host.is_up, host.is_asked, host.reason) for host in sorted(hosts, key=lambda h: h.address)
    ] == [
        (f"{NET4}1", True, True, ""),
        (f"{NET4}255", False, False, "local"),
        ("203.0.113.9", False, False, "no route"),
    ]


def test_a_budget_ends_it(near):
    hosts, progress = swept(iter(NETWORK), SweepLimits(max_packets=20, packets_per_second=100))
    assert progress.packets_sent == 20 and len(hosts) == progress.hosts_done < 253
    assert progress.hosts_total is None and progress.eta_seconds is None


@pytest.mark.parametrize(
    "over", [{"packets_per_second": 0}, {"tcp_ports": (0,)}, {"tcp_ports": tuple(range(1, 30))}, {"max_packets": 0}]
)
def test_limits_that_cannot_work_are_refused(over):
    with pytest.raises(ValueError, match=next(iter(over))):
        SweepLimits(**over)
