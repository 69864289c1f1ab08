"""What is to be sent to a router so that it has what is wanted, what stands in the way, and what others use there.

Pure: it works on items and on a running configuration that somebody has read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from netmon.drivers.vyos import (
    Command,
    Item,
    SeenSubnet,
    StaticMapping,
    Subnet,
    absence,
    changed,
    compare,
    creation,
    describe,
    network_deletion,
    undoing,
)
from netmon.drivers.vyos.paths import DHCP, root_of
from netmon.drivers.vyos.shapes import child
from provisioning.obstacles import Obstacle, Surroundings
from provisioning.vyos_items import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One commit. Without `commands` there is nothing to do. With `obstacles` it must not be sent.

    `remarks` are sentences that hinder nothing. `touched` is what is not yet as wanted; `makes` and
    `drops` are the subnets that come and go with it.
    """

    commands: tuple[Command, ...] = ()
    undo: tuple[Command, ...] = ()
    diff: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    remarks: tuple[str, ...] = ()
    touched: tuple[Wanted, ...] = ()
    makes: tuple[Subnet, ...] = ()
    drops: tuple[Subnet, ...] = ()

    @property
    def lines(self) -> list[str]:
        return [command.line for command in self.commands]

    @property
    def undo_lines(self) -> list[str]:
        return [command.line for command in self.undo]

    @property
    def digest(self) -> str:
        """SHA-256 of the lines; "" where nothing is to be sent."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest() if self.commands else ""


def plan(
    wanted: Sequence[Wanted],
    running: dict[str, Any],
    family: str,
    *,
    subnets: Sequence[tuple[Subnet, bool]] = (),
    serves: Sequence[str] = (),
    outside: str = "",
    claimed: Collection[int] = (),
) -> Plan:
    """The plan that makes a router have what is wanted.

    `subnets` are those of the pools that the mappings lie in, each with whether netmon made it; `serves` the router's
    own addresses ("192.168.66.1/24"), `outside` the one that the outside knows, `claimed` the destination rules that
    netmon has given away. What the family cannot have is an obstacle, not an error. The plan of a router that has
    everything is empty.
    """
    seen = Surroundings.of(running, serves, outside, claimed)
    gone: list[Command] = []
    come: list[Command] = []
    undo: list[Command] = []
    diff: list[str] = []
    obstacles: list[Obstacle] = []
    remarks: list[str] = []
    touched: list[Wanted] = []
    for one in wanted:
        try:
            heal = (absence if one.is_absent else compare)(one.item, running, family)
        except ValueError as error:
            obstacles.append(Obstacle(row=one.row, words=_sentence(error), code="not_supported"))
            continue
        found = seen.obstacles(one, is_equal=heal.is_equal, family=family)
        if one.is_absent and one.row is None:
            found = []  # it bears netmon's mark, which is how it was found
        if found and (one.is_shared or one.is_absent):
            # What is to go has gone when somebody else's stands in its place.
            remarks += [] if one.is_absent else [obstacle.words for obstacle in found]
            continue
        obstacles += found
        if heal.is_equal or found:
            continue
        touched.append(one)
        (gone if one.is_absent else come).extend(heal.commands)
        undo += undoing(one.item, running, family, is_absent=one.is_absent)
        diff += changed(one.item, running, family, is_absent=one.is_absent)
    made, dropped = _subnets(wanted, subnets, seen.subnets)
    for subnet in made:
        try:
            commands = creation(subnet, family)
        except ValueError as error:
            obstacles.append(Obstacle(row=None, words=_sentence(error), code="not_supported"))
            continue
        obstacles += seen.in_the_way_of(subnet, family)
        come[:0] = commands
        undo.append(Command("delete", root_of(subnet, family)))
        diff += changed(subnet, {}, family)
    for subnet in dropped:
        # The mappings go with it: commands below what is deleted would be refused by a strict router.
        below = root_of(subnet, family)
        gone = [command for command in gone if command.path[: len(below)] != below] + _drop(subnet, running, family)
        undo += [command for command in undoing(subnet, running, family, is_absent=True) if command not in undo]
        diff += [line for line in changed(subnet, running, family, is_absent=True) if line not in diff]
    obstacles += _last_ones(wanted, subnets, seen.subnets)
    return Plan(
        commands=(*gone, *come),
        undo=tuple(undo),
        diff=tuple(diff),
        obstacles=tuple(obstacles),
        remarks=tuple(remarks),
        touched=tuple(touched),
        makes=tuple(made),
        drops=tuple(dropped),
    )


def _sentence(error: ValueError) -> str:
    text = str(error)
    return text[0].upper() + text[1:] + "."


def _subnets(
    wanted: Sequence[Wanted], subnets: Sequence[tuple[Subnet, bool]], seen: Sequence[SeenSubnet]
) -> tuple[list[Subnet], list[Subnet]]:
    """Which subnets have to be made for the mappings, and which of our own are empty then."""
    known = {(subnet.network, subnet.prefix): subnet for subnet in seen}
    made, dropped = [], []
    for subnet, is_ours in subnets:
        coming, going = _moved(wanted, subnet)
        there = known.get((subnet.network, subnet.prefix))
        if there is None and coming:
            made.append(subnet)
        elif there is not None and is_ours and not _left(there, coming, going) and not there.ranges:
            dropped.append(subnet)
    return made, dropped


def _moved(wanted: Iterable[Wanted], subnet: Subnet) -> tuple[set[str], set[str]]:
    """The names of the mappings of a subnet that are to be there, and that are to go."""
    mine = [one for one in wanted if isinstance(one.item, StaticMapping) and _lies_in(one.item, subnet)]
    names = [(one.item.name, one.is_absent) for one in mine if isinstance(one.item, StaticMapping)]
    return {name for name, absent in names if not absent}, {name for name, absent in names if absent}


def _lies_in(item: Item, subnet: Subnet) -> bool:
    return isinstance(item, StaticMapping) and (item.network, item.prefix) == (subnet.network, subnet.prefix)


def _left(there: SeenSubnet, coming: set[str], going: set[str]) -> set[str]:
    active = {mapping.name for mapping in there.mappings if not mapping.is_disabled}
    return (active | coming) - going


def _last_ones(
    wanted: Sequence[Wanted], subnets: Sequence[tuple[Subnet, bool]], seen: Sequence[SeenSubnet]
) -> list[Obstacle]:
    """Somebody else's subnet that would be left with neither a range nor a mapping, which no router commits."""
    found = []
    known = {(subnet.network, subnet.prefix): subnet for subnet in seen}
    for subnet, is_ours in subnets:
        coming, going = _moved(wanted, subnet)
        there = known.get((subnet.network, subnet.prefix))
        names = {mapping.name for mapping in there.mappings} if there else set()
        if there is None or is_ours or there.ranges or not going & names or _left(there, coming, going):
            continue
        row = next(one.row for one in wanted if one.is_absent and _lies_in(one.item, subnet))
        words = (
            f"The subnet {subnet.prefix} of {subnet.network} would be left without a mapping and without a dynamic "
            "range, which no router accepts: give it a range on the router, or remove it there."
        )
        found.append(Obstacle(row=row, words=words, code="last_mapping"))
    return found


def _drop(subnet: Subnet, running: dict[str, Any], family: str) -> list[Command]:
    """The highest node that would be empty: a network without subnets and a server without networks do not commit."""
    server = child(running, *DHCP)
    networks = child(server, "shared-network-name")
    below = child(networks, subnet.network)
    if set(below) <= {"subnet"} and set(child(below, "subnet")) <= {subnet.prefix}:
        if set(networks) <= {subnet.network} and set(server) <= {"shared-network-name"}:
            return [Command("delete", DHCP)]
        return network_deletion(subnet.network)
    return [Command("delete", root_of(subnet, family))]


def labels(wanted: Iterable[Wanted]) -> list[str]:
    """What is concerned, in a few words each."""
    return [describe(one.item) for one in wanted]
