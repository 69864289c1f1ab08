"""A scan's state as JSON, to go on with after a restart. Small: in asking order, states run long."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable
from typing import Any

from netmon.drivers.tcp.hosts import FIRST_ICMP, MOST_ICMP_REASONS, ON_ITS_WAY, OPEN, UNKNOWN, HostScan

VERSION = 1


def save(seed: int, ports: str, finished: Iterable[str], hosts: Iterable[HostScan]) -> dict[str, Any]:
    """`ports` as `format_ports` writes them; `finished` addresses whose report was handed out; `hosts` under way."""
    return {
        "version": VERSION,
        "seed": seed,
        "ports": ports,
        "finished": list(finished),
        "hosts": {host.address: save_host(host) for host in hosts},
    }


def save_host(host: HostScan) -> dict[str, Any]:
    """One host under way."""
    # what is on its way is asked anew
    states = host.states.replace(bytes([ON_ITS_WAY]), bytes([UNKNOWN]))
    return {
        "states": base64.b64encode(zlib.compress(states, 1)).decode(),
        "icmp": host.icmp_reasons,
        "open": [[position, round(rtt, 6), tries] for position, (rtt, tries) in host.opened.items()],
        "sent": host.sent,
        "answers": host.pace.answers,
        "retries": host.pace.retries_answered,
    }


def restore(host: HostScan, saved: Any) -> bool:
    """Gives a fresh host its saved state. Says False, and leaves it fresh, where that does not fit."""
    try:
        packed = base64.b64decode(saved["states"], validate=True)
        # never more than what is expected, whatever the text inflates to
        states = bytearray(zlib.decompressobj().decompress(packed, len(host.ports) + 1))
        reasons = [str(reason)[:120] for reason in saved["icmp"]]
        opened = {int(position): (float(rtt), int(tries)) for position, rtt, tries in saved["open"]}
        sent, answers, retries = int(saved["sent"]), int(saved["answers"]), int(saved["retries"])
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error):
        return False
    if len(states) != len(host.ports) or len(reasons) > MOST_ICMP_REASONS or ON_ITS_WAY in states:
        return False
    if max(states, default=0) >= FIRST_ICMP + len(reasons):
        return False
    if {position for position, state in enumerate(states) if state == OPEN} != set(opened):
        return False
    host.states = states
    host.icmp_reasons = reasons
    host.opened = opened
    host.sent = sent
    host.pace.answers, host.pace.retries_answered = answers, retries
    host.to_ask = host.states.count(UNKNOWN)
    return True
