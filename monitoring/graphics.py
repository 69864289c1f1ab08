"""Small pictures as SVG: no inline style, so that they live under the strict Content-Security-Policy."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from monitoring.availability import DOWN, EXCUSED, UNKNOWN, UP, Span
from monitoring.presentation import duration

NOT_COUNTED = {
    UNKNOWN: "no data", "maintenance": "maintenance", "unreachable": "unreachable", "blind": "the poller saw nothing",
}  # fmt: skip
LETTER = {UP: "u", DOWN: "d"} | dict.fromkeys(NOT_COUNTED, "n")
# Strips differ in height too, so that they can be read without colour.
TOP = {"u": 8, "d": 0, "n": 24}
MINI_TOP = {"u": 4, "d": 0, "n": 12}


def quarter_strip(cells: Sequence[dict[str, float]], start: datetime, seconds: int, summary: str) -> SafeString:
    """One bar per cell; an outage of a second colours its cell, for it must not vanish."""
    bars = []
    for number, cell in enumerate(cells):
        # The last cell is now: a device that was added a minute ago is up, not without data.
        gaps = {kind: cell.get(kind, 0.0) for kind in (UNKNOWN, *EXCUSED)}
        enough = 0 if number == len(cells) - 1 else sum(gaps.values())
        letter = "d" if cell[DOWN] > 0 else "u" if cell[UP] >= enough and cell[UP] else "n"
        moment = datetime.fromtimestamp(start.timestamp() + number * seconds, tz=start.tzinfo)
        words = NOT_COUNTED[max(gaps, key=lambda kind: gaps[kind])]
        said = {"d": f"down for {duration(cell[DOWN])}", "u": "up", "n": words}[letter]
        bars.append((f"{number * 10 + 0.8:g}", TOP[letter], 34 - TOP[letter], letter, f"{moment:%H:%M}", said))
    return format_html(
        '<svg class="strip" viewBox="0 0 {} 34" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        len(cells) * 10,
        summary,
        format_html_join(
            "",
            '<rect x="{}" y="{}" width="8.4" height="{}" rx="1.6" class="{}"><title>{} {}</title></rect>',
            bars,
        ),
    )


def mini_strip(spans: Sequence[Span], start: float, end: float) -> SafeString:
    """A strip for a table, beside the figure it draws: a rectangle for each span, an outage at least 3 units wide."""
    scale = 144 / (end - start)
    bars = []
    for span in spans:
        letter = LETTER[span.kind]
        width = max(span.seconds * scale, 3 if letter == "d" else 0)
        left = min((span.start - start) * scale, 144 - width)
        bars.append((f"{left:.3g}", MINI_TOP[letter], f"{width:.4g}", 18 - MINI_TOP[letter], letter))
    # Outages last: a wide neighbour must not cover a narrow one.
    bars.sort(key=lambda bar: bar[4] == "d")
    return format_html(
        '<svg class="mini" viewBox="0 0 144 18" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
        format_html_join("", '<rect x="{}" y="{}" width="{}" height="{}" class="{}"/>', bars),
    )


def sparkline(values: Sequence[float | None]) -> SafeString:
    """A line with a filled area; gaps stay open. A dashed base line stands for no data.

    Relative steps of one unit keep a picture at half a kilobyte; the style sheet stretches it.
    """
    if sum(value is not None for value in values) < 2:
        return format_html(
            '<svg class="spark" viewBox="0 0 9 26" preserveAspectRatio="none" aria-hidden="true">{}</svg>',
            format_html('<path class="o" d="{}"/>', "M0 24.5H9"),
        )
    top = max(value for value in values if value is not None) or 1.0
    heights = [None if value is None else round(25 - 22 * value / top) for value in values]
    runs: list[tuple[int, list[int]]] = []
    for number, height in enumerate(heights):
        if height is None:
            continue
        if number and heights[number - 1] is not None:
            runs[-1][1].append(height)
        else:
            runs.append((number, [height]))
    steps = [(start, run, "".join(f"l1 {after - before}" for before, after in pairwise(run))) for start, run in runs]
    return format_html(
        '<svg class="spark" viewBox="0 0 {} 26" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="a" d="{}"/><path class="l" d="{}"/></svg>',
        len(values) - 1,
        "".join(f"M{start} 26V{run[0]}{path}V26Z" for start, run, path in steps),
        "".join(f"M{start} {run[0]}{path}" for start, run, path in steps),
    )


def load_bar(share: float | None) -> SafeString:
    filled = 0.0 if share is None else max(0.0, min(share, 100.0)) * 0.64
    return format_html(
        '<svg class="bar" viewBox="0 0 64 6" aria-hidden="true"><rect class="t" width="64" height="6" rx="3"/>'
        '<rect class="v{}" width="{}" height="6" rx="3"/></svg>',
        " hi" if share is not None and share > 70 else "",
        f"{filled:.1f}",
    )
