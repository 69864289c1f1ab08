"""IP addresses and prefixes: canonical text and sortable keys."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.core.exceptions import ValidationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_PREFIXES = 100


def parse_address(value: str) -> Address:
    """The address; an IPv4-mapped IPv6 address becomes the IPv4 one. Raises ValidationError."""
    try:
        address = ip_address(value.strip())
    except ValueError:
        raise ValidationError(
            "Not an IP address: write one such as 192.0.2.1 or 2001:db8::1.", code="invalid_address"
        ) from None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            raise ValidationError(
                "An address with a zone (%eth0) is known on one machine only.", code="invalid_address"
            )
        return address.ipv4_mapped or address
    return address


def parse_prefix(value: str) -> Network:
    """The network of a prefix such as 192.0.2.0/24. Raises ValidationError, also when host bits are set."""
    try:
        return ip_network(value.strip(), strict=True)
    except ValueError:
        try:
            suggestion = f" Did you mean {ip_network(value.strip(), strict=False)}?"
        except ValueError:
            suggestion = ""
        raise ValidationError(
            f"Not a prefix: write one such as 192.0.2.0/24.{suggestion}", code="invalid_prefix"
        ) from None


def address_key(address: Address) -> str:
    """32 hex digits that sort like the address; IPv4 lies in ::ffff:0:0/96, so both families share one order."""
    number = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
    return f"{number:032x}"


def prefix_range(network: Network) -> tuple[str, str]:
    """First and last key inside the prefix."""
    return address_key(network.network_address), address_key(network.broadcast_address)


def canonical_prefixes(values: Any) -> list[str]:
    """The prefixes of a list in their canonical text, each once. Raises ValidationError."""
    if not isinstance(values, list) or len(values) > MAX_PREFIXES or not all(isinstance(text, str) for text in values):
        raise ValidationError(
            f'Write a list of at most {MAX_PREFIXES} prefixes, such as ["192.0.2.0/24"].', code="invalid_prefix"
        )
    return [str(network) for network in dict.fromkeys(parse_prefix(text) for text in values)]
