"""Commands of a configuration: what is sent to a router, and the line a person would type."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MOST_WORD_CHARACTERS = 1024
_PLAIN = re.compile(r"[A-Za-z0-9_.:/,+@!-]+")


@dataclass(frozen=True, slots=True)
class Command:
    """`op` is "set" or "delete"; `path` the words, a value being the last. Raises ValueError for what is no word."""

    op: str
    path: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.op not in ("set", "delete"):
            raise ValueError(f"op: {self.op!r} is unknown; give set or delete")
        if not self.path:
            raise ValueError("path: empty; it would mean the whole configuration")
        for word in self.path:
            if not isinstance(word, str) or not 1 <= len(word) <= MOST_WORD_CHARACTERS or not word.isprintable():
                raise ValueError("path: a word is empty, too long or holds control characters; correct it")

    @property
    def line(self) -> str:
        """As typed in configuration mode: "set nat destination rule 10 description 'web server'"."""
        return " ".join([self.op, *(_quoted(word) for word in self.path)])

    @property
    def wire(self) -> dict[str, Any]:
        """As the API takes it."""
        return {"op": self.op, "path": list(self.path)}


def sets(paths: Iterable[tuple[str, ...]]) -> list[Command]:
    """One "set" for each path."""
    return [Command("set", path) for path in paths]


def deletes(paths: Iterable[tuple[str, ...]]) -> list[Command]:
    """One "delete" for each path."""
    return [Command("delete", path) for path in paths]


def _quoted(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'"
