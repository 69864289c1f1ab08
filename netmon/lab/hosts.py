"""What the demonstration's SSH hosts answer to the commands of the driver: Linux and FRR, with a life of their own.

Everything follows from the time of day and of the start, so that two questions agree with each other.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from netmon.drivers.platforms import clock, frr, linux
from netmon.drivers.ssh.detect import PROBES

Answer = tuple[str, str, int]  # stdout, stderr, status
NOT_FOUND = 127
CORES, MEMORY_KB, DISK_KB = 4, 16_000_000, 100_000_000
# The disk of the host that fills up grows by this share of itself in an hour, from 78 % on.
FILL_START, FILL_AN_HOUR = 0.78, 0.02
# In seconds: the BGP session that flaps is down for the last part of each period.
FLAP_PERIOD, FLAP_DOWN = 600, 60
CHANGE_SECONDS = 300.0
USERNAME = "netmon"


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A simulated host; `trouble`: "", disk, unit, key (its host key changes) or password (it takes none)."""

    name: str
    address: str
    trouble: str = ""
    router: int = 0  # 1 or 2: an FRR router of the pair


HOSTS = (
    Host(name="hv-01", address="127.20.0.17", trouble="disk"),
    Host(name="backup-01", address="127.20.0.18", trouble="unit"),
    Host(name="frr-rt-01", address="127.20.0.21", router=1),
    Host(name="frr-rt-02", address="127.20.0.22", router=2),
    Host(name="web-01", address="127.20.0.23", trouble="key"),
    Host(name="mail-01", address="127.20.0.24", trouble="password"),
)


class Life:
    """The answers of one host; `born` is when it was started, by the wall clock."""

    def __init__(self, host: Host, born: float) -> None:
        self.host = host
        self._born = born - 3 * 86_400  # nobody was there before, and a host of no age is no demonstration
        self._number = int(host.address.rpartition(".")[2])
        self._programs: dict[tuple[str, ...], Callable[[float], str]] = {
            linux.COMMANDS["stat"]: self._stat,
            linux.COMMANDS["loadavg"]: self._loadavg,
            linux.COMMANDS["meminfo"]: self._meminfo,
            linux.COMMANDS["uptime"]: lambda at: f"{at - self._born:.2f} {(at - self._born) * CORES * 0.8:.2f}\n",
            linux.COMMANDS["pressure_cpu"]: self._pressure,
            linux.COMMANDS["pressure_memory"]: self._pressure,
            linux.COMMANDS["pressure_io"]: self._pressure,
            linux.COMMANDS["net_dev"]: self._net_dev,
            linux.COMMANDS["disks"]: self._disks,
            linux.COMMANDS["inodes"]: self._inodes,
            linux.COMMANDS["os_release"]: lambda at: RELEASE,
            linux.COMMANDS["uname"]: lambda at: f"Linux {self.host.name} 6.1.0-27-amd64 x86_64\n",
            linux.COMMANDS["users"]: lambda at: "admin    pts/0        2026-11-20 09:12 (192.0.2.10)\n",
            linux.COMMANDS["failed_units"]: self._failed_units,
            linux.COMMANDS["links"]: self._links,
            linux.COMMANDS["addresses"]: self._addresses,
            linux.COMMANDS["lscpu"]: lambda at: _json({"lscpu": [{"field": k, "data": v} for k, v in LSCPU.items()]}),
            clock.COMMANDS["chrony_tracking"]: self._tracking,
            clock.COMMANDS["chrony_sources"]: lambda at: "^,*,192.0.2.123,2,6,377,25,-0.000041,0.000052,0.0021\n",
            PROBES["uname"]: lambda at: "Linux\n",
        }
        if host.router:
            self._programs |= {
                frr.STARTUP_CONFIG: self._configuration,
                PROBES["vtysh"]: lambda at: "/usr/bin/vtysh\n",
            }

    def answer(self, argv: tuple[str, ...]) -> Answer:
        """Of one command; what nobody asks here is not found."""
        now = time.time()
        if argv[:1] == ("vtysh",) and self.host.router:
            return self._vtysh(argv[2::2], now)
        program = self._programs.get(argv)
        if program is None:
            return "", f"{argv[0]}: not found\n", NOT_FOUND
        return program(now), "", 0

    def _wave(self, at: float, period: float) -> float:
        """Between 0 and 1."""
        return 0.5 + 0.5 * math.sin(math.tau * (at / period + self._number / 7))

    # --- Linux

    def _busy_seconds(self, at: float) -> float:
        """An integral: 20 % of the cores, with waves of a quarter of an hour."""
        lived, depth, period = at - self._born, 0.6, 900.0
        swing = depth * period / math.tau * (1 - math.cos(math.tau * lived / period))
        return CORES * 0.2 * (lived + swing)

    def _stat(self, at: float) -> str:
        busy = self._busy_seconds(at)
        idle = max(0.0, (at - self._born) * CORES - busy)
        ticks = [busy * 70, 0, busy * 30, idle * 99, idle, 0, 0, 0, 0, 0]
        line = " ".join(str(int(tick)) for tick in ticks)
        each = " ".join(str(int(tick / CORES)) for tick in ticks)
        cores = "".join(f"cpu{number} {each}\n" for number in range(CORES))
        return f"cpu  {line}\n{cores}btime {int(self._born)}\nprocesses 12345\n"

    def _loadavg(self, at: float) -> str:
        loads = [0.3 + 1.2 * self._wave(at, period) for period in (300, 900, 2700)]
        return "{:.2f} {:.2f} {:.2f} 2/313 4711\n".format(*loads)

    def _meminfo(self, at: float) -> str:
        available = int(MEMORY_KB * (0.35 + 0.2 * self._wave(at, 3600)))
        rows = {
            "MemTotal": MEMORY_KB, "MemFree": available // 3, "MemAvailable": available, "Buffers": 210_000,
            "Cached": available // 2, "SwapTotal": 2_000_000, "SwapFree": 1_900_000,
        }  # fmt: skip
        return "".join(f"{name + ':':<16}{value:>10} kB\n" for name, value in rows.items())

    def _pressure(self, at: float) -> str:
        value = 4 * self._wave(at, 600)
        return f"some avg10={value:.2f} avg60={value / 2:.2f} avg300={value / 4:.2f} total={int(at)}\n"

    def _octets(self, at: float) -> tuple[int, int]:
        lived = at - self._born
        received = 2_000_000 * (lived + 900 / math.tau * (1 - math.cos(math.tau * lived / 900)))
        return int(received), int(received * 0.6)

    def _net_dev(self, at: float) -> str:
        received, sent = self._octets(at)
        head = "Inter-|   Receive                                                |  Transmit\n"
        head += " face |bytes    packets errs drop fifo frame compressed multicast"
        head += "|bytes    packets errs drop fifo colls carrier compressed\n"
        rows = [f"  eth0: {received} {received // 900} 0 0 0 0 0 0 {sent} {sent // 900} 0 0 0 0 0 0\n"]
        return head + "    lo: 4096 40 0 0 0 0 0 0 4096 40 0 0 0 0 0 0\n" + "".join(rows)

    def _used(self, at: float) -> float:
        if self.host.trouble != "disk":
            return 0.41 + 0.01 * self._wave(at, 7200)
        lived = at - self._born - 3 * 86_400
        return min(0.995, FILL_START + FILL_AN_HOUR * max(0.0, lived) / 3600)

    def _disks(self, at: float) -> str:
        used = int(DISK_KB * self._used(at))
        rows = [("/dev/vda1", "ext4", DISK_KB // 5, DISK_KB // 15, "/"), ("/dev/vdb1", "xfs", DISK_KB, used, "/srv")]
        lines = ["Filesystem     Type  1024-blocks     Used Available Capacity Mounted on"]
        for device, kind, size, taken, where in rows:
            lines.append(f"{device} {kind} {size} {taken} {size - taken} {math.ceil(100 * taken / size)}% {where}")
        return "\n".join(lines) + "\n"

    def _inodes(self, at: float) -> str:
        rows = [("/dev/vda1", 1_280_000, 160_000, "/"), ("/dev/vdb1", 6_400_000, 410_000, "/srv")]
        lines = ["Filesystem      Inodes  IUsed   IFree IUse% Mounted on"]
        for device, size, taken, where in rows:
            lines.append(f"{device} {size} {taken} {size - taken} {math.ceil(100 * taken / size)}% {where}")
        return "\n".join(lines) + "\n"

    def _failed_units(self, at: float) -> str:
        return "nightly-backup.service loaded failed failed Nightly backup\n" if self.host.trouble == "unit" else ""

    def _links(self, at: float) -> str:
        received, sent = self._octets(at)
        common = {"flags": ["UP", "LOWER_UP"], "mtu": 1500, "operstate": "UP", "link_type": "ether"}
        counters = {
            "rx": {"bytes": received, "packets": received // 900, "errors": 0, "dropped": 0},
            "tx": {"bytes": sent, "packets": sent // 900, "errors": 0, "dropped": 0},
        }
        mac = f"02:4e:4d:{self._number:02x}:00:02"
        return _json([{**common, "ifindex": 2, "ifname": "eth0", "address": mac, "stats64": counters}])

    def _addresses(self, at: float) -> str:
        info = [{"family": "inet", "local": self.host.address, "prefixlen": 24, "scope": "global"}]
        return _json([{"ifindex": 2, "ifname": "eth0", "operstate": "UP", "addr_info": info}])

    def _tracking(self, at: float) -> str:
        offset = 0.00004 * (self._wave(at, 1200) - 0.5)
        return (
            f"C000027B,192.0.2.123,3,{at:.6f},{offset:.9f},0.000002,0.000031,8.2,0.01,0.05,0.0021,0.0008,64.3,Normal\n"
        )

    # --- FRR

    def _vtysh(self, lines: tuple[str, ...], at: float) -> Answer:
        out: list[str] = []
        for line in lines:
            found = self._routing(line, at)
            if found is None:
                return "".join(out), f"% Unknown command: {line}\n", 1
            out.append(found)
        return "".join(out), "", 0

    def _routing(self, line: str, at: float) -> str | None:
        asked = next((name for name, text in frr.COMMANDS.items() if text == line), "")
        texts: Mapping[str, Callable[[float], str]] = {
            "version": lambda _: f"FRRouting 10.1 ({self.host.name}) on Linux(6.1.0-27-amd64).\n",
            "daemons": lambda _: " zebra ospfd bgpd watchfrr staticd\n",
            "running_config": self._configuration,
            "rip": lambda _: "",
            "rip_status": lambda _: "",
        }
        documents: Mapping[str, Callable[[float], Any]] = {
            "route_summary": self._route_summary,
            "route_summary6": lambda _: {"routes": [], "routesTotal": 0, "routesTotalFib": 0},
            "routes": self._routes,
            "routes6": lambda _: {},
            "bgp": self._bgp,
            "bgp_neighbors": self._bgp_neighbors,
            "ospf": self._ospf,
            "ospf6": lambda _: {},
            "interfaces": self._interfaces,
            "bfd": lambda _: [],
        }
        if asked in texts:
            return texts[asked](at)
        return _json(documents[asked](at)) if asked in documents else None

    def _peers(self, at: float) -> list[dict[str, Any]]:
        """The other router, which stays, and a provider's, whose session flaps now and then on the first one."""
        me, other = self.host.router, 3 - self.host.router
        begun = at - self._born
        rows = [{"address": f"10.60.0.{other}", "as": 64_500 + other, "name": f"frr-rt-0{other}", "since": begun}]
        into = at % FLAP_PERIOD
        is_down = me == 1 and into >= FLAP_PERIOD - FLAP_DOWN
        since = into - (FLAP_PERIOD - FLAP_DOWN) if is_down else into if me == 1 else begun
        provider = {"address": f"203.0.113.{me}", "as": 64_510, "name": "transit", "since": since, "is_down": is_down}
        return [*rows, provider]

    def _bgp(self, at: float) -> Any:
        peers = {}
        for row in self._peers(at):
            is_down = bool(row.get("is_down"))
            flaps = int((at - self._born) // FLAP_PERIOD) if row["name"] == "transit" and self.host.router == 1 else 0
            peers[row["address"]] = {
                "hostname": "" if is_down else row["name"], "desc": row["name"], "remoteAs": row["as"],
                "localAs": 64_500 + self.host.router, "version": 4, "msgRcvd": int(at - self._born) // 60,
                "msgSent": int(at - self._born) // 60, "peerUptimeMsec": int(row["since"] * 1000),
                "peerUptimeEstablishedEpoch": 0 if is_down else int(at - row["since"]),
                "pfxRcd": 0 if is_down else 12, "pfxSnt": 0 if is_down else 8,
                "state": "Active" if is_down else "Established", "peerState": "OK",
                "connectionsEstablished": flaps + 1, "connectionsDropped": flaps, "idType": "ipv4",
            }  # fmt: skip
        failed = sum(peer["state"] != "Established" for peer in peers.values())
        family = {
            "routerId": f"10.60.255.{self.host.router}", "as": 64_500 + self.host.router, "vrfId": 0,
            "vrfName": "default", "ribCount": 24, "peerCount": len(peers), "peers": peers, "totalPeers": len(peers),
            "failedPeers": failed,
        }  # fmt: skip
        return {"default": {"ipv4Unicast": family}}

    def _bgp_neighbors(self, at: float) -> Any:
        found = {
            row["address"]: {
                "remoteAs": row["as"], "localAs": 64_500 + self.host.router, "nbrDesc": row["name"],
                "bgpState": "Active" if row.get("is_down") else "Established",
                "lastResetDueTo": "Hold Timer Expired" if row.get("is_down") else "",
            }
            for row in self._peers(at)
        }  # fmt: skip
        return {"default": {"vrfId": 0, "vrfName": "default", **found}}

    def _ospf(self, at: float) -> Any:
        other = 3 - self.host.router
        row = {
            "nbrPriority": 1, "nbrState": "Full/-", "upTimeInMsec": int((at - self._born) * 1000),
            "routerDeadIntervalTimerDueMsec": 30_000 + int(9_000 * self._wave(at, 10)),
            "ifaceAddress": f"10.60.0.{other}", "ifaceName": f"eth1:10.60.0.{self.host.router}",
            "linkStateRetransmissionListCounter": 0, "linkStateRequestListCounter": 0,
        }  # fmt: skip
        return {"default": {"vrfName": "default", "vrfId": 0, "neighbors": {f"10.60.255.{other}": [row]}}}

    def _interfaces(self, at: float) -> Any:
        rows = (("eth0", 2, "uplink", f"203.0.113.{10 + self.host.router}/24"), ("eth1", 3, "to the other", "10.60.0"))
        return {
            name: {
                "administrativeStatus": "up", "operationalStatus": "up", "linkUps": 1, "linkDowns": 0,
                "vrfName": "default", "index": index, "description": text, "mtu": 1500, "speed": 1000,
                "type": "Ethernet", "interfaceType": "Other",
                "hardwareAddress": f"02:4e:4d:{self._number:02x}:00:{index:02x}",
                "ipAddresses": [{"address": where if "/" in where else f"{where}.{self.host.router}/30"}],
            }
            for name, index, text, where in rows
        }  # fmt: skip

    def _route_summary(self, at: float) -> Any:
        counts = {"connected": 2, "ospf": 1, "ebgp": 2}
        routes = [{"fib": number, "rib": number, "type": name} for name, number in counts.items()]
        return {"routes": routes, "routesTotal": 5, "routesTotalFib": 5}

    def _routes(self, at: float) -> Any:
        other = 3 - self.host.router
        since = {"uptime": "3d00h00m", "vrfName": "default", "selected": True, "installed": True}
        table = (
            ("0.0.0.0/0", "bgp", 20, f"203.0.113.{self.host.router}", "eth0"),
            (f"10.60.255.{other}/32", "ospf", 110, f"10.60.0.{other}", "eth1"),
            ("198.51.100.0/24", "bgp", 20, f"10.60.0.{other}", "eth1"),
        )
        found: dict[str, Any] = {}
        for prefix, protocol, distance, gateway, name in table:
            hop = {"ip": gateway, "afi": "ipv4", "interfaceName": name, "active": True, "fib": True}
            row = {
                "prefix": prefix,
                "protocol": protocol,
                "distance": distance,
                "metric": 10,
                "nexthops": [hop],
                **since,
            }
            found[prefix] = [row]
        for prefix, name in (("203.0.113.0/24", "eth0"), ("10.60.0.0/30", "eth1")):
            hop = {"directlyConnected": True, "interfaceName": name, "active": True, "fib": True}
            found[prefix] = [{"prefix": prefix, "protocol": "connected", "distance": 0, "nexthops": [hop], **since}]
        return found

    def _configuration(self, at: float) -> str:
        me, other = self.host.router, 3 - self.host.router
        lines = [
            "frr version 10.1", "frr defaults traditional", f"hostname {self.host.name}", "!",
            "interface eth1", " ip ospf area 0", " ip ospf network point-to-point", "exit", "!",
            f"router bgp {64_500 + me}", f" bgp router-id 10.60.255.{me}",
            f" neighbor 10.60.0.{other} remote-as {64_500 + other}", f" neighbor 203.0.113.{me} remote-as 64510",
            f" neighbor 203.0.113.{me} description transit", "exit", "!", "router ospf",
            f" ospf router-id 10.60.255.{me}", "exit", "!", "end",
        ]  # fmt: skip
        return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value) + "\n"


RELEASE = (
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
    "VERSION_CODENAME=bookworm\n"
)
LSCPU = {
    "Architecture:": "x86_64", "CPU(s):": str(CORES), "Vendor ID:": "GenuineIntel",
    "Model name:": "Intel(R) Xeon(R) Silver 4314 CPU @ 2.40GHz", "Socket(s):": "1", "Hypervisor vendor:": "KVM",
}  # fmt: skip
