"""The tables of `show`: texts for a terminal, whose layout differs by version and was never promised.

A table is two rows at least: headings, and dashes that say where the columns are. Without the headings that are needed
the answer is None, "not known", and never a guess.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_CHARACTERS = 4 << 20
MOST_ROWS = 50_000
MOST_CELL = 255
_DASHES = re.compile(r"-+(?: +-+)+ *")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")


@dataclass(frozen=True, slots=True)
class Lease:
    """A DHCP lease; times as the router writes them. `host_name` is the client's own word: at most 255 characters."""

    address: str
    mac_address: str
    state: str
    starts: str = ""
    ends: str = ""
    pool: str = ""
    host_name: str = ""


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What a NAT rule has seen since it was made or the router started."""

    packets: int
    size_bytes: int


def read_leases(text: str) -> list[Lease] | None:
    """`show dhcp server leases`; None where the layout is not known. Rows without an address are left out."""
    table = _table(text, {"ip address"}, {"mac address", "hardware address"}, {"state"})
    if table is None:
        return None
    leases = []
    for row in table:
        mac = row.get("mac address") or row.get("hardware address") or ""
        try:
            address = str(ipaddress.ip_address(row["ip address"]))
        except ValueError:
            continue
        leases.append(
            Lease(
                address=address,
                mac_address=mac.lower() if _MAC.fullmatch(mac) else "",
                state=row["state"],
                starts=row.get("lease start", ""),
                ends=row.get("lease expiration", ""),
                pool=row.get("pool", ""),
                host_name="" if row.get("hostname") == "-" else row.get("hostname", ""),
            )
        )
    return leases


def read_statistics(text: str) -> dict[int, RuleCount] | None:
    """`show nat destination statistics`, by rule number; None where the layout is not known."""
    table = _table(text, {"rule"}, {"packets", "pkts"}, {"bytes"})
    if table is None:
        return None
    counts = {}
    for row in table:
        numbers = [row["rule"], row.get("packets", row.get("pkts", "")), row["bytes"]]
        if all(re.fullmatch(r"[0-9]{1,20}", number) for number in numbers):
            counts[int(numbers[0])] = RuleCount(int(numbers[1]), int(numbers[2]))
    return counts


def _table(text: str, *needed: set[str]) -> list[dict[str, str]] | None:
    """The rows of the first table whose headings hold one of each set, by headings in lower case."""
    lines = text[:MOST_CHARACTERS].splitlines()[: MOST_ROWS + 100]
    for position in range(1, len(lines)):
        if not _DASHES.fullmatch(lines[position]):
            continue
        spans = [match.span() for match in re.finditer("-+", lines[position])]
        headings = [heading.lower() for heading in _cells(lines[position - 1], spans)]
        if all(any(heading in wanted for heading in headings) for wanted in needed):
            return [dict(zip(headings, cells, strict=True)) for cells in _rows(lines[position + 1 :], spans)]
    return None


def _rows(lines: list[str], spans: list[tuple[int, int]]) -> Iterator[list[str]]:
    for line in lines[:MOST_ROWS]:
        if not line.strip():
            return
        yield _cells(line, spans)


def _cells(line: str, spans: list[tuple[int, int]]) -> list[str]:
    """The last column goes on to the end of the line."""
    ends = [end for _, end in spans[:-1]] + [len(line)]
    parts = (line[start:end][:MOST_CELL] for (start, _), end in zip(spans, ends, strict=True))
    return ["".join(letter for letter in part if letter.isprintable()).strip() for part in parts]
