"""What differs between an item and the running configuration, in words, and the commands that heal it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from netmon.drivers.vyos.commands import Command
from netmon.drivers.vyos.objects import Forward, Item, Masquerade, Opening, StaticMapping, Subnet
from netmon.drivers.vyos.paths import Path, mac_leaf, managed_by, paths_of, root_of
from netmon.drivers.vyos.shapes import child, lines

# Of these a "set" adds a value; of all others it replaces the one there is.
_MANY = frozenset({"name-server", "exclude", "state"})
# Nodes that mean nothing by themselves: some versions leave them behind, empty.
_HOLLOW = frozenset({
    "destination", "source", "translation", "option", "options", "group", "inbound-interface", "outbound-interface",
    "connection-status", "range",
})  # fmt: skip
_WORDS = {
    "mac": "MAC address", "mac-address": "MAC address", "ip-address": "address",
    "inbound-interface": "inbound interface", "outbound-interface": "outbound interface",
    "translation address": "internal address", "translation port": "internal port",
    "destination port": "external port", "destination address": "external address", "source address": "source",
    "source group address-group": "source group", "subnet-id": "subnet id", "default-router": "default router",
    "name-server": "name server", "connection-status nat": "NAT state", "lease": "lease time",
    "exclude": "excluded address",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """`setting` in words; `wanted` and `running` are values, "" where there is none, and "on" for what has no value."""

    setting: str
    wanted: str
    running: str

    @property
    def words(self) -> str:
        if not self.running:
            return f"{self.setting}: {self.wanted} is missing" if self.wanted else f"{self.setting} is missing"
        if not self.wanted:
            return f"{self.setting}: {self.running} is there and should not be"
        return f"{self.setting}: {self.running} instead of {self.wanted}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of one item. `is_missing`: nothing of it is there. `commands` heal it; without differences there are none."""

    label: str
    is_missing: bool
    differences: tuple[Difference, ...]
    commands: tuple[Command, ...]

    @property
    def is_equal(self) -> bool:
        return not self.differences


def compare(item: Item, running: dict[str, Any], family: str) -> Comparison:
    """`item` beside `running`, the whole configuration or what `rooted` makes of its parts.

    Raises OddConfiguration for shapes no version gives, ValueError where the family cannot have the item.
    """
    root = root_of(item, family)
    wanted = {_key(path, family): path for path in paths_of(item, family)}
    found: dict[Path, Path] = {}
    for part in managed_by(item, family):
        for path in lines_at(running, part):
            if path != root:
                found[_key(path, family)] = path
    missing = [path for key, path in wanted.items() if key not in found]
    surplus = [path for key, path in found.items() if key not in wanted]
    return Comparison(
        describe(item),
        not found,
        tuple(_differences(missing, surplus, len(root))),
        tuple(_healing(missing, surplus, list(wanted.values()), len(root))),
    )


def absence(item: Item, running: dict[str, Any], family: str) -> Comparison:
    """Whether nothing of `item` is left: its differences are what is still there."""
    root = root_of(item, family)
    found = lines_at(running, root)
    differences = tuple(_differences([], found, len(root)))
    return Comparison(describe(item), not found, differences, (Command("delete", root),) if found else ())


def rooted(path: Iterable[str], part: dict[str, Any]) -> dict[str, Any]:
    """What `show_config(path)` gave, at its place in a whole configuration."""
    for name in reversed(tuple(path)):
        part = {name: part}
    return part


def merged(*parts: dict[str, Any]) -> dict[str, Any]:
    """Several of them in one."""
    whole: dict[str, Any] = {}
    for part in parts:
        for name, below in part.items():
            known = whole.get(name)
            whole[name] = merged(known, below) if isinstance(known, dict) and isinstance(below, dict) else below
    return whole


def describe(item: Item) -> str:
    """The item in a few words."""
    match item:
        case Subnet():
            return f"subnet {item.prefix} of {item.network}"
        case StaticMapping():
            return f"mapping {item.name} ({item.address})"
        case Forward():
            return f"destination rule {item.rule}"
        case Masquerade():
            return f"source rule {item.rule}"
        case Opening():
            return f"firewall rule {item.rule}"


def lines_at(running: dict[str, Any], path: Path) -> list[Path]:
    """The lines of the node or leaf at `path`."""
    above = child(running, *path[:-1])
    if path[-1] not in above:
        return []
    found = above[path[-1]]
    below = [(*path, *line) for line in lines(found, _HOLLOW)]
    return below or ([] if path[-1] in _HOLLOW else [path])


def _key(path: Path, family: str) -> Path:
    """The form in which two paths are compared: the case of a MAC address means nothing."""
    return (*path[:-1], path[-1].lower()) if path[-2] == mac_leaf(family) else path


def _is_many(path: Path, depth: int) -> bool:
    return len(path) > depth + 1 and path[-2] in _MANY


def _healing(missing: list[Path], surplus: list[Path], wanted: list[Path], depth: int) -> list[Command]:
    """First what goes: of two values at once a router refuses some."""
    replaced = {path[:-1] for path in missing if len(path) > depth + 1 and not _is_many(path, depth)}
    gone = {_shortest(path, wanted, depth): None for path in surplus if path[:-1] not in replaced}
    return [Command("delete", path) for path in gone] + [Command("set", path) for path in missing]


def _shortest(path: Path, wanted: list[Path], depth: int) -> Path:
    """The highest node on the way to `path` under which nothing is wanted: half a range does not commit."""
    for length in range(depth + 1, len(path)):
        if not any(one[:length] == path[:length] for one in wanted):
            return path[:length]
    return path


def _differences(missing: list[Path], surplus: list[Path], depth: int) -> list[Difference]:
    found = {_setting(path, depth): _shown(path, depth) for path in surplus if not _is_many(path, depth)}
    differences = []
    for path in missing:
        setting = _setting(path, depth)
        running = "" if _is_many(path, depth) else found.pop(setting, "")
        differences.append(Difference(setting, _shown(path, depth), running))
    differences += [Difference(setting, "", running) for setting, running in found.items()]
    many = [path for path in surplus if _is_many(path, depth)]
    return differences + [Difference(_setting(path, depth), "", _shown(path, depth)) for path in many]


def _setting(path: Path, depth: int) -> str:
    below = path[depth:] if len(path) == depth + 1 else path[depth:-1]
    name = " ".join(word for word in below if word != "option").removesuffix(" name")
    return _WORDS.get(name, name) or "settings"


def _shown(path: Path, depth: int) -> str:
    return "on" if len(path) <= depth + 1 else path[-1]
