"""What the JSON parsers of several systems share: totals, bounds, and "the answer holds nothing of it"."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.frr_routing import with_totals
from netmon.drivers.platforms.shapes import BgpPeer, BgpSummary, Facts, Route, RouteTable
from netmon.drivers.platforms.text import address, words
from netmon.drivers.platforms.vendor_rows import as_number

MAX_ROWS: Final = 20_000
Document = dict[str, Any]


def facts_of(host: object, vendor: str, model: object, version: object, serial: object, uptime: float | None) -> Facts:
    """Facts; raises ProtocolError without a version."""
    if not words(version):
        raise ProtocolError("The answer holds no version.")
    return {
        "hostname": words(host, 253),
        "vendor": vendor,
        "model": words(model),
        "os_version": words(version),
        "serial_number": words(serial),
        "uptime_seconds": uptime,
    }


def bgp_of(found: list[BgpPeer], router_id: object, local_as: object, is_known: bool) -> BgpSummary:
    """A summary; raises ProtocolError when nothing says that there is a list of peers."""
    if not found and not is_known:
        raise ProtocolError("The answer holds no list of BGP peers.")
    return with_totals(address(router_id), as_number(local_as) if local_as is not None else None, {}, found[:MAX_ROWS])


def table_of(found: list[Route], is_known: bool) -> RouteTable:
    """A table, cut at MAX_ROWS; raises ProtocolError when nothing says that there are routes."""
    if not found and not is_known:
        raise ProtocolError("The answer holds no routes.")
    is_six = bool(found) and ":" in found[0]["prefix"]
    return {"family": "ipv6" if is_six else "ipv4", "is_truncated": len(found) > MAX_ROWS, "routes": found[:MAX_ROWS]}


def named(found: list[Any], what: str) -> list[Any]:
    """The list, cut at MAX_ROWS; raises ProtocolError when it is empty."""
    if not found:
        raise ProtocolError(f"The answer holds no {what}.")
    return found[:MAX_ROWS]


def prefix_of(text: object) -> str:
    """A prefix in its shortest form, or the text where it is none."""
    try:
        return str(ipaddress.ip_network(words(text, 64), strict=False))
    except ValueError:
        return words(text, 64)
