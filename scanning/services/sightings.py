"""What scans met, for whoever wants to give an address away."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from inventory.sightings import Sighting
from scanning.models import SeenHost


def look(addresses: Iterable[str], since: datetime, tenant_id: int | None) -> dict[str, Sighting]:
    """Hosts that answered a scan at one of these addresses, in the inventory or not."""
    owners = Q(tenant=None) | Q(tenant=tenant_id)
    rows = SeenHost.objects.filter(owners, address__in=list(addresses), last_seen_at__gte=since)
    found: dict[str, Sighting] = {}
    for address, at, mac in rows.order_by("last_seen_at").values_list("address", "last_seen_at", "mac_address"):
        found[address] = Sighting(at=at, words=f"by a scan{f', with the MAC address {mac}' if mac else ''}")
    return found
