"""What a router says is hostile: cut to length, without control characters, and never with the key in it."""

from __future__ import annotations

import html
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus

from netmon.drivers.targets import Secret

MOST_CHARACTERS = 2000  # of an error: a failed commit names each rule it broke
# A shorter key, such as "vyos", stands in configurations by chance: there only a value that is the key is redacted.
LEAST_KEY = 8
DEPTH = 64  # of an answer; a configuration has about 15
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def said(text: str, key: Secret) -> str:
    """An error text as people may see it: 1.5 escapes it for HTML."""
    cleaned = clean(html.unescape(text), key)
    lines = [line.rstrip() for line in cleaned.strip().splitlines()]
    short = "\n".join(line for line in lines if line)
    return short if len(short) <= MOST_CHARACTERS else short[: MOST_CHARACTERS - 2] + " …"


def clean(text: str, key: Secret) -> str:
    """`text` without control characters (tabs and line ends stay) and without the key, in whatever spelling."""
    return _redacted(_CONTROL.sub("", text), key)


def scrubbed(data: Any, key: Secret, depth: int = DEPTH) -> Any:
    """The same for everything in an answer. Raises ValueError where it is nested deeper than any configuration."""
    if depth < 0:
        raise ValueError("nested too deeply")
    if isinstance(data, str):
        return "***" if data == key.reveal() else _name(data, key)
    if isinstance(data, list):
        return [scrubbed(item, key, depth - 1) for item in data]
    if isinstance(data, dict):
        return {_name(name, key): scrubbed(item, key, depth - 1) for name, item in data.items()}
    return data


def _name(text: str, key: Secret) -> str:
    return clean(text, key) if len(key.reveal()) >= LEAST_KEY else _CONTROL.sub("", text)


def _redacted(text: str, key: Secret) -> str:
    secret = key.reveal()
    spellings = {
        secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1],
        html.escape(secret), html.escape(secret, quote=False), quote(secret), quote(secret, safe=""),
        quote_plus(secret),
    }  # fmt: skip
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    return text
