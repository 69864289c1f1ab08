"""Text from devices: hostile until cleaned."""

from __future__ import annotations

import unicodedata


def clean(raw: bytes, limit: int = 255) -> str:
    """`raw` as UTF-8, else as Latin-1, on one line, without control characters, at most `limit` characters."""
    raw = raw[: limit * 4].rstrip(b"\0")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    # Cc and Cf: control and format characters, which include those that turn the direction of text round
    kept = ("" if unicodedata.category(c) in ("Cc", "Cf") and not c.isspace() else c for c in text)
    return " ".join("".join(kept).split())[:limit].strip()
