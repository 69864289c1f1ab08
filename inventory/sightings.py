"""Who was seen alive where: apps above say which addresses they met lately, so that none of these is given away.

An app registers `look(addresses, since, tenant_id) -> {address: Sighting}`: of addresses in their canonical form, what
it met at or after `since` in the networks of a tenant and in nobody's; another tenant may have the same private ones.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """`words` go on after "it was seen": by a scan, answering a check. Texts of the network are not part of them."""

    at: datetime
    words: str


Look = Callable[[Iterable[str], datetime, int | None], Mapping[str, Sighting]]
LOOKS: dict[str, Look] = {}


def register(name: str, look: Look) -> None:
    """Raises ValueError when the name has an owner already."""
    if LOOKS.get(name, look) is not look:
        raise ValueError(f"sightings of {name!r} are registered twice")
    LOOKS[name] = look


def seen(addresses: Iterable[str], *, since: datetime, tenant_id: int | None) -> dict[str, Sighting]:
    """The latest sighting of each of these addresses, whoever had it; a query or two for each app."""
    wanted = list(dict.fromkeys(addresses))
    found: dict[str, Sighting] = {}
    for look in LOOKS.values():
        for address, sighting in look(wanted, since, tenant_id).items():
            if address not in found or sighting.at > found[address].at:
                found[address] = sighting
    return found
