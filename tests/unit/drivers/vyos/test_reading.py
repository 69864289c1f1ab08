"""What a router says is read whatever its shape, and a shape that no version gives is an error of its own."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers.errors import ProtocolError
from netmon.drivers.vyos import (
    Lease,
    OddConfiguration,
    RuleCount,
    SeenRange,
    read_interfaces,
    read_leases,
    read_mappings,
    read_rules,
    read_statistics,
    read_subnets,
)
from netmon.drivers.vyos.reading import port_spans
from netmon.lab.vyos import VERSIONS, Router
from tests import vyos_trees
from tests.unit.drivers.vyos.items import ITEMS, MAPPING, MEDIA, SUBNET
from tests.unit.drivers.vyos.test_compare import told


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_what_was_put_in_is_read_back(version):
    router = Router(version)
    told(router, ITEMS, vyos_trees.family(version))
    dhcp, nat = router.running["service"]["dhcp-server"], router.running["nat"]
    (subnet,) = read_subnets(dhcp)
    assert (subnet.network, subnet.prefix, subnet.default_router) == ("LAN", "192.168.66.0/24", "192.168.66.1")
    assert subnet.name_servers == SUBNET.name_servers and subnet.lease_seconds == 7200
    assert subnet.ranges == (SeenRange("0", "192.168.66.200", "192.168.66.250"),)
    assert subnet.excluded == ("192.168.66.201",)
    assert subnet.subnet_id == (1 if VERSIONS[version].subnet_id else None)
    (mapping,) = read_mappings(dhcp)
    assert (mapping.name, mapping.mac_address, mapping.address) == (MAPPING.name, MAPPING.mac_address, MAPPING.address)
    rules = read_rules(nat)
    assert [rule.rule for rule in rules] == [10000, 10001, 10002, 10003, 12000]
    media = rules[2]
    assert media.is_disabled and not media.logs and media.interface == "eth0" and media.protocol == "udp"
    assert media.ports == ((40000, 40100),) and media.translation_port == MEDIA.to_ports
    assert media.source_address == "!203.0.113.7" and media.destination_address == "203.0.113.2" and not media.other
    assert rules[3].ports == ((1, 65535),) and rules[3].protocol == "all"
    (source,) = read_rules(nat, "source")
    assert source.interface == "eth1" and source.translation_address == "masquerade"
    eth0, eth1 = read_interfaces(router.running["interfaces"])
    assert eth0.addresses == ("203.0.113.2/24",) and eth1.serves("192.168.66.0/24") and not eth0.serves("10.0.0.0/8")


def test_rules_of_others_are_read_with_all_that_they_say():
    nat = {"destination": {"rule": {"5": {
        "exclude": {}, "inbound-interface": {"group": "WAN"},
        "load-balance": {"backend": {"10.0.0.1": {"weight": "9"}}},
        "source": {"group": {"address-group": "office", "port-group": "p"}, "port": "1024"},
        "destination": {"port": "80,443,8000-8010"},
    }}}}  # fmt: skip
    (rule,) = read_rules(nat)
    assert rule.interface == "" and rule.interface_group == "WAN" and rule.source_group == "office"
    assert set(rule.other) == {
        ("exclude",), ("load-balance", "backend", "10.0.0.1", "weight", "9"), ("source", "group", "port-group", "p"),
    }  # fmt: skip
    assert rule.ports == ((80, 80), (443, 443), (8000, 8010)) and rule.protocol == "all"


@pytest.mark.parametrize("text", ["http", "!80", "80-", "9-8", "0", "70000", "80,,81", "\uff18"])
def test_ports_that_are_not_understood_are_none(text):
    assert port_spans(text) == ()


def test_vlans_and_addresses_by_dhcp():
    eth = {"eth0": {"address": ["dhcp", "192.0.2.1/24", "2001:db8::1/64"], "vif": {"20": {"address": "10.0.0.1/8"}}}}
    assert [(one.name, one.addresses) for one in read_interfaces({"ethernet": eth, "loopback": {"lo": {}}})] == [
        ("eth0", ("192.0.2.1/24", "2001:db8::1/64")), ("eth0.20", ("10.0.0.1/8",)), ("lo", ()),
    ]  # fmt: skip


def test_hostile_texts_are_cut_and_printable():
    name = "x\x1b[31m\u202e" + "y" * 5000
    dhcp = {"shared-network-name": {name: {"subnet": {"10.0.0.0/8": {"static-mapping": {name: {"mac": "AA"}}}}}}}
    (mapping,) = read_mappings(dhcp)
    assert len(mapping.name) <= 255 and mapping.name.isprintable() and mapping.mac_address == "aa"


ODD = [
    "x", ["x"], 7, None, {"shared-network-name": "LAN"}, {"shared-network-name": {"LAN": ["x"]}},
    {"shared-network-name": {"LAN": {"subnet": {"p": {"range": {"0": {"start": {"a": {}}}}}}}}},
    {"shared-network-name": {"LAN": {"subnet": {"p": {"lease": ["1", "2"]}}}}},
    {"shared-network-name": {"LAN": {"subnet": {"p": {"name-server": [{}, 7]}}}}},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_shapes_raise_an_error_of_drivers(odd):
    with pytest.raises(OddConfiguration) as raised:
        read_subnets(odd)
    assert isinstance(raised.value, ProtocolError) and raised.value.reason == "shape" and raised.value.detail


words = st.sampled_from(
    ["destination", "rule", "1", "source", "shared-network-name", "subnet", "10.0.0.0/8", "static-mapping", "mac",
     "inbound-interface", "name", "address", "port", "group", "lease", "ethernet", "eth0", "option", "range", "disable"]
)  # fmt: skip
shapes = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), words),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(words, st.text(max_size=5)), inner)),
    max_leaves=30,
)


@given(shape=shapes)
def test_any_shape_is_read_or_refused(shape):
    for read in (read_subnets, read_mappings, read_rules, read_interfaces):
        try:
            read(shape)
        except OddConfiguration:
            continue


def test_leases_of_every_version_are_read():
    for version in vyos_trees.VERSIONS:
        router = Router(version)
        told(router, [SUBNET, MAPPING], vyos_trees.family(version))
        router.leases.append(("192.168.66.205", "02:00:00:00:00:09", "guest"))
        leases = read_leases(router.show(("dhcp", "server", "leases")))
        assert leases is not None
        assert dataclasses.replace(leases[0], starts="", ends="") == Lease(
            "192.168.66.10", "02:00:00:aa:bb:cc", "active", pool="LAN", host_name="netmon-7-web"
        )
        assert [lease.address for lease in leases] == ["192.168.66.10", "192.168.66.205"]


def test_counts_of_rules_are_read():
    router = Router("1.4")
    told(router, ITEMS, "1.4")
    router.hits[10001] = (12, 720)
    counts = read_statistics(router.show(("nat", "destination", "statistics")))
    assert counts is not None and counts[10001] == RuleCount(12, 720) and counts[10000] == RuleCount(0, 0)


@pytest.mark.parametrize(
    "text",
    ["", "To be migrated\n", "Invalid command", "Rule Packets Bytes\n1 2 3", "----  ----\n", "a  b\n-  -\n1  2\n",
     json.dumps([{"rule": 1}]), "IP  X\n--  -\n"],
)  # fmt: skip
def test_a_layout_that_is_not_known_is_not_guessed(text):
    assert read_leases(text) is None and read_statistics(text) is None


def test_rows_that_make_no_sense_are_left_out():
    text = (
        "IP Address   MAC address        State    Hostname\n-----------  -----------------  -------  --------\n"
        "10.0.0.1     AA:bb:00:00:00:01  active   \x1b[2Jevil" + "z" * 9000 + "\n"
        "total 1      x                  y        z\n"
        "10.0.0.2     nonsense           expired  -\n\n10.0.0.3     after an empty line\n"
    )
    leases = read_leases(text)
    assert leases is not None and [lease.address for lease in leases] == ["10.0.0.1", "10.0.0.2"]
    assert leases[0].mac_address == "aa:bb:00:00:00:01" and leases[1].mac_address == "" and leases[1].host_name == ""
    assert leases[0].host_name.startswith("[2Jevil") and len(leases[0].host_name) <= 255
    assert read_statistics("Rule  Packets  Bytes\n----  -------  -----\nx     1        2\n7     1        two\n") == {}


@given(text=st.text(max_size=300))
def test_any_text_is_read_or_not_known(text):
    read_leases(text)
    read_statistics(f"Rule  Packets  Bytes\n----  -------  -----\n{text}")
