"""Schemas, values and argument lists: hostile text stays text."""

from typing import Any

import pytest

from provisioning import action_parameters as ap

SCHEMA = ap.parse(
    [
        {"name": "host_name", "kind": "string", "pattern": "[a-z]+", "max_length": 8},
        {"name": "port", "kind": "integer", "minimum": 1, "maximum": 65535, "default": 443},
        {"name": "how", "kind": "choice", "choices": ["soft", "hard"], "required": True},
        {"name": "via", "kind": "address"},
        {"name": "deep", "kind": "boolean", "default": False},
        {"name": "token", "kind": "secret", "credential": 3, "variable": "API_TOKEN"},
    ]
)


def test_an_argument_list_is_the_address_then_options() -> None:
    values = ap.read(SCHEMA, {"how": "soft", "via": "2001:DB8::1", "host_name": "web", "deep": True})
    assert ap.argv("192.0.2.1", SCHEMA, values) == [
        "192.0.2.1", "--host-name=web", "--port=443", "--how=soft", "--via=2001:db8::1", "--deep=true",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value", ["-rf", "a b", "$(id)", "`id`", "a;b", "a\nb", "web\n", "\x00", "x" * 9, "'", '"', "é", 5, ["a"]]
)
def test_a_string_must_fit_its_pattern_from_end_to_end(value: Any) -> None:
    with pytest.raises(ap.Wrong) as error:
        ap.read(SCHEMA, {"how": "soft", "host_name": value})
    assert set(error.value.errors) == {"host_name"}


def test_a_string_without_a_pattern_is_one_argument_whatever_it_holds() -> None:
    schema = ap.parse([{"name": "text", "kind": "string"}])
    for value in ("-rf /", "; id $(id)", "'\"\\", "--x=y"):
        assert ap.argv("192.0.2.1", schema, ap.read(schema, {"text": value})) == ["192.0.2.1", f"--text={value}"]
    for value in ("a\nb", "a\x00", "a\x1b[2J", "\u202e"):
        with pytest.raises(ap.Wrong):
            ap.read(schema, {"text": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 0), ("port", 65536), ("port", "1e3"), ("port", 1.5), ("port", True), ("port", "0x10"), ("how", "x"),
        ("via", "192.0.2.1/24"), ("via", "fe80::1%eth0"), ("via", "0300.0.0.1"), ("via", "localhost"),
        ("deep", "maybe"),
        ("token", "mine"), ("other", 1),
    ],
)  # fmt: skip
def test_values_of_the_wrong_kind_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ap.Wrong) as error:
        ap.read(SCHEMA, {"how": "soft", name: value})
    assert set(error.value.errors) == {name}


def test_what_is_needed_is_asked_for() -> None:
    with pytest.raises(ap.Wrong) as error:
        ap.read(SCHEMA, {"how": ""})
    assert error.value.errors == {"how": "This is needed."}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "list"), ([1], "object"), ([{"name": "Port", "kind": "integer"}], "name"), ([{"name": "a"}], "kind"),
        ([{"name": "a", "kind": "string", "choices": []}], "no such key"),
        ([{"name": "a", "kind": "string", "pattern": "("}], "pattern"),
        ([{"name": "a", "kind": "string", "pattern": "a\x00"}], "pattern"),
        ([{"name": "a", "kind": "string", "pattern": "\ud800"}], "pattern"),
        ([{"name": "a", "kind": "string", "pattern": "a{99999999999}"}], "pattern"),
        ([{"name": "a", "kind": "string", "max_length": 0}], "max_length"),
        ([{"name": "a", "kind": "integer", "minimum": 2, "maximum": 1}], "minimum"),
        ([{"name": "a", "kind": "integer", "default": "x"}], "default"),
        ([{"name": "a", "kind": "choice", "choices": []}], "choices"),
        ([{"name": "a", "kind": "secret", "credential": 1, "variable": "LD_PRELOAD"}], "meaning"),
        ([{"name": "a", "kind": "secret", "credential": 1, "variable": "PATH"}], "meaning"),
        ([{"name": "a", "kind": "secret", "variable": "TOKEN"}], "credential"),
        ([{"name": "a", "kind": "secret", "credential": 10**30, "variable": "TOKEN"}], "credential"),
        ([{"name": "a", "kind": "boolean"}, {"name": "a", "kind": "boolean"}], "twice"),
        ([{"name": f"p{n}", "kind": "boolean"} for n in range(21)], "At most"),
    ],
)  # fmt: skip
def test_schemas_that_make_no_sense_are_refused(schema: Any, text: str) -> None:
    with pytest.raises(ap.Wrong, match=text):
        ap.parse(schema)
