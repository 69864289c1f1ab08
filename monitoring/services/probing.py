"""Asking a device that need not be in the inventory. Nothing is stored."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from monitoring import rates, runner
from monitoring.modules import Collected, icmp, snmp_interfaces, snmp_system
from netmon.common.addresses import parse_address
from netmon.drivers.errors import DriverError
from netmon.drivers.snmp.diagnosis import diagnose
from netmon.drivers.targets import IcmpTarget, SnmpTarget

RATE_SECONDS = 5.0
DEADLINE_SECONDS = 30.0
CLOCK = "this process"


def probe(
    target: SnmpTarget, *, with_rates: bool = False, progress: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Ping, system group and interfaces of one agent, as one JSON-able answer; the errors are in it, none is raised.

    `with_rates` reads the interfaces twice, RATE_SECONDS apart.
    """
    results: list[dict[str, Any]] = []
    answer: dict[str, Any] = {
        "target": {"ip": target.address, "port": target.port, "snmp_version": target.version},
        "results": results,
        "readings": {},
        "system": {},
        "interfaces": [],
        "diagnosis": None,
    }
    # A ping of loopback is answered by our own kernel and says nothing of the agent behind a port.
    if not parse_address(target.address).is_loopback:
        progress("ping")
        if ping := _run("icmp", "icmp", icmp.collect, IcmpTarget(address=target.address), results):
            answer["readings"]["icmp"] = dict(ping.readings[0].values)
    progress("system group")
    if system := _run("snmp.system", "snmp", snmp_system.collect, target, results):
        answer["readings"]["snmp.system"] = dict(system.readings[0].values)
        answer["system"] = system.facts["system"]
        progress("interfaces")
        if first := _run("snmp.interfaces", "snmp", snmp_interfaces.collect, target, results):
            answer["interfaces"] = _interfaces(first)
            if with_rates:
                progress(f"{RATE_SECONDS:g} s of traffic")
                _add_rates(target, first, answer["interfaces"], results)
    else:
        progress("diagnosis")
        answer["diagnosis"] = runner.wait_for(diagnose(target), deadline_seconds=DEADLINE_SECONDS)
    return answer


def _run(
    module: str, protocol: str, collect: Any, target: Any, results: list[dict[str, Any]], context: Any = None
) -> Collected | None:
    started = time.monotonic()
    error: DriverError | None = None
    collected = None
    try:
        collected = runner.call(collect, target, context or {}, deadline_seconds=DEADLINE_SECONDS)
    except DriverError as failure:
        error = failure
    results.append(
        {
            "module": module,
            "protocol": protocol,
            "ok": error is None,
            "ran": True,
            "error_code": error.code if error else "",
            "error_detail": error.detail if error else "",
            "response_time_ms": collected.response_ms if collected else None,
            "duration_ms": round((time.monotonic() - started) * 1000, 3),
        }
    )
    return collected


def _interfaces(collected: Collected) -> list[dict[str, Any]]:
    return [{**asdict(interface), "rates": None} for interface in collected.interfaces or []]


def _add_rates(
    target: SnmpTarget, first: Collected, interfaces: Sequence[dict[str, Any]], results: list[dict[str, Any]]
) -> None:
    time.sleep(RATE_SECONDS)
    known = {interface.if_index: snmp_interfaces.known_fields(interface) for interface in first.interfaces or []}
    second = _run("snmp.interfaces", "snmp", snmp_interfaces.collect, target, results, {"known": known})
    if second is None:
        return
    bases = {
        reading.interface: rates.rates_for(
            None,
            reading,
            at=first.collected_at,
            interval_seconds=RATE_SECONDS,
            monotonic_at=first.monotonic_at,
            clock=CLOCK,
        ).state
        for reading in first.readings
    }
    rows = {interface["key"]: interface for interface in interfaces}
    for reading in second.readings:
        if (row := rows.get(reading.interface or "")) is None:
            continue
        computed = rates.rates_for(
            bases.get(reading.interface),
            reading,
            at=second.collected_at,
            interval_seconds=RATE_SECONDS,
            monotonic_at=second.monotonic_at,
            clock=CLOCK,
        )
        row["rates"] = {**{name: computed.values[name] for name in reading.counters}, "reason": computed.reason}
