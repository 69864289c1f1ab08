"""Which devices' running configuration holds a text: looked for in what a viewer may read, which is masked.

A search in the texts as they are would tell, guess by guess, what a mask hides. Texts are stored encrypted, so every
search opens and masks them anew: a request does a bounded piece of the work, device by device in the order of their
names, and says where the next piece begins.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import OuterRef, Subquery

from monitoring.models import ConfigVersion
from monitoring.services import configs
from netmon.common.querysets import VisibleQuerySet
from netmon.common.secrets import Undecryptable

MIN_CHARS, MAX_CHARS = 2, 200
MAX_DEVICES = 200  # opened by one request
MAX_BYTES = 2 << 20  # of text opened by one request, some 2 s of work; the first is opened whatever its size
MAX_LINES = 5  # shown of one device
CONTEXT = 2  # lines before and behind
SHOWN_CHARS = 300  # of one line


@dataclass(frozen=True, slots=True)
class Line:
    """A line that holds the text; `spans` are the [start, end) of it in `text`, which may be cut."""

    number: int
    text: str
    spans: list[list[int]]
    before: list[str]
    after: list[str]


@dataclass(frozen=True, slots=True)
class Hit:
    """A device whose configuration holds the text: the first lines, and how many there are."""

    version: ConfigVersion
    count: int
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Page:
    """One piece of the search: `searched` devices from `offset` on, of `total`; the next begins at `next_offset`."""

    offset: int
    searched: int
    total: int
    next_offset: int | None
    unreadable: int
    hits: list[Hit] = field(default_factory=list)


def search(user: Any, text: str, *, offset: int = 0, limit: int = 20) -> Page:
    """At most `limit` devices that the user may see; letters of either case are the same."""
    newest = ConfigVersion.objects.filter(device=OuterRef("device"), kind=ConfigVersion.Kind.RUNNING)
    rows: VisibleQuerySet = ConfigVersion.objects.visible_to(user).filter(
        pk=Subquery(newest.order_by("-number").values("pk")[:1])
    )
    rows = rows.order_by("device__name_key", "device_id")
    total = rows.count()
    sizes = list(rows.values_list("pk", "size_bytes")[offset : offset + MAX_DEVICES])
    wanted = re.compile(re.escape(text), re.IGNORECASE)
    hits: list[Hit] = []
    searched = unreadable = 0
    for version in _opened(rows, sizes):
        searched += 1
        try:
            hit = _hit(version, wanted)
        except Undecryptable:
            unreadable += 1
            continue
        if hit is not None:
            hits.append(hit)
        if len(hits) == limit:
            break
    end = offset + searched
    return Page(offset, searched, total, end if searched and end < total else None, unreadable, hits)


def _opened(rows: Any, sizes: list[tuple[int, int]]) -> Iterator[ConfigVersion]:
    """The versions whose texts may be opened by one request, a few at a time: they are large."""
    left = MAX_BYTES
    pks: list[int] = []
    for pk, size in sizes:
        if pks and size > left:
            break
        left -= size
        pks.append(pk)
    for start in range(0, len(pks), 10):
        yield from rows.filter(pk__in=pks[start : start + 10]).select_related("device__primary_ip")


def _hit(version: ConfigVersion, wanted: re.Pattern[str]) -> Hit | None:
    lines = configs.text_of(version).splitlines()
    numbers = [n for n, line in enumerate(lines) if wanted.search(line)]
    if not numbers:
        return None
    return Hit(version, len(numbers), [_line(lines, n, wanted) for n in numbers[:MAX_LINES]])


def _line(lines: list[str], n: int, wanted: re.Pattern[str]) -> Line:
    first = wanted.search(lines[n])
    start = max(0, first.start() - SHOWN_CHARS // 4) if first and first.end() > SHOWN_CHARS else 0
    shown = lines[n][start : start + SHOWN_CHARS]
    return Line(
        number=n + 1,
        text=shown,
        spans=[list(match.span()) for match in wanted.finditer(shown)],
        before=[line[:SHOWN_CHARS] for line in lines[max(0, n - CONTEXT) : n]],
        after=[line[:SHOWN_CHARS] for line in lines[n + 1 : n + 1 + CONTEXT]],
    )
