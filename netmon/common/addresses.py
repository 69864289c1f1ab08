"""IP addresses and prefixes: canonical text, sortable keys, and which ones netmon may contact."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.exceptions import ValidationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


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


def refuse_reason(address: Address) -> str | None:
    """Why netmon must not contact this address, or None when it may.

    netmon's work is to reach private addresses; what is refused is what no device has: its own machine, link-local
    (cloud metadata lives there), multicast, broadcast and the unspecified address.
    """
    if address.is_loopback and not settings.ALLOW_LOOPBACK:
        return "Loopback addresses are netmon's own machine. NETMON_ALLOW_LOOPBACK=1 admits them for tests and demos."
    if address.is_unspecified:
        return "The unspecified address belongs to no device."
    if address.is_link_local:
        return "Link-local addresses (169.254.0.0/16, fe80::/10) are refused: cloud metadata answers there."
    if address.is_multicast:
        return "A multicast address is no device."
    if str(address) == "255.255.255.255":
        return "The broadcast address is no device."
    return None


def check_contactable(value: str) -> Address:
    """The parsed address if netmon may contact it. Raises ValidationError."""
    address = parse_address(value)
    if reason := refuse_reason(address):
        raise ValidationError(reason, code="address_refused")
    return address
