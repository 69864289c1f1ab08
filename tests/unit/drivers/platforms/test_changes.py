from __future__ import annotations

import copy
import json

from netmon.drivers.platforms import frr, links
from netmon.drivers.platforms.changes import expected_neighbours, session_events, silent_cut
from netmon.drivers.platforms.frr_routing import bgp_summary, ospf_neighbors
from tests.unit.drivers.platforms.captures import capture, r1


def reading(folder: str, seconds: float = 0.0):
    return {
        "seconds": seconds,
        "bgp": bgp_summary(capture(f"{folder}/r1/show_bgp_summary.json")).value,
        "ospf": ospf_neighbors(capture(f"{folder}/r1/show_ip_ospf_neighbor.json")).value,
    }


def at_rest(seconds: float = 0.0):
    found = reading("converged", seconds)
    found["interfaces"] = frr.interfaces(
        r1("show_interface.json"), links.interfaces_from_proc(r1("proc_net_dev.txt"))
    ).value
    return found


def kinds(before, after):
    return [(event["kind"], event["key"].split()[-1]) for event in session_events(before, after)]


def test_nothing_happened():
    later = at_rest(60.0)
    for one in later["ospf"]["neighbors"]:
        one["uptime_seconds"] += 60.0
    for peer in later["bgp"]["peers"]:
        if peer["changed_epoch"]:
            peer["changed_epoch"] += 1  # it wobbles
    assert session_events(at_rest(), later) == []
    assert session_events({}, at_rest()) == [] == session_events(at_rest(), {})


def test_expected_neighbours():
    bgp = at_rest()["bgp"]
    assert expected_neighbours(["10.213.13.2", "10.213.99.9", "fd00:213:13:0::2", "192.0.2.1"], bgp) == {
        "missing": ["192.0.2.1"],
        "down": ["10.213.99.9"],
        "unexpected": ["10.213.255.2"],
    }
    vanished = ospf_neighbors(capture("ospf-hello-mismatch/r2/show_ip_ospf_neighbor.json")).value
    (there,) = {one["router_id"] for one in vanished["neighbors"]}
    report = expected_neighbours(["10.213.255.1", "10.213.255.3"], vanished)
    assert report["missing"] == sorted({"10.213.255.1", "10.213.255.3"} - {there}) and report["unexpected"] == []
    # by the address of the link as well
    assert expected_neighbours(["10.213.12.2", "10.213.255.3"], at_rest()["ospf"])["missing"] == []
    stuck = ospf_neighbors(capture("ospf-mtu-mismatch/r1/show_ip_ospf_neighbor.json")).value
    assert expected_neighbours(["10.213.255.2", "10.213.255.3"], stuck)["down"] == ["10.213.255.2"]


def test_a_cut_link():
    after = reading("carrier-cut", 30.0)
    after["interfaces"] = frr.interfaces(capture("carrier-cut/r1/show_interface.json")).value
    for one in after["ospf"]["neighbors"]:
        one["uptime_seconds"] = 199.0
    assert ("bgp_down", "10.213.13.2") in kinds(at_rest(), after)
    assert ("bgp_down", "fd00:213:13::2") in kinds(at_rest(), after)
    assert ("ospf_gone", "to-r3") in kinds(at_rest(), after)
    assert ("link_down", "to-r3") in kinds(at_rest(), after)
    assert ("bgp_down", "10.213.255.2") not in kinds(at_rest(), after)
    back = [kind for kind, _ in kinds(after, at_rest())]
    assert "bgp_up" in back and "ospf_new" in back and "link_up" in back


def test_a_flap_shorter_than_the_interval_shows_in_the_counters():
    before, after = reading("after-repair"), reading("after-flap")
    flapped = {key for kind, key in kinds(before, after) if kind == "bgp_flapped"}
    assert {"10.213.13.2", "fd00:213:13::2"} <= flapped
    interfaces = frr.interfaces(capture("after-flap/r1/show_interface.json")).value
    calm = copy.deepcopy(interfaces)
    for one in calm:
        one["link_downs"] = 0
    assert ("link_flapped", "to-r3") in kinds({"interfaces": calm}, {"interfaces": interfaces})


def test_a_silent_minute_shows_in_ospf_alone():
    # BGP noticed nothing: the uptime of the adjacency is the only witness
    before, after = reading("converged", 0.0), reading("after-repair", 600.0)
    for peer in after["bgp"]["peers"]:
        old = next(one for one in before["bgp"]["peers"] if one["address"] == peer["address"])
        for key in ("changed_epoch", "connections_established", "connections_dropped", "is_established", "state"):
            peer[key] = old[key]
    assert ("ospf_restarted", "to-r3") in kinds(before, after)
    assert not any(kind.startswith("bgp") for kind, _ in kinds(before, after))


def test_fewer_prefixes_and_a_removed_peer():
    before, after = at_rest(), at_rest()
    before["bgp"]["peers"][0]["prefixes_received"] = 1000
    assert kinds(before, after) == [("bgp_prefixes_dropped", before["bgp"]["peers"][0]["address"])]
    after = at_rest()
    gone = after["bgp"]["peers"].pop()
    assert kinds(at_rest(), after) == [("bgp_peer_removed", gone["address"])]


def test_a_restarted_daemon_is_a_flap():
    before, after = at_rest(), at_rest()
    before["bgp"]["peers"][0]["connections_established"] = 7
    assert kinds(before, after)[0][0] == "bgp_flapped"


def test_the_silent_cut():
    well = at_rest()
    cut = json.loads(json.dumps(well))
    cut["ospf"]["neighbors"] = [one for one in cut["ospf"]["neighbors"] if one["interface"] != "to-r3"]
    for one in cut["interfaces"]:
        if one["name"] != "to-r3":
            one["in_packets"] += 50
    found = silent_cut(cut["bgp"], well["ospf"], cut["ospf"], cut["interfaces"], well["interfaces"])
    assert [(one["peer"], one["interface"]) for one in found] == [("10.213.13.2", "to-r3"), ("fd00:213:13::2", "to-r3")]
    assert found[0]["reasons"] == [
        "OSPF lost its neighbours on to-r3.",
        "No packet came in on to-r3 since the last reading.",
    ]
    assert silent_cut(well["bgp"], well["ospf"], well["ospf"], cut["interfaces"]) == []
    # a link that is down is no silent cut
    for one in cut["interfaces"]:
        one["oper_status"] = "down"
    assert silent_cut(cut["bgp"], well["ospf"], cut["ospf"], cut["interfaces"]) == []


def test_events_are_json():
    events = session_events(at_rest(), reading("carrier-cut"))
    assert json.loads(json.dumps(events)) == events and all(event["detail"].endswith(".") for event in events)
