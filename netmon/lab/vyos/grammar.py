"""Which paths a version has: `grammar.txt`, read once for each."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

from netmon.lab.vyos.values import fits
from netmon.lab.vyos.versions import VERSIONS

Words = tuple[str, ...]
SHAPES = {":": "tag", "=": "leaf", "+": "leaf", "!": "leaf"}


@dataclass(slots=True)
class Node:
    """`shape` is "node", "tag" or "leaf"; `kind` that of its value or of its instances' names, "" for no value."""

    shape: str = "node"
    kind: str = ""
    is_many: bool = False
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def is_bare(self) -> bool:
        return self.shape == "leaf" and not self.kind


@functools.cache
def grammar(version: str) -> Node:
    """The tree of a version."""
    order = list(VERSIONS)
    root = Node()
    above: list[Node | None] = [root]
    for line in (Path(__file__).parent / "grammar.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        text, _, versions = line.strip().partition(" @")
        del above[depth + 1 :]
        parent = above[depth]
        if parent is None or not _covers(versions, version, order):
            above.append(None)
            continue
        name, _, rest = text.partition(" ")
        sign, _, kind = rest.partition(" ")
        node = Node(SHAPES.get(sign, "node"), kind, sign == "+")
        parent.children[name] = node
        above.append(node)
    return root


def _covers(versions: str, version: str, order: list[str]) -> bool:
    first, _, last = (versions or "..").partition("..")
    low = order.index(first) if first else 0
    high = order.index(last) if last else len(order) - 1
    return low <= order.index(version) <= high


def fault(version: str, op: str, words: Words) -> str:
    """Why a router of `version` refuses the operation, as it says it; "" where it does not."""
    node, position = grammar(version), 0
    while position < len(words):
        word = words[position]
        if word not in node.children:
            return f"Configuration path: [{' '.join(words)}] is not valid"
        node, position = node.children[word], position + 1
        if node.shape == "node":
            continue
        rest = words[position:]
        if node.is_bare:
            return f"Configuration path: [{' '.join(words)}] is not valid" if rest else ""
        if not rest:
            return f"Configuration path: [{' '.join(words)}] requires a value" if op == "set" else ""
        if op == "set" and not fits(node.kind, rest[0]):
            return f'"{rest[0]}" is not a valid value of "{word}"\nValue validation failed\nSet failed'
        if node.shape == "leaf":
            return f"Configuration path: [{' '.join(words)}] is not valid" if len(rest) > 1 else ""
        position += 1
    return ""


def leaf_at(version: str, words: Words) -> tuple[Node, int]:
    """The node that a valid path ends on, and how many words lead to it (its value, if any, follows)."""
    node, position = grammar(version), 0
    while position < len(words):
        node, position = node.children[words[position]], position + 1
        if node.shape == "leaf":
            return node, position
        if node.shape == "tag":
            position += 1
    return node, min(position, len(words))
