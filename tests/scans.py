"""Rows of scanning for tests: each with sensible values that may be overridden."""

from itertools import count
from typing import Any

from django.utils import timezone

from inventory.models import Device
from scanning.models import (
    ExpectedPort,
    OpenPort,
    PresencePeriod,
    Scan,
    ScanExclusion,
    ScanHost,
    ScanSchedule,
    SeenHost,
    SeenPort,
)

_numbers = count(1)


def make_scan(**over: Any) -> Scan:
    """One that has ended, with a host and its open port."""
    now = timezone.now()
    values = {
        "kind": "network", "target": "198.51.100.0/28", "spans": ["198.51.100.1-198.51.100.14"], "ports": "1-1024",
        "outcome": "succeeded", "hosts_total": 14, "hosts_done": 14, "hosts_up": 1, "open_ports": 1,
        "started_at": now, "finished_at": now, **over,
    }  # fmt: skip
    scan = Scan.objects.create(**values)
    host = ScanHost.objects.create(scan=scan, address="198.51.100.7", address_key=f"{0xFFFFC6336407:032x}")
    OpenPort.objects.create(host=host, port=22, service="ssh", banner=scan.reason)
    return scan


def make_seen(**over: Any) -> SeenHost:
    """A discovery that waits for review, with a port and since when it is there."""
    number, now = next(_numbers), timezone.now()
    values = {
        "address": f"198.51.100.{number % 250}", "address_key": f"{0xFFFFC6336400 + number % 250:032x}",
        "mac_address": f"00:00:5e:00:53:{number % 256:02x}", "first_seen_at": now, "last_seen_at": now,
        "ports_looked_at": now, **over,
    }  # fmt: skip
    host = SeenHost.objects.create(**values)
    SeenPort.objects.create(host=host, port=22, service="ssh", first_seen_at=now, last_seen_at=now)
    PresencePeriod.objects.create(host=host, started_at=now)
    return host


def make_schedule(**over: Any) -> ScanSchedule:
    return ScanSchedule.objects.create(
        **{"name": f"schedule {next(_numbers)}", "target": "198.51.100.0/28", "kind": "ping", **over}
    )


def make_exclusion(**over: Any) -> ScanExclusion:
    return ScanExclusion.objects.create(**{"cidr": f"198.51.101.{next(_numbers) % 250}", **over})


def make_expected(device: Device, **over: Any) -> ExpectedPort:
    return ExpectedPort.objects.create(**{"device": device, "port": 22, **over})
