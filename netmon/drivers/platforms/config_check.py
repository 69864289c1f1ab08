"""Whether a text is a whole configuration, and what it says itself about its last change."""

from __future__ import annotations

import re
from typing import Final

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.config_text import normalise
from netmon.drivers.platforms.text import clean, words

# Fewer lines than any device's: an error text, or the beginning of a configuration.
SHORTEST: Final = 3
# Systems that close their configuration with a line of its own: without it the text was cut.
_ENDS: Final = {
    "frr": ("end",),
    "linux": ("end",),
    "cisco_ios": ("end",),
    "cisco_xe": ("end",),
    "cisco_xr": ("end",),
    "cisco_asa": (": end",),
    "arista_eos": ("end",),
    "huawei": ("return",),
    "huawei_vrp": ("return",),
    "huawei_vrpv8": ("return",),
}
# Of those: what their startup file has no end of, since it is a plain file.
_FILES: Final = ("frr", "linux")
_REFUSED: Final = re.compile(
    r"^\s*(?:%|error\b|cat: |[\w-]{1,20} is not running\b|exiting: failed|command not found"
    r"|.{0,80}(?:permission denied|no such file or directory|connection refused|not authori[sz]ed))",
    re.IGNORECASE,
)
# How many of the first lines may be a refusal; a configuration may quote one further down.
_HEAD: Final = 5
_COMMENT: Final = re.compile(r"\s*(?:[!#;:].*)?\Z")
_MISSING: Final = re.compile(r"^\s*([a-z][a-z0-9]{1,15}) is not running\b", re.MULTILINE)
_BY: Final = (
    # IOS, XE, XR: "! Last configuration change at 10:11:12 UTC Mon Nov 2 2026 by ada"
    re.compile(r"^!{1,2} ?Last configuration change at [^\n]{1,80}? by (\S{1,64})", re.MULTILINE),
    # EOS: "! Startup-config last modified at Mon Nov  2 10:11:12 2026 by ada"
    re.compile(r"^! ?Startup-config last modified at [^\n]{1,80}? by (\S{1,64})", re.MULTILINE),
    # Junos and VyOS: "## Last commit: 2026-11-02 10:11:12 UTC by ada"
    re.compile(r"^(?:##|//) ?Last (?:commit|changed)(?: at)?:? [^\n]{1,80}? by (\S{1,64})", re.MULTILINE),
    # ASA: ": Written by ada at 10:11:12.345 UTC Mon Nov 2 2026"
    re.compile(r"^: Written by (\S{1,64}) at ", re.MULTILINE),
    # IOS: "! NVRAM config last updated at ... by ada"; the last, for saving is not changing
    re.compile(r"^! ?NVRAM config last updated at [^\n]{1,80}? by (\S{1,64})", re.MULTILINE),
)
# VyOS, `show system commit`: "0   2026-11-02 10:11:12 by vyos via cli"
_COMMIT: Final = re.compile(r"^\s*0\s+(?:\S+ \S+|\S+) by (\S{1,64}) via (\S{1,32})", re.MULTILINE)
_HEAD_CHARS: Final = 4096


def whole(platform: str, text: str, what: str, *, is_startup: bool = False) -> str:
    """`text` cleaned, if it is a whole configuration that answers `what`.

    Raises ProtocolError for an error text, for one that was cut, and for a few lines.
    """
    text = clean(text).strip("\n")
    head = [line for line in text[:_HEAD_CHARS].splitlines() if line.strip()][:_HEAD]
    if not head:
        raise ProtocolError(f"{what}: the device answered nothing.")
    refuse_missing(text, what)
    refused = next((line for line in head if _REFUSED.match(line) and not _is_harmless(line)), None)
    if refused is not None:
        raise ProtocolError(f"{what}: this is an error and no configuration: {words(refused, 160)}")
    ends = () if is_startup and platform in _FILES else _ENDS.get(platform, ())
    kept = normalise(platform, text).splitlines()
    if ends and kept[-1].strip() not in ends:
        raise ProtocolError(f"{what}: the text was cut: its last line is not `{ends[0]}`.")
    said = sum(1 for line in kept if not _COMMENT.match(line[:200]) and line.strip() not in ends)
    if said < SHORTEST:
        raise ProtocolError(f"{what}: {said} lines are no configuration.")
    return text + "\n"


def refuse_missing(text: str, what: str) -> None:
    """Raises ProtocolError where FRR says that one of its daemons did not answer: its lines would look deleted."""
    if match := _MISSING.search(clean(text[:_HEAD_CHARS])):
        raise ProtocolError(f"{what}: {match[1]} is not running, so its part is missing.")


def _is_harmless(line: str) -> bool:
    # vtysh says so of a router without a file of its own, and goes on
    return line.startswith("% Can't open configuration file")


def last_change(text: str) -> tuple[str, str]:
    """Who changed the configuration last, and the line that says so: ("ada", "! Last ... by ada"); ("", "") if none."""
    text = clean(text[:_HEAD_CHARS] + "\n" + text[-_HEAD_CHARS:])
    for pattern in _BY:
        if match := pattern.search(text):
            return words(match[1], 64), words(match[0], 200)
    return "", ""


def last_commit(text: str) -> tuple[str, str]:
    """The same of VyOS's `show system commit`, whose newest line is numbered 0."""
    if match := _COMMIT.search(clean(text[:_HEAD_CHARS])):
        return words(match[1], 64), words(match[0], 200)
    return "", ""
