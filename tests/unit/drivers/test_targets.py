"""Targets refuse what cannot work, and secrets stay secret."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import pickle

import pytest

from netmon.drivers.errors import Unreachable
from netmon.drivers.targets import IcmpTarget, Secret, SnmpTarget, check_options, option_fields, resolve

USER = {
    "address": "192.0.2.1",
    "version": "3",
    "username": "netmon",
    "auth_protocol": "SHA-256",
    "auth_key": Secret("a long passphrase"),
}


def test_a_secret_shows_itself_only_when_asked():
    secret = Secret("hunter22")
    target = SnmpTarget(address="192.0.2.1", community=secret)
    for text in (repr(secret), str(secret), f"{secret}", f"{secret!r:>5}", repr([secret]), repr(target), str(target)):
        assert "hunter22" not in text
    assert secret.reveal() == "hunter22"


def test_a_secret_is_neither_hashed_nor_pickled():
    with pytest.raises(TypeError):
        hash(Secret("hunter22"))
    for thing in (Secret("hunter22"), SnmpTarget(address="192.0.2.1", community=Secret("hunter22"))):
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_half_a_character_is_refused_without_showing_it():
    with pytest.raises(ValueError, match="half a character") as refused:
        Secret("hunter\udc80")
    assert "hunter" not in str(refused.value)


def test_secrets_compare_and_copy():
    secret = Secret("é")
    assert secret == Secret("é") and secret != Secret("e") and secret != "é"
    assert copy.deepcopy(secret) is secret
    assert not Secret("") and secret


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"address": "switch.example.net"}, "address"),
        ({"address": ""}, "address"),
        ({"version": "2"}, "version"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": True}, "port"),
        ({"username": ""}, "username"),
        ({"username": "x" * 33}, "username"),
        ({"auth_protocol": "SHA-1"}, "auth_protocol"),
        ({"auth_key": None}, "auth_key"),
        ({"auth_key": Secret("short")}, "auth_key"),
        ({"auth_protocol": None, "priv_protocol": "AES", "priv_key": Secret("12345678")}, "priv_protocol"),
        ({"priv_protocol": "AES"}, "priv_key"),
        ({"priv_protocol": "AES", "priv_key": Secret("1234567")}, "priv_key"),
        ({"priv_protocol": "ROT13", "priv_key": Secret("12345678")}, "priv_protocol"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"retries": 1.5}, "retries"),
        ({"max_var_binds": 0}, "max_var_binds"),
    ],
)
def test_a_target_names_the_field_it_refuses(over, field):
    with pytest.raises(ValueError, match=f"^{field}: ") as refused:
        SnmpTarget(**(USER | over))
    assert "passphrase " not in str(refused.value) or "a long passphrase" not in str(refused.value)


@pytest.mark.parametrize("version", ["1", "2c"])
def test_communities_are_demanded(version):
    with pytest.raises(ValueError, match=r"^community: "):
        SnmpTarget(address="192.0.2.1", version=version)


def test_an_integer_is_a_fine_number_of_seconds():
    assert SnmpTarget(**(USER | {"timeout_seconds": 2})).timeout_seconds == 2.0


def test_options_are_those_an_operator_may_set():
    assert option_fields(IcmpTarget) == {"timeout_seconds": float, "count": int, "deadline_seconds": float}
    fields = option_fields(SnmpTarget)
    assert fields["any_source"] is bool and fields["version"] is str
    assert not {"community", "auth_key", "priv_key", "address"} & set(fields)


def test_options_are_checked_by_name_type_and_range():
    assert check_options(SnmpTarget, {"retries": 1, "timeout_seconds": 3}) == {"retries": 1, "timeout_seconds": 3.0}
    for options, key in (
        ({"community": "x"}, "community"),
        ({"retries": "1"}, "retries"),
        ({"retries": True}, "retries"),
        ({"any_source": 1}, "any_source"),
        ({"version": "4"}, "version"),
        ({"context_name": "x" * 256}, "context_name"),
    ):
        with pytest.raises(ValueError, match=f"^{key}: "):
            check_options(SnmpTarget, options)


def test_targets_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        IcmpTarget(address="::1").count = 5  # type: ignore[misc]


def test_literals_resolve_to_themselves_and_bad_names_are_unreachable():
    assert asyncio.run(resolve("2001:DB8::1")) == "2001:db8::1"
    for name in ("", "no such name", "x" * 300, "a..b"):
        with pytest.raises(Unreachable):
            asyncio.run(resolve(name))
