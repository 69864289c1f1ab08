"""Configurations as text: made stable, their secrets masked, compared and told in words.

`normalise` and `mask` are idempotent; all of it is linear in the text but for small blocks of changed lines.
"""

from __future__ import annotations

import re
from typing import Final, TypedDict

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms.config_diff import Diff, diff_words, summary
from netmon.drivers.platforms.config_mask import mask
from netmon.drivers.platforms.text import lines

__all__ = ["MAX_BYTES", "Diff", "Unsaved", "diff_words", "mask", "normalise", "summary", "unsaved"]

# The largest routers have some hundred thousand lines.
MAX_BYTES: Final = 16 << 20
MAX_LINES: Final = 400_000

# Lines that change by themselves: times, sizes, checksums, and what a session adds around the text. Matched at the
# start of a line, so they cost the same however long the line is.
_VOLATILE: Final = re.compile(
    r"Building configuration"
    r"|(?:! ?)?Current configuration ?:"
    r"|Using \d+ out of \d+ bytes"
    r"|!{1,2} ?(?:Last configuration change|NVRAM config last updated|No configuration change since)"
    r"|! ?(?:Time|Command|Running configuration last done at|Startup config saved at) ?:"
    r"|ntp clock-period "
    r"|: (?:Saved|Written by )"
    r"|Cryptochecksum:"
    r"|## Last (?:commit|changed):"
    r"|# [\w/-]{6,12} \d\d:\d\d:\d\d by RouterOS"
    r"|#? ?software id = "
    r"|[ !#]{0,4}[\w.-]{0,64} ?uptime is "
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d"
    r"|\{(?:master|backup|primary|secondary)(?::[\w-]{1,10})?\}$"
    r"|-{2,3} ?[Mm]ore ?-{2,3}"
    r"|% Can't open configuration file"
)
_PROMPT: Final = re.compile(
    r"<[\w.-]{1,60}>\Z|[\w.@~:/()-]{1,80}[#>$] ?(?:(?:sh|show|display|export|exit)\b.{0,80})?\Z"
)


class Unsaved(TypedDict):
    """Whether the running configuration would be lost at a restart, and what of it; "-" lines are the startup's."""

    is_unsaved: bool
    summary: str
    added: int
    removed: int


def normalise(platform: str, text: str) -> str:
    """The configuration without what changes by itself: equal texts mean equal configurations.

    Times, sizes, checksums, "Building configuration", NTP's clock period, uptimes, prompts at both ends and space at
    line ends go; `platform` is a netmiko name, "frr" or "vyos". The text ends with one line feed. Raises ProtocolError
    when it is absurdly long or holds nothing.
    """
    if len(text) > MAX_BYTES:
        raise ProtocolError("The configuration is longer than any real one.")
    found = [line.rstrip() for line in lines(text)]
    if len(found) > MAX_LINES:
        raise ProtocolError("The configuration has more lines than any real one.")
    found = [line for line in found if not _VOLATILE.match(line)]
    while found and (not found[0] or _is_prompt(platform, found[0])):
        found.pop(0)
    while found and (not found[-1] or _is_prompt(platform, found[-1])):
        found.pop()
    if not found:
        raise ProtocolError("The answer holds no configuration.")
    kept = [line for n, line in enumerate(found) if line or found[n - 1]]  # one blank line in a row
    return "\n".join(kept) + "\n"


def _is_prompt(platform: str, line: str) -> bool:
    # "#" alone closes a section on Huawei, and RouterOS's comments start with it
    return len(line) > 1 and not line.startswith(("#", "!")) and _PROMPT.match(line) is not None


_COMMENT: Final = re.compile(r"\s{0,200}(?:[!#;].{0,200})?\Z")


def unsaved(platform: str, running: str, startup: str) -> Unsaved:
    """Whether the running configuration differs from the one of the next start, comments and blank lines aside.

    Raises NotSupported for VyOS, whose two texts have different forms, and ProtocolError as `normalise`.
    """
    if platform == "vyos":
        raise NotSupported("VyOS writes its running and its saved configuration in different forms.")
    texts = []
    for text in (startup, running):
        kept = [line for line in normalise(platform, text).split("\n") if not _COMMENT.fullmatch(line[:400])]
        texts.append("\n".join(line for line in kept if line.strip() not in ("end", "exit", "return")) + "\n")
    difference = diff_words(*texts)
    return {
        "is_unsaved": texts[0] != texts[1],
        "summary": summary(*texts),
        "added": difference["added"],
        "removed": difference["removed"],
    }
