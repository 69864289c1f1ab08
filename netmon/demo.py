"""The demonstration: a simulated network on loopback, in the inventory of a data directory of its own."""

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from inventory import ssh_keys
from inventory.models import Device, Prefix, Site, Tag, Tenant
from inventory.services import create_device, update_device
from inventory.transfer import importing
from netmon.accounts.models import User
from netmon.accounts.services import invites
from netmon.audit import services as audit
from netmon.audit.context import acting
from netmon.common.fields import fold
from netmon.lab.devices import DEMO_DEVICES
from netmon.lab.hosts import HOSTS, USERNAME

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
        "NETMON_ACTIONS_DIR": str(settings.VAR_DIR / "demo" / "actions"),
        "NETMON_ACTIONS_TRUST_OWNER": "1",
        "NETMON_POLL_INTERVAL_SECONDS": str(POLL_SECONDS),
        "NETMON_ALLOWED_HOSTS": ",".join(dict.fromkeys([*settings.ALLOWED_HOSTS, host])),
    }


def agents_port(directory: Path) -> int:
    """The UDP port of the simulated agents: the one of the last start while it is free, else a new one."""
    return _port(directory / "snmp_port", socket.SOCK_DGRAM)


def hosts_port(directory: Path) -> int:
    """The same for the TCP port of the simulated SSH hosts."""
    return _port(directory / "ssh_port", socket.SOCK_STREAM)


def mailbox_ports(directory: Path) -> tuple[int, int]:
    """The same for the mail server and the receiver of webhooks."""
    return _port(directory / "mail_port", socket.SOCK_STREAM), _port(directory / "hook_port", socket.SOCK_STREAM)


def router_port(directory: Path) -> int:
    """The same for the API of the simulated VyOS router."""
    return _port(directory / "vyos_port", socket.SOCK_STREAM)


def _port(path: Path, kind: socket.SocketKind) -> int:
    kept = path.read_text(encoding="ascii").strip() if path.exists() else ""
    for wanted in ([int(kept)] if kept.isdigit() else []) + [0]:
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
            try:
                sock.bind(("0.0.0.0", wanted))  # noqa: S104 - only to see whether it is free
            except OSError:
                continue
            port = int(sock.getsockname()[1])
            path.write_text(f"{port}\n", encoding="ascii")
            return port
    raise OSError("no port is free")


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


# Whose sites they are, and what lies there; the laboratory is nobody's.
TENANTS = {"Lycée Jean Moulin": "lycee-jean-moulin", "Data centre Lyon-2": "lyon-hosting"}
PREFIXES = {
    "Lycée Jean Moulin": (("127.20.0.0/28", "the school's equipment"), ("10.20.0.0/16", "classrooms")),
    "Data centre Lyon-2": (("203.0.113.0/24", "public services"),),
}
TAGS = {"core": ("core", "edge"), "wireless": ("ap-",), "access": ("acc-", "dist-", "tor-")}
GUEST = "guest@example.net"
FILE = """name,kind,ip,site,tenant,snmp_community
ap-music-room,other,127.20.0.61,Lycée Jean Moulin,lycee-jean-moulin,netmon-demo
ap-workshop,other,127.20.0.62,Lycée Jean Moulin,lycee-jean-moulin,netmon-demo
ap-kitchen,toaster,127.20.0.63,Lycée Jean Moulin,lycee-jean-moulin,netmon-demo
"""


def _tenant(site: str) -> Tenant | None:
    if site not in TENANTS:
        return None
    name = site if site == "Lycée Jean Moulin" else "Lyon Hosting"
    defaults = {"name": name, "host_key_policy": Tenant.HostKeyPolicy.FIRST_USE}
    return Tenant.objects.get_or_create(slug=TENANTS[site], defaults=defaults)[0]


def populate() -> str:
    """What people would have added by now: tags, ranges, a key, a checked file, some history.

    At the first time returns the token of an invite into the school's tenant, later nothing.
    """
    admin = User.objects.filter(is_active=True, role=User.Role.ADMIN).order_by("pk").first()
    if admin is None or Tag.objects.filter(slug="core", tenant=None).exists():
        return ""
    with transaction.atomic(), acting(admin, "command"):
        for slug, stems in TAGS.items():
            tag = Tag.objects.create(name=slug.capitalize(), slug=slug)
            tag.devices.set(device for device in Device.objects.all() if device.name.startswith(stems))
        for name, ranges in PREFIXES.items():
            site = Site.objects.filter(name=name).first()
            for cidr, description in ranges:
                Prefix.objects.get_or_create(cidr=cidr, site=site, defaults={"description": description})
        ssh_keys.generate_key(name="demonstration fleet", type="ed25519", username="netmon", comment="netmon demo")
        for device in Device.objects.order_by("pk")[:2]:
            before = audit.snapshot(device)
            device = update_device(device, fields={"serial": f"DEMO-{device.pk:04}"})
            audit.record("update", device, before=before, after=audit.snapshot(device))
        importing.start(
            FILE,
            user=admin,
            file_format="csv",
            existing="skip",
            atomic=True,
            dry_run=True,
            name="new access points.csv",
        )
        school = Tenant.objects.filter(slug="lycee-jean-moulin").first()
        return invites.make(by=admin, role="operator", email=GUEST, tenants=[school.pk])[1] if school else ""


@transaction.atomic
def furnish(count: int, port: int, ssh_port: int | None = None) -> int:
    """Bring `count` simulated devices into the inventory; those there by name are kept. Returns how many are new."""
    takes_ssh = {host.name for host in HOSTS} if ssh_port else set()
    present = {device.name_key: device for device in Device.objects.all()}
    is_old = any(device.tenant_id is None for device in present.values())  # made before the demonstration had tenants
    sites: dict[str, Site] = {}
    added = 0
    for values in fields(count):
        device = present.get(fold(values["name"]))
        if device is None:
            name = values["site"]
            if name not in sites:
                sites[name], _ = Site.objects.get_or_create(name=name, tenant=None if is_old else _tenant(name))
            access = {"snmp_version": "2c", "snmp_community": COMMUNITY, "snmp_port": port}
            if values["name"] in takes_ssh:
                access |= {"ssh_username": USERNAME, "ssh_password": COMMUNITY, "ssh_port": ssh_port}
            create_device(fields={**values, "site": sites[name], "tenant": sites[name].tenant, **access})
            added += 1
            continue
        if values["name"] in takes_ssh and not device.endpoints.filter(protocol="ssh", port=ssh_port).exists():
            ways = {"ssh_username": USERNAME, "ssh_password": COMMUNITY, "ssh_port": ssh_port}
            update_device(device, fields=ways)
        if device.endpoints.filter(protocol="snmp").exclude(port=port).exists():
            update_device(device, fields={"snmp_port": port})
    return added
