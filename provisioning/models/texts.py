"""What a text or a number must look like to be put on a router, in columns and in requests alike."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from netmon.common.fields import normalise_mac

RULE_RANGE = (1, 999_999)
PORT_RANGE = (1, 65535)
MAX_FORWARDED_PORTS = 100
# A label of RFC 1123. No underscore: VyOS 1.5 refuses it in the name of a mapping, which is the machine's host name.
LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
LABEL_SENTENCE = (
    "Write 1 to 63 letters, digits and hyphens, a letter or digit first and last (RFC 1123); no underscore, no dot."
)
NETWORK_NAME = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9.-]{0,62}\Z", "Write letters, digits, dots and hyphens, at most 63, no underscore."
)


def parse_ipv4(text: str) -> IPv4Address:
    """Raises ValidationError."""
    try:
        return IPv4Address(text.strip())
    except AddressValueError:
        raise ValidationError("Not an IPv4 address: write one such as 192.168.66.10.", code="invalid_address") from None


def check_ipv4(text: str) -> None:
    if str(parse_ipv4(text)) != text:
        raise ValidationError(f"Write it as {parse_ipv4(text)}.", code="invalid_address")


def check_label(text: str) -> None:
    if not LABEL.fullmatch(text):
        raise ValidationError(LABEL_SENTENCE)


def parse_mac(text: str) -> str:
    """A MAC address of one interface, in lower case with colons. Raises ValidationError."""
    mac = normalise_mac(text)
    first = int(mac[:2], 16)
    if first & 1:
        raise ValidationError(
            "A multicast address is no machine's own: write the MAC address of its interface.", code="invalid_mac"
        )
    if mac == "00:00:00:00:00:00":
        raise ValidationError("All zeros is no MAC address: leave it out to have one made.", code="invalid_mac")
    return mac


def check_mac(text: str) -> None:
    parse_mac(text)


def parse_source(text: str) -> str:
    """Who may come in: an address, a prefix or a range, with a leading "!" all others. Raises ValidationError."""
    text = text.strip().replace(" ", "")
    if not text:
        return ""
    mark = "!" if text.startswith("!") else ""
    bare = text[len(mark) :]
    if "-" in bare:
        first, _, last = bare.partition("-")
        start, stop = _source_address(first), _source_address(last)
        if start >= stop:
            raise ValidationError("The range of sources is reversed: exchange its ends.")
        return f"{mark}{start}-{stop}"
    if "/" not in bare:
        return f"{mark}{_source_address(bare)}"
    try:
        return f"{mark}{IPv4Network(bare)}"
    except ValueError as error:
        try:
            meant = f" Did you mean {IPv4Network(bare, strict=False)}?" if "host bits" in str(error) else ""
        except ValueError:
            meant = ""
        raise ValidationError(f"{bare[:40]} is no prefix: write one such as 192.0.2.0/24.{meant}") from None


def _source_address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise ValidationError(
            f"{text[:40]!r} is no source: write an address, a prefix or a range such as 192.0.2.1-192.0.2.9, "
            "with a leading ! for all others."
        ) from None


def check_source(text: str) -> None:
    if parse_source(text) != text:
        raise ValidationError(f"Write it as {parse_source(text)}.")


def within(start: str, end: str) -> models.Q:
    """Two columns of ports in order, both ports."""
    return models.Q(**{f"{start}__gte": 1, f"{start}__lte": models.F(end), f"{end}__lte": 65535})
