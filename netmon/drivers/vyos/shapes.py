"""The shapes of `showConfig`, made one: a leaf is a text, a list of texts or, without a value, {}; a node an object."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from netmon.drivers.vyos.errors import OddConfiguration

Path = tuple[str, ...]

MOST_LINES = 200_000  # a large router has some ten thousand
MOST_DEPTH = 32


def child(node: object, *path: str) -> dict[str, Any]:
    """The node at `path`, {} where there is none. Raises OddConfiguration where a leaf with a value is in its place."""
    for step, name in enumerate(path):
        if not isinstance(node, dict):
            break
        node = node.get(name, {})
        if isinstance(node, (str, list)):
            raise OddConfiguration(f"{' '.join(path[: step + 1])[:200]} has a value where settings belong.")
    if not isinstance(node, dict):
        raise OddConfiguration("The configuration that came is no set of settings.")
    return node


def tags(node: object, name: str) -> dict[str, dict[str, Any]]:
    """The instances of the tag node `name`, by their names."""
    return {instance: child(below) for instance, below in child(node, name).items()}


def values(node: dict[str, Any], name: str) -> tuple[str, ...]:
    """All values of a leaf, () where there is none or it takes none."""
    found = node.get(name)
    if isinstance(found, str):
        return (found,)
    if isinstance(found, list) and all(isinstance(value, str) for value in found):
        return tuple(found)
    if found is None or found == {}:
        return ()
    raise OddConfiguration(f"{name} is no value.")


def value(node: dict[str, Any], name: str) -> str:
    """The value of a leaf that has one, "" where there is none."""
    found = values(node, name)
    if len(found) > 1:
        raise OddConfiguration(f"{name} has {len(found)} values where one belongs.")
    return found[0] if found else ""


def lines(node: object, hollow: Collection[str] = ()) -> list[Path]:
    """Every leaf and every empty node as the path that sets it, but for empty nodes of the names in `hollow`."""
    found: list[Path] = []
    for path in _walk(node, (), hollow):
        found.append(path)
        if len(found) > MOST_LINES:
            raise OddConfiguration("The configuration is larger than any router's.")
    return found


def _walk(node: object, above: Path, hollow: Collection[str]) -> Iterator[Path]:
    if len(above) > MOST_DEPTH:
        raise OddConfiguration("The configuration is nested deeper than any router's.")
    if isinstance(node, str):
        yield (*above, node)
    elif isinstance(node, list):
        for item in node:
            if not isinstance(item, str):
                raise OddConfiguration(f"{' '.join(above)[:200]} is no list of values.")
            yield (*above, item)
    elif isinstance(node, dict):
        if not node and above and above[-1] not in hollow:
            yield above
        for name, below in node.items():
            if not isinstance(name, str):
                raise OddConfiguration("A setting has no name.")
            yield from _walk(below, (*above, name), hollow)
    else:
        raise OddConfiguration(f"{' '.join(above)[:200]} is no setting.")
