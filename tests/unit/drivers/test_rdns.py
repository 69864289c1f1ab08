"""Reverse names from a server of the test's own, honest and not."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmon.drivers.rdns import read_answer, reverse_names, system_servers
from tests.daemons.udp import blackhole, replying

NAMES = {"192.0.2.1": "router.example.org", "2001:db8::1": "six.example.org", "192.0.2.9": "bad name"}


def labels(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def answer_with(name, *, flags=0x8180, through_alias=False):
    def answer(query):
        question = query[12:]
        records = b""
        if through_alias:  # RFC 2317: the pointer is an alias in somebody else's zone
            records += b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 9) + labels("1.alias")[:9]
        if name:
            data = labels(name)
            records += b"\xc0\x0c" + struct.pack("!HHIH", 12, 1, 60, len(data)) + data
        return query[:2] + struct.pack("!HHHHH", flags, 1, bool(name) + through_alias, 0, 0) + question + records

    return answer


def asked(query):
    """The address that a query is about."""
    at, parts = 12, []
    while query[at]:
        parts.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    if parts[-2] == "ip6":
        digits = "".join(reversed(parts[:-2]))
        return "2001:db8::1" if digits.startswith("20010db8") else ""
    return ".".join(reversed(parts[:-2]))


def look_up(addresses, answer, **over):
    with replying(answer) as port:
        return reverse_names(addresses, servers=[("127.0.0.1", port)], **over)


def test_both_families_are_looked_up_and_strange_names_left_out():
    found = look_up([*NAMES, "192.0.2.200"], lambda query: answer_with(NAMES.get(asked(query), ""))(query))
    assert found == {"192.0.2.1": "router.example.org", "2001:db8::1": "six.example.org"}


def test_an_alias_is_followed():
    assert look_up(["192.0.2.1"], answer_with("a.example.org", through_alias=True)) == {"192.0.2.1": "a.example.org"}


def test_three_hundred_at_once():
    addresses = [f"198.18.{n >> 8}.{n & 255}" for n in range(300)]
    found = look_up(addresses, lambda query: answer_with(f"h{asked(query).replace('.', '-')}.lab")(query))
    assert len(found) == 300 and found["198.18.1.5"] == "h198-18-1-5.lab"


@pytest.mark.parametrize(
    "answer",
    [
        answer_with("a.example.org", flags=0x8183),  # NXDOMAIN
        answer_with("a.example.org", flags=0x0100),  # no answer
        lambda query: bytes([query[0] ^ 1]) + answer_with("a.example.org")(query)[1:],
        lambda query: answer_with("evil.example.org")(query[:13] + b"9" + query[14:]),  # about another address
        lambda query: query[:5],
        lambda query: answer_with("a.example.org")(query)[:-6],
    ],
)
def test_what_does_not_fit_is_no_name(answer):
    assert look_up(["192.0.2.1"], answer, deadline_seconds=0.4) == {}


def test_silence_costs_the_deadline_and_no_more():
    asked = []

    def no_answer(query):
        asked.append(query)
        return b"?"

    with replying(no_answer) as port:
        assert reverse_names(["192.0.2.1", "192.0.2.2"], servers=[("127.0.0.1", port)], deadline_seconds=0.4) == {}
    assert len(asked) == 2, "a second try would have come after a second"
    with blackhole() as port:
        assert reverse_names(["192.0.2.1"], servers=[("127.0.0.1", port)], is_cancelled=lambda: True) == {}


def test_a_second_server_is_asked_when_the_first_is_silent():
    with blackhole() as silent, replying(answer_with("a.example.org")) as port:
        servers = [("127.0.0.1", silent), ("127.0.0.1", port)]
        assert reverse_names(["192.0.2.1"], servers=servers) == {"192.0.2.1": "a.example.org"}


def test_a_ring_of_pointers_ends():
    message = struct.pack("!HHHHHH", 1, 0x8180, 0, 1, 0, 0) + b"\xc0\x0c"
    assert read_answer(message, 12) == ""


@given(st.binary(max_size=200))
def test_nonsense_is_no_name(data):
    assert isinstance(read_answer(struct.pack("!HHHHHH", 1, 0x8180, 0, 3, 0, 0) + data, 12), str)


def test_the_systems_servers_are_read(tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text("search lab\nnameserver 192.0.2.53\nnameserver ::1\nnameserver nonsense\n# nameserver 1.1.1.1\n")
    assert system_servers(conf) == [("192.0.2.53", 53), ("::1", 53)]
    assert system_servers(tmp_path / "missing") == [("127.0.0.1", 53)]
