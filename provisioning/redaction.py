"""Keeping secrets out of what a script writes, also where one is cut in two by the pieces in which it comes. Pure."""

import base64
import codecs
import json
import re
import shlex
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MARK = "[secret]"
SHORTEST, SHORTEST_LINE, LONGEST_ESCAPE = 3, 8, 64
# What no page and no database should meet: all control characters but tab and line feed.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


def forms_of(secret: str) -> set[str]:
    """How a secret may look in an output: as it is, its lines, and as shells, documents and addresses have it."""
    raw = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}
    found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], shlex.quote(secret)}
    found |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), raw.hex()}
    found |= {line.strip() for line in secret.splitlines() if len(line.strip()) >= SHORTEST_LINE}
    return {text for text in found if len(text) >= SHORTEST}


class Redactor:
    """Takes bytes as they come, gives text without secrets; what may begin a secret waits for its rest.

    Escape sequences go first: one in the middle of a secret would hide it from us, and then go.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {text for secret in secrets for form in forms_of(secret) if len(text := clean(form)) >= SHORTEST}
        self._forms = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(form) for form in self._forms)) if forms else None
        self._firsts = {form[0] for form in forms}
        self._tail = len(self._forms[0]) - 1 if forms else 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._raw = ""  # not cleaned yet
        self._held = ""  # not looked through to its end yet

    def feed(self, raw: bytes) -> str:
        text = self._raw + self._decoder.decode(raw)
        waits = _escape(text)
        self._raw = text[len(text) - waits :]
        held = self._hidden(self._held + clean(text[: len(text) - waits]))
        keep = self._begun(held)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def end(self) -> str:
        """What was held back. Output may have been cut in the middle of a secret: its beginning goes as well."""
        held = self._hidden(self._held + clean(self._raw + self._decoder.decode(b"", final=True)))
        self._raw = self._held = ""
        begun = self._begun(held)
        return held[: len(held) - begun] + MARK if begun >= SHORTEST else held

    def _hidden(self, text: str) -> str:
        return self._pattern.sub(MARK, text) if self._pattern is not None else text

    def _begun(self, text: str) -> int:
        """How many characters at the end may be the beginning of a secret."""
        for at in range(max(0, len(text) - self._tail), len(text)):
            if text[at] in self._firsts and any(form.startswith(text[at:]) for form in self._forms):
                return len(text) - at
        return 0


def _escape(text: str) -> int:
    """How many characters at the end may be the beginning of an escape sequence, or of a line's end."""
    at = text.rfind("\x1b", max(0, len(text) - LONGEST_ESCAPE))
    if at >= 0 and not ESCAPES.match(text, at):
        return len(text) - at
    return 1 if text.endswith("\r") else 0


def clean(text: str) -> str:
    """Without escape sequences; other control characters become a mark."""
    return CONTROLS.sub("\ufffd", ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))
