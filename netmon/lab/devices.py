"""The devices of the simulated network: what they are called, what is plugged into them, how they behave.

Two kinds of them live on loopback:

* 127.20.0.1 and up: DEMO_DEVICES, a school and its hoster, with traffic that follows the day.
* 127.F.x.y with F from 1 to 12: any number of equal 48-port switches for tests, with exact rates; F is the fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

DAY = 86_400
GIGABIT = 1_000_000_000

# Second octet of a test device's address, and what it does.
FAULTS = {
    1: "healthy",
    2: "silent",
    3: "late",
    4: "loop",
    5: "too_big",
    6: "drop",
    7: "truncated",
    8: "no_hc",
    9: "wrong_source",
    10: "reboots",
    11: "gen_err_on_bulk",
    12: "duplicate",
}
TEST_PORTS = 48
TEST_REBOOT_SECONDS = 120

# Of a demonstration device, in seconds: period, and for how much of it the thing happens.
FLAPPING_PERIOD, FLAPPING_SILENT = 900, 240
FLAPPING_PORT_PERIOD, FLAPPING_PORT_DOWN = 300, 80
REBOOT_PERIOD, REBOOT_SILENT = 1_200, 45

# Octets received after so many seconds of life that began at a time of the wall clock.
Load = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Port:
    """An interface; `load` gives what it received, `sent_share` how much of that it sent."""

    index: int
    name: str
    descr: str
    alias: str
    if_type: int
    speed_bps: int
    load: Load
    mac: bytes = b""
    is_up: bool = True
    is_flapping: bool = False
    sent_share: float = 0.7
    error_share: float = 1e-8
    discard_share: float = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDevice:
    """A device of the demonstration: `behaviour` is healthy, busy, flapping, silent or rebooting."""

    name: str
    address: str
    kind: str
    behaviour: str
    location: str
    vendor: str
    model: str
    sys_object_id: str
    sys_descr: str
    contact: str = "noc@example.net"


_IOS = "Cisco IOS Software, Catalyst L3 Switch Software ({image}), Version {version}"
_LINUX = "Linux {name} 6.1.0-27-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.115-1 x86_64"
# model: vendor, sysObjectID below 1.3.6.1.4.1, what the software calls itself
MODELS: dict[str, tuple[str, str, str]] = {
    "C9500-24Y4C": ("Cisco", "9.1.2530", _IOS.format(image="CAT9K_IOSXE", version="17.9.4a")),
    "C9300-48P": ("Cisco", "9.1.2494", _IOS.format(image="CAT9K_IOSXE", version="17.6.5")),
    "C9200L-24P": ("Cisco", "9.1.2437", _IOS.format(image="CAT9K_LITE_IOSXE", version="17.6.5")),
    "AP-505": ("Aruba", "14823.1.2.179", "ArubaOS (MODEL: 505), Version 8.10.0.7"),
    "AP-515": ("Aruba", "14823.1.2.180", "ArubaOS (MODEL: 515), Version 8.10.0.7"),
    "AP-575": ("Aruba", "14823.1.2.181", "ArubaOS (MODEL: 575), Version 8.10.0.5"),
    "FortiGate-100F": ("Fortinet", "12356.101.1.1006", "{model} v7.2.8"),
    "MX204": (
        "Juniper",
        "2636.1.1.1.2.154",
        "Juniper Networks, Inc. mx204 internet router, kernel JUNOS 22.4R3",
    ),
    "DCS-7050SX3-48YC8": (
        "Arista",
        "30065.1.3011.7050.3741.3.48.2878.8",
        "Arista Networks EOS version 4.30.5M running on an Arista Networks {model}",
    ),
    "CCR2004-16G-2S+": ("MikroTik", "14988.1", "RouterOS {model}"),
    "PowerEdge R750": ("Dell", "8072.3.2.10", _LINUX),
    "SYS-620U": ("Supermicro", "8072.3.2.10", _LINUX),
    "FRR on Debian": ("FRRouting", "8072.3.2.10", _LINUX),
    "Virtual machine": ("QEMU", "8072.3.2.10", _LINUX),
    "Smart-UPS 3000": (
        "APC",
        "318.1.3.27",
        "APC Web/SNMP Management Card (MB:v4.1.0 PF:v7.1.2 PN:apc_hw05_aos_712.bin)",
    ),
    "LaserJet M507": ("HP", "11.2.3.9.1", "HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT,JD153,EEPROM JSI24070012"),
}


def _devices() -> list[DemoDevice]:
    school, hoster = "Lycée Jean Moulin", "Data centre Lyon-2"
    # name, kind, behaviour, location, model
    rows = (
        ("core-sw-01", "switch", "busy", f"{school}, server room", "C9500-24Y4C"),
        ("dist-sw-01", "switch", "healthy", f"{school}, building A", "C9300-48P"),
        ("dist-sw-02", "switch", "healthy", f"{school}, building B", "C9300-48P"),
        ("acc-sw-a1", "switch", "healthy", f"{school}, building A, floor 1", "C9200L-24P"),
        ("acc-sw-b1", "switch", "flapping", f"{school}, building B, floor 1", "C9200L-24P"),
        ("acc-sw-gym", "switch", "silent", f"{school}, gymnasium", "C9200L-24P"),
        ("ap-library", "other", "healthy", f"{school}, library", "AP-515"),
        ("ap-hall", "other", "healthy", f"{school}, hall", "AP-515"),
        ("ap-canteen", "other", "flapping", f"{school}, canteen", "AP-505"),
        ("ap-yard", "other", "rebooting", f"{school}, yard", "AP-575"),
        ("fw-school", "firewall", "healthy", f"{school}, server room", "FortiGate-100F"),
        ("edge-rt-01", "router", "busy", f"{hoster}, row 1, rack 4", "MX204"),
        ("edge-rt-02", "router", "healthy", f"{hoster}, row 1, rack 5", "MX204"),
        ("tor-sw-04", "switch", "healthy", f"{hoster}, row 1, rack 4", "DCS-7050SX3-48YC8"),
        ("tor-sw-05", "switch", "healthy", f"{hoster}, row 1, rack 5", "DCS-7050SX3-48YC8"),
        ("vpn-rt-01", "router", "rebooting", f"{hoster}, row 2, rack 1", "CCR2004-16G-2S+"),
        ("hv-01", "server", "healthy", f"{hoster}, row 2, rack 2", "PowerEdge R750"),
        ("backup-01", "server", "busy", f"{hoster}, row 2, rack 2", "SYS-620U"),
        ("ups-01", "other", "healthy", f"{school}, server room", "Smart-UPS 3000"),
        ("printer-admin", "other", "silent", f"{school}, administration", "LaserJet M507"),
        ("frr-rt-01", "router", "healthy", f"{hoster}, row 2, rack 1", "FRR on Debian"),
        ("frr-rt-02", "router", "healthy", f"{hoster}, row 2, rack 1", "FRR on Debian"),
        ("web-01", "server", "healthy", f"{hoster}, on hv-01", "Virtual machine"),
        ("mail-01", "server", "healthy", f"{hoster}, on hv-01", "Virtual machine"),
    )
    return [
        DemoDevice(
            name=name,
            address=f"127.20.0.{number}",
            kind=kind,
            behaviour=behaviour,
            location=location,
            vendor=MODELS[model][0],
            model=model,
            sys_object_id=f"1.3.6.1.4.1.{MODELS[model][1]}",
            sys_descr=MODELS[model][2].format(name=name, model=model),
        )
        for number, (name, kind, behaviour, location, model) in enumerate(rows, 1)
    ]


DEMO_DEVICES: list[DemoDevice] = _devices()


def exact_octets_per_second(address: str, port: int) -> int:
    """What port `port` (from 1) of the test device 127.F.x.y receives; it sends 0.7 of that."""
    _, _, high, low = map(int, address.split("."))
    return 1000 * ((31 * (high << 8 | low) + 17 * port) % 9973)


def exact_ports(address: str) -> list[Port]:
    """The 48 gigabit ports of a test device; every seventh has no link."""

    def load(port: int) -> Load:
        rate = exact_octets_per_second(address, port)
        return lambda seconds, born: seconds * rate

    return [
        Port(
            index=n,
            name=f"Gi1/0/{n}",
            descr=f"GigabitEthernet1/0/{n}",
            alias=f"uplink to core-{n}",
            if_type=6,
            speed_bps=GIGABIT,
            load=load(n),
            mac=bytes((0, 0x1B, 0x21, 0, n >> 8, n & 255)),
            is_up=n % 7 != 0,
        )
        for n in range(1, TEST_PORTS + 1)
    ]


def _daily(mean_octets: float, phase: float) -> Load:
    """Traffic round `mean_octets` a second: little at night, most at two in the afternoon, waves of minutes on top."""
    waves = ((0.62, DAY, DAY * 14 / 24 - DAY / 4), (0.17, 1_700.0, phase * 1_700), (0.08, 310.0, phase * 310))

    return _waving(mean_octets, waves)


def _full(mean_octets: float, phase: float) -> Load:
    """A line that is nearly full at any hour."""
    return _waving(mean_octets, ((0.04, 1_700.0, phase * 1_700), (0.03, 310.0, phase * 310)))


def _waving(mean_octets: float, waves: tuple[tuple[float, float, float], ...]) -> Load:
    """A mean with sines on it, each of a share of the mean, a period and a shift; integrated, so that it counts up."""

    def integral(at: float) -> float:
        return at - sum(
            share * period / math.tau * math.cos(math.tau * (at - shift) / period) for share, period, shift in waves
        )

    return lambda seconds, born: mean_octets * (integral(born + seconds) - integral(born))


def _interrupted(mean_octets: float) -> Load:
    """Steady traffic that stops while the port is down."""
    up = FLAPPING_PORT_PERIOD - FLAPPING_PORT_DOWN

    def upto(at: float) -> float:
        return at // FLAPPING_PORT_PERIOD * up + min(at % FLAPPING_PORT_PERIOD, up)

    return lambda seconds, born: mean_octets * (upto(born + seconds) - upto(born))


def port_is_down(now: float) -> tuple[bool, float]:
    """Whether a flapping port is down now, and since how many seconds it is as it is."""
    at, up = now % FLAPPING_PORT_PERIOD, FLAPPING_PORT_PERIOD - FLAPPING_PORT_DOWN
    return (True, at - up) if at >= up else (False, at)


def demo_ports(device: DemoDevice) -> list[Port]:
    """The interfaces of a demonstration device."""
    number = int(device.address.rpartition(".")[2])
    layout: list[tuple[str, str, str, int, int]] = []  # name, descr, alias, ifType, speed
    gi, te = ("Gi1/0/{}", "GigabitEthernet1/0/{}"), ("Te1/1/{}", "TenGigabitEthernet1/1/{}")
    if device.kind == "switch" and device.vendor == "Arista":
        layout += [(f"Ethernet{n}", f"Ethernet{n}", f"hv-{n:02}", 6, 25 * GIGABIT) for n in range(1, 25)]
        layout += [(f"Ethernet{n}/1", f"Ethernet{n}/1", f"edge-rt-0{n - 48}", 6, 100 * GIGABIT) for n in (49, 50)]
        layout += [("Management1", "Management1", "out of band", 6, GIGABIT)]
    elif device.kind == "switch":
        count = 24 if "24" in device.model else 48
        rooms = ("Classroom {}", "Laboratory {}", "Office {}")
        layout += [
            (gi[0].format(n), gi[1].format(n), rooms[n % 3].format(100 + n), 6, GIGABIT) for n in range(1, count + 1)
        ]
        layout += [(te[0].format(n), te[1].format(n), f"uplink to core-sw-01 ({n})", 6, 10 * GIGABIT) for n in (1, 2)]
        layout += [("Vl10", "Vlan10", "management", 53, GIGABIT), ("Vl20", "Vlan20", "pupils", 53, GIGABIT)]
    elif device.kind in ("router", "firewall"):
        media = ("xe-0/1/{}", 10 * GIGABIT) if device.vendor == "Juniper" else ("port{}", GIGABIT)
        aliases = ("transit AS64500", "transit AS64501", "IX Lyon", "tor-sw-04", "tor-sw-05", "office", "dmz", "spare")
        layout += [(media[0].format(n), media[0].format(n), alias, 6, media[1]) for n, alias in enumerate(aliases)]
        layout += [("lo0", "lo0", "", 24, 0)]
    elif device.vendor == "Aruba":
        layout += [("eth0", "eth0", "uplink", 6, GIGABIT)]
        layout += [("radio0", "radio0", "5 GHz", 71, 1_200_000_000), ("radio1", "radio1", "2.4 GHz", 71, 300_000_000)]
    elif device.kind == "server":
        layout += [("lo", "lo", "", 24, 10_000_000)]
        layout += [(f"eno{n}", f"eno{n}", "", 6, 10 * GIGABIT) for n in (1, 2)] + [
            ("vmbr0", "vmbr0", "", 209, 10 * GIGABIT)
        ]
    else:
        layout += [("eth0", "Ethernet adapter", "", 6, 100_000_000)]
    return [_demo_port(device, number, index, *entry) for index, entry in enumerate(layout, 1)]


def _demo_port(
    device: DemoDevice, number: int, index: int, name: str, descr: str, alias: str, if_type: int, speed: int
) -> Port:
    draw = (number * 7919 + index * 104_729) % 1000 / 1000
    is_uplink = speed >= 10 * GIGABIT or "uplink" in alias or "transit" in alias
    use = (0.12 if is_uplink else 0.004) * (0.25 + draw)
    is_hot = device.behaviour == "busy" and is_uplink and index % 2 == 0
    is_flapping = device.behaviour == "flapping" and index == 3
    if is_flapping:
        load = _interrupted(speed / 8 * 0.05)
    elif is_hot:
        load = _full(speed / 8 * 0.9, draw)
    else:
        load = _daily(max(speed, 1_000_000) / 8 * use, draw)
    return Port(
        index=index,
        name=name,
        descr=descr,
        alias=alias,
        if_type=if_type,
        speed_bps=speed,
        load=load,
        mac=b"" if if_type == 24 else bytes((0x02, 0x4E, 0x4D, number, 0, index)),
        # a port nobody uses: never the first two, never an uplink
        is_up=is_uplink or is_flapping or index <= 2 or draw < 0.85,
        is_flapping=is_flapping,
        sent_share=0.3 + draw / 2,
        error_share=3e-7 if is_hot else 1e-10,
        discard_share=2e-6 if is_hot else 1e-9,
    )
