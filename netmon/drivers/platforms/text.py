"""Text of a device made harmless: escape codes, control characters, absurd numbers and JSON that bites."""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import UTC, datetime
from typing import Any, NoReturn

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.ssh.answers import Answer

# 100 000 routes are 74 MB of JSON (measured, FRR 8.4); anything far above is a mistake or an attack.
MAX_CHARS = 128 << 20
MAX_LINE = 16384
MAX_WORD = 512
MAX_COUNT = (1 << 64) - 1

# CSI, OSC and DCS strings (ended or not), and the short escapes of ECMA-48. No repetition overlaps another, so the time
# is linear.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
)
# C0 but tab and line feed, DEL, C1, marks that turn the direction of writing (a screen would show other text than was
# stored), and halves of surrogate pairs (they cannot be stored).
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without escape codes and control characters, lines ended by a line feed alone; idempotent."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    # An escape code inside another leaves a new one behind, so what remains of ESC goes with the controls.
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def words(value: object, limit: int = MAX_WORD) -> str:
    """A short text for a row: cleaned, on one line, cut at `limit` characters; "" for anything that is not a text."""
    if not isinstance(value, str):
        return ""
    return " ".join(clean(value[: limit * 4]).split())[:limit]


def lines(text: str) -> list[str]:
    """The lines of a cleaned text, none longer than 16 KiB. Raises ProtocolError when the text is absurdly long."""
    if len(text) > MAX_CHARS:
        raise ProtocolError("The answer is longer than any real one.")
    return [line[:MAX_LINE] for line in clean(text).split("\n")]


def count(value: object, *, most: int = MAX_COUNT, base: int = 10) -> int | None:
    """A whole number from 0 to `most`, from a number or digits; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip().replace(",", "")
        if not (value.isascii() and value.isalnum() and len(value) <= 24):
            return None
        try:
            value = int(value, base)
        except ValueError:
            return None
    if isinstance(value, float) and value.is_integer() and abs(value) <= most:
        value = int(value)
    return value if isinstance(value, int) and 0 <= value <= most else None


def decimal(value: object, *, most: float = 1e15) -> float | None:
    """A number within -`most`..`most`; None for anything else, `nan` and `inf` included."""
    if isinstance(value, str):
        value = value.strip()
        if len(value) > 40 or "_" in value:
            return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if -most <= number <= most else None


def address(value: object) -> str | None:
    """An IP address in its shortest form, without zone and prefix length; None where there is none."""
    if not isinstance(value, str) or len(value) > 80:
        return None
    try:
        return str(ipaddress.ip_address(value.strip().partition("/")[0].partition("%")[0]))
    except ValueError:
        return None


def instant(epoch_seconds: float | None) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC; None for None and for years no clock of a device can mean."""
    if epoch_seconds is None or not 0 < epoch_seconds < 4102444800:  # 2100-01-01
        return None
    return datetime.fromtimestamp(epoch_seconds, tz=UTC).isoformat().replace("+00:00", "Z")


_UNITS = {"y": 31536000, "w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_SPAN = re.compile(r"(\d{1,9}) ?([ywdhms])(?:ears?|eeks?|ays?|ours?|inutes?|ins?|econds?|ecs?)?(?![a-z])")


def duration(value: object) -> float | None:
    """Seconds of "00:02:54", "1d02h", "2w3d", "3 days, 4 hours", "2m49s" or "7.422s"; None for "never" and the rest."""
    if not isinstance(value, str) or not value or len(value) > 120:
        return None
    value = value.strip().lower()
    days = 0
    if match := re.fullmatch(r"(\d{1,5})(?::| ?d ?| days?,? )(\d{1,5}:\d\d:\d\d)", value):
        days, value = int(match[1]) * 86400, match[2]
    if re.fullmatch(r"\d{1,6}:\d\d(:\d\d)?(\.\d{1,9})?", value):
        parts = [float(part) for part in value.split(":")]
        total = parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) == 3 else 0)
        return days + total
    if match := re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", value):
        return float(match[1])
    found = _SPAN.findall(value)
    if not found or _SPAN.sub("", value).strip(", "):
        return None
    return float(sum(int(number) * _UNITS[unit] for number, unit in found))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def load_json(text: str, what: str) -> Any:
    """The JSON document of a text, from its first bracket on: a pty puts warnings that start with % before it.

    Raises ProtocolError, naming `what`, when there is none, for NaN and Infinity, and for nesting without end.
    """
    if len(text) > MAX_CHARS:
        raise ProtocolError(f"{what}: the answer is longer than any real one.")
    if "\x1b" in text:
        text = clean(text)
    start = json_start(text)
    if start is None:
        raise ProtocolError(f"{what}: the answer is not JSON.")
    try:
        return json.loads(text[start:], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"{what}: the answer is not whole JSON.") from error


def json_start(text: str) -> int | None:
    """Where the JSON document of a text without escapes starts; None when something else than warnings stands first."""
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at : min(end, at + 400)].strip()
        if line[:1] in ("{", "["):
            return at + text[at : at + 400].index(line[0])
        if line and not line.startswith("%"):
            return None
        at = end + 1
    return None


def mapping(value: object) -> dict[str, Any]:
    """The value where it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[dict[str, Any]]:
    """The objects of a JSON array; empty where the value is no array."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def output(answer: Answer, what: str) -> str:
    """The standard output of a command that must succeed.

    Raises NotSupported when the device has no such command or file, ProtocolError when it was cut or failed.
    """
    if not answer.is_whole:
        raise ProtocolError(f"{what}: the answer was cut off.")
    if answer.status == 0:
        return answer.stdout
    said = words(answer.stderr or answer.stdout, 200)
    if answer.status in (126, 127) or "No such file or directory" in said or "command not found" in said:
        raise NotSupported(f"{what}: the device does not have it. {said}".strip())
    raise ProtocolError(f"{what}: the command failed with status {answer.status}. {said}".strip())
