"""Who made a network card, from the IEEE's public list of prefixes (MA-L, MA-M, MA-S), and whether a MAC was made up.

The list is `oui_data/prefixes.txt`; docs/third-party.md says where it is from.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

PREFIXES = Path(__file__).with_name("oui_data") / "prefixes.txt"
# Hex digits of a prefix, longest first: the short ones are those of whom blocks were taken from.
LENGTHS = (9, 7, 6)
LOCALLY_ADMINISTERED, GROUP = 0x02, 0x01


def vendor_of(mac: str) -> str:
    """The organisation that the prefix of a MAC address ("00:11:22:33:44:55" in any usual form) is registered to.

    "" for an unknown prefix, for a locally administered address, and for what is no MAC.
    """
    digits = _digits(mac)
    if not digits or is_randomised(mac):
        return ""
    known = _prefixes()
    return next((known[digits[:length]] for length in LENGTHS if digits[:length] in known), "")


def is_randomised(mac: str) -> bool:
    """Whether the address is locally administered (IEEE 802-2014, 8.4): phones and laptops make up such ones, and so
    do virtual machines. It tells one visit from the next, but not the device."""
    digits = _digits(mac)
    return bool(digits) and int(digits[:2], 16) & (LOCALLY_ADMINISTERED | GROUP) == LOCALLY_ADMINISTERED


def _digits(mac: str) -> str:
    digits = re.sub(r"[:.\-\s]", "", mac).upper()
    return digits if re.fullmatch(r"[0-9A-F]{12}", digits) else ""


@functools.cache
def _prefixes() -> dict[str, str]:
    """Some 57,000 prefixes and 8 MB, read when first asked for."""
    found = {}
    with PREFIXES.open(encoding="utf-8") as lines:
        for line in lines:
            name, _, prefixes = line.rstrip("\n").partition("\t")
            found.update(dict.fromkeys(prefixes.split(), name))
    return found
