"""Taking host keys from a known_hosts file: which servers of ours its lines speak of, and what becomes of each key."""

import base64
import binascii
import hmac
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from inventory import host_keys, scopes
from inventory.models import HostKey, ManagementEndpoint
from inventory.ways import WayBook
from netmon.common import locks
from netmon.common.addresses import parse_address
from netmon.drivers.targets import HostKey as DriverHostKey

MAX_CHARACTERS, MAX_LINES = 1 << 20, 5000
# A hashed name must be compared with every name we have; more than this would take seconds.
MAX_COMPARISONS = 1_000_000
HASHED, WILD = "|1|", "*?!"
AUDITED = "imported from a known_hosts file"
# What may become of a line, and whether it leaves somebody something to do.
STATUSES = {
    "imported": "Trusted from now on.",
    "known": "Trusted already.",
    "differs": "Another key of this type is trusted there: approve this one at the device, if it is right.",
    "revoked": "This key was revoked or refused there: approve it at the device, if that was wrong.",
    "unmatched": "No SSH endpoint has this address or name, and port.",
    "ambiguous": "It speaks of servers at different places: enter the key at the right device.",
    "unsupported": "",
    "invalid": "",
}
GOOD = {"imported", "known"}


class TooMuch(ValueError):
    """More than one import takes; its text is for people."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a line at one endpoint, or of a line that no endpoint could be found for."""

    line: int
    host: str
    key_type: str
    fingerprint: str
    status: str
    detail: str
    endpoint: int | None = None
    device: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    host: str
    key: DriverHostKey | None
    status: str = ""  # of one that says nothing to be imported
    detail: str = ""

    def outcome(self, status: str, detail: str = "", endpoint: ManagementEndpoint | None = None) -> Outcome:
        return Outcome(
            line=self.number,
            host=self.host[:255],
            key_type=self.key.key_type if self.key else "",
            fingerprint=self.key.fingerprint if self.key else "",
            status=status,
            detail=detail or STATUSES[status],
            endpoint=endpoint.pk if endpoint else None,
            device=endpoint.device.name if endpoint else "",
        )


def report(outcomes: Iterable[Outcome], *, dry_run: bool) -> dict[str, Any]:
    """The answer of API and command: how many of each status, and all of them."""
    rows = [asdict(outcome) for outcome in outcomes]
    counts = {status: sum(row["status"] == status for row in rows) for status in STATUSES}
    return {"dry_run": dry_run, "counts": counts, "results": rows}


def take(text: str, *, user: Any, rows: Any, dry_run: bool = False) -> list[Outcome]:
    """Trust the keys of a known_hosts file at those endpoints of `rows` that they speak of, in the order of the file.

    A key that differs from a trusted one, or that was revoked, is told and left alone. With `dry_run` nothing is
    written. Raises TooMuch.
    """
    lines = list(_lines(text))
    endpoints = list(rows.filter(protocol="ssh").select_related("device__primary_ip", "device__tenant").order_by("pk"))
    names = _names(endpoints)
    book = WayBook.of(endpoints)
    budget = MAX_COMPARISONS
    found: list[tuple[_Line, list[ManagementEndpoint]]] = []
    outcomes: list[Outcome] = []
    for line in lines:
        if line.key is None or line.status:
            outcomes.append(line.outcome(line.status, line.detail))
            continue
        hashed = line.host.count(HASHED)
        if hashed and hashed * len(names) > budget:
            detail = "Too many hashed names for one import: take fewer lines at a time."
            outcomes.append(line.outcome("unsupported", detail))
            continue
        budget -= hashed * len(names)
        matched = _matched(line.host, names)
        if not matched:
            outcomes.append(line.outcome("unmatched"))
        elif len({book.place_of(endpoint) for endpoint in matched}) > 1:
            outcomes.append(line.outcome("ambiguous"))
        else:
            found.append((line, matched))
    with transaction.atomic():
        outcomes += _decide(found, user=user, dry_run=dry_run)
    return sorted(outcomes, key=lambda outcome: (outcome.line, outcome.endpoint or 0))


def _lines(text: str) -> Iterator[_Line]:
    if len(text) > MAX_CHARACTERS:
        raise TooMuch(f"More than {MAX_CHARACTERS} characters: import it in parts.")
    rows = text.splitlines()
    if len(rows) > MAX_LINES:
        raise TooMuch(f"More than {MAX_LINES} lines: import it in parts.")
    for number, row in enumerate(rows, 1):
        words = row.split()
        if words and not words[0].startswith("#"):
            yield _line(number, words)


def _line(number: int, words: list[str]) -> _Line:
    if words[0] == "@cert-authority":
        detail = "Certificates of hosts are not supported: import the servers' own keys."
        return _Line(number, " ".join(words[1:2]), None, "unsupported", detail)
    if words[0] == "@revoked":
        detail = "A revocation is not imported: revoke the key at its device."
        return _Line(number, " ".join(words[1:2]), None, "unsupported", detail)
    if words[0].startswith("@"):
        return _Line(number, " ".join(words[1:2]), None, "invalid", "This marker is not known.")
    if len(words) < 3:
        return _Line(number, words[0], None, "invalid", "Too short: hosts, type and key are needed.")
    if any(sign in words[0] for sign in WILD):
        return _Line(number, words[0], None, "unsupported", "A pattern names no server: import a line for each.")
    try:
        return _Line(number, words[0], DriverHostKey(words[1], words[2]))
    except ValueError as error:
        text = str(error).partition(": ")[2]
        return _Line(number, words[0], None, "invalid", f"{text[:1].upper()}{text[1:]}.")


def _names(endpoints: Iterable[ManagementEndpoint]) -> dict[str, list[ManagementEndpoint]]:
    """The endpoints by what a known_hosts file may call them: address, names, with a port that is not 22."""
    found: dict[str, list[ManagementEndpoint]] = defaultdict(list)
    for endpoint in endpoints:
        address = endpoint.device.primary_ip
        own = str(endpoint.options.get("host") or "") if isinstance(endpoint.options, dict) else ""
        names = {scopes.host_of(endpoint) or "", endpoint.device.name}
        if address is not None and not own.strip():
            names.add(address.dns_name)
        for name in {_spelt(name) for name in names if name}:
            found[_with_port(name, endpoint.effective_port)].append(endpoint)
    return found


def _spelt(host: str) -> str:
    try:
        return str(parse_address(host.strip()))
    except ValidationError:
        return host.strip().lower().removesuffix(".")


def _with_port(host: str, port: int | None) -> str:
    return host if port == 22 else f"[{host}]:{port}"


def _matched(hosts: str, names: Mapping[str, list[ManagementEndpoint]]) -> list[ManagementEndpoint]:
    found: dict[int, ManagementEndpoint] = {}
    for word in hosts.split(","):
        if word.startswith(HASHED):
            spellings = [name for name in names if _is_hash_of(name, word)]
        else:
            host, port = word, 22
            if word.startswith("[") and "]:" in word:
                host, _, text = word[1:].rpartition("]:")
                port = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
            spellings = [_with_port(_spelt(host), port)]
        for spelling in spellings:
            found |= {endpoint.pk: endpoint for endpoint in names.get(spelling, ())}
    return list(found.values())


def _is_hash_of(name: str, word: str) -> bool:
    """known_hosts' own form: |1|salt|HMAC-SHA1 of the name under the salt."""
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in word.removeprefix(HASHED).split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)


def _decide(found: list[tuple[_Line, list[ManagementEndpoint]]], *, user: Any, dry_run: bool) -> Iterator[Outcome]:
    """Endpoint by endpoint, in the order of their numbers: whoever holds several must hold them in one order."""
    by_endpoint: dict[int, list[tuple[_Line, ManagementEndpoint]]] = defaultdict(list)
    for line, matched in found:
        for endpoint in matched:
            by_endpoint[endpoint.pk].append((line, endpoint))
    for number in sorted(by_endpoint):
        if not dry_run:
            locks.hold(ManagementEndpoint, number)
        known = {row.fingerprint: row for row in HostKey.objects.filter(endpoint=number)}
        states = {fingerprint: row.state for fingerprint, row in known.items()}
        types = {row.key_type for row in known.values() if row.state == HostKey.State.TRUSTED}
        for line, endpoint in by_endpoint[number]:
            assert line.key is not None
            key, state = line.key, states.get(line.key.fingerprint)
            if state == HostKey.State.TRUSTED:
                status = "known"
            elif key.key_type in types:
                status = "differs"
            elif state == HostKey.State.REVOKED:
                status = "revoked"
            else:
                status = "imported"
                states[key.fingerprint] = HostKey.State.TRUSTED
                types.add(key.key_type)
                if not dry_run:
                    _trust(endpoint, key, known.get(key.fingerprint), user)
            outcome = line.outcome(status, endpoint=endpoint)
            yield replace(outcome, detail="It would be trusted.") if dry_run and status == "imported" else outcome


def _trust(endpoint: ManagementEndpoint, key: DriverHostKey, waiting: HostKey | None, user: Any) -> None:
    if waiting is not None:
        host_keys.approve(waiting, user=user, detail=AUDITED)
    else:
        host_keys.enter(endpoint, key, user=user, detail=AUDITED)
