"""The ways to SSH servers: their jump hosts, and the places where a server is known, read for many at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from django.db.models import Q

from inventory import scopes
from inventory.models import KnownServer, ManagementEndpoint
from netmon.drivers.targets import MAX_JUMPS


@dataclass(frozen=True, slots=True)
class WayBook:
    """What the SSH targets of a shard need beside their own rows.

    `hosts` are the jump hosts by their number; `places` and `devices` those of which a host key is known already.
    """

    hosts: Mapping[int, ManagementEndpoint]
    places: frozenset[str]
    devices: frozenset[int]

    @classmethod
    def of(cls, endpoints: Iterable[ManagementEndpoint]) -> Self:
        """Reads it: a few queries for each jump host in a row, however many endpoints there are."""
        ours = [endpoint for endpoint in endpoints if endpoint.protocol == "ssh"]
        book = cls(_hosts(ours), frozenset(), frozenset())
        wanted = {book.place_of(endpoint): endpoint.device_id for endpoint in (*ours, *book.hosts.values())}
        if not wanted:
            return book
        rows = KnownServer.objects.filter(Q(place__in=wanted) | Q(device_number__in=set(wanted.values())))
        known = list(rows.values_list("place", "device_number"))
        return cls(book.hosts, frozenset(place for place, _ in known), frozenset(number for _, number in known))

    def before(self, endpoint: ManagementEndpoint) -> ManagementEndpoint | None:
        """The jump host right before an endpoint."""
        number = scopes.jump_of(endpoint)
        return None if number is None else self.hosts.get(number)

    def way_to(self, endpoint: ManagementEndpoint) -> list[ManagementEndpoint]:
        """The endpoint and the jump hosts before it, as they come."""
        found = [endpoint]
        while len(found) <= MAX_JUMPS and (host := self.before(found[-1])) is not None:
            found.append(host)
        return found

    def step(self, endpoint: ManagementEndpoint, jumps: int) -> ManagementEndpoint | None:
        """The endpoint itself, its jump host, and so on; None where there are not so many."""
        way = self.way_to(endpoint)
        return way[jumps] if jumps < len(way) else None

    def place_of(self, endpoint: ManagementEndpoint, address: str = "") -> str:
        """Where its server is, as a text: behind a jump host an address is whoever answers to it there.

        `address` is what its name stands for, where it is reached by one.
        """
        own, *before = self.way_to(endpoint)
        return " via ".join([_spot(own, address), *(_spot(host) for host in before)])

    def knows(self, endpoint: ManagementEndpoint, address: str = "") -> bool:
        """Whether a host key was ever known of its device, or of its place: an endpoint that is gone counts too."""
        if endpoint.device_id in self.devices or self.place_of(endpoint) in self.places:
            return True
        if not address or (place := self.place_of(endpoint, address)) == self.place_of(endpoint):
            return False
        return KnownServer.objects.filter(place=place).exists()


def _hosts(endpoints: Iterable[ManagementEndpoint]) -> dict[int, ManagementEndpoint]:
    rows = ManagementEndpoint.objects.filter(protocol="ssh").select_related(
        "device__primary_ip", "device__tenant", "credential"
    )
    found: dict[int, ManagementEndpoint] = {}
    wanted = {number for endpoint in endpoints if (number := scopes.jump_of(endpoint)) is not None}
    for _ in range(MAX_JUMPS):
        if not wanted:
            break
        level = list(rows.prefetch_related("host_keys").filter(pk__in=wanted))
        found |= {row.pk: row for row in level}
        wanted = {number for row in level if (number := scopes.jump_of(row)) is not None} - found.keys()
    return found


def _spot(endpoint: ManagementEndpoint, address: str = "") -> str:
    parsed = scopes.address_of(endpoint)
    host = address or (str(parsed) if parsed else (scopes.host_of(endpoint) or "").lower().removesuffix("."))
    return f"{host} port {endpoint.effective_port}"
