"""What differs is said in words, and what heals it heals it: applied, nothing differs any more."""

from __future__ import annotations

import copy
import dataclasses

import pytest
from hypothesis import given, settings

from netmon.drivers.vyos import OddConfiguration, Range, absence, compare, creation, merged, rooted
from netmon.lab.vyos import Router
from tests import vyos_trees
from tests.unit.drivers.vyos.items import DNS, ITEMS, MAPPING, MASQUERADE, MEDIA, OPENING, SSH, SUBNET
from tests.unit.drivers.vyos.test_paths import forwards

LISTEN = "set service dhcp-server listen-address 192.168.66.1"


def told(router, items, family):
    router.configure([(command.op, command.path) for item in items for command in creation(item, family)])


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_what_was_made_is_equal_and_nothing_is_to_be_done(version):
    family, router = vyos_trees.family(version), Router(version)
    told(router, ITEMS, family)
    for item in ITEMS:
        comparison = compare(item, router.running, family)
        assert comparison.is_equal and not comparison.commands and not comparison.is_missing


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{type(item).__name__}-{getattr(item, 'rule', '')}")
def test_what_is_missing_is_made_anew(version, item):
    family = vyos_trees.family(version)
    comparison = compare(item, {}, family)
    assert comparison.is_missing and list(comparison.commands) == creation(item, family)
    assert all(difference.words.endswith("is missing") for difference in comparison.differences)
    assert absence(item, {}, family).is_equal


DRIFTS = {
    "1.4": [
        (SSH, ["set nat destination rule 10000 translation address 192.168.66.99"],
         ["internal address: 192.168.66.99 instead of 192.168.66.10"]),
        (SSH, ["set nat destination rule 10000 disable", "set nat destination rule 10000 log"],
         ["disable: on is there and should not be", "log: on is there and should not be"]),
        (SSH, ["set nat destination rule 10000 source address 10.0.0.0/8",
               "delete nat destination rule 10000 protocol"],
         ["protocol: tcp is missing", "source: 10.0.0.0/8 is there and should not be"]),
        (SSH, ["set nat destination rule 10000 load-balance backend 10.0.0.7"],
         ["load-balance backend: 10.0.0.7 is there and should not be"]),
        (MEDIA, ["delete nat destination rule 10002 disable"], ["disable: on is missing"]),
        (DNS, ["delete nat destination rule 10001 log", "set nat destination rule 10001 description log"],
         ["description: log instead of netmon:8 web dns", "log: on is missing"]),
        (MAPPING, ["set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping netmon-7-web "
                   "mac-address 02:00:00:00:00:01"],
         ["MAC address: 02:00:00:00:00:01 instead of 02:00:00:aa:bb:cc"]),
        (MAPPING, ["set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping netmon-7-web "
                   "mac-address 02:00:00:AA:BB:CC"], []),
        (SUBNET, ["set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 range 7 start 192.168.66.90",
                  "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 range 7 stop 192.168.66.91",
                  "set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 name-server 9.9.9.9",
                  "delete service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 exclude"],
         ["excluded address: 192.168.66.201 is missing", "range 7 start: 192.168.66.90 is there and should not be",
          "range 7 stop: 192.168.66.91 is there and should not be", "name server: 9.9.9.9 is there and should not be"]),
        (SUBNET, ["set service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 domain-name x.org"], []),
        (OPENING, ["set firewall ipv4 forward filter rule 100 state established",
                   "set firewall ipv4 forward filter rule 100 action drop"],
         ["action: drop instead of accept", "state: established is there and should not be"]),
        (MASQUERADE, ["set nat source rule 12000 outbound-interface name eth0"],
         ["outbound interface: eth0 instead of eth1"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("item", "lines", "words"), DRIFTS["1.4"])
def test_drift_is_said_in_words_and_healed(item, lines, words):
    router = Router("1.4")
    told(router, ITEMS, "1.4")
    intended = copy.deepcopy(router.running)
    router.edit(*lines)
    comparison = compare(item, router.running, "1.4")
    assert [difference.words for difference in comparison.differences] == words
    for command in comparison.commands:
        assert not vyos_trees.fault("1.4", command.op, command.path)
    router.configure([(command.op, command.path) for command in comparison.commands])
    assert compare(item, router.running, "1.4").is_equal
    others = [one for one in ITEMS if one is not item]
    assert all(compare(one, router.running, "1.4").is_equal for one in others)
    if comparison.commands and item is SSH:
        assert router.running["nat"]["destination"]["rule"]["10000"] == intended["nat"]["destination"]["rule"]["10000"]


def test_half_a_range_is_never_left():
    router = Router("1.5-2026-02")
    told(router, [SUBNET], "1.5")
    moved = dataclasses.replace(SUBNET, ranges=(Range(name="1", start="192.168.66.100", stop="192.168.66.101"),))
    router.configure([(line.op, line.path) for line in compare(moved, router.running, "1.5").commands])
    assert compare(moved, router.running, "1.5").is_equal


@settings(max_examples=60)
@given(wanted=forwards, there=forwards)
def test_any_rule_becomes_any_other(wanted, there):
    there = dataclasses.replace(there, rule=wanted.rule)
    for version in vyos_trees.VERSIONS:
        family, router = vyos_trees.family(version), Router(version)
        told(router, [there], family)
        comparison = compare(wanted, router.running, family)
        assert comparison.is_equal == (wanted == there)
        router.configure([(line.op, line.path) for line in comparison.commands])
        assert compare(wanted, router.running, family).is_equal
        clean = Router(version)
        told(clean, [wanted], family)
        assert router.running == clean.running


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_what_an_item_does_not_speak_about_is_left_alone(version):
    family, router = vyos_trees.family(version), Router(version)
    told(router, [SUBNET, MAPPING], family)
    silent = dataclasses.replace(SUBNET, ranges=(), excluded=(), name_servers=(), default_router="", lease_seconds=None)
    assert compare(silent, router.running, family).is_equal
    bare = dataclasses.replace(SUBNET, excluded=())
    (command,) = compare(bare, router.running, family).commands
    assert command.op == "delete" and command.path[-1] == "exclude"


def test_what_should_be_gone_is_named_while_it_is_there():
    router = Router("1.3")
    told(router, [SUBNET, MAPPING], "1.3")
    left = absence(MAPPING, router.running, "1.3")
    assert [difference.words for difference in left.differences] == [
        "MAC address: 02:00:00:aa:bb:cc is there and should not be",
        "address: 192.168.66.10 is there and should not be",
    ]
    router.configure([(line.op, line.path) for line in left.commands])
    assert absence(MAPPING, router.running, "1.3").is_equal


def test_parts_that_were_read_are_put_in_their_places():
    nat, dhcp = {"destination": {"rule": {"1": {"log": {}}}}}, {"listen-address": "10.0.0.1"}
    whole = merged(rooted(["nat"], nat), rooted(["service", "dhcp-server"], dhcp), rooted(["service"], {"ssh": {}}))
    assert whole == {"nat": nat, "service": {"dhcp-server": dhcp, "ssh": {}}}


def test_empty_nodes_that_a_version_leaves_behind_mean_nothing():
    router = Router("1.4")
    told(router, [SSH], "1.4")
    router.running["nat"]["destination"]["rule"]["10000"]["source"] = {}
    assert compare(SSH, router.running, "1.4").is_equal
    router.running["nat"]["destination"]["rule"]["10000"] = {}
    assert compare(SSH, router.running, "1.4").is_missing


@pytest.mark.parametrize("odd", [{"nat": "x"}, {"nat": {"destination": ["x"]}}, {"nat": {"destination": {"rule": 7}}}])
def test_odd_shapes_are_an_error_of_their_own(odd):
    with pytest.raises(OddConfiguration):
        compare(SSH, odd, "1.4")
