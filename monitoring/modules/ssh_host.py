"""How a computer is: CPU, memory, disks, clock, people and failed units, from one script over SSH.

Metric sets "host", "host.disk" and "ntp"; facts by the words of the API ("cpu", "memory", "os_release", "disks",
"uptime", "users", "units", "ntp", "kernel", "processor"). A part that the host does not answer is left out and named in
the warnings: what was known before stays, and grows old visibly. Vendor devices give what their `show version` holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from monitoring.modules import Collected, Reading
from monitoring.modules.ssh_sessions import borrow, borrow_shell, identified, is_shell
from netmon.drivers.errors import DriverError, NotSupported, ProtocolError
from netmon.drivers.platforms import clock, links, linux, vendors
from netmon.drivers.platforms.shapes import Disk, NtpStatus, Presence
from netmon.drivers.ssh.answers import Answer
from netmon.drivers.ssh.session import Habits, SshSession
from netmon.drivers.targets import SshTarget

QUICK = (
    "stat", "loadavg", "meminfo", "uptime", "pressure_cpu", "pressure_memory", "pressure_io", "disks", "inodes",
    "users", "failed_units",
)  # fmt: skip
# What hardly changes is asked once an hour, and after a restart of the host.
SLOW = ("os_release", "uname", "lscpu")
CLOCKS = {"chrony": ("chrony_tracking", "chrony_sources"), "ntpd": ("ntpq_peers", "ntpq_variables"),
          "timesyncd": ("timedatectl", "timesync")}  # fmt: skip
MAX_DISKS = 200


def collect(target: SshTarget, context: Mapping[str, Any]) -> Collected:
    """What `context` may hold: `platform`, `habits`, `cpu` (the counters of the run before), `slow_due`, `clock`, and
    `disks`: by mount point the history `points` of (epoch seconds, bytes used) that a forecast is made of.

    The fact "ssh_meta" is for the caller: the host keys on the way, platform, habits, the CPU's counters, whether the
    slow part came. Raises DriverError.
    """
    target = identified(target, str(context.get("platform") or ""))
    platform = target.platform
    if is_shell(platform):
        return _of_vendor(target, platform)
    started = time.monotonic()
    with borrow(target, context.get("habits")) as session:
        response_ms = round((time.monotonic() - started) * 1000, 3)
        answers = session.run(_commands(context))
        collected_at, monotonic_at = time.time(), time.monotonic()
        meta = _meta(session, platform)
    parts = _Parts(answers, context.get("disks") or {}, collected_at)
    parts.read(context.get("cpu"))
    if not parts.facts:
        raise NotSupported(f"The host answered none of the commands. {' '.join(parts.warnings[:3])}")
    meta |= {"cpu": parts.counters, "is_slow": "os_release" in parts.facts, "clock": parts.clock}
    values = parts.values | {"response_ms": response_ms}
    return Collected(
        collected_at=collected_at,
        monotonic_at=monotonic_at,
        response_ms=response_ms,
        readings=[Reading(set="host", values=values), *parts.readings],
        facts={**parts.facts, "ssh_meta": meta},
        raw={kind: answers[name].stdout for kind, name in _RAW.items() if name in answers},
        warnings=parts.warnings,
        whole_sets=frozenset(parts.whole_sets),
    )


_RAW = {"cpu": "stat", "memory": "meminfo", "os_release": "os_release", "disks": "disks", "uptime": "uptime",
        "users": "users", "units": "failed_units"}  # fmt: skip


def _commands(context: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    slow = SLOW if context.get("slow_due", True) else ()
    known = CLOCKS.get(str(context.get("clock") or ""))
    wanted = known if known and not slow else tuple(name for names in CLOCKS.values() for name in names)
    return {name: linux.COMMANDS[name] for name in (*QUICK, *slow)} | {name: clock.COMMANDS[name] for name in wanted}


def _meta(session: SshSession, platform: str) -> dict[str, Any]:
    return {
        "platform": platform,
        "shown_keys": session.shown_keys,
        "habits": {"mode": session.habits.mode, "batches_vtysh": session.habits.batches_vtysh},
    }


class _Parts:
    """The answers, read one by one: a broken one costs itself only."""

    def __init__(self, answers: Mapping[str, Answer], history: Mapping[str, Any], at: float) -> None:
        self.answers = answers
        self.history = history
        self.at = at
        self.facts: dict[str, dict[str, Any]] = {}
        self.values: dict[str, float | None] = {}
        self.readings: list[Reading] = []
        self.warnings: list[str] = []
        self.counters: dict[str, Any] | None = None
        self.clock = ""
        self.whole_sets: set[str] = set()

    def read(self, cpu_before: Any) -> None:
        self._part("cpu", lambda: self._cpu(cpu_before))
        self._part("memory", self._memory)
        self._part("uptime", self._uptime)
        self._part("disks", self._disks)
        self._part("users", self._users)
        self._part("units", self._units)
        self._part("ntp", self._ntp)
        if "os_release" in self.answers:
            self._part("os_release", lambda: dict(linux.os_release(self.answers["os_release"])))
            self._part("kernel", lambda: dict(linux.kernel(self.answers["uname"])))
            self._part("processor", lambda: dict(links.processor(self.answers["lscpu"])))

    def _part(self, kind: str, read: Callable[[], dict[str, Any] | None]) -> None:
        try:
            found = read()
        except (ProtocolError, NotSupported) as error:
            self.warnings.append(f"{kind}: {error.detail}")
            return
        if found is not None:
            self.facts[kind] = found

    def _cpu(self, before: Any) -> dict[str, Any]:
        counters = linux.cpu_counters(self.answers["stat"])
        load = linux.load(self.answers["loadavg"])
        percent = linux.cpu_percent(before, counters) if before else None
        self.counters = dict(counters)
        self.values |= {"cpu_percent": percent, **{name: load[name] for name in ("load1", "load5", "load15")}}
        pressure = {}
        for name in ("cpu", "memory", "io"):
            answer = self.answers[f"pressure_{name}"]
            if answer.status == 0:  # kernels without it are common
                pressure[name] = dict(linux.pressure(answer))
        return {"cpu_percent": percent, "cores": counters["cores"], **load, "pressure": pressure}

    def _memory(self) -> dict[str, Any]:
        found = linux.memory(self.answers["meminfo"])
        self.values |= {
            "memory_used_percent": found["used_percent"],
            "memory_available_bytes": found["available_bytes"],
            "swap_used_percent": found["swap_used_percent"],
        }
        return dict(found)

    def _uptime(self) -> dict[str, Any]:
        found = linux.uptime(self.answers["uptime"], self.answers["stat"])
        self.values["uptime_seconds"] = found["uptime_seconds"]
        return dict(found)

    def _disks(self) -> dict[str, Any]:
        found = linux.disks(self.answers["disks"], self.answers["inodes"])[:MAX_DISKS]
        days = [self._days_until_full(disk) for disk in found]
        self.readings += [_disk(disk, left) for disk, left in zip(found, days, strict=True)]
        if self.answers["disks"].status == 0:  # with 1 there was one that df could not read: it may be there
            self.whole_sets.add("host.disk")
        return {"disks": [{**disk, "days_until_full": left} for disk, left in zip(found, days, strict=True)]}

    def _days_until_full(self, disk: Disk) -> float | None:
        seen = self.history.get(disk["mount_point"], {}).get("points", [])
        total = disk["used_bytes"] + disk["available_bytes"]  # what root alone may use is nobody's space
        return linux.days_until_full([*((t, used) for t, used in seen), (self.at, disk["used_bytes"])], total)

    def _users(self) -> dict[str, Any]:
        found = linux.sessions(self.answers["users"])
        self.values["users"] = len(found)
        return {"users": [dict(session) for session in found]}

    def _units(self) -> dict[str, Any] | None:
        found = linux.failed_units(self.answers["failed_units"])
        if found["has_systemd"]:
            self.values["failed_units"] = len(found["failed"])
        return dict(found)

    def _ntp(self) -> dict[str, Any]:
        status = clock.ntp_status(self.answers)
        self.clock = status["source"]
        self.readings += ntp_readings(status)
        self.whole_sets.add("ntp")
        return dict(status)


def _disk(disk: Disk, days_until_full: float | None) -> Reading:
    names = ("used_percent", "used_bytes", "available_bytes", "inodes_used_percent")
    values: dict[str, float | None] = {name: disk[name] for name in names}  # type: ignore[literal-required]
    values["days_until_full"] = days_until_full
    return Reading(set="host.disk", labels={"mount": label(disk["mount_point"])}, values=values)


def label(text: str) -> str:
    """A text of the device as the value of a label: the three signs that labels are written with are escaped."""
    return text.replace("%", "%25").replace(",", "%2C").replace("=", "%3D")[:200]


def ntp_readings(status: NtpStatus) -> list[Reading]:
    """The clock as a reading; none when no time daemon answers."""
    if status["source"] == "none":
        return []
    values = {
        "offset_seconds": status["offset_seconds"],
        "stratum": status["stratum"],
        "is_synchronised": float(status["is_synchronised"]),
        "root_dispersion_seconds": status["root_dispersion_seconds"],
    }
    return [Reading(set="ntp", values=values)]


def _of_vendor(target: SshTarget, platform: str) -> Collected:
    started = time.monotonic()
    with borrow_shell(target) as session:
        response_ms = round((time.monotonic() - started) * 1000, 3)
        for ask in vendors.asks(platform, "facts"):
            answer = session.run([ask.line])[ask.line]
            reading = vendors.read(platform, "facts", ask, answer)
            if reading.presence is Presence.RUNNING:
                break
        meta = {"platform": platform, "shown_keys": session.shown_keys}
    if reading.value is None:
        raise _as_error(reading.presence, reading.reason)
    facts = dict(reading.value)
    return Collected(
        collected_at=time.time(),
        monotonic_at=time.monotonic(),
        response_ms=response_ms,
        readings=[
            Reading(set="host", values={"uptime_seconds": facts["uptime_seconds"], "response_ms": response_ms}),
        ],
        facts={"device": facts, "ssh_meta": meta},
        raw={"device": answer.stdout},
    )


def _as_error(presence: Presence, reason: str) -> DriverError:
    if presence in (Presence.NOT_PARSED, Presence.UNKNOWN):
        return ProtocolError(reason or "The device's answer was not understood.")
    return NotSupported(reason or "The device does not tell what it is.")


def habits_of(stored: Any) -> Habits | None:
    """What a device turned out to bear, as it was kept; None for anything else."""
    if not isinstance(stored, Mapping):
        return None
    try:
        return Habits(mode=str(stored.get("mode")), batches_vtysh=bool(stored.get("batches_vtysh", True)))
    except ValueError:
        return None
