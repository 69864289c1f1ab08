"""Rows for tests: plain functions, deterministic, each with sensible values that may be overridden."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from inventory import ssh_keys
from inventory.models import (
    Credential,
    Device,
    HostKey,
    Interface,
    IPAddress,
    ManagementEndpoint,
    Prefix,
    Site,
    Tag,
    Tenant,
)
from inventory.services import create_device
from monitoring.models import (
    Check,
    ConfigVersion,
    DeviceEvent,
    DeviceFact,
    DeviceState,
    ExpectedNeighbour,
    Indicator,
    Outage,
    Series,
)
from monitoring.modules.config_backup import Backup, ConfigText
from monitoring.services import configs
from netmon.drivers.platforms import config_check
from netmon.drivers.targets import HostKey as DriverHostKey
from provisioning.models import Action, ActionRun, ConfigChange, DhcpPool, PortPool, Vm, VyosRouter
from provisioning.services import vms, wishes

_numbers = count(1)
# Made for these tests; nobody has the private halves.
HOST_KEY_LINES = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDwiQfGYT39iMiC7a4/tH6w8dJJKzdqa6eY9pWcLtlmn",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDDd/YuaxuYOo8nPt9SoZqDzz4MMw/QLd6xtthwA/YkA",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEUJfENBTYw8kDoY+LxpNuwxMp8OTJ1lRkmZRI4y"
    "+7PJHDESrPXQXI3il+iskn/Nhx0I5KU+8pirujqf8hDn0Gs=",
)
HOST_KEY_FINGERPRINT = "SHA256:h7BPMQNjQ0Fce4W7KareTE5BgfK0JuEBcosrQzaWaQY"


def make_tenant(**over: Any) -> Tenant:
    n = next(_numbers)
    return Tenant.objects.create(**{"name": f"Tenant {n}", "slug": f"tenant-{n}", **over})


def make_site(**over: Any) -> Site:
    return Site.objects.create(**{"name": f"Site {next(_numbers)}", **over})


def make_tag(**over: Any) -> Tag:
    n = next(_numbers)
    return Tag.objects.create(**{"name": f"Tag {n}", "slug": f"tag-{n}", **over})


def make_device(**over: Any) -> Device:
    return Device.objects.create(**{"name": f"device-{next(_numbers)}", "kind": "router", **over})


def make_flat(**over: Any) -> Device:
    """A router as one POST makes it: address, community, endpoint, checks."""
    n = next(_numbers)
    fields = {
        "name": f"router-{n}",
        "kind": "router",
        "ip": f"127.77.{n // 250}.{n % 250 + 1}",
        "snmp_community": "public",
        **over,
    }
    return create_device(fields=fields)


def make_interface(device: Device, **over: Any) -> Interface:
    return Interface.objects.create(**{"device": device, "name": f"eth{next(_numbers)}", **over})


def make_address(interface: Interface | None = None, **over: Any) -> IPAddress:
    n = next(_numbers)
    return IPAddress.objects.create(**{"address": f"10.20.{n // 250}.{n % 250 + 1}", "interface": interface, **over})


def make_credential(**over: Any) -> Credential:
    values = {"name": f"credential {next(_numbers)}", "kind": "snmp_community", "secret": "public", **over}
    return Credential.objects.create(**values)


def make_ssh_key(**over: Any) -> Credential:
    return ssh_keys.generate_key(**{"name": f"key {next(_numbers)}", "type": "ed25519", **over})


def make_endpoint(device: Device, **over: Any) -> ManagementEndpoint:
    return ManagementEndpoint.objects.create(**{"device": device, "protocol": "icmp", **over})


def make_ssh_endpoint(*, tenant: Tenant | None = None, **over: Any) -> ManagementEndpoint:
    """An SSH endpoint of a device of its own, with a password."""
    n = next(_numbers)
    device = create_device(
        fields={
            "name": f"host-{n}", "kind": "computer", "ip": f"127.78.{n // 250}.{n % 250 + 1}", "tenant": tenant,
            "ssh_username": "netmon", "ssh_password": "ssh-pass-phrase",
        }
    )  # fmt: skip
    endpoint = device.endpoints.get(protocol="ssh")
    ManagementEndpoint.objects.filter(pk=endpoint.pk).update(**over) if over else None
    endpoint.refresh_from_db()
    return endpoint


def driver_host_key(number: int) -> DriverHostKey:
    """A host key of its own for every number."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + number.to_bytes(32, "big")
    return DriverHostKey("ssh-ed25519", b64encode(blob).decode())


def make_host_key(endpoint: ManagementEndpoint, key: DriverHostKey | None = None, **over: Any) -> HostKey:
    key = key or DriverHostKey.parse(HOST_KEY_LINES[0])
    values = {"key_type": key.key_type, "public_key": key.public_key, "fingerprint": key.fingerprint, **over}
    return HostKey.objects.create(endpoint=endpoint, **values)


def make_check(endpoint: ManagementEndpoint, **over: Any) -> Check:
    return Check.objects.create(**{"endpoint": endpoint, "module": "icmp", **over})


def make_event(device: Device, **over: Any) -> DeviceEvent:
    values = {"source": "bgp", "kind": "bgp_down", "severity": "warning", "subject": "192.0.2.2", **over}
    return DeviceEvent.objects.create(device=device, **values)


def make_neighbour(device: Device, **over: Any) -> ExpectedNeighbour:
    values = {"protocol": "bgp", "neighbour": f"192.0.2.{next(_numbers) % 250 + 1}", **over}
    return ExpectedNeighbour.objects.create(device=device, **values)


def make_indicator(device: Device, **over: Any) -> Indicator:
    values = {"kind": "smell", "value": "disk smells burnt", "source": "omar", **over}
    return Indicator.objects.create(device=device, **values)


def make_fact(device: Device, kind: str, data: dict[str, Any], **over: Any) -> DeviceFact:
    return DeviceFact.objects.create(device=device, kind=kind, data=data, **{"collected_at": timezone.now(), **over})


def make_series(device: Device, **over: Any) -> Series:
    return Series.objects.create(**{"device": device, "metric_set": "snmp.system", **over})


CONFIG = """hostname r1
password hush-hush-9
!
router bgp 65001
 neighbor 192.0.2.2 remote-as 65002
exit
!
"""


def make_config(device: Device, text: str = CONFIG, *, startup: str | None = None, **over: Any) -> ConfigVersion:
    """What a backup of the device leaves behind: the running version; `over` are fields of the backup."""
    values = {"platform": "frr", "collected_at": timezone.now().timestamp(), "monotonic_at": 0.0, **over}
    texts = [ConfigText("running", text, *config_check.last_change(text))]
    texts += [ConfigText("startup", startup)] if startup is not None else []
    at = datetime.fromtimestamp(values["collected_at"], UTC)
    return configs.keep(device, Backup(configs=tuple(texts), **values), at)[0].version


def make_action(**over: Any) -> Action:
    values = {"name": f"Action {next(_numbers)}", "executable": "hello", **over}
    return Action.objects.create(**values)


def make_run(device: Device, action: Action | None = None, **over: Any) -> ActionRun:
    """A run that has ended, unless `over` says otherwise."""
    action = action or make_action(tenant=device.tenant)
    values = {
        "device_name": device.name, "tenant": device.tenant, "executable": action.executable, "sha256": "0" * 64,
        "run_on": action.run_on, "argv": [action.executable, "192.0.2.1"], "status": "succeeded", "exit_code": 0,
        "output": "well", "started_at": timezone.now(), "finished_at": timezone.now(), **over,
    }  # fmt: skip
    return ActionRun.objects.create(action=action, device=device, **values)


def make_vyos_router(*, tenant: Tenant | None = None, **over: Any) -> VyosRouter:
    """A VyOS router with the endpoint and the key by which it is configured."""
    n = next(_numbers)
    device = make_device(name=f"vyos-{n}", tenant=tenant)
    key = make_credential(kind="api_key", secret="a-key-of-the-tests")
    endpoint = make_endpoint(device, protocol="vyos", credential=key)
    return VyosRouter.objects.create(**{"endpoint": endpoint, "inbound_interface": "eth0", **over})


def make_dhcp_pool(router: VyosRouter | None = None, *, cidr: str = "192.168.66.0/24", **over: Any) -> DhcpPool:
    network = cidr.rpartition(".")[0]
    values = {
        "name": f"lan-{next(_numbers)}", "shared_network": "LAN", "range_start": f"{network}.10",
        "range_end": f"{network}.99", "gateway": f"{network}.1", **over,
    }  # fmt: skip
    prefix, _ = Prefix.objects.get_or_create(cidr=cidr, site=None)
    return DhcpPool.objects.create(router=router or make_vyos_router(), prefix=prefix, **values)


def make_port_pool(router: VyosRouter | None = None, **over: Any) -> PortPool:
    values = {"name": f"outside-{next(_numbers)}", **over}
    return PortPool.objects.create(router=router or make_vyos_router(), **values)


def make_vm(router: VyosRouter | None = None, *, user: Any = None, **over: Any) -> Vm:
    """A machine as one request makes it, at a router with a pool of each kind."""
    if router is None:
        router = make_vyos_router()
    if not router.dhcp_pools.exists():
        make_dhcp_pool(router)
    if not router.port_pools.exists():
        make_port_pool(router)
    fields = {"vm_name": f"vm-{next(_numbers)}", "router": router.pk, **over}
    return vms.provision(wishes.read_vm(fields), user=user).vm


def make_change(router: VyosRouter | None = None, **over: Any) -> ConfigChange:
    """A change that waits, unless `over` says otherwise."""
    router = router or make_vyos_router()
    return ConfigChange.objects.create(**{"router": router, "router_name": str(router), "kind": "provision", **over})


def make_outage(device: Device, started_at: datetime, minutes: float | None, **over: Any) -> Outage:
    ended_at = None if minutes is None else started_at + timedelta(minutes=minutes)
    return Outage.objects.create(**{"device": device, "started_at": started_at, "ended_at": ended_at, **over})


def watch(device: Device, *, hours: float = 24, **over: Any) -> DeviceState:
    """A state as if the device had been watched for so many hours until now."""
    now = timezone.now()
    values = {
        "state": "up",
        "since": now - timedelta(hours=hours),
        "watched_since": now - timedelta(hours=hours),
        "last_poll_at": now,
        "is_reachable": True,
        **over,
    }
    state, _ = DeviceState.objects.update_or_create(device=device, defaults=values)
    return state
