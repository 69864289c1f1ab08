"""The simulated router's own grammar, held against the trees of the versions: it knows nothing that they do not."""

from __future__ import annotations

import pytest

from netmon.lab.vyos import VERSIONS, Router
from netmon.lab.vyos.grammar import Node, fault, grammar
from tests import vyos_trees

KINDS = {"node": "n", "tag": "t", "leaf": "l"}
# Words that are good or bad for some kind of value; every leaf is tried with all of them.
WORDS = (
    "x", "a_b", "-x", "eth0", "eth1.20", "bond0", "lo", "10.0.0.1", "10.0.0.0/24", "10.0.0.1/24", "10.0.0.1-10.0.0.9",
    "!10.0.0.1", "10.0.0.256", "80", "0", "65536", "80-90", "90-80", "80,443", "80,!90", "tcp", "tcp_udp", "all",
    "none", "accept", "drop", "enable", "true", "masquerade", "02:00:00:aa:bb:cc", "02-00-00-aa-bb-cc", "999999",
    "1000000", "destination", "new", "reboot", "a" * 256, "established", "!10.0.0.0/8", "LAN", "web.example", "1-2",
    "7",
)  # fmt: skip
# Where the grammar is another on purpose: what it calls an interface is stricter, what it lets into a group looser.
OTHERWISE = ("any-address", "interface", "ethernet", "group")


def walk(version):
    """Every node of the grammar with the node of the tree in its place (None where the tree keeps only a part)."""

    def step(node: Node, twin, above):
        for name, below in node.children.items():
            children = twin.get("ch", {}) if twin is not None else {}
            other = children.get(name)
            if other is None:
                assert twin is None or twin.get("p"), f"{version}: {' '.join((*above, name))} is not in the tree"
            yield (*above, name), below, other
            yield from step(below, other, (*above, name))

    yield from step(grammar(version), {"ch": vyos_trees.tree(version)["t"]}, ())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_node_is_in_the_tree_and_of_its_kind(version):
    found = 0
    for path, node, twin in walk(version):
        if twin is None:
            continue
        found += 1
        assert twin["k"] == KINDS[node.shape], (version, path)
        assert bool(twin.get("v")) == node.is_bare, (version, path)
        if node.shape == "leaf":
            assert bool(twin.get("m")) == node.is_many, (version, path)
    assert found > 90


@pytest.mark.parametrize("version", VERSIONS)
def test_values_are_judged_as_in_the_tree(version):
    data, tried = vyos_trees.tree(version), 0
    for path, node, twin in walk(version):
        if twin is None or not node.kind or node.kind in OTHERWISE or (version, node.kind) == ("1.3", "note"):
            continue  # notes of 1.3 are of any length
        for word in WORDS:
            wanted = "c" not in twin or vyos_trees.allowed(data["c"][twin["c"]], word)
            tried += 1
            assert _fits(version, path, word) == wanted, (version, path, word)
    assert tried > 2000


def _fits(version, path, word):
    """Whether `set` takes the word after `path`, in which every tag has a name that is good."""
    node, words = grammar(version), []
    for position, name in enumerate(path):
        node = node.children[name]
        words.append(name)
        if node.shape == "tag" and position < len(path) - 1:
            words.append({"prefix": "10.0.0.0/24", "ipv4": "10.0.0.1", "ethernet": "eth7"}.get(node.kind, "7"))
    return not fault(version, "set", (*words, word))


# facts: refused everywhere, and taken by some
EVERYWHERE_REFUSED = (
    "service dhcp-server shared-network-name LAN subnet 192.168.66.1/24",
    "service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 dns-server 192.168.66.1",
    "service dhcp-server static-mapping x ip-address 192.168.66.9",
    "service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping x mac 02-00-00-aa-bb-cc",
    "service dhcp-server shared-network-name LAN subnet 192.168.66.0/24 static-mapping x mac-address 02-00-00-aa-bb-cc",
    "nat destination rule 1000000 disable",
    "nat destination rule 10 disable true",
    "nat destination rule 10 translation address masquerade",
)
SUBNET = "service dhcp-server shared-network-name LAN subnet 192.168.66.0/24"
TAKEN = {
    f"{SUBNET} static-mapping x mac 02:00:00:aa:bb:cc": {"1.5-2024-10", "1.5-2026-02"},
    f"{SUBNET} static-mapping x mac-address 02:00:00:aa:bb:cc": {"1.3", "1.4"},
    f"{SUBNET} static-mapping a_b ip-address 192.168.66.9": {"1.3", "1.4"},
    f"{SUBNET} static-mapping x description mine": {"1.5-2024-10", "1.5-2026-02"},
    f"{SUBNET} default-router 192.168.66.1": {"1.3", "1.4"},
    f"{SUBNET} option default-router 192.168.66.1": {"1.5-2024-10", "1.5-2026-02"},
    f"{SUBNET} subnet-id 1": {"1.5-2024-10", "1.5-2026-02"},
    f"{SUBNET} lease 7200": set(VERSIONS),
    f"{SUBNET} range 0 start 192.168.66.9": set(VERSIONS),
    "nat destination rule 10 inbound-interface eth0": {"1.3"},
    "nat destination rule 10 inbound-interface name eth0": {"1.4", "1.5-2024-10", "1.5-2026-02"},
    "nat destination rule 10 destination port 70000": {"1.3"},
    "nat destination rule 10 source group address-group office": {"1.4", "1.5-2024-10", "1.5-2026-02"},
    "nat destination rule 10 source fqdn a.example": {"1.5-2024-10", "1.5-2026-02"},
    "firewall ipv4 forward filter rule 100 connection-status nat destination": {"1.4", "1.5-2024-10", "1.5-2026-02"},
    "firewall name WAN rule 100 state new enable": {"1.3"},
    "service https api rest strict": {"1.5-2024-10", "1.5-2026-02"},
    "service https api strict": {"1.3", "1.4"},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_differ_where_the_facts_say_so(version):
    for line in EVERYWHERE_REFUSED:
        assert fault(version, "set", tuple(line.split())), line
        assert vyos_trees.fault(version, "set", line.split()), line
    for line, versions in TAKEN.items():
        assert (not fault(version, "set", tuple(line.split()))) is (version in versions), line
        assert (not vyos_trees.fault(version, "set", line.split())) is (version in versions), line


@pytest.mark.parametrize("version", VERSIONS)
def test_set_and_delete_do_what_they_do_on_a_router(version):
    router = Router(version)
    subnet = f"set {SUBNET}" + (" option" if VERSIONS[version].is_kea else "")
    router.edit(f"{subnet} name-server 10.0.0.1", f"{subnet} name-server 10.0.0.2", f"{subnet} name-server 10.0.0.1")
    below = router.running["service"]["dhcp-server"]["shared-network-name"]["LAN"]["subnet"]["192.168.66.0/24"]
    options = below.get("option", below)
    assert options["name-server"] == ["10.0.0.1", "10.0.0.2"]
    router.edit(f"{subnet.replace('set', 'delete', 1)} name-server 10.0.0.1")
    assert router.values((*subnet.split()[1:], "name-server")) == ["10.0.0.2"]
    router.edit("set nat destination rule 5 protocol tcp", "set nat destination rule 5 protocol udp")
    assert router.running["nat"]["destination"]["rule"] == {"5": {"protocol": "udp"}}
    router.edit("set nat destination rule 5 disable")
    assert router.running["nat"]["destination"]["rule"]["5"]["disable"] == {}
    router.edit("delete nat destination rule 9", "delete nat destination rule 5")
    assert "rule" not in router.running["nat"]["destination"]
    with pytest.raises(ValueError, match="not valid"):
        router.edit("set nat nothing")
