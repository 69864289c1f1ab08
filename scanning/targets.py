"""What people write as the targets of a scan, and the addresses that it stands for. Pure: nothing is asked or sent."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network
from typing import Any, Self

from django.core.exceptions import ValidationError

from inventory.policy import parse_host
from netmon.common.addresses import Address, Network, parse_address, parse_prefix

MAX_TEXT = 4000
MAX_ENTRIES = 256
_SEPARATORS = re.compile(r"[\s,;]+")
_REFERENCE = re.compile(r"(device|prefix):(\d{1,18})")
_DOTTED = re.compile(r"[\d.]+|[0-9A-Fa-f:.]+")
_WILD = re.compile(r"[\d.*-]+")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The addresses of one family from `first` to `last`, both included, as numbers."""

    version: int
    first: int
    last: int

    @classmethod
    def of(cls, first: Address, last: Address | None = None) -> Self:
        """One address, or those from the first to the last."""
        return cls(first.version, int(first), int(last if last is not None else first))

    @classmethod
    def of_network(cls, network: Network) -> Self:
        """The addresses that hosts may have: not an IPv4 network's own and its broadcast address (RFC 919)."""
        first, last = int(network.network_address), int(network.broadcast_address)
        if isinstance(network, IPv4Network) and network.prefixlen < 31:
            first, last = first + 1, last - 1
        return cls(network.version, first, last)

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str()` of a span wrote."""
        first, _, last = text.partition("-")
        return cls.of(parse_address(first), parse_address(last) if last else None)

    @property
    def count(self) -> int:
        """How many addresses."""
        return self.last - self.first + 1

    def __contains__(self, address: Address) -> bool:
        return address.version == self.version and self.first <= int(address) <= self.last

    def __iter__(self) -> Iterator[Address]:
        make = IPv4Address if self.version == 4 else IPv6Address
        return (make(number) for number in range(self.first, self.last + 1))

    def __str__(self) -> str:
        make = IPv4Address if self.version == 4 else IPv6Address
        first, last = make(self.first), make(self.last)
        return str(first) if first == last else f"{first}-{last}"


def key_of(span: Span, number: int) -> str:
    """The key by which an address of this span's family is sorted in the database (see `address_key`)."""
    return f"{number | (0xFFFF << 32 if span.version == 4 else 0):032x}"


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same addresses, in order, each once, in as few spans as may be."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and found[-1].version == span.version and span.first <= found[-1].last + 1:
            if span.last > found[-1].last:
                found[-1] = Span(span.version, found[-1].first, span.last)
        else:
            found.append(span)
    return tuple(found)


def without(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """The addresses of `spans` that are not in `taken`."""
    left = list(merged(spans))
    for gone in merged(taken):
        kept: list[Span] = []
        for span in left:
            if span.version != gone.version or gone.last < span.first or span.last < gone.first:
                kept.append(span)
                continue
            if span.first < gone.first:
                kept.append(Span(span.version, span.first, gone.first - 1))
            if gone.last < span.last:
                kept.append(Span(span.version, gone.last + 1, span.last))
        left = kept
    return tuple(left)


def within(spans: Iterable[Span], allowed: Iterable[Span]) -> tuple[Span, ...]:
    """The addresses of `spans` that are in `allowed`."""
    spans = merged(spans)
    return without(spans, without(spans, allowed))


def looked_at(spans: Iterable[str], not_asked: Iterable[str] | None) -> tuple[Span, ...]:
    """The addresses of a stored scan of which silence says something: not those that this machine could not ask."""
    return without(map(Span.parse, spans), map(Span.parse, not_asked or ()))


def count(spans: Iterable[Span]) -> int:
    """How many addresses."""
    return sum(span.count for span in spans)


def contains(spans: Iterable[Span], address: Address) -> bool:
    """Whether one of the spans has the address."""
    return any(address in span for span in spans)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a text of targets names. Names are resolved, and rows read, by whoever may ask for them."""

    spans: tuple[Span, ...] = ()
    names: tuple[str, ...] = ()
    devices: tuple[int, ...] = ()
    prefixes: tuple[int, ...] = ()


@dataclass(slots=True)
class _Reading:
    spans: list[Span] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    devices: list[int] = field(default_factory=list)
    prefixes: list[int] = field(default_factory=list)


def parse(text: Any) -> Wanted:
    """Addresses, prefixes (192.0.2.0/24), ranges (192.0.2.10-20, or two whole addresses), names, device:7, prefix:3.

    Several are divided by commas or blanks. Raises ValidationError that quotes the part which is wrong, says why, and
    what to write.
    """
    if not isinstance(text, str):
        raise ValidationError("Write the targets as a text, such as 192.0.2.0/24.", code="invalid_target")
    if len(text) > MAX_TEXT:
        raise ValidationError(f"At most {MAX_TEXT} characters of targets.", code="invalid_target")
    parts = [part for part in _SEPARATORS.split(text) if part]
    if not parts:
        raise ValidationError(
            "Name at least one target: an address, a prefix such as 192.0.2.0/24, a range or a name.",
            code="invalid_target",
        )
    if len(parts) > MAX_ENTRIES:
        raise ValidationError(f"At most {MAX_ENTRIES} targets in one scan.", code="invalid_target")
    found = _Reading()
    for part in parts:
        try:
            _read(part, found)
        except ValidationError as error:
            raise ValidationError(f"{_quoted(part)}: {' '.join(error.messages)}", code="invalid_target") from None
    return Wanted(
        merged(found.spans),
        tuple(dict.fromkeys(found.names)),
        tuple(dict.fromkeys(found.devices)),
        tuple(dict.fromkeys(found.prefixes)),
    )


def _quoted(part: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in part)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _read(part: str, found: _Reading) -> None:
    if match := _REFERENCE.fullmatch(part):
        (found.devices if match[1] == "device" else found.prefixes).append(int(match[2]))
    elif part.startswith(("device:", "prefix:")):
        raise ValidationError("Write the number that it has in the inventory, such as device:7.")
    elif "://" in part:
        raise ValidationError("An address or a name is wanted, not a URL.")
    elif "/" in part:
        found.spans.append(_network(part))
    elif ("-" in part and _WILD.fullmatch(part.partition("-")[0])) or _is_v6_range(part):
        found.spans.append(_range(part))
    elif "*" in part:
        raise ValidationError("Write a prefix or a range instead of *: 192.0.2.0/24, or 192.0.2.10-20.")
    else:
        _host(part, found)


def _is_v6_range(part: str) -> bool:
    first, dash, _ = part.partition("-")
    return bool(dash) and ":" in first


def _network(part: str) -> Span:
    network = parse_prefix(part)
    if network.prefixlen == 0:
        raise ValidationError("That is the whole internet: name the networks that are yours.")
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= 96:
        return Span.of_network(ip_network(f"{mapped}/{network.prefixlen - 96}"))
    return Span.of_network(network)


def _range(part: str) -> Span:
    text, _, end = part.partition("-")
    if not end:
        raise ValidationError("The end of the range is missing: write 192.0.2.10-20, or two whole addresses.")
    first = parse_address(text)
    if first.version == 4 and end.isascii() and end.isdigit():
        if int(end) > 255:
            raise ValidationError(f"{_quoted(end)} is more than 255: write 192.0.2.10-20, or two whole addresses.")
        last: Address = IPv4Address(int(first) & 0xFFFFFF00 | int(end))
    else:
        last = parse_address(end)
    if first.version != last.version:
        raise ValidationError("The two ends are of different families.")
    if int(last) < int(first):
        raise ValidationError(f"The range ends before it begins. Did you mean {last}-{first}?")
    return Span.of(first, last)


def _host(part: str, found: _Reading) -> None:
    host = parse_host(part)
    if isinstance(host, str):
        found.names.append(host)
    else:
        found.spans.append(Span.of(host))
