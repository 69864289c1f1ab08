"""FRR over vtysh: what is asked, and whether the service asked for is there. The parsers are in `frr_routing` and
`frr_routes`. Measured on FRR 8.4; keys of other versions are taken where they are known.

JSON only: text differs from version to version. `show ip rip`, `show version` and `show daemons` have no JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from netmon.drivers.errors import ProtocolError
from netmon.drivers.platforms.links import interface, join_counters, mac
from netmon.drivers.platforms.shapes import Facts, Interface, Presence, Reading
from netmon.drivers.platforms.text import clean, count, json_start, lines, load_json, mapping, rows, words
from netmon.drivers.ssh.answers import Answer

T = TypeVar("T")

# What answers which question, as vtysh lines. `show bgp summary` has all families, `show ip bgp summary` IPv4 alone.
COMMANDS: Final[Mapping[str, str]] = {
    "version": "show version",
    "daemons": "show daemons",
    "route_summary": "show ip route summary json",
    "route_summary6": "show ipv6 route summary json",
    "routes": "show ip route json",
    "routes6": "show ipv6 route json",
    "bgp": "show bgp vrf all summary json",
    "bgp_neighbors": "show bgp vrf all neighbors json",
    "ospf": "show ip ospf vrf all neighbor json",
    "ospf6": "show ipv6 ospf6 vrf all neighbor json",
    "interfaces": "show interface json",
    "bfd": "show bfd peers json",
    "rip": "show ip rip",
    "rip_status": "show ip rip status",
    "running_config": "show running-config",
}
# The fallback where a router refuses `vrf all`.
COMMANDS_DEFAULT_VRF: Final[Mapping[str, str]] = {
    "bgp": "show bgp summary json",
    "bgp_neighbors": "show bgp neighbors json",
    "ospf": "show ip ospf neighbor json",
    "ospf6": "show ipv6 ospf6 neighbor json",
}
# Not shown by vtysh: counters are the kernel's.
COUNTERS: Final = ("cat", "/proc/net/dev")
STARTUP_CONFIG: Final = ("cat", "/etc/frr/frr.conf")


def vtysh(*vtysh_lines: str) -> tuple[str, ...]:
    """The argv that asks all lines in one vtysh: a process each would cost the router five times as much.

    vtysh stops at the first line that fails; see `documents`.
    """
    return ("vtysh", *(word for line in vtysh_lines for word in ("-c", line)))


def documents(answer: Answer, expected: int) -> list[Answer] | None:
    """The answer of one vtysh with `expected` JSON lines, one Answer each.

    None where the lines have to be asked one by one: a line failed (vtysh stops there), or a protocol that is not
    configured printed nothing, so that it is unclear whose document is whose.
    """
    if answer.status != 0:
        return None
    text = clean(answer.stdout) if "\x1b" in answer.stdout else answer.stdout
    decoder = json.JSONDecoder()
    found: list[Answer] = []
    at = json_start(text)
    while at is not None and len(found) <= expected:
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        found.append(Answer(stdout=text[at:end], stderr="", status=0))
        at = end
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            break
        if text[at] not in "{[":
            return None
    return found if len(found) == expected else None


# Debian keeps /etc/frr closed, so vtysh says this before each answer of an account that is not root. It means nothing.
_HARMLESS = "% Can't open configuration file"
_NOT_RUNNING = re.compile(r"\b([a-z][a-z0-9]{1,15}) is not running")
_NOT_CONFIGURED = re.compile(
    r"instance not found|not (?:configured|enabled)|no bgp process|not found\s{0,4}\Z", re.IGNORECASE
)


def _without_warning(text: str) -> str:
    return "\n".join(line for line in clean(text[:2000]).split("\n") if not line.startswith(_HARMLESS)).strip()


def fault(answer: Answer) -> Reading[Any] | None:
    """Why a vtysh line has no answer, as a reading without a value; None where it answered (maybe with nothing)."""
    if not answer.is_whole:
        why = "The command ran into its time limit." if answer.status == 124 else "The answer was cut off."
        return Reading(Presence.UNKNOWN, reason=why)
    out, err = _without_warning(answer.stdout), _without_warning(answer.stderr)
    said = f"{err}\n{out}" if answer.status else err if not out else out if out.startswith("%") else ""
    if answer.status == 127 or "command not found" in said or "vtysh: not found" in said:
        return Reading(Presence.NOT_INSTALLED, reason="The device has no vtysh: FRR is not installed.")
    if answer.status == 126:
        return Reading(Presence.NOT_PERMITTED, reason="The account may not run this command.")
    if match := _NOT_RUNNING.search(said):
        return Reading(Presence.NOT_RUNNING, reason=f"{match[1]} is not running.")
    if "failed to connect to any daemons" in said:
        # vtysh hints so where it is not root: then the sockets may be there but closed to us
        if "privileged user" in said:
            why = "No daemon answers: FRR is stopped, or the account is not in the group frrvty."
            return Reading(Presence.NOT_PERMITTED, reason=why)
        return Reading(Presence.NOT_RUNNING, reason="No FRR daemon is running.")
    if "Unknown command" in said or "Command incomplete" in said or "Ambiguous command" in said:
        return Reading(Presence.NOT_INSTALLED, reason="The router does not know the command, or refuses it.")
    if "Permission denied" in out or (answer.status and "Permission denied" in err):
        return Reading(Presence.NOT_PERMITTED, reason="The account may not ask this.")
    if answer.status:
        raise ProtocolError(f"vtysh failed with status {answer.status}. {words(said, 200)}".strip())
    return None


def document(answer: Answer, what: str) -> Reading[Any]:
    """The JSON a line printed, or why there is none. Empty, `{}` and a warning alone mean: not configured.

    Raises ProtocolError when the text is something else than JSON.
    """
    if found := fault(answer):
        return found
    nothing = f"{what} is not configured."
    if not _without_warning(answer.stdout):
        return Reading(Presence.NOT_CONFIGURED, reason=nothing)
    if json_start(clean(answer.stdout[:4000])) is None and _NOT_CONFIGURED.search(
        _without_warning(answer.stdout)[:400]
    ):
        return Reading(Presence.NOT_CONFIGURED, reason=nothing)
    value = load_json(answer.stdout, what)
    if value in ({}, []) or (isinstance(value, dict) and set(value) <= {"warning", "bgpNoSuchNeighbor"}):
        return Reading(Presence.NOT_CONFIGURED, reason=nothing)
    return Reading(Presence.RUNNING, value=value)


def text_answer(answer: Answer, what: str) -> Reading[list[str]]:
    """The lines of a command without JSON, or why there are none. Nothing at all means: not configured."""
    if found := fault(answer):
        return found
    found_lines = [line for line in lines(answer.stdout) if not line.startswith(_HARMLESS)]
    if not any(line.strip() for line in found_lines):
        return Reading(Presence.NOT_CONFIGURED, reason=f"{what} is not configured.")
    return Reading(Presence.RUNNING, value=found_lines)


def without_value(reading: Reading[Any], empty: T | None = None) -> Reading[T]:
    """The same presence and reason for another shape; `empty` is given where nothing is configured."""
    value = empty if reading.presence is Presence.NOT_CONFIGURED else None
    return Reading(reading.presence, value=value, reason=reading.reason)


def daemons(answer: Answer) -> Reading[list[str]]:
    """Names of the running daemons, from `show daemons` (a line of words)."""
    asked = text_answer(answer, "FRR")
    if asked.value is None:
        return without_value(asked)
    names = [name for line in asked.value for name in line.split() if re.fullmatch(r"[a-z][a-z0-9]{1,15}", name)]
    if not names:
        raise ProtocolError("show daemons: no daemon is named.")
    return Reading(Presence.RUNNING, value=names[:64])


def facts(answer: Answer) -> Reading[Facts]:
    """Version and host name from `show version`. The uptime and the model are the host's: ask it."""
    asked = text_answer(answer, "FRR")
    if asked.value is None:
        return without_value(asked)
    for line in asked.value[:20]:
        if match := re.search(r"\A\s{0,20}FRRouting (\S{1,60})(?: \(([^()]{0,253})\))?", line[:600]):
            value: Facts = {
                "hostname": match[2] or "",
                "vendor": "FRRouting",
                "model": "",
                "os_version": match[1].rstrip("."),
                "serial_number": "",
                "uptime_seconds": None,
            }
            return Reading(Presence.RUNNING, value=value)
    raise ProtocolError("show version: it is not FRR's.")


_LINK_TIME = re.compile(r"(\d{4})/(\d\d)/(\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)")


def interfaces(answer: Answer, counted: list[Interface] | None = None) -> Reading[list[Interface]]:
    """`show interface json`, with counters of the kernel (`links.interfaces_from_proc`) joined by name.

    `last_link_down` is the router's local time, without a zone. One failure can count more than once in `link_downs`: a
    difference means "it flapped", not how often.
    """
    asked = document(answer, "zebra")
    if asked.value is None:
        return without_value(asked)
    found = []
    for name, row in list(mapping(asked.value).items())[:10000]:
        row = mapping(row)
        if "administrativeStatus" not in row:
            continue
        one = interface(words(name, 64))
        admin = "up" if row["administrativeStatus"] == "up" else "down"
        # a missing word is FRR's way to say that the interface is administratively down
        speed = count(row.get("speed"), most=10_000_000)
        down_at = _LINK_TIME.fullmatch(words(row.get("lastLinkDown"), 40))
        one.update(
            {
                "index": count(row.get("index"), most=1 << 31),
                "description": words(row.get("description")),
                "type": words(row.get("interfaceType") or row.get("type"), 64),
                "mac_address": mac(row.get("hardwareAddress")),
                "mtu": count(row.get("mtu"), most=1 << 31),
                "speed_bps": speed * 1_000_000 if speed else None,
                "vrf": words(row.get("vrfName"), 64),
                "admin_status": admin,
                "oper_status": "up" if row.get("operationalStatus") == "up" and admin == "up" else "down",
                "addresses": [words(each.get("address"), 64) for each in rows(row.get("ipAddresses"))[:256]],
                "link_ups": count(row.get("linkUps")),
                "link_downs": count(row.get("linkDowns")),
                "last_link_down": "{}-{}-{}T{}".format(*down_at.groups()) if down_at else None,
            }
        )
        found.append(one)
    if not found:
        raise ProtocolError("show interface: no interface in the answer.")
    return Reading(Presence.RUNNING, value=join_counters(found, counted) if counted else found)


def of_each_vrf(document_: object, is_own: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """(VRF, object) of an answer that `vrf all` may have wrapped; `is_own` are keys that show it is not wrapped."""
    top = mapping(document_)
    if any(key in top for key in is_own):
        return [(words(top.get("vrfName"), 64) or "default", top)]
    return [
        (words(name, 64) or "default", inner) for name, inner in list(top.items())[:4096] if isinstance(inner, dict)
    ]
