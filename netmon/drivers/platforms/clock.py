"""Is the clock right, and who says so? chrony, ntpd and systemd-timesyncd in one shape.

Offsets are true time less the device's clock (RFC 5905): **positive means the device's clock is slow**. chronyc's
`tracking` and ntpq count so; chronyc's `sources` counts the other way (chronyc(1)) and is turned round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.shapes import NtpSource, NtpStatus, ntp_unknown
from netmon.drivers.platforms.text import clean, count, decimal, lines, words
from netmon.drivers.ssh.answers import Answer

# In the order of trust; an unprivileged account may ask all of them.
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "chrony_tracking": ("chronyc", "-c", "-n", "tracking"),
    "chrony_sources": ("chronyc", "-c", "-n", "sources"),
    "ntpq_peers": ("ntpq", "-pn"),
    "ntpq_variables": ("ntpq", "-crv"),
    "timedatectl": ("timedatectl", "show"),
    "timesync": ("timedatectl", "timesync-status"),
}
MAX_SOURCES = 1000
NEVER = 4294967295  # chronyc's "no answer yet", seconds
_LOCAL_REFERENCE = "7F7F0101"
_LEAPS = {
    "Normal": "normal",
    "Insert second": "insert_second",
    "Delete second": "delete_second",
    "Not synchronised": "not_synchronised",
    "00": "normal",
    "01": "insert_second",
    "10": "delete_second",
    "11": "not_synchronised",
    "normal": "normal",
    "insert second": "insert_second",
    "remove second": "delete_second",
    "not synchronized": "not_synchronised",
}


def ntp_status(answers: Mapping[str, Answer]) -> NtpStatus:
    """The device's time from what its commands answered; keys as in COMMANDS, missing ones were not asked.

    The first daemon that answers counts. `source` is "none" when none does, with the reasons. Raises ProtocolError when
    a daemon's answer is malformed or was cut.
    """
    why = []
    for what, other, parse in (
        ("chrony_tracking", "chrony_sources", chrony_status),
        ("ntpq_peers", "ntpq_variables", ntpd_status),
        ("timedatectl", "timesync", timesyncd_status),
    ):
        answer = answers.get(what)
        if answer is None:
            continue
        if not answer.is_whole:
            raise ProtocolError(f"{COMMANDS[what][0]}: the answer was cut off.")
        said = clean(f"{answer.stdout[:300]}\n{answer.stderr[:300]}")
        refused = "Connection refused" in said or "timed out" in said.lower()
        if answer.status or (what == "ntpq_peers" and refused):
            why.append(f"{COMMANDS[what][0]}: {_why_not(answer, said)}")
            continue
        return parse(answer, answers.get(other))
    return {**ntp_unknown("none"), "reason": " ".join(why) or "No time daemon was asked."}


def _why_not(answer: Answer, said: str) -> str:
    if answer.status in (126, 127):
        return "not installed."
    if "506 Cannot talk to daemon" in said or "Connection refused" in said or "not been booted" in said:
        return "its daemon does not run."
    return words(said, 120) or "it failed."


def _judge(status: NtpStatus, is_local: bool) -> NtpStatus:
    """Synchronised: leap known and not "not synchronised", and a selected source that still answers.

    Leap and stratum alone stay good for ever after the last source is lost (measured, chrony 4.3); only the source's
    reach falls. A server that follows its own clock on purpose (`local stratum`) has no source and counts as well.
    """
    selected = next((one for one in status["sources"] if one["is_selected"]), None)
    status["reach"] = selected["reach"] if selected else None
    if status["leap"] in ("not_synchronised", "unknown"):
        status["reason"] = "The clock is not synchronised."
        if not status["sources"]:
            status["reason"] += " No source is configured."
        elif not any(one["reach"] for one in status["sources"]):
            status["reason"] += " No source answers."
    elif selected and selected["reach"]:
        status["is_synchronised"] = True
    elif is_local:
        status["is_synchronised"] = True
        status["reason"] = "It follows its own clock (local stratum)."
    elif selected:
        status["reason"] = "The selected source no longer answers."
    else:
        status["reason"] = "No source is selected."
    return status


def chrony_status(tracking: Answer, sources: Answer | None = None) -> NtpStatus:
    """`chronyc -c -n tracking` and `sources`: 14 and 10 comma separated fields. Raises ProtocolError."""
    fields = clean(tracking.stdout[:2000]).strip().split(",")
    offset = decimal(fields[4], most=1e10) if len(fields) == 14 else None
    if offset is None:
        raise ProtocolError("chronyc tracking: 14 fields were expected.")
    status = ntp_unknown("chrony")
    status["offset_seconds"] = offset
    status["stratum"] = count(fields[2], most=16)
    status["leap"] = _LEAPS.get(fields[13].strip(), "unknown")
    status["reference"] = words(fields[1], 253) or words(fields[0], 16)
    status["root_delay_seconds"] = decimal(fields[10], most=1e6)
    status["root_dispersion_seconds"] = decimal(fields[11], most=1e6)
    status["frequency_ppm"] = decimal(fields[7], most=1e6)  # positive: the clock runs fast
    if sources is not None and sources.status == 0:
        status["sources"] = [_chrony_source(line) for line in lines(sources.stdout)[:MAX_SOURCES] if line.strip()]
    return _judge(status, is_local=fields[0].strip().upper() == _LOCAL_REFERENCE)


def _chrony_source(line: str) -> NtpSource:
    fields = line[:1000].split(",")
    if len(fields) != 10 or fields[1] not in tuple("*+-x~?"):
        raise ProtocolError("chronyc sources: 10 fields were expected.")
    poll, since = count(fields[4], most=32), count(fields[6])
    ahead = decimal(fields[7], most=1e10)
    answered = since is not None and since != NEVER
    return {
        "address": words(fields[2], 253),
        "state": fields[1],
        "is_selected": fields[1] == "*",
        "stratum": count(fields[3], most=16),
        "poll_seconds": 2**poll if poll is not None else None,
        "reach": count(fields[5], most=255, base=8),
        "last_answer_seconds": float(since) if since is not None and answered else None,
        "offset_seconds": -ahead if ahead is not None and answered else None,
    }


_WHEN = re.compile(r"(\d{1,9})([mhdy]?)")
_WHEN_UNITS = {"": 1, "m": 60, "h": 3600, "d": 86400, "y": 31557600}


def ntpd_status(peers: Answer, variables: Answer | None = None) -> NtpStatus:
    """`ntpq -pn` and `ntpq -crv` (ntpd, ntpsec); milliseconds become seconds. Raises ProtocolError.

    Just after its start ntpd says leap_alarm although a peer is selected already: then it is not synchronised.
    """
    status = ntp_unknown("ntpd")
    table = [line for line in lines(peers.stdout)[:MAX_SOURCES] if line.strip()]
    if table and "No association" in table[0]:
        table = []
    elif not any("refid" in line and "reach" in line for line in table[:4]):
        raise ProtocolError("ntpq -p: the heading is missing.")
    status["sources"] = [one for line in table if (one := _ntpq_peer(line))]
    if variables is not None and variables.status == 0:
        pairs = dict(re.findall(r'\b([a-z_]{1,20})=("[^"\n]{0,200}"|[^,\s]{1,80})', clean(variables.stdout[:8000])))
        status["leap"] = _LEAPS.get(pairs.get("leap", ""), "unknown")
        status["stratum"] = count(pairs.get("stratum"), most=16)
        status["reference"] = words(pairs.get("refid"), 64)
        for key, name in (("rootdelay", "root_delay_seconds"), ("rootdisp", "root_dispersion_seconds")):
            number = decimal(pairs.get(key), most=1e9)
            status[name] = number / 1000 if number is not None else None  # type: ignore[literal-required]
        offset = decimal(pairs.get("offset"), most=1e13)
        status["offset_seconds"] = offset / 1000 if offset is not None else None
    selected = next((one for one in status["sources"] if one["is_selected"]), None)
    if selected and variables is None:
        status["leap"], status["offset_seconds"] = "normal", selected["offset_seconds"]
        status["stratum"] = selected["stratum"] + 1 if selected["stratum"] is not None else None
    return _judge(status, is_local=bool(selected and selected["address"].startswith("127.127.1.")))


def _ntpq_peer(line: str) -> NtpSource | None:
    tally, fields = line[:1], line[1:400].split()
    reach = count(fields[6], most=255, base=8) if len(fields) == 10 else None
    if reach is None:
        return None  # headings, or a long name that wrapped
    offset = decimal(fields[8], most=1e13)
    when = _WHEN.fullmatch(fields[4])
    return {
        "address": words(fields[0], 253),
        "state": tally.strip() or " ",
        "is_selected": tally in ("*", "o"),
        "stratum": count(fields[2], most=16),
        "poll_seconds": count(fields[5], most=1 << 17),
        "reach": reach,
        "last_answer_seconds": float(int(when[1]) * _WHEN_UNITS[when[2]]) if when else None,
        "offset_seconds": offset / 1000 if offset is not None and reach else None,
    }


_SPAN = re.compile(r"([+-]?)(\d{1,12}(?:\.\d{1,9})?)(us|ms|s|min|h|d)")
_SPAN_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def timesyncd_status(show: Answer, timesync: Answer | None = None) -> NtpStatus:
    """`timedatectl show` (NTPSynchronized) and `timedatectl timesync-status`. Raises ProtocolError.

    Where another daemon disciplines the clock `timedatectl show` tells the kernel's word only, without a source.
    """
    pairs = dict(line.partition("=")[::2] for line in lines(show.stdout)[:200] if "=" in line)
    if pairs.get("NTPSynchronized") not in ("yes", "no"):
        raise ProtocolError("timedatectl show: NTPSynchronized is missing.")
    status = ntp_unknown("timesyncd")
    status["is_synchronised"] = pairs["NTPSynchronized"] == "yes"
    status["leap"] = "normal" if status["is_synchronised"] else "not_synchronised"
    if timesync is not None and timesync.status == 0:
        said = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines(timesync.stdout)[:60])}
        status["stratum"] = count(said.get("Stratum"), most=16)
        status["leap"] = _LEAPS.get(said.get("Leap", ""), status["leap"])
        status["reference"] = words(said.get("Server"), 253)
        offset = said.get("Offset", "")
        spans = _SPAN.findall(offset[:80])
        if spans:
            total = sum(float(number) * _SPAN_UNITS[unit] for _, number, unit in spans)
            status["offset_seconds"] = -total if offset.startswith("-") else total
        if (name := status["reference"]) and name != "n/a":
            packets = count(said.get("Packet count"))
            status["sources"] = [
                {
                    "address": name.partition(" ")[0],
                    "state": "*" if status["is_synchronised"] else "?",
                    "is_selected": status["is_synchronised"],
                    "stratum": status["stratum"],
                    "poll_seconds": None,
                    "reach": (1 if packets else 0) if packets is not None else None,
                    "last_answer_seconds": None,
                    "offset_seconds": status["offset_seconds"],
                }
            ]
    if not status["is_synchronised"]:
        is_off = pairs.get("NTP") == "no"
        status["reason"] = "Time synchronisation is switched off." if is_off else "The clock is not synchronised."
    return status
