from __future__ import annotations

import json
import tracemalloc

import pytest

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms import frr, links
from netmon.drivers.platforms.frr_routes import (
    prefix_command,
    route_summary,
    routes,
    routes_from_json,
    table_commands,
    wants_table,
)
from netmon.drivers.platforms.frr_routing import bfd_peers, bgp_summary, family_word, ospf_neighbors, rip
from netmon.drivers.platforms.shapes import Presence
from netmon.drivers.ssh.answers import Answer
from tests.unit.drivers.platforms.captures import capture, r1


def peers(answer, neighbors=None):
    return {peer["address"]: peer for peer in bgp_summary(answer, neighbors).value["peers"]}


@pytest.mark.parametrize("name", ["show_bgp_summary.json", "show_bgp_vrf_all_summary.json"])
def test_bgp_of_all_families_wrapped_or_not(name):
    summary = bgp_summary(r1(name)).value
    assert (summary["router_id"], summary["local_as"]) == ("10.213.255.1", 65001)
    assert (summary["peers_total"], summary["peers_established"]) == (4, 3)
    assert summary["families"]["ipv6_unicast"] == {"rib_count": 7, "peers_total": 1, "peers_failed": 0}
    up = next(peer for peer in summary["peers"] if peer["description"] == "ebgp-r3")
    assert up["is_established"] and up["uptime_seconds"] in (174.0, 175.0) and up["down_seconds"] is None
    assert (up["remote_as"], up["prefixes_received"], up["prefixes_sent"], up["vrf"]) == (65003, 2, 5, "default")


def test_a_peer_that_was_never_up_has_no_times():
    never = peers(r1("show_bgp_summary.json"))["10.213.99.9"]
    assert (never["state"], never["is_established"], never["was_ever_up"]) == ("Active", False, False)
    assert never["uptime_seconds"] is None and never["down_seconds"] is None and never["changed_epoch"] is None


def test_an_established_peer_shows_no_old_fault():
    found = peers(r1("show_bgp_summary.json"), r1("show_bgp_neighbors.json"))
    assert found["10.213.13.2"]["last_reset_reason"] == ""
    assert found["10.213.99.9"]["last_reset_reason"]
    assert found["10.213.13.2"]["local_address"] == "10.213.13.1"


def test_bgp_without_a_neighbour_is_running():
    reading = bgp_summary(Answer('{\n"default":{\n}\n}\n'))
    assert reading.presence is Presence.RUNNING and reading.value["peers_total"] == 0
    ospf = ospf_neighbors(Answer('{"default": {"vrfName": "default", "vrfId": 0, "neighbors": {}}}'))
    assert ospf.presence is Presence.RUNNING and ospf.value["total"] == 0


def test_admin_shutdown_and_prefix_limit():
    shut = peers(capture("bgp-admin-shutdown/r1/show_bgp_summary.json"))["10.213.13.2"]
    assert shut["is_admin_down"] and not shut["is_prefix_limited"] and shut["down_seconds"] == 5.0
    folder = "bgp-prefix-limit/r2/"
    limited = peers(capture(folder + "show_bgp_summary.json"), capture(folder + "show_bgp_neighbors.json"))[
        "10.213.23.2"
    ]
    assert limited["is_prefix_limited"] and not limited["is_admin_down"] and limited["prefix_limit"] == 1
    assert limited["last_notification"] == "Cease/Maximum Number of Prefixes Reached"


def test_a_wrong_as_looks_like_a_peer_that_was_never_up():
    wrong = peers(capture("bgp-wrong-as/r2/show_bgp_summary.json"))["10.213.12.1"]
    assert (wrong["state"], wrong["was_ever_up"]) == ("Active", False)


def test_bad_details_cost_their_fields_only():
    for details in (Answer("nonsense"), Answer("", "", None), Answer("{}"), Answer("[]")):
        assert peers(r1("show_bgp_summary.json"), details)["10.213.13.2"]["prefix_limit"] is None


def test_family_words():
    words = ["ipv4Unicast", "ipv6Multicast", "l2VpnEvpn", "ipv4Vpn"]
    assert [family_word(word) for word in words] == ["ipv4_unicast", "ipv6_multicast", "l2vpn_evpn", "ipv4_vpn"]


def test_ospf_of_both_versions():
    two, three = (
        ospf_neighbors(r1("show_ip_ospf_neighbor.json")),
        ospf_neighbors(r1("show_ipv6_ospf6_neighbor.json"), 3),
    )
    assert (two.value["total"], two.value["full"], three.value["full"]) == (2, 2, 2)
    first = two.value["neighbors"][0]
    assert (first["router_id"], first["interface"], first["address"]) == ("10.213.255.2", "to-r2", "10.213.12.2")
    assert (first["state"], first["role"], first["uptime_seconds"]) == ("Full", "", 169.003)
    assert three.value["neighbors"][0]["uptime_seconds"] == 169.0


def test_ospf_roles_and_faults():
    r1_sees, r2_sees = (
        {
            one["router_id"]: one
            for one in ospf_neighbors(capture(f"ospf-broadcast/{r}/show_ip_ospf_neighbor.json")).value["neighbors"]
        }
        for r in ("r1", "r2")
    )
    assert {r1_sees["10.213.255.2"]["role"], r2_sees["10.213.255.1"]["role"]} == {"DR", "Backup"}
    stuck = ospf_neighbors(capture("ospf-mtu-mismatch/r1/show_ip_ospf_neighbor.json")).value
    assert (stuck["total"], stuck["full"]) == (2, 1)
    assert stuck["neighbors"][0]["state"] == "ExStart" and not stuck["neighbors"][0]["is_normal"]
    assert ospf_neighbors(capture("ospf-hello-mismatch/r2/show_ip_ospf_neighbor.json")).value["total"] == 1


def test_two_way_between_two_others_is_normal():
    text = json.dumps({"neighbors": {"1.1.1.1": [{"nbrState": "2-Way/DROther"}], "2.2.2.2": [{"state": "2-Way/DR"}]}})
    normal = [one["is_normal"] for one in ospf_neighbors(Answer(text)).value["neighbors"]]
    assert normal == [True, False]


@pytest.mark.parametrize(
    ("answer", "presence"),
    [
        (capture("ospf-not-configured/r1/show_ip_ospf_neighbor.json"), Presence.NOT_CONFIGURED),
        (capture("ospf-not-configured/r1/show_ipv6_ospf6_neighbor.json"), Presence.NOT_CONFIGURED),
        (capture("ospfd-dead/r1/show_ip_ospf_neighbor.json", 1), Presence.NOT_RUNNING),
        (Answer("", "Exiting: failed to connect to any daemons.\n", 1), Presence.NOT_RUNNING),
        (
            Answer(
                "",
                "Exiting: failed to connect to any daemons.\nHint: if this seems wrong, "
                "try running me as a privileged user!\n",
                1,
            ),
            Presence.NOT_PERMITTED,
        ),
        (Answer("", "netmon-ro: refused", 126), Presence.NOT_PERMITTED),
        (Answer("", "sh: 1: vtysh: not found", 127), Presence.NOT_INSTALLED),
        (r1("show_nosuch.txt", 1), Presence.NOT_INSTALLED),
        (Answer("% Unknown command: show x\n"), Presence.NOT_INSTALLED),
        (Answer('{"neighbors": {', "", None), Presence.UNKNOWN),
        (Answer("", "", 124), Presence.UNKNOWN),
        (Answer('{"warning":"Default BGP instance not found"}'), Presence.NOT_CONFIGURED),
        (Answer("{}"), Presence.NOT_CONFIGURED),
    ],
)
@pytest.mark.parametrize("parse", [ospf_neighbors, bgp_summary, bfd_peers])
def test_the_kinds_of_nothing(parse, answer, presence):
    reading = parse(answer)
    assert reading.presence is presence
    assert reading.reason and reading.as_dict()["presence"] == presence.value
    assert (reading.value is not None) is (presence is Presence.NOT_CONFIGURED)


def test_a_daemon_named_in_the_reason():
    assert ospf_neighbors(capture("ospfd-dead/r1/show_ip_ospf_neighbor.json", 1)).reason == "ospfd is not running."


def test_warnings_before_json():
    warning = "% Can't open configuration file /etc/frr/vtysh.conf due to 'Permission denied'.\n"
    answer = r1("show_bgp_summary.json")
    assert len(peers(Answer(warning + answer.stdout))) == 4  # a pty
    assert len(peers(Answer(answer.stdout, warning))) == 4  # an exec channel
    assert bgp_summary(Answer("", warning)).presence is Presence.NOT_CONFIGURED


@pytest.mark.parametrize("text", ["hello", '{"ipv4Unicast": 5}', "[1]", '{"neighbors": {', '"text"', "5"])
@pytest.mark.parametrize("parse", [ospf_neighbors, bgp_summary])
def test_other_text_is_an_error(parse, text):
    with pytest.raises(ProtocolError):
        parse(Answer(text))


def test_bfd():
    (up,) = bfd_peers(capture("bfd-up/r1/show_bfd_peers.json")).value
    (down,) = bfd_peers(capture("bfd-down/r1/show_bfd_peers.json")).value
    assert up["is_up"] and up["uptime_seconds"] == 4.0 and up["down_seconds"] is None
    assert not down["is_up"] and down["down_seconds"] == 2.0
    assert down["diagnostic"] == "control detection time expired"
    assert bfd_peers(r1("show_bfd_peers.json")).presence is Presence.NOT_CONFIGURED


def test_interfaces_with_the_kernels_counters():
    counted = links.interfaces_from_proc(r1("proc_net_dev.txt"))
    found = {one["name"]: one for one in frr.interfaces(r1("show_interface.json"), counted).value}
    assert found["to-r2"]["in_octets"] == 11986 and found["to-r2"]["description"] == "link to-r2"
    assert found["to-r2"]["speed_bps"] == 10_000_000_000 and found["lo"]["speed_bps"] is None
    cut = {one["name"]: one for one in frr.interfaces(capture("carrier-cut/r1/show_interface.json")).value}["to-r3"]
    assert (cut["admin_status"], cut["oper_status"], cut["link_downs"]) == ("down", "down", 1)
    assert cut["last_link_down"] == "2026-11-22T00:26:00.02" and cut["in_octets"] is None


def test_daemons_and_version():
    assert frr.daemons(r1("show_daemons.txt")).value == ["zebra", "ospfd", "ospf6d", "bgpd", "staticd", "bfdd"]
    facts = frr.facts(r1("show_version.txt")).value
    assert (facts["os_version"], facts["hostname"], facts["vendor"]) == ("8.4.4", "r1", "FRRouting")


def test_seven_lines_of_one_vtysh():
    parts = frr.documents(r1("vtysh_seven_lines.json"), 7)
    assert route_summary(parts[0]).value["total"] > 0
    assert bgp_summary(parts[2]).value["peers_total"] == 4
    assert ospf_neighbors(parts[3]).value["full"] == 2
    assert frr.documents(r1("vtysh_seven_lines.json"), 8) is None
    assert frr.documents(r1("vtysh_seven_lines.json"), 6) is None
    assert frr.documents(r1("vtysh_seven_lines.json", 1), 7) is None
    assert frr.documents(Answer("{} text {}"), 2) is None
    assert frr.vtysh("show a", "show b") == ("vtysh", "-c", "show a", "-c", "show b")


def test_route_summary_decides():
    summary = route_summary(r1("show_ip_route_summary.json")).value
    assert (summary["total"], summary["total_fib"], summary["by_protocol"]["ospf"]) == (15, 12, {"rib": 6, "fib": 3})
    assert wants_table(summary) and table_commands(summary) == ["show ip route json"]
    six = route_summary(r1("show_ipv6_route_summary.json"), "ipv6").value
    assert table_commands(six) == ["show ipv6 route json"]
    big = {**summary, "total": 1_000_000, "by_protocol": {**summary["by_protocol"], "ebgp": {"rib": 999_000, "fib": 1}}}
    assert not wants_table(big)
    assert table_commands(big) == [f"show ip route {word} json" for word in ("static", "connected", "ospf")]
    evil = {**big, "by_protocol": {"bgp json\nconfigure": {"rib": 1, "fib": 1}}}
    assert table_commands(evil) == []


def test_prefix_command_takes_prefixes_only():
    assert prefix_command(" 10.1.2.3/24 ") == ("show ip route 10.1.2.0/24 json", "ipv4")
    assert prefix_command("10.1.2.3") == ("show ip route 10.1.2.3 json", "ipv4"), "of an address the longest match"
    assert prefix_command("FD00::1") == ("show ipv6 route fd00::1 json", "ipv6")


@pytest.mark.parametrize("text", [
    "10.0.0.0/8; reboot", "10.0.0.0/8 json\nconfigure terminal", "$(reboot)", "`id`", "10.0.0.0/8'", "' -c 'configure",
    "fe80::1%;reboot", "fe80::%$(id)/64", "fe80::1%eth0", "10.0.0.0/8 longer-prefixes", "10.0.0.0/33", "", "/", "all",
    "10.0.0.0/8|cat", "10.0.0.0/8\x00", "1.1.1.1\u00a0json", "\uff11.1.1.1",
])  # fmt: skip
def test_prefix_command_refuses_everything_else(text):
    with pytest.raises(ValueError, match=r"appear|zone|permitted|Only|Expected|Address|must"):
        prefix_command(text)


def test_routes():
    table = routes(r1("show_ip_route.json")).value
    assert not table["is_truncated"]
    by_prefix = {}
    for route in table["routes"]:
        by_prefix.setdefault(route["prefix"], []).append(route)
    unused, used = by_prefix["10.213.12.0/30"]
    assert (unused["protocol"], unused["is_in_fib"], used["protocol"], used["is_in_fib"]) == (
        "ospf",
        False,
        "connected",
        True,
    )
    (null,) = by_prefix["198.18.1.0/24"]
    assert null["next_hops"][0]["is_blackhole"] and null["is_in_fib"]
    (two_ways,) = by_prefix["10.213.23.0/30"]
    assert [hop["address"] for hop in two_ways["next_hops"]] == ["10.213.12.2", "10.213.13.2"]
    assert (two_ways["distance"], two_ways["metric"], two_ways["uptime_seconds"] > 0) == (110, 20, True)
    local = [
        one["is_in_fib"]
        for one in routes(r1("show_ipv6_route.json"), "ipv6").value["routes"]
        if one["prefix"] == "fe80::/64"
    ]
    assert len(local) > 1 and local.count(True) == 1


def test_a_limit_cuts_the_table_and_says_so():
    table = routes(r1("show_ip_route.json"), limit=5).value
    assert len(table["routes"]) == 5 and table["is_truncated"]
    assert routes(Answer("{}")).value["routes"] == []
    with pytest.raises(ProtocolError):
        routes(Answer('{"10.0.0.0/8": ['))
    with pytest.raises(ProtocolError):
        routes(Answer('{"10.0.0.0/8": [] "x"}'))


def test_a_hundred_thousand_routes_in_bounded_memory():
    # one real route, 100 000 times under other prefixes
    one = next(iter(json.loads(r1("show_ip_route.json").stdout).values()))
    row = json.dumps(one)
    text = "{\n" + ",\n".join(f'"20.{n >> 16}.{n >> 8 & 255}.{n & 255}/32":{row}' for n in range(100_000)) + "\n}\n"
    assert len(text) > 40_000_000
    tracemalloc.start()
    found, is_truncated = routes_from_json(text, limit=2_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # the whole document would take ten times the text
    assert len(found) == 2_000 and is_truncated and peak < 8 << 20
    assert len(routes_from_json(text)[0]) == 20_000


def test_rip():
    reading = rip(capture("rip/r1/show_ip_rip.txt"), capture("rip/r1/show_ip_rip_status.txt"))
    assert (reading.value["update_seconds"], reading.value["timeout_seconds"]) == (5, 15)
    assert reading.value["networks"] == ["10.205.12.0/24"]
    (gateway,) = reading.value["gateways"]
    assert (gateway["address"], gateway["last_update_seconds"], gateway["distance"]) == ("10.205.12.2", 1.0, 120)
    ours, static, learned = reading.value["routes"]
    assert (ours["protocol"], ours["next_hop"], ours["learned_from"]) == ("connected", None, None)
    assert (static["protocol"], static["next_hop"]) == ("static", None)
    assert (learned["prefix"], learned["metric"], learned["learned_from"]) == ("198.18.2.0/24", 2, "10.205.12.2")
    absent = Answer("% RIP instance not found\n")
    assert rip(absent, absent).presence is Presence.NOT_CONFIGURED
    dead = Answer("", "ripd is not running\n", 1)
    assert rip(dead, dead).presence is Presence.NOT_RUNNING
    assert rip(Answer(""), Answer("")).presence is Presence.NOT_CONFIGURED
    with pytest.raises(ProtocolError):
        rip(Answer(""), Answer("something else"))
