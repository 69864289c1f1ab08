"""What people write as targets and ports, and what they are answered."""

from ipaddress import ip_address
from itertools import pairwise

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from scanning import ports, targets
from scanning.targets import Span


def spans(text: str) -> list[str]:
    return [str(span) for span in targets.parse(text).spans]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("192.0.2.7", ["192.0.2.7"]),
        (" 192.0.2.7 ", ["192.0.2.7"]),
        ("192.0.2.0/24", ["192.0.2.1-192.0.2.254"]),
        ("192.0.2.0/31", ["192.0.2.0-192.0.2.1"]),
        ("192.0.2.7/32", ["192.0.2.7"]),
        ("192.0.2.10-20", ["192.0.2.10-192.0.2.20"]),
        ("192.0.2.250-192.0.3.5", ["192.0.2.250-192.0.3.5"]),
        ("192.0.2.1, 192.0.2.2 192.0.2.3", ["192.0.2.1-192.0.2.3"]),
        ("192.0.2.5\n192.0.2.1", ["192.0.2.1", "192.0.2.5"]),
        ("192.0.2.0/25,192.0.2.128/25", ["192.0.2.1-192.0.2.126", "192.0.2.129-192.0.2.254"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("[2001:db8::1]", ["2001:db8::1"]),
        ("2001:db8::/126", ["2001:db8::-2001:db8::3"]),
        ("2001:db8::1-2001:db8::9", ["2001:db8::1-2001:db8::9"]),
        ("::ffff:192.0.2.7", ["192.0.2.7"]),
        ("2001:db8::1,192.0.2.7", ["192.0.2.7", "2001:db8::1"]),
    ],
)
def test_targets_are_addresses(text: str, wanted: list[str]) -> None:
    assert spans(text) == wanted


def test_names_and_rows_are_left_to_who_may_ask_for_them() -> None:
    found = targets.parse("web-1.example.com device:7 prefix:3 device:7 Web-1.example.com.")
    assert (found.names, found.devices, found.prefixes) == (("web-1.example.com",), (7,), (3,))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at least one target"),
        (" ,, ", "at least one target"),
        ("0.0.0.0/0", "whole internet"),
        ("::/0", "whole internet"),
        ("192.0.2.7/24", "Did you mean 192.0.2.0/24?"),
        ("192.0.2.0/33", "Not a prefix"),
        ("192.0.2.0/", "Not a prefix"),
        ("192.0.2.0/-1", "Not a prefix"),
        ("/24", "Not a prefix"),
        ("192.0.2.0/24/24", "Not a prefix"),
        ("192.0.2.*", "instead of *"),
        ("192.0.2.300", "Not an IP address"),
        ("192.0.2", "Not an IP address"),
        ("3221225991", "Not an IP address"),
        ("0x7f000001", "Not an IP address"),
        ("0177.0.0.1", "Not an IP address"),
        ("192.0.2.20-10", "Did you mean 192.0.2.10-192.0.2.20?"),
        ("192.0.2.10-300", "more than 255"),
        ("192.0.2.10-", "end of the range is missing"),
        ("-192.0.2.10", "Not"),
        ("192.0.2.10-20-30", "Not an IP address"),
        ("192.0.2.1-2001:db8::1", "different families"),
        ("2001:db8::9-2001:db8::1", "before it begins"),
        ("fe80::1%eth0", "zone"),
        ("http://192.0.2.7/", "not a URL"),
        ("ssh://192.0.2.7", "not a URL"),
        ("192.0.2.7:80", "Not an IP address"),
        ("device:", "Write the number"),
        ("device:core-1", "Write the number"),
        ("prefix:-1", "Write the number"),
        ("$(id)", "Not a host"),
        ("a;id", "id"),
        ("-oX", "Not"),
        ("web_1..example.com", "Not a host"),
        ("x" * 64 + ".example.com", "Not a host"),
        ("\x00", "Not a host"),
        ("192.0.2.7\x1b[31m", "Not"),
        ("\u0661\u0669\u0662.0.2.7", "Not"),
        ("192.0.2.1-\u0662\u0660", "Not an IP address"),
        ("1 " * 2001, "At most 4000 characters"),
        ("a " * 300, "At most 256 targets"),
    ],
)
def test_wrong_targets_have_their_answers(text: str, says: str) -> None:
    if text == "a;id":  # a separator, so two names
        assert targets.parse(text).names == ("a", "id")
        return
    with pytest.raises(ValidationError) as refused:
        targets.parse(text)
    (message,) = refused.value.messages
    assert says in message and message.isprintable(), message


@pytest.mark.parametrize("value", [None, 7, ["192.0.2.1"], {"a": 1}, True])
def test_what_is_no_text_is_no_target(value: object) -> None:
    with pytest.raises(ValidationError, match="as a text"):
        targets.parse(value)


def some_spans() -> st.SearchStrategy[list[Span]]:
    one = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: Span(4, pair[0], pair[0] + pair[1]))
    return st.lists(one, max_size=6)


def members(found: object) -> set[int]:
    return {int(address) for span in found for address in span}  # type: ignore[attr-defined]


@given(some_spans(), some_spans())
def test_spans_are_sets(one: list[Span], other: list[Span]) -> None:
    assert members(targets.merged(one)) == members(one)
    assert members(targets.without(one, other)) == members(one) - members(other)
    assert members(targets.within(one, other)) == members(one) & members(other)
    assert targets.count(targets.merged(one)) == len(members(one))
    found = targets.merged(one)
    assert all(a.last + 1 < b.first for a, b in pairwise(found))
    assert all(Span.parse(str(span)) == span for span in found)
    assert all(targets.contains(found, ip_address(number)) == (number in members(one)) for number in range(80))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("80", "80"),
        ("22,80", "22,80"),
        ("80 22", "22,80"),
        ("1-1024", "1-1024"),
        ("20-25,22,24-30", "20-30"),
        ("ssh, https", "22,443"),
        ("SSH", "22"),
        ("web", "80,443,3000,5000,8000,8008,8080-8081,8443,8888,9000,9443"),
        ("system,8080", "1-1024,8080"),
        ("all", "1-65535"),
        ("65535", "65535"),
    ],
)
def test_ports_are_sets(text: str, wanted: str) -> None:
    found = ports.parse(text)
    assert str(found) == wanted and len(found) == len(list(found)) and all(port in found for port in found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "at least one port"),
        (" , ", "at least one port"),
        ("0", "a port is 1 to 65535"),
        ("65536", "a port is 1 to 65535"),
        ("1-99999", "a port is 1 to 65535"),
        ("0-10", "a port is 1 to 65535"),
        ("-1", "write a port"),
        ("1024-1", "Did you mean 1-1024?"),
        ("1-", "write a port"),
        ("1--5", "write a port"),
        ("22;id", "no such service or list"),
        ("80.5", "write a port"),
        ("0x50", "write a port"),
        ("1e3", "write a port"),
        ("nosuch", "no such service or list"),
        ("\u0662\u0662", "write a port"),
        ("9" * 30, "a port is 1 to 65535"),
        ("22\x00", "write a port"),
        ("1," * 200_001, "At most 400000"),
        (None, "as a text"),
        (True, "as a text"),
        ([22], "as a text"),
    ],
)
def test_wrong_ports_have_their_answers(text: object, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ports.parse(text)
    (message,) = refused.value.messages
    assert says in message and message.isprintable(), message


def test_every_list_can_be_read_and_every_service_is_named() -> None:
    for name in ports.LISTS:
        assert len(ports.parse(name)) > 0 and name in ports.LISTS_HELP
    assert all(ports.service_name(port) == name for port, name in ports.SERVICES.items())
    assert len(ports.NUMBERS) == len(ports.SERVICES), "no name twice"
