"""Interfaces and their counters: IF-MIB (RFC 2863), metric set "if.counters".

Each poll asks the fast columns (counters, states); names, speeds and the like only when something says that they may
have changed. sysUpTime goes into every request beside the counters, so a rate can be taken over the device's own clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from monitoring.modules import Collected, Counter, InterfaceReading, Reading
from monitoring.modules.interface_keys import interface_keys
from monitoring.modules.text import clean
from netmon.drivers.errors import NotSupported
from netmon.drivers.snmp import Oid, SnmpSession, SnmpType, VarBind
from netmon.drivers.targets import SnmpTarget

SYS_UP_TIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
IF_NUMBER: Oid = (1, 3, 6, 1, 2, 1, 2, 1, 0)
IF_TABLE_LAST_CHANGE: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 5, 0)
IF: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IFX: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)

IF_DESCR, IF_TYPE, IF_MTU, IF_SPEED, IF_PHYS_ADDRESS = ((*IF, n) for n in (2, 3, 4, 5, 6))
IF_ADMIN_STATUS, IF_OPER_STATUS, IF_LAST_CHANGE = ((*IF, n) for n in (7, 8, 9))
IF_NAME, IF_HIGH_SPEED, IF_ALIAS, IF_COUNTER_DISCONTINUITY_TIME = ((*IFX, n) for n in (1, 15, 18, 19))

# Column of the metric set: the objects whose sum it is, in 64 bits and in 32. Errors and discards exist in 32 only.
HIGH_CAPACITY: dict[str, tuple[Oid, ...]] = {
    "in_bps": ((*IFX, 6),),
    "out_bps": ((*IFX, 10),),
    "in_pps": ((*IFX, 7),),
    "out_pps": ((*IFX, 11),),
    "in_nucast_pps": ((*IFX, 8), (*IFX, 9)),
    "out_nucast_pps": ((*IFX, 12), (*IFX, 13)),
}
LOW_CAPACITY: dict[str, tuple[Oid, ...]] = {
    "in_bps": ((*IF, 10),),
    "out_bps": ((*IF, 16),),
    "in_pps": ((*IF, 11),),
    "out_pps": ((*IF, 17),),
    "in_nucast_pps": ((*IF, 12),),
    "out_nucast_pps": ((*IF, 18),),
}
ALWAYS_LOW: dict[str, tuple[Oid, ...]] = {
    "in_disc": ((*IF, 13),),
    "in_err": ((*IF, 14),),
    "out_disc": ((*IF, 19),),
    "out_err": ((*IF, 20),),
}
FAST = (
    IF_ADMIN_STATUS,
    IF_OPER_STATUS,
    IF_LAST_CHANGE,
    IF_COUNTER_DISCONTINUITY_TIME,
    *(oid for objects in (HIGH_CAPACITY | ALWAYS_LOW).values() for oid in objects),
)
LOW = tuple(oid for objects in LOW_CAPACITY.values() for oid in objects)
SLOW = (IF_DESCR, IF_TYPE, IF_MTU, IF_SPEED, IF_PHYS_ADDRESS, IF_NAME, IF_HIGH_SPEED, IF_ALIAS)
IF_SPEED_SATURATED = 4_294_967_295

Row = dict[Oid, VarBind]


async def collect(target: SnmpTarget, context: Mapping[str, Any]) -> Collected:
    """Readings and InterfaceReadings of all rows, and the fact "interfaces_meta".

    `context` may hold: known {if_index: fields of the InterfaceReading last seen}, slow_due (bool), table_last_change,
    if_number and uptime_ticks (as last returned in interfaces_meta). interfaces_meta holds these three (None where
    not offered) and is_refreshed: whether names and speeds were read anew.
    Raises DriverError; NotSupported when the device has no interface at all.
    """
    async with SnmpSession(target) as session:
        scalars = await session.get([SYS_UP_TIME, IF_NUMBER, IF_TABLE_LAST_CHANGE])
        response_ms = session.response_ms
        uptime_ticks, if_number, last_change = (_number(scalar) for scalar in scalars)
        rows = _by_index(await session.table(FAST, scalar=SYS_UP_TIME))
        collected_at, monotonic_at = time.time(), time.monotonic()
        if not rows:
            raise NotSupported("The device offers no interface table.")
        await _add_low_capacity(session, target, rows)
        known: Mapping[int, Mapping[str, Any]] = {int(k): v for k, v in (context.get("known") or {}).items()}
        is_refreshed = bool(
            context.get("slow_due")
            or any(index not in known for index in rows)
            or last_change != context.get("table_last_change")
            or if_number != context.get("if_number")
            or _restarted(context.get("uptime_ticks"), uptime_ticks)
        )
        if is_refreshed:
            slow = _by_index(await session.table(SLOW))
            known = _describe({index: slow.get(index, {}) for index in rows})
    interfaces = [_interface(index, row, known[index]) for index, row in rows.items()]
    return Collected(
        collected_at=collected_at,
        monotonic_at=monotonic_at,
        response_ms=response_ms,
        readings=[_reading(rows[interface.if_index], interface) for interface in interfaces],
        interfaces=interfaces,
        facts={
            "interfaces_meta": {
                "if_number": if_number,
                "table_last_change": last_change,
                "is_refreshed": is_refreshed,
                "uptime_ticks": uptime_ticks,
            }
        },
    )


def _restarted(before: int | None, now: int | None) -> bool:
    """After a restart the same ifIndex may belong to another interface (RFC 2863 section 3.1.5)."""
    return before is not None and (now is None or now < before)


def _by_index(table: Mapping[Oid, Row]) -> dict[int, Row]:
    """Rows by ifIndex; a row whose index is no ifIndex (InterfaceIndex, RFC 2863) is no interface."""
    return {index[0]: row for index, row in table.items() if len(index) == 1 and 1 <= index[0] < 2**31}


async def _add_low_capacity(session: SnmpSession, target: SnmpTarget, rows: dict[int, Row]) -> None:
    """Adds the 32-bit columns, with the sysUpTime beside them, to the rows that have no 64-bit octets."""
    lacking = [index for index, row in rows.items() if not _has_high_capacity(row)]
    if not lacking:
        return
    # v1 names one missing object at a time, so a walk is cheaper there too
    if target.version == "1" or len(lacking) * 2 > len(rows):
        found = _by_index(await session.table(LOW, scalar=SYS_UP_TIME))
        for index in lacking:
            rows[index].update(found.get(index, {}))
        return
    # a few at a time, so that the clock is in the same request as its counters
    step = max(1, (target.max_var_binds - 1) // len(LOW))
    for start in range(0, len(lacking), step):
        some = lacking[start : start + step]
        answers = await session.get([SYS_UP_TIME, *((*column, index) for index in some for column in LOW)])
        for n, index in enumerate(some):
            rows[index][SYS_UP_TIME] = answers[0]
            rows[index].update(zip(LOW, answers[1 + n * len(LOW) : 1 + (n + 1) * len(LOW)], strict=True))


def _has_high_capacity(row: Row) -> bool:
    return all(
        (found := row.get(HIGH_CAPACITY[name][0])) is not None and found.type is SnmpType.Counter64
        for name in ("in_bps", "out_bps")
    )


def _reading(row: Row, interface: InterfaceReading) -> Reading:
    counters: dict[str, Counter] = {}
    has_high = _has_high_capacity(row)
    for name, objects in HIGH_CAPACITY.items():
        counter = _sum(row, objects, 64) if has_high else _sum(row, LOW_CAPACITY[name], 32)
        if counter is not None:
            counters[name] = counter
    for name, objects in ALWAYS_LOW.items():
        if (counter := _sum(row, objects, 32)) is not None:
            counters[name] = counter
    return Reading(
        set="if.counters",
        values={"oper_status": float(interface.oper_status)},
        counters=counters,
        interface=interface.key,
        uptime_ticks=_number(row.get(SYS_UP_TIME)),
        discontinuity_ticks=_number(row.get(IF_COUNTER_DISCONTINUITY_TIME)),
        speed_bps=interface.speed_bps,
    )


def _sum(row: Row, objects: tuple[Oid, ...], bits: int) -> Counter | None:
    """The sum of counters is a counter of the same width, modulo the same power of two."""
    total = 0
    for oid in objects:
        var_bind = row.get(oid)
        value = _number(var_bind)
        if var_bind is None or value is None or (bits == 64) != (var_bind.type is SnmpType.Counter64):
            return None
        total += value
    return Counter(total % 2**bits, bits)


def _describe(rows: Mapping[int, Row]) -> dict[int, dict[str, Any]]:
    """The slow fields of each row, with the key that identifies the interface."""
    fields = {
        index: {
            "name": _text(row.get(IF_NAME)),
            "descr": _text(row.get(IF_DESCR)),
            "alias": _text(row.get(IF_ALIAS)),
            "if_type": _number(row.get(IF_TYPE)),
            "mac_address": _mac_address(row.get(IF_PHYS_ADDRESS)),
            "speed_bps": _speed(_number(row.get(IF_SPEED)), _number(row.get(IF_HIGH_SPEED))),
            "mtu": _number(row.get(IF_MTU)),
        }
        for index, row in rows.items()
    }
    keys = interface_keys({index: (_text(row.get(IF_NAME)), _text(row.get(IF_DESCR))) for index, row in rows.items()})
    return {index: {"key": keys[index], **field} for index, field in fields.items()}


def _interface(index: int, row: Row, slow: Mapping[str, Any]) -> InterfaceReading:
    values = {name: slow[name] for name in SLOW_FIELDS if name in slow}
    return InterfaceReading(
        **values,
        if_index=index,
        admin_status=_status(row.get(IF_ADMIN_STATUS), 3),
        oper_status=_status(row.get(IF_OPER_STATUS), 7),
        last_change_ticks=_number(row.get(IF_LAST_CHANGE)),
    )


SLOW_FIELDS = ("key", "name", "descr", "alias", "if_type", "mac_address", "speed_bps", "mtu")


def known_fields(interface: InterfaceReading) -> dict[str, Any]:
    """The part of an InterfaceReading that goes into `context["known"]`."""
    return {name: value for name, value in asdict(interface).items() if name in SLOW_FIELDS}


def _number(var_bind: VarBind | None) -> int | None:
    value = var_bind.value if var_bind is not None else None
    return value if isinstance(value, int) and value >= 0 else None


def _text(var_bind: VarBind | None) -> str:
    return clean(var_bind.value) if var_bind is not None and isinstance(var_bind.value, bytes) else ""


def _status(var_bind: VarBind | None, highest: int) -> int:
    """ifAdminStatus or ifOperStatus; 4 (unknown) for what is neither."""
    value = _number(var_bind)
    return value if value is not None and 1 <= value <= highest else 4


def _speed(if_speed: int | None, if_high_speed: int | None) -> int | None:
    """Bits a second: ifSpeed is exact but ends at 4.29 Gb/s, ifHighSpeed counts rounded megabits (RFC 2863)."""
    if if_speed and if_speed < IF_SPEED_SATURATED:
        return if_speed
    return if_high_speed * 1_000_000 if if_high_speed else None


def _mac_address(var_bind: VarBind | None) -> str | None:
    raw = var_bind.value if var_bind is not None else None
    return raw.hex(":") if isinstance(raw, bytes) and len(raw) == 6 and any(raw) else None
