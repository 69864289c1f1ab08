"""What a check module gives back, and the register of modules.

A module is a function `collect(target, context) -> Collected` plus what `register` says about it: `async def` where the
driver is, else a plain `def`, which runs in a thread. It knows the wire (through a driver) and no database; an
AppConfig registers it. Either it returns a whole Collected or it raises a DriverError: never half a result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Counter:
    """A raw counter as the device gave it. `bits` is 32 or 64, from the object's type, never from its value."""

    value: int
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One row of a metric set: gauges in `values`, counters (to become rates) in `counters`, by column name.

    `interface` is the key of the InterfaceReading it belongs to. `uptime_ticks` is sysUpTime beside the counters,
    `discontinuity_ticks` is ifCounterDiscontinuityTime, both in 1/100 s; `speed_bps` is in bits a second.
    """

    set: str
    values: Mapping[str, float | None] = field(default_factory=dict)
    counters: Mapping[str, Counter] = field(default_factory=dict)
    interface: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    uptime_ticks: int | None = None
    discontinuity_ticks: int | None = None
    speed_bps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceReading:
    """One interface in IF-MIB's words. `key` is unique within the device and outlives a change of `if_index`."""

    key: str
    if_index: int
    name: str = ""
    descr: str = ""
    alias: str = ""
    if_type: int | None = None
    mac_address: str | None = None
    speed_bps: int | None = None
    mtu: int | None = None
    admin_status: int = 4
    oper_status: int = 4
    last_change_ticks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one run of a module brought home.

    `collected_at` is seconds since the epoch, `monotonic_at` time.monotonic() of the same moment; `interfaces` is
    None when the module does not speak of interfaces at all. `raw` is the device's own text behind a fact, by its kind.
    `whole_sets` are the metric sets all of whose series are among the readings: what else the device has of them is
    there no longer, and its present values lapse. A part that was not understood, or that is not whole, is none.
    """

    collected_at: float
    monotonic_at: float
    response_ms: float | None = None
    readings: list[Reading] = field(default_factory=list)
    interfaces: list[InterfaceReading] | None = None
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    whole_sets: frozenset[str] = frozenset()


Collect = Callable[[Any, Mapping[str, Any]], Awaitable[Collected] | Collected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A registered module: `context(check)` runs before the network, `store(check, collected)` in the transaction.

    `is_default(endpoint)` says whether an endpoint gets the check by itself; left out, every one of its protocol does.
    `note(check, result)` runs after the network and before that transaction, for what must not wait for its locks.
    With `is_of_device` a device has it once, whichever endpoint it runs against: what it reads is the device's own.
    `target(endpoint, policy, book)` makes what `collect` gets, where that is not the endpoint's own place.
    With `guards_login` a refused login is a verdict at once, and is not tried again before somebody changed something.
    """

    key: str
    protocol: str
    collect: Collect
    context: Callable[[Any], Mapping[str, Any]] | None = None
    store: Callable[[Any, Collected], None] | None = None
    interval_seconds: int = 60
    is_availability: bool = False
    is_default: Callable[[Any], bool] | None = None
    note: Callable[[Any, Any], None] | None = None
    guards_login: bool = False
    is_of_device: bool = False
    target: Callable[[Any, Any, Any], Any] | None = None


MODULES: dict[str, Module] = {}
# Those that a device has once for each of its ports.
OF_PORTS = frozenset({"tcp.port", "tcp.outside"})


def register(
    key: str,
    protocol: str,
    collect: Collect,
    *,
    context: Callable[[Any], Mapping[str, Any]] | None = None,
    store: Callable[[Any, Collected], None] | None = None,
    interval_seconds: int = 60,
    is_availability: bool = False,
    is_default: Callable[[Any], bool] | None = None,
    note: Callable[[Any, Any], None] | None = None,
    guards_login: bool = False,
    is_of_device: bool = False,
    target: Callable[[Any, Any, Any], Any] | None = None,
) -> Module:
    """Makes a module known under `key`; the same registration again is harmless, another owner raises ValueError."""
    module = Module(
        key=key,
        protocol=protocol,
        collect=collect,
        context=context,
        store=store,
        interval_seconds=interval_seconds,
        is_availability=is_availability,
        is_default=is_default,
        note=note,
        guards_login=guards_login,
        is_of_device=is_of_device,
        target=target,
    )
    owner = MODULES.setdefault(key, module)
    if owner != module:
        raise ValueError(f"{key}: already registered by {owner.collect.__module__}; choose another key")
    return owner


def get(key: str) -> Module:
    """The module registered under `key`; raises LookupError naming it."""
    try:
        return MODULES[key]
    except KeyError:
        raise LookupError(f"{key}: no such module; is its app installed?") from None
