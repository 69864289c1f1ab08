"""The demonstration: a simulated network on loopback, in the inventory of a data directory of its own."""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from inventory.models import Device, Site
from inventory.services import create_device, update_device
from netmon.common.fields import fold
from netmon.lab.devices import DEMO_DEVICES

COMMUNITY = "netmon-demo"  # of simulated devices, which answer this machine only
POLL_SECONDS = 15
MOST_DEVICES = 10_000
# What an installation beside it may have set, and a demonstration must not touch.
NOT_INHERITED = (
    "DATABASE_URL",
    "BROKER_URL",
    "NETMON_SECRET_KEY",
    "NETMON_FERNET_KEYS",
    "NETMON_API_KEY_PEPPERS",
    "NETMON_HTTPS",
    "NETMON_BEHIND_PROXY",
    "NETMON_DEBUG",
)


def environment(host: str, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a demonstration that listens on `host`."""
    # Set and empty, not left out: a .env file fills in what is not there.
    emptied = {name: "" for plain in NOT_INHERITED for name in (plain, f"{plain}_FILE")}
    return {
        **inherited,
        **emptied,
        "NETMON_VAR_DIR": str(settings.VAR_DIR / "demo"),
        "NETMON_ALLOW_LOOPBACK": "1",
        "NETMON_POLL_INTERVAL_SECONDS": str(POLL_SECONDS),
        "NETMON_ALLOWED_HOSTS": ",".join(dict.fromkeys([*settings.ALLOWED_HOSTS, host])),
    }


def agents_port(directory: Path) -> int:
    """The UDP port of the simulated agents: the one of the last start while it is free, else a new one."""
    path = directory / "snmp_port"
    kept = path.read_text(encoding="ascii").strip() if path.exists() else ""
    for wanted in ([int(kept)] if kept.isdigit() else []) + [0]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(("0.0.0.0", wanted))  # noqa: S104 - only to see whether it is free
            except OSError:
                continue
            port = int(sock.getsockname()[1])
            path.write_text(f"{port}\n", encoding="ascii")
            return port
    raise OSError("no UDP port is free")


def fields(count: int) -> Iterator[dict[str, Any]]:
    """`count` devices in the flat form: the school and its hoster first, then equal switches."""
    for device in DEMO_DEVICES[:count]:
        site, _, location = device.location.partition(", ")
        yield {
            "name": device.name,
            "kind": device.kind,
            "ip": device.address,
            "site": site,
            "location": location,
            "vendor": device.vendor,
            "model": device.model,
        }
    for number in range(count - len(DEMO_DEVICES)):
        yield {
            "name": f"lab-sw-{number + 1:04}",
            "kind": "switch",
            "ip": f"127.1.{number // 250}.{number % 250 + 1}",
            "site": "Laboratory",
            "location": f"rack {number // 40 + 1:02}",
            "vendor": "netmon",
            "model": "simulated, 48 ports",
        }


@transaction.atomic
def furnish(count: int, port: int) -> int:
    """Bring `count` simulated devices into the inventory; those there by name are kept. Returns how many are new."""
    present = {device.name_key: device for device in Device.objects.filter(tenant__isnull=True)}
    sites: dict[str, Site] = {}
    added = 0
    for values in fields(count):
        device = present.get(fold(values["name"]))
        if device is None:
            name = values["site"]
            if name not in sites:
                sites[name], _ = Site.objects.get_or_create(name=name, tenant=None)
            access = {"snmp_version": "2c", "snmp_community": COMMUNITY, "snmp_port": port}
            create_device(fields={**values, "site": sites[name], **access})
            added += 1
        elif device.endpoints.filter(protocol="snmp").exclude(port=port).exists():
            update_device(device, fields={"snmp_port": port})
    return added
