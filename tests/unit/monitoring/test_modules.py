"""The register of modules, the identity of interfaces, and text from devices."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter as Tally
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring import modules
from monitoring.modules import Counter, snmp_interfaces, snmp_system
from monitoring.modules.interface_keys import interface_keys
from monitoring.modules.text import clean
from netmon.drivers.errors import NotSupported
from netmon.drivers.snmp import SnmpType, VarBind
from netmon.drivers.targets import Secret, SnmpTarget

ROOT = Path(__file__).resolve().parents[3]
TARGET = SnmpTarget(address="192.0.2.1", community=Secret("public"))
UP = (1, 3, 6, 1, 2, 1, 1, 3, 0)
IF, IFX = (1, 3, 6, 1, 2, 1, 2, 2, 1), (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)


async def collect(target, context): ...


async def another(target, context): ...


def test_a_module_has_one_owner(monkeypatch):
    monkeypatch.setattr(modules, "MODULES", {})
    registered = modules.register("test.one", "icmp", collect, interval_seconds=30, is_availability=True)
    assert modules.get("test.one") is registered
    assert modules.register("test.one", "icmp", collect, interval_seconds=30, is_availability=True) is registered
    with pytest.raises(ValueError, match=r"^test\.one: "):
        modules.register("test.one", "icmp", another)
    with pytest.raises(LookupError, match=r"test\.two"):
        modules.get("test.two")


def test_importing_the_modules_registers_nothing_and_needs_no_django():
    program = (
        "import sys, monitoring.modules.icmp, monitoring.modules.snmp_system, monitoring.modules.snmp_interfaces, "
        "monitoring.rates; from monitoring.modules import MODULES; "
        "sys.exit(bool(MODULES) or any(m.split('.')[0] in ('django', 'celery', 'rest_framework') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30, check=False).returncode == 0


def test_the_key_of_an_interface_is_its_name_where_that_is_unique():
    names = {
        1: ("Gi1/0/1", "GigabitEthernet1/0/1"),
        2: ("", "Vlan10"),
        3: ("", ""),
        4: ("eth", "left"),
        5: ("eth", "right"),
        6: ("ppp", "ppp"),
        7: ("ppp", "ppp"),
    }
    assert interface_keys(names) == {
        1: "Gi1/0/1",
        2: "Vlan10",
        3: "ifIndex 3",
        4: "left",
        5: "right",
        6: "ppp (ifIndex 6)",
        7: "ppp (ifIndex 7)",
    }


def test_a_renumbered_device_keeps_its_keys():
    before = interface_keys({n: (f"Gi{n}", "x") for n in range(1, 9)})
    after = interface_keys({n + 100: (f"Gi{n}", "x") for n in range(1, 9)})
    assert sorted(before.values()) == sorted(after.values())


words = st.sampled_from(["", "a", "b", "a (ifIndex 1)", "ifIndex 2", "a (ifIndex 2)", "x" * 300])


@given(st.dictionaries(st.integers(1, 9), st.tuples(words, words)))
def test_keys_are_always_unique_and_bounded(names):
    keys = interface_keys(names)
    assert set(keys) == set(names)
    assert all(count == 1 for count in Tally(keys.values()).values())
    assert all(0 < len(key) <= 255 for key in keys.values())
    assert keys == interface_keys(dict(reversed(names.items())))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        ("Lycée".encode(), "Lycée"),
        ("Lycée".encode("latin-1"), "Lycée"),
        (b"Cisco IOS\r\nTechnical Support\r\n", "Cisco IOS Technical Support"),
        (b"a\0b\x1b[31mc\x7f", "ab[31mc"),
        ("\u202egnp.exe".encode(), "gnp.exe"),
        (b"padded\0\0\0", "padded"),
        (b"", ""),
        (b"x" * 10_000, "x" * 255),
    ],
)
def test_text_is_cleaned(raw, text):
    assert clean(raw) == text


@given(st.binary(max_size=600), st.integers(1, 300))
def test_text_is_always_short_and_printable(raw, limit):
    text = clean(raw, limit)
    assert len(text) <= limit
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in text)
    text.encode()


class FakeSession:
    """A session over a dict of var-binds, with what was asked."""

    response_ms = 1.5

    def __init__(self, objects):
        self.objects = {oid: VarBind(oid, kind, value) for oid, (kind, value) in objects.items()}
        self.tables = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def get(self, oids):
        return [self.objects.get(oid, VarBind(oid, SnmpType.NoSuchInstance, None)) for oid in oids]

    async def table(self, columns, *, scalar=None):
        self.tables.append(columns)
        rows = {}
        for oid, var_bind in self.objects.items():
            for column in columns:
                if oid[: len(column)] == column:
                    row = rows.setdefault(oid[len(column) :], {})
                    row[column] = var_bind
                    if scalar in self.objects:
                        row[scalar] = self.objects[scalar]
        return rows


def run(module, objects, context=None, monkeypatch=None):
    session = FakeSession(objects)
    monkeypatch.setattr(module, "SnmpSession", lambda target: session)
    return asyncio.run(module.collect(TARGET, context or {})), session


INT, STR, C32, C64, TICKS, GAUGE = (
    SnmpType.Integer,
    SnmpType.OctetString,
    SnmpType.Counter32,
    SnmpType.Counter64,
    SnmpType.TimeTicks,
    SnmpType.Gauge32,
)


def port(n, *, high=True, name="", speed=1_000_000_000, high_speed=None):
    objects = {
        (*IF, 2, n): (STR, b"Port"),
        (*IF, 5, n): (GAUGE, speed),
        (*IF, 6, n): (STR, bytes((2, 0, 0, 0, 0, n))),
        (*IF, 7, n): (INT, 1),
        (*IF, 8, n): (INT, 2),
        (*IF, 10, n): (C32, 1000 + n),
        (*IF, 16, n): (C32, 2000 + n),
        (*IF, 14, n): (C32, 3),
        (*IFX, 1, n): (STR, name.encode()),
    }
    if high:
        objects |= {(*IFX, column, n): (C64, 2**40 + column) for column in (6, 8, 9, 10)}
        objects |= {(*IFX, 19, n): (TICKS, 77)}
    if high_speed is not None:
        objects[(*IFX, 15, n)] = (GAUGE, high_speed)
    return objects


def test_64_bits_are_chosen_for_each_row(monkeypatch):
    objects = {UP: (TICKS, 500)} | port(1, name="a") | port(2, name="b", high=False) | port(3, name="c")
    collected, session = run(snmp_interfaces, objects, monkeypatch=monkeypatch)
    by_key = {reading.interface: reading for reading in collected.readings}
    assert by_key["a"].counters["in_bps"] == Counter(2**40 + 6, 64)
    assert by_key["b"].counters["in_bps"] == Counter(1002, 32)
    assert by_key["b"].counters["out_bps"] == Counter(2002, 32)
    assert by_key["a"].counters["in_nucast_pps"] == Counter(2**41 + 17, 64)
    assert by_key["a"].counters["in_err"] == Counter(3, 32)
    assert (by_key["a"].uptime_ticks, by_key["a"].discontinuity_ticks, by_key["b"].discontinuity_ticks) == (
        500,
        77,
        None,
    )
    # the one odd row is asked by GET, not by another walk
    assert session.tables == [snmp_interfaces.FAST, snmp_interfaces.SLOW]


def test_a_device_without_if_x_table_works(monkeypatch):
    objects = {UP: (TICKS, 500)} | port(1, high=False) | port(2, high=False)
    collected, _ = run(snmp_interfaces, objects, monkeypatch=monkeypatch)
    assert [reading.counters["in_bps"].bits for reading in collected.readings] == [32, 32]
    assert [one.key for one in collected.interfaces] == ["Port (ifIndex 1)", "Port (ifIndex 2)"]


@pytest.mark.parametrize(
    ("speed", "high_speed", "expected"),
    [
        (100_000_000, 100, 100_000_000),
        (4_294_967_295, 10_000, 10_000_000_000),
        (0, 0, None),
        (0, 40_000, 40_000_000_000),
        (9_600, 0, 9_600),
    ],
)
def test_speed_comes_from_if_high_speed_where_if_speed_saturates(monkeypatch, speed, high_speed, expected):
    objects = {UP: (TICKS, 500)} | port(1, speed=speed, high_speed=high_speed)
    collected, _ = run(snmp_interfaces, objects, monkeypatch=monkeypatch)
    assert collected.interfaces[0].speed_bps == collected.readings[0].speed_bps == expected


def test_states_and_addresses_are_taken_as_they_are_or_not_at_all(monkeypatch):
    objects = {UP: (TICKS, 500)} | port(1, name="a")
    objects |= {(*IF, 7, 1): (INT, 99), (*IF, 6, 1): (STR, b"\0" * 6), (*IF, 8, 1): (INT, 7)}
    collected, _ = run(snmp_interfaces, objects, monkeypatch=monkeypatch)
    (one,) = collected.interfaces
    assert (one.admin_status, one.oper_status, one.mac_address) == (4, 7, None)
    assert collected.readings[0].values == {"oper_status": 7.0}


def test_no_interface_at_all_is_not_supported(monkeypatch):
    with pytest.raises(NotSupported):
        run(snmp_interfaces, {UP: (TICKS, 500)}, monkeypatch=monkeypatch)


def test_uptime_survives_its_wrap_where_the_engine_tells(monkeypatch):
    seconds = 500 * 86_400
    objects = {UP: (TICKS, seconds * 100 % 2**32), snmp_system.ENGINE_TIME: (INT, seconds + 3)}
    collected, _ = run(snmp_system, objects, monkeypatch=monkeypatch)
    assert collected.facts["system"]["uptime_seconds"] == pytest.approx(seconds, abs=0.01)
    assert collected.readings[0].values["response_ms"] == 1.5


def test_an_engine_of_another_age_is_not_believed(monkeypatch):
    objects = {UP: (TICKS, 100_000), snmp_system.ENGINE_TIME: (INT, 10**8)}
    collected, _ = run(snmp_system, objects, monkeypatch=monkeypatch)
    assert collected.facts["system"]["uptime_seconds"] == 1000.0


def test_system_without_uptime_is_not_supported(monkeypatch):
    with pytest.raises(NotSupported):
        run(snmp_system, {}, monkeypatch=monkeypatch)


def test_only_what_the_device_offers_becomes_a_fact(monkeypatch):
    collected, _ = run(snmp_system, {UP: (TICKS, 100)}, monkeypatch=monkeypatch)
    assert set(collected.facts["system"]) == {
        "sys_name",
        "sys_descr",
        "sys_object_id",
        "sys_location",
        "sys_contact",
        "uptime_seconds",
    }
