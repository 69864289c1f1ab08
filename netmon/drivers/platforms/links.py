"""Interfaces and identity of a Linux machine: /proc/net/dev, `ip -j -s link`, `ip -j addr`, `lscpu -J`."""

from __future__ import annotations

from typing import Any

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.shapes import Interface, Processor
from netmon.drivers.platforms.text import address, count, lines, load_json, mapping, output, rows, words
from netmon.drivers.ssh.answers import Answer

MAX_INTERFACES = 10000
MAX_ADDRESSES = 256


def interface(name: str) -> Interface:
    """An interface of which nothing is known but the name."""
    return {
        "name": name,
        "index": None,
        "description": "",
        "type": "",
        "mac_address": None,
        "mtu": None,
        "speed_bps": None,
        "vrf": "",
        "admin_status": "unknown",
        "oper_status": "unknown",
        "addresses": [],
        "in_octets": None,
        "out_octets": None,
        "in_packets": None,
        "out_packets": None,
        "in_errors": None,
        "out_errors": None,
        "in_discards": None,
        "out_discards": None,
        "link_ups": None,
        "link_downs": None,
        "last_link_down": None,
    }


def mac(value: object) -> str | None:
    """A MAC address as aa:bb:cc:dd:ee:ff; None for anything else and for the address of no interface (all zero)."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    digits = value.strip().lower().translate(str.maketrans("", "", ":.-"))
    if len(digits) != 12 or digits.strip("0123456789abcdef") or not digits.strip("0"):
        return None
    return ":".join(digits[n : n + 2] for n in range(0, 12, 2))


# The columns of /proc/net/dev that have a name in IF-MIB: receive 0-7, transmit 8-15.
_NET_DEV = {
    "in_octets": 0,
    "in_packets": 1,
    "in_errors": 2,
    "in_discards": 3,
    "out_octets": 8,
    "out_packets": 9,
    "out_errors": 10,
    "out_discards": 11,
}


def interfaces_from_proc(net_dev: Answer) -> list[Interface]:
    """Names and counters from `cat /proc/net/dev`; it knows no status. Raises ProtocolError and NotSupported."""
    table = lines(output(net_dev, "/proc/net/dev"))
    if not table or "Receive" not in table[0]:
        raise ProtocolError("/proc/net/dev: the heading is missing.")
    found = []
    for line in table[2:MAX_INTERFACES]:
        name, colon, rest = line.rpartition(":")
        if not colon:
            continue
        numbers = [count(field) for field in rest.split()[:16]]
        if len(numbers) != 16 or None in numbers or not name.strip():
            raise ProtocolError("/proc/net/dev: a line is malformed.")
        one = interface(words(name, 64))
        one.update({key: numbers[column] for key, column in _NET_DEV.items()})  # type: ignore[typeddict-item]
        found.append(one)
    return found


def interfaces_from_ip(links: Answer, addresses: Answer | None = None) -> list[Interface]:
    """Interfaces from `ip -j -s link`, with the addresses of `ip -j addr`. Raises ProtocolError and NotSupported."""
    document = load_json(output(links, "ip link"), "ip link")
    if not isinstance(document, list):
        raise ProtocolError("ip link: a list was expected.")
    known = _addresses(addresses) if addresses is not None and addresses.status == 0 else {}
    found = []
    for row in rows(document)[:MAX_INTERFACES]:
        name = words(row.get("ifname"), 64)
        if not name:
            continue
        one = interface(name)
        flags = row.get("flags")
        flags = flags if isinstance(flags, list) else []
        state = row.get("operstate")
        # loopback and tunnels report UNKNOWN (RFC 2863 by the kernel): they work when their carrier flag is set
        up = state == "UP" or (state == "UNKNOWN" and "LOWER_UP" in flags)
        rx, tx = (mapping(mapping(row.get("stats64") or row.get("stats")).get(way)) for way in ("rx", "tx"))
        one.update(
            {
                "index": count(row.get("ifindex"), most=1 << 31),
                "description": words(row.get("ifalias")),
                "type": words(mapping(row.get("linkinfo")).get("info_kind") or row.get("link_type"), 64),
                "mac_address": mac(row.get("address")),
                "mtu": count(row.get("mtu"), most=1 << 31),
                "vrf": words(row.get("master"), 64)
                if mapping(row.get("linkinfo")).get("info_slave_kind") == "vrf"
                else "",
                "admin_status": "up" if "UP" in flags else "down",
                "oper_status": "up" if up else "unknown" if state == "UNKNOWN" else "down",
                "addresses": known.get(name, []),
                "in_octets": count(rx.get("bytes")),
                "out_octets": count(tx.get("bytes")),
                "in_packets": count(rx.get("packets")),
                "out_packets": count(tx.get("packets")),
                "in_errors": count(rx.get("errors")),
                "out_errors": count(tx.get("errors")),
                "in_discards": count(rx.get("dropped")),
                "out_discards": count(tx.get("dropped")),
            }
        )
        found.append(one)
    return found


def _addresses(answer: Answer) -> dict[str, list[str]]:
    return {
        words(row.get("ifname"), 64): [
            f"{local}/{prefix}"
            for info in rows(row.get("addr_info"))[:MAX_ADDRESSES]
            if (local := address(info.get("local"))) and (prefix := count(info.get("prefixlen"), most=128)) is not None
        ]
        for row in rows(load_json(answer.stdout, "ip addr"))[:MAX_INTERFACES]
    }


def join_counters(interfaces: list[Interface], counted: list[Interface]) -> list[Interface]:
    """The interfaces with the counters of others of the same name, where they have none of their own."""
    by_name = {one["name"]: one for one in counted}
    joined = []
    for one in interfaces:
        other: Any = by_name.get(one["name"], {})
        filled: Any = dict(one)
        filled.update({key: other.get(key) for key in _NET_DEV if filled[key] is None})
        joined.append(filled)
    return joined


def processor(lscpu: Answer) -> Processor:
    """What `lscpu -J` says of the processor. Raises ProtocolError and NotSupported."""
    document = load_json(output(lscpu, "lscpu"), "lscpu")
    fields: dict[str, str] = {}
    stack = rows(mapping(document).get("lscpu"))[::-1]
    for _ in range(1000):  # newer ones nest children in their parents
        if not stack:
            break
        row = stack.pop()
        fields.setdefault(words(row.get("field"), 64).rstrip(":"), words(row.get("data")))
        stack += rows(row.get("children"))[::-1]
    if "Architecture" not in fields:
        raise ProtocolError("lscpu: the architecture is missing.")
    return {
        "architecture": fields["Architecture"],
        "model": fields.get("Model name", ""),
        "vendor": fields.get("Vendor ID", ""),
        "cores": count(fields.get("CPU(s)"), most=1 << 16),
        "sockets": count(fields.get("Socket(s)"), most=1 << 16),
        "hypervisor": fields.get("Hypervisor vendor", ""),
    }
