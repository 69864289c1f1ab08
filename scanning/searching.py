"""What the search of the top bar finds of scans: hosts that are not in the inventory."""

from typing import Any

from inventory.search import PER_GROUP, Found
from netmon.common.fields import MAC_SEPARATORS
from scanning.filters import host_text
from scanning.models import SeenHost


def discoveries(user: Any, text: str) -> list[Found]:
    """By the beginning of an address or MAC address in any notation, by name or vendor."""
    wanted = host_text(text)
    digits = MAC_SEPARATORS.sub("", text).lower()
    if 4 <= len(digits) <= 12 and all(digit in "0123456789abcdef" for digit in digits):
        wanted |= host_text(":".join(digits[i : i + 2] for i in range(0, len(digits), 2)))
    rows = SeenHost.objects.visible_to(user).filter(wanted, device=None).order_by("-is_present", "address_key")
    return [
        Found(
            host.pk,
            host.hostname or host.address,
            " · ".join(part for part in (host.address if host.hostname else "", host.mac_address, host.vendor) if part),
            f"/discoveries/{host.pk}/",
            "discovery",
        )
        for host in rows[:PER_GROUP]
    ]
