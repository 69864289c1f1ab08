"""What devices are reached through: proposals made from the addresses that are known."""

from bisect import bisect_right
from collections import defaultdict
from typing import Any

from django.db import transaction

from inventory.models import Dependency, Device, IPAddress, Prefix

# The gateway of a subnet is a router, else a firewall, else the switch that has an address there.
GATEWAYS = (Device.Kind.ROUTER, Device.Kind.FIREWALL, Device.Kind.SWITCH)
# Two share a subnet for when one fails; where there are many, the prefix is no subnet but a plan.
MOST = 3


@transaction.atomic
def propose_gateways(user: Any) -> list[Dependency]:
    """Propose, for each device that nothing is known to be above of, the gateways of its subnet.

    Only among what `user` may see, and never from one tenant to another. Nothing counts before somebody confirms it;
    a device with a dependency, confirmed or not, gets no further one. Returns the new ones.
    """
    devices = Device.objects.visible_to(user).filter(status=Device.Status.ACTIVE)
    places = {pk: rest for pk, *rest in devices.values_list("pk", "kind", "tenant_id", "site_id")}
    bare = set(
        devices.filter(dependencies__isnull=True, hypervisor__isnull=True)
        .exclude(kind__in=[Device.Kind.ROUTER, Device.Kind.FIREWALL])
        .values_list("pk", flat=True)
    )
    found: list[Dependency] = []
    for members in _subnets(places, user).values():
        gateways = {pk for pk in members if places[pk][0] in GATEWAYS}
        for pk in sorted(members & bare):
            found += _proposed(pk, gateways - {pk}, places)
    once = {(row.device_id, row.parent_id): row for row in found}
    Dependency.objects.bulk_create(once.values(), batch_size=500, ignore_conflicts=True)
    made = Dependency.objects.filter(device__in={row.device_id for row in found}, source=Dependency.Source.GATEWAY)
    return list(made.select_related("device", "parent").order_by("device__name_key", "parent__name_key"))


def _proposed(pk: int, gateways: set[int], places: dict[int, list[Any]]) -> list[Dependency]:
    kind, tenant, _ = places[pk]
    for best in GATEWAYS:
        if kind == best:
            break  # switches are not above each other only for sharing a subnet
        # What is nobody's may stand above anybody's; another tenant's may not.
        above = sorted(one for one in gateways if places[one][0] == best and places[one][1] in (tenant, None))
        if above:
            source = Dependency.Source.GATEWAY
            few = above if len(above) <= MOST else []
            return [Dependency(device_id=pk, parent_id=one, source=source, is_confirmed=False) for one in few]
    return []


def _subnets(places: dict[int, list[Any]], user: Any) -> dict[int, set[int]]:
    """The devices of each prefix: an address belongs to the narrowest that holds it, at the site of its device."""
    columns = Prefix.objects.visible_to(user).values_list("first_key", "last_key", "pk", "site_id")
    # By their beginning; of those that begin alike, the widest first.
    prefixes = sorted(columns, key=lambda row: (row[0], -int(row[1], 16)))
    starts = [first for first, *_ in prefixes]
    members: dict[int, set[int]] = defaultdict(set)
    rows = IPAddress.objects.filter(interface__device__in=places).values_list("address_key", "interface__device_id")
    for key, device_id in rows:
        # Prefixes nest: going back from the last that begins before the address, the first that holds it is narrowest.
        for _, last, pk, site in reversed(prefixes[: bisect_right(starts, key)]):
            if last >= key and site in (None, places[device_id][2]):
                members[pk].add(device_id)
                break
    return members


@transaction.atomic
def confirm(row: Dependency) -> Dependency:
    """From now on it counts."""
    row.is_confirmed = True
    row.save(update_fields=["is_confirmed", "updated_at"])
    return row
