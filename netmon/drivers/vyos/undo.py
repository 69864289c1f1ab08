"""What stands at an item's place now, as lines, and the commands that would bring it back."""

from __future__ import annotations

from typing import Any

from netmon.drivers.vyos.commands import Command, deletes, sets
from netmon.drivers.vyos.compare import lines_at
from netmon.drivers.vyos.objects import Item
from netmon.drivers.vyos.paths import Path, paths_of, root_of


def standing(item: Item, running: dict[str, Any], family: str) -> list[Path]:
    """Every line at the item's place, whoever wrote it; of a subnet with its mappings."""
    return lines_at(running, root_of(item, family))


def undoing(item: Item, running: dict[str, Any], family: str, *, is_absent: bool = False) -> list[Command]:
    """What takes the item back to what `running` has, once it was stated, or with `is_absent` removed.

    A router in strict mode refuses to delete what is not there, so only what was stated is deleted.
    """
    before = standing(item, running, family)
    return [*([] if is_absent else deletes([root_of(item, family)])), *sets(before)]


def changed(item: Item, running: dict[str, Any], family: str, *, is_absent: bool = False) -> list[str]:
    """The difference as people read it: lines with "- " that go, then those with "+ " that come."""
    before = standing(item, running, family)
    after = [] if is_absent else paths_of(item, family)
    gone = [f"- {Command('set', path).line.removeprefix('set ')}" for path in before if path not in after]
    return gone + [f"+ {Command('set', path).line.removeprefix('set ')}" for path in after if path not in before]
