"""Port lists: what is read, what is refused, and the order of asking."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers.tcp import COMMON_PORTS, format_ports, parse_ports
from netmon.drivers.tcp.ports import asking_order

PORT = st.integers(min_value=1, max_value=65535)


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("80", (80,)),
        ("22,80", (22, 80)),
        (" 80 , 22 ", (22, 80)),
        ("1-4,3-6,9", (1, 2, 3, 4, 5, 6, 9)),
        ("65535", (65535,)),
        ("5-5", (5,)),
    ],
)
def test_it_reads_ports_and_ranges(text, ports):
    assert parse_ports(text) == ports


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "a port is 1 to 65535"),
        ("65536", "a port is 1 to 65535"),
        ("1-99999", "a port is 1 to 65535"),
        ("9-1", "Did you mean 1-9"),
        ("", "write a port"),
        ("22,,80", "write a port"),
        ("http", "write a port"),
        ("-5", "write a port"),
        ("1-", "write a port"),
        ("٢٢", "write a port"),
        ("1;2", "write a port"),
    ],
)
def test_it_refuses_the_rest_with_a_remedy(text, reason):
    with pytest.raises(ValueError, match=f"^ports: .*{reason}"):
        parse_ports(text)


@given(st.sets(PORT, min_size=1, max_size=60))
def test_what_is_written_reads_back(ports):
    assert parse_ports(format_ports(ports)) == tuple(sorted(ports))


@given(st.sets(PORT, min_size=1, max_size=200), st.integers(0, 1000))
def test_every_port_is_asked_once_and_a_seed_repeats_its_order(ports, seed):
    order = asking_order(ports, seed)
    assert sorted(order) == sorted(ports)
    assert order == asking_order(list(ports)[::-1], seed)


def test_common_ports_are_asked_first_and_the_others_in_no_row():
    order = list(asking_order(range(1, 1025), seed=3))
    assert order[:3] == [80, 443, 22]
    rest = order[len([port for port in COMMON_PORTS if port <= 1024]) :]
    assert not set(rest) & set(COMMON_PORTS)
    assert sum(b == a + 1 for a, b in itertools.pairwise(rest)) < 20


def test_a_hundred_ports_are_common():
    assert len(COMMON_PORTS) == len(set(COMMON_PORTS)) == 100


def test_no_port_is_no_scan():
    with pytest.raises(ValueError, match="at least one"):
        asking_order([], 1)
