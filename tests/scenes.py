"""A believable small network with a day of measurements: for browser tests, screenshots and demonstrations."""

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.utils import timezone

from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Site
from monitoring.models import Check, DeviceFact, DeviceState, Heartbeat, Outage, Series
from monitoring.store import write
from monitoring.store.slots import floor

HOSTILE = '<script>alert("x")</script>"><img src=x onerror=alert(1)>'
PERIOD = 60
GIGABIT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """One device of the network: what it is, and what is wrong with it."""

    name: str
    kind: str
    address: str
    site: str
    location: str = ""
    platform: str = ""
    vendor: str = ""
    model: str = ""
    rtt_ms: float = 1.5
    state: str = "up"
    cause: str = ""
    since: timedelta = timedelta(days=3)
    interfaces: int = 6


PLANS = (
    Plan(
        "core1.fra",
        "router",
        "192.0.2.1",
        "Frankfurt DC",
        "rack B07",
        "VyOS 1.4.2",
        "VyOS",
        "1U appliance",
        1.8,
        "degraded",
        "SNMP does not answer, ping does",
        timedelta(minutes=14),
        8,
    ),
    Plan(
        "core2.fra",
        "router",
        "192.0.2.2",
        "Frankfurt DC",
        "rack B08",
        "VyOS 1.4.2",
        "VyOS",
        "1U appliance",
        1.7,
        interfaces=8,
    ),
    Plan("edge.par", "router", "192.0.2.17", "Paris office", "basement", "RouterOS 7.16", "MikroTik", "CCR2004", 9.3),
    Plan("fw1.fra", "firewall", "192.0.2.3", "Frankfurt DC", "rack B07", "OPNsense 25.1", "Deciso", "DEC2750", 0.9),
    Plan(
        "access-1.par",
        "switch",
        "192.0.2.33",
        "Paris office",
        "floor 1",
        "IOS 15.2",
        "Cisco",
        "C2960X-24",
        10.1,
        interfaces=26,
    ),
    Plan(
        "access-2.par",
        "switch",
        "192.0.2.34",
        "Paris office",
        "floor 2",
        "IOS 15.2",
        "Cisco",
        "C2960X-24",
        10.4,
        "down",
        "No answer to ping and SNMP",
        timedelta(minutes=47),
        10,
    ),
    Plan(
        "tor-b07.fra",
        "switch",
        "192.0.2.4",
        "Frankfurt DC",
        "rack B07",
        "EOS 4.32",
        "Arista",
        "7050SX",
        0.6,
        interfaces=12,
    ),
    Plan("db1.fra", "server", "192.0.2.65", "Frankfurt DC", "rack C01", "Debian 12", "Dell", "R650", 0.4, interfaces=2),
    Plan(
        "backup.fra", "server", "192.0.2.66", "Frankfurt DC", "rack C01", "Debian 12", "Dell", "R550", 0.5, interfaces=2
    ),
    Plan(
        "desk-17.par",
        "computer",
        "192.0.2.81",
        "Paris office",
        "room 117",
        "Ubuntu 24.04",
        "Lenovo",
        "M70q",
        11.2,
        interfaces=2,
    ),
    Plan(
        "kiosk.par",
        "computer",
        "192.0.2.82",
        "Paris office",
        "entrance",
        "Debian 12",
        "Intel",
        "NUC",
        12.0,
        "unknown",
        "No result for 25 minutes",
        timedelta(minutes=25),
        1,
    ),
    Plan("gate.par", "camera", "192.0.2.97", "Paris office", "gate", "", "Axis", "P3265", 14.5, interfaces=1),
)
NAMES = (
    "Transit Cogent, 1G",
    "Core link, 10G",
    "Access floor 1",
    "VLAN 20 cameras",
    "Peering",
    "VPN branch",
    "Storage",
    "",
)


def make_scene(*, now: datetime | None = None, hours: int = 24) -> dict[str, Device]:
    """Fills an empty database. One device has an outage, a gap and errors on a port; others are down or silent."""
    at = now or timezone.now()
    chance = random.Random(7)
    credential = Credential.objects.create(name="fra-snmpv3", kind="snmp_usm", username="netmon")
    sites = {name: Site.objects.create(name=name) for name in sorted({plan.site for plan in PLANS})}
    devices = {plan.name: _device(plan, sites[plan.site], credential, at) for plan in PLANS}
    for plan in PLANS:
        _measure(plan, devices[plan.name], at, hours, chance)
    first = devices["core1.fra"]
    began = at - timedelta(hours=15)
    Outage.objects.create(
        device=first, started_at=began, ended_at=began + timedelta(minutes=2), cause="No answer to ping"
    )
    gap = at - timedelta(hours=14, minutes=30)
    Outage.objects.create(
        device=first, kind="unknown", started_at=gap, ended_at=gap + timedelta(minutes=40), cause="Nothing was measured"
    )
    for name, process in (("poller", "worker"), ("runner", "runner"), ("scheduler", "beat"), ("web", "web")):
        Heartbeat.objects.create(
            process=process, host=name, pid=4000 + len(name), started_at=at - timedelta(days=2), at=at
        )
    return devices


def make_hostile_device() -> Device:
    """A device whose every text is an attack on the page."""
    site = Site.objects.create(name=HOSTILE[:100])
    device = Device.objects.create(
        name=HOSTILE[:100], kind="router", site=site, location=HOSTILE, platform=HOSTILE[:100], serial=HOSTILE[:100]
    )
    interface = Interface.objects.create(
        device=device, name=HOSTILE, if_index=1, if_alias=HOSTILE, if_admin_status=1, if_oper_status=2
    )
    DeviceFact.objects.create(
        device=device,
        kind="system",
        data={"sys_name": HOSTILE, "sys_descr": HOSTILE, "sys_contact": HOSTILE},
        collected_at=timezone.now(),
    )
    DeviceState.objects.create(
        device=device,
        state="down",
        cause=HOSTILE,
        since=timezone.now(),
        watched_since=timezone.now() - timedelta(hours=1),
        last_poll_at=timezone.now(),
    )
    Outage.objects.create(device=device, started_at=timezone.now() - timedelta(minutes=5), cause=HOSTILE)
    Series.objects.create(
        device=device, interface=interface, metric_set="if.counters", v0=1e6, v1=1e6, v10=2, last_at=timezone.now()
    )
    return device


def _device(plan: Plan, site: Site, credential: Credential, at: datetime) -> Device:
    device = Device.objects.create(
        name=plan.name,
        kind=plan.kind,
        site=site,
        location=plan.location,
        platform=plan.platform,
        vendor=plan.vendor,
        model=plan.model,
        serial=f"NM-{abs(hash(plan.address)) % 9000 + 1000}",
    )
    for number in range(1, plan.interfaces + 1):
        Interface.objects.create(
            device=device,
            name=f"eth{number - 1}",
            if_index=number,
            if_type=6,
            mtu=1500,
            if_admin_status=1,
            if_alias=NAMES[(number - 1) % len(NAMES)],
            if_oper_status=1,
            mac_address=f"02:00:5e:00:{device.pk % 256:02x}:{number:02x}",
            if_speed_bps=10 * GIGABIT if number == 2 else GIGABIT,
        )
    if plan.interfaces > 2:
        Interface.objects.create(device=device, name="lo", if_index=99, if_type=24, if_admin_status=1, if_oper_status=1)
    port = device.interfaces.get(if_index=1)
    device.primary_ip = IPAddress.objects.create(address=plan.address, interface=port)
    device.save()
    is_silent = plan.state in ("down", "unknown")
    asked = at - timedelta(seconds=20) if plan.state != "unknown" else at - plan.since
    uptime = 43 * 86400 + 7 * 3600
    DeviceState.objects.create(
        device=device,
        state=plan.state,
        cause=plan.cause,
        since=at - plan.since,
        watched_since=at - timedelta(days=40),
        last_poll_at=asked,
        is_reachable=not is_silent,
        response_time_ms=None if is_silent else plan.rtt_ms,
        loss_percent=100.0 if is_silent else 0.0,
        uptime_seconds=None if is_silent else uptime,
        booted_at=None if is_silent else at - timedelta(seconds=uptime),
        version=7,
    )
    if is_silent:
        Outage.objects.create(device=device, kind=plan.state, started_at=at - plan.since, cause=plan.cause)
    snmp = ManagementEndpoint.objects.create(
        device=device, protocol="snmp", credential=credential, options={"version": "3"}
    )
    ping = ManagementEndpoint.objects.create(device=device, protocol="icmp")
    for endpoint, module in ((ping, "icmp"), (snmp, "snmp.system"), (snmp, "snmp.interfaces")):
        failed = is_silent or (plan.state == "degraded" and module == "snmp.system")
        Check.objects.create(
            endpoint=endpoint,
            module=module,
            status="down" if failed else "up",
            last_run_at=asked,
            next_run_at=at + timedelta(seconds=40),
            last_response_ms=None if failed else plan.rtt_ms,
            last_error_code="timeout" if failed else "",
            last_error_detail="No answer within 3 s." if failed else "",
        )
    DeviceFact.objects.create(
        device=device,
        kind="system",
        collected_at=at,
        data={
            "sys_name": plan.name,
            "sys_descr": f"{plan.vendor} {plan.model}, {plan.platform}",
            "sys_contact": "network team",
            "sys_location": f"{plan.site}, {plan.location}",
        },
    )
    return device


def _measure(plan: Plan, device: Device, at: datetime, hours: int, chance: random.Random) -> None:
    last = floor(at, PERIOD)
    slots = np.arange(last - hours * 3600, last, PERIOD)
    alive = np.ones(len(slots), dtype=bool)
    if plan.state in ("down", "unknown"):
        alive[slots >= (at - plan.since).timestamp()] = False
    if plan.name == "core1.fra":
        gap = (at - timedelta(hours=14, minutes=30)).timestamp()
        alive[(slots >= gap) & (slots < gap + 2400)] = False
    noise = np.random.default_rng(len(plan.name) + int(plan.address.rsplit(".", 1)[1]))
    rtt = plan.rtt_ms * (0.9 + 0.3 * noise.random(len(slots))) + np.where(
        noise.random(len(slots)) > 0.985, 5 * noise.random(len(slots)), 0
    )
    loss = np.zeros(len(slots))
    if plan.name == "core1.fra":
        broken = (at - timedelta(hours=15)).timestamp()
        hit = (slots >= broken) & (slots < broken + 120)
        rtt[hit], loss[hit] = np.nan, 100.0
    samples: list[write.SampleWrite] = []
    current: list[write.CurrentWrite] = []
    ping = Series.objects.create(device=device, metric_set="icmp", period_seconds=PERIOD)
    _write(ping, slots, np.column_stack([rtt, loss, loss == 0]), alive, samples, current)
    for number, interface in enumerate(device.interfaces.order_by("if_index")):
        if interface.name == "lo":
            continue
        row = Series.objects.create(device=device, interface=interface, metric_set="if.counters", period_seconds=PERIOD)
        _write(row, slots, _traffic(plan, number, slots, noise), alive, samples, current)
    write.write_many(samples)
    write.update_current(current)


def _traffic(plan: Plan, number: int, slots: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    hour = (slots / 3600) % 24
    day = 0.28 + 0.72 * np.clip(np.sin((hour - 5.5) / 24 * 2 * math.pi - 0.6) * 0.5 + 0.5, 0, 1)
    scale = 620e6 / (1 + number) ** 1.3 if plan.interfaces >= 6 else 40e6 / (1 + number)
    into = scale * day * (0.86 + 0.22 * noise.random(len(slots)))
    out = scale * 0.5 * (0.25 + 0.55 * day) * (0.85 + 0.25 * noise.random(len(slots)))
    down = plan.name == "core1.fra" and number == 4
    if down:
        into, out = np.zeros(len(slots)), np.zeros(len(slots))
    errors = (
        np.where(noise.random(len(slots)) > 0.97, 0.05, 0.0)
        if plan.name == "core1.fra" and number in (2, 4)
        else np.zeros(len(slots))
    )
    pps = into / 8 / 700
    status = np.full(len(slots), 2.0 if down else 1.0)
    zero = np.zeros(len(slots))
    return np.column_stack(
        [into, out, pps, out / 8 / 500, errors, zero, errors * 0.5, zero, pps * 0.01, pps * 0.01, status]
    )


def _write(
    row: Series,
    slots: np.ndarray,
    values: np.ndarray,
    alive: np.ndarray,
    samples: list[write.SampleWrite],
    current: list[write.CurrentWrite],
) -> None:
    samples += [
        write.SampleWrite(row.pk, int(slot), line) for slot, line in zip(slots[alive], values[alive], strict=True)
    ]
    if alive.any():
        current.append(write.CurrentWrite(row.pk, float(slots[alive][-1]) + PERIOD, values[alive][-1]))
