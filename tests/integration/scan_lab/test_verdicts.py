"""Every verdict against the truth, on a clean path and on a bad one."""

from __future__ import annotations

import pytest

from netmon.drivers.tcp import Limits, Outcome, State
from tests.daemons.scan_lab import NET4, NET6, WAN4, truth
from tests.integration.scan_lab.asking import ask, wrong

pytestmark = pytest.mark.integration

FAST = Limits.profile("fast")
WAN_PORTS = range(1, 201)


@pytest.mark.parametrize("run", [1, 2, 3])
def test_no_verdict_is_wrong(near, run):
    hosts = truth(NET4)
    asked = ask(hosts, FAST)
    assert wrong(asked, hosts) == []
    last = asked.progress[-1]
    assert (last.hosts_done, last.probes_done) == (50, last.probes_total)
    opened = {(one.address, one.port) for one in asked.open_ports}
    assert opened == {(address, port) for address, host in hosts.items() for port in host.open}
    assert len(asked.open_ports) == len(opened)


def test_no_verdict_is_wrong_over_ipv6(near):
    hosts = truth(NET6)
    asked = ask(hosts, FAST)
    assert wrong(asked, hosts) == []
    assert asked.verdict(f"{NET6}49", 81).reason == f"icmp 1/4 from {NET6}49"


def test_a_path_that_loses_packets_costs_time_and_hardly_a_verdict(near):
    """Ten thousand verdicts, 4 % of the probes unanswered. One port of a closed host would have to lose all of its six
    or more tries to be called filtered: two are allowed. A path that was far slower than asked, since the machine was
    busy, shows nothing: once more."""
    hosts = truth(WAN4)
    for seed in range(7, 12):
        with near.wan(delay_seconds=0.02, loss=0.02, seed=seed) as late:
            asked = ask(hosts, FAST, ports=WAN_PORTS, rtt_ms=40.0)
            if late() < 0.1:
                break
    else:
        pytest.fail("The relay was late five times: this machine is too busy to be a path of 40 ms.")
    faults = wrong(asked, hosts, WAN_PORTS)
    assert len(faults) <= 2
    # what is lost may hide a port; nothing may invent one
    assert {said for _, _, _, said in faults} <= {"filtered"}
    accuracy = asked.of(f"{WAN4}11").accuracy
    assert accuracy.retries_answered and "only to a retry" in accuracy.note
    assert 38 <= accuracy.rtt_ms <= 400


def test_reasons_tell_a_rejection_from_a_rst(near):
    asked = ask([f"{NET4}{n}" for n in (1, 31, 49)], FAST)
    assert asked.verdict(f"{NET4}1", 2).reason == "rst"
    assert asked.verdict(f"{NET4}1", 22).reason == "syn-ack"
    assert asked.verdict(f"{NET4}49", 81).reason == f"icmp 3/3 from {NET4}49"
    silent = asked.verdict(f"{NET4}31", 81)
    assert (silent.reason, silent.tries) == ("timeout", 2)
    # 257 closed or filtered ports are a handful of ranges
    assert len(asked.of(f"{NET4}31").ranges) == len([1, 443, 445, 554, 1000, 1024, 3306, 5432, 8080, 8443, 9100])


def test_a_host_that_limits_its_rsts_is_found_out(near):
    asked = ask([f"{NET4}29"], FAST, ports=range(1, 451))
    report = asked.of(f"{NET4}29")
    assert report.counts == {State.CLOSED: 450}
    assert report.accuracy.is_limiting_rsts and report.accuracy.slowed_to < 3000
    assert "host limits RSTs, slowed to" in report.accuracy.note


def test_a_host_that_limits_its_icmp_errors_costs_no_more_than_a_silent_one(near):
    """The default of Linux is one a second: most ports are silence, and asking again finds a few each time."""
    near.set_far("net.ipv4.icmp_ratelimit", 1000)
    try:
        asked = ask([f"{NET4}49"], FAST, ports=range(100, 500))
    finally:
        near.set_far("net.ipv4.icmp_ratelimit", 0)
    report = asked.of(f"{NET4}49")
    assert report.counts == {State.FILTERED: 400}
    assert {one.reason for one in report.ranges} == {"timeout", f"icmp 3/3 from {NET4}49"}
    assert report.accuracy.packets_sent <= 800 and report.accuracy.note == ""


def test_a_host_that_is_not_there_is_unreachable_and_not_filtered(near):
    absent, no_route, absent6 = f"{NET4}99", "203.0.113.7", f"{NET6}99"
    asked = ask([absent, no_route, absent6], Limits.profile("polite"), ports=[22, 80, 443], rtt_ms=None)
    assert asked.verdict(no_route, 80).reason == "no route"
    for address in (absent, absent6):
        assert asked.verdict(address, 80).reason == "no ARP"
    for report in asked.reports:
        assert (report.outcome, report.counts) == (Outcome.UNREACHABLE, {State.UNREACHABLE: 3})
    assert asked.of(no_route).accuracy.packets_sent == 0


def test_the_kernel_counts_the_packets_that_we_report(near):
    before = near.packets_sent()
    asked = ask([f"{NET4}31", f"{NET4}12"], FAST)
    counted = near.packets_sent() - before
    said = asked.progress[-1].packets_sent
    assert said == sum(report.accuracy.packets_sent for report in asked.reports)
    assert 0 <= counted - said <= 10  # ARP
