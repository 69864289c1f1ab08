"""Every line that is generated exists in the version it is for, and the whole life of a VM is written down."""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers.vyos import (
    FAMILIES,
    Command,
    Forward,
    Opening,
    Range,
    StaticMapping,
    Subnet,
    creation,
    deletion,
    network_deletion,
    switching,
)
from netmon.lab.vyos import Router
from netmon.lab.vyos.router import Refusal
from tests import vyos_trees
from tests.unit.drivers.vyos.items import DNS, INSIDE, ITEMS, MAPPING, MASQUERADE, OPENING, SSH, SUBNET

GOLDEN = Path(__file__).parent / "golden"


def life(family: str) -> list[tuple[str, list[Command]]]:
    """All that happens to a VM, each step one commit."""
    moved = dataclasses.replace(SSH, source="198.51.100.7")
    return [
        ("pool and opening", creation(SUBNET, family) + creation(OPENING, family) + creation(MASQUERADE, family)),
        ("provision", [line for item in (MAPPING, SSH, DNS, INSIDE) for line in creation(item, family)]),
        ("pause a forward", switching(SSH, family, disabled=True)),
        ("let it go on", switching(SSH, family, disabled=False)),
        ("restrict it", creation(moved, family)),
        ("pause the mapping", switching(MAPPING, family, disabled=True)),
        ("remove a forward", deletion(DNS, family)),
        ("decommission", [line for item in (SSH, INSIDE, MAPPING) for line in deletion(item, family)]),
        ("remove pool and opening", [
            *deletion(MASQUERADE, family), *deletion(OPENING, family), *network_deletion("LAN"),
        ]),
    ]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_the_life_of_a_vm_is_as_written_down(family):
    text = "\n".join(f"# {name}\n" + "\n".join(line.line for line in lines) for name, lines in life(family)) + "\n"
    path = GOLDEN / f"{family}.txt"
    if not path.exists():  # delete the file to have it written anew, and read the difference
        path.write_text(text)
        pytest.fail(f"{path} was missing and is written: read it")
    assert text == path.read_text()


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_every_line_of_that_life_is_valid_and_commits(version):
    router = Router(version)
    if version == "1.3":
        router.edit("set firewall name WAN-IN default-action drop")
    family = vyos_trees.family(version)
    for name, lines in life(family):
        for command in lines:
            assert not vyos_trees.fault(version, command.op, command.path)
        if name == "remove pool and opening":  # a router keeps one shared network, or no DHCP server at all
            lines = [Command("delete", ("service", "dhcp-server")), *lines]
        router.configure([(command.op, command.path) for command in lines])


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{type(item).__name__}-{getattr(item, 'rule', '')}")
def test_items_are_valid_and_idempotent(version, item):
    family = vyos_trees.family(version)
    router = Router(version)
    other = dataclasses.replace(
        SUBNET, network="X", prefix="192.168.0.0/18", subnet_id=9, default_router="", excluded=(),
        ranges=(Range(start="192.168.0.1", stop="192.168.0.2"),),
    )  # fmt: skip
    stays = creation(other, family) + (creation(SUBNET, family) if item is MAPPING else [])
    lines = creation(item, family)
    for command in lines + deletion(item, family):
        assert not vyos_trees.fault(version, command.op, command.path)
    router.edit("set service dhcp-server listen-address 192.168.66.1")
    router.configure([(command.op, command.path) for command in stays])
    before = copy.deepcopy(router.running)
    for _ in range(2):
        router.configure([(command.op, command.path) for command in lines])
    gone = deletion(item, family) + (network_deletion("LAN") if item is SUBNET else [])
    for _ in range(2):
        router.configure([(command.op, command.path) for command in gone])
    if item in (SUBNET, MAPPING):
        assert router.running == before


@pytest.mark.parametrize("version", vyos_trees.VERSIONS)
def test_the_last_mapping_goes_only_with_its_subnet(version):
    family = vyos_trees.family(version)
    bare = dataclasses.replace(SUBNET, ranges=(), excluded=())
    router = Router(version)
    router.configure([(line.op, line.path) for item in (bare, MAPPING) for line in creation(item, family)])
    with pytest.raises(Refusal, match="No DHCP address range or active static-mapping"):
        router.configure([(line.op, line.path) for line in deletion(MAPPING, family)])
    router.configure([("delete", ("service", "dhcp-server"))])


def test_families_differ_where_the_routers_do():
    def words(item, family):
        return " | ".join(command.line for command in creation(item, family))

    assert "mac-address 02:" in words(MAPPING, "1.3") and "mac-address 02:" in words(MAPPING, "1.4")
    assert " mac 02:" in words(MAPPING, "1.5")
    assert "inbound-interface eth0" in words(SSH, "1.3") and "inbound-interface name eth0" in words(SSH, "1.4")
    assert "subnet-id" not in words(SUBNET, "1.4") and "subnet-id 1" in words(SUBNET, "1.5")
    assert "option default-router" in words(SUBNET, "1.5") and "option" not in words(SUBNET, "1.4")
    assert "connection-status nat destination" in words(OPENING, "1.4") and "WAN-IN" in words(OPENING, "1.3")


def test_what_a_family_cannot_have_is_refused():
    with pytest.raises(ValueError, match="subnet_id"):
        creation(dataclasses.replace(SUBNET, subnet_id=None), "1.5")
    with pytest.raises(ValueError, match="underscore"):
        creation(dataclasses.replace(MAPPING, name="a_b"), "1.5")
    assert creation(dataclasses.replace(MAPPING, name="a_b"), "1.4")
    with pytest.raises(ValueError, match="source_group"):
        creation(dataclasses.replace(SSH, source_group="office"), "1.3")
    with pytest.raises(ValueError, match="ruleset"):
        creation(Opening(rule=5), "1.3")
    with pytest.raises(ValueError, match="family"):
        creation(SSH, "1.6")


@pytest.mark.parametrize(
    ("item", "change", "field"),
    [
        (MAPPING, {"mac_address": "02:00:00:aa:bb"}, "mac_address"),
        (MAPPING, {"address": "192.168.67.10"}, "address"),
        (MAPPING, {"name": "a b"}, "name"),
        (MAPPING, {"name": "x\ny"}, "name"),
        (MAPPING, {"name": "-x"}, "name"),
        (MAPPING, {"prefix": "192.168.66.1/24"}, "prefix"),
        (MAPPING, {"network": "LAN'; rm"}, "network"),
        (SUBNET, {"excluded": ("10.0.0.1",)}, "excluded"),
        (SUBNET, {"name_servers": ("dns",)}, "name_servers"),
        (SUBNET, {"lease_seconds": 1}, "lease_seconds"),
        (SUBNET, {"subnet_id": 0}, "subnet_id"),
        (SSH, {"rule": 1_000_000}, "rule"),
        (SSH, {"rule": 0}, "rule"),
        (SSH, {"ports": "70000"}, "ports"),
        (SSH, {"ports": "http"}, "ports"),
        (SSH, {"ports": ""}, "ports"),
        (SSH, {"ports": "9-8"}, "ports"),
        (SSH, {"ports": "1-9", "to_ports": "1-8"}, "to_ports"),
        (SSH, {"to_ports": "1,2"}, "to_ports"),
        (SSH, {"protocol": "all"}, "ports"),
        (SSH, {"protocol": "icmp"}, "protocol"),
        (SSH, {"interface": ""}, "interface"),
        (SSH, {"address": "masquerade"}, "address"),
        (SSH, {"description": "x" * 256}, "description"),
        (SSH, {"description": "it's"}, "description"),
        (SSH, {"source": "10.0.0.9-10.0.0.1"}, "source"),
        (SSH, {"source": "10.0.0.1", "source_group": "x"}, "source"),
        (SSH, {"outside": "example.org"}, "outside"),
    ],
)
def test_what_no_router_should_get_is_refused(item, change, field):
    with pytest.raises(ValueError, match=f"^{field}: .*; "):
        dataclasses.replace(item, **change)


def test_ranges_do_not_overlap():
    with pytest.raises(ValueError, match="overlap"):
        dataclasses.replace(
            SUBNET,
            ranges=(
                Range(name="0", start="192.168.66.100", stop="192.168.66.200"),
                Range(name="1", start="192.168.66.200", stop="192.168.66.201"),
            ),
        )
    with pytest.raises(ValueError, match=r"^stop: "):
        Range(start="192.168.66.9", stop="192.168.66.8")


def test_a_mac_address_has_one_spelling():
    for spelled in ("02-00-00-AA-BB-CC", "0200.00aa.bbcc", "02:00:00:AA:bb:cC"):
        assert dataclasses.replace(MAPPING, mac_address=spelled) == MAPPING


def test_a_line_is_quoted_as_a_person_would():
    assert Command("set", ("a", "b c", "it's")).line == "set a 'b c' 'it'\\''s'"
    for path in ((), ("a", ""), ("a", "b\nc"), ("x" * 2000,)):
        with pytest.raises(ValueError, match="path: "):
            Command("set", path)
    with pytest.raises(ValueError, match="op: "):
        Command("run", ("a",))


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,30}", fullmatch=True)
places = st.integers(min_value=1, max_value=250).map(lambda number: f"10.1.2.{number}")
ports = st.integers(min_value=1, max_value=65535)
spans = st.tuples(ports, ports).map(lambda two: str(two[0]) if two[0] >= two[1] else f"{two[0]}-{two[1]}")
notes = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=80).map(
    lambda text: "".join(letter for letter in text if letter.isprintable() and letter not in "'\"")
)
forwards = st.builds(
    Forward,
    rule=st.integers(min_value=1, max_value=999_999),
    interface=st.sampled_from(["eth0", "eth1.20", "bond0", "pppoe0", "br0"]),
    address=places,
    protocol=st.sampled_from(["tcp", "udp", "tcp_udp"]),
    ports=st.lists(spans, min_size=1, max_size=4).map(",".join),
    to_ports=st.one_of(st.just(""), ports.map(str)),
    description=notes,
    disabled=st.booleans(),
    log=st.booleans(),
    source=st.sampled_from(["", "198.51.100.7", "!198.51.100.0/24", "198.51.100.1-198.51.100.9", "10.0.0.0/8"]),
    outside=st.sampled_from(["", "203.0.113.2"]),
)
mappings = st.builds(
    StaticMapping, network=names, prefix=st.just("10.1.2.0/24"), name=names, address=places,
    mac_address=st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex("-")), disabled=st.booleans(),
)  # fmt: skip
subnets = st.builds(
    Subnet,
    network=names,
    prefix=st.integers(min_value=8, max_value=28).map(
        lambda bits: str(ipaddress.ip_network(f"10.1.2.0/{bits}", strict=False))
    ),
    subnet_id=st.integers(min_value=1, max_value=2**32 - 2),
    name_servers=st.lists(places, max_size=3, unique=True).map(tuple),
    lease_seconds=st.one_of(st.none(), st.integers(min_value=60, max_value=10**6)),
)


@given(item=st.one_of(forwards, mappings, subnets))
def test_whatever_can_be_made_is_valid_everywhere(item):
    for version in vyos_trees.VERSIONS:
        family = vyos_trees.family(version)
        for command in creation(item, family) + deletion(item, family):
            assert not vyos_trees.fault(version, command.op, command.path)
