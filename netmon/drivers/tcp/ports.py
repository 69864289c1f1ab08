"""Port lists: reading them, writing them, and the order in which they are asked."""

from __future__ import annotations

import random
import re
from array import array
from collections.abc import Iterable, Iterator

MOST_PORT = 65535
_RANGE = re.compile(r"\s*([0-9]{1,30})\s*(?:-\s*([0-9]{1,30})\s*)?")

# A hundred ports, roughly by how likely a device of a company network answers there: what is learned first is useful
# first. Chosen by service for this product.
COMMON_PORTS: tuple[int, ...] = (
    # the web and its consoles, remote logins
    80, 443, 22, 8080, 8443, 23, 3389, 21, 5900, 8000, 8888, 8081, 9443, 10000, 5985, 5986, 2222, 8006, 9090, 4443,
    # files, names and directories
    445, 139, 135, 53, 389, 636, 88, 464, 3268, 2049, 111, 548, 873, 69,
    # mail
    25, 587, 465, 143, 993, 110, 995, 4190,
    # databases, caches and queues
    3306, 5432, 1433, 1521, 6379, 27017, 9200, 11211, 5672, 15672, 1883, 8883, 9092, 2181, 5984, 8086, 9042,
    # printers, phones, cameras
    9100, 631, 515, 554, 8554, 5060, 5061, 1720, 37777, 34567,
    # watching and managing devices
    161, 199, 179, 830, 8291, 8728, 4786, 9000, 3000, 9093, 10050, 10051, 5666, 6556, 2375, 2376, 6443, 10250, 2379,
    # proxies, tunnels, backup and industry
    3128, 1080, 1723, 1194, 500, 502, 102, 47808, 20000, 44818, 10001, 32400,
)  # fmt: skip


def parse_range(text: str) -> tuple[int, int]:
    """First and last port of "80" or "1-1024". Raises ValueError that says why not, and what to write."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError("write a port, or a range such as 1-1024.")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= MOST_PORT or not 1 <= last <= MOST_PORT:
        raise ValueError(f"a port is 1 to {MOST_PORT}.")
    if first > last:
        raise ValueError(f"the range ends before it begins. Did you mean {last}-{first}?")
    return first, last


def parse_ports(text: str) -> tuple[int, ...]:
    """The ports of "80", "22,80", "1-1024" or a mix, sorted, each once.

    Raises ValueError ("ports: reason; remedy") for anything else, 0 and 65536 included.
    """
    found: set[int] = set()
    for part in text.split(","):
        try:
            first, last = parse_range(part)
        except ValueError as error:
            raise ValueError(f"ports: {part.strip()[:20]!r}: {error}") from None
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def format_ports(ports: Iterable[int]) -> str:
    """What `parse_ports` reads, as short as can be: "22,80-82"."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs(sorted(set(ports))))


def runs(ports: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours in sorted numbers."""
    first = last = None
    for port in ports:
        if last is not None and port == last + 1:
            last = port
            continue
        if first is not None and last is not None:
            yield first, last
        first = last = port
    if first is not None and last is not None:
        yield first, last


def asking_order(ports: Iterable[int], seed: int) -> array[int]:
    """The ports as they are asked: common ones first by rank, the others shuffled, always the same for one `seed`.

    Shuffled, for a row of neighbouring ports is what intrusion detection and rate limits look for first.
    """
    wanted = set(ports)
    if not wanted or min(wanted) < 1 or max(wanted) > MOST_PORT:
        raise ValueError(f"ports: give at least one, from 1 to {MOST_PORT}")
    first = [port for port in dict.fromkeys(COMMON_PORTS) if port in wanted]
    rest = sorted(wanted.difference(first))
    random.Random(seed).shuffle(rest)  # noqa: S311  # a spread, not a secret
    return array("H", first + rest)
