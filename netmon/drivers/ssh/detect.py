"""What a device is, from how it greets, what its shell says, and last from what its vendor's shell answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from netmon.drivers.errors import Busy, DeadlineExceeded, DriverError, NotSupported, ProtocolError
from netmon.drivers.ssh import failures, library
from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.link import Clock, Link
from netmon.drivers.ssh.session import SshSession, open_session
from netmon.drivers.ssh.shell import open_link
from netmon.drivers.targets import SSH_PLATFORMS, HostKey, SshTarget

UNKNOWN = "unknown"
# Only greetings that one family alone gives: Cisco's is the same on IOS, XE and ASA.
GREETINGS = (
    (re.compile(r"-ROSSSH"), "mikrotik_routeros"),
    (re.compile(r"-HUAWEI-"), "huawei"),
    (re.compile(r"-Comware-"), "hp_comware"),
    (re.compile(r"-Zyxel", re.IGNORECASE), "zyxel_os"),
)
# Of "show version", for devices that answer it on an exec channel; more special ones first.
VERSIONS = (
    (re.compile(r"Cisco IOS XR"), "cisco_xr"),
    (re.compile(r"Cisco IOS[ -]XE"), "cisco_xe"),
    (re.compile(r"Cisco IOS Software|Cisco Internetwork Operating System"), "cisco_ios"),
    (re.compile(r"Cisco Nexus|NX-OS"), "cisco_nxos"),
    (re.compile(r"Cisco Adaptive Security Appliance"), "cisco_asa"),
    (re.compile(r"\bArista\b|\bvEOS\b"), "arista_eos"),
    (re.compile(r"\bJUNOS\b|\bJunos:"), "juniper_junos"),
    (re.compile(r"ArubaOS-CX|AOS-CX"), "aruba_aoscx"),
    (re.compile(r"ExtremeXOS|\bEXOS\b"), "extreme_exos"),
    (re.compile(r"\bVyOS\b"), "vyos"),
    (re.compile(r"\bFRRouting\b"), "frr"),
)
# netmiko's guesses that have another name here
GUESSES = {"h3c_comware": "hp_comware", "dell_force10": "dell_os9", "cumulus_linux": "linux"}
PROBES = {
    "uname": ("uname", "-s"),
    "release": ("cat", "/etc/os-release"),
    "vtysh": ("sh", "-c", "command -v vtysh"),
}
MAX_EVIDENCE = 200


@dataclass(frozen=True, slots=True)
class Detection:
    """`platform`: one of SSH_PLATFORMS except "auto", or "unknown"; `evidence`: the text that told, cut short.

    `server_version` and `shown_keys` are those of the session that found it.
    """

    platform: str
    evidence: str
    server_version: str = ""
    shown_keys: tuple[tuple[HostKey, bool], ...] = ()


def detect(target: SshTarget) -> Detection:
    """Finds out what `target` is; its own platform is not looked at, and two logins share its deadline.

    The second login, for the vendor's shell, happens only where greeting and commands told nothing. Raises DriverError
    as `open_session` does; a device that cannot be asked after the login is "unknown".
    """
    clock = Clock(target.deadline_seconds)
    with open_session(target) as session:
        greeting, keys = session.server_version, session.shown_keys
        found = _by_greeting(greeting)
        try:
            found = found or _by_commands(session)
        except (ProtocolError, NotSupported, Busy, DeadlineExceeded):
            found = None  # a device without exec channels hangs up, or hangs
    # what was believed unseen a moment ago must be there the second time too
    found = found or _by_shell(_pinned(target, keys), greeting, clock)
    return replace(found, server_version=shown(greeting), shown_keys=keys)


def _pinned(target: SshTarget, keys: tuple[tuple[HostKey, bool], ...]) -> SshTarget:
    (key, _), *rest = keys
    jump = _pinned(target.jump, tuple(rest)) if target.jump and rest else target.jump
    return replace(target, pins=(key,), jump=jump)


def _by_greeting(greeting: str) -> Detection | None:
    return next((_found(platform, greeting) for pattern, platform in GREETINGS if pattern.search(greeting)), None)


def _by_commands(session: SshSession) -> Detection | None:
    answers = session.run(PROBES)
    if session.mode == "vtysh":
        return _found("frr", "the login shell is vtysh")
    release = answers["release"].stdout
    if _is_good(answers["release"]) and re.search(r'^ID="?vyos"?[ \t\r]{0,20}(?:\n|\Z)', release, re.MULTILINE):
        return _found("vyos", release)
    if _is_good(answers["uname"]) and answers["uname"].stdout.strip() == "Linux":
        if _is_good(answers["vtysh"]) and answers["vtysh"].stdout.strip().endswith("vtysh"):
            return _found("frr", f"Linux with {answers['vtysh'].stdout.strip()}")
        pretty = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.MULTILINE)
        return _found("linux", f"Linux, {pretty[1]}" if pretty else "Linux")
    return _by_version(session.execute("show version").stdout)


def _by_version(text: str) -> Detection | None:
    for pattern, platform in VERSIONS:
        match = pattern.search(text)
        if match:
            start = text.rfind("\n", 0, match.start()) + 1
            return _found(platform, text[start:].partition("\n")[0])
    return None


def _by_shell(target: SshTarget, greeting: str, clock: Clock) -> Detection:
    """Raises DeadlineExceeded only: a device that lets nobody into its shell is unknown, a slow one is slow."""
    if not clock.remaining:
        raise failures.deadline(clock.seconds)
    link = Link(target, clock)
    try:
        open_link(link, "autodetect")
        assert link.connection is not None
        guess, seen = library.guess_device_type(link.connection)
    except library.SHELL_ERRORS:
        if not clock.remaining:
            raise failures.deadline(clock.seconds) from None
        return _found(UNKNOWN, f"{greeting}; {failures.cut().detail}")
    except DriverError as error:
        if not clock.remaining:
            raise
        return _found(UNKNOWN, f"{greeting}; {error.detail}")
    finally:
        link.close()
    found = _by_version(seen)
    if found:
        return found
    name = GUESSES.get(guess or "", guess or "")
    first = next((line for line in seen.splitlines()[1:] if line.strip()), "")
    if name in SSH_PLATFORMS:
        return _found(name, first)
    return _found(UNKNOWN, f"{greeting}; netmiko says {guess}; {first}" if guess else f"{greeting}; {first}")


def _is_good(answer: Answer) -> bool:
    return answer.status == 0


def _found(platform: str, evidence: str) -> Detection:
    return Detection(platform, shown(evidence))


def shown(text: str) -> str:
    """A device's text in one line that can be printed, cut short."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:MAX_EVIDENCE]
