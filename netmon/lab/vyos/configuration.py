"""A configuration in the shape that `showConfig` gives, and what `set` and `delete` do to it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from netmon.lab.vyos.grammar import Node, grammar, leaf_at

Tree = dict[str, Any]
Words = tuple[str, ...]


def apply(version: str, tree: Tree, op: str, words: Words) -> bool:
    """Does one valid operation to `tree`; False where there was nothing to delete."""
    if op == "set":
        _set(version, tree, words)
        return True
    return op != "delete" or _delete(version, tree, words)


def applied(version: str, tree: Tree, operations: Sequence[tuple[str, Words]]) -> Tree:
    """A copy of `tree` after all of them."""
    changed = copy.deepcopy(tree)
    for op, words in operations:
        apply(version, changed, op, words)
    return changed


def at(tree: Tree, words: Sequence[str]) -> Any:
    """What is at a path, None where nothing is. The value of a leaf may be the last word."""
    found: Any = tree
    for position, word in enumerate(words):
        if isinstance(found, dict) and word in found:
            found = found[word]
        elif position == len(words) - 1 and (found == word or (isinstance(found, list) and word in found)):
            return {}
        else:
            return None
    return found


def shown(version: str, tree: Tree, words: Words) -> Any:
    """What `showConfig` gives below a path; None where that is nothing. A leaf comes with its name."""
    found = at(tree, words)
    if isinstance(found, dict):
        return copy.deepcopy(found) or None
    return None if found is None else {words[-1]: copy.deepcopy(found)}


def _set(version: str, tree: Tree, words: Words) -> None:
    node, length = leaf_at(version, words)
    if node.shape != "leaf" or node.is_bare:
        _walk(tree, words)
        return
    above, name, value = _walk(tree, words[: length - 1]), words[length - 1], words[length]
    if not node.is_many or name not in above:
        above[name] = value
        return
    known = above[name] if isinstance(above[name], list) else [above[name]]
    if value not in known:
        above[name] = [*known, value]


def _walk(tree: Tree, words: Words) -> Tree:
    for word in words:
        tree = tree.setdefault(word, {})
    return tree


def _delete(version: str, tree: Tree, words: Words) -> bool:
    if at(tree, words) is None:
        return False
    node, length = leaf_at(version, words)
    if node.shape == "leaf" and len(words) > length:  # one value of several
        above = at(tree, words[: length - 1])
        left = [value for value in _list(above[words[length - 1]]) if value != words[-1]]
        if left:
            above[words[length - 1]] = left[0] if len(left) == 1 else left
            return True
        words = words[:length]
    above = at(tree, words[:-1])
    del above[words[-1]]
    # the last instance takes the node of the instances with it
    if len(words) > 1 and not above and _is_tag(version, words[:-1]):
        del at(tree, words[:-2])[words[-2]]
    return True


def _list(found: Any) -> list[str]:
    return found if isinstance(found, list) else [found]


def _is_tag(version: str, words: Words) -> bool:
    node: Node = grammar(version)
    position = 0
    while position < len(words):
        node, position = node.children[words[position]], position + 1
        if node.shape == "tag" and position < len(words):
            position += 1
        elif node.shape == "tag":
            return True
    return False
