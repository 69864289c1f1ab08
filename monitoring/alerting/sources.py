"""Who may raise which alert: the register of what rules can look at. Other apps register theirs in `ready()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a rule looks at.

    `shape`: "metric" compares a value; "state" is seen good or bad at every look; "event" happens once, and is over
    when its counterpart comes (`ends`: kind that ends -> kind it ends) or after the rule's clear_seconds.
    `is_path`: that a device is cut off explains it, so its ancestors are asked before it fires.
    `matches` says what a rule's `match` is held against, in a few words; empty: the source has no such objects.
    """

    key: str
    label: str
    shape: Literal["metric", "state", "event"] = "state"
    help: str = ""
    matches: str = ""
    has_interfaces: bool = False
    is_path: bool = False
    ends: Mapping[str, str] = field(default_factory=dict)
    replay: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at one object. Neither bad nor a value: nothing is known, and nothing changes.

    `subject` names the object within the device and is part of the alert's fingerprint; `since` is the first sign when
    it is older than this look. Texts may come from devices: they are cut, stripped of control characters, and escaped
    where they are shown.
    """

    source: str
    at: datetime
    device_id: int | None = None
    tenant_id: int | None = None
    subject: str = ""
    is_bad: bool | None = None
    value: float | None = None
    metric: str = ""
    match: str = ""
    interface_id: int | None = None
    interface_names: tuple[str, ...] = ()
    since: datetime | None = None
    summary: str = ""
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


SOURCES: dict[str, Source] = {}


def register(source: Source) -> Source:
    """Makes a source known; the same again is harmless. Raises ValueError when another has its key."""
    owner = SOURCES.setdefault(source.key, source)
    if owner != source:
        raise ValueError(f"{source.key}: another alert source has this key; choose another")
    return owner


def get(key: str) -> Source:
    """Raises LookupError naming the key."""
    try:
        return SOURCES[key]
    except KeyError:
        raise LookupError(f"{key}: no such alert source; is its app installed?") from None


METRIC = register(
    Source(
        key="metric",
        label="A measured value",
        shape="metric",
        matches="labels of the series, such as mount=/var",
        has_interfaces=True,
        help="Compares what was measured with a limit.",
    )
)
DEVICE_DOWN = register(
    Source(key="device.down", label="A device is down", is_path=True, help="Every way to ask it fails.")
)
CHECK_DOWN = register(
    Source(
        key="check.down",
        label="A check fails though the device is up",
        matches="modules, such as snmp.* or config.backup",
        help="The device answers, one of its checks does not.",
    )
)
INTERFACE_DOWN = register(
    Source(
        key="interface.down",
        label="An interface went down",
        has_interfaces=True,
        matches="interfaces",
        help="Admin up, operational status no longer up, and it was up at the look before.",
    )
)
EVENT = register(
    Source(
        key="event",
        label="Something happened",
        shape="event",
        matches="kinds of events, such as bgp_down, ospf_* or indicator_*",
        help="An event of a device; it is over when its counterpart comes, or after a while.",
        ends={
            "bgp_up": "bgp_down",
            "ospf_new": "ospf_gone",
            "link_up": "link_down",
            "neighbour_back": "neighbour_missing",
            "daemon_back": "daemon_stopped",
            "silent_cut_over": "silent_cut",
            "unit_recovered": "unit_failed",
            "clock_synchronised": "clock_lost",
            "key_trusted": "key_changed",
        },
    )
)
INDICATOR = "indicator_"  # and the indicator's kind: what somebody observed
CLEARED = "indicator_cleared"
CRITICAL_INDICATOR = "critical_indicator"  # of any kind


def said_by(kind: str, severity: str, data: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """What an event says to rules: what their `match` is held against, and whether that is bad now."""
    if kind == CLEARED:
        return [(str(match), False) for match in data.get("ends", ())]
    said = [(kind, True)]
    if kind.startswith(INDICATOR) and severity == "critical":
        said.append((CRITICAL_INDICATOR, True))
    if kind in EVENT.ends:
        said.append((EVENT.ends[kind], False))
    return said


POLLER_BLIND = register(
    Source(
        key="poller.blind",
        label="The poller sees nothing",
        help="Its canaries are silent, or most of what it asks is: then nothing is said of the devices.",
    )
)
POLLER_BEHIND = register(
    Source(key="poller.behind", label="Polling is behind", help="Checks that are due wait for minutes.")
)
CHANNEL_FAILING = register(
    Source(key="channel.failing", label="A channel delivers nothing", help="Three messages in a row were given up.")
)
EXPIRY = register(
    Source(
        key="expiry",
        label="Something expires soon",
        matches="what expires: api_key, credential, certificate",
        help="Seen once an hour; bad from 14 days before the end.",
    )
)
MANUAL = register(Source(key="manual", label="Raised by a person or a program"))
