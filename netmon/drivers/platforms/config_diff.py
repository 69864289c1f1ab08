"""Two configurations side by side: changed lines, the words in them, and a sentence about it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, Literal, TypedDict

CONTEXT: Final = 3
# Blocks whose sizes multiply to more are replaced as a whole: comparing all with all would take minutes.
_SMALL_BLOCK: Final = 40_000
_MAX_TOKENS: Final = 200
_TOKEN: Final = re.compile(r"\s+|[\w.:/-]+|[^\w\s]")
_MAX_SECTIONS: Final = 8

Kind = Literal["equal", "added", "removed", "changed"]
Opcode = tuple[Literal["equal", "replace"], int, int, int, int]


class Row(TypedDict):
    """One line side by side. Numbers count from 1; None and "" where a side has no line.

    Spans are [start, end) of the characters that differ, given for changed lines.
    """

    kind: Kind
    before_number: int | None
    after_number: int | None
    before: str
    after: str
    before_spans: list[list[int]]
    after_spans: list[list[int]]


class Hunk(TypedDict):
    """Neighbouring changes with three lines around them; `section` is the block they are in, "" at the top level."""

    before_start: int
    after_start: int
    section: str
    rows: list[Row]


class Diff(TypedDict):
    is_equal: bool
    added: int
    removed: int
    changed: int
    hunks: list[Hunk]


def diff_words(before: str, after: str) -> Diff:
    """The difference of two texts, line by line and within changed lines word by word. JSON-ready."""
    old, new = before.splitlines(), after.splitlines()
    rows = list(_rows(old, new))
    kinds = Counter(row["kind"] for row in rows)
    return {
        "is_equal": old == new,
        "added": kinds["added"],
        "removed": kinds["removed"],
        "changed": kinds["changed"],
        "hunks": _hunks(rows, _sections(old), _sections(new)),
    }


def summary(before: str, after: str) -> str:
    """The difference in words: "3 lines added in `router bgp 65001`; 1 line changed at the top level." """
    old, new = before.splitlines(), after.splitlines()
    old_sections, new_sections = _sections(old), _sections(new)
    by_section: dict[str, Counter[str]] = {}
    for row in _rows(old, new):
        if row["kind"] == "equal" or not (row["before"] or row["after"]).strip(" !#"):
            continue
        number, sections = (
            (row["after_number"], new_sections) if row["after_number"] else (row["before_number"], old_sections)
        )
        section = sections[(number or 1) - 1]
        by_section.setdefault(section, Counter())[row["kind"]] += 1
    if not by_section:
        return "No difference."
    told = []
    for section, kinds in list(by_section.items())[:_MAX_SECTIONS]:
        parts = [
            f"{n} line{'s' if n > 1 else ''} {kind}" for kind in ("added", "removed", "changed") if (n := kinds[kind])
        ]
        told.append(f"{', '.join(parts)} in `{section[:120]}`" if section else f"{', '.join(parts)} at the top level")
    more = len(by_section) - _MAX_SECTIONS
    return "; ".join(told) + (f"; and in {more} more sections." if more > 0 else ".")


def _sections(lines: Sequence[str]) -> list[str]:
    """For each line the block it is in: the last line without indent above an indented one, the line itself if blocks
    start with it, or the first three words of `set` commands."""
    found: list[str] = []
    head = ""
    for n, line in enumerate(lines):
        if line.startswith("set "):
            found.append(" ".join(line.split()[:3]))
        elif line[:1].isspace():
            found.append(head)
        else:
            following = lines[n + 1] if n + 1 < len(lines) else ""
            starts_block = following[:1].isspace() and bool(following.strip())
            if starts_block or line.strip() not in ("!", "#", "", "exit", "}"):
                head = line.rstrip(" {") if starts_block else ""
            found.append(head)
    return found


def opcodes(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """Runs of equal and of replaced lines, in order.

    Lines that occur once on both sides are anchors (patience diff): the longest increasing run of them splits the
    texts, and only small blocks between anchors are compared line by line. Time grows with n log n, for hostile texts
    too.
    """
    found: list[Opcode] = []

    def emit(kind: Literal["equal", "replace"], a0: int, a1: int, b0: int, b1: int) -> None:
        if a0 == a1 and b0 == b1:
            return
        if found and found[-1][0] == kind:
            _, start_a, _, start_b, _ = found.pop()
            found.append((kind, start_a, a1, start_b, b1))
        else:
            found.append((kind, a0, a1, b0, b1))

    def between(a0: int, a1: int, b0: int, b1: int) -> None:
        head = 0
        while a0 + head < a1 and b0 + head < b1 and old[a0 + head] == new[b0 + head]:
            head += 1
        emit("equal", a0, a0 + head, b0, b0 + head)
        a0, b0 = a0 + head, b0 + head
        tail = 0
        while a1 - tail > a0 and b1 - tail > b0 and old[a1 - tail - 1] == new[b1 - tail - 1]:
            tail += 1
        if 0 < (a1 - tail - a0) * (b1 - tail - b0) <= _SMALL_BLOCK:
            matcher = SequenceMatcher(None, old[a0 : a1 - tail], new[b0 : b1 - tail], autojunk=False)
            for tag, i0, i1, j0, j1 in matcher.get_opcodes():
                emit("equal" if tag == "equal" else "replace", a0 + i0, a0 + i1, b0 + j0, b0 + j1)
        else:
            emit("replace", a0, a1 - tail, b0, b1 - tail)
        emit("equal", a1 - tail, a1, b1 - tail, b1)

    at_a = at_b = 0
    for a, b in _anchors(old, new):
        between(at_a, a, at_b, b)
        emit("equal", a, a + 1, b, b + 1)
        at_a, at_b = a + 1, b + 1
    between(at_a, len(old), at_b, len(new))
    return found


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Positions of lines that occur once in both, the longest run that increases on both sides."""
    once_old, once_new = Counter(old), Counter(new)
    where = {line: n for n, line in enumerate(new) if once_new[line] == 1}
    pairs = [(n, where[line]) for n, line in enumerate(old) if once_old[line] == 1 and line in where]
    ends: list[int] = []  # of runs of each length, the smallest end
    last: list[int] = []
    back: list[int] = []
    for n, (_, b) in enumerate(pairs):
        length = bisect_left(ends, b)
        back.append(last[length - 1] if length else -1)
        if length == len(ends):
            ends.append(b)
            last.append(n)
        else:
            ends[length], last[length] = b, n
    found = []
    n = last[-1] if last else -1
    while n >= 0:
        found.append(pairs[n])
        n = back[n]
    return found[::-1]


def _rows(old: Sequence[str], new: Sequence[str]) -> Iterator[Row]:
    for kind, a0, a1, b0, b1 in opcodes(old, new):
        if kind == "equal":
            for n in range(a1 - a0):
                yield _row("equal", a0 + n, b0 + n, old[a0 + n], new[b0 + n])
            continue
        n = 0
        while a0 + n < a1 and b0 + n < b1 and _alike(old[a0 + n], new[b0 + n]):
            yield _changed(a0 + n, b0 + n, old[a0 + n], new[b0 + n])
            n += 1
        for a in range(a0 + n, a1):
            yield _row("removed", a, None, old[a], "")
        for b in range(b0 + n, b1):
            yield _row("added", None, b, "", new[b])


def _alike(one: str, other: str) -> bool:
    """Whether two lines are one command with other values: the same indent and first word, or half of the words."""
    indent = len(one) - len(one.lstrip()) == len(other) - len(other.lstrip())
    first, second = one.split()[:40], other.split()[:40]
    if not first or not second or not indent:
        return False
    common = sum((Counter(first) & Counter(second)).values())
    return first[0] == second[0] and common * 2 >= min(len(first), len(second))


def _row(kind: Kind, a: int | None, b: int | None, before: str, after: str) -> Row:
    return {
        "kind": kind,
        "before_number": None if a is None else a + 1,
        "after_number": None if b is None else b + 1,
        "before": before,
        "after": after,
        "before_spans": [],
        "after_spans": [],
    }


def _changed(a: int, b: int, before: str, after: str) -> Row:
    row = _row("changed", a, b, before, after)
    old, new = ([match.span() for match in _TOKEN.finditer(line)] for line in (before, after))
    if len(old) > _MAX_TOKENS or len(new) > _MAX_TOKENS:
        row["before_spans"], row["after_spans"] = [[0, len(before)]], [[0, len(after)]]
        return row
    matcher = SequenceMatcher(None, [before[i:j] for i, j in old], [after[i:j] for i, j in new], autojunk=False)
    for tag, i0, i1, j0, j1 in matcher.get_opcodes():
        if tag == "equal":
            continue
        if i1 > i0:
            row["before_spans"].append([old[i0][0], old[i1 - 1][1]])
        if j1 > j0:
            row["after_spans"].append([new[j0][0], new[j1 - 1][1]])
    return row


def _hunks(rows: list[Row], old_sections: list[str], new_sections: list[str]) -> list[Hunk]:
    changes = [n for n, row in enumerate(rows) if row["kind"] != "equal"]
    hunks: list[Hunk] = []
    start = end = -1
    for n in [*changes, None]:
        if n is not None and start >= 0 and n - CONTEXT <= end:
            end = n + CONTEXT + 1
            continue
        if start >= 0:
            hunks.append(_hunk(rows[start : min(end, len(rows))], old_sections, new_sections))
        if n is not None:
            start, end = max(0, n - CONTEXT), n + CONTEXT + 1
    return hunks


def _hunk(rows: list[Row], old_sections: list[str], new_sections: list[str]) -> Hunk:
    first = next(row for row in rows if row["kind"] != "equal")
    number, sections = (
        (first["after_number"], new_sections) if first["after_number"] else (first["before_number"], old_sections)
    )
    return {
        "before_start": next((row["before_number"] for row in rows if row["before_number"]), 0),
        "after_start": next((row["after_number"] for row in rows if row["after_number"]), 0),
        "section": sections[(number or 1) - 1],
        "rows": rows,
    }
