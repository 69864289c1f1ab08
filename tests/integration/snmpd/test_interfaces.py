"""The interface module against a real kernel's counters, with traffic whose rate is known."""

from __future__ import annotations

import asyncio

import pytest

from monitoring.modules import snmp_interfaces, snmp_system
from monitoring.rates import rates_for
from netmon.drivers.errors import DeadlineExceeded, Unreachable
from tests.daemons import wait_until

pytestmark = pytest.mark.integration


def collect(target):
    return asyncio.run(snmp_interfaces.collect(target, {}))


def reading_of(collected, name):
    (reading,) = (reading for reading in collected.readings if reading.interface == name)
    return reading


def test_the_rate_is_that_of_the_traffic(network):
    target = network.agent.target()
    # a device that has only just started has no rates yet
    wait_until(lambda: reading_of(collect(target), "eth0").uptime_ticks > 1_050, seconds=20, what="ten seconds of life")
    first = collect(target)
    base = rates_for(None, reading_of(first, "eth0"), at=first.collected_at, interval_seconds=20)
    before = network.far_octets()[0]
    true_rate = network.generate_traffic(400_000, 6.0)
    moved = network.far_octets()[0] - before
    assert moved == pytest.approx(true_rate * 6.0, rel=0.05)

    # snmpd keeps the interface table for some seconds
    def is_counted():
        counted = reading_of(collect(target), "eth0").counters["in_bps"].value
        return counted - base.state.counters["in_bps"].value >= moved * 0.99

    wait_until(is_counted, seconds=30, what="the agent's own cache of the interface table")
    second = collect(target)
    result = rates_for(base.state, reading_of(second, "eth0"), at=second.collected_at, interval_seconds=60)
    seconds = second.collected_at - first.collected_at
    assert result.reason == "ok"
    assert result.values["in_bps"] == pytest.approx(moved * 8 / seconds, rel=0.05)


def test_a_link_that_goes_down_makes_the_agent_unreachable_and_comes_back(network):
    target = network.agent.target(timeout_seconds=0.2, retries=1)
    network.set_link("down")
    try:
        with pytest.raises((Unreachable, DeadlineExceeded)):
            collect(target)
    finally:
        network.set_link("up")
    network.agent.wait_until_it_answers()
    assert {one.key: one.oper_status for one in collect(target).interfaces}["eth0"] == 1


def test_the_system_group_is_read(network):
    system = asyncio.run(snmp_system.collect(network.agent.target(), {})).facts["system"]
    assert system["sys_name"].startswith("lab-")
    assert system["sys_location"] == "Rack 1"
    assert system["engine_boots"] >= 1 and system["hr_system_uptime"] > 0
