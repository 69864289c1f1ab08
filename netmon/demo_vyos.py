"""The demonstration's share of VyOS: a simulated router, and machines in every state that a person may meet.

At the first start the router runs in this process for a moment and is told everything through its API, by the services
that people use; then it goes on as a process of its own from what it has.
"""

import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from inventory.models import Credential, Device, ManagementEndpoint, Prefix, Site, Tag
from inventory.services import create_device, save_endpoint
from netmon.accounts.models import User
from netmon.audit import services as audit
from netmon.audit.context import acting
from netmon.lab.vyos import Router, Server
from netmon.lab.vyos.certificates import Certificate, kept_certificate
from provisioning.models import DhcpPool, PortForward, PortPool, Quota, Vm, VyosRouter
from provisioning.services import changes, drift, live, requests, routers, wishes

NAME, ADDRESS = "vyos-rt-01", "127.20.0.30"
RELEASE = "1.5-2026-02"
LAN, GATEWAY = "127.20.66.0/24", "127.20.66.1"
SUBNET = f"service dhcp-server shared-network-name LAN subnet {LAN}"
# What somebody set up by hand before netmon came: no business of netmon's, and shown as such.
BY_HAND = (
    "delete interfaces ethernet eth1 address", f"set interfaces ethernet eth1 address {GATEWAY}/24",
    f"set {SUBNET} subnet-id 66",
    f"set {SUBNET} range 0 start 127.20.66.200", f"set {SUBNET} range 0 stop 127.20.66.250",
    "set nat destination rule 100 description 'VPN of the office'",
    "set nat destination rule 100 inbound-interface name eth0", "set nat destination rule 100 protocol udp",
    "set nat destination rule 100 destination port 51820",
    "set nat destination rule 100 translation address 127.20.66.210",
    "set nat destination rule 100 translation port 51820",
)  # fmt: skip
SSH, WEB = {"name": "ssh", "internal_port": 2222}, {"name": "web", "internal_port": 8080}
MACHINES: tuple[dict[str, Any], ...] = (
    {"vm_name": "shop-web", "ports": [SSH, WEB, {"name": "metrics", "internal_port": 9100, "source": "192.0.2.0/24"}]},
    {"vm_name": "shop-db", "ports": [SSH]},
    {"vm_name": "ci-runner", "ports": [SSH, {"name": "agents", "internal_port": 9001}]},
    {"vm_name": "voip", "ports": [SSH, {"name": "rtp", "internal_port": 16000, "internal_port_end": 16009,
                                        "protocol": "udp"}]},
    {"vm_name": "trial", "ports": [WEB]},
)  # fmt: skip
REFUSED = "legacy-crm"


def directory_of(var_dir: Path) -> Path:
    """Where the simulated router keeps its key, certificate and configuration."""
    path = var_dir / "vyos"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def populate(directory: Path, port: int) -> None:
    """At the first start only: what somebody deletes stays deleted. Later the router is where this start puts it."""
    known = ManagementEndpoint.objects.filter(protocol="vyos", device__name=NAME).first()
    if known is not None:
        ManagementEndpoint.objects.filter(pk=known.pk).exclude(port=port).update(port=port)
    admin = User.objects.filter(is_active=True, role=User.Role.ADMIN).order_by("pk").first()
    if admin is None or known is not None or (directory / "state.json").exists():
        return
    key = _key(directory / "key")
    certificate = kept_certificate(directory / "certificate.json", addresses=(ADDRESS,))
    lab = Router(RELEASE, key=key, hostname=NAME)
    lab.edit(*BY_HAND)
    lab.save()
    with Server(lab, host=ADDRESS, port=port, certificate=certificate), acting(admin, "command"):
        _live_a_while(lab, _router(certificate, port, key), admin)
    (directory / "state.json").write_text(json.dumps(lab.kept()), encoding="utf-8")


def _key(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24), encoding="ascii")
    return path.read_text(encoding="ascii")


def _router(certificate: Certificate, port: int, key: str) -> VyosRouter:
    site = Site.objects.filter(name="Data centre Lyon-2").first()
    tenant = site.tenant if site else None
    about = {"name": NAME, "kind": "router", "ip": ADDRESS, "site": site, "tenant": tenant, "location": "rack 04"}
    device = create_device(fields={**about, "vendor": "VyOS", "model": "simulated, 2 ports"})
    credential = Credential.objects.create(name=f"{NAME} API", kind=Credential.Kind.API_KEY, tenant=tenant, secret=key)
    pin = {"certificate_sha256": certificate.fingerprint}
    way = ManagementEndpoint(device=device, protocol="vyos", port=port, credential=credential, options=pin)
    endpoint = save_endpoint(way)
    router = VyosRouter(
        endpoint=endpoint, inbound_interface="eth0", lan_interface="eth1", external_address=ADDRESS, rule_end=10199
    )
    _keep(router)
    prefix, _ = Prefix.objects.get_or_create(cidr=LAN, site=site, defaults={"description": f"machines behind {NAME}"})
    _keep(
        DhcpPool(
            router=router, name="machines", shared_network="LAN", prefix=prefix, subnet_id=66, gateway=GATEWAY,
            range_start="127.20.66.10", range_end="127.20.66.29", name_servers=[GATEWAY],
        )
    )  # fmt: skip
    _keep(PortPool(router=router, name="outside", port_start=32000, port_end=32099))
    _keep(PortPool(router=router, name="telephony", port_start=32500, port_end=32519))
    if tenant is not None:
        _keep(Quota(tenant=tenant, max_vms=8, max_forwards=40))
    return router


def _keep(row: Any) -> None:
    row.full_clean()
    row.save()
    audit.record("create", row, after=audit.snapshot(row))


def _live_a_while(lab: Router, router: VyosRouter, admin: User) -> None:
    """Machines are asked for and changed, by people and past netmon."""
    known: dict[str, Any] = {"user": admin, "via": "demo"}
    for machine in MACHINES:
        pool = "telephony" if machine["vm_name"] == "voip" else "outside"
        requests.provision(wishes.read_vm({**machine, "router": router.pk, "port_pool": pool}), **known)
    changes.run(router.pk)
    vms = {vm.name: vm for vm in Vm.objects.filter(router=router).select_related("router__endpoint__device")}
    requests.act_on_ports(vms["ci-runner"], "pause", ["agents"], **known)
    requests.set_end(vms["trial"], timezone.now() + timedelta(hours=3), **known)
    requests.set_end(vms["shop-web"], timezone.now() + timedelta(days=30), ["metrics"], **known)
    changes.run(router.pk)
    _refused(lab, router, known)
    moved = PortForward.objects.get(vm=vms["shop-db"], name="ssh")
    lab.edit(f"set nat destination rule {moved.rule_number} translation port 2022")
    rows = PortForward.objects.filter(vm__router=router, desired="enabled").order_by("rule_number")
    for count, forward in enumerate(rows, 1):
        lab.hits[forward.rule_number] = (count * count * 37, count * count * 37 * 412)
    lab.leases.append(("127.20.66.210", "00:50:56:66:02:10", "office-vpn"))
    live.refresh(router)
    drift.compare(router)


def _refused(lab: Router, router: VyosRouter, known: dict[str, Any]) -> None:
    """A machine whose change fails: somebody takes its rule number at the router in the moment before."""
    wish = {"vm_name": REFUSED, "router": router.pk, "port_pool": "outside", "ports": [WEB]}
    requests.provision(wishes.read_vm(wish), **known)
    number = PortForward.objects.get(vm__hostname=REFUSED, vm__router=router).rule_number
    rule = f"set nat destination rule {number}"
    lab.edit(
        f"{rule} description 'by hand, ask Ada'", f"{rule} inbound-interface name eth0", f"{rule} protocol tcp",
        f"{rule} destination port 8443", f"{rule} translation address 127.20.66.211", f"{rule} translation port 8443",
    )  # fmt: skip
    routers.read(router)  # else what was read back a moment ago would do
    changes.run(router.pk)
    if (core := Tag.objects.filter(slug="core", tenant=None).first()) is not None:
        core.devices.add(Device.objects.get(pk=router.device.pk))
