"""As much BER as an SNMP agent of a laboratory needs. For simulated devices only: requests come from ourselves."""

from __future__ import annotations

INTEGER, OCTET_STRING, NULL, OBJECT_ID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
COUNTER32, GAUGE32, TIME_TICKS, COUNTER64 = 0x41, 0x42, 0x43, 0x46
NO_SUCH_INSTANCE, END_OF_MIB_VIEW = b"\x81\x00", b"\x82\x00"

Oid = tuple[int, ...]


def tlv(tag: int, body: bytes) -> bytes:
    """Tag, length, value; bodies below 64 KiB."""
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    if size < 0x100:
        return bytes((tag, 0x81, size)) + body
    return bytes((tag, 0x82, size >> 8, size & 0xFF)) + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    """An integer or one of the unsigned types, in as few bytes as it fits."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=value < 0))


def text(value: str) -> bytes:
    """An OCTET STRING of UTF-8."""
    return tlv(OCTET_STRING, value.encode())


def oid_body(oid: Oid) -> bytes:
    """The contents of an OBJECT IDENTIFIER."""
    out = bytearray((oid[0] * 40 + oid[1],))
    for number in oid[2:]:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        out += bytes(reversed(septets))
    return bytes(out)


def oid_of(body: bytes) -> Oid:
    """The OBJECT IDENTIFIER in its contents. Raises IndexError when there are none."""
    found = [body[0] // 40, body[0] % 40]
    value = 0
    for octet in body[1:]:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            found.append(value)
            value = 0
    return tuple(found)


def read(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start and end of the element at `at`. Raises IndexError at the end of the data."""
    size, start = data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(data[start : start + count], "big"), start + count
    if start + size > len(data):
        raise IndexError("element reaches beyond the data")
    return data[at], start, start + size
