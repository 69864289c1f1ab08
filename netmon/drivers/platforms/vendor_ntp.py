"""The clock of vendor devices: short texts of "synchronised, stratum 3, reference 192.0.2.1" in five dialects."""

from __future__ import annotations

import re
from typing import Final

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.shapes import NtpSource, NtpStatus, ntp_unknown
from netmon.drivers.platforms.text import address, count, decimal, lines

_SYNCED: Final = re.compile(r"(?P<no>un|not )?synchroni[sz]ed", re.IGNORECASE)
_STRATUM: Final = re.compile(r"stratum ?:? ?(\d{1,3})", re.IGNORECASE)
_REFERENCE: Final = re.compile(
    r"(?:reference(?: clock)?(?: is| ID:)|server \(?|synced-server:) ?\(?([0-9a-fA-F:.]{3,45})", re.IGNORECASE
)
_OFFSET: Final = re.compile(r"(?:clock |system-)offset(?: is|:) ?(-?\d{1,12}(?:\.\d{1,9})?) ?(m?s)", re.IGNORECASE)
# NX-OS: `show ntp peer-status`; the marks are those of ntpq
_PEER: Final = re.compile(
    r"([*+=~-]?)\s?([0-9a-fA-F:.]{3,45})\s+\S{1,45}\s+(\d{1,2})\s+(\d{1,6})\s+(\d{1,4})\s+(\S{1,16})(?:\s.{0,200})?"
)


def ntp_text(text: str) -> NtpStatus:
    """`show ntp status` and its likes. Raises ProtocolError when no line tells whether the clock is synchronised.

    An offset is the peer's time less the device's, as everywhere: positive means the device's clock is slow.
    """
    said = " ".join(line.strip() for line in lines(text[:20_000])[:200])
    status = ntp_unknown("device")
    if "peer-status" in said or "Total peers" in said:
        return _peers(text, status)
    match = _SYNCED.search(said)
    if match is None:
        raise ProtocolError("The answer does not tell whether the clock is synchronised.")
    status["is_synchronised"] = not match["no"]
    status["leap"] = "unknown" if status["is_synchronised"] else "not_synchronised"
    if found := _STRATUM.search(said):
        status["stratum"] = count(found[1], most=16)
    if (found := _REFERENCE.search(said)) and (reference := address(found[1])):
        status["reference"] = reference
    if found := _OFFSET.search(said):
        number = decimal(found[1])
        status["offset_seconds"] = None if number is None else number / (1000 if found[2].lower() == "ms" else 1)
    if not status["is_synchronised"]:
        status["reason"] = "The clock is not synchronised."
    return status


def _peers(text: str, status: NtpStatus) -> NtpStatus:
    for line in lines(text[:200_000])[:1000]:
        match = _PEER.fullmatch(line[:400].strip())
        if match is None or not (peer := address(match[2])):
            continue
        source: NtpSource = {
            "address": peer,
            "state": match[1] or " ",
            "is_selected": match[1] == "*",
            "stratum": count(match[3], most=16),
            "poll_seconds": count(match[4]),
            "reach": count(match[5], most=255, base=8),
            "last_answer_seconds": None,
            "offset_seconds": None,
        }
        status["sources"].append(source)
    best = next((one for one in status["sources"] if one["is_selected"]), None)
    if best is None:
        status["reason"] = "No source is selected." if status["sources"] else "No source is configured."
        return status
    status["reach"], status["reference"] = best["reach"], best["address"]
    status["stratum"] = best["stratum"] + 1 if best["stratum"] is not None else None
    status["is_synchronised"] = bool(best["reach"])
    if not best["reach"]:
        status["reason"] = "The selected source no longer answers."
    return status
