"""The driver against every fault of the simulated fleet, and the modules against its known rates."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import weakref

import pytest

from monitoring.modules import snmp_interfaces, snmp_system
from monitoring.rates import rates_for
from netmon.drivers.errors import DeadlineExceeded, Unreachable
from netmon.drivers.snmp import SnmpLoop, SnmpSession, SnmpType
from netmon.drivers.targets import Secret
from netmon.lab.devices import DEMO_DEVICES, exact_octets_per_second
from tests.daemons import free_port
from tests.daemons.fleet import fleet

pytestmark = pytest.mark.integration

SYS_UP_TIME = (1, 3, 6, 1, 2, 1, 1, 3, 0)
IF_DESCR, IF_OPER_STATUS = (1, 3, 6, 1, 2, 1, 2, 2, 1, 2), (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)
HC_IN, HC_OUT = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6), (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 10)
COLUMNS = (IF_DESCR, IF_OPER_STATUS, HC_IN, HC_OUT)


def table(target, columns=COLUMNS):
    async def ask():
        async with SnmpSession(target) as session:
            return await session.table(columns, scalar=SYS_UP_TIME)

    return asyncio.run(ask())


@pytest.mark.parametrize("fault", [1, 3, 5, 7, 10, 11, 12])
def test_every_row_arrives_in_spite_of(agents, fault):
    rows = table(agents.target(f"127.{fault}.0.7"))
    assert len(rows) == 48
    assert all(set(row) == {*COLUMNS, SYS_UP_TIME} for row in rows.values())
    assert rows[(1,)][HC_IN].type is SnmpType.Counter64


def test_lost_requests_are_asked_again(agents):
    async def ask_all():
        async def ask(n):
            async with SnmpSession(agents.target(f"127.6.1.{n}", retries=6, timeout_seconds=0.2)) as session:
                return len(await session.table(COLUMNS))

        return await asyncio.gather(*(ask(n) for n in range(1, 41)))

    assert asyncio.run(ask_all()) == [48] * 40


def test_a_loop_ends_at_once(agents):
    started = time.monotonic()
    with pytest.raises(SnmpLoop):
        table(agents.target("127.4.0.7"))
    assert time.monotonic() - started < 2


def test_a_device_without_64_bit_counters_has_32_bit_ones(agents):
    collected = asyncio.run(snmp_interfaces.collect(agents.target("127.8.0.7"), {}))
    counters = [reading.counters["in_bps"] for reading in collected.readings]
    assert len(counters) == 48 and {counter.bits for counter in counters} == {32}


def test_v1_has_all_rows_in_32_bits(agents):
    collected = asyncio.run(snmp_interfaces.collect(agents.target("127.1.0.7", version="1"), {}))
    assert {reading.counters["out_bps"].bits for reading in collected.readings} == {32}
    assert all(reading.uptime_ticks for reading in collected.readings)


def test_an_answer_from_another_address_counts_only_where_allowed(agents):
    over = {"timeout_seconds": 0.1, "retries": 1}
    with pytest.raises(DeadlineExceeded):
        table(agents.target("127.9.0.7", **over))
    assert len(table(agents.target("127.9.0.7", any_source=True))) == 48


def test_silence_is_a_timeout_and_a_closed_port_is_unreachable(agents):
    with pytest.raises(DeadlineExceeded):
        table(agents.target("127.2.0.7", timeout_seconds=0.1, retries=1))
    with pytest.raises(Unreachable):
        table(agents.target("127.1.0.7", port=free_port()))


def test_a_late_event_loop_makes_no_device_look_down(agents):
    async def ask():
        async with SnmpSession(agents.target("127.1.0.8", timeout_seconds=0.1, retries=0)) as session:
            asking = asyncio.ensure_future(session.get([SYS_UP_TIME]))
            for _ in range(3):
                await asyncio.sleep(0)
                time.sleep(0.15)  # another task that does not let go, longer than the timeout
            return await asking

    assert asyncio.run(ask())[0].type is SnmpType.TimeTicks


def test_many_devices_at_once_leave_no_socket_behind(agents):
    async def ask_all():
        loops.add(asyncio.get_running_loop())

        async def ask(n):
            async with SnmpSession(agents.target(f"127.1.2.{n}", timeout_seconds=1.0)) as session:
                return (await session.get([SYS_UP_TIME]))[0].type

        return await asyncio.gather(*(ask(n) for n in range(1, 151)))

    before = len(os.listdir("/proc/self/fd"))
    loops = weakref.WeakSet()
    for _ in range(2):  # each asyncio.run is another event loop
        assert set(asyncio.run(ask_all())) == {SnmpType.TimeTicks}
    assert len(os.listdir("/proc/self/fd")) == before
    gc.collect()
    assert not loops


def test_rates_are_those_of_the_device(agents):
    target = agents.target("127.1.3.9")

    async def twice():
        first = await snmp_interfaces.collect(target, {})
        await asyncio.sleep(1.0)
        return first, await snmp_interfaces.collect(target, {})

    first, second = asyncio.run(twice())
    for before, after in zip(first.readings, second.readings, strict=True):
        base = rates_for(None, before, at=first.collected_at, interval_seconds=1)
        result = rates_for(base.state, after, at=second.collected_at, interval_seconds=1)
        port = int(after.interface.rpartition("/")[2])
        octets = exact_octets_per_second("127.1.3.9", port)
        assert result.reason == "ok"
        # both samples are cut to a hundredth of a second
        assert result.values["in_bps"] == pytest.approx(octets * 8, rel=0.025)
        assert result.values["out_bps"] == pytest.approx(octets * 8 * 0.7, rel=0.025)


def test_slow_columns_are_asked_only_when_something_changed(agents):
    target = agents.target("127.1.0.9")

    async def collect(context):
        return await snmp_interfaces.collect(target, context)

    first = asyncio.run(collect({}))
    meta = first.facts["interfaces_meta"]
    assert meta["is_refreshed"] and meta["if_number"] == 48
    known = {reading.if_index: snmp_interfaces.known_fields(reading) for reading in first.interfaces}
    remembered = {"known": known, "if_number": 48, "table_last_change": meta["table_last_change"]}
    second = asyncio.run(collect(remembered))
    assert not second.facts["interfaces_meta"]["is_refreshed"]
    assert [reading.key for reading in second.interfaces] == [reading.key for reading in first.interfaces]
    del known[5]
    for changed in (remembered, remembered | {"if_number": 47}, remembered | {"slow_due": True}):
        assert asyncio.run(collect(changed)).facts["interfaces_meta"]["is_refreshed"]


def test_the_fleet_checks_the_community_when_told():
    with fleet("--community", "secret-word") as guarded:
        assert table(guarded.target("127.1.0.1", community=Secret("secret-word")))
        with pytest.raises(DeadlineExceeded):
            table(guarded.target("127.1.0.1", timeout_seconds=0.1, retries=0))


def test_the_demonstration_devices_say_who_they_are(agents):
    assert len(DEMO_DEVICES) == 24 and len({device.address for device in DEMO_DEVICES}) == 24
    behaviours = {device.behaviour for device in DEMO_DEVICES}
    assert behaviours == {"healthy", "busy", "flapping", "silent", "rebooting"}

    async def ask(device):
        target = agents.target(device.address)
        return await snmp_system.collect(target, {}), await snmp_interfaces.collect(target, {})

    for device in DEMO_DEVICES:
        if device.behaviour not in ("healthy", "busy"):
            continue
        system, interfaces = asyncio.run(ask(device))
        assert system.facts["system"]["sys_name"] == device.name
        assert system.facts["system"]["sys_object_id"] == device.sys_object_id
        assert interfaces.interfaces and any(reading.oper_status == 1 for reading in interfaces.interfaces)
