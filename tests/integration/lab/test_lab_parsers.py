"""The parsers against living routers: what FRR, chrony and the kernel say now, and when something breaks."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from netmon.drivers.platforms import clock, frr, links, linux
from netmon.drivers.platforms.changes import expected_neighbours, session_events, silent_cut
from netmon.drivers.platforms.frr_routes import route_summary, routes, wants_table
from netmon.drivers.platforms.frr_routing import bfd_peers, bgp_summary, ospf_neighbors, rip
from netmon.drivers.platforms.shapes import Presence
from netmon.drivers.ssh.answers import Answer
from tests.daemons import wait_until
from tests.daemons.lab import RoutedLab
from tests.unit.drivers.platforms.captures import capture

pytestmark = pytest.mark.integration

# The captures that stand for the lab where it cannot be built.
CAPTURED = {
    "bgp": "show_bgp_vrf_all_summary.json",
    "bgp_neighbors": "show_bgp_neighbors.json",
    "ospf": "show_ip_ospf_neighbor.json",
    "ospf6": "show_ipv6_ospf6_neighbor.json",
    "routes": "show_ip_route.json",
    "routes6": "show_ipv6_route.json",
    "route_summary": "show_ip_route_summary.json",
    "interfaces": "show_interface.json",
    "daemons": "show_daemons.txt",
    "version": "show_version.txt",
    "net_dev": "proc_net_dev.txt",
    "links": "ip_stats.json",
    "addresses": "ip_addr.json",
    "chrony_tracking": "chronyc_tracking.csv",
    "chrony_sources": "chronyc_sources.csv",
    "stat": "proc_stat.txt",
    "meminfo": "proc_meminfo.txt",
    "disks": "df_PTl.txt",
}
Ask = Callable[[str], Answer]


@pytest.fixture
def ask(lab_or_captures: RoutedLab | None) -> Ask:
    """What r1 answers to a question of COMMANDS, to an account that is not root."""

    def answer(question: str) -> Answer:
        if lab_or_captures is None:
            return capture(f"converged/r1/{CAPTURED[question]}")
        if question in frr.COMMANDS:
            return lab_or_captures.vtysh("r1", frr.COMMANDS[question], user="lab")
        command = {**linux.COMMANDS, **clock.COMMANDS}[question]
        return lab_or_captures.run("r1", *command, user="lab")

    return answer


def test_bgp(ask):
    summary = bgp_summary(ask("bgp"), ask("bgp_neighbors")).value
    assert summary["local_as"] == 65001 and summary["peers_established"] == 3
    peers = {peer["description"]: peer for peer in summary["peers"]}
    assert set(peers) == {"ibgp-r2", "ebgp-r3", "ebgp6-r3", "never-up"}
    assert peers["ebgp-r3"]["uptime_seconds"] >= 0 and peers["ebgp6-r3"]["family"] == "ipv6_unicast"
    assert not peers["never-up"]["is_established"] and not peers["never-up"]["was_ever_up"]


def test_ospf(ask):
    for reading in (ospf_neighbors(ask("ospf")), ospf_neighbors(ask("ospf6"), 3)):
        assert reading.presence is Presence.RUNNING
        assert (reading.value["total"], reading.value["full"]) == (2, 2)
        assert {one["interface"] for one in reading.value["neighbors"]} == {"to-r2", "to-r3"}


def test_routes(ask):
    summary = route_summary(ask("route_summary")).value
    table = routes(ask("routes")).value
    assert wants_table(summary) and len(table["routes"]) == summary["total"]
    assert sum(route["is_in_fib"] for route in table["routes"]) == summary["total_fib"]
    assert {"connected", "ospf", "bgp", "static"} <= {route["protocol"] for route in table["routes"]}
    six = routes(ask("routes6"), "ipv6").value["routes"]
    assert any(route["protocol"] == "bgp" and route["is_in_fib"] for route in six)


def test_interfaces(ask):
    routers = {
        one["name"]: one for one in frr.interfaces(ask("interfaces"), links.interfaces_from_proc(ask("net_dev"))).value
    }
    kernels = {one["name"]: one for one in links.interfaces_from_ip(ask("links"), ask("addresses"))}
    for name in ("to-r2", "to-r3", "lo"):
        assert routers[name]["oper_status"] == kernels[name]["oper_status"] == "up"
        assert routers[name]["mac_address"] == kernels[name]["mac_address"]
        assert set(routers[name]["addresses"]) & set(kernels[name]["addresses"])
        assert routers[name]["in_octets"] > 0 or name == "lo"


def test_the_host_below(ask):
    assert linux.cpu_counters(ask("stat"))["cores"] >= 1
    assert linux.memory(ask("meminfo"))["total_bytes"] > 1 << 20
    assert all(disk["total_bytes"] > 0 for disk in linux.disks(ask("disks")))
    assert frr.facts(ask("version")).value["hostname"] == "r1"
    assert {"zebra", "bgpd", "ospfd"} <= set(frr.daemons(ask("daemons")).value)


def test_the_clock(ask):
    def status() -> clock.NtpStatus:
        return clock.ntp_status({name: ask(name) for name in ("chrony_tracking", "chrony_sources")})

    wait_until(lambda: status()["is_synchronised"], seconds=30, what="chrony's first synchronisation")
    assert abs(status()["offset_seconds"]) < 1 and status()["stratum"] == 9 and status()["source"] == "chrony"


def test_a_server_with_its_own_clock(lab):
    status = clock.ntp_status(
        {name: lab.run("s1", *clock.COMMANDS[name], user="lab") for name in ("chrony_tracking", "chrony_sources")}
    )
    assert status["is_synchronised"] and status["stratum"] == 8 and status["sources"] == []


def test_one_vtysh_for_all_questions(lab):
    questions = ("route_summary", "route_summary6", "bgp", "ospf", "ospf6", "interfaces", "bfd")

    def parts() -> list[Answer]:
        answer = lab.run("r1", *frr.vtysh(*(frr.COMMANDS[name] for name in questions)), user="lab")
        return frr.documents(answer, len(questions))

    assert bgp_summary(parts()[2]).value["peers_established"] == 3
    wait_until(lambda: all(one["is_up"] for one in bfd_peers(parts()[6]).value), seconds=20, what="BFD")


def test_rip(lab):
    def learned() -> set[str]:
        reading = rip(lab.vtysh("r1", "show ip rip"), lab.vtysh("r1", "show ip rip status"))
        assert reading.presence is Presence.RUNNING
        return {route["prefix"] for route in reading.value["routes"] if route["learned_from"]}

    wait_until(lambda: "198.18.2.0/24" in learned(), seconds=30, what="RIP's first update")
    reading = rip(lab.vtysh("r1", "show ip rip"), lab.vtysh("r1", "show ip rip status"))
    assert reading.value["gateways"][0]["address"] == lab.link_address("r2", "r1")
    other = rip(lab.vtysh("r3", "show ip rip"), lab.vtysh("r3", "show ip rip status"))
    assert other.presence is Presence.NOT_RUNNING and other.reason == "ripd is not running."


def read(lab: RoutedLab, node: str = "r1"):
    """One whole reading of a router, for comparisons."""
    counted = links.interfaces_from_proc(lab.run(node, *frr.COUNTERS))
    return {
        "seconds": time.monotonic(),
        "bgp": bgp_summary(lab.vtysh(node, frr.COMMANDS["bgp"])).value,
        "ospf": ospf_neighbors(lab.vtysh(node, frr.COMMANDS["ospf"])).value,
        "interfaces": frr.interfaces(lab.vtysh(node, frr.COMMANDS["interfaces"]), counted).value,
    }


def test_a_cut_cable_is_seen_and_its_repair(lab):
    before = read(lab)
    lab.cut("r1", "r3")
    wait_until(lambda: read(lab)["bgp"]["peers_established"] == 1, seconds=20, what="the loss of both sessions to r3")
    after = read(lab)
    kinds = {(event["kind"], event["key"].split()[-1]) for event in session_events(before, after)}
    assert {("link_down", "to-r3"), ("ospf_gone", "to-r3"), ("bgp_down", lab.link_address("r3", "r1"))} <= kinds
    assert expected_neighbours([lab.node("r3").router_id], after["ospf"])["missing"] == [lab.node("r3").router_id]
    lab.repair()
    lab.wait_converged()
    kinds = {event["kind"] for event in session_events(after, read(lab))}
    assert {"link_up", "bgp_up", "ospf_new"} <= kinds
    # seen from before the cut, everything is as it was: only what the router remembers tells
    kinds = {event["kind"] for event in session_events(before, read(lab))}
    assert {"bgp_flapped", "ospf_restarted", "link_flapped"} <= kinds


def test_a_silent_cut_is_named_while_bgp_believes_in_the_link(lab):
    # without BFD and with a long hold time BGP notices late, as it does in the field
    third = lab.link_address("r3", "r1")
    set_timers(lab, "no neighbor {} bfd", "neighbor {} timers 60 180")
    try:
        lab.vtysh("r1", f"clear bgp {third}")
        lab.wait_converged()
        before = read(lab)
        lab.cut("r1", "r3", how="silent")
        wait_until(lambda: read(lab)["ospf"]["full"] == 1, seconds=20, what="OSPF's dead interval")
        after = read(lab)
        cuts = silent_cut(after["bgp"], before["ospf"], after["ospf"], after["interfaces"])
        assert (third, "to-r3") in [(cut["peer"], cut["interface"]) for cut in cuts]
        assert not any(event["kind"] == "link_down" for event in session_events(before, after))
    finally:
        lab.repair()
        set_timers(lab, "neighbor {} bfd", "neighbor {} timers 3 9")
    lab.wait_converged()


def set_timers(lab: RoutedLab, *lines: str) -> None:
    """Configures both ends of the sessions between r1 and r3; {} is the peer's address."""
    for name, local_as, other in (("r1", 65001, "r3"), ("r3", 65003, "r1")):
        address = lab.link_address(other, name)
        _, _, network, last = address.split(".")
        peers = (address, f"fd00:{lab.octet}:{network}::{last}")
        lab.configure(name, f"router bgp {local_as}", *(line.format(peer) for peer in peers for line in lines))


def test_three_kinds_of_nothing(lab):
    lab.stop("r2", "bgpd")
    dead = bgp_summary(lab.vtysh("r2", frr.COMMANDS["bgp"]))
    assert (dead.presence, dead.reason, dead.value) == (Presence.NOT_RUNNING, "bgpd is not running.", None)
    assert ospf_neighbors(lab.vtysh("r2", frr.COMMANDS["ospf"])).value["full"] == 2
    lab.start("r2", "bgpd")
    lab.wait_converged()
    # an account outside of frrvty may not ask
    refused = bgp_summary(lab.vtysh("r2", frr.COMMANDS["bgp"], user="guest"))
    assert refused.presence is Presence.NOT_PERMITTED and "frrvty" in refused.reason
    # a host without FRR configuration
    assert bgp_summary(lab.vtysh("s1", frr.COMMANDS["bgp"])).presence is Presence.NOT_RUNNING


def test_a_protocol_that_is_not_configured(lab):
    saved = lab.vtysh("r3", "show running-config").stdout
    lab.configure("r3", "no router ospf6")
    try:
        for question, version in (("ospf6", 3), ("ospf", 2)):
            reading = ospf_neighbors(lab.vtysh("r3", frr.COMMANDS[question]), version)
            wanted = Presence.NOT_CONFIGURED if version == 3 else Presence.RUNNING
            assert reading.presence is wanted, reading
        assert (
            frr.document(lab.vtysh("r3", "show bgp vrf nosuch summary json"), "BGP").presence is Presence.NOT_CONFIGURED
        )
    finally:
        assert "router ospf6" in saved
        answer = lab.run("r3", "vtysh", "-b")
        assert answer.status == 0, answer
    lab.wait_converged()
