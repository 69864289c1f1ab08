"""Linux hosts: /proc, df, who, systemctl, ip and lscpu. Sources: proc(5), df(1), os-release(5), iproute2's JSON.

Commands are run with LC_ALL=C. In a container /proc/stat, loadavg and meminfo may be the machine's.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from netmon.drivers.errors import NotSupported, ProtocolError
from netmon.drivers.platforms.shapes import (
    CpuCounters,
    Disk,
    FailedUnit,
    Kernel,
    Load,
    Memory,
    Pressure,
    Session,
    Units,
    Uptime,
)
from netmon.drivers.platforms.text import clean, count, decimal, instant, lines, output, words
from netmon.drivers.ssh.answers import Answer

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "stat": ("cat", "/proc/stat"),
    "loadavg": ("cat", "/proc/loadavg"),
    "meminfo": ("cat", "/proc/meminfo"),
    "uptime": ("cat", "/proc/uptime"),
    "pressure_cpu": ("cat", "/proc/pressure/cpu"),
    "pressure_memory": ("cat", "/proc/pressure/memory"),
    "pressure_io": ("cat", "/proc/pressure/io"),
    "net_dev": ("cat", "/proc/net/dev"),
    "disks": ("df", "-PTl"),
    "inodes": ("df", "-Pil"),
    "os_release": ("cat", "/etc/os-release"),
    "uname": ("uname", "-srmn"),
    "users": ("who",),
    "failed_units": ("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"),
    "links": ("ip", "-j", "-s", "-d", "link"),
    "addresses": ("ip", "-j", "addr"),
    "lscpu": ("lscpu", "-J"),
}

# Types whose space a person has to care for. An allowlist: new pseudo file systems appear with every kernel.
_DISK_TYPES = (
    "ext2 ext3 ext4 xfs btrfs zfs f2fs jfs reiserfs bcachefs vfat exfat ntfs ntfs3 fuseblk "
    "ufs hfsplus apfs nilfs2 gfs2 ocfs2"
)
DISK_TYPES: Final = frozenset(_DISK_TYPES.split())
MAX_ROWS = 4096
# A forecast needs a line to follow: fewer samples than this, or less time between them, is noise.
FORECAST_MIN_SAMPLES = 8
FORECAST_MIN_SPAN_SECONDS = 3600.0
FORECAST_MAX_DAYS = 3650.0
_FORECAST_SAMPLES = 150


def cpu_counters(stat: Answer) -> CpuCounters:
    """The processor's counters from `cat /proc/stat`. Raises ProtocolError and NotSupported."""
    total = busy = iowait = steal = None
    cores, boot = 0, None
    for line in lines(output(stat, "/proc/stat")):
        name, _, rest = line.partition(" ")
        if name == "cpu":
            ticks = [count(word) for word in rest.split()[:8]]
            numbers = [tick for tick in ticks if tick is not None]
            if len(numbers) < 4 or len(numbers) != len(ticks):
                raise ProtocolError("/proc/stat: the line of all processors is malformed.")
            # guest time (fields 9 and 10) is already in user and nice
            numbers += [0] * (8 - len(numbers))
            total, iowait, steal = sum(numbers), numbers[4], numbers[7]
            busy = total - numbers[3] - numbers[4]
        elif re.fullmatch(r"cpu\d{1,5}", name):
            cores += 1
        elif name == "btime":
            boot = instant(count(rest))
    if total is None or busy is None or iowait is None or steal is None:
        raise ProtocolError("/proc/stat: there is no line of all processors.")
    return {
        "total_ticks": total,
        "busy_ticks": busy,
        "iowait_ticks": iowait,
        "steal_ticks": steal,
        "cores": cores,
        "boot_time": boot,
    }


def cpu_percent(before: CpuCounters, after: CpuCounters) -> float | None:
    """Busy time between two readings in percent of all processors' time; None after a reboot or without time between.

    iowait counts as idle, and the kernel may take some of it back (proc(5)), hence the clamp.
    """
    passed = after["total_ticks"] - before["total_ticks"]
    if passed <= 0 or before["boot_time"] != after["boot_time"]:
        return None
    return round(min(100.0, max(0.0, 100.0 * (after["busy_ticks"] - before["busy_ticks"]) / passed)), 2)


def load(loadavg: Answer) -> Load:
    """Load averages from `cat /proc/loadavg`. Raises ProtocolError and NotSupported."""
    fields = clean(output(loadavg, "/proc/loadavg")[:400]).split()
    values = [decimal(field, most=1e6) for field in fields[:3]]
    if len(values) < 3 or None in values:
        raise ProtocolError("/proc/loadavg: three numbers were expected.")
    running, _, tasks = (fields[3] if len(fields) > 3 else "").partition("/")
    one, five, fifteen = (abs(value or 0.0) for value in values)
    return {
        "load1": one,
        "load5": five,
        "load15": fifteen,
        "tasks_running": count(running),
        "tasks": count(tasks),
    }


def pressure(answer: Answer) -> Pressure:
    """One resource's pressure stall information (kernel 4.20 and up). Raises ProtocolError and NotSupported."""
    found: dict[str, float | None] = {}
    for line in lines(output(answer, "/proc/pressure"))[:8]:
        kind, *pairs = line.split()[:8] or [""]
        for pair in pairs:
            key, _, value = pair.partition("=")
            if kind in ("some", "full") and key in ("avg10", "avg60", "avg300"):
                found[f"{kind}_{key}"] = decimal(value, most=100.0)
    if "some_avg10" not in found:
        raise ProtocolError("/proc/pressure: the line `some` is missing.")
    return {
        "some_avg10_percent": found.get("some_avg10"),
        "some_avg60_percent": found.get("some_avg60"),
        "some_avg300_percent": found.get("some_avg300"),
        "full_avg10_percent": found.get("full_avg10"),
        "full_avg60_percent": found.get("full_avg60"),
        "full_avg300_percent": found.get("full_avg300"),
    }


def memory(meminfo: Answer) -> Memory:
    """Memory in bytes from `cat /proc/meminfo`; "used" is MemTotal - MemAvailable. Raises ProtocolError, NotSupported.

    Kernels before 3.14 have no MemAvailable: then free, buffers and cache stand for it and `is_estimated` is true.
    """
    found: dict[str, int] = {}
    for line in lines(output(meminfo, "/proc/meminfo"))[:500]:
        key, _, rest = line.partition(":")
        kilobytes = count(rest.partition(" kB")[0], most=1 << 50)
        if kilobytes is not None and key.isidentifier():
            found[key] = kilobytes * 1024
    total, free = found.get("MemTotal"), found.get("MemFree", 0)
    if not total:
        raise ProtocolError("/proc/meminfo: MemTotal is missing.")
    estimate = free + found.get("Buffers", 0) + found.get("Cached", 0)
    available = min(total, found.get("MemAvailable", estimate))
    swap = found.get("SwapTotal", 0)
    swap_used = max(0, swap - found.get("SwapFree", 0))
    return {
        "total_bytes": total,
        "available_bytes": available,
        "used_bytes": total - available,
        "free_bytes": min(total, free),
        "used_percent": round(100.0 * (total - available) / total, 2),
        "swap_total_bytes": swap,
        "swap_used_bytes": swap_used,
        "swap_used_percent": round(100.0 * swap_used / swap, 2) if swap else None,
        "is_estimated": "MemAvailable" not in found,
    }


def uptime(answer: Answer, stat: Answer | None = None) -> Uptime:
    """Seconds since boot from `cat /proc/uptime`, and the moment of boot from /proc/stat where that is given.

    Raises ProtocolError and NotSupported. The boot time is the kernel's: it needs no clock of ours.
    """
    seconds = decimal((clean(output(answer, "/proc/uptime")[:200]).split() or [""])[0], most=1e10)
    if seconds is None or seconds < 0:
        raise ProtocolError("/proc/uptime: a number was expected.")
    return {"uptime_seconds": seconds, "boot_time": cpu_counters(stat)["boot_time"] if stat else None}


def os_release(answer: Answer) -> dict[str, str]:
    """KEY: value of /etc/os-release, unquoted by the rules of os-release(5). Raises ProtocolError and NotSupported."""
    found: dict[str, str] = {}
    for line in lines(output(answer, "/etc/os-release"))[:500]:
        key, equals, value = line.strip().partition("=")
        if equals and re.fullmatch(r"[A-Z][A-Z0-9_]{0,60}", key):
            found[key] = _unquote(value)[:1024]
    if not found:
        raise ProtocolError("/etc/os-release: no KEY=value line.")
    return found


def _unquote(value: str) -> str:
    """A shell word without its quotes: backslash escapes nothing in '', and only $ " \\ ` within ""."""
    if len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1]
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\([$\"\\`])", r"\1", value[1:-1])
    return re.sub(r"\\(.)", r"\1", value)


def kernel(answer: Answer) -> Kernel:
    """`uname -srmn`. Raises ProtocolError and NotSupported."""
    fields = clean(output(answer, "uname")[:1000]).split()
    if len(fields) != 4:
        raise ProtocolError("uname: four words were expected.")
    name, host, release, machine = (field[:200] for field in fields)
    return {"kernel": name, "hostname": host, "release": release, "machine": machine}


# Device names and mount points may hold spaces: the type and the numbers in the middle are the anchor. A try starts at
# a space before a word only, so that a long line costs linear time.
_SIZES = re.compile(r"\s(\S+)\s+(\d+|-)\s+(\d+|-)\s+(-?\d+|-)\s+(\d+%|-)\s(.*)\Z")
_INODES = re.compile(r"\s(\d+|-)\s+(\d+|-)\s+(\d+|-)\s+(\d+%|-)\s(.*)\Z")


def disks(sizes: Answer, inodes: Answer | None = None) -> list[Disk]:
    """Real file systems from `df -PTl` (blocks of 1024) and `df -Pil`, one row a mount point, in df's order.

    Only types of DISK_TYPES; a device mounted twice gives two rows. Raises ProtocolError and NotSupported. df's exit
    status 1 with a table means that one file system could not be read: the others count.
    """
    text = sizes.stdout if sizes.status == 1 and "Mounted on" in sizes.stdout else output(sizes, "df -PTl")
    table = lines(text)[:MAX_ROWS]
    if not any("1024-blocks" in line and "Mounted on" in line for line in table):
        raise ProtocolError("df -PTl: the heading is missing.")
    nodes = _inodes(inodes) if inodes and inodes.is_whole else {}
    found: list[Disk] = []
    for line in table:
        match = _SIZES.search(line[:4096])
        if match is None or match[1] not in DISK_TYPES:
            continue
        device, mount = line[: match.start()].strip(), match[6]
        total, used, available = (count(match[n].lstrip("-"), most=1 << 60) for n in (2, 3, 4))
        if not total or used is None:
            continue  # a "-" means df could not ask it
        # negative where the blocks kept for root are in use
        free = 0 if match[4].startswith("-") else available or 0
        percent = count(match[5].rstrip("%"), most=1000)
        if percent is None and used + free:
            percent = -(-100 * used // (used + free))  # df rounds up, so do we
        total_nodes, used_nodes = nodes.get((device, mount), (None, None))
        found.append(
            {
                "device": device[:512],
                "type": match[1],
                "mount_point": mount[:1024],
                "total_bytes": total * 1024,
                "used_bytes": used * 1024,
                "available_bytes": free * 1024,
                "used_percent": percent,
                "inodes": total_nodes,
                "inodes_used": used_nodes,
                "inodes_used_percent": round(100.0 * used_nodes / total_nodes, 2)
                if total_nodes and used_nodes is not None
                else None,
            }
        )
    return found


def _inodes(answer: Answer) -> dict[tuple[str, str], tuple[int | None, int | None]]:
    """(device, mount point): inodes, inodes used. btrfs and vfat have none: 0 becomes None."""
    found = {}
    for line in lines(answer.stdout)[:MAX_ROWS]:
        if match := _INODES.search(line[:4096]):
            key = (line[: match.start()].strip(), match[5])
            found[key] = (count(match[1]) or None, count(match[2]))
    return found


def days_until_full(points: Sequence[tuple[float, float]], total_bytes: float) -> float | None:
    """Days from the last sample until a disk is full, by Theil and Sen's slope over (epoch seconds, bytes used).

    None when it does not grow, when fewer than 8 samples or less than an hour are given, when the samples disagree on
    the direction (less than two thirds of all pairs grow), or when it is further off than ten years. 0.0 when full.
    The median of slopes does not care for a night's temporary file.
    """
    usable = sorted((t, used) for t, used in points if abs(t) < 1e11 and 0 <= used < 1e18)
    if len(usable) > _FORECAST_SAMPLES:  # pairs grow with the square: thin them out evenly, keep both ends
        step = (len(usable) - 1) / (_FORECAST_SAMPLES - 1)
        usable = [usable[round(n * step)] for n in range(_FORECAST_SAMPLES)]
    if len(usable) < FORECAST_MIN_SAMPLES or usable[-1][0] - usable[0][0] < FORECAST_MIN_SPAN_SECONDS:
        return None
    slopes = [
        (used - used0) / (t - t0) for n, (t0, used0) in enumerate(usable) for t, used in usable[n + 1 :] if t > t0
    ]
    slope = statistics.median(slopes) if slopes else 0.0
    if slope <= 0 or sum(one > 0 for one in slopes) < len(slopes) * 2 / 3:
        return None
    # where the line is now, not where the last sample happens to be
    now = statistics.median(used + slope * (usable[-1][0] - t) for t, used in usable)
    days = max(0.0, total_bytes - now) / slope / 86400
    return round(days, 2) if days <= FORECAST_MAX_DAYS else None


_WHO = re.compile(
    r"(\S{1,64})\s{1,99}(\S{1,64}(?: \([^\s()]{1,20}\))?)\s{1,99}"
    r"(\d{4}-\d\d-\d\d \d\d:\d\d|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d)(?:\s{1,99}\(([^()]{1,256})\))?\s{0,99}"
)


def sessions(who: Answer) -> list[Session]:
    """Who is logged in, from `who`; nobody is an empty list. Raises ProtocolError and NotSupported."""
    found: list[Session] = []
    for line in lines(output(who, "who"))[:MAX_ROWS]:
        if not line.strip():
            continue
        match = _WHO.fullmatch(line[:600])
        if match is None:
            raise ProtocolError("who: a line is not a session.")
        found.append({"user": match[1], "terminal": match[2], "since": match[3], "origin": match[4] or ""})
    return found


_NO_SYSTEMD = ("not been booted with systemd", "Failed to connect to bus", "command not found", "No such file")
_UNIT = re.compile(r"(?:● )?(\S{1,300})\s{1,300}(\S{1,40})\s{1,80}(\S{1,40})\s{1,80}(\S{1,40})(?:\s{1,80}(.{0,400}))?")


def failed_units(answer: Answer) -> Units:
    """Failed systemd units; `has_systemd` false where the machine runs without. Raises ProtocolError."""
    said = answer.stderr + answer.stdout[:1000]
    if answer.status in (126, 127) or (answer.status and any(mark in said for mark in _NO_SYSTEMD)):
        return {"has_systemd": False, "failed": []}
    failed: list[FailedUnit] = []
    for line in lines(output(answer, "systemctl"))[:MAX_ROWS]:
        if not line.strip():
            continue
        match = _UNIT.fullmatch(line.strip()[:1200])
        if match is None or "." not in match[1]:
            raise ProtocolError("systemctl: a line is not a unit.")
        name, loaded, active, sub, description = match.groups()
        failed.append(
            {"unit": name, "load": loaded, "active": active, "sub": sub, "description": words(description or "", 300)}
        )
    return {"has_systemd": True, "failed": failed}


def has_command(answer: Answer) -> bool:
    """Whether the device has the command at all: false for the shell's "not found" (126, 127)."""
    try:
        output(answer, "command")
    except NotSupported:
        return False
    except ProtocolError:
        return True
    return True
