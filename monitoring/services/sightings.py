"""What checks met, for whoever wants to give an address away."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Max, Q

from inventory.sightings import Sighting
from monitoring.models import Check


def look(addresses: Iterable[str], since: datetime, tenant_id: int | None) -> dict[str, Sighting]:
    """Devices that answered a check at one of these addresses."""
    owners = Q(endpoint__device__tenant=None) | Q(endpoint__device__tenant=tenant_id)
    rows = (
        Check.objects.filter(
            owners, endpoint__device__primary_ip__address__in=list(addresses), last_success_at__gte=since
        )
        .order_by()
        .values_list("endpoint__device__primary_ip__address", "endpoint__device__name")
        .annotate(at=Max("last_success_at"))
    )
    return {
        address: Sighting(at=at, words=f"answering the checks of {name}")
        for address, name, at in sorted(rows, key=lambda row: row[2])
    }
