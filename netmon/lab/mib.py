"""The objects of a simulated device: SNMPv2-MIB system, IF-MIB, and the clocks of SNMP-FRAMEWORK and HOST-RESOURCES."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netmon.lab import ber
from netmon.lab.ber import COUNTER32, COUNTER64, GAUGE32, TIME_TICKS, Oid, integer, text
from netmon.lab.devices import DemoDevice, Port, port_is_down

SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
IF_NUMBER: Oid = (1, 3, 6, 1, 2, 1, 2, 1, 0)
IF: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IFX: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
IF_TABLE_LAST_CHANGE: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 5, 0)
HR_SYSTEM_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 25, 1, 1, 0)
ENGINE_BOOTS: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 2, 0)
ENGINE_TIME: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0)

# now and born (both wall clock) to the encoded value
Value = Callable[[float, float], bytes]


def _ticks(now: float, born: float) -> bytes:
    return integer(int((now - born) * 100) & 0xFFFFFFFF, TIME_TICKS)


class Mib:
    """Sorted objects. `positions` finds one by the encoded name, `names` are encoded OBJECT IDENTIFIERs."""

    def __init__(self, static: dict[Oid, bytes], dynamic: dict[Oid, Value], counters64: set[Oid]) -> None:
        self.oids: list[Oid] = sorted([*static, *dynamic])
        self.names = [ber.tlv(ber.OBJECT_ID, ber.oid_body(oid)) for oid in self.oids]
        self.positions = {ber.oid_body(oid): n for n, oid in enumerate(self.oids)}
        self.is_counter64 = [oid in counters64 for oid in self.oids]
        self._ready = [
            ber.tlv(ber.SEQUENCE, name + static[oid]) if oid in static else b""
            for oid, name in zip(self.oids, self.names, strict=True)
        ]
        self._values = [dynamic.get(oid) for oid in self.oids]

    def var_bind(self, position: int, now: float, born: float) -> bytes:
        """The encoded var-bind at a position."""
        value = self._values[position]
        if value is None:
            return self._ready[position]
        return ber.tlv(ber.SEQUENCE, self.names[position] + value(now, born))

    @classmethod
    def of_demo(cls, device: DemoDevice, ports: Sequence[Port]) -> Mib:
        """The MIB of a demonstration device."""
        return _build(
            descr=device.sys_descr,
            object_id=tuple(map(int, device.sys_object_id.split("."))),
            contact=device.contact,
            name=device.name,
            location=device.location,
            ports=ports,
            has_hc=True,
        )

    @classmethod
    def of_test(cls, address: str, ports: Sequence[Port], *, has_hc: bool) -> Mib:
        """The MIB of a test device, named after the last two octets of its address."""
        _, _, high, low = address.split(".")
        return _build(
            descr=f"Simulated {len(ports)}-port switch",
            object_id=(1, 3, 6, 1, 4, 1, 8072, 3, 2, 10),
            contact="noc@example.net",
            name=f"sim-{high}-{low}",
            location="Rack 12, Row 3",
            ports=ports,
            has_hc=has_hc,
        )


def _build(
    *, descr: str, object_id: Oid, contact: str, name: str, location: str, ports: Sequence[Port], has_hc: bool
) -> Mib:
    static: dict[Oid, bytes] = {
        (*SYSTEM, 1, 0): text(descr),
        (*SYSTEM, 2, 0): ber.tlv(ber.OBJECT_ID, ber.oid_body(object_id)),
        (*SYSTEM, 4, 0): text(contact),
        (*SYSTEM, 5, 0): text(name),
        (*SYSTEM, 6, 0): text(location),
        (*SYSTEM, 7, 0): integer(78),
        IF_NUMBER: integer(len(ports)),
        IF_TABLE_LAST_CHANGE: integer(0, TIME_TICKS),
    }
    dynamic: dict[Oid, Value] = {
        (*SYSTEM, 3, 0): _ticks,
        HR_SYSTEM_UPTIME: _ticks,
        # a life is a boot: its number follows from when it began
        ENGINE_BOOTS: lambda now, born: integer(1 + int(born // 60) % 1_000_000),
        ENGINE_TIME: lambda now, born: integer(int(now - born)),
    }
    counters64: set[Oid] = set()
    for port in ports:
        _add_port(port, static, dynamic, counters64, has_hc)
    return Mib(static, dynamic, counters64)


def _add_port(
    port: Port, static: dict[Oid, bytes], dynamic: dict[Oid, Value], counters64: set[Oid], has_hc: bool
) -> None:
    n = port.index
    for column, value in (
        (1, integer(n)),
        (2, text(port.descr)),
        (3, integer(port.if_type)),
        (4, integer(1500)),
        (5, integer(min(port.speed_bps, 0xFFFFFFFF), GAUGE32)),
        (6, ber.tlv(ber.OCTET_STRING, port.mac)),
        (7, integer(1)),
        (8, integer(1 if port.is_up else 2)),
        (9, integer(12_345, TIME_TICKS)),
    ):
        static[(*IF, column, n)] = value
    for column, value in (
        (1, text(port.name)),
        (14, integer(1)),
        (15, integer(port.speed_bps // 1_000_000, GAUGE32)),
        (16, integer(2)),
        (17, integer(1)),
        (18, text(port.alias)),
        (19, integer(0, TIME_TICKS)),
    ):
        static[(*IFX, column, n)] = value
    if port.is_flapping:
        del static[(*IF, 8, n)], static[(*IF, 9, n)]
        dynamic[(*IF, 8, n)] = lambda now, born: integer(2 if port_is_down(now)[0] else 1)
        dynamic[(*IF, 9, n)] = lambda now, born: _ticks(max(now - port_is_down(now)[1], born), born)
    sent = port.sent_share
    shares = {
        (*IF, 10): 1.0,
        (*IF, 11): 0.002,
        (*IF, 13): port.discard_share,
        (*IF, 14): port.error_share,
        (*IF, 16): sent,
        (*IF, 17): 0.0015,
        (*IF, 19): port.discard_share,
        (*IF, 20): port.error_share,
        (*IFX, 2): 1e-5,
        (*IFX, 3): 1e-6,
        (*IFX, 4): 1e-5,
        (*IFX, 5): 1e-6,
    }
    for column_oid, share in shares.items():
        dynamic[(*column_oid, n)] = _counter(port, share, COUNTER32)
    if has_hc:
        high = {6: 1.0, 7: 0.002, 8: 1e-5, 9: 1e-6, 10: sent, 11: 0.0015, 12: 1e-5, 13: 1e-6}
        for column, share in high.items():
            dynamic[(*IFX, column, n)] = _counter(port, share, COUNTER64)
            counters64.add((*IFX, column, n))


def _counter(port: Port, share: float, tag: int) -> Value:
    load, is_connected = port.load, port.is_up or port.is_flapping or "core-" in port.alias
    mask = 0xFFFFFFFF if tag == COUNTER32 else 0xFFFFFFFFFFFFFFFF

    def value(now: float, born: float) -> bytes:
        return integer(int(load(now - born, born) * share) & mask if is_connected else 0, tag)

    return value
