"""Rows for tests: plain functions, deterministic, each with sensible values that may be overridden."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from inventory import ssh_keys
from inventory.models import Credential, Device, Interface, IPAddress, ManagementEndpoint, Site, Tag, Tenant
from inventory.services import create_device
from monitoring.models import Check, DeviceState, Outage, Series

_numbers = count(1)


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


def make_check(endpoint: ManagementEndpoint, **over: Any) -> Check:
    return Check.objects.create(**{"endpoint": endpoint, "module": "icmp", **over})


def make_series(device: Device, **over: Any) -> Series:
    return Series.objects.create(**{"device": device, "metric_set": "snmp.system", **over})


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
