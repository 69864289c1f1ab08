"""Who is it and since when: the system group of SNMPv2-MIB (RFC 3418), metric set "snmp.system", fact "system"."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from monitoring.modules import Collected, Reading
from monitoring.modules.text import clean
from netmon.drivers.errors import NotSupported
from netmon.drivers.snmp import Oid, SnmpSession, VarBind
from netmon.drivers.targets import SnmpTarget

SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
SYS_DESCR, SYS_OBJECT_ID, SYS_UP_TIME, SYS_CONTACT, SYS_NAME, SYS_LOCATION = (
    (*SYSTEM, n, 0) for n in (1, 2, 3, 4, 5, 6)
)
ENGINE_BOOTS: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 2, 0)
ENGINE_TIME: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0)
HR_SYSTEM_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 25, 1, 1, 0)
ASKED = (
    SYS_UP_TIME,
    SYS_DESCR,
    SYS_OBJECT_ID,
    SYS_CONTACT,
    SYS_NAME,
    SYS_LOCATION,
    ENGINE_BOOTS,
    ENGINE_TIME,
    HR_SYSTEM_UPTIME,
)
# sysUpTime and snmpEngineTime begin together, give or take the start of the agent
SAME_LIFE_TICKS = 60_000
WRAP_TICKS = 2**32


async def collect(target: SnmpTarget, context: Mapping[str, Any]) -> Collected:
    """One Reading with `response_ms` and `uptime_seconds`, and the fact "system".

    The fact's `engine_boots`, `engine_time` (seconds) and `hr_system_uptime` (seconds) are there where the device
    offers them: they tell a reboot from a restart of the agent, and both from sysUpTime's wrap after 497 days.
    Raises DriverError; NotSupported when the device has no sysUpTime.
    """
    async with SnmpSession(target) as session:
        found = dict(zip(ASKED, await session.get(ASKED), strict=True))
        collected_at, monotonic_at = time.time(), time.monotonic()
        response_ms = session.response_ms
    ticks = _number(found[SYS_UP_TIME])
    if ticks is None:
        raise NotSupported("The device offers no sysUpTime.")
    engine_time = _number(found[ENGINE_TIME])
    uptime_seconds = ticks / 100
    if engine_time is not None:
        apart = (engine_time * 100 - ticks) % WRAP_TICKS
        if min(apart, WRAP_TICKS - apart) < SAME_LIFE_TICKS:
            # snmpEngineTime counts whole seconds but does not wrap: it tells how often sysUpTime did.
            uptime_seconds += round((engine_time * 100 - ticks) / WRAP_TICKS) * WRAP_TICKS / 100
    system: dict[str, Any] = {
        "sys_name": _text(found[SYS_NAME]),
        "sys_descr": _text(found[SYS_DESCR], 1024),
        "sys_object_id": ".".join(map(str, object_id))
        if isinstance(object_id := found[SYS_OBJECT_ID].value, tuple)
        else "",
        "sys_location": _text(found[SYS_LOCATION]),
        "sys_contact": _text(found[SYS_CONTACT]),
        "uptime_seconds": uptime_seconds,
    }
    host_ticks = _number(found[HR_SYSTEM_UPTIME])
    for name, value in (
        ("engine_boots", _number(found[ENGINE_BOOTS])),
        ("engine_time", engine_time),
        ("hr_system_uptime", None if host_ticks is None else host_ticks / 100),
    ):
        if value is not None:
            system[name] = value
    values = {"response_ms": response_ms, "uptime_seconds": uptime_seconds}
    return Collected(
        collected_at=collected_at,
        monotonic_at=monotonic_at,
        response_ms=response_ms,
        readings=[Reading(set="snmp.system", values=values, uptime_ticks=ticks)],
        facts={"system": system},
    )


def _number(var_bind: VarBind) -> int | None:
    """Everything asked here has at most 32 bits; an agent that gives more is not believed."""
    return var_bind.value if isinstance(var_bind.value, int) and 0 <= var_bind.value < 2**32 else None


def _text(var_bind: VarBind, limit: int = 255) -> str:
    return clean(var_bind.value, limit) if isinstance(var_bind.value, bytes) else ""
