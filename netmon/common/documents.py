"""A page of the reference, shown by the product: its Markdown is read into blocks that a template writes out.

Only what the reference uses: headings, paragraphs, code, tables; in a line code, links, bold and anchors. The template
escapes every text, so that nothing of a file becomes markup.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify

ERRORS = "docs/reference/errors.md"
INLINE = re.compile(
    r"""<a\ id="(?P<anchor>[\w-]+)"></a> | `(?P<code>[^`]+)` | \[(?P<text>[^\]]+)\]\((?P<href>[^)\s]+)\)
    | \*\*(?P<bold>[^*]+)\*\*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a line: kind is text, code, bold, link or anchor."""

    kind: str
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """kind is heading, paragraph, code or table."""

    kind: str
    pieces: tuple[Piece, ...] = ()
    level: int = 0
    slug: str = ""
    text: str = ""
    head: tuple[tuple[Piece, ...], ...] = ()
    rows: list[tuple[tuple[Piece, ...], ...]] = field(default_factory=list)


def pieces(line: str) -> tuple[Piece, ...]:
    """The pieces of a line."""
    return tuple(_pieces(line))


def _pieces(line: str) -> Iterator[Piece]:
    end = 0
    for match in INLINE.finditer(line):
        if match.start() > end:
            yield Piece("text", line[end : match.start()])
        end = match.end()
        if anchor := match["anchor"]:
            yield Piece("anchor", anchor)
        elif code := match["code"]:
            yield Piece("code", code)
        elif bold := match["bold"]:
            yield Piece("bold", bold)
        elif match["href"].startswith(("#", "/", "https://")):
            yield Piece("link", match["text"], match["href"])
        else:  # a file of the repository, which is not served
            yield Piece("text", match["text"])
    if end < len(line):
        yield Piece("text", line[end:])


def _cells(line: str) -> tuple[tuple[Piece, ...], ...]:
    return tuple(pieces(cell.strip()) for cell in line.strip().strip("|").split(" | "))


def blocks(text: str) -> list[Block]:
    """The blocks of a Markdown text."""
    found: list[Block] = []
    lines = iter(text.splitlines())
    paragraph: list[str] = []

    def end_paragraph() -> None:
        if paragraph:
            found.append(Block("paragraph", pieces(" ".join(paragraph))))
            paragraph.clear()

    for line in lines:
        if line.startswith("|"):
            end_paragraph()
            if found and found[-1].kind == "table" and found[-1].level:
                if not set(line) <= set("|-: "):
                    found[-1].rows.append(_cells(line))
            else:
                found.append(Block("table", head=_cells(line), level=1))
            continue
        if not line.strip():
            end_paragraph()
        elif line.startswith("```"):
            end_paragraph()
            code = []
            for inner in lines:
                if inner.startswith("```"):
                    break
                code.append(inner)
            found.append(Block("code", text="\n".join(code)))
        elif match := re.fullmatch(r"(#{1,4}) (.+)", line):
            end_paragraph()
            found.append(Block("heading", pieces(match[2]), level=len(match[1]), slug=slugify(match[2])))
        else:
            paragraph.append(line)
    end_paragraph()
    return found


@cache
def _errors() -> list[Block]:
    return blocks((settings.BASE_DIR / ERRORS).read_text(encoding="utf-8"))


def errors(request: HttpRequest) -> HttpResponse:
    """What the codes of problems mean. Open: it tells nothing of the network."""
    page: dict[str, Any] = {"title": "Errors", "blocks": _errors()}
    return render(request, "document.html", page)
